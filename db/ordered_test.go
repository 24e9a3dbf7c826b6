package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"homebase/db"
	"homebase/db/dbtest"
)

// Both settings hold for the batch and not for what uses its connection next.
func TestOrdered_PlansOnceAndLeavesTheConnectionAsItWas(t *testing.T) {
	t.Parallel()
	const settings = `SELECT current_setting('plan_cache_mode') || ' ' || current_setting('enable_sort')`
	d := dbtest.New(t)
	var within []string
	for range 3 {
		within = nil
		err := db.Ordered(t.Context(), d, func(b *pgx.Batch) error {
			b.Queue(settings).Query(db.Into(&within, db.Value[string]))
			b.Queue(settings).Query(db.Into(&within, db.Value[string]))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(within) != 2 || within[0] != "force_generic_plan off" || within[1] != within[0] {
		t.Errorf("within the batch: %q", within)
	}
	after, err := db.One(t.Context(), d, db.Value[string], settings)
	if err != nil || after != "auto on" {
		t.Errorf("after it: %q, %v", after, err)
	}
}

func TestOrdered_FailsAsItsStatementsDo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var read []int
	err := db.Ordered(t.Context(), d, func(b *pgx.Batch) error {
		b.Queue(`SELECT 1 / (1001 - n) FROM generate_series(1, 2000) n`).Query(db.Into(&read, db.Value[int]))
		return nil
	})
	if err == nil {
		t.Errorf("a result that broke off was taken, with %d rows", len(read))
	}
	wrong := errors.New("nothing to ask")
	if err := db.Ordered(t.Context(), d, func(*pgx.Batch) error { return wrong }); err != wrong {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ordered(ctx, d, func(b *pgx.Batch) error { b.Queue(`SELECT 1`); return nil }); err == nil {
		t.Error("a cancelled context asks")
	}
}
