package crash

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// upgrade is a soak in which workers of a release give way to those of the next
// one, whose schema has a step more. Clients go on all the time, and ask where
// they asked before.
type upgrade struct {
	*soak
	from, to string // the programs
	accounts []*account
	crowd    *crowd
	seed     uint64
}

// TestUpgrade_WorkersGiveWayUnderLoad: UPGRADE_FROM and UPGRADE_TO say where the
// two programs are, as make upgrade does; else none is tried. The last old worker
// is stopped, or killed with records that it has not carried out.
func TestUpgrade_WorkersGiveWayUnderLoad(t *testing.T) {
	for _, to := range filepath.SplitList(os.Getenv("UPGRADE_TO")) {
		for _, last := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(last.String(), func(t *testing.T) {
				s, accounts, c := newSoak(t)
				s.stay = true
				for i := range s.servers {
					a := &account{email: email(9 + i), answers: &s.answers}
					s.signIn(a)
					s.pairs = append(s.pairs, s.pair(a))
				}
				u := &upgrade{soak: s, from: s.binary, to: to, accounts: accounts, crowd: c, seed: seedOf(t)}
				u.run(last)
			})
		}
	}
}

func (u *upgrade) run(last syscall.Signal) {
	ctx, stop := context.WithCancel(u.t.Context())
	noise := u.makeNoise(ctx, time.Hour)
	defer u.tell()
	defer stop()
	before := u.dir + "/before"
	var then *rows
	u.next("two old workers", func() {})
	u.quiet(func() {
		u.must(u.from, "backup", before)
		then = u.items()
	})
	u.next("the step is applied", u.migrate)
	u.next("the first worker is replaced", func() { u.replace(0, syscall.SIGTERM) })
	u.next("the second worker is replaced", func() { u.replace(1, last) })
	u.next("two new workers", func() {})
	u.quiet(func() { u.must(u.to, "backup", before) })
	stop()
	noise.Wait()
	u.restore(before, then)
}

// tell says what it came to.
func (u *upgrade) tell() {
	u.t.Logf("%.1f minutes: %s\nanswers by kind:\n%s", time.Since(u.began).Minutes(), &u.answers, u.times.table())
	u.times.mu.Lock()
	defer u.times.mu.Unlock()
	for _, failure := range slices.Sorted(maps.Keys(u.times.failed)) {
		n := u.times.failed[failure]
		u.t.Logf("%s: %d times", failure, n)
		if !strings.HasSuffix(failure, " busy") {
			u.t.Errorf("%s: %d times", failure, n)
		}
	}
	u.found.mu.Lock()
	defer u.found.mu.Unlock()
	for _, finding := range u.found.list[:min(len(u.found.list), 10)] {
		u.t.Error(finding)
	}
}

// next is a round of everybody's work with a blow in it.
func (u *upgrade) next(what string, blow func()) {
	u.t.Helper()
	u.t.Log(what)
	u.round(newPlan(u.seed, u.cycles+1, "upgrade"), 9*time.Second, u.accounts, u.crowd, true, blow)
	if u.found.any() {
		u.t.FailNow()
	}
}

// quiet does something while nobody works.
func (u *upgrade) quiet(work func()) {
	u.paused.Lock()
	defer u.paused.Unlock()
	work()
}

// must runs a command, which has to succeed.
func (u *upgrade) must(binary string, args ...string) {
	u.t.Helper()
	if out, err := u.commandOf(binary, "", args...); err != nil {
		u.t.Fatalf("%s %v: %v: %s", binary, args, err, out)
	}
}

