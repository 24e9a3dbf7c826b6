package db_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"homebase/db"
	"homebase/db/dbtest"
)

// counters is a database with a table of two rows that the runtime role may
// change.
func counters(t *testing.T) (d *db.DB, own *pgx.Conn, dbURL string) {
	t.Helper()
	dbURL = dbtest.Create(t)
	own = owner(t, dbURL)
	must(t, own, `CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL);
		GRANT ALL ON counters TO PUBLIC;
		INSERT INTO counters VALUES (1, 0), (2, 0)`)
	return dbtest.Open(t, dbURL), own, dbURL
}

const bump = `UPDATE counters SET n = n + 1 WHERE id = $1`

func count(t *testing.T, d *db.DB, id int) int {
	t.Helper()
	return value[int](t, d, `SELECT n FROM counters WHERE id = $1`, id)
}

func TestInTx_CommitsAndIsReadCommitted(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	var level string
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		level = value[string](t, tx, `SELECT current_setting('transaction_isolation')`)
		return db.Exec(t.Context(), tx, bump, 1)
	})
	if err != nil || level != "read committed" || count(t, d, 1) != 1 {
		t.Errorf("error %v, level %q, count %d", err, level, count(t, d, 1))
	}
}

func TestInTx_ErrorAndPanicRollBack(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	own := errors.New("my own")
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		must(t, tx, bump, 1)
		return own
	})
	if err != own {
		t.Errorf("error is %v, want the function's own", err)
	}
	func() {
		defer func() {
			if v := recover(); v != "oh" {
				t.Errorf("recovered %v", v)
			}
		}()
		_ = d.InTx(t.Context(), func(tx pgx.Tx) error {
			must(t, tx, bump, 1)
			panic("oh")
		})
	}()
	if n := count(t, d, 1); n != 0 {
		t.Errorf("count is %d after two rollbacks", n)
	}
	givenBack(t, d)
}

// givenBack waits until nobody holds a connection: one whose transaction failed
// goes back by itself, a moment later.
func givenBack(t *testing.T, d *db.DB) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); d.Stat().AcquiredConns() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections were not given back", d.Stat().AcquiredConns())
		}
	}
}

func TestInTx_SerializationFailureIsRunAgain(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	attempts := 0
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		attempts++
		must(t, tx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
		value[int](t, tx, `SELECT n FROM counters WHERE id = 1`)
		if attempts == 1 {
			must(t, d, bump, 1) // behind the transaction's back
		}
		return db.Exec(t.Context(), tx, bump, 1)
	})
	if err != nil || attempts != 2 || count(t, d, 1) != 2 {
		t.Errorf("error %v, %d attempts, count %d", err, attempts, count(t, d, 1))
	}
}

func TestInTx_DeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	var met sync.WaitGroup
	met.Add(2)
	var attempts atomic.Int32
	cross := func(first, second int) error {
		once := sync.OnceFunc(func() { met.Done(); met.Wait() })
		return d.InTx(t.Context(), func(tx pgx.Tx) error {
			attempts.Add(1)
			if err := db.Exec(t.Context(), tx, bump, first); err != nil {
				return err
			}
			once() // both hold their first row now
			return db.Exec(t.Context(), tx, bump, second)
		})
	}
	var wg sync.WaitGroup
	for _, order := range [][2]int{{1, 2}, {2, 1}} {
		wg.Go(func() {
			if err := cross(order[0], order[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if attempts.Load() < 3 || count(t, d, 1) != 2 || count(t, d, 2) != 2 {
		t.Errorf("%d attempts, counts %d and %d", attempts.Load(), count(t, d, 1), count(t, d, 2))
	}
}

const fail40001 = `DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`

func TestInTx_AttemptsAreBoundedAndStopWithTheContext(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	attempts := 0
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		attempts++
		_, err := tx.Exec(t.Context(), fail40001)
		return err
	})
	if kind, _ := db.KindOf(err); kind != db.Busy || attempts != 8 {
		t.Errorf("error %v after %d attempts, want busy after 8", err, attempts)
	}

	ctx, cancel := context.WithCancel(t.Context())
	attempts = 0
	err = d.InTx(ctx, func(tx pgx.Tx) error {
		attempts++
		_, err := tx.Exec(ctx, fail40001)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) || attempts != 1 {
		t.Errorf("error %v after %d attempts, want canceled after 1", err, attempts)
	}
}

// onCommit makes COMMIT run a statement of plpgsql when counter 1 was changed.
func onCommit(t *testing.T, own *pgx.Conn, body string) {
	t.Helper()
	must(t, own, `CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN `+body+` RETURN NULL; END $f$;
		CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON counters DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION at_commit()`)
}

func TestInTx_RefusedCommitIsNotRunAgain(t *testing.T) {
	t.Parallel()
	d, own, _ := counters(t)
	onCommit(t, own, `RAISE EXCEPTION 'at commit' USING ERRCODE = '40001';`)
	attempts := 0
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		attempts++
		must(t, tx, bump, 1)
		return nil
	})
	if kind, _ := db.KindOf(err); kind != db.Busy || errors.Is(err, db.ErrOutcomeUnknown) || attempts != 1 {
		t.Errorf("error %v after %d attempts, want busy after 1", err, attempts)
	}
	if n := count(t, d, 1); n != 0 {
		t.Errorf("count is %d", n)
	}
}

// A cancelled COMMIT may have become durable before it was cancelled.
func TestInTx_ACancelledCommitIsUnknownAndNotRunAgain(t *testing.T) {
	t.Parallel()
	d, own, _ := counters(t)
	onCommit(t, own, `RAISE EXCEPTION 'at commit' USING ERRCODE = '57014';`)
	attempts := 0
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		attempts++
		must(t, tx, bump, 1)
		return nil
	})
	if !errors.Is(err, db.ErrOutcomeUnknown) || attempts != 1 {
		t.Errorf("error %v after %d attempts, want unknown after 1", err, attempts)
	}
}

