// Package crash kills the real program and looks at what is left. Two servers
// on one PostgreSQL and one data directory take a mixed load: clients that each
// change a tree of their own by uploads (plain and tus), copies, replaces,
// folders, renames, moves, trash, restores and purges, and a crowd of up to 64
// connections of one owner that put small files at once, and for each server two
// files that change their names as fast as they can. Then one or both of
// the servers, or PostgreSQL, or the power, goes away at a random moment, or a
// server is stopped between a commit and its rename. After the recovery every
// acknowledged change must be there and whole, and of a request whose answer
// never came either all or nothing.
//
//	make crash                     200 kills of servers
//	make crash N=50 MODE=postgres  kills of PostgreSQL under living servers
//	make crash N=50 MODE=power     power cuts; by root alone; on XFS with FS=xfs
//	make crash N=50 MODE=failover  kills of PostgreSQL whose standby takes over
//	make crash SEED=7              what the clients do, and the blows, again
//	make machines                  several machines and the links between them; by root alone
//	make crash MODE=kill ABLATE=fence
//	make soak MINUTES=60           everything at once (soak_test.go)
//	make machines                  machines whose links are cut (machines_test.go)
//	make upgrade                   workers of a release give way to newer ones (upgrade_test.go)
//
// Each cycle looks at what changed since the one before: rows against disk,
// and both against what the clients were told. Every 25th, and the last, looks
// at everything, with the program's own scan and verify too. A finding tells
// the history of its item.
//
// ABLATE takes a part of the protocol out, and the test has to fail: a check that
// cannot fail is none. The parts are guard, fence, order, and those that only
// MODE=power shows: fsync, and flush, the flush of the target folders. Some 30
// cycles find each but order, whose moment is rare: give it 200. With
// ABLATE=noreplace the disk is like CephFS, without RENAME_NOREPLACE, and
// everything has to hold.
package crash

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// shortRound is how many kills a run of all tests pays for.
const shortRound = 3

func TestCrash_NothingAcknowledgedIsLostAndNothingElseIsHalfThere(t *testing.T) {
	t.Parallel()
	cycles, mode := shortRound, os.Getenv("CRASH_MODE")
	if n, err := strconv.Atoi(os.Getenv("CRASH_CYCLES")); err == nil {
		cycles = n
	}
	if mode == "" {
		mode = "kill"
	}
	if mode == "power" && os.Geteuid() != 0 {
		t.Fatal("cutting the power needs a loop mount, which only root can make")
	}
	seed := seedOf(t)
	r := newRig(t, mode)
	for i := range r.wires {
		if mode == "kill" {
			r.wires[i] = r.wire(fmt.Sprint("wire", i))
		}
	}
	r.bringUp()
	accounts := r.accounts(4, 2)
	crowded := &account{email: email(8), answers: &r.answers}
	r.signIn(crowded)
	c := r.gather(crowded)
	for i := range r.servers {
		a := &account{email: email(9 + i), answers: &r.answers}
		r.signIn(a)
		r.pairs = append(r.pairs, r.pair(a))
	}
	began, found := time.Now(), 0
	defer func() {
		t.Logf("seed %d, %s: %d cycles in %.0f s: %s; the largest group left %d records; %d findings", seed, mode, r.cycles, time.Since(began).Seconds(), &r.answers, r.largest, found)
	}()
	for cycle := 1; cycle <= cycles && found == 0; cycle++ {
		p := newPlan(seed, cycle, mode)
		findings := r.cycle(p, accounts, c, cycle%fullEvery == 0 || cycle == cycles)
		if found = len(findings); found > 0 {
			t.Errorf("cycle %d, seed %d: %s:\n%s", cycle, seed, p, strings.Join(findings[:min(found, 8)], "\n"))
		}
	}
}

// seedOf is what SEED says, or a new one.
func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) % 1_000_000
	if given := os.Getenv("SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		must(t, err)
	}
	t.Logf("seed %d", seed)
	return seed
}

// cycle is one blow under load, the recovery, and the look at what changed. c
// may be nil.
func (r *rig) cycle(p plan, accounts []*account, c *crowd, full bool) (findings []string) {
	r.t.Helper()
	began := time.Now()
	before := [2]int64{r.answers.acknowledged.Load(), r.answers.unknown.Load()}
	r.prepare(p, accounts, c)
	findings = r.load(p, accounts, c)
	worked := time.Since(began)
	r.bringUp(p.points[:]...)
	r.rejoin(accounts)
	findings = append(findings, r.check(accounts, c, full)...)
	left, kind := "", ""
	if p.mode == "kill" {
		left = fmt.Sprintf("%d records left, %d of one group, %d of one item; ", r.left[0], r.left[1], r.left[2])
	}
	if full {
		kind = ", everything"
	}
	r.cycles++
	r.t.Logf("%d: %s; %d acknowledged, %d without an answer, %s%d files looked at%s; %.1f s, %.1f s of it recovery and look%s",
		p.cycle, p, r.answers.acknowledged.Load()-before[0], r.answers.unknown.Load()-before[1], left, r.looked, kind,
		time.Since(began).Seconds(), (time.Since(began) - worked).Seconds(), r.armed())
	return findings
}

