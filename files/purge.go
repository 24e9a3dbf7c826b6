package files

import (
	"context"
	"errors"
	"path"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// purgeFor bounds how long one transaction holds the lock that a backup
	// waits for.
	purgeFor = 20 * time.Second
	// purgeStep is how many rows one change deletes: the owner's other changes
	// wait for that long.
	purgeStep = 1000
	// purgePage is how many items of the trash are read at once.
	purgePage = 100
)

// deleteTrashed is DELETE /files/trash/{id}: for good.
func (tr *trash) deleteTrashed(c *httpx.Call) error {
	return tr.purge(c.Context(), visitOf(c.Context()).owner, c.ID)
}

// emptyTrash is DELETE /files/trash.
func (tr *trash) emptyTrash(c *httpx.Call) error {
	_, err := tr.purgeAll(c.Context(), new(visitOf(c.Context()).owner), nil)
	return err
}

// endTrash purges what has been in the trash for longer than its retention.
func (tr *trash) endTrash(ctx context.Context) error {
	if tr.retention == 0 {
		return nil
	}
	_, err := tr.purgeAll(ctx, nil, &tr.retention)
	return err
}

// purgeAll purges what an owner, nil: anybody, has in the trash, and for longer
// than that, nil: at all, and counts it. An item that cannot be purged holds none
// of the others.
func (tr *trash) purgeAll(ctx context.Context, owner *uuid.UUID, older *time.Duration) (purged int, failed error) {
	const sql = `-- name: files.TrashToPurge
		SELECT i.owner_id, i.trashed_at, i.id FROM items i
		 WHERE i.trashed_at IS NOT NULL AND NOT i.purging AND ($1::uuid IS NULL OR i.owner_id = $1)
		   AND ($2::interval IS NULL OR i.trashed_at < now() - $2::interval) AND (i.trashed_at, i.id) > ($3, $4)
		 ORDER BY i.trashed_at, i.id LIMIT $5`
	type due struct {
		trashPlace
		owner uuid.UUID
	}
	scan := db.RowOf(func(d *due) []any { return []any{&d.owner, &d.At, &d.ID} })
	for last := (due{}); ; {
		page, err := db.All(ctx, tr.db, scan, sql, pgx.QueryExecModeDescribeExec, owner, older, last.At, last.ID, purgePage) // planned for what is asked
		if err != nil || len(page) == 0 {
			return purged, errors.Join(failed, err)
		}
		for _, last = range page {
			err := tr.purge(ctx, last.owner, last.ID)
			switch {
			case err == nil:
				purged++
			case !errors.Is(err, db.ErrNotFound): // restored or purged meanwhile
				failed = errors.Join(failed, err)
			}
		}
	}
}

// purge deletes a trashed item with all that lies below it. The bytes go to
// purge/ by one rename, and the item is out of the trash at once. Its rows go
// with the same change when they are few; else behind the mark that it leaves,
// some at a time, so no folder is too large to be purged.
func (tr *trash) purge(ctx context.Context, owner, id uuid.UUID) error {
	const mark = `-- name: files.MarkPurging
		UPDATE items i SET purging = true` + inTrash + ` AND i.id = $2 RETURNING ` + trashedColumns
	left := false
	err := tr.journal.Commit(ctx, journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		it, err := db.One(ctx, t, scanTrashed, mark, owner, id)
		if err != nil {
			return err
		}
		if err := t.Purge(id, it.Revision, disk.TrashPath(owner, id)); err != nil {
			return err
		}
		t.Tell(feedPurged, told(it.placed))
		t.Audit(ctx, audit.Event{Action: audit.FilePurged, Target: id})
		left, err = purgeRows(ctx, t, owner)
		return err
	}})
	if left {
		tr.purging.Give()
	}
	return err
}

