package journal

import (
	"testing"
	"testing/synctest"
	"time"
)

func putAt(path string) *waiting { return &waiting{Put: Put{Path: path, Item: NewID()}} }

func TestQueue_AGroupWaitsForWhatIsAboutToBeDurable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flush  time.Duration // of the one that waits
		after  time.Duration // from when the other is expected until it is here
		n      int
		waited time.Duration
	}{
		{time.Millisecond, leastFlush / 2, 2, leastFlush / 2},
		{time.Millisecond, time.Second, 1, leastFlush},
		{3 * leastFlush, 2 * leastFlush, 2, 2 * leastFlush}, // a slow disk
		{time.Second, time.Second, 1, mostFlush},            // one that hangs
	} {
		synctest.Test(t, func(t *testing.T) {
			q := &queue{}
			first := putAt("/a")
			first.flush = c.flush
			q.add(first)
			q.expect()
			go func() {
				time.Sleep(c.after)
				q.add(putAt("/b"))
				q.arrived()
			}()
			began := time.Now()
			if n, waited := len(q.group()), time.Since(began); n != c.n || waited != c.waited {
				t.Errorf("a group of %d after %v, want %d after %v", n, waited, c.n, c.waited)
			}
			time.Sleep(c.after) // let it arrive
		})
	}
}

func TestQueue_NobodyWaitsWhereNobodyIsExpectedOrThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, began := &queue{}, time.Now()
		q.expect()
		if n := len(q.group()); n != 0 {
			t.Errorf("a group of %d", n)
		}
		q.add(putAt("/a"))
		q.arrived()
		if n := len(q.group()); n != 1 {
			t.Errorf("a group of %d", n)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
	})
}
