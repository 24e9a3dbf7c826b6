package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is what a statement can be sent to: a transaction, or the DB itself,
// which takes a connection from the pool for each statement.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

type patienceKey struct{}

// WithPatience bounds how long each statement of a context waits for its answer,
// including the connection; after that the error is of the kind Unavailable.
// PostgreSQL itself ends statements that take too long: this is for a server that
// is frozen and cannot.
func WithPatience(ctx context.Context, patience time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, patience)
}

// answered asks PostgreSQL within the patience of the context and translates the
// error.
func answered[T any](ctx context.Context, ask func(ctx context.Context) (T, error)) (T, error) {
	asking, cancel := patient(ctx)
	defer cancel()
	v, err := ask(asking)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		return v, &Error{Kind: Unavailable, Err: err}
	}
	return v, translate(err)
}

func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if patience, ok := ctx.Value(patienceKey{}).(time.Duration); ok {
		return context.WithTimeout(ctx, patience)
	}
	return ctx, func() {}
}

// All reads every row of a query with scan. The list is never nil. If an error comes
// after the first rows, it is returned without rows.
func All[T any](ctx context.Context, q Querier, scan func(pgx.Row) (T, error), sql string, args ...any) ([]T, error) {
	return answered(ctx, func(ctx context.Context) ([]T, error) {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, collected(scan))
	})
}

// Into reads every row of a statement of a batch with scan and puts it behind
// list.
func Into[T any](list *[]T, scan func(pgx.Row) (T, error)) func(rows pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*list, err = pgx.AppendRows(*list, rows, collected(scan))
		return err
	}
}

// One reads the first row of a query, or of a statement with RETURNING, with scan.
// No row is ErrNotFound. A query that may match several rows uses ORDER BY and
// LIMIT to say which one it wants.
func One[T any](ctx context.Context, q Querier, scan func(pgx.Row) (T, error), sql string, args ...any) (T, error) {
	return answered(ctx, func(ctx context.Context) (v T, err error) {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return v, err
		}
		return pgx.CollectOneRow(rows, collected(scan))
	})
}

// collected is scan as the driver wants it, which reads the last error too: a
// result may be cut off, and a statement with RETURNING fail after its first row.
func collected[T any](scan func(pgx.Row) (T, error)) pgx.RowToFunc[T] {
	return func(row pgx.CollectableRow) (T, error) { return scan(row) }
}

// RowOf makes the scan function of a value whose fields take a row's columns, in
// their order.
func RowOf[T any](fields func(v *T) []any) func(row pgx.Row) (T, error) {
	return func(row pgx.Row) (v T, err error) {
		err = row.Scan(fields(&v)...)
		return v, err
	}
}

// Value scans a row of one column: db.One(ctx, q, db.Value[int64], sql).
func Value[T any](row pgx.Row) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

// Exec runs a statement.
func Exec(ctx context.Context, q Querier, sql string, args ...any) error {
	_, err := Affected(ctx, q, sql, args...)
	return err
}

// Affected is Exec for a statement of which the caller asks how many rows it
// affected.
func Affected(ctx context.Context, q Querier, sql string, args ...any) (int64, error) {
	return answered(ctx, func(ctx context.Context) (int64, error) {
		tag, err := q.Exec(ctx, sql, args...)
		return tag.RowsAffected(), err
	})
}

// Touch is Exec for a statement that must affect a row: if it affects none, the
// error is none.
func Touch(ctx context.Context, q Querier, none error, sql string, args ...any) error {
	n, err := Affected(ctx, q, sql, args...)
	if err == nil && n == 0 {
		return none
	}
	return err
}

// Below returns the error full unless fewer than most rows of a table match where.
// Until the transaction ends nobody else can change the table, so that two
// callers cannot both take the last place. Call it before the transaction changes
// a row of the table, or two such transactions wait for each other.
func Below(ctx context.Context, tx pgx.Tx, full error, most int, table, where string, args ...any) error {
	err := Exec(ctx, tx, `
-- name: db.LockToCount
LOCK TABLE `+table+` IN SHARE ROW EXCLUSIVE MODE`)
	if err != nil {
		return err
	}
	n, err := One(ctx, tx, Value[int], `
-- name: db.CountBelow
SELECT count(*) FROM `+table+` WHERE `+where, args...)
	if err == nil && n >= most {
		return full
	}
	return err
}

// Exec makes *DB a Querier; rooms call the function Exec, which translates errors.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	pool := d.pool.Load()
	if pool == nil {
		return pgconn.CommandTag{}, errNotConnected
	}
	return pool.Exec(ctx, sql, args...)
}

// Query makes *DB a Querier; rooms call All.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	pool := d.pool.Load()
	if pool == nil {
		return nil, errNotConnected
	}
	return pool.Query(ctx, sql, args...)
}
