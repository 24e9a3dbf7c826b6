package journal

import (
	"testing"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// A recovery that could not wait for a dead worker's last commit knows nothing of
// it: it must leave everything to the next one.
func TestRecover_EndsWhereItCannotWaitForADeadWorkersCommits(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, nil)
	id, err := db.One(t.Context(), j.DB, db.Value[int32], "INSERT INTO workers DEFAULT VALUES RETURNING id")
	if err != nil {
		t.Fatal(err)
	}
	err = j.DB.InTx(t.Context(), func(tx pgx.Tx) error { // the commit that is on its way
		if err := db.Exec(t.Context(), tx, "SELECT pg_advisory_xact_lock_shared($1, $2)", lockFence, id); err != nil {
			return err
		}
		if err := j.recover(t.Context(), id); err == nil { // the server lets nobody wait for longer than ten seconds
			t.Error("the worker counts as recovered")
		}
		return nil
	})
	left, errLeft := db.One(t.Context(), j.DB, db.Value[int], "SELECT count(*) FROM workers w WHERE w.id = $1", id)
	if err != nil || errLeft != nil || left != 1 {
		t.Errorf("%d workers are left, %v, %v", left, err, errLeft)
	}
}

// Who held the lock of a new worker would decide when it counts as dead.
func TestEnroll_MakesNoWorkerWhoseLockAnotherHolds(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, nil)
	lock, ok, err := j.disk.LockWorker(j.worker.id + 1)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer lock.Close()
	self := j.worker
	if err := j.enroll(t.Context()); err == nil {
		t.Errorf("worker %d has a lock that another holds", j.worker.id)
		j.worker = self
	}
	if n, err := db.One(t.Context(), j.DB, db.Value[int], "SELECT count(*) FROM workers"); err != nil || n != 1 {
		t.Errorf("%d workers, %v", n, err)
	}
}

func TestStop_LeavesNoWorkerToBeRecovered(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, nil)
	id := j.worker.id
	if err := j.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, err := db.One(t.Context(), j.DB, db.Value[int], "SELECT count(*) FROM workers"); err != nil || n != 0 {
		t.Errorf("%d workers, %v", n, err)
	}
	lock, ok, err := j.disk.LockWorker(id)
	if err != nil || !ok {
		t.Fatalf("the lock of worker %d is held: %v", id, err)
	}
	lock.Close()
}
