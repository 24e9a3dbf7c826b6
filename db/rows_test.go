package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"homebase/db"
	"homebase/db/dbtest"
)

func TestAll_IsNeverNilAndNeverShort(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ctx := t.Context()
	none, err := db.All(ctx, d, db.Value[int], `SELECT 1 WHERE false`)
	if err != nil || none == nil || len(none) != 0 {
		t.Errorf("no rows: %v, %v", none, err)
	}
	three, err := db.All(ctx, d, db.Value[int], `SELECT n FROM generate_series(1, 3) n`)
	if err != nil || len(three) != 3 {
		t.Errorf("three rows: %v, %v", three, err)
	}
	// The first thousand rows arrive before the server meets the error.
	short, err := db.All(ctx, d, db.Value[int], `SELECT 1 / (1001 - n) FROM generate_series(1, 2000) n`)
	if err == nil || short != nil {
		t.Errorf("a result that broke off: %d rows, %v", len(short), err)
	}
}

func TestOne_NoRowIsNotFound(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	if _, err := db.One(t.Context(), d, db.Value[int], `SELECT 1 WHERE false`); err != db.ErrNotFound {
		t.Errorf("error %v", err)
	}
	if _, err := db.One(t.Context(), d, db.Value[int], `SELECT 1 / (2 - n) FROM generate_series(1, 9) n`); err == nil {
		t.Error("a result that broke off after its first row was taken")
	}
}

