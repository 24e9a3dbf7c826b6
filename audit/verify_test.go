package audit_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/audit"
	"homebase/db"
)

// rewriting is every way tried to change an export's lines. The export is of
// chain: three times two events and their seal, an event, the end.
var rewriting = map[string]func(lines []string) []string{
	"its oldest events cut off":          func(l []string) []string { return l[2:] },
	"its oldest seal cut off":            func(l []string) []string { return l[3:] },
	"the end cut off":                    func(l []string) []string { return l[:10] },
	"the unsealed events cut off":        func(l []string) []string { return l[:9] },
	"the newest seal and all behind cut": func(l []string) []string { return l[:6] },
	"all but the end cut":                func(l []string) []string { return l[10:] },
	"everything cut":                     func([]string) []string { return nil },
	"an unsealed event removed":          func(l []string) []string { return slices.Delete(l, 9, 10) },
	"an event removed":                   func(l []string) []string { return slices.Delete(l, 3, 4) },
	"an event doubled":                   func(l []string) []string { return slices.Insert(l, 4, l[3]) },
	"an event doubled in the tail":       func(l []string) []string { return slices.Insert(l, 9, l[3]) },
	"a seal doubled":                     func(l []string) []string { return slices.Insert(l, 6, l[5]) },
	"two events exchanged":               func(l []string) []string { l[3], l[4] = l[4], l[3]; return l },
	"a line behind the end":              func(l []string) []string { return append(l, l[9]) },
	"a second end":                       func(l []string) []string { return append(l, l[10]) },
	"an address that is none":            func(l []string) []string { l[3] = strings.Replace(l[3], `"address":null`, `"address":""`, 1); return l },
	"a value that other readers prefer": func(l []string) []string {
		l[9] = strings.Replace(l[9], `{"id"`, `{"action":"auth.login","id"`, 1)
		return l
	},
}

func TestVerify_FindsEveryChangeOfAnExport(t *testing.T) {
	t.Parallel()
	l, _, _ := chain(t)
	var export bytes.Buffer
	if err := l.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(export.String(), "\n"); n != 11 {
		t.Fatalf("the export has %d lines", n)
	}
	for what, change := range rewriting {
		lines := change(slices.Collect(strings.Lines(export.String())))
		r, err := l.VerifyExport(strings.NewReader(strings.Join(lines, "")), nil)
		if err != nil || len(r.Findings) == 0 {
			t.Errorf("nothing was found of %s: %+v, %v", what, r, err)
		}
	}
}

func TestVerify_FindsEveryCopyOfARowWhereverAPageEnds(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	asOwnerEach(t, d, `ALTER TABLE audit_events DROP CONSTRAINT audit_events_pkey CASCADE`,
		`INSERT INTO audit_events SELECT e.* FROM audit_events AS e, generate_series(1, 2500) WHERE e.id = `+someEvent)
	r, err := l.Verify(t.Context(), nil)
	if err != nil || len(r.Findings) != 2500 {
		t.Errorf("%d findings of 2500 copies, %v", len(r.Findings), err)
	}
}

func TestVerify_AsksForPagesAndNotForSeals(t *testing.T) {
	t.Parallel()
	l, d, _ := chain(t)
	asOwner(t, d, `INSERT INTO audit_seals SELECT id + n * 3, at, event_ids, first_at, last_at, digest, previous_hash, hash, key_id
		FROM audit_seals, generate_series(1, 100) AS n`)
	before := d.Stat().AcquireCount()
	if _, err := l.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	// The newest seal, 303 seals in pages of 20, seven events, and an empty
	// page behind both.
	if n := d.Stat().AcquireCount() - before; n != 1+16+1+1+1 {
		t.Errorf("%d statements", n)
	}
}

// old makes a log with events of long ago and of now, the first seal over both.
func old(t *testing.T) (*audit.Log, *db.DB) {
	l, d := start(t)
	long := time.Now().Add(-400 * 24 * time.Hour)
	for _, at := range []time.Time{long, long.Add(time.Second), time.Now()} {
		if err := l.RecordAt(t.Context(), d, audit.Event{Action: audit.Login}, at); err != nil {
			t.Fatal(err)
		}
	}
	seal(t, l, d)
	l.Retention = 30 * 24 * time.Hour
	return l, d
}

