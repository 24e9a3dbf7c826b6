package crash

import (
	"time"

	"github.com/jackc/pgx/v5"
)

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
