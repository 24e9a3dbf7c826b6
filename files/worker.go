package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// worker is this process's identity. It lives as long as the lock on
// workers/<id> is held: the kernel gives that up when the process ends and at
// no other time, so a restart of the database kills nobody.
type worker struct {
	id   int32
	lock *os.File
}

// enroll makes this process a worker. The lock is held before anybody can see
// the row, so nobody takes a worker that is starting for a dead one.
func (f *Files) enroll(ctx context.Context) error {
	const sql = `-- name: files.InsertWorker
		INSERT INTO workers DEFAULT VALUES RETURNING id`
	var w worker
	err := f.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if w.lock != nil {
			w.lock.Close() // of an attempt that was rolled back
		}
		if w.id, err = db.One(ctx, tx, db.Value[int32], sql); err != nil {
			return err
		}
		var ok bool
		if w.lock, ok, err = f.disk.LockWorker(w.id); err == nil && !ok {
			err = fmt.Errorf("the lock of the new worker %d is held", w.id)
		}
		return err
	})
	if err != nil {
		return err
	}
	f.worker = w
	return nil
}

// recoverDead looks for workers that are gone and finishes what they began.
// One that fails is tried again at the next call.
func (f *Files) recoverDead(ctx context.Context) error {
	const sql = `-- name: files.OtherWorkers
		SELECT w.id FROM workers w WHERE w.id <> $1 ORDER BY w.id`
	ids, err := db.All(ctx, f.db, db.Value[int32], sql, f.worker.id)
	if err != nil {
		return err
	}
	var failed error
	for _, id := range ids {
		lock, ok, err := f.disk.LockWorker(id)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if !ok {
			continue // alive, or recovered by another just now
		}
		if err := f.recover(ctx, id); err != nil {
			failed = errors.Join(failed, fmt.Errorf("recover worker %d: %w", id, err))
		} else {
			failed = errors.Join(failed, ignoreNotExist(f.disk.RemoveLock(id)))
		}
		lock.Close()
	}
	return failed
}

// recover finishes for a dead worker whose lock the caller holds: it is
// marked dead, commits of it that are still in flight are waited for, its
// records are redone, its reservations released and its staging swept. The
// row goes last: a crash anywhere leaves the worker to be recovered again.
func (f *Files) recover(ctx context.Context, id int32) error {
	const markDead = `-- name: files.MarkWorkerDead
		UPDATE workers SET dead_at = coalesce(dead_at, now()) WHERE id = $1`
	const fence = `-- name: files.FenceExclusive
		SELECT pg_advisory_xact_lock($1, $2)`
	const gone = `-- name: files.DeleteWorker
		DELETE FROM workers w
		 WHERE w.id = $1
		   AND NOT EXISTS (SELECT FROM file_ops o WHERE o.worker_id = w.id AND o.quarantined_at IS NULL)`
	if _, err := db.Exec(ctx, f.db, markDead, id); err != nil {
		return err
	}
	// Once this lock was had, a commit of that worker either is visible or
	// will find the worker dead.
	err := f.db.InTx(ctx, func(tx pgx.Tx) error {
		if disk.Without("fence") {
			return nil
		}
		_, err := db.Exec(ctx, tx, fence, lockFence, id)
		return err
	})
	if err != nil {
		return err
	}
	disk.Failpoint("fenced")
	records, err := recordsOf(ctx, f.db, id)
	if err != nil {
		return err
	}
	if err := errors.Join(f.redoAll(ctx, records), f.releaseWorker(ctx, id), f.sweepStaging(ctx, id)); err != nil {
		return err
	}
	if len(records) > 0 {
		f.log.InfoContext(ctx, "finished the changes of a worker that is gone", "worker", id, "records", len(records))
	}
	_, err = db.Exec(ctx, f.db, gone, id)
	return err
}

// sweepStaging removes a dead worker's staged bytes that no record needs.
func (f *Files) sweepStaging(ctx context.Context, id int32) error {
	const sql = `-- name: files.StagedSources
		SELECT o.source FROM file_ops o WHERE o.worker_id = $1`
	sources, err := db.All(ctx, f.db, db.Value[string], sql, id)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, s := range sources {
		needed[s] = true
	}
	owners, err := f.disk.Names(disk.Staging)
	if err != nil {
		return err
	}
	var failed error
	suffix := "." + strconv.Itoa(int(id))
	for _, owner := range owners {
		folder := path.Join(disk.Staging, owner)
		names, err := f.disk.Names(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			p := path.Join(folder, name)
			if !strings.HasSuffix(name, suffix) || needed[p] {
				continue
			}
			// A copied folder is a folder there.
			failed = errors.Join(failed, f.disk.RemoveAll(p))
		}
	}
	return failed
}

// stagingPath is where the bytes of an op are received. It names the worker,
// so that a dead one's can be swept.
func (f *Files) stagingPath(owner, op uuid.UUID) string {
	return fmt.Sprintf("%s/%s/%s.%d", disk.Staging, owner, op, f.worker.id)
}

// retire gives the worker up after the last request: nothing of it is left
// unless a change could not be finished, and that is for another worker.
func (f *Files) retire(ctx context.Context) error {
	return errors.Join(f.db.InTx(ctx, func(tx pgx.Tx) error {
		const sql = `-- name: files.RetireWorker
			DELETE FROM workers w
			 WHERE w.id = $1
			   AND NOT EXISTS (SELECT FROM file_ops o WHERE o.worker_id = w.id)
			   AND NOT EXISTS (SELECT FROM uploads u WHERE u.worker_id = w.id)`
		n, err := db.Exec(ctx, tx, sql, f.worker.id)
		if err != nil || n == 0 {
			return err
		}
		return f.disk.RemoveLock(f.worker.id)
	}), f.worker.lock.Close())
}
