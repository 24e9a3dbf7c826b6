package journal

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var errLaterFirst = errors.New("a later change has to be in place before this one can be judged")

// redo carries out a record of a worker that is gone, or one that came back.
// The guard is that the item still has the record's revision and path: one
// that went on, or was carried elsewhere with a folder above it, was put in
// place before, because whoever moves a folder waits for the records below it.
func (j *Journal) redo(ctx context.Context, r record) error {
	revision, at, err := whereabouts(ctx, j.db, r.owner, r.item)
	gone := errors.Is(err, db.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	if revision == r.revision && at == r.target || r.kind == kindPurge && (gone || r.endsVersion()) || disk.Without("guard") {
		err := j.publish(ctx, r)
		if errors.Is(err, errNowhere) {
			if waits, err := awaitsLater(ctx, j.db, r); waits || err != nil {
				return cmp.Or(err, errLaterFirst)
			}
			return j.setAside(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	disk.Failpoint("redone")
	return deleteRecords(ctx, j.db, []done{{owner: r.owner, seqs: []int64{r.seq}}})
}

// awaitsLater reports whether a later record of any worker concerns the path of
// one whose bytes are nowhere. A folder that was carried elsewhere and back comes
// back with that, and what was put into it before comes with it.
func awaitsLater(ctx context.Context, q db.Querier, r record) (bool, error) {
	const sql = `-- name: files.LaterRecords
		SELECT ` + recordColumns + `
		  FROM file_ops o
		 WHERE o.owner_id = $1 AND o.seq > $2 AND o.quarantined_at IS NULL
		 ORDER BY o.seq`
	later, err := db.All(ctx, q, scanRecord, sql, r.owner, r.seq)
	return slices.ContainsFunc(later, func(l record) bool { return l.concerns(r.target) }), err
}

// whereabouts are an item's revision and the path where it lies below the
// data directory, in the tree or in the trash.
func whereabouts(ctx context.Context, q db.Querier, owner, item uuid.UUID) (revision int64, at string, err error) {
	const sql = `-- name: files.Whereabouts
		SELECT i.revision, (SELECT string_agg(u.entry, '/' ORDER BY u.height DESC) FROM item_place(i.id) u)
		  FROM items i WHERE i.id = $2 AND i.owner_id = $1`
	_, err = db.One(ctx, q, func(row pgx.Row) (none struct{}, err error) {
		return none, row.Scan(&revision, &at)
	}, sql, owner, item)
	return revision, at, err
}

// redoAll carries records out in order. After a failure what concerns the
// same paths waits for the next time.
func (j *Journal) redoAll(ctx context.Context, records []record) error {
	var failures error
	var stuck, again []record
	for _, r := range records {
		if slices.ContainsFunc(stuck, func(s record) bool { return s.concerns(r.target) || r.source != "" && s.concerns(r.source) }) {
			continue
		}
		err := j.disk.Fault()
		if err == nil {
			err = j.redo(ctx, r)
		}
		if errors.Is(err, errLaterFirst) {
			again = append(again, r)
			continue
		}
		if err != nil {
			j.Log.ErrorContext(ctx, "cannot redo a change", "op", r.op, "error", err)
			stuck = append(stuck, r)
			failures = errors.Join(failures, err)
		}
	}
	for _, r := range slices.Backward(again) { // the later ones first
		failures = errors.Join(failures, j.redo(ctx, r))
	}
	return failures
}

// redoOwn carries out this worker's records that it does not know of: after
// PostgreSQL was lost, an asynchronous deletion may have been undone.
func (j *Journal) redoOwn(ctx context.Context) error {
	// One that ends while the rows are read was known before.
	known := j.own.known()
	records, err := recordsOf(ctx, j.db, j.worker.id)
	if err != nil {
		return err
	}
	maps.Copy(known, j.own.known())
	return j.redoAll(ctx, slices.DeleteFunc(records, func(r record) bool { return known[r.op] }))
}
