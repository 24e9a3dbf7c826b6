package files

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"homebase/db"
	"homebase/files/journal"

	"github.com/google/uuid"
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
	// mostAnnounced bounds a notification (8000 bytes); more owners are
	// everybody.
	mostAnnounced = 200
	// beatEvery is how often an idle stream shows that it lives, and how long
	// a lost wake-up costs. Proxies give up after sixty seconds.
	beatEvery = 15 * time.Second
)

// hub knows who listens in this worker, and the rows that hold until someone
// would be woken.
type hub struct {
	name string // by which it knows its own notifications
	beat time.Duration

	known *known

	mu        sync.Mutex
	audiences map[uuid.UUID]map[*listener]bool // by owner
	moved     map[uuid.UUID]bool               // to be announced to the other workers
	announce  journal.Signal                   // there is something in moved
}

// listener is one stream.
type listener struct {
	wake journal.Signal // there may be something new
	ask  journal.Signal // the caller may have lost the right to read
	seq  atomic.Int64   // of the tree when all of it was told
}

func newHub() *hub {
	return &hub{name: rand.Text(), beat: beatEvery, known: newKnown(), audiences: map[uuid.UUID]map[*listener]bool{}, moved: map[uuid.UUID]bool{},
		announce: journal.NewSignal()}
}

// listen adds a listener until leave is called.
func (h *hub) listen(owner uuid.UUID) (l *listener, leave func()) {
	l = &listener{wake: journal.NewSignal(), ask: journal.NewSignal()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.audiences[owner] == nil {
		h.audiences[owner] = map[*listener]bool{}
	}
	h.audiences[owner][l] = true
	return l, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if delete(h.audiences[owner], l); len(h.audiences[owner]) == 0 {
			delete(h.audiences, owner)
		}
	}
}

// unknownSeq is no tree's.
const unknownSeq = -1

// awaken wakes those of an owner's listeners who were not told all up to that
// seq of the tree; mu is held. What readers know of the rows goes first.
func (h *hub) awaken(owner uuid.UUID, seq int64) {
	h.known.forget(owner)
	for l := range h.audiences[owner] {
		if l.seq.Load() != seq {
			l.wake.Give()
		}
	}
}

// changed is called after a commit of this worker.
func (h *hub) changed(owner uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awaken(owner, unknownSeq)
	h.moved[owner] = true
	h.announce.Give()
}

// announced wakes those whom another worker's notification names.
func (h *hub) announced(owners ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(owners, everybody) {
		h.known.forgetAll()
		for owner := range h.audiences {
			h.awaken(owner, unknownSeq)
		}
		return
	}
	for _, s := range owners {
		if id, err := uuid.Parse(s); err == nil {
			h.awaken(id, unknownSeq)
		}
	}
}

// everybody stands for all owners in a notification.
const everybody = "*"

// takeMoved is the payload of the next notification, "" when nothing has moved
// since the last one.
func (h *hub) takeMoved() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.moved) == 0 {
		return ""
	}
	words := []string{h.name, everybody}
	if len(h.moved) <= mostAnnounced {
		words = words[:1]
		for owner := range h.moved {
			words = append(words, owner.String())
		}
	}
	clear(h.moved)
	return strings.Join(words, " ")
}

// RecheckListeners makes every stream of this worker ask again whether its
// caller may read. Call it when sessions, keys, users or roles have changed.
func (f *Files) RecheckListeners() { f.hub.recheck() }

func (h *hub) recheck() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, audience := range h.audiences {
		for l := range audience {
			l.ask.Give()
		}
	}
}

// onAnnounced takes a notification; this worker's own listeners were woken.
func (fd *feed) onAnnounced(payload string) {
	name, owners, _ := strings.Cut(payload, " ")
	if name != fd.hub.name {
		fd.hub.announced(strings.Fields(owners)...)
	}
}

// announceChanges tells the other workers, until ctx ends. It need not be
// durable, and one that fails is not repeated.
func (fd *feed) announceChanges(ctx context.Context) {
	for fd.hub.announce.Await(ctx) {
		payload := fd.hub.takeMoved()
		if payload == "" {
			continue // an earlier round took it along
		}
		if err := db.Notify(ctx, fd.db, changesChannel, payload); err != nil && ctx.Err() == nil {
			fd.log.WarnContext(ctx, "cannot announce changes; listeners on other workers will learn of them later", "error", err)
		}
		if !db.Sleep(ctx, announceEvery) {
			return
		}
	}
}

// lookForChanges is the net under lost wake-ups, until ctx ends.
func (fd *feed) lookForChanges(ctx context.Context) {
	for db.Sleep(ctx, fd.hub.beat) {
		if err := fd.lookOnce(ctx); err != nil && ctx.Err() == nil {
			fd.log.WarnContext(ctx, "cannot check for missed wake-ups", "error", err)
		}
	}
}

func (fd *feed) lookOnce(ctx context.Context) error {
	const sql = `-- name: files.SeqsOfOwners
		SELECT t.owner_id, t.seq FROM trees t WHERE t.owner_id = ANY ($1)`
	fd.hub.mu.Lock()
	owners := slices.Collect(maps.Keys(fd.hub.audiences))
	fd.hub.mu.Unlock()
	if len(owners) == 0 {
		return nil
	}
	type moved struct {
		owner uuid.UUID
		seq   int64
	}
	list, err := db.All(ctx, fd.db, db.RowOf(func(m *moved) []any { return []any{&m.owner, &m.seq} }), sql, owners)
	fd.hub.mu.Lock()
	defer fd.hub.mu.Unlock()
	for _, m := range list {
		fd.hub.awaken(m.owner, m.seq)
	}
	return err
}