func TestRetention_DropsOldMonthsAndLeavesTheProof(t *testing.T) {
	t.Parallel()
	l, d := old(t)
	asOwnerEach(t, d, `CREATE TABLE audit_events_2000_12 (LIKE audit_events INCLUDING ALL)`) // detached by a run that was killed
	run(t, l, d, "audit.retention")
	left, err := db.All(t.Context(), d, db.Value[string], `SELECT relname::text FROM pg_class WHERE relname ~ '^audit_events_[0-9_]+$' ORDER BY relname`)
	if err != nil || len(left) != 4 {
		t.Errorf("the tables %v are left, %v", left, err)
	}
	check := func(wrong bool) {
		t.Helper()
		r, err := l.Verify(t.Context(), nil)
		var export bytes.Buffer
		if err := l.Export(t.Context(), &export); err != nil {
			t.Fatal(err)
		}
		alone := audit.New(nil, slog.New(slog.DiscardHandler), keys)
		e, err2 := alone.VerifyExport(&export, nil)
		if err != nil || err2 != nil || len(r.Findings) > 0 != wrong || len(e.Findings) > 0 != wrong {
			t.Errorf("reports are %+v, %v and %+v, %v", r, err, e, err2)
		} else if !wrong && (r.Dropped != 1 || r.DroppedBefore == nil || e.Dropped != 1) {
			t.Errorf("reports are %+v and %+v", r, e)
		}
	}
	check(false)
	seal(t, l, d)
	run(t, l, d, "audit.retention") // nothing old: no event
	check(false)
	if got := events(t, d); len(got) != 2 {
		t.Errorf("%d events are left", len(got))
	}
	asOwner(t, d, `DELETE FROM audit_events WHERE action = 'auth.login'`) // younger, of the same seal
	check(true)
}

func TestRetention_IsNotBelievedWithoutItsRecord(t *testing.T) {
	t.Parallel()
	for what, sql := range map[string]string{
		"a month dropped":        `DO $$ BEGIN EXECUTE 'DROP TABLE audit_events_' || to_char(now() - interval '400 days', 'YYYY_MM'); END $$`,
		"a record removed":       `DELETE FROM audit_events WHERE action = 'audit.dropped'`,
		"a record dated ahead":   `UPDATE audit_events SET details = '{"before": "2999-01-01T00:00:00Z"}' WHERE action = 'audit.dropped'`,
		"an event made a record": `UPDATE audit_events SET action = 'audit.dropped', details = '{"before": "2999-01-01T00:00:00Z"}'`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l, d := old(t)
			if strings.Contains(what, "a record") && what != "an event made a record" {
				run(t, l, d, "audit.retention")
			}
			asOwnerEach(t, d, sql)
			r, err := l.Verify(t.Context(), nil)
			if err != nil || len(r.Findings) == 0 {
				t.Errorf("nothing was found: %+v, %v", r, err)
			}
			var export bytes.Buffer
			if err := l.Export(t.Context(), &export); err != nil {
				t.Fatal(err)
			}
			if r, err := l.VerifyExport(&export, nil); err != nil || len(r.Findings) == 0 {
				t.Errorf("nothing was found in the export: %+v, %v", r, err)
			}
		})
	}
}

// Seals can be removed with one event of their time alone: a server that runs seals
// the others anew. Only a seal that was kept shows it.
func TestVerify_ACutThatWasSealedAnewShowsInTheLogAlone(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"1", "3"} { // of the seals that go
		l, d, lines := chain(t)
		logged := audit.Witnesses{}
		if err := logged.ReadLog(lines); err != nil {
			t.Fatal(err)
		}
		asOwner(t, d, `DELETE FROM audit_events WHERE id = (SELECT event_ids[1] FROM audit_seals WHERE id = `+first+`)`)
		asOwner(t, d, `DELETE FROM audit_seals WHERE id >= `+first)
		seal(t, l, d)
		if r, err := l.Verify(t.Context(), nil); err != nil || len(r.Findings) != 0 || r.Events != 6 {
			t.Errorf("the chain itself cannot show it, and says %+v, %v", r, err)
		}
		gone := len(logged)
		if first == "3" {
			gone = 1
		}
		if r, err := l.Verify(t.Context(), logged); err != nil || len(r.Findings) != gone {
			t.Errorf("the log shows %+v, %v", r, err)
		}
	}
}