// prepare gives everybody what the plan's seed says.
func (r *rig) prepare(p plan, accounts []*account, c *crowd) {
	r.t.Helper()
	if p.mode == "failover" && r.standby == nil {
		r.replicate()
	}
	now := time.Now()
	who := 100
	for _, a := range accounts {
		r.signIn(a)
		for _, c := range a.clients {
			who++
			c.rand, c.log.began, c.log.cycle = p.random(who), now, p.cycle
		}
	}
	for i, pair := range r.pairs {
		r.signIn(pair.owner)
		pair.rand, pair.log.began, pair.log.cycle = p.random(600+i), now, p.cycle
	}
	if c != nil {
		r.signIn(c.owner)
		c.log.began, c.log.cycle = now, p.cycle
		for i := range c.lanes {
			c.lanes[i].rand = p.random(200 + i)
		}
	}
}

// findings are what must not be.
type findings struct {
	mu   sync.Mutex
	list []string
}

// note adds one; "" is none.
func (f *findings) note(finding string) {
	if finding != "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.list = append(f.list, finding)
	}
}

func (f *findings) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.list) > 0
}

// work lets all clients work until ctx ends, and then finish what they began.
func (r *rig) work(ctx context.Context, p plan, accounts []*account, c *crowd, note func(finding string)) *sync.WaitGroup {
	r.t.Helper()
	whole := context.WithoutCancel(ctx) // a request that was sent is waited for
	working := new(sync.WaitGroup)
	loop := func(work func()) {
		working.Go(func() {
			for ctx.Err() == nil {
				work()
			}
		})
	}
	servers := r.servers // who is killed is asked in vain
	for n, a := range accounts {
		if own := p.random(700 + n); a.with != "" {
			loop(func() { a.churn(whole, servers[0], own) })
		}
		for i, s := range servers {
			own := p.random(300 + 2*n + i)
			loop(func() { a.contend(whole, s, own) })
		}
		for _, c := range a.clients {
			loop(func() {
				if c.doubtful != nil {
					time.Sleep(5 * time.Millisecond)
					return
				}
				note(c.step(whole, servers[c.rand.IntN(2)]))
			})
		}
		own := p.random(400 + n)
		loop(func() {
			note(a.clients[own.IntN(len(a.clients))].read(whole, servers[own.IntN(2)], own))
			time.Sleep(10 * time.Millisecond)
		})
	}
	if c != nil {
		for i := range c.lanes[:p.lanes] {
			l := &c.lanes[i]
			s := servers[i%2]
			if !p.on[i%2] {
				s = servers[1-i%2]
			}
			loop(func() { note(c.step(whole, s, l, p.mixed)) })
		}
		own := p.random(500)
		if p.mixed {
			loop(func() {
				note(c.move(whole, servers[own.IntN(2)], own))
				time.Sleep(time.Duration(10+own.IntN(50)) * time.Millisecond)
			})
		}
	}
	for i, pair := range r.pairs {
		loop(func() { note(pair.step(whole, servers[i])) })
	}
	return working
}

// load lets all clients work until the blow, and a little longer.
func (r *rig) load(p plan, accounts []*account, c *crowd) []string {
	r.t.Helper()
	var found findings
	ctx, stop := context.WithCancel(r.t.Context())
	working := r.work(ctx, p, accounts, c, found.note)
	// The blow falls after a number of answers, or soon where none come.
	enough := r.answers.acknowledged.Load() + int64(p.after)
	for until := time.Now().Add(2 * time.Second); r.answers.acknowledged.Load() < enough && time.Now().Before(until); {
		time.Sleep(500 * time.Microsecond)
	}
	drain := func() { // one server may reach its failpoint with its very last request
		done := make(chan struct{})
		go func() { working.Wait(); close(done) }()
		for r.wake(p); ; r.wake(p) {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	if p.quiet {
		stop()
		drain()
		r.forgotten()
	}
	release := r.linger(p)
	r.strike(p)
	release()
	stop()
	for i, s := range r.servers { // what recovers the dead comes before they are forgotten
		if !s.running() {
			r.launch(i, p.points[i])
		}
	}
	drain()
	return found.list
}
