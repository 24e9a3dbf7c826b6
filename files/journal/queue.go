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
	flush  time.Duration   // how long its bytes took to become durable
	held   time.Time       // when something was in its way first; zero: never
	placed Placed
	done   chan error // one slot
}

// queue are the puts of an owner: those that wait for the slot, and those that
// will as soon as their bytes are durable. It belongs to the slot.
type queue struct {
	mu       sync.Mutex
	waiting  []*waiting
	flushing int
	flushed  chan struct{} // closed when flushing is 0 again
	// Whoever was answered usually sends the next file at once.
	away  int           // puts of the group before without a follower so far
	back  chan struct{} // closed when away is 0 again
	until time.Time     // nobody is waited for any longer
}

const (
	// mostInGroup bounds how many puts are committed together.
	mostInGroup = 64
	// quickFlush is the size of the largest file, in bytes, that others wait
	// for while it becomes durable. They wait as long as their own took, within
	// these bounds.
	quickFlush = 1 << 20
	leastFlush = 5 * time.Millisecond
	mostFlush  = 50 * time.Millisecond
	// mostAway bounds how long those who were just answered are waited for. It
	// is at most half of what their group took.
	mostAway = 5 * time.Millisecond
)

// expect announces a put that makes its bytes durable: to commit it with those
// that wait costs less than to commit it alone.
func (q *queue) expect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flushing++; q.flushing == 1 {
		q.flushed = make(chan struct{})
	}
	if q.away > 0 {
		if q.away--; q.away == 0 {
			close(q.back)
		}
	}
}

// answering says that the puts of a group are about to be answered, which took so
// long. Without it the files of eight connections come in two groups of four that
// take turns.
func (q *queue) answering(group []*waiting, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away > 0 {
		close(q.back)
	}
	q.away, q.back, q.until = 0, make(chan struct{}), time.Now().Add(min(took/2, mostAway))
	for _, w := range group {
		if w.Size <= quickFlush {
			q.away++
		}
	}
}

// arrived ends expect.
func (q *queue) arrived() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flushing--; q.flushing == 0 {
		close(q.flushed)
	}
}

func (q *queue) add(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
}

// putBack lets puts wait again, before all others.
func (q *queue) putBack(list []*waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(list, q.waiting...)
}

// remove reports whether the put was still waiting.
func (q *queue) remove(w *waiting) bool {
	return len(q.take(func(o *waiting) bool { return o == w })) == 1
}

// group waits for the puts that are expected beside those that wait, and takes
// those who waited longest, at most one for each path.
func (q *queue) group() []*waiting {
	q.mu.Lock()
	back, until, away := q.back, q.until, q.away > 0 && len(q.waiting) > 0
	q.mu.Unlock()
	if left := time.Until(until); away && left > 0 {
		select {
		case <-back:
		case <-time.After(left):
		}
	}
	q.mu.Lock()
	flushed, more, most := q.flushed, q.flushing > 0 && len(q.waiting) > 0, leastFlush
	for _, w := range q.waiting {
		most = max(most, min(w.flush, mostFlush))
	}
	q.mu.Unlock()
	if more {
		select {
		case <-flushed:
		case <-time.After(most):
		}
	}
	paths, items, n := map[string]bool{}, map[uuid.UUID]bool{}, 0
	return q.take(func(w *waiting) bool {
		if n == mostInGroup || paths[w.Path] || items[w.Item] {
			return false
		}
		paths[w.Path], items[w.Item] = true, true
		n++
		return true
	})
}

func (q *queue) take(want func(*waiting) bool) (taken []*waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(w *waiting) bool {
		if !want(w) {
			return false
		}
		taken = append(taken, w)
		return true
	})
	return taken
}
