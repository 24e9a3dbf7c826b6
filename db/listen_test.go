package db_test

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"homebase/db"
	"homebase/db/dbtest"
)

// listening runs a listener until the test ends.
func listening(t *testing.T, d *db.DB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Listener().Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	eventually(t, "the listener is fresh", d.Listener().Fresh)
}

func TestListener_DeliversInOrderOnceCommitted(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	got := make(chan string, 10)
	d.Listener().On("odd Name", func(payload string) { got <- payload })
	listening(t, d)
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		for _, p := range []string{"1", "2", "3"} {
			if err := db.Notify(t.Context(), tx, "odd Name", p); err != nil {
				return err
			}
		}
		return db.Notify(t.Context(), tx, "another channel", "x")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		_ = db.Notify(t.Context(), tx, "odd Name", "rolled back")
		return errors.New("no")
	}); err == nil {
		t.Fatal("committed")
	}
	if err := db.Notify(t.Context(), d, "odd Name", "4"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1", "2", "3", "4"} {
		if p := <-got; p != want {
			t.Errorf("got %q, want %q", p, want)
		}
	}
}

func TestListener_LostConnectionIsNotFreshThenTellsWhatWasMissed(t *testing.T) {
	t.Parallel()
	dbURL := dbtest.Create(t)
	d := dbtest.Open(t, dbURL)
	l := d.Listener()
	var missed atomic.Int32
	got := make(chan string, 10)
	l.OnMissed(func() {
		if l.Fresh() {
			t.Error("fresh before it was told that something was missed")
		}
		missed.Add(1)
	})
	l.On("news", func(payload string) { got <- payload })
	if l.Fresh() {
		t.Error("fresh before it ran")
	}
	listening(t, d)
	if n := missed.Load(); n != 1 {
		t.Errorf("missed was told %d times at the first connection, want 1", n)
	}

	// Nobody may connect until the test has seen that the listener knows.
	u, err := url.Parse(dbURL)
	if err != nil {
		t.Fatal(err)
	}
	name := u.Path[1:]
	u.Path = "/postgres"
	server := owner(t, u.String())
	must(t, server, `ALTER DATABASE `+name+` WITH ALLOW_CONNECTIONS false`)
	must(t, server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
	eventually(t, "it is not fresh", func() bool { return !l.Fresh() })
	if n := missed.Load(); n != 1 {
		t.Errorf("missed was told %d times while the connection is down, want 1", n)
	}
	must(t, server, `ALTER DATABASE `+name+` WITH ALLOW_CONNECTIONS true`)
	eventually(t, "it is fresh again", l.Fresh)
	if n := missed.Load(); n != 2 {
		t.Errorf("missed was told %d times, want 2", n)
	}
	eventually(t, "the pool works again", func() bool { return db.Notify(t.Context(), d, "news", "hello") == nil })
	if p := <-got; p != "hello" {
		t.Errorf("got %q", p)
	}
}

func TestListener_RestsUntilSomebodyAsksAndHearsMeanwhile(t *testing.T) {
	t.Parallel()
	dbURL := dbtest.Create(t)
	d := dbtest.Open(t, dbURL)
	got := make(chan string, 1)
	d.Listener().On("news", func(payload string) { got <- payload })
	listening(t, d)
	server := owner(t, dbURL)
	const quiet = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND query = 'SELECT 1' AND state = 'idle' AND state_change < now() - interval '3 seconds'`
	eventually(t, "it asks nothing", func() bool { n, err := db.One(t.Context(), server, db.Value[int], quiet); return err == nil && n == 1 })
	must(t, server, `SELECT pg_notify('news', 'hello')`)
	if p := <-got; p != "hello" {
		t.Errorf("got %q", p)
	}
	if err := d.Listener().Heard(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "it is fresh once somebody asks", d.Listener().Fresh)
}
