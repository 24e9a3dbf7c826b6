package db_test

import (
	"context"
	"errors"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
)

// bumped is a piped transaction that reads a counter and then does what then
// says.
func bumped(read *int, then func(ctx context.Context, q db.Querier, last *pgx.Batch) error) db.Piped {
	return db.Piped{
		First: func(b *pgx.Batch) {
			b.Queue(`SELECT n FROM counters WHERE id = 1 FOR UPDATE`).QueryRow(func(row pgx.Row) error { return row.Scan(read) })
		},
		Then: then,
	}
}

func bumpLast(_ context.Context, _ db.Querier, last *pgx.Batch) error {
	last.Queue(bump, 1)
	return nil
}

func TestPiped_CommitsAndIsReadCommitted(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	must(t, d, bump, 1)
	var read int
	var level string
	err := bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
		level = value[string](t, q, `SELECT current_setting('transaction_isolation')`)
		last.Queue(bump, read)
		return nil
	}).Run(t.Context(), d)
	if err != nil || level != "read committed" || read != 1 || count(t, d, 1) != 2 {
		t.Errorf("error %v, level %q, read %d, count %d", err, level, read, count(t, d, 1))
	}
}

func TestPiped_WhatFailsIsRolledBackAndItsConnectionUsedAgain(t *testing.T) {
	t.Parallel()
	d, own, _ := counters(t)
	onCommit(t, own, `IF NEW.n > 100 THEN RAISE EXCEPTION 'at commit' USING ERRCODE = '23514'; END IF;`)
	mine := errors.New("my own")
	var read int
	for name, try := range map[string]struct {
		transaction db.Piped
		want        func(err error) bool
	}{
		"an error": {bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			must(t, q, bump, 1)
			return mine
		}), func(err error) bool { return errors.Is(err, mine) }},
		"a first statement": {db.Piped{First: func(b *pgx.Batch) {
			b.Queue(bump, 1)
			b.Queue(`SELECT 1 / (n - n) FROM counters`)
		}, Then: bumpLast}, func(err error) bool { return err != nil }},
		"no row": {bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			must(t, q, bump, 1)
			_, err := db.One(ctx, q, db.Value[int], `SELECT n FROM counters WHERE id = 7`)
			return err
		}), func(err error) bool { return errors.Is(err, db.ErrNotFound) }},
		"a last statement": {bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			last.Queue(bump, 1)
			last.Queue(`INSERT INTO counters VALUES (2, NULL)`)
			return nil
		}), func(err error) bool { kind, _ := db.KindOf(err); return kind == db.Invalid }},
		"COMMIT": {bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			last.Queue(`UPDATE counters SET n = 101 WHERE id = 1`)
			return nil
		}), func(err error) bool { return err != nil }},
		"a failure that nobody minded": {bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			must(t, q, bump, 1)
			_, _ = q.Exec(ctx, `SELECT 1 / 0`)
			return nil
		}), func(err error) bool { return errors.Is(err, pgx.ErrTxCommitRollback) }},
	} {
		if err := try.transaction.Run(t.Context(), d); !try.want(err) || errors.Is(err, db.ErrOutcomeUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
		if n := count(t, d, 1); n != 0 {
			t.Errorf("%s: count is %d", name, n)
		}
	}
	func() {
		defer func() { recover() }()
		_ = bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			must(t, q, bump, 1)
			panic("oh")
		}).Run(t.Context(), d)
	}()
	// The pool makes one or two beside the first as it likes; six transactions failed.
	if n, s := count(t, d, 1), d.Stat(); n != 0 || s.NewConnsCount() > 4 {
		t.Errorf("count %d, %d connections were made", n, s.NewConnsCount())
	}
	givenBack(t, d)
}

func TestPiped_SerializationFailureIsRunAgain(t *testing.T) {
	t.Parallel()
	d, _, _ := counters(t)
	attempts, read := 0, 0
	err := bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
		last.Queue(bump, 1)
		if attempts++; attempts == 1 {
			last.Queue(fail40001)
		}
		return nil
	}).Run(t.Context(), d)
	if err != nil || attempts != 2 || count(t, d, 1) != 1 {
		t.Errorf("error %v, %d attempts, count %d", err, attempts, count(t, d, 1))
	}
}

// The server commits, and the answer never reaches us.
func TestPiped_LostAnswerOfADurableCommitIsUnknown(t *testing.T) {
	t.Parallel()
	d, _, dbURL := counters(t)
	attempts, read := 0, 0
	err := bumped(&read, func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
		attempts++
		return bumpLast(ctx, q, last)
	}).Run(t.Context(), dbtest.Open(t, losingProxy(t, dbURL)))
	if !errors.Is(err, db.ErrOutcomeUnknown) || attempts != 1 {
		t.Errorf("error %v after %d attempts, want unknown after 1", err, attempts)
	}
	eventually(t, "the server commits", func() bool { return count(t, d, 1) == 1 })
}
