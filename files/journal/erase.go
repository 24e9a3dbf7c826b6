package journal

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Erase deletes an owner's rows in the transaction that deletes the owner, and
// leaves records by which the owner's folders follow into purge/. The records
// belong to a worker that is dead from the beginning. So nothing of this
// process is needed after the COMMIT, whatever becomes of it: the next
// recovery finishes what was committed, within seconds. dir need not be a
// worker's. httpx.ErrBusy while another change of the owner is under way.
func (j *Journal) Erase(ctx context.Context, tx pgx.Tx, dir *disk.Dir, owner uuid.UUID) error {
	const lock = `-- name: files.LockTreeToErase
		SELECT ` + treeColumns + ` FROM trees t WHERE t.owner_id = $1 FOR UPDATE`
	const bury = `-- name: files.InsertDeadWorker
		INSERT INTO workers (dead_at) VALUES (now()) RETURNING id`
	leave, err := j.slots.Take(ctx, owner, waitInWay)
	if err != nil {
		return err
	}
	defer leave()
	t, err := db.One(ctx, tx, scanTree, lock, owner)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := j.awaitRecords(ctx, tx, owner); err != nil {
		return err
	}
	worker, err := db.One(ctx, tx, db.Value[int32], bury)
	if err != nil {
		return err
	}
	op := NewID()
	var records []record
	sources := []string{disk.OwnerPath(owner, "")}
	for _, top := range []string{disk.Trash, disk.Staging, disk.Versions} {
		sources = append(sources, path.Join(top, owner.String()))
	}
	for _, source := range sources {
		info, err := dir.Lstat(source)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		n := int64(len(records)) + 1
		records = append(records, record{seq: t.Seq + n, op: op, kind: kindPurge, item: t.Root, revision: n,
			ino: disk.Inode(info), source: source, target: disk.PurgePath(t.Root, n)})
	}
	var b pgx.Batch
	queueRecords(&b, owner, worker, records)
	for _, sql := range []string{
		`-- name: files.EraseUploads
		 DELETE FROM uploads u WHERE u.owner_id = $1`,
		`-- name: files.EraseVersions
		 DELETE FROM versions v WHERE v.owner_id = $1`,
		`-- name: files.EraseItems
		 DELETE FROM items i WHERE i.owner_id = $1`,
		`-- name: files.EraseQuarantined
		 DELETE FROM file_ops o WHERE o.owner_id = $1 AND o.quarantined_at IS NOT NULL`,
		`-- name: files.EraseTree
		 DELETE FROM trees t WHERE t.owner_id = $1`,
		`-- name: files.EraseOwner
		 DELETE FROM owners o WHERE o.id = $1`,
	} {
		b.Queue(sql, owner)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// awaitRecords waits until the disk has followed all changes of an owner whose
// lock is held: what is on its way to the disk would be missed.
func (j *Journal) awaitRecords(ctx context.Context, tx pgx.Tx, owner uuid.UUID) error {
	t := &Tx{owner: owner}
	for began := time.Now(); ; {
		var b pgx.Batch
		j.queuePending(&b, t)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil || len(t.pending) == 0 {
			return err
		}
		if time.Since(began) > waitInWay {
			return httpx.ErrBusy.Because(errInTheWay)
		}
		if !db.Sleep(ctx, longestWait) {
			return context.Cause(ctx)
		}
	}
}
