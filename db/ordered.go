package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Ordered sends statements that only read in one round trip. PostgreSQL carries
// each out by a plan that it makes once a connection and that reads rows in the
// order of an index and sorts nothing. So a page of a keyset costs what its rows
// cost: no planning, and no other plan when the statistics take a large
// collection for a small one.
func Ordered(ctx context.Context, d *DB, queue func(b *pgx.Batch) error) error {
	// Both settings end with the batch, which is a transaction of its own.
	const inOrder = `
-- name: db.InOrder
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_sort', 'off', true)`
	var b pgx.Batch
	b.Queue(inOrder)
	if err := queue(&b); err != nil {
		return err
	}
	_, err := answered(ctx, func(ctx context.Context) (struct{}, error) {
		pool := d.pool.Load()
		if pool == nil {
			return struct{}{}, errNotConnected
		}
		return struct{}{}, pool.SendBatch(ctx, &b).Close()
	})
	return err
}
