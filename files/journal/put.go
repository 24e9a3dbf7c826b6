package journal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"homebase/audit"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Put takes staged bytes to their place: a new file, or the new content of
// one. What Folder, Path and Replaces say was looked up before; it is looked
// up again under the owner's lock, where it counts.
type Put struct {
	Owner uuid.UUID
	// Op names the put. Reserved says that a row of uploads with
	// this id holds space for it, which is given up for the bytes themselves.
	Op       uuid.UUID
	Reserved bool
	// Upload is the resumable upload that ends with the put; zero for none.
	Upload uuid.UUID

	Folder   uuid.UUID // where the file goes
	Path     string    // of the file: "/documents/a.pdf"
	Item     uuid.UUID // whose id the staged file carries
	Replaces bool      // Item is what has this name already
	// AsItIs replaces what somebody changed past the API: its bytes have no row
	// that could become a version's. Without, that is ErrChangedOutside.
	AsItIs bool
	// MustBeFree refuses a name that is taken with ErrNameConflict.
	MustBeFree bool

	File      *os.File // the staged file, open
	Staged    string   // its path below the data directory
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
	// Also queues what else is written in the same transaction; nil: nothing.
	Also func(b *pgx.Batch)
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
	// ErrChangedOutside says that what is at the path was changed past the API,
	// and has to be taken over before it can become a version.
	ErrChangedOutside = errors.New("what is to be replaced was changed outside the API")
	// ErrEnded says that the resumable upload has ended before.
	ErrEnded = errors.New("the upload has already ended")
	// ErrNameConflict says that a name is taken.
	ErrNameConflict = httpx.NewProblem(409, "name_conflict", "The name is taken").With("Something in this folder already has this name; choose another.")
)

// Put makes staged bytes durable, commits them and puts them in place. Puts of
// one owner that wait for their turn are committed together: whoever gets the
// owner's slot leads, and takes what waits. Errors are those of Commit, and
// ErrLookAgain, ErrEnded and what Check returns.
func (j *Journal) Put(ctx context.Context, p Put) (Placed, error) {
	w := &waiting{Put: p, ctx: context.WithoutCancel(ctx), done: make(chan error, 1)}
	slot := j.slots.of(p.Owner)
	err := j.withRoom(ctx, p.Owner, func() error {
		if err := j.flush(&slot.puts, w); err != nil {
			return err
		}
		return j.await(ctx, slot, w)
	})
	return w.placed, err
}

// await leads a group when the turn of a waiting put comes, or is led.
func (j *Journal) await(ctx context.Context, in *slot, w *waiting) error {
	var gaveUp error
	left, late := ctx.Done(), time.After(Timeout)
	for {
		select {
		case err := <-w.done:
			return err
		case in.held <- struct{}{}:
			if gaveUp == nil {
				j.lead(ctx, &in.puts, func() { <-in.held })
				continue
			}
			// Its group was on the way, and may have put it back since.
			<-in.held
		case <-late:
			gaveUp = httpx.ErrBusy
		case <-left:
			gaveUp, left = context.Cause(ctx), nil
		}
		if in.puts.remove(w) {
			j.own.end(w.Op)
			return gaveUp
		}
	}
}

// flush makes the staged bytes durable and lets the put wait for its turn. A
// failed fsync is final: the kernel may have thrown the pages away, and a second
// call would say that all is well.
func (j *Journal) flush(q *queue, w *waiting) error {
	if w.Size <= quickFlush {
		q.expect()
		defer q.arrived()
	}
	began := time.Now()
	err := j.disk.Sync(w.File)
	w.flush = time.Since(began)
	if err == nil {
		disk.Failpoint("staged")
		j.own.begin(w.Op)
		q.add(w)
	}
	return err
}
