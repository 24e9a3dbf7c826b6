package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// plan is what a cycle will do. It follows from the seed and the number of the
// cycle alone, so that the same seed does the same again.
type plan struct {
	mode   string
	cycle  int
	seed   uint64
	lanes  int              // connections of the crowd
	on     [2]bool          // the servers that the crowd works with
	mixed  bool             // the crowd does not only put
	after  int              // the blow falls after that many answers
	quiet  bool             // it falls when everything is answered and forgotten
	kills  [2]bool          // the servers that are killed
	hold   [2]time.Duration // what it asked of PostgreSQL is carried out so much later
	late   [2]bool          // its COMMITs alone, so much after others have begun to recover it
	apart  [2]time.Duration // before each kill
	linger time.Duration    // records of the pairs are kept so long before the blow
	pauses [4]time.Duration
	twice  bool      // PostgreSQL is killed twice
	wakes  bool      // a stopped server goes on
	points [2]string // failpoints of servers that are started after this cycle
}

// random is the source of what one of the goroutines of a cycle decides.
func (p plan) random(who int) *rand.Rand {
	return rand.New(rand.NewPCG(p.seed, uint64(p.cycle)<<16|uint64(who)))
}

func newPlan(seed uint64, cycle int, mode string) plan {
	p := plan{mode: mode, cycle: cycle, seed: seed}
	random := p.random(0)
	ms := func(least, most int) time.Duration {
		return time.Duration(least+random.IntN(most-least)) * time.Millisecond
	}
	p.lanes = 2 << random.IntN(6)
	p.on = [][2]bool{{true, true}, {true, true}, {true, false}, {false, true}}[random.IntN(4)]
	p.mixed = random.IntN(2) == 0
	p.after = 10 + random.IntN(100)
	p.quiet = mode == "power" && random.IntN(2) == 0
	victim := random.IntN(3)
	for i := range p.kills {
		p.kills[i] = mode == "kill" && victim != 1-i || mode == "postgres" && random.IntN(6) == 0
		if p.apart[i] = ms(0, 20); random.IntN(2) == 0 {
			p.hold[i] = ms(100, 400)
			if p.late[i] = random.IntN(2) == 0; p.late[i] {
				p.hold[i] = ms(50, 300)
			}
		}
		// Some servers run into a failpoint, as they work or as they recover
		// the others.
		if point := random.IntN(2 * len(points)); point < len(points) && (mode == "kill" || mode == "power") {
			p.points[i] = fmt.Sprintf("%s:%d", points[point], 1+random.IntN(30))
			if random.IntN(3) == 0 {
				p.points[i] = fmt.Sprintf("committed:%d:stop", 1+random.IntN(30))
			}
		}
	}
	p.pauses = [4]time.Duration{ms(20, 300), ms(20, 300), ms(20, 200), ms(100, 500)}
	if mode == "failover" {
		p.pauses = [4]time.Duration{ms(50, 500), ms(50, 1000), ms(20, 200), ms(100, 500)}
	}
	if random.IntN(2) == 0 && !p.quiet {
		p.linger = ms(100, 300)
	}
	p.twice = random.IntN(2) == 0
	p.wakes = random.IntN(2) == 0
	return p
}

func (p plan) String() string {
	var b strings.Builder
	kind := "puts"
	if p.mixed {
		kind = "changes"
	}
	fmt.Fprintf(&b, "%s by %d connections to %s", kind, p.lanes, servers(p.on))
	if p.linger > 0 {
		fmt.Fprintf(&b, ", records kept for %d ms", p.linger.Milliseconds())
	}
	switch {
	case p.quiet:
		fmt.Fprintf(&b, ", %d answers, quiet, power cut", p.after)
	case p.mode == "power":
		fmt.Fprintf(&b, ", %d answers, power cut", p.after)
	case p.mode == "kill":
		fmt.Fprintf(&b, ", %d answers, kill %s", p.after, servers(p.kills))
		for i, hold := range p.hold {
			switch {
			case hold == 0 || !p.kills[i]:
			case p.late[i]:
				fmt.Fprintf(&b, ", its commits %d arrive %d ms after its recovery began", i, hold.Milliseconds())
			default:
				fmt.Fprintf(&b, ", hold its backends %d: %d ms", i, hold.Milliseconds())
			}
		}
	default:
		fmt.Fprintf(&b, ", %d answers, kill PostgreSQL", p.after)
		if p.twice && p.mode == "postgres" {
			b.WriteString(" twice")
		}
		if p.kills[0] || p.kills[1] {
			fmt.Fprintf(&b, " and %s", servers(p.kills))
		}
	}
	return b.String()
}

func servers(some [2]bool) string {
	switch some {
	case [2]bool{true, true}:
		return "both servers"
	case [2]bool{true, false}:
		return "server 0"
	case [2]bool{false, true}:
		return "server 1"
	}
	return "no server"
}

// passed are the failpoints that the program has, as its source names them.
var passed = func() (names []string) {
	call := regexp.MustCompile(`\bFailpoint\("([a-z-]+)"\)`)
	filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names)
}()

// points are the failpoints of the random rounds: all but what only a file
// system without RENAME_NOREPLACE passes.
var points = slices.DeleteFunc(slices.Clone(passed), func(name string) bool { return name == "linked" })
