package journal

import (
	"context"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// forgetAfter is how long a record may stand after the disk has followed: the
// owner's next group of puts deletes it at no extra cost.
const forgetAfter = 50 * time.Millisecond

// done is an op that the disk has followed, with its records' owner and
// numbers.
type done struct {
	op    uuid.UUID
	owner uuid.UUID
	seqs  []int64
}

// followedBefore are the ops that the disk has followed before a time: an
// owner's, or with uuid.Nil all.
func (u *underway) followedBefore(owner uuid.UUID, then time.Time) (list []done) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, o := range u.ops {
		if o.published.IsZero() || o.published.After(then) || owner != uuid.Nil && o.records[0].owner != owner {
			continue
		}
		d := done{op: id, owner: o.records[0].owner}
		for _, r := range o.records {
			d.seqs = append(d.seqs, r.seq)
		}
		list = append(list, d)
	}
	return list
}

// seqsOf are the numbers of records, never nil.
func seqsOf(list []done) []int64 {
	seqs := []int64{}
	for _, d := range list {
		seqs = append(seqs, d.seqs...)
	}
	return seqs
}

// published are the numbers of an owner's records that block nobody in this
// worker.
func (u *underway) published(owner uuid.UUID) []int64 {
	return seqsOf(u.followedBefore(owner, time.Now()))
}

// forget ends ops whose records are deleted.
func (u *underway) forget(list []done) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, d := range list {
		delete(u.ops, d.op)
	}
}

// forget deletes the records of what the disk has followed, until ctx ends.
func (j *Journal) forget(ctx context.Context) {
	for j.followedOne.Await(ctx) {
		for wait := forgetAfter; !j.dead.Load() && db.Sleep(ctx, wait); {
			wait = forgetAfter
			if !j.forgetBefore(ctx, time.Now().Add(-forgetAfter)) {
				wait = time.Second
			}
			if len(j.own.followedBefore(uuid.Nil, time.Now())) == 0 {
				break
			}
		}
	}
	j.forgetBefore(context.WithoutCancel(ctx), time.Now())
}

// forgetBefore reports whether what had to go is gone.
func (j *Journal) forgetBefore(ctx context.Context, then time.Time) bool {
	list := j.own.followedBefore(uuid.Nil, then)
	if len(list) == 0 || j.dead.Load() {
		return true // who declared this worker dead deletes its records
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := deleteRecords(ctx, j.db, list); err != nil {
		j.Log.WarnContext(ctx, "cannot delete the records of finished changes yet", "changes", len(list), "error", err)
		return false
	}
	j.own.forget(list)
	return true
}

// deleteRecordsOfOwner leaves what was set aside.
const deleteRecordsOfOwner = `-- name: files.DeleteRecords
	DELETE FROM file_ops o WHERE o.owner_id = $1 AND o.seq = ANY ($2) AND o.quarantined_at IS NULL`

// deleteRecords deletes records that the disk has followed. It need not be
// durable: a record that comes back after a crash is found to be done and goes
// again.
func deleteRecords(ctx context.Context, d database, list []done) error {
	of := map[uuid.UUID][]done{}
	for _, d := range list {
		of[d.owner] = append(of[d.owner], d)
	}
	const asynchronous = `-- name: files.AsynchronousCommit
		SELECT set_config('synchronous_commit', 'off', true)`
	return d.Piped(ctx, db.Piped{
		First: func(b *pgx.Batch) {
			b.Queue(asynchronous)
			for owner, list := range of {
				b.Queue(deleteRecordsOfOwner, owner, seqsOf(list))
			}
		},
		Then: func(context.Context, db.Querier, *pgx.Batch) error { return nil },
	})
}
