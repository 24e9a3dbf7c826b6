package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrOutcomeUnknown says that COMMIT was sent, but its answer never came or does not
// settle the matter, as when the server shuts down. The transaction may be
// committed or not, which only reading the data can show. Nothing was repeated.
var ErrOutcomeUnknown = errors.New("the outcome of the transaction is unknown")

const (
	maxAttempts  = 8
	firstRetry   = 5 * time.Millisecond
	longestRetry = 500 * time.Millisecond
	// rollbackTimeout bounds a ROLLBACK, which is sent even if the caller's
	// context has ended, so that the connection can be reused.
	rollbackTimeout = 5 * time.Second
)

// InTx runs fn in a READ COMMITTED transaction and commits it if fn returns nil. An
// error of fn or a panic rolls it back.
//
// If PostgreSQL aborts the transaction because of a serialization failure (40001)
// or a deadlock (40P01), fn is run again, at most eight times in all: fn must have
// no effect outside the transaction. Once COMMIT was sent nothing is repeated; if
// its answer is lost, the error is ErrOutcomeUnknown.
func (d *DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.repeat(ctx, func(ctx context.Context, pool *pgxpool.Pool) (committing bool, err error) {
		return inTx(ctx, pool, fn)
	})
}

// repeat tries a transaction until PostgreSQL no longer asks for another try.
func (d *DB) repeat(ctx context.Context, try func(ctx context.Context, pool *pgxpool.Pool) (committing bool, err error)) error {
	pool := d.pool.Load()
	if pool == nil {
		return errNotConnected
	}
	for attempt := 1; ; attempt++ {
		committing, err := try(ctx, pool)
		if err == nil || committing || attempt == maxAttempts || !repeatable(err) {
			return translate(err)
		}
		if !Sleep(ctx, retryWait(attempt)) {
			return context.Cause(ctx)
		}
	}
}

// inTx is one attempt. committing is true once COMMIT was tried.
func inTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) (committing bool, err error) {
	tx, err := answered(ctx, func(ctx context.Context) (pgx.Tx, error) {
		return pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	})
	if err != nil {
		return false, err
	}
	defer func() {
		if committing {
			return
		}
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(rctx) // if it fails, the connection is closed, which rolls back too
	}()
	if err := fn(tx); err != nil {
		return false, err
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if tx.Conn().IsClosed() {
		return false, fmt.Errorf("before COMMIT: %w", pgconn.ErrConnClosed)
	}
	committing = true
	ctx, cancel := patient(ctx)
	defer cancel()
	return true, commitError(tx.Commit(ctx))
}

// commitError distinguishes a refused COMMIT from one whose answer was lost. It was
// refused if the server answered with an ordinary ERROR, which cannot happen once
// the transaction is durable. Errors of class 57 (cancelled, shutting down) and
// fatal ones can arrive after it became durable.
//
// The driver's pgconn.SafeToRetry is of no use here: for COMMIT it does not
// distinguish a connection that broke while waiting for the answer from one that
// was closed before.
func commitError(err error) error {
	if err == nil || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && !fatal(pg) && !strings.HasPrefix(pg.Code, "57") {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

func fatal(pg *pgconn.PgError) bool {
	s := pg.SeverityUnlocalized
	if s == "" {
		s = pg.Severity
	}
	return s == "FATAL" || s == "PANIC"
}

// repeatable reports whether PostgreSQL asks for the transaction to be repeated.
func repeatable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01")
}

// retryWait is a random time below a ceiling that doubles with each attempt, so that
// two transactions that collided do not collide again.
func retryWait(attempt int) time.Duration {
	ceiling := min(firstRetry<<attempt, longestRetry)
	return time.Duration(rand.Int64N(int64(ceiling)))
}

// Sleep waits and reports whether the context is still alive.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
