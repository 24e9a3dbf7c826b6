package files

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
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
	// purgePage is how many items of the trash one round ends.
	purgePage = 100
)

// deleteTrashed is DELETE /files/trash/{id}: for good.
func (f *Files) deleteTrashed(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	if err := f.purge(r.Context(), v.owner, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// emptyTrash is DELETE /files/trash.
func (f *Files) emptyTrash(w http.ResponseWriter, r *http.Request, v visit) error {
	const sql = `-- name: files.TrashedOfOwner
		SELECT i.owner_id, i.id FROM items i
		 WHERE i.owner_id = $1 AND i.trashed_at IS NOT NULL AND NOT i.id = ANY ($2) ORDER BY i.trashed_at, i.id LIMIT $3`
	if _, err := f.purgeAll(r.Context(), sql, v.owner); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endTrash purges what has been in the trash for longer than its retention.
func (f *Files) endTrash(ctx context.Context) error {
	const sql = `-- name: files.TrashToEnd
		SELECT i.owner_id, i.id FROM items i
		 WHERE i.trashed_at < now() - $1::interval AND NOT i.id = ANY ($2) ORDER BY i.trashed_at LIMIT $3`
	if f.trashRetention == 0 {
		return nil
	}
	_, err := f.purgeAll(ctx, sql, f.trashRetention)
	return err
}

// purgeAll purges the items that a query names and counts them. The last two
// parameters of the query are the items to pass over and the size of a page:
// one that cannot be purged holds none of the others.
func (f *Files) purgeAll(ctx context.Context, sql string, args ...any) (purged int, failed error) {
	type key struct{ owner, item uuid.UUID }
	tried := []uuid.UUID{}
	for {
		keys, err := db.All(ctx, f.db, func(row pgx.Row) (k key, err error) {
			err = row.Scan(&k.owner, &k.item)
			return k, err
		}, sql, append(slices.Clip(args), tried, purgePage)...)
		if err != nil || len(keys) == 0 {
			return purged, errors.Join(failed, err)
		}
		for _, k := range keys {
			err := f.purge(ctx, k.owner, k.item)
			switch {
			case err == nil:
				purged++
			case ctx.Err() != nil:
				return purged, errors.Join(failed, err)
			case !errors.Is(err, db.ErrNotFound): // restored or purged meanwhile
				failed = errors.Join(failed, err)
				tried = append(tried, k.item)
			}
		}
	}
}

// purge deletes a trashed item with all that lies below it. The bytes go to
// purge/ by one rename; what was trashed before from a folder that ends here
// stays in the trash and would be restored to the root.
func (f *Files) purge(ctx context.Context, owner, id uuid.UUID) error {
	const below = `
		WITH RECURSIVE below AS (
		    SELECT i.id FROM items i WHERE i.id = $1
		    UNION ALL
		    SELECT c.id FROM below b JOIN items c ON c.parent_id = b.id AND c.trashed_at IS NULL
		)`
	const keep = `-- name: files.KeepTrashedBelow` + below + `
		UPDATE items i SET parent_id = $2
		 WHERE i.parent_id IN (SELECT b.id FROM below b) AND i.trashed_at IS NOT NULL AND i.id <> $1`
	const remove = `-- name: files.DeleteBelow` + below + `, gone AS (
		    DELETE FROM items i USING below b WHERE i.id = b.id RETURNING i.size
		)
		SELECT coalesce(sum(g.size), 0)::bigint FROM gone g`
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		it, err := trashedByID(ctx, t, owner, id)
		if err != nil {
			return err
		}
		if _, err := db.Exec(ctx, t, keep, id, t.Tree.Root); err != nil {
			return err
		}
		freed, err := db.One(ctx, t, db.Value[int64], remove, id)
		if err != nil {
			return err
		}
		t.Use(-freed)
		if err := t.Purge(id, it.Revision, disk.TrashPath(owner, id)); err != nil {
			return err
		}
		t.Tell(feedPurged, told(it.placed))
		t.Audit(ctx, audit.Event{Action: audit.FilePurged, Target: id})
		return nil
	}}
	return f.journal.Commit(ctx, c)
}

// freeDisplaced frees what lies in purge/. It holds the lock PURGE, which a
// backup holds from its snapshot to its end.
func (f *Files) freeDisplaced(ctx context.Context) error {
	var failed error
	for more := true; more; {
		if err := f.disk.CheckInPlace(f.id); err != nil {
			return err
		}
		err := f.db.InTx(ctx, func(tx pgx.Tx) error {
			// The removal of one large folder may outlast every timeout.
			const lock = `-- name: files.TryPurgeLock
				SELECT pg_try_advisory_xact_lock($1, 0)
				  FROM set_config('idle_in_transaction_session_timeout', '0', true)`
			locked, err := db.One(ctx, tx, db.Value[bool], lock, journal.LockPurge)
			more = false
			if err == nil && locked {
				more, failed = f.freeFor(ctx, purgeFor)
			}
			return err
		})
		if err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// freeFor removes entries of purge/ for about that long; more says whether
// some are left that were not tried.
func (f *Files) freeFor(ctx context.Context, long time.Duration) (more bool, failed error) {
	names, err := f.disk.Names(disk.Purge)
	if err != nil {
		return false, err
	}
	began := time.Now()
	for _, name := range names {
		if ctx.Err() != nil || time.Since(began) > long {
			return ctx.Err() == nil, errors.Join(failed, context.Cause(ctx))
		}
		failed = errors.Join(failed, f.disk.RemoveAll(path.Join(disk.Purge, name)))
	}
	return false, failed
}
