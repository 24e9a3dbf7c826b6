package journal

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The simulation drives the journal, and all of disk that is above the system
// calls, over the models of a disk (model_disk_test.go) and of PostgreSQL
// (model_postgres_test.go), which say what they assume. Clients put, move, trash, restore and
// purge; up to three workers live at once; connections break, flushes
// fail, the disk is full, processes are killed, PostgreSQL crashes, the power is cut.
// Then the workers recover, and everything that was acknowledged must be there,
// what was refused must not, and nothing may be half there or left over.
//
//	make simulate                     100,000 schedules from a new seed
//	make simulate N=1000000 SEED=7    a million, from that seed on
//	make simulate N=1 SEED=4711       one, with its history
//	make simulate ABLATE=order        takes a part of the protocol out: must fail
//
// A finding tells its seed and the history of its schedule.

// simulate runs one schedule.
func simulate(t *testing.T, seed uint64, ablated string, tracing bool) (s *simulation) {
	synctest.Test(t, func(t *testing.T) {
		s = newSimulation(seed, ablated)
		s.tracing = tracing
		s.run()
	})
	return s
}

// number is what a variable of the environment says, or else.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// usual is how many schedules a run of all tests pays for.
const usual = 500

func TestSimulation_NothingAcknowledgedIsLostAndNothingElseIsHalfThere(t *testing.T) {
	t.Parallel()
	n, first, ablated := number(t, "SIMULATE", usual), uint64(0), os.Getenv("ABLATE")
	if n != usual {
		first = number(t, "SEED", uint64(time.Now().UnixNano())%1e12)
	}
	began := time.Now()
	var mu sync.Mutex
	var working sync.WaitGroup
	next, steps, failed, tally := uint64(0), 0, []uint64{}, map[string]int{}
	for range runtime.GOMAXPROCS(0) {
		working.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				enough := i >= n || len(failed) > 0
				mu.Unlock()
				if enough {
					return
				}
				s := simulate(t, first+i, ablated, false)
				mu.Lock()
				if len(s.findings) > 0 {
					failed = append(failed, s.seed)
				}
				for what, n := range s.tally {
					tally[what] += n
				}
				steps += s.taken
				mu.Unlock()
			}
		})
	}
	working.Wait()
	for _, seed := range failed {
		s := simulate(t, seed, ablated, true)
		t.Errorf("SEED=%d: %s\n%s", seed, strings.Join(s.findings, "\n"), strings.Join(s.history, "\n"))
	}
	if n == 1 && len(failed) == 0 {
		t.Log(strings.Join(simulate(t, first, ablated, true).history, "\n"))
	}
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(tally)) {
		fmt.Fprintf(&text, ", %d %s", tally[what], what)
	}
	took := time.Since(began).Seconds()
	t.Logf("seeds from %d: %d schedules of %d steps in %.1f s, %.0f a second%s", first, n, steps/int(n), took, float64(n)/took, &text)
	for _, what := range happens {
		if n >= usual && tally[what] == 0 {
			t.Errorf("in %d schedules there was no %s", n, what)
		}
	}
}

// happens is what a number of schedules must have had for their silence to mean
// something.
var happens = []string{"put", "move", "trash", "restore", "purge", "mkdir", "end", "unknown", "refused", "group of puts", "redo", "resolved",
	"version kept", "versions given up", "from outside", "no space", "failed flush", "broken disk", "answer lost", "kill", "stop", "crash of PostgreSQL", "power cut"}

// ablations are parts of the protocol that are taken out, in that what they ask
// of disk or PostgreSQL is not done. Without any of them something is lost.
var ablations = []string{"flush file", "flush staging", "flush users", "flush trash", "flush versions", "flush purge",
	"commit", "fence", "order", "pending", "guard", "doubt", "running", "missed", "lock", "link", "noreplace", "shut"}

func TestSimulation_FindsWhatIsTakenOut(t *testing.T) {
	t.Parallel()
	for _, part := range ablations {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			first := number(t, "SEED", 0)
			for seed := range uint64(3000) {
				if s := simulate(t, first+seed, part, false); len(s.findings) > 0 {
					t.Logf("found after %d schedules: %s", seed+1, s.findings[0])
					return
				}
			}
			t.Error("not found")
		})
	}
}

// ids are of each run's own.
var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func TestSimulation_IsTheSameFromTheSameSeed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		var told [2]string
		for i := range told {
			s := simulate(t, seed, "", true)
			if !s.leaving {
				// Who are answered at once say so in any order.
				slices.Sort(s.history)
				told[i] = ids.ReplaceAllString(strings.Join(s.history, "\n"), "id")
			}
		}
		if told[0] != told[1] {
			t.Errorf("seed %d: two histories:\n%s\n\n%s", seed, told[0], told[1])
		}
	}
}
