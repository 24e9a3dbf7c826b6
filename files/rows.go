package files

import "github.com/jackc/pgx/v5"

// rowOf is the scan function of a value whose fields take a row's columns, in
// their order.
func rowOf[T any](fields func(v *T) []any) func(row pgx.Row) (T, error) {
	return func(row pgx.Row) (v T, err error) {
		err = row.Scan(fields(&v)...)
		return v, err
	}
}
