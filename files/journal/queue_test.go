package journal

import (
	"testing"
	"testing/synctest"
	"time"
)

// grouped is how many puts of an owner are taken with one that waits alone
// while another of that size is expected, which arrives after a time.
func grouped(t *testing.T, size int64, after time.Duration) (n int, waited time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		q, owner := &queue{}, NewID()
		q.add(&waiting{Put: Put{Owner: owner, Path: "/a", Item: NewID()}})
		arrived := q.expect(owner, size)
		go func() {
			time.Sleep(after)
			q.add(&waiting{Put: Put{Owner: owner, Path: "/b", Item: NewID()}})
			arrived()
		}()
		began := time.Now()
		n = len(q.group(owner))
		waited = time.Since(began)
		time.Sleep(after) // let it arrive
	})
	return n, waited
}

func TestQueue_AGroupWaitsForWhatIsAboutToBeDurable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		size   int64
		after  time.Duration
		n      int
		waited time.Duration
	}{
		{"a small file", quickFlush, longestFlush / 2, 2, longestFlush / 2},
		{"a small file on a slow disk", quickFlush, time.Second, 1, longestFlush},
		{"a large file", quickFlush + 1, time.Second, 1, 0},
	} {
		if n, waited := grouped(t, c.size, c.after); n != c.n || waited != c.waited {
			t.Errorf("%s: a group of %d after %v, want %d after %v", c.what, n, waited, c.n, c.waited)
		}
	}
}

func TestQueue_APutThatIsAloneWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, owner := &queue{}, NewID()
		q.expect(owner, 1)()         // has arrived
		defer q.expect(NewID(), 1)() // another owner's
		q.add(&waiting{Put: Put{Owner: owner, Path: "/a", Item: NewID()}})
		began := time.Now()
		if n := len(q.group(owner)); n != 1 || time.Since(began) != 0 {
			t.Errorf("a group of %d after %v", n, time.Since(began))
		}
		defer q.expect(owner, 1)()
		if n := len(q.group(owner)); n != 0 || time.Since(began) != 0 {
			t.Errorf("with none there: a group of %d after %v", n, time.Since(began))
		}
	})
}
