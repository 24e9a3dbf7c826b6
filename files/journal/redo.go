package journal

import (
	"context"
	"errors"
	"maps"
	"slices"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// redo carries out a record of a worker that is gone, or one that came back.
// Whoever changes what is around a pending record waits until it is in place, so
// two guards tell that it was: the item went on from the record's revision or was
// carried to another path, with a folder above it maybe; or the record was
// overtaken, as when that folder was carried away and is on its way back.
func (j *Journal) redo(ctx context.Context, r record, later []record) error {
	revision, at, err := whereabouts(ctx, j.db, r.owner, r.item)
	gone := errors.Is(err, db.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	waits := revision == r.revision && at == r.target || r.kind == kindPurge && (gone || r.endsVersion())
	if waits && !r.overtaken(later) || disk.Without("guard") {
		err := j.publish(ctx, r)
		if errors.Is(err, errNowhere) {
			return j.setAside(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	disk.Failpoint("redone")
	return deleteRecords(ctx, j.db, []done{{owner: r.owner, seqs: []int64{r.seq}}})
}

// overtaken reports whether a later change concerns the path of the record.
func (r record) overtaken(later []record) bool {
	return slices.ContainsFunc(later, func(l record) bool { return l.op != r.op && l.concerns(r.target) })
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

// redoAll carries those of the pending records out that are mine, in order, and counts
// them. After a failure what concerns the same paths waits for the next time.
func (j *Journal) redoAll(ctx context.Context, pending []record, mine func(r record) bool) (n int, failures error) {
	var stuck []record
	for i, r := range pending {
		if !mine(r) {
			continue
		}
		n++
		if slices.ContainsFunc(stuck, func(s record) bool { return s.concerns(r.target) || r.source != "" && s.concerns(r.source) }) {
			continue
		}
		err := j.disk.Fault()
		if err == nil {
			err = j.redo(ctx, r, pending[i+1:])
		}
		if err != nil {
			j.Log.ErrorContext(ctx, "cannot redo a change", "op", r.op, "error", err)
			stuck = append(stuck, r)
			failures = errors.Join(failures, err)
		}
	}
	return n, failures
}

// redoOwn carries out this worker's records that it does not know of: after
// PostgreSQL was lost, an asynchronous deletion may have been undone.
func (j *Journal) redoOwn(ctx context.Context) error {
	// One that ends while the rows are read was known before.
	known := j.own.known()
	pending, err := recordsAround(ctx, j.db, j.worker.id)
	if err != nil {
		return err
	}
	maps.Copy(known, j.own.known())
	_, err = j.redoAll(ctx, pending, func(r record) bool { return r.worker == j.worker.id && !known[r.op] })
	return err
}
