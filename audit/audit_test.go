package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/db/dbtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func keys(purpose string) [][]byte {
	return [][]byte{[]byte("key of " + purpose + strings.Repeat("!", 32))}
}

func start(t testing.TB) (*audit.Log, *db.DB) {
	t.Helper()
	d := dbtest.New(t)
	l := audit.New(d, slog.New(slog.DiscardHandler), keys)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, d
}

type stored struct {
	action, outcome, requestID, keyID string
	user, target                      *uuid.UUID
	address                           *netip.Addr
	details                           map[string]string
	mac                               []byte
}

func events(t *testing.T, d *db.DB) []stored {
	t.Helper()
	all, err := db.All(t.Context(), d, func(row pgx.Row) (s stored, err error) {
		err = row.Scan(&s.action, &s.outcome, &s.requestID, &s.keyID, &s.user, &s.target, &s.address, &s.details, &s.mac)
		return s, err
	}, `SELECT action, outcome, request_id, key_id, actor_user, target, address, details, mac FROM audit_events ORDER BY at, id`)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRecord_NoEntryNoActAndNoActNoEntry(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	user, target := uuid.New(), uuid.New()
	e := audit.Event{Actor: audit.Actor{User: user}, Action: audit.UserCreated, Target: target, Details: map[string]string{"role": "admin"}}
	undone := errors.New("undone")
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := l.Record(t.Context(), tx, e); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if got := events(t, d); len(got) != 0 {
		t.Errorf("%d events of an act that was rolled back", len(got))
	}
	if err := d.InTx(t.Context(), func(tx pgx.Tx) error { return l.Record(t.Context(), tx, e) }); err != nil {
		t.Fatal(err)
	}
	got := events(t, d)
	if len(got) != 1 || got[0].action != "user.created" || got[0].outcome != "ok" || *got[0].user != user ||
		*got[0].target != target || got[0].details["role"] != "admin" || len(got[0].mac) != 32 || len(got[0].keyID) != 8 {
		t.Errorf("stored %+v", got)
	}
	bad := e
	bad.Outcome = "perhaps"
	if err := d.InTx(t.Context(), func(tx pgx.Tx) error { return l.Record(t.Context(), tx, bad) }); err == nil {
		t.Error("an outcome that is none of the three was stored")
	}
}

func TestRecord_TwoEventsNeverShareAMAC(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	e := audit.Event{Action: audit.Login, Details: map[string]string{"a": "bc"}}
	other := audit.Event{Action: audit.Login, Details: map[string]string{"ab": "c"}}
	for _, e := range []audit.Event{e, e, other} {
		if err := l.Record(t.Context(), d, e); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, s := range events(t, d) {
		seen[string(s.mac)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d different MACs for three events", len(seen))
	}
}

func TestNote_IsFlushedAtShutdownAndNeverBlocks(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	const offered = 20_000
	for range offered {
		l.Note(t.Context(), audit.Event{Action: audit.FileDownload})
	}
	kept := l.Queued()
	if kept == 0 || int64(kept)+l.Lost() != offered {
		t.Errorf("%d queued and %d lost of %d", kept, l.Lost(), offered)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Run(ctx)
	if got := events(t, d); len(got) != kept {
		t.Errorf("%d of %d queued events stand after the shutdown", len(got), kept)
	}
}

func TestNote_WhatADeadDatabaseCannotKeepIsCounted(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	l.Note(t.Context(), audit.Event{Action: audit.FileDownload})
	d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	l.Run(ctx)
	if l.Lost() != 1 {
		t.Errorf("%d lost, want 1", l.Lost())
	}
}

func TestPartitions_AreMadeAheadByAnyNumberOfWorkersAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	var group sync.WaitGroup
	for range 4 {
		d := dbtest.Open(t, url)
		group.Go(func() {
			if err := audit.New(d, slog.New(slog.DiscardHandler), keys).Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	n, err := db.One(t.Context(), dbtest.Open(t, url), db.Value[int],
		`SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_events'::regclass`)
	if err != nil || n != 4 {
		t.Errorf("%d partitions (%v), want this month and three ahead", n, err)
	}
}

func TestStart_WhereTheMonthsAreThereMakesNoConnection(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	d := dbtest.Open(t, url)
	again := func() error { return audit.New(d, slog.New(slog.DiscardHandler), keys).Start(t.Context()) }
	if err := again(); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database
	config.Database = "postgres" // nobody may shut the database that they are in
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), "ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS false"); err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Errorf("a start where all is there: %v", err)
	}
}

func TestBlind_HidesAndRecognises(t *testing.T) {
	t.Parallel()
	l, _ := start(t)
	a, b := l.Blind("someone@example.com"), l.Blind("someone@example.com")
	if a != b || strings.Contains(a, "someone") || len(a) != 32 || a == l.Blind("other@example.com") {
		t.Errorf("blind gives %q and %q", a, b)
	}
}

func TestRecord_TransactionsThatHoldTheWholePoolDoNotWaitForIt(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	l := audit.New(d, slog.New(slog.DiscardHandler), keys) // does not know the month yet
	var all, done sync.WaitGroup
	n := int(d.Stat().MaxConns())
	all.Add(n)
	for range n {
		done.Go(func() {
			err := d.InTx(t.Context(), func(tx pgx.Tx) error {
				all.Done()
				all.Wait()
				return l.Record(t.Context(), tx, audit.Event{Action: audit.Login})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if got := events(t, d); len(got) != n {
		t.Errorf("%d events of %d", len(got), n)
	}
}
