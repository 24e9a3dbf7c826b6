package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pair is an owner with two files that are given each other's former names,
// one rename right after another by one server. So records of the same item
// and the same names are left when that server dies, and only the last of them
// still holds.
type pair struct {
	owner *account
	rand  *rand.Rand
	files [2]named
	log   history
}

// named is a file and its name, or the one that it has as well may be when the
// answer never came.
type named struct {
	id, name, perhaps string
}

// pairsNames are the names that two files share.
var pairsNames = []string{"a", "b", "c", "d"}

// pair makes the two files of an owner.
func (r *rig) pair(a *account) *pair {
	r.t.Helper()
	p := &pair{owner: a}
	for i := range p.files {
		var made itemBody
		name := pairsNames[i]
		if status, code, _ := a.ask(r.t.Context(), r.servers[0], "PUT", "/files/content/documents/"+name, []byte("file "+name), &made); status != 201 {
			r.t.Fatalf("put %s: %d %s", name, status, code)
		}
		p.files[i] = named{id: made.ID, name: name}
	}
	return p
}

// step renames one of the two.
func (p *pair) step(ctx context.Context, s *server) (finding string) {
	i := p.rand.IntN(2)
	f, other := &p.files[i], &p.files[1-i]
	free := slices.DeleteFunc(slices.Clone(pairsNames), func(name string) bool {
		return slices.Contains([]string{f.name, other.name, other.perhaps}, name)
	})
	name := free[p.rand.IntN(len(free))]
	if f.perhaps != "" { // it rests
		time.Sleep(5 * time.Millisecond)
		return ""
	}
	status, code, sure := p.owner.ask(ctx, s, "PATCH", "/files/items/"+f.id, map[string]string{"name": name}, nil)
	p.log.note("%s: from %s to %s by %s: %d %s", f.id, f.name, name, s.name, status, code)
	if !sure {
		p.owner.answers.unknown.Add(1)
		f.perhaps = name
		return ""
	}
	done, ok := p.owner.answers.settled(status, code)
	if done {
		f.name = name
	}
	if !ok {
		return fmt.Sprintf("pair: rename %s from %s to %s: got %d %s%s", f.id, f.name, name, status, code, p.log.of(f.id, other.id))
	}
	return ""
}

// settle compares the names with the rows.
func (p *pair) settle(t testing.TB, rows *rows) (findings []string) {
	t.Helper()
	for i := range p.files {
		f := &p.files[i]
		row := rows.byID[f.id]
		if row == nil || row.name != f.name && row.name != f.perhaps {
			findings = append(findings, fmt.Sprintf("pair: %s is %+v, and must be %s or %s%s", f.id, row, f.name, f.perhaps, p.log.of(f.id, p.files[1-i].id)))
			continue
		}
		f.name, f.perhaps = row.name, ""
	}
	return findings
}

// linger keeps records of the pairs from being deleted, as a slow query would,
// while the pairs go on, until release is called.
func (r *rig) linger(p plan) (release func()) {
	r.t.Helper()
	if p.linger == 0 || len(r.pairs) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.databaseURL())
	must(r.t, err)
	tx, err := conn.Begin(ctx)
	must(r.t, err)
	for _, pair := range r.pairs {
		for until := time.Now().Add(500 * time.Millisecond); time.Now().Before(until); {
			kept, err := tx.Exec(ctx, "SELECT FROM file_ops WHERE owner_id = $1 FOR UPDATE SKIP LOCKED", pair.owner.id)
			must(r.t, err)
			if kept.RowsAffected() > 0 {
				break
			}
		}
	}
	time.Sleep(p.linger)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Close(ctx) // PostgreSQL may be dead
	}
}
