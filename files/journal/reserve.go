package journal

import (
	"context"
	"errors"
	"fmt"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reserve counts bytes as reserved: the quota must have room for them. The row
// of uploads that says for what is the caller's to write.
func (t *Tx) Reserve(bytes int64) error {
	if over := t.over(bytes); over > 0 {
		return t.tooMuch(ErrQuota.With(fmt.Sprintf("There is no room for %d more bytes. Delete something, or ask for more space.", bytes)), over)
	}
	t.reserved += bytes
	return nil
}

// Unreserve counts them no more.
func (t *Tx) Unreserve(bytes int64) { t.reserved -= bytes }

// release ends the reservation of an upload of a worker's; db.ErrNotFound when it has
// none. A resumable upload, which is nobody's, ends with all that has come.
func (t *Tx) release(ctx context.Context, op uuid.UUID) error {
	const sql = `-- name: files.Release
		DELETE FROM uploads u WHERE u.op_id = $1 AND u.worker_id IS NOT NULL RETURNING u.bytes`
	bytes, err := db.One(ctx, t, db.Value[int64], sql, op)
	t.Unreserve(bytes)
	return err
}

// Reserve holds space for an upload of this worker, or for more of it: as many
// bytes as are wished, or as are needed where those do not fit. It is durable
// before a byte is received; recovery, the expiry job or the commit itself gives
// it back.
func (j *Journal) Reserve(ctx context.Context, owner, op uuid.UUID, needed, wished int64) (bytes int64, err error) {
	const sql = `-- name: files.Reserve
		INSERT INTO uploads AS u (op_id, owner_id, worker_id, bytes, expires_at)
		VALUES ($2, $1, $4, $3, now() + $5::interval)
		    ON CONFLICT (op_id) DO UPDATE SET bytes = u.bytes + excluded.bytes, expires_at = excluded.expires_at`
	reserve := func(t *Tx) error {
		if bytes = wished; t.over(wished) > 0 {
			bytes = needed
		}
		if err := t.Reserve(bytes); err != nil {
			return err
		}
		return db.Exec(ctx, t, sql, owner, op, bytes, j.worker.id, j.UploadExpiry)
	}
	err = j.Hold(ctx, owner, reserve)
	if errors.Is(err, db.ErrOutcomeUnknown) {
		j.releaseLater(owner, op)
		err = ErrUnavailable.Because(err) // nothing of the upload has happened
	}
	return bytes, err
}

func (j *Journal) releaseLater(owner, op uuid.UUID) {
	j.UndoLater(op, func(ctx context.Context) {
		if err := j.Release(ctx, owner, op); err != nil && !errors.Is(err, db.ErrNotFound) {
			j.releaseLater(owner, op)
		}
	})
}

// Release gives an upload's reservation back, if it has one.
func (j *Journal) Release(ctx context.Context, owner, op uuid.UUID) error {
	return j.Hold(ctx, owner, func(t *Tx) error {
		if err := t.release(ctx, op); !errors.Is(err, db.ErrNotFound) {
			return err
		}
		return nil
	})
}

// releaseWorker gives back what a dead worker had reserved. What cannot be
// given back holds none of the rest.
func (j *Journal) releaseWorker(ctx context.Context, id int32) error {
	const sql = `-- name: files.UploadsOfWorker
		SELECT u.owner_id, u.op_id FROM uploads u WHERE u.worker_id = $1`
	type key struct{ owner, op uuid.UUID }
	list, err := db.All(ctx, j.db, func(row pgx.Row) (k key, err error) {
		err = row.Scan(&k.owner, &k.op)
		return k, err
	}, sql, id)
	for _, k := range list {
		err = errors.Join(err, j.Release(ctx, k.owner, k.op))
	}
	return err
}
