package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/db/dbtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// chain makes a log of six events under three seals and one event that waits
// for its seal. The seals' log lines are in the buffer.
func chain(t *testing.T) (*audit.Log, *db.DB, *bytes.Buffer) {
	t.Helper()
	d := dbtest.New(t)
	var lines bytes.Buffer
	l := audit.New(d, slog.New(slog.NewJSONHandler(&lines, nil)), keys)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	record := func(a audit.Action) {
		e := audit.Event{Actor: audit.Actor{User: uuid.New()}, Action: a, Target: uuid.New(), Details: map[string]string{"scope": "all"}}
		if err := l.Record(t.Context(), d, e); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		record(audit.Login)
		record(audit.FileDeleted)
		seal(t, l, d)
	}
	record(audit.Logout)
	return l, d, &lines
}

func seal(t *testing.T, l *audit.Log, d *db.DB) {
	t.Helper()
	run(t, l, d, "audit.seal")
}

func run(t *testing.T, l *audit.Log, d *db.DB, job string) {
	t.Helper()
	for _, j := range l.Jobs() {
		if j.Name == job {
			if err := d.RunJob(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("there is no job %s", job)
}

func TestSeal_IsNeededOnceThereIsANewEvent(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	job := l.Jobs()[0]
	for _, want := range []bool{true, false} {
		dbtest.Needed(t, job, want)
		seal(t, l, d)
	}
}

// asOwner does what a superuser at the database's own prompt could do.
func asOwner(t *testing.T, d *db.DB, sql string) {
	t.Helper()
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := db.Exec(t.Context(), tx, `SET LOCAL ROLE NONE`); err != nil {
			return err
		}
		n, err := db.Affected(t.Context(), tx, sql)
		if err == nil && n == 0 && !strings.HasPrefix(sql, "CREATE") {
			t.Errorf("touched no row: %s", sql)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerify_AnUntouchedChainHolds(t *testing.T) {
	t.Parallel()
	l, d, lines := chain(t)
	seal(t, l, d)
	seal(t, l, d) // nothing new: no seal
	witnesses := audit.Witnesses{}
	if err := witnesses.ReadLog(lines); err != nil || len(witnesses) != 4 {
		t.Fatalf("the log gives the seals %v, %v", witnesses, err)
	}
	r, err := l.Verify(t.Context(), witnesses)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 0 || r.Seals != 4 || r.Events != 7 || r.Unsealed != 0 || r.ProvenTo != 4 {
		t.Errorf("report is %+v", r)
	}
}

const someEvent = `(SELECT id FROM audit_events ORDER BY at, id OFFSET 2 LIMIT 1)`

// copyOf puts a second row with the id of some event in at another time.
func copyOf(at, details string) string {
	return `INSERT INTO audit_events SELECT id, ` + at + `, actor_user, actor_session, actor_key, action, target, outcome, address, request_id, details ` + details + `, key_id, mac
		FROM audit_events WHERE id = ` + someEvent
}

// tampering is every way tried to change the past by SQL; edits of one
// column have a test of their own.
var tampering = map[string]string{
	"an event not sealed":                      `UPDATE audit_events SET action = 'auth.login' WHERE action = 'auth.logout'`,
	"a removed event":                          `DELETE FROM audit_events WHERE id = ` + someEvent,
	"an inserted event":                        `INSERT INTO audit_events SELECT gen_random_uuid(), at, actor_user, actor_session, actor_key, action, target, outcome, address, request_id, details, key_id, mac FROM audit_events WHERE id = ` + someEvent,
	"a copy of a sealed event at another time": copyOf(`at - interval '1 second'`, ``),
	"a copy of a sealed event of long ago": `CREATE TABLE audit_events_0000_01 PARTITION OF audit_events FOR VALUES FROM (MINVALUE) TO ('1970-01-01');
		` + copyOf(`'1960-01-01'`, ``),
	"a copy of the last event in a later month": copyOf(`at + interval '32 days'`, ``),
	"an edited copy of a sealed event":          copyOf(`at + interval '1 microsecond'`, `|| '{"scope": "session"}'`),
	"an event moved in time":                    `UPDATE audit_events SET at = at + interval '1 second' WHERE id = ` + someEvent,
	"two events exchanged":                      `UPDATE audit_seals SET event_ids = ARRAY[event_ids[2], event_ids[1]] WHERE id = 2`,
	"an event off a seal":                       `UPDATE audit_seals SET event_ids = event_ids[1:1] WHERE id = 2`,
	"a removed seal":                            `DELETE FROM audit_seals WHERE id = 2`,
	"a first seal removed":                      `DELETE FROM audit_seals WHERE id = 1`,
	"a seal with its events": `WITH gone AS (DELETE FROM audit_seals WHERE id = 2 RETURNING event_ids)
		DELETE FROM audit_events USING gone WHERE id = ANY (gone.event_ids)`,
	"a whole month": `DELETE FROM audit_events`,
}

func TestVerify_FindsEveryEditOfASuperuser(t *testing.T) {
	t.Parallel()
	for what, sql := range tampering {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l, d, _ := chain(t)
			for statement := range strings.SplitSeq(sql, ";") {
				asOwner(t, d, strings.TrimSpace(statement))
			}
			r, err := l.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Findings) == 0 {
				t.Errorf("nothing was found: %+v", r)
			}
			var export bytes.Buffer
			if err := l.Export(t.Context(), &export); err != nil {
				t.Fatal(err)
			}
			if r, err = l.VerifyExport(&export, nil); err != nil || len(r.Findings) == 0 {
				t.Errorf("nothing was found in the export: %+v, %v", r, err)
			}
		})
	}
}

// The columns are the database's own: one that is added must be covered too.
func TestVerify_FindsAnEditOfAnyColumn(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	edits := map[string]string{"uuid": `gen_random_uuid()`, "timestamp with time zone": `COLUMN + interval '1 microsecond'`, "inet": `'10.0.0.1'`,
		"jsonb": `'{"scope": "session"}'`, "bytea": `sha256(COLUMN)`, "bigint": `COLUMN + 1`, "ARRAY": `ARRAY[COLUMN[2], COLUMN[1]]`,
		"text": `CASE 'COLUMN' WHEN 'outcome' THEN 'failed' WHEN 'action' THEN 'auth.register' ELSE 'ffffffff' END`}
	type column struct{ table, name, kind string }
	columns, err := db.All(t.Context(), d, func(row pgx.Row) (c column, err error) {
		err = row.Scan(&c.table, &c.name, &c.kind)
		return c, err
	}, `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name IN ('audit_events', 'audit_seals')`)
	if err != nil || len(columns) < 20 {
		t.Fatalf("%v, %v", columns, err)
	}
	for _, c := range columns {
		row := someEvent
		if c.table == "audit_seals" {
			row = `(SELECT max(id) FROM audit_seals)`
		}
		asOwner(t, d, `CREATE TABLE kept AS SELECT * FROM `+c.table)
		asOwner(t, d, `UPDATE `+c.table+` SET `+c.name+` = `+strings.ReplaceAll(edits[c.kind], "COLUMN", c.name)+` WHERE id = `+row)
		r, err := l.Verify(t.Context(), nil)
		if err != nil || len(r.Findings) == 0 {
			t.Errorf("nothing was found of an edit of %s.%s: %v", c.table, c.name, err)
		}
		var export bytes.Buffer
		if err := l.Export(t.Context(), &export); err != nil {
			t.Fatal(err)
		}
		if r, err = l.VerifyExport(&export, nil); err != nil || len(r.Findings) == 0 {
			t.Errorf("nothing was found in the export of an edit of %s.%s: %v", c.table, c.name, err)
		}
		asOwnerEach(t, d, `DELETE FROM `+c.table, `INSERT INTO `+c.table+` SELECT * FROM kept`, `DROP TABLE kept`)
	}
	if r, err := l.Verify(t.Context(), nil); err != nil || len(r.Findings) != 0 {
		t.Errorf("%q, %v", r.Findings, err)
	}
}

func TestVerify_ACutTailShowsInTheLogOrByTheLastSeal(t *testing.T) {
	t.Parallel()
	l, d, lines := chain(t)
	before, err := l.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	asOwner(t, d, `DELETE FROM audit_events WHERE at >= (SELECT first_at FROM audit_seals WHERE id = 3)`)
	asOwner(t, d, `DELETE FROM audit_seals WHERE id = 3`)
	verify := func(witnesses audit.Witnesses) *audit.Report {
		r, err := l.Verify(t.Context(), witnesses)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(nil); len(r.Findings) != 0 || r.ProvenTo != 0 {
		t.Errorf("the chain itself cannot show a clean cut, and says %+v", r)
	}
	logged, last := audit.Witnesses{}, audit.Witnesses{}
	if err := errors.Join(logged.ReadLog(lines), last.Add(before.LastSeal)); err != nil {
		t.Fatal(err)
	}
	if r := verify(logged); len(r.Findings) != 1 || r.ProvenTo != 2 {
		t.Errorf("the log shows %+v", r)
	}
	if r := verify(last); len(r.Findings) != 1 || r.ProvenTo != 0 {
		t.Errorf("the last seal shows %+v", r)
	}
	if last.Add("abc") == nil {
		t.Error("a hash that is none was taken")
	}
	if last.ReadLog(strings.NewReader("Nov 24 homebase[7]: {\"msg\":\"audit sealed\"}\n")) == nil {
		t.Error("a log that names no seal was taken for proof")
	}
}

func TestVerify_AnExportStandsAlone(t *testing.T) {
	t.Parallel()
	l, _, _ := chain(t)
	var export bytes.Buffer
	if err := l.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	alone := audit.New(nil, slog.New(slog.DiscardHandler), keys)
	r, err := alone.VerifyExport(bytes.NewReader(export.Bytes()), nil)
	if err != nil || len(r.Findings) != 0 || r.Seals != 3 || r.Events != 6 || r.Unsealed != 1 {
		t.Errorf("report is %+v, %v", r, err)
	}
	forger := audit.New(nil, slog.New(slog.DiscardHandler), func(string) [][]byte { return [][]byte{[]byte(strings.Repeat("f", 32))} })
	if r, err := forger.VerifyExport(bytes.NewReader(export.Bytes()), nil); err != nil || len(r.Findings) == 0 {
		t.Errorf("another secret verifies it: %+v, %v", r, err)
	}
	if _, err := alone.VerifyExport(strings.NewReader("no json\n"), nil); err == nil {
		t.Error("a file that is no export was taken")
	}
}

func TestSeal_TwoWorkersAtOnceMakeOneChain(t *testing.T) {
	t.Parallel()
	l, _, _ := chain(t)
	done := make(chan error, 8)
	for range 8 {
		go func() {
			for _, j := range l.Jobs() {
				if j.Name == "audit.seal" {
					done <- j.Run(t.Context())
				}
			}
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if r, err := l.Verify(t.Context(), nil); err != nil || len(r.Findings) != 0 || r.Seals != 4 {
		t.Errorf("report is %+v, %v", r, err)
	}
}

func TestRecord_TheRunningServerMayNotChangeThePast(t *testing.T) {
	t.Parallel()
	_, d, _ := chain(t)
	for _, sql := range []string{`UPDATE audit_events SET outcome = 'ok'`, `DELETE FROM audit_events`, `DELETE FROM audit_seals`, `UPDATE audit_seals SET id = id`, `TRUNCATE audit_events`} {
		if err := db.Exec(t.Context(), d, sql); err == nil {
			t.Errorf("the server's own role may do: %s", sql)
		}
	}
}

func TestSeal_ABacklogIsSealedToItsEnd(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	seal(t, l, d)
	// More than two seals take, and no seal was made since they came. The
	// month before this one has to be there for a test on a month's first day.
	asOwnerEach(t, d, `DO $$ BEGIN EXECUTE format('CREATE TABLE audit_events_%s PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
		to_char(date_trunc('month', now()) - interval '1 month', 'YYYY_MM'), date_trunc('month', now()) - interval '1 month', date_trunc('month', now())); END $$`)
	asOwner(t, d, `INSERT INTO audit_events (id, at, action, outcome, request_id, details, key_id, mac)
		SELECT gen_random_uuid(), now() - interval '2 hours', 'auth.login', 'ok', '', '{}', 'x', 'x' FROM generate_series(1, 25000)`)
	asOwner(t, d, `UPDATE audit_seals SET at = at - interval '11 hours'`)
	seal(t, l, d)
	n, err := db.One(t.Context(), d, db.Value[int], `SELECT count(*) FROM audit_events WHERE id NOT IN (SELECT unnest(event_ids) FROM audit_seals)`)
	if err != nil || n != 0 {
		t.Errorf("%d events are sealed by nobody, %v", n, err)
	}
}

// TestSeal_WhatShowsLateIsSealedToo: an event is as old as its transaction was
// long, and seals are made meanwhile. Not every look goes back so far.
func TestSeal_WhatShowsLateIsSealedToo(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	seal(t, l, d)
	for _, late := range []time.Duration{time.Second, 40 * time.Minute} {
		if err := l.RecordAt(t.Context(), d, audit.Event{Action: audit.Login}, time.Now().Add(-late)); err != nil {
			t.Fatal(err)
		}
	}
	unsealed := func(job string) int {
		run(t, l, d, job)
		r, err := l.Verify(t.Context(), nil)
		if err != nil || len(r.Findings) != 0 {
			t.Fatalf("report is %+v, %v", r, err)
		}
		return r.Unsealed
	}
	if n := unsealed("audit.seal"); n != 1 {
		t.Errorf("the look of each half minute left %d unsealed, want the oldest alone", n)
	}
	if n := unsealed("audit.seal_late"); n != 0 {
		t.Errorf("the look for late ones left %d unsealed", n)
	}
}

func TestSeal_AClockThatWasAheadLeavesNothingUnsealed(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	asOwner(t, d, `UPDATE audit_seals SET at = at + interval '1 day'`)
	seal(t, l, d)
	n, err := db.One(t.Context(), d, db.Value[int], `SELECT count(*) FROM audit_events WHERE id NOT IN (SELECT unnest(event_ids) FROM audit_seals)`)
	if err != nil || n != 0 {
		t.Errorf("no seal lists %d events, %v", n, err)
	}
}

func TestSeal_ThatIsNotWrittenFailsItsJobAndTheNextOneMakesIt(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	asOwnerEach(t, d, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`,
		`CREATE TRIGGER refuse BEFORE INSERT ON audit_seals FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if err := d.RunJob(t.Context(), l.Jobs()[0]); err == nil {
		t.Error("the job counts as done")
	}
	asOwnerEach(t, d, `DROP TRIGGER refuse ON audit_seals`)
	seal(t, l, d)
	if r, err := l.Verify(t.Context(), nil); err != nil || len(r.Findings) != 0 || r.Seals != 4 || r.Unsealed != 0 {
		t.Errorf("report is %+v, %v", r, err)
	}
}

func asOwnerEach(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	err := d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		for _, sql := range statements {
			if err := db.Exec(t.Context(), conn, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVerify_AnOlderSecretSealsNothing: it still verifies the events of its
// time, so whoever has it can sign events. What is sealed stays as it was.
func TestVerify_AnOlderSecretSealsNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	older := []byte("an older key, which somebody has")
	l := audit.New(d, slog.New(slog.DiscardHandler), func(purpose string) [][]byte { return append(keys(purpose), older) })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Record(t.Context(), d, audit.Event{Action: audit.Login, Details: map[string]string{"scope": "session"}}); err != nil {
			t.Fatal(err)
		}
	}
	seal(t, l, d)
	e, err := db.One(t.Context(), d, func(row pgx.Row) (e audit.Entry, err error) {
		err = row.Scan(&e.ID, &e.At, &e.RequestID)
		return e, err
	}, `SELECT id, at, request_id FROM audit_events ORDER BY at, id LIMIT 1`)
	if err != nil {
		t.Fatal(err)
	}
	e.Action, e.Outcome, e.Details = audit.Login, audit.OK, map[string]string{"scope": "all"}
	name, sum := audit.Resign(older, e)
	asOwner(t, d, fmt.Sprintf(`UPDATE audit_events SET details = '{"scope": "all"}', key_id = '%s', mac = '\x%x' WHERE id = '%s'`, name, sum, e.ID))
	r, err := l.Verify(t.Context(), audit.Witnesses{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || !strings.HasPrefix(r.Findings[0], "the events of seal 1 are not the ones that were sealed") {
		t.Errorf("the findings are %q", r.Findings)
	}
}
