// Package crash kills the real program and looks at what is left. Two servers
// on one PostgreSQL and one data directory take a mixed load of uploads (plain
// and tus), copies, replaces, folders, renames, moves, trash, restores and
// purges; then one or
// both of them, or PostgreSQL, or the power, goes away at a random moment, or
// a server is stopped between a commit and its rename. After the recovery
// every acknowledged change must be there and whole, and of the one request
// of each client whose answer never came either all or nothing.
//
//	make crash                     200 kills of servers
//	make crash N=50 MODE=postgres  kills of PostgreSQL under living servers
//	make crash N=50 MODE=power     power cuts; by root alone
//	make crash N=50 MODE=failover  kills of PostgreSQL whose standby takes over
//	make crash MODE=kill ABLATE=fence
//
// The last one takes a part of the protocol out, and has to fail: a check
// that cannot fail is none. The parts are guard, fence, fsync and order. With
// ABLATE=noreplace the disk is like CephFS, without RENAME_NOREPLACE, and
// everything has to hold.
package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// shortRound is how many kills a run of all tests pays for.
const shortRound = 10

// points are the places where a server kills itself in the random round.
var points = []string{"staged", "committed", "publish", "rename", "mkdir", "published", "fenced", "redone"}

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
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t, mode)
	r.bringUp()
	accounts := r.accounts(4, 2)
	began := time.Now()
	for cycle := 1; cycle <= cycles; cycle++ {
		if findings := r.cycle(random, accounts, mode); len(findings) > 0 {
			t.Fatalf("cycle %d, seed %d:\n%s", cycle, seed, strings.Join(findings, "\n"))
		}
		if cycle%10 == 0 || cycle == cycles {
			t.Logf("%d cycles (%s) in %.0f s: %d changes acknowledged, %d without an answer, %d refused as busy, %d reads, 0 findings", cycle, mode,
				time.Since(began).Seconds(), answers.acknowledged.Load(), answers.unknown.Load(), answers.refused.Load(), answers.reads.Load())
		}
	}
}

// cycle is one blow under load, the recovery, and the look at everything.
func (r *rig) cycle(random *rand.Rand, accounts []*account, mode string) (findings []string) {
	r.t.Helper()
	r.prepare(random, accounts, mode)
	findings = r.load(random, accounts, mode)
	r.bringUp()
	return append(findings, r.check(accounts)...)
}

// accounts makes users, each with clients that have a folder of their own.
func (r *rig) accounts(users, clients int) (list []*account) {
	r.t.Helper()
	for u := range users {
		a := &account{email: fmt.Sprintf("user%d@example.com", u)}
		if out, err := r.command(password, "user", "create", a.email, "--password-stdin"); err != nil {
			r.t.Fatalf("%v: %s", err, out)
		}
		r.signIn(a)
		for i := range clients {
			c := &client{name: fmt.Sprintf("c%d", u*clients+i), owner: a, nodes: model{}, rand: rand.New(rand.NewPCG(uint64(u), uint64(i)))}
			var made itemBody
			if status, code, _ := request(r.t.Context(), r.servers[0], a.token, "POST", "/files/folders", map[string]string{"path": "/" + c.name}, &made); status != 201 {
				r.t.Fatalf("make a client's folder: %d %s", status, code)
			}
			c.folder = made.ID
			a.clients = append(a.clients, c)
		}
		var box itemBody
		body := map[string]any{"path": "/shared/box0", "parents": true}
		if status, code, _ := request(r.t.Context(), r.servers[0], a.token, "POST", "/files/folders", body, &box); status != 201 {
			r.t.Fatalf("make the shared folder: %d %s", status, code)
		}
		a.box = box.ID
		list = append(list, a)
	}
	return list
}

func (r *rig) signIn(a *account) {
	r.t.Helper()
	var grant struct {
		Token string `json:"access_token"`
	}
	body := map[string]string{"email": a.email, "password": password, "mode": "token"}
	if status, code, _ := request(r.t.Context(), r.servers[0], "", "POST", "/auth/login", body, &grant); status != 200 {
		r.t.Fatalf("sign in: %d %s", status, code)
	}
	a.token = grant.Token
}

// prepare lets the second server of some cycles run into a failpoint: to die
// there, or to be stopped between a commit and its rename.
func (r *rig) prepare(random *rand.Rand, accounts []*account, mode string) {
	r.t.Helper()
	if mode == "failover" && r.standby == nil {
		r.replicate()
	}
	if point := random.IntN(2 * len(points)); (mode == "kill" || mode == "power") && point < len(points) {
		at := fmt.Sprintf("%s:%d", points[point], 1+random.IntN(20))
		if random.IntN(3) == 0 {
			at = fmt.Sprintf("committed:%d:stop", 1+random.IntN(20))
		}
		r.servers[1].kill()
		r.launch(1, at)
		await(r.t, "the second server is ready or dead", func() bool { return !r.servers[1].running() || r.servers[1].stopped() || r.servers[1].ready() })
	}
	for _, a := range accounts {
		r.signIn(a)
	}
}

