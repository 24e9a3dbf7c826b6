package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"homebase/db"
	"homebase/files/disk"

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
func (j *Journal) enroll(ctx context.Context) error {
	const sql = `-- name: files.InsertWorker
		INSERT INTO workers DEFAULT VALUES RETURNING id`
	var w worker
	err := j.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if w.lock != nil {
			w.lock.Close() // of an attempt that was rolled back
		}
		if w.id, err = db.One(ctx, tx, db.Value[int32], sql); err != nil {
			return err
		}
		var ok bool
		if w.lock, ok, err = j.disk.LockWorker(w.id); err == nil && !ok {
			err = fmt.Errorf("the lock of the new worker %d is already held", w.id)
		}
		return err
	})
	if err != nil {
		return err
	}
	j.worker = w
	return nil
}

// declaredDead stops this worker for good: another process has taken its lock
// and carries out its records.
func (j *Journal) declaredDead() {
	if !j.dead.Swap(true) {
		j.Log.Error("this worker was declared dead by another and must be restarted; does the data directory's file system keep locks?")
		close(j.died)
	}
}

// RecoverDead looks for workers that are gone and finishes what they began.
// One that fails is tried again at the next call.
func (j *Journal) RecoverDead(ctx context.Context) error {
	ids, err := j.otherWorkers(ctx)
	if err != nil {
		return err
	}
	var failures error
	for _, id := range ids {
		lock, ok, err := j.disk.LockWorker(id)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		if !ok {
			continue // alive, or recovered by another just now
		}
		if err := j.recover(ctx, id); err != nil {
			failures = errors.Join(failures, fmt.Errorf("recover worker %d: %w", id, err))
		} else if err := j.disk.RemoveLock(id); !errors.Is(err, fs.ErrNotExist) {
			failures = errors.Join(failures, err)
		}
		lock.Close()
	}
	return failures
}

func (j *Journal) otherWorkers(ctx context.Context) ([]int32, error) {
	const sql = `-- name: files.OtherWorkers
		SELECT w.id FROM workers w WHERE w.id <> $1 ORDER BY w.id`
	return db.All(ctx, j.db, db.Value[int32], sql, j.worker.id)
}

// recoverSuspects looks for dead workers when a writer has met what may be the
// record of one, until ctx ends. The writer does not look by itself: it holds its
// owner's slot, and recovery needs that to give reservations back.
func recoverSuspects(ctx context.Context, j *Journal) {
	for j.suspected.Await(ctx) {
		if err := j.RecoverDead(ctx); err != nil {
			j.Log.ErrorContext(ctx, "cannot recover a dead worker yet", "error", err)
		}
	}
}

// AnyDead asks whether there is a worker for RecoverDead.
func (j *Journal) AnyDead(ctx context.Context) (bool, error) {
	ids, err := j.otherWorkers(ctx)
	return slices.ContainsFunc(ids, func(id int32) bool {
		lock, ok, err := j.disk.LockWorker(id)
		if ok {
			lock.Close() // RecoverDead takes it again
		}
		return ok || err != nil
	}), err
}

// recover finishes for a dead worker whose lock the caller holds: it is
// marked dead, commits of it that are still in flight are waited for, its
// records are redone, its reservations released, and its staging is swept. The row
// goes last: a crash anywhere leaves the worker to be recovered again.
func (j *Journal) recover(ctx context.Context, id int32) error {
	const markDead = `-- name: files.MarkWorkerDead
		UPDATE workers SET dead_at = coalesce(dead_at, now()) WHERE id = $1`
	const fence = `-- name: files.FenceExclusive
		SELECT pg_advisory_xact_lock($1, $2)`
	if err := db.Exec(ctx, j.db, markDead, id); err != nil {
		return err
	}
	// Once this lock was granted, a commit of that worker either is visible
	// or will find the worker dead.
	if !disk.Without("fence") {
		if err := db.Exec(ctx, j.db, fence, lockFence, id); err != nil {
			return err
		}
	}
	disk.Failpoint("fenced")
	pending, err := recordsAround(ctx, j.db, id)
	if err != nil {
		return err
	}
	n, err := j.redoAll(ctx, pending, func(r record) bool { return r.worker == id })
	if err := errors.Join(err, j.releaseWorker(ctx, id)); err != nil {
		return err
	}
	if n > 0 {
		j.Log.InfoContext(ctx, "finished the changes of a worker that is gone", "worker", id, "records", n)
	}
	if err := j.sweepStaging(ctx, id); err != nil {
		return err
	}
	return db.Exec(ctx, j.db, deleteWorker, id)
}

// deleteWorker forgets a worker that has left nothing to be done.
const deleteWorker = `-- name: files.DeleteWorker
	DELETE FROM workers w
	 WHERE w.id = $1
	   AND NOT EXISTS (SELECT FROM file_ops o WHERE o.worker_id = w.id AND o.quarantined_at IS NULL)
	   AND NOT EXISTS (SELECT FROM uploads u WHERE u.worker_id = w.id)`

// sweepStaging removes the staged bytes that no worker but the one that is
// recovered, no resumable upload and no record has: of workers that are gone, and what was
// removed before. A
// removal is not flushed, so a power cut may bring names back of which no row
// tells any more.
func (j *Journal) sweepStaging(ctx context.Context, recovered int32) error {
	const sql = `-- name: files.StagedNamesHeld
		SELECT '.' || w.id FROM workers w WHERE w.id <> $1
		 UNION ALL
		SELECT u.op_id || '.tus' FROM uploads u WHERE u.worker_id IS NULL
		 UNION ALL
		SELECT o.source FROM file_ops o`
	staged, err := j.staged()
	if err != nil || len(staged) == 0 {
		return err
	}
	// Who stages has its row before, and was seen above only with it.
	list, err := db.All(ctx, j.db, db.Value[string], sql, recovered)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, name := range list {
		held[name] = true
	}
	var failures error
	for _, p := range staged {
		if !held[path.Ext(p)] && !held[path.Base(p)] && !held[p] {
			failures = errors.Join(failures, j.disk.RemoveAll(p)) // a copied folder is a folder there
		}
	}
	return failures
}

// staged are the paths of what has been received or copied and not yet put in
// place.
func (j *Journal) staged() (paths []string, err error) {
	owners, err := j.disk.Names(disk.Staging)
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		folder := path.Join(disk.Staging, owner)
		names, err := j.disk.Names(folder)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			suffix := strings.TrimPrefix(path.Ext(name), ".")
			if _, err := strconv.ParseInt(suffix, 10, 32); err == nil || suffix == "tus" {
				paths = append(paths, path.Join(folder, name))
			}
		}
	}
	return paths, nil
}

// retire gives the worker up after the last request: nothing of it is left
// unless a change could not be finished, and that is for another worker. What is in
// doubt may still be committed, when nobody would know its worker any more.
func (j *Journal) retire(ctx context.Context) error {
	if _, waiting := j.own.dueNow(); waiting > 0 {
		return j.worker.lock.Close()
	}
	return errors.Join(j.db.InTx(ctx, func(tx pgx.Tx) error {
		n, err := db.Affected(ctx, tx, deleteWorker, j.worker.id)
		if err != nil || n == 0 {
			return err
		}
		return j.disk.RemoveLock(j.worker.id)
	}), j.worker.lock.Close())
}
