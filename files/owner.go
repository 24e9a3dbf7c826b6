package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Quotas are the quotas of those of the users who have one of their own, in
// bytes.
func (f *Files) Quotas(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]int64, error) {
	const sql = `-- name: files.Quotas
		SELECT t.owner_id, t.quota FROM trees t WHERE t.owner_id = ANY($1) AND t.quota IS NOT NULL`
	quotas := map[uuid.UUID]int64{}
	_, err := db.All(ctx, f.db, func(row pgx.Row) (_ struct{}, err error) {
		var user uuid.UUID
		var quota int64
		err = row.Scan(&user, &quota)
		quotas[user] = quota
		return struct{}{}, err
	}, sql, users)
	return quotas, err
}

// SetQuota gives a user a quota in bytes, nil for the configured default.
// What is stored already stays, whatever its size.
func (f *Files) SetQuota(ctx context.Context, tx pgx.Tx, user uuid.UUID, quota *int64) error {
	const sql = `-- name: files.SetQuota
		INSERT INTO trees (owner_id, root_id, feed_epoch, quota) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (owner_id) DO UPDATE SET quota = excluded.quota`
	_, err := db.Exec(ctx, tx, sql, user, newID(), newID(), quota)
	return err
}

// Erase deletes all that a user has here, in the transaction that deletes the
// user: the rows go with it, and records remain by which the user's folders
// follow into purge/. The records belong to a worker that is dead from the
// beginning. So nothing of this process is needed after the COMMIT, whatever
// becomes of it: the next recovery finishes what was committed, within
// seconds. ErrBusy while another change of the user is under way.
func (f *Files) Erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	const lock = `-- name: files.LockTreeToErase
		SELECT ` + treeColumns + ` FROM trees t WHERE t.owner_id = $1 FOR UPDATE`
	const bury = `-- name: files.InsertDeadWorker
		INSERT INTO workers (dead_at) VALUES (now()) RETURNING id`
	t, err := db.One(ctx, tx, scanTree, lock, user)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.awaitRecords(ctx, tx, user); err != nil {
		return err
	}
	if err := f.checkDataDir(ctx, tx); err != nil {
		return errUnavailable.With("The files of the user cannot be reached, so the user cannot be deleted now.").Because(err)
	}
	worker, err := db.One(ctx, tx, db.Value[int32], bury)
	if err != nil {
		return err
	}
	op := newID()
	for i, folder := range []string{disk.Users, disk.Trash, disk.Staging} {
		source := path.Join(folder, user.String())
		info, err := os.Lstat(filepath.Join(f.dataDir, source))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		n := int64(i) + 1
		r := record{owner: user, seq: t.seq + n, op: op, worker: worker, kind: kindPurge, item: t.root, revision: n,
			ino: disk.Inode(info), source: source, target: disk.PurgePath(t.root, n)}
		if _, err := db.Exec(ctx, tx, insertRecord, r.row()...); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		`-- name: files.EraseUploads
		 DELETE FROM uploads u WHERE u.owner_id = $1`,
		`-- name: files.EraseItems
		 DELETE FROM items i WHERE i.owner_id = $1`,
		`-- name: files.EraseQuarantined
		 DELETE FROM file_ops o WHERE o.owner_id = $1 AND o.quarantined_at IS NOT NULL`,
		`-- name: files.EraseTree
		 DELETE FROM trees t WHERE t.owner_id = $1`,
	} {
		if _, err := db.Exec(ctx, tx, sql, user); err != nil {
			return err
		}
	}
	return nil
}

// awaitRecords waits until the disk has followed all changes of an owner whose
// lock is held: what is on its way to the disk would be missed.
func (f *Files) awaitRecords(ctx context.Context, tx pgx.Tx, owner uuid.UUID) error {
	const sql = `-- name: files.HasPending
		SELECT EXISTS (SELECT FROM file_ops o
		                WHERE o.owner_id = $1 AND o.quarantined_at IS NULL
		                  AND NOT (o.worker_id = $2 AND o.op_id = ANY ($3)))`
	for began := time.Now(); ; {
		pending, err := db.One(ctx, tx, db.Value[bool], sql, owner, f.worker.id, f.own.published())
		if err != nil || !pending {
			return err
		}
		if time.Since(began) > waitInWay {
			return httpx.ErrBusy.Because(errInTheWay)
		}
		if !sleep(ctx, longestWait) {
			return context.Cause(ctx)
		}
	}
}

// checkDataDir makes sure, also in a process that is no worker, that what the
// path of the data directory leads to is this database's.
func (f *Files) checkDataDir(ctx context.Context, tx pgx.Tx) error {
	const sql = `-- name: files.DataDirIDToErase
		SELECT i.data_dir_id FROM instance i`
	known, err := db.One(ctx, tx, db.Value[*uuid.UUID], sql)
	if err != nil {
		return err
	}
	dir, err := disk.Open(f.dataDir)
	if err != nil {
		return err
	}
	marker, err := dir.Marker()
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	if known == nil || *known != marker {
		return fmt.Errorf("%s does not belong to this database", f.dataDir)
	}
	return nil
}