// migrate applies the new step while both old workers serve, and an old backup
// is under way.
func (u *upgrade) migrate() {
	halfWay := u.dir + "/half"
	ended := make(chan struct{})
	var out string
	var err error
	go func() {
		defer close(ended)
		out, err = u.commandOf(u.from, "", "backup", halfWay)
	}()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	u.must(u.to, "migrate")
	u.t.Logf("the step took %.1f s", time.Since(began).Seconds())
	if <-ended; err == nil {
		u.t.Log("a backup that was under way ended well: " + out)
		u.must(u.to, "backup", "--verify", halfWay)
	} else {
		u.refused("a backup that was under way", out)
	}
	u.binary = u.to
	for i, s := range u.servers {
		if !s.running() || !s.ready() {
			u.t.Errorf("the old server %d does not go on", i)
		}
	}
	for _, args := range [][]string{{"serve"}, {"backup", halfWay}, {"files", "verify"}} {
		out, err := u.commandOf("timeout", "", append([]string{"60", u.from}, args...)...)
		if err == nil {
			u.t.Errorf("the old program did %v: %s", args, out)
		}
		u.refused(fmt.Sprint(args), out)
	}
}

// refused demands that the old program says why it does nothing.
func (u *upgrade) refused(what, out string) {
	u.t.Logf("%s: %s", what, out)
	if !strings.Contains(out, "the database is newer than this program") || !strings.Contains(out, "start a newer release") {
		u.t.Errorf("%s is not refused in plain words: %s", what, out)
	}
}

// replace ends an old worker and starts a new one in its place.
func (u *upgrade) replace(i int, by syscall.Signal) {
	old := u.servers[i]
	release := func() {}
	if by == syscall.SIGKILL {
		release = u.linger(plan{linger: 200 * time.Millisecond})
	}
	began := time.Now()
	old.Process.Signal(by)
	<-old.ended
	gone := time.Since(began)
	if by == syscall.SIGKILL {
		left := u.count("SELECT count(*) FROM file_ops WHERE owner_id = $1", u.pairs[i].owner.id)
		release()
		if left == 0 {
			u.t.Error("the worker that was killed left no record")
		}
		u.t.Logf("it left %d records", left)
		await(u.t, "a new worker has recovered them", func() bool {
			return u.count("SELECT count(*) FROM workers") == 1
		})
		u.t.Logf("they were carried out after %.1f s", time.Since(began).Seconds())
	}
	launched := time.Now()
	next := u.launch(i, "")
	await(u.t, "the new worker is ready", next.ready)
	u.t.Logf("server %d: ended after %.2f s, ready %.2f s after it was started; away for %.2f s", i, gone.Seconds(), time.Since(launched).Seconds(), time.Since(began).Seconds())
}

// restore brings the backup that the old program made back in another place, by
// the new one, and compares it with what was there then; the later one is tried.
func (u *upgrade) restore(bk string, then *rows) {
	points, err := os.ReadDir(bk + "/points")
	must(u.t, err)
	if len(points) != 2 {
		u.t.Fatalf("the points are %v", points)
	}
	u.ask(func(conn *pgx.Conn) error {
		_, err := conn.Exec(u.t.Context(), "CREATE DATABASE elsewhere TEMPLATE template0")
		return err
	})
	there := &rig{t: u.t, dir: u.dir, disk: u.dir + "/elsewhere", binary: u.to, url: "postgres://homebase@/elsewhere?host=" + u.dir + "/socket"}
	defer there.forget()
	run := func(args ...string) {
		u.t.Helper()
		out, err := there.command("", args...)
		u.t.Logf("%v: %s", args, out)
		if err != nil {
			u.t.Errorf("%v: %v", args, err)
		}
	}
	run("restore", bk, "--check")
	run("restore", bk, "--point", points[0].Name())
	run("files", "verify")
	run("audit", "verify")
	now := there.items()
	for id, was := range then.byID {
		is := now.byID[id]
		if is == nil {
			u.t.Errorf("%s is not restored", was.path)
			continue
		}
		was.ino, is.ino = 0, 0
		if *is != *was {
			u.t.Errorf("%+v was restored as %+v", *was, *is)
		}
		if a, b := shortened(sums(then.former[id])), shortened(sums(now.former[id])); a != b {
			u.t.Errorf("%s had the versions %s and has %s", was.path, a, b)
		}
	}
	if len(now.byID) != len(then.byID) {
		u.t.Errorf("%d items were restored, of %d", len(now.byID), len(then.byID))
	}
	_, findings := there.look(there.items(), nil)
	for _, finding := range findings {
		u.t.Error(finding)
	}
}
