package journal

import (
	"path"
	"strconv"
	"testing"

	"homebase/db"
	"homebase/files/disk"

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

// A worker whose lock cannot be looked at may be dead: somebody must be told of
// it, and the others are recovered all the same.
func TestRecoverDead_TellsOfALockThatCannotBeTakenAndRecoversTheOthers(t *testing.T) {
	t.Parallel()
	j, _, _ := journalOf(t, nil)
	dead, err := db.All(t.Context(), j.DB, db.Value[int32], "INSERT INTO workers SELECT FROM generate_series(1, 2) RETURNING id")
	if err != nil {
		t.Fatal(err)
	}
	lock := path.Join(disk.Workers, strconv.Itoa(int(dead[0])))
	if err := j.disk.MakeFolder(lock); err != nil {
		t.Fatal(err)
	}
	if err := j.RecoverDead(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	if left, err := j.otherWorkers(t.Context()); err != nil || len(left) != 1 || left[0] != dead[0] {
		t.Errorf("left are %v of %v, %v", left, dead, err)
	}
	if err := j.disk.RemoveAll(lock); err != nil {
		t.Fatal(err)
	}
	if err := j.RecoverDead(t.Context()); err != nil {
		t.Errorf("the next time: %v", err)
	}
	if left, err := j.otherWorkers(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
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

// What is in doubt when a worker stops may be committed after it: its record
// must not be of a worker that nobody knows.
func TestStop_LeavesAWorkerWithACommitInDoubtToBeRecovered(t *testing.T) {
	t.Parallel()
	j, owner, root := journalOf(t, nil)
	id := j.worker.id
	err := j.DB.InTx(t.Context(), func(tx pgx.Tx) error { // its answer is lost, and it runs on
		xid, err := db.One(t.Context(), tx, db.Value[string], "SELECT pg_current_xact_id()::text")
		if err != nil {
			return err
		}
		r := record{owner: owner, op: NewID(), kind: kindMkdir, item: root, revision: 1, target: disk.OwnerPath(owner, "/a")}
		j.own.doubt(r.op, []record{r}, xid, nil)
		return j.Stop()
	})
	if err != nil {
		t.Fatal(err)
	}
	left, err := db.All(t.Context(), j.DB, db.Value[int32], "SELECT w.id FROM workers w")
	if err != nil || len(left) != 1 || left[0] != id {
		t.Errorf("left are %v, %v", left, err)
	}
	lock, ok, err := j.disk.LockWorker(id)
	if err != nil || !ok {
		t.Fatalf("the lock of worker %d is held: %v", id, err)
	}
	lock.Close()
}