// purgeRows deletes up to purgeStep rows that are marked or lie below one that is,
// with their versions. A folder's files go, its folders are marked in its place,
// and then it goes itself: each row is looked at once, however deep it lies. What
// was trashed before from a folder that ends here stays in the trash and would be
// restored to the root.
func purgeRows(ctx context.Context, t *journal.Tx, owner uuid.UUID) (left bool, err error) {
	const sql = `-- name: files.PurgeNext
		WITH marked AS (
		    SELECT i.id FROM items i WHERE i.owner_id = $1 AND i.purging ORDER BY i.id LIMIT 1
		), child AS (
		    SELECT c.id, c.kind, c.trashed_at IS NOT NULL AS trashed FROM items c WHERE c.parent_id = (SELECT m.id FROM marked m) LIMIT $3
		), kept AS (
		    UPDATE items i SET parent_id = $2 FROM child c WHERE i.id = c.id AND c.trashed
		), folders AS (
		    UPDATE items i SET parent_id = $2, trashed_at = now(), purging = true
		      FROM child c WHERE i.id = c.id AND c.kind = 0 AND NOT c.trashed
		), ending AS (
		    SELECT c.id FROM child c WHERE c.kind = 1 AND NOT c.trashed
		     UNION ALL
		    SELECT m.id FROM marked m WHERE (SELECT count(*) FROM child) < $3
		), former AS (
		    DELETE FROM versions v USING ending e WHERE v.item_id = e.id RETURNING ` + journal.VersionColumns + `
		), gone AS (
		    DELETE FROM items i USING ending e WHERE i.id = e.id RETURNING i.size
		)
		SELECT (SELECT count(*) FROM child), (SELECT count(*) FROM gone), (SELECT coalesce(sum(g.size), 0)::bigint FROM gone g),
		       (SELECT coalesce(json_agg(json_build_object('item', f.item_id, 'revision', f.revision, 'size', f.size)), '[]') FROM former f)`
	for budget := purgeStep; budget > 0; {
		most := budget
		if t.Tree.Versions > 0 {
			most = max(1, budget/mostVersions)
		}
		var children, gone int
		var freed int64
		scan := db.RowOf(func(former *[]journal.Version) []any { return []any{&children, &gone, &freed, former} })
		former, err := db.One(ctx, t, scan, sql, owner, t.Tree.Root, most)
		if err != nil || children+gone == 0 {
			return false, err
		}
		t.Count(-freed, -gone)
		if err := t.PurgeVersions(former); err != nil {
			return false, err
		}
		budget -= 1 + children + len(former)
	}
	return true, nil
}

// finishPurges deletes the rows that purges have left, a step a transaction.
func (tr *trash) finishPurges(ctx context.Context) error {
	const sql = `-- name: files.OwnersPurging
		SELECT DISTINCT i.owner_id FROM items i WHERE i.purging`
	owners, err := db.All(ctx, tr.db, db.Value[uuid.UUID], sql)
	for _, owner := range owners {
		for left := true; left && ctx.Err() == nil; {
			failure := tr.journal.Commit(ctx, journal.Change{Owner: owner, Unjudged: true, Decide: func(ctx context.Context, t *journal.Tx) (err error) {
				left, err = purgeRows(ctx, t, owner)
				return err
			}})
			if failure != nil {
				err = errors.Join(err, failure)
				break
			}
		}
	}
	return err
}

// purgeLeft finishes purges as soon as one leaves something, until ctx ends.
// What fails is left to the job.
func (tr *trash) purgeLeft(ctx context.Context) {
	for tr.purging.Await(ctx) {
		if err := tr.finishPurges(ctx); err != nil && ctx.Err() == nil {
			tr.log.WarnContext(ctx, "a purge has not finished yet", "error", err)
		}
	}
}

// anyDisplaced asks whether a purge has left rows, or anything has come into
// purge/ since it was last found empty.
func (tr *trash) anyDisplaced(ctx context.Context) (bool, error) {
	const sql = `-- name: files.AnyPurging
		SELECT EXISTS (SELECT FROM items i WHERE i.purging)`
	info, err := tr.vol.disk.Lstat(disk.Purge)
	if err != nil || info.ModTime().UnixNano() != tr.emptySince.Load() {
		return true, err
	}
	return db.One(ctx, tr.db, db.Value[bool], sql)
}

// freeDisplaced ends purges and frees what lies in purge/. It holds the lock PURGE, which a
// backup holds from its snapshot to its end.
func (tr *trash) freeDisplaced(ctx context.Context) error {
	unfinished := tr.finishPurges(ctx)
	var failed error
	for more := true; more; {
		if err := tr.vol.disk.CheckInPlace(tr.vol.id); err != nil {
			return errors.Join(unfinished, err)
		}
		err := tr.db.InTx(ctx, func(tx pgx.Tx) error {
			// The removal of one large folder may outlast every timeout.
			const lock = `-- name: files.TryPurgeLock
				SELECT pg_try_advisory_xact_lock($1, 0)
				  FROM set_config('idle_in_transaction_session_timeout', '0', true)`
			locked, err := db.One(ctx, tx, db.Value[bool], lock, journal.LockPurge)
			more = false
			if err == nil && locked {
				more, failed = tr.freeSome(ctx)
			}
			return err
		})
		if err != nil {
			return errors.Join(unfinished, failed, err)
		}
	}
	return errors.Join(unfinished, failed)
}

// freeSome removes entries of purge/ for about purgeFor; more says whether some
// are left that were not tried.
func (tr *trash) freeSome(ctx context.Context) (more bool, failed error) {
	before, _ := tr.vol.disk.Lstat(disk.Purge) // nil: the job is needed again
	names, err := tr.vol.disk.Names(disk.Purge)
	if err != nil {
		return false, err
	}
	if len(names) == 0 && before != nil {
		tr.emptySince.Store(before.ModTime().UnixNano())
	}
	began := time.Now()
	for _, name := range names {
		if ctx.Err() != nil || time.Since(began) > purgeFor {
			return ctx.Err() == nil, errors.Join(failed, context.Cause(ctx))
		}
		failed = errors.Join(failed, tr.vol.disk.RemoveAll(path.Join(disk.Purge, name)))
	}
	return false, failed
}
