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
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// accounts gives users clients that have a folder of their own.
func (r *rig) accounts(users, clients int) (list []*account) {
	r.t.Helper()
	for u := range users {
		a := &account{email: email(u), answers: &r.answers}
		if u == 3 {
			a.with = email(7)
		}
		r.signIn(a)
		for i := range clients {
			c := &client{name: fmt.Sprintf("c%d", u*clients+i), owner: a, nodes: model{}}
			c.folder = r.makeFolder(a, "/"+c.name)
			a.clients = append(a.clients, c)
		}
		a.box = r.makeFolder(a, "/shared/box0")
		list = append(list, a)
	}
	return list
}

// signIn gets a token where there is none, or an old one.
func (r *rig) signIn(a *account) {
	r.t.Helper()
	if time.Since(a.signed) < 4*time.Minute {
		return
	}
	login := func(email string) string {
		var grant struct {
			Token string `json:"access_token"`
		}
		body := map[string]string{"email": email, "password": password, "mode": "token"}
		await(r.t, email+" is signed in", func() bool {
			status, code, sure := request(r.t.Context(), r.servers[0], "", "POST", "/auth/login", body, &grant)
			if sure && status != 200 && status != http.StatusServiceUnavailable {
				r.t.Fatalf("sign in: %d %s", status, code)
			}
			return sure && status == 200
		})
		return grant.Token
	}
	a.token, a.signed = login(a.email), time.Now()
	if a.id == "" {
		r.ask(func(conn *pgx.Conn) error {
			return conn.QueryRow(r.t.Context(), "SELECT (SELECT id::text FROM users WHERE email = $1), coalesce((SELECT id::text FROM users WHERE email = $2), '')", a.email, a.with).
				Scan(&a.id, &a.withID)
		})
		if a.with != "" {
			a.id = r.makeSpace(a.email, a.with)
		}
	}
	if a.with != "" {
		a.token += " " + login(a.with) + " " + a.id
	}
}

// makeSpace makes a space of a manager and an editor.
func (r *rig) makeSpace(people ...string) (id string) {
	r.t.Helper()
	r.ask(func(conn *pgx.Conn) error {
		return conn.QueryRow(r.t.Context(), `
			WITH owner AS (INSERT INTO owners (id) VALUES (overlay(gen_random_uuid()::text PLACING '8' FROM 15)::uuid) RETURNING id),
			     tree AS (INSERT INTO trees (owner_id, root_id, feed_epoch) SELECT id, gen_random_uuid(), gen_random_uuid() FROM owner),
			     space AS (INSERT INTO spaces (id, name) SELECT id, 'two' FROM owner),
			     member AS (INSERT INTO space_members (space_id, user_id, role) SELECT o.id, u.id, CASE WHEN u.email = ($1::text[])[1] THEN 'manager' ELSE 'editor' END FROM owner o, users u WHERE u.email = ANY ($1::text[]))
			SELECT id::text FROM owner, pg_notify('files_members', '')`, people).Scan(&id)
	})
	return id
}

// inSpace is what a request brings to a space: another person's token at each
// server, and the space's id where the path names no item.
func inSpace(s *server, token, path string) (string, string) {
	of := strings.Fields(token)
	if len(of) < 3 {
		return token, path
	}
	at, query, _ := strings.Cut(path, "?")
	if strings.HasPrefix(at, "/files/content/") || at == "/files/folders" || at == "/files/trash" || at == "/files/lookup" {
		path = at + "?space=" + of[2]
		if query != "" {
			path += "&" + query
		}
	}
	return of[s.name[len(s.name)-1]%2], path
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

// strike is the blow.
func (r *rig) strike(p plan) {
	r.t.Helper()
	r.left = [3]int{}
	switch p.mode {
	case "machines":
		r.blow()
	case "power":
		r.cutPower()
	case "failover":
		r.killPostgres()
		time.Sleep(p.pauses[0])
		r.promote()
		time.Sleep(p.pauses[1])
	case "postgres":
		for i := range 2 {
			if i == 0 || p.twice {
				r.killPostgres()
				time.Sleep(p.pauses[0])
				r.startPostgres()
				time.Sleep(p.pauses[1])
			}
		}
		for i, s := range r.servers {
			if p.kills[i] {
				s.kill()
			}
		}
	default:
		for i := range r.servers {
			if p.kills[i] {
				r.killServer(p, i)
			}
		}
		r.countLeft()
		time.Sleep(p.pauses[2]) // the other one goes on
	}
}

// killServer kills a server. What it asked of PostgreSQL may be carried out
// long after that, or its COMMITs when its recovery has begun.
func (r *rig) killServer(p plan, i int) {
	r.t.Helper()
	begun := r.recoveryOfAny()
	release := func() {}
	switch {
	case p.late[i]:
		release = r.wires[i].hold()
		for until := time.Now().Add(300 * time.Millisecond); !r.committing(r.servers[i].name) && time.Now().Before(until); {
			time.Sleep(2 * time.Millisecond)
		}
	case p.hold[i] > 0:
		release = r.holdBackends(i)
	}
	time.Sleep(p.apart[i])
	r.servers[i].kill()
	go func() {
		for until := time.Now().Add(5 * time.Second); p.late[i] && !begun() && time.Now().Before(until); {
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(p.hold[i])
		release()
	}()
}

// wake lets a server that stopped at its failpoint go on, or kills it.
func (r *rig) wake(p plan) {
	for _, s := range r.servers {
		if s.running() && s.stopped() {
			if time.Sleep(p.pauses[3]); p.wakes {
				s.Process.Signal(contSignal)
			} else {
				s.kill()
			}
		}
	}
}

// countLeft counts the records that a blow left, and the most of one commit
// and of one item.
func (r *rig) countLeft() {
	r.ask(func(conn *pgx.Conn) error {
		return conn.QueryRow(r.t.Context(), `SELECT count(*), coalesce(max(o.with_it), 0), coalesce(max(o.of_item), 0)
			FROM (SELECT count(*) OVER (PARTITION BY xmin::text) AS with_it, count(*) OVER (PARTITION BY item_id) AS of_item FROM file_ops) o`).Scan(&r.left[0], &r.left[1], &r.left[2])
	})
	r.largest = max(r.largest, r.left[1])
}

// forgotten waits until no record is left, on the disk too: what a power cut
// takes back now, no redo brings again.
func (r *rig) forgotten() {
	r.t.Helper()
	for until := time.Now().Add(2 * time.Second); r.count("SELECT count(*) FROM file_ops") > 0 && time.Now().Before(until); {
		time.Sleep(2 * time.Millisecond)
	}
	r.count("SELECT pg_current_xact_id()::text::bigint") // its commit takes all before it to the disk
}