// During COMMIT the backend waits for a lock that the test holds; meanwhile
// the connection is cut from either side.
func TestInTx_CutDuringCommitIsUnknownAndNotRunAgain(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(t *testing.T, own *pgx.Conn, pid int32, cancel func()){
		"backend terminated": func(t *testing.T, own *pgx.Conn, pid int32, _ func()) {
			value[bool](t, own, `SELECT pg_terminate_backend($1)`, pid)
		},
		"context ended": func(_ *testing.T, _ *pgx.Conn, _ int32, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, own, _ := counters(t)
			onCommit(t, own, `PERFORM pg_advisory_xact_lock(4711);`)
			must(t, own, `SELECT pg_advisory_lock(4711)`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var attempts atomic.Int32
			pid := make(chan int32, 1)
			result := make(chan error, 1)
			go func() {
				result <- d.InTx(ctx, func(tx pgx.Tx) error {
					attempts.Add(1)
					pid <- int32(tx.Conn().PgConn().PID())
					return db.Exec(ctx, tx, bump, 1)
				})
			}()
			backend := <-pid
			eventually(t, "COMMIT waits for the lock", func() bool {
				return value[bool](t, own, `SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)`, backend)
			})
			cut(t, own, backend, cancel)
			err := <-result
			if !errors.Is(err, db.ErrOutcomeUnknown) || attempts.Load() != 1 {
				t.Errorf("error %v after %d attempts, want unknown after 1", err, attempts.Load())
			}
		})
	}
}

// The server commits, and the answer never reaches us.
func TestInTx_LostAnswerOfADurableCommitIsUnknown(t *testing.T) {
	t.Parallel()
	d, _, dbURL := counters(t)
	through := dbtest.Open(t, losingProxy(t, dbURL))
	attempts := 0
	err := through.InTx(t.Context(), func(tx pgx.Tx) error {
		attempts++
		return db.Exec(t.Context(), tx, bump, 1)
	})
	if !errors.Is(err, db.ErrOutcomeUnknown) || attempts != 1 {
		t.Errorf("error %v after %d attempts, want unknown after 1", err, attempts)
	}
	eventually(t, "the server commits", func() bool { return count(t, d, 1) == 1 })
}

// losingProxy is the URL of a proxy on a socket that passes everything on,
// until a COMMIT: that is passed on, and the connection cut.
func losingProxy(t *testing.T, to string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", net.JoinHostPort(cfg.Host, "5432")
	if filepath.IsAbs(cfg.Host) {
		network, address = "unix", filepath.Join(cfg.Host, ".s.PGSQL.5432")
	}
	dir, err := os.MkdirTemp("/tmp", "hb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial(network, address)
				if err != nil {
					return
				}
				go func() {
					io.Copy(client, server)
					client.Close()
				}()
				buf := make([]byte, 1<<16)
				for {
					n, err := client.Read(buf)
					if err != nil {
						server.Close()
						return
					}
					if dbtest.Commits(buf[:n]) {
						client.Close()
						server.Write(buf[:n])
						io.Copy(io.Discard, server)
						return
					}
					server.Write(buf[:n])
				}
			}()
		}
	}()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("host", dir)
	q.Set("port", "5432")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = "", q.Encode()
	return u.String()
}

// frozen stops the backend of a transaction until the test ends.
func frozen(t *testing.T, tx pgx.Tx) {
	t.Helper()
	pid := value[int](t, tx, `SELECT pg_backend_pid()`)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop the backend %d, which must run on this machine: %v", pid, err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
}

func TestInTx_AFrozenDatabaseIsUnavailableWhenPatienceEnds(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	ctx := db.WithPatience(t.Context(), 300*time.Millisecond)
	err := d.InTx(ctx, func(tx pgx.Tx) error {
		frozen(t, tx)
		return db.Exec(ctx, tx, bump, 1)
	})
	if kind, _ := db.KindOf(err); kind != db.Unavailable {
		t.Errorf("a statement: %v", err)
	}
	err = d.InTx(ctx, func(tx pgx.Tx) error {
		frozen(t, tx)
		return nil
	})
	if !errors.Is(err, db.ErrOutcomeUnknown) {
		t.Errorf("a COMMIT: %v", err)
	}
	err = db.Piped{
		First: func(b *pgx.Batch) { b.Queue(`SELECT pg_sleep(5)`) },
		Then:  func(context.Context, db.Querier, *pgx.Batch) error { return errors.New("it waited") },
	}.Run(ctx, d)
	if kind, _ := db.KindOf(err); kind != db.Unavailable {
		t.Errorf("what goes with BEGIN: %v", err)
	}
	if n := count(t, d, 1); n != 0 {
		t.Errorf("%d was counted", n)
	}
}
