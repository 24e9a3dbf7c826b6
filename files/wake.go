package files

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listeners of the feed read it from the table, each at its own pace; what is
// between them and the writers are wake-ups alone, so nobody waits for a slow
// listener and nothing is kept for it. A worker wakes its own listeners after
// each commit, and those of the other workers by a notification, at most
// twenty a second with all owners that had changes meanwhile. It is not part
// of the commits and may be lost: as a net under it each worker that has
// listeners looks every fifteen seconds, by one query, whose trees have moved.

const (
	changesChannel = "files_changes"
	announceEvery  = time.Second / 20
	// mostAnnounced bounds a notification (8000 bytes); with more owners it
	// names nobody and means everybody.
	mostAnnounced = 200
	// beatEvery is how often an idle stream shows that it lives, and how long
	// a lost wake-up costs. Proxies give up after sixty seconds.
	beatEvery = 15 * time.Second
)

// hub knows who listens in this worker.
type hub struct {
	name string // by which it knows its own notifications
	beat time.Duration

	mu        sync.Mutex
	audiences map[uuid.UUID]*audience // by owner
	moved     map[uuid.UUID]bool      // to be announced to the other workers
	announce  chan struct{}           // of one slot: there is something in moved
	rights    chan struct{}           // closed, and another one made, when rights changed
}

// audience is who listens to one owner's feed.
type audience struct {
	wakes map[chan struct{}]bool
	seq   int64 // of the tree at the last look
}

func newHub() *hub {
	return &hub{name: rand.Text(), beat: beatEvery, audiences: map[uuid.UUID]*audience{}, moved: map[uuid.UUID]bool{},
		announce: make(chan struct{}, 1), rights: make(chan struct{})}
}

// listen adds a listener until leave is called. wake has one slot: it says
// that there may be something new, not how much.
func (h *hub) listen(owner uuid.UUID) (wake chan struct{}, leave func()) {
	wake = make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	a, ok := h.audiences[owner]
	if !ok {
		a = &audience{wakes: map[chan struct{}]bool{}}
		h.audiences[owner] = a
	}
	a.wakes[wake] = true
	return wake, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if delete(a.wakes, wake); len(a.wakes) == 0 {
			delete(h.audiences, owner)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (a *audience) wake() {
	for c := range a.wakes {
		signal(c)
	}
}

// changed is called after a commit of this worker.
func (h *hub) changed(owner uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a, ok := h.audiences[owner]; ok {
		a.wake()
	}
	h.moved[owner] = true
	signal(h.announce)
}

// announced wakes those whom another worker's notification names, all when it
// names nobody.
func (h *hub) announced(owners []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(owners) == 0 {
		for _, a := range h.audiences {
			a.wake()
		}
	}
	for _, s := range owners {
		if id, err := uuid.Parse(s); err == nil && h.audiences[id] != nil {
			h.audiences[id].wake()
		}
	}
}

// takeMoved is the payload of the next notification.
func (h *hub) takeMoved() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var s strings.Builder
	s.WriteString(h.name)
	for owner := range h.moved {
		if len(h.moved) <= mostAnnounced {
			s.WriteString(" " + owner.String())
		}
	}
	clear(h.moved)
	return s.String()
}

// RecheckListeners makes every stream of this worker ask again whether its
// caller may read. Call it when sessions, keys, users or roles have changed.
func (f *Files) RecheckListeners() {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	close(f.hub.rights)
	f.hub.rights = make(chan struct{})
}

func (h *hub) nextRights() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rights
}

// onAnnounced takes a notification; this worker's own listeners were woken.
func (f *Files) onAnnounced(payload string) {
	name, owners, _ := strings.Cut(payload, " ")
	if name != f.hub.name {
		f.hub.announced(strings.Fields(owners))
	}
}

// announceChanges tells the other workers, until ctx ends. It need not be
// durable, and one that fails is not repeated.
func (f *Files) announceChanges(ctx context.Context) {
	for {
		select {
		case <-f.hub.announce:
		case <-ctx.Done():
			return
		}
		payload := f.hub.takeMoved()
		err := f.db.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := db.Exec(ctx, tx, asynchronous); err != nil {
				return err
			}
			return db.Notify(ctx, tx, changesChannel, payload)
		})
		if err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "changes could not be announced; listeners at other workers learn of them later", "error", err)
		}
		if !sleep(ctx, announceEvery) {
			return
		}
	}
}

// lookForChanges is the net under lost wake-ups, until ctx ends.
func (f *Files) lookForChanges(ctx context.Context) {
	for sleep(ctx, f.hub.beat) {
		if err := f.lookOnce(ctx); err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "it could not be looked for changes", "error", err)
		}
	}
}

func (f *Files) lookOnce(ctx context.Context) error {
	const sql = `-- name: files.SeqsOfOwners
		SELECT t.owner_id, t.seq FROM trees t WHERE t.owner_id = ANY ($1)`
	f.hub.mu.Lock()
	owners := make([]uuid.UUID, 0, len(f.hub.audiences))
	for owner := range f.hub.audiences {
		owners = append(owners, owner)
	}
	f.hub.mu.Unlock()
	if len(owners) == 0 {
		return nil
	}
	type moved struct {
		owner uuid.UUID
		seq   int64
	}
	list, err := db.All(ctx, f.db, func(row pgx.Row) (m moved, err error) {
		err = row.Scan(&m.owner, &m.seq)
		return m, err
	}, sql, owners)
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	for _, m := range list {
		if a, ok := f.hub.audiences[m.owner]; ok && a.seq != m.seq {
			a.seq = m.seq
			a.wake()
		}
	}
	return err
}
