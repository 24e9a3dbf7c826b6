package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Piped is a transaction whose BEGIN is sent with its first statements and whose
// COMMIT with its last: two round trips instead of four.
type Piped struct {
	// First queues the statements that are sent with BEGIN.
	First func(b *pgx.Batch)
	// Then decides by their results, may ask for more, and queues the statements
	// that are sent with COMMIT. After that it is too late to change one's mind:
	// what reads those results must not fail because of what they say.
	Then func(ctx context.Context, q Querier, last *pgx.Batch) error
}

const commit = "COMMIT"

// Run runs the transaction like InTx. If a statement that is sent with COMMIT fails,
// PostgreSQL does not carry out COMMIT, so after a deadlock there the transaction
// is run again although COMMIT was sent. If the error might be that of COMMIT
// itself, as when the server shuts down, it is ErrOutcomeUnknown.
func (p Piped) Run(ctx context.Context, d *DB) error {
	return d.repeat(ctx, p.attempt)
}

func (p Piped) attempt(ctx context.Context, pool *pgxpool.Pool) (committing bool, err error) {
	conn, err := answered(ctx, pool.Acquire)
	if err != nil {
		return false, err
	}
	defer conn.Release() // closes a connection that is in a transaction, which rolls it back
	var first, last pgx.Batch
	first.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	p.First(&first)
	_, err = answered(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, conn.SendBatch(ctx, &first).Close() })
	if err != nil {
		return false, rolledBack(ctx, conn, err)
	}
	if err := p.Then(ctx, conn, &last); err != nil {
		return false, rolledBack(ctx, conn, err)
	}
	if ctx.Err() != nil {
		return false, rolledBack(ctx, conn, context.Cause(ctx))
	}
	if conn.Conn().IsClosed() {
		return false, fmt.Errorf("before COMMIT: %w", pgconn.ErrConnClosed)
	}
	last.Queue(commit).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != commit {
			return pgx.ErrTxCommitRollback // the transaction had failed before
		}
		return nil
	})
	ctx, cancel := patient(ctx)
	defer cancel()
	if err := commitError(conn.SendBatch(ctx, &last).Close()); err != nil {
		return errors.Is(err, ErrOutcomeUnknown), rolledBack(ctx, conn, err)
	}
	return true, nil
}

// rolledBack ends a failed transaction, so that its connection can be reused.
func rolledBack(ctx context.Context, conn *pgxpool.Conn, err error) error {
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		_, _ = conn.Exec(rctx, "ROLLBACK")
	}
	return err
}
