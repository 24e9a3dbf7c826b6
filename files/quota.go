package files

import (
	"context"
	"errors"
	"fmt"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var errNoSpace = httpx.NewProblem(507, "insufficient_storage", "The server's storage is full").
	With("Nothing was stored. Tell the operator, or try again when there is space.")

const (
	// unreserved is how many bytes an upload may receive without a
	// reservation: the commit checks the quota anyway, and small files are
	// many.
	unreserved = 1 << 20
	// firstGrowth and mostGrowth bound the steps by which an upload of
	// unknown length reserves ahead of what it receives.
	firstGrowth = 8 << 20
	mostGrowth  = 64 << 20
)

// checkFree refuses bytes that would leave less free space than the floor,
// with all that uploads under way in this worker have declared and not yet
// written.
func (f *Files) checkFree(more int64) error {
	_, free, err := f.disk.Space()
	if err != nil {
		return f.diskError(err)
	}
	if free-f.incoming.Load()-more < f.minFree {
		return errNoSpace
	}
	return nil
}

// expect counts the bytes that an upload has declared as taken, so that many
// at once cannot pass the floor together. What is written counts no more, and
// done forgets the rest.
func (f *Files) expect(s *staged, declared int64) (done func(), err error) {
	s.due = declared
	f.incoming.Add(declared)
	done = func() {
		f.incoming.Add(-s.due)
		s.due = 0
	}
	if err = f.checkFree(0); err != nil {
		done()
	}
	return done, err
}

// holding begins a statement that takes $3 bytes for the owner $1. There is no
// row "held" when neither the owner's quota nor else the server's, $4, has
// room for them. One statement, so two uploads never both take the last byte.
const holding = `
		WITH held AS (
		    UPDATE trees t
		       SET reserved = t.reserved + $3
		     WHERE t.owner_id = $1 AND t.used + t.reserved + $3 <= coalesce(t.quota, $4)
		    RETURNING t.owner_id
		)`

func errNoRoom(bytes int64) error {
	return errQuota.With(fmt.Sprintf("There is no room for %d more bytes. Delete something, or ask for more space.", bytes))
}

// reserve holds space for an upload, or for more of it. It is durable before
// a byte is received; recovery, the expiry job or the commit itself gives it
// back.
func (f *Files) reserve(ctx context.Context, owner, op uuid.UUID, bytes int64) error {
	const sql = `-- name: files.Reserve` + holding + `
		INSERT INTO uploads AS u (op_id, owner_id, worker_id, bytes, expires_at)
		SELECT $2, h.owner_id, $5, $3, now() + $6::interval FROM held h
		    ON CONFLICT (op_id) DO UPDATE SET bytes = u.bytes + excluded.bytes, expires_at = excluded.expires_at`
	n, err := db.Exec(ctx, f.db, sql, owner, op, bytes, f.quota, f.worker.id, f.uploadExpiry)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoRoom(bytes)
	}
	return nil
}

// release gives an upload's reservation back. The owner's lock comes first,
// as in every commit, so that the two cannot deadlock.
func release(ctx context.Context, d *db.DB, owner, op uuid.UUID) error {
	return d.InTx(ctx, func(tx pgx.Tx) error {
		const sql = `-- name: files.Release
			WITH freed AS (
			    DELETE FROM uploads u WHERE u.op_id = $2 RETURNING u.bytes
			)
			UPDATE trees t SET reserved = t.reserved - f.bytes FROM freed f WHERE t.owner_id = $1`
		if err := lockOwner(ctx, tx, owner); err != nil {
			return err
		}
		_, err := db.Exec(ctx, tx, sql, owner, op)
		return err
	})
}

// lockOwner takes an owner's lock for what changes the ledger alone.
func lockOwner(ctx context.Context, tx pgx.Tx, owner uuid.UUID) error {
	const sql = `-- name: files.LockOwner
		SELECT t.owner_id FROM trees t WHERE t.owner_id = $1 FOR NO KEY UPDATE`
	_, err := db.One(ctx, tx, db.Value[uuid.UUID], sql, owner)
	return err
}

// held is a reservation's key.
type held struct{ owner, op uuid.UUID }

func scanHeld(row pgx.Row) (h held, err error) {
	err = row.Scan(&h.owner, &h.op)
	return h, err
}

// releaseWorker gives back what a dead worker had reserved.
func (f *Files) releaseWorker(ctx context.Context, id int32) error {
	const sql = `-- name: files.UploadsOfWorker
		SELECT u.owner_id, u.op_id FROM uploads u WHERE u.worker_id = $1`
	return f.releaseAll(ctx, sql, id)
}

// releaseAll gives back the reservations that a query names. One that cannot
// be given back holds none of the others.
func (f *Files) releaseAll(ctx context.Context, sql string, args ...any) error {
	list, err := db.All(ctx, f.db, scanHeld, sql, args...)
	for _, h := range list {
		err = errors.Join(err, release(ctx, f.db, h.owner, h.op))
	}
	return err
}

// expire gives back reservations that outlived their time: those whose
// release failed, and uploads that dawdle. An upload that is still running
// then fails at its commit, which wants its row.
func (f *Files) expire(ctx context.Context) error {
	const sql = `-- name: files.ExpiredUploads
		SELECT u.owner_id, u.op_id FROM uploads u
		 WHERE u.expires_at < now() AND u.worker_id IS NOT NULL ORDER BY u.expires_at LIMIT 1000`
	return errors.Join(f.releaseAll(ctx, sql), f.expireUploads(ctx))
}
