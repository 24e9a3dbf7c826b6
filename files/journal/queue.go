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
	// Whoever was answered usually sends the next file at once.
	away  int       // puts of the group before without a follower so far
	until time.Time // nobody of them is waited for any longer
	here  Signal    // nothing is being flushed any more
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
	q.flushing++
	q.away = max(q.away-1, 0)
}

// answering says that the puts of a group are about to be answered, which took so
// long. Without it the files of eight connections come in two groups of four that
// take turns.
func (q *queue) answering(group []*waiting, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away, q.until = 0, time.Now().Add(min(took/2, mostAway))
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
		q.here.Give()
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

// patience is how much longer a group that has waited since a time waits for the
// puts that are expected.
func (q *queue) patience(began time.Time) (left time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return 0
	}
	if q.flushing > 0 {
		most := leastFlush
		for _, w := range q.waiting {
			most = max(most, min(w.flush, mostFlush))
		}
		left = most - time.Since(began)
	}
	if q.away > 0 {
		left = max(left, time.Until(q.until))
	}
	return left
}

// group waits for the puts that are expected beside those that wait, and takes
// those who waited longest, at most one for each path.
func (q *queue) group() []*waiting {
	began := time.Now()
	for left := q.patience(began); left > 0; left = q.patience(began) {
		select {
		case <-q.here:
		case <-time.After(left):
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