func TestErrors_KindOfEachFailure(t *testing.T) {
	t.Parallel()
	d, own, _ := counters(t)
	must(t, own, `ALTER TABLE counters ADD CONSTRAINT counters_n_check CHECK (n < 100);
		ALTER TABLE counters ADD CONSTRAINT counters_n_fkey FOREIGN KEY (n) REFERENCES counters (id) NOT VALID;
		CREATE SCHEMA app_own; GRANT USAGE ON SCHEMA app_own TO PUBLIC;
		CREATE TABLE app_own.counters (LIKE counters INCLUDING ALL); GRANT ALL ON app_own.counters TO PUBLIC;
		INSERT INTO app_own.counters VALUES (1, 1)`)
	must(t, own, `BEGIN; LOCK TABLE counters; SAVEPOINT held`)
	locked := func(sql string) error {
		return d.InTx(t.Context(), func(tx pgx.Tx) error {
			must(t, tx, `SET LOCAL lock_timeout = '20ms'`)
			return db.Exec(t.Context(), tx, sql)
		})
	}
	if kind, _ := db.KindOf(locked(`SELECT n FROM counters`)); kind != db.Busy {
		t.Errorf("a lock that is held: %v", kind)
	}
	must(t, own, `ROLLBACK`)
	for _, c := range []struct {
		what, sql  string
		kind       db.Kind
		constraint string
	}{
		{"unique, of an app", `INSERT INTO app_own.counters VALUES (1, 1)`, db.Conflict, "counters_pkey"},
		{"check, of an app", `UPDATE app_own.counters SET n = 100`, db.Invalid, "counters_n_check"},
		{"unique, of ours, without a meaning", `INSERT INTO counters VALUES (1, 1)`, 0, ""},
		{"check, of ours, without a meaning", `UPDATE counters SET n = 100`, 0, ""},
		{"foreign key", `UPDATE counters SET n = 7`, db.Missing, "counters_n_fkey"},
		{"not null", `UPDATE counters SET n = NULL`, db.Invalid, ""},
		{"number too large", `UPDATE counters SET n = 1e12`, db.Invalid, ""},
		{"disk full", `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$`, db.Full, ""},
		{"too slow", `SET statement_timeout = '1ms'; SELECT pg_sleep(5)`, db.Busy, ""},
		{"a mistake in the SQL", `SELECT nonsense`, 0, ""},
	} {
		err := db.Exec(t.Context(), d, c.sql)
		var e *db.Error
		errors.As(err, &e)
		switch {
		case c.kind == 0:
			if err == nil || e != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		case e == nil || e.Kind != c.kind || e.Constraint != c.constraint || e.Err == nil:
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if err := db.Exec(t.Context(), own, `SELECT pg_terminate_backend(pg_backend_pid())`); err == nil {
		t.Error("a terminated backend answered")
	} else if kind, _ := db.KindOf(err); kind != db.Unavailable {
		t.Errorf("terminated: %v", err)
	}
	if err := db.Exec(t.Context(), d, `SELECT $1::text`, "a\x00b"); err == nil {
		t.Error("NUL in a text was taken")
	} else if kind, _ := db.KindOf(err); kind != db.Invalid {
		t.Errorf("NUL in a text: %v", err)
	}
}

func TestErrors_ListedConstraintCarriesItsCode(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	const sql = `INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'Ann@example.com', '-')`
	must(t, d, sql)
	err := db.Exec(t.Context(), d, sql)
	e, ok := errors.AsType[*db.Error](err)
	if !ok || e.Kind != db.Conflict || e.Code != "email_taken" || e.Detail == "" {
		t.Errorf("error %v", err)
	}
}

func TestDB_UnavailableBeforeConnectAfterCloseAndWithoutServer(t *testing.T) {
	t.Parallel()
	unavailable := func(what string, err error) {
		t.Helper()
		if kind, _ := db.KindOf(err); kind != db.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	d := db.New(quiet)
	everything := func(what string) {
		t.Helper()
		ctx := t.Context()
		err := db.Exec(ctx, d, `SELECT 1`)
		unavailable(what+" Exec", err)
		_, err = db.All(ctx, d, db.Value[int], `SELECT 1`)
		unavailable(what+" All", err)
		_, err = db.One(ctx, d, db.Value[int], `SELECT 1`)
		unavailable(what+" One", err)
		unavailable(what+" InTx", d.InTx(ctx, func(pgx.Tx) error { return nil }))
		unavailable(what+" Ping", d.Ping(ctx))
		unavailable(what+" Migrate", d.Migrate(ctx, "-- step 1: one"))
		unavailable(what+" RunJob", d.RunJob(ctx, db.Job{}))
	}
	everything("before")
	unavailable("no server", d.Connect(t.Context(), db.Config{URL: "postgres://x@/x?host=" + t.TempDir()}))
	if err := d.Connect(t.Context(), db.Config{URL: dbtest.Create(t)}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	d.Close()
	everything("after")
}

func TestErrors_AServerThatTakesNoWritesAnyMoreIsLeft(t *testing.T) {
	t.Parallel()
	_, _, dbURL := counters(t)
	d := db.New(quiet)
	if err := d.Connect(t.Context(), db.Config{URL: dbURL, MaxConns: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	must(t, d, `SET default_transaction_read_only = on`)
	const write = `UPDATE counters SET n = 2`
	if err := db.Exec(t.Context(), d, write); err == nil {
		t.Error("it took a write")
	} else if kind, _ := db.KindOf(err); kind != db.Unavailable {
		t.Errorf("error %v", err)
	}
	if err := db.Exec(t.Context(), d, write); err != nil {
		t.Errorf("the next connection: %v", err)
	}
}

func TestConnect_ErrorNeverShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"postgres://ann:sesame@localhost:notaport/x",
		"postgres://ann:sesame@%zz/x",
		"host='a user=ann password=sesame",
		"postgres://ann:sesame@127.0.0.1:1/x",
	} {
		err := db.New(quiet).Connect(t.Context(), db.Config{URL: u})
		if err == nil {
			t.Fatal("connected")
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "sesame") {
				t.Errorf("the error of %q is %q", u, e)
			}
		}
	}
}

func TestConnect_SessionsHaveTheRuntimeRoleAndBounds(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	want := "homebase_runtime"
	if !value[bool](t, d, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(session_user, oid, 'MEMBER'))`, want) {
		want = value[string](t, d, `SELECT session_user::text`)
	}
	if got := value[string](t, d, `SELECT current_user::text`); got != want {
		t.Errorf("the pool works as %q, want %q", got, want)
	}
	for setting, want := range map[string]string{
		"TimeZone": "UTC", "lock_timeout": "10s", "statement_timeout": "1min", "idle_in_transaction_session_timeout": "1min",
	} {
		if got := value[string](t, d, `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestInTx_AFullPoolHonoursTheContext(t *testing.T) {
	t.Parallel()
	d := db.New(quiet)
	if err := d.Connect(t.Context(), db.Config{URL: dbtest.Create(t), MaxConns: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	err := d.InTx(t.Context(), func(pgx.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return d.InTx(ctx, func(pgx.Tx) error { return nil })
	})
	if _, ok := db.KindOf(err); ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
