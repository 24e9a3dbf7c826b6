package journal

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

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
	// expected are the puts that will be here as soon as their bytes are
	// durable, by owner.
	expected map[uuid.UUID]*expected
}

type expected struct {
	n    int
	none chan struct{} // closed when n is 0 again
}

const (
	// mostInGroup bounds how many puts are committed together.
	mostInGroup = 64
	// quickFlush is the size of the largest file, in bytes, that others wait
	// for while it becomes durable, and longestFlush how long they do.
	quickFlush   = 1 << 20
	longestFlush = 5 * time.Millisecond
)

// expect announces a put that makes its bytes durable before it waits itself:
// committing it with those before it costs less than committing it alone.
func (q *queue) expect(owner uuid.UUID, size int64) (arrived func()) {
	if size > quickFlush {
		return func() {}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.expected == nil {
		q.expected = map[uuid.UUID]*expected{}
	}
	e := q.expected[owner]
	if e == nil {
		e = &expected{none: make(chan struct{})}
		q.expected[owner] = e
	}
	e.n++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if e.n--; e.n == 0 {
			delete(q.expected, owner)
			close(e.none)
		}
	}
}

// await waits for the puts that are expected beside those that wait.
func (q *queue) await(owner uuid.UUID) {
	q.mu.Lock()
	e, waiting := q.expected[owner], len(q.by[owner])
	q.mu.Unlock()
	if e == nil || waiting == 0 {
		return
	}
	timer := time.NewTimer(longestFlush)
	defer timer.Stop()
	select {
	case <-e.none:
	case <-timer.C:
	}
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
	q.await(owner)
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
