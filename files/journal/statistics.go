package journal

import (
	"context"
	"math/bits"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// firstLook is how many items a worker writes before it first looks whether
// PostgreSQL knows that there are so many.
const firstLook = 128

// wrote counts items, and asks for a look each time that their number has grown
// eightfold.
func (j *Journal) wrote(n int) {
	eights := func(items int64) int { return (bits.Len64(uint64(items)) + 1) / 3 } // 128 is where one begins
	if now := j.written.Add(int64(n)); now >= firstLook && eights(now) > eights(now-int64(n)) {
		j.grown.Give()
	}
}

// keepStatistics has the tables analysed that outgrow what is known of them,
// until ctx ends. PostgreSQL itself comes a minute later, and until then plans
// of the first day read whole folders for one name: a first import would get
// slower with each file.
func (j *Journal) keepStatistics(ctx context.Context) {
	for j.grown.Await(ctx) {
		if err := j.analyse(ctx); err != nil && ctx.Err() == nil {
			j.Log.WarnContext(ctx, "cannot analyse the tables; queries may be slow until PostgreSQL does it itself", "error", err)
		}
	}
}

func (j *Journal) analyse(ctx context.Context) error {
	const outgrown = `-- name: files.Outgrown
		SELECT c.reltuples < 4 * $1::bigint FROM pg_class c WHERE c.oid = 'items'::regclass`
	due, err := db.One(ctx, j.DB, db.Value[bool], outgrown, j.written.Load())
	if err != nil || !due {
		return err
	}
	return j.DB.AsOwner(ctx, func(conn *pgx.Conn) error {
		// A sample of 3,000 rows: a rough number is enough, and soon.
		_, err := conn.Exec(ctx, `SET default_statistics_target = 10; ANALYZE items, trees, changes, uploads, file_ops`)
		return err
	})
}
