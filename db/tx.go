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

// ErrOutcomeUnknown says that COMMIT was sent and its answer never came, or was
// one that does not tell, as when the server shuts down: the
// transaction may be committed or not, and only reading the data can tell.
// Nothing was repeated.
var ErrOutcomeUnknown = errors.New("the outcome of the transaction is unknown")

const (
	maxAttempts  = 8
	firstRetry   = 5 * time.Millisecond
	longestRetry = 500 * time.Millisecond
	// rollbackTimeout bounds a ROLLBACK that is sent although the caller's
	// context has ended, so that the connection can be used again.
	rollbackTimeout = 5 * time.Second
)

// InTx runs fn in a transaction of isolation READ COMMITTED and commits it
// when fn returns nil. An error of fn or a panic rolls back.
//
// When PostgreSQL ends the transaction by a serialization failure (40001) or
// a deadlock (40P01), fn is run again, at most eight times in all: fn must
// have no effect outside the transaction. After COMMIT was sent nothing is
// repeated; if its answer is lost the error is ErrOutcomeUnknown.
func (d *DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return d.repeat(ctx, func(ctx context.Context, pool *pgxpool.Pool) (committing bool, err error) {
		return inTx(ctx, pool, fn)
	})
}

// repeat tries a transaction until PostgreSQL does not ask for it once more.
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
		_ = tx.Rollback(rctx) // a failure closes the connection, which rolls back too
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

// commitError tells a refused COMMIT from one whose answer was lost. Refused
// is what the server answered with an ordinary ERROR: PostgreSQL cannot turn
// a transaction that is already durable into one. The class 57 (cancelled,
// shutting down) and everything fatal may arrive after it became durable.
//
// The driver's own word, pgconn.SafeToRetry, is of no use here: for COMMIT a
// connection that broke while the answer was awaited looks like one that had
// been closed before.
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

// repeatable reports whether PostgreSQL asks for the transaction once more.
func repeatable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01")
}

// retryWait doubles from attempt to attempt and is drawn at random below
// that, so that two transactions that collided do not meet again.
func retryWait(attempt int) time.Duration {
	ceiling := min(firstRetry<<attempt, longestRetry)
	return time.Duration(rand.Int64N(int64(ceiling)))
}

// Sleep waits and reports whether the context still lives.
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
