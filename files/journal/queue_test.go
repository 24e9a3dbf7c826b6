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
			q := &queue{here: NewSignal()}
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
		q, began := &queue{here: NewSignal()}, time.Now()
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

func TestQueue_AGroupWaitsForThoseOfTheOneBefore(t *testing.T) {
	t.Parallel()
	large := putAt("/large")
	large.Size = quickFlush + 1
	for _, c := range []struct {
		before []*waiting    // the group before
		took   time.Duration // which took that long
		back   int           // of its small puts that have a follower
		n      int
		waited time.Duration
	}{
		{[]*waiting{putAt("/a"), putAt("/b")}, time.Second, 2, 3, time.Millisecond},
		{[]*waiting{putAt("/a"), putAt("/b")}, time.Second, 1, 2, mostAway}, // one has sent its last file
		{[]*waiting{putAt("/a"), putAt("/b")}, 4 * time.Millisecond, 0, 1, 2 * time.Millisecond},
		{[]*waiting{large}, time.Second, 0, 1, 0}, // its follower takes longer than anybody waits
		{nil, time.Second, 0, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := &queue{here: NewSignal()}
			q.answering(c.before, c.took)
			q.add(putAt("/waits"))
			go func() {
				time.Sleep(time.Millisecond)
				for range c.back {
					q.expect()
					q.add(putAt(NewID().String()))
					q.arrived()
				}
			}()
			began := time.Now()
			if n, waited := len(q.group()), time.Since(began); n != c.n || waited != c.waited {
				t.Errorf("after a group of %d that took %v, of which %d are back: a group of %d after %v, want %d after %v",
					len(c.before), c.took, c.back, n, waited, c.n, c.waited)
			}
			time.Sleep(time.Second)
		})
	}
}

// Whoever writes alone is their own follower.
func TestQueue_ASingleWriterWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, began := &queue{here: NewSignal()}, time.Now()
		for range 3 {
			q.expect()
			q.add(putAt("/a"))
			q.arrived()
			group := q.group()
			q.answering(group, time.Second)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited for %v", waited)
		}
	})
}
