package journal

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"homebase/audit"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Put takes staged bytes to their place: a new file, or the new content of
// one. What Folder, Path and Replaces say was looked up before; it is looked
// up again under the owner's lock, where it counts.
type Put struct {
	Owner uuid.UUID
	// Op names the staged file. Reserved says that a row of uploads with
	// this id holds space for it, which is given up for the bytes themselves.
	Op       uuid.UUID
	Reserved bool
	// Upload is the resumable upload that ends with the put; zero for none.
	Upload uuid.UUID

	Folder   uuid.UUID // where the file goes
	Path     string    // of the file: "/documents/a.pdf"
	Item     uuid.UUID // whose id the staged file carries
	Replaces bool      // Item is what has this name already
	// MustBeFree refuses a name that is taken with ErrNameConflict.
	MustBeFree bool

	Staged    string // path below the data directory
	Ino       int64
	Size      int64
	MTime     int64 // nanoseconds since 1970
	SHA256    []byte
	MediaType string

	// Check holds the preconditions against what has the name, nil for
	// nothing, and asks again what may have ended while the bytes came. It
	// runs under the owner's lock and may be repeated.
	Check func(ctx context.Context, t *Tx, at *Item) error
	// Event is what the audit log gets, Told the item for the feed.
	Event func(it Item, created bool) audit.Event
	Told  func(it Item) json.RawMessage
	// Undone is called when a put whose COMMIT got no answer turns out to
	// have come to nothing.
	Undone func(ctx context.Context)
}

// Placed is what became of a Put.
type Placed struct {
	Item
	Path    string
	Created bool
}

var (
	// ErrLookAgain says that something else than what was looked up before is
	// at the path, or that the path leads elsewhere: nothing has happened.
	ErrLookAgain = errors.New("the tree has changed since the put was prepared")
	// ErrEnded says that the resumable upload has ended before.
	ErrEnded = errors.New("the upload has already ended")
	// ErrNameConflict says that a name is taken.
	ErrNameConflict = httpx.NewProblem(409, "name_conflict", "The name is taken").With("Something in this folder already has this name; choose another.")
)

// mostInGroup bounds how many puts are committed together.
const mostInGroup = 64

// waiting is a put in its owner's queue.
type waiting struct {
	Put
	ctx    context.Context // of its request, for the audit log
	held   time.Time       // when something was in its way first; zero: never
	placed Placed
	done   chan error // one slot
}

// queue are the puts that wait, by owner.
type queue struct {
	mu sync.Mutex
	by map[uuid.UUID][]*waiting
}

func (q *queue) add(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by == nil {
		q.by = map[uuid.UUID][]*waiting{}
	}
	q.by[w.Owner] = append(q.by[w.Owner], w)
}

// putBack lets puts wait again, before all others.
func (q *queue) putBack(owner uuid.UUID, list []*waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(list) > 0 {
		q.by[owner] = append(list, q.by[owner]...)
	}
}

// remove reports whether the put was still waiting.
func (q *queue) remove(w *waiting) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.take(w.Owner, func(o *waiting) bool { return o == w })) == 1
}

// group takes those who waited longest, at most one for each path.
func (q *queue) group(owner uuid.UUID) []*waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	paths, items, n := map[string]bool{}, map[uuid.UUID]bool{}, 0
	return q.take(owner, func(w *waiting) bool {
		if n == mostInGroup || paths[w.Path] || items[w.Item] {
			return false
		}
		paths[w.Path], items[w.Item] = true, true
		n++
		return true
	})
}

func (q *queue) take(owner uuid.UUID, want func(*waiting) bool) (taken []*waiting) {
	q.by[owner] = slices.DeleteFunc(q.by[owner], func(w *waiting) bool {
		if !want(w) {
			return false
		}
		taken = append(taken, w)
		return true
	})
	if len(q.by[owner]) == 0 {
		delete(q.by, owner)
	}
	return taken
}

// Put commits staged bytes and puts them in place. Puts of one owner that wait
// for their turn are committed together: whoever gets the owner's slot leads,
// and takes what waits without waiting for more. Errors are those of Commit,
// and ErrLookAgain, ErrEnded and what Check returns.
func (j *Journal) Put(ctx context.Context, p Put) (Placed, error) {
	w := &waiting{Put: p, ctx: context.WithoutCancel(ctx), done: make(chan error, 1)}
	j.own.begin(p.Op)
	j.queue.add(w)
	slot, drop := j.slots.claim(p.Owner)
	defer drop()
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	var gaveUp error
	left := ctx.Done()
	for {
		select {
		case err := <-w.done:
			return w.placed, err
		case slot.held <- struct{}{}:
			if gaveUp == nil {
				j.lead(ctx, p.Owner, func() { <-slot.held })
				continue
			}
			// Its group was on the way, and may have put it back since.
			<-slot.held
		case <-timer.C:
			gaveUp = httpx.ErrBusy
		case <-left:
			gaveUp, left = context.Cause(ctx), nil
		}
		if j.queue.remove(w) {
			j.own.end(p.Op)
			return w.placed, gaveUp
		}
	}
}