// load lets all clients work until the blow, and a little longer.
func (r *rig) load(random *rand.Rand, accounts []*account, mode string) (findings []string) {
	r.t.Helper()
	var mu sync.Mutex
	note := func(finding string) {
		if finding != "" {
			mu.Lock()
			defer mu.Unlock()
			findings = append(findings, finding)
		}
	}
	ctx, stop := context.WithCancel(r.t.Context())
	var working sync.WaitGroup
	servers := r.servers // who is killed is asked in vain
	for _, a := range accounts {
		for _, s := range servers {
			seed := random.Uint64()
			working.Go(func() {
				own := rand.New(rand.NewPCG(seed, 2))
				for ctx.Err() == nil {
					a.contend(context.WithoutCancel(ctx), s, own)
				}
			})
		}
		for _, c := range a.clients {
			working.Go(func() {
				for ctx.Err() == nil && c.doubtful == nil {
					note(c.step(context.WithoutCancel(ctx), servers[c.rand.IntN(2)]))
				}
			})
			seed := random.Uint64()
			working.Go(func() {
				own := rand.New(rand.NewPCG(seed, 1))
				for ctx.Err() == nil {
					note(c.read(context.WithoutCancel(ctx), servers[own.IntN(2)], own))
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	// The blow falls after a number of answers, or soon where none come.
	enough := answers.acknowledged.Load() + int64(10+random.IntN(150))
	for until := time.Now().Add(3 * time.Second); answers.acknowledged.Load() < enough && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	pause := func(most int) { time.Sleep(time.Duration(50+random.IntN(most)) * time.Millisecond) }
	switch mode {
	case "power":
		r.cutPower()
	case "failover":
		r.killPostgres()
		pause(500)
		r.promote()
		pause(1000)
	case "postgres":
		for range 1 + random.IntN(2) {
			r.killPostgres()
			pause(200)
			r.startPostgres()
			pause(300)
		}
		if random.IntN(3) == 0 {
			r.servers[random.IntN(2)].kill()
		}
	default:
		victim := random.IntN(3)
		for i, s := range r.servers {
			if victim != 1-i {
				late := r.holdBackends(random, i)
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				s.kill()
				time.AfterFunc(time.Duration(200+random.IntN(3000))*time.Millisecond, late)
			}
		}
		pause(400)
	}
	stop()
	for _, s := range r.servers {
		if s.running() && s.stopped() {
			// It wakes up and goes on, or it never does.
			if pause(800); random.IntN(2) == 0 {
				s.kill()
			} else {
				s.Process.Signal(contSignal)
			}
		}
	}
	working.Wait()
	return findings
}

// check looks at everything after the recovery.
func (r *rig) check(accounts []*account) (findings []string) {
	r.t.Helper()
	for i, s := range r.servers { // it may have reached its failpoint only now
		if s.stopped() {
			s.Process.Signal(contSignal)
		} else if !s.running() {
			r.launch(i, "")
		}
	}
	r.bringUp()
	settled := func() bool {
		return r.count(`SELECT (SELECT count(*) FROM file_ops WHERE quarantined_at IS NULL) + (SELECT count(*) FROM uploads WHERE worker_id IS NOT NULL)
		                     + abs((SELECT count(*) FROM workers) - 2)`) == 0
	}
	for deadline := time.Now().Add(30 * time.Second); !settled(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return []string{"records, reservations or dead workers stay behind"}
		}
	}
	for _, a := range accounts {
		r.signIn(a)
		for _, c := range a.clients {
			if finding := c.settle(r.t, r.servers[0]); finding != "" {
				findings = append(findings, finding)
			}
		}
	}
	if n := r.count("SELECT count(*) FROM file_ops"); n > 0 {
		findings = append(findings, fmt.Sprintf("%d records were kept aside: their bytes are nowhere", n))
	}
	if n := r.count(`SELECT count(*) FROM trees t WHERE t.reserved <> (SELECT coalesce(sum(u.bytes), 0) FROM uploads u WHERE u.owner_id = t.owner_id)`); n > 0 {
		findings = append(findings, fmt.Sprintf("%d users have more or less reserved than their uploads under way", n))
	}
	if out, err := r.command("", "files", "verify"); err != nil {
		findings = append(findings, "verify: "+out)
	}
	findings = append(findings, r.disagreements()...)
	if left := r.orphans(); len(left) > 0 {
		findings = append(findings, fmt.Sprintf("staging holds %q", left))
	}
	return findings
}

// disagreements are what a scan finds where nobody touched the disk: nothing.
// The command is a worker, so it first recovers those that are dead.
func (r *rig) disagreements() (findings []string) {
	out, err := r.command("", "files", "scan", "--json")
	if err != nil {
		findings = append(findings, "scan: "+out)
	}
	for line := range strings.Lines(out) {
		var got map[string]any
		if json.Unmarshal([]byte(line), &got) != nil {
			continue
		}
		if list, ok := got["problems"].([]any); !ok || len(list) > 0 {
			findings = append(findings, "the scan has problems: "+line)
		}
		for _, what := range []string{"new", "moved", "changed", "missing", "returned"} {
			if n, ok := got[what].(float64); !ok || n != 0 {
				findings = append(findings, "disk and rows do not agree: "+line)
			}
		}
		if got["used"] != got["used_before"] {
			findings = append(findings, "what is used is not the sum: "+line)
		}
	}
	return findings
}
