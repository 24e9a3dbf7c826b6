package journal

import (
	"context"

	"homebase/audit"
	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// database is what a journal asks of PostgreSQL. Two answer: the real one, and
// a model whose commits come late, or without an answer, or not at all, over which
// a simulation drives the rest of the package.
type database interface {
	db.Querier
	InTx(ctx context.Context, fn func(tx pgx.Tx) error) error
	// Piped is db.Piped.Run.
	Piped(ctx context.Context, p db.Piped) error
	// Audit queues events into the transaction of a change.
	Audit(ctx context.Context, b *pgx.Batch, events ...audit.Event) error
}

type postgres struct {
	*db.DB
	log *audit.Log
}

func (p postgres) Piped(ctx context.Context, t db.Piped) error { return t.Run(ctx, p.DB) }

func (p postgres) Audit(ctx context.Context, b *pgx.Batch, events ...audit.Event) error {
	return p.log.Queue(ctx, b, events...)
}
