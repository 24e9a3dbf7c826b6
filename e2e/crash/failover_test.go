package crash

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// replicate gives PostgreSQL a standby, made anew. From then on no commit is
// acknowledged before the standby has it on its disk.
func (r *rig) replicate() {
	r.t.Helper()
	other := 1 - r.node
	must(r.t, os.RemoveAll(r.home(other)))
	r.folder(r.home(other))
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=homebase", r.ports[r.node])
	if out, err := r.postgres("pg_basebackup", "-d", from, "-D", r.home(other), "-R", "-X", "stream", "-c", "fast", "--no-sync").CombinedOutput(); err != nil {
		r.t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
	r.standby = r.start(other, r.nodeURL(other))
	// The copy must not have this: alone it would acknowledge nothing.
	r.tell("ALTER SYSTEM SET synchronous_standby_names = '*'")
	r.tell("SELECT pg_reload_conf()")
	await(r.t, "the standby is synchronous", func() bool {
		return r.count("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
	})
}

// nodeURL leads to one of the two, whatever it does.
func (r *rig) nodeURL(node int) string {
	return fmt.Sprintf("postgres://homebase@127.0.0.1:%d/postgres?sslmode=disable", r.ports[node])
}

// promote makes the standby the one that takes writes. The other, which is
// dead, never comes back with what it has.
func (r *rig) promote() {
	r.t.Helper()
	r.node = 1 - r.node
	if out, err := r.postgres("pg_ctl", "promote", "-D", r.home(r.node)).CombinedOutput(); err != nil {
		r.t.Fatalf("promote: %v: %s", err, out)
	}
	r.pg, r.standby = r.standby, nil
}

// tell sends a statement outside a transaction.
func (r *rig) tell(sql string) {
	r.t.Helper()
	r.ask(func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// runJob waits until a job has run again.
func (r *rig) runJob(name string) {
	r.t.Helper()
	r.ask(func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.Background(), "UPDATE jobs SET next_run_at = now(), last_finished_at = NULL WHERE name = $1", name)
		return err
	})
	await(r.t, "the job "+name+" has run", func() bool {
		return r.count("SELECT count(*) FROM jobs WHERE name = $1 AND last_finished_at IS NOT NULL", name) == 1
	})
}

// visits are sign-ins and what was acknowledged of them: rows that no file
// stands behind.
type visits struct {
	in, out []string // tokens of sessions that were begun, and of those that were ended again
}

// staying is how many sessions of a cycle are not ended again. The server ends
// the oldest when somebody has more than 20, and the test has two cycles.
const staying = 8

// work signs in, and out every other time, until ctx ends.
func (v *visits) work(ctx context.Context, r *rig, email string) {
	for i := 0; ctx.Err() == nil; i++ {
		s := r.servers[i%2]
		var grant struct {
			Token string `json:"access_token"`
		}
		body := map[string]string{"email": email, "password": password, "mode": "token"}
		if status, _, _ := request(context.WithoutCancel(ctx), s, "", "POST", "/auth/login", body, &grant); status != 200 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if i%4 < 2 && len(v.in) < staying {
			v.in = append(v.in, grant.Token)
		} else if status, _, _ := request(context.WithoutCancel(ctx), s, grant.Token, "POST", "/auth/logout", nil, nil); status == 204 {
			v.out = append(v.out, grant.Token)
		}
	}
}

// TestFailover_ServersFollowToTheStandbyAndNothingAcknowledgedIsLost kills the
// PostgreSQL that two servers write to, under load, and promotes its
// synchronous standby; then the same the other way round.
func TestFailover_ServersFollowToTheStandbyAndNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := newRig(t, "failover")
	r.bringUp()
	accounts := r.accounts(2, 2)
	visitor := email(2)
	pids := [2]int{r.servers[0].Process.Pid, r.servers[1].Process.Pid}
	for cycle := range 2 {
		var v visits
		ctx, stop := context.WithCancel(t.Context())
		var visiting sync.WaitGroup
		visiting.Go(func() { v.work(ctx, r, visitor) })
		findings := r.cycle(newPlan(seed, cycle, "failover"), accounts, nil, true)
		stop()
		visiting.Wait()
		for _, s := range r.servers {
			for i, tokens := range [][]string{v.in, v.out} {
				for _, token := range tokens {
					if status, _, _ := request(t.Context(), s, token, "GET", "/auth/me", nil, nil); status != []int{200, 401}[i] {
						findings = append(findings, fmt.Sprintf("a session that was begun or ended answers %d", status))
					}
				}
			}
		}
		if len(findings) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(findings, "\n"))
		}
		if len(v.in) == 0 || len(v.out) == 0 {
			t.Error("nobody signed in or out")
		}
		t.Logf("%d changes acknowledged, %d without an answer, %d sessions begun, %d ended", r.answers.acknowledged.Load(), r.answers.unknown.Load(), len(v.in), len(v.out))
		for i, s := range r.servers {
			if s.Process.Pid != pids[i] || !s.running() {
				t.Fatal("a server ended with its PostgreSQL")
			}
		}
		r.runJob("auth.sweep")
	}
}

// TestFailover_WhatTheStandbyNeverHadIsNotPutInPlace takes the standby away,
// ends the session whose commit of a replacement waits for it, which leaves
// that committed on the first PostgreSQL alone, and loses this one.
func TestFailover_WhatTheStandbyNeverHadIsNotPutInPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, "failover")
	r.bringUp()
	a := r.accounts(1, 1)[0]
	name := "/files/content/" + a.clients[0].name + "/page"
	if status, code, _ := a.ask(t.Context(), r.servers[0], "PUT", name, []byte("the old page"), nil); status != 201 {
		t.Fatalf("%d %s", status, code)
	}
	await(t, "nothing is under way", func() bool { return r.count("SELECT count(*) FROM file_ops") == 0 })
	killTree(r.standby)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.ask(context.Background(), r.servers[0], "PUT", name, []byte("the new page"), nil)
	}()
	const waiting = " FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'server%' AND query ILIKE 'commit'"
	await(t, "the commit waits for the standby", func() bool { return r.count("SELECT count(*)"+waiting) > 0 })
	r.count("SELECT count(pg_terminate_backend(pid))" + waiting)
	<-done
	time.Sleep(time.Second) // for the server to ask what became of it
	r.killPostgres()
	r.standby = r.start(1-r.node, r.nodeURL(1-r.node))
	r.promote()
	r.bringUp()
	for _, finding := range r.check(nil, nil, true) {
		t.Error(finding)
	}
	var got []byte
	if status, code, _ := a.ask(t.Context(), r.servers[0], "GET", name, nil, &got); status != 200 || string(got) != "the old page" {
		t.Errorf("got %d %s %q", status, code, got)
	}
}
