package files

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"path"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// How a resumable upload stands.
const (
	uploadOpen     = "open"
	uploadFinished = "finished" // the bytes are an item; the row answers for a lost last response
	uploadExpired  = "expired"
	uploadDeleted  = "deleted" // by the client; the row goes with the next round of expiry
)

// mostUploads is how many uploads an owner may have open.
const mostUploads = 1000

var errTooManyUploads = httpx.NewProblem(409, "too_many_uploads", "Too many uploads are open").
	With("Finish or delete some of them, or wait until they expire.")

// upload is a row of uploads: of a resumable one, unless it is plain.
type upload struct {
	id, owner uuid.UUID
	sender    uuid.UUID
	state     string
	length    *int64 // nil: not told yet
	offset    int64  // bytes that are durable
	sumState  []byte // of these bytes
	reserved  int64
	metadata  string // as it was sent
	item      *uuid.UUID
	expires   time.Time
	expired   bool
	plain     bool // the reservation of a body that a worker receives
}

const uploadColumns = `u.op_id, u.owner_id, coalesce(u.user_id, u.owner_id), u.state, u.length, u.durable_offset, u.sum_state, u.bytes, u.metadata, u.item_id, u.expires_at, u.expires_at < now(), u.worker_id IS NOT NULL`

var scanUpload = db.RowOf(func(u *upload) []any {
	return []any{&u.id, &u.owner, &u.sender, &u.state, &u.length, &u.offset, &u.sumState, &u.reserved, &u.metadata, &u.item, &u.expires, &u.expired, &u.plain}
})

func uploadByID(ctx context.Context, q db.Querier, id uuid.UUID) (upload, error) {
	const sql = `-- name: files.UploadByID
		SELECT ` + uploadColumns + ` FROM uploads u WHERE u.op_id = $1 AND u.worker_id IS NULL`
	return db.One(ctx, q, scanUpload, sql, id)
}

// uploadPath is the staging file of a resumable upload. It names no worker,
// so the death of one does not sweep it away.
func uploadPath(owner, id uuid.UUID) string {
	return fmt.Sprintf("%s/%s/%s.tus", disk.Staging, owner, id)
}

// complete reports whether all bytes are there.
func (u *upload) complete() bool { return u.length != nil && u.offset == *u.length }

// hash is the running SHA-256 of the durable bytes.
func (u *upload) hash() (hash.Hash, error) {
	sum := sha256.New()
	if u.sumState == nil {
		return sum, nil
	}
	return sum, sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.sumState)
}

// openUpload reserves the space, writes the row and makes the staging file,
// in this order, and takes the upload. A crash after the row leaves an upload
// whose id nobody was told; it expires.
func (up *uploads) openUpload(ctx context.Context, owner uuid.UUID, length *int64, displaced int64, metadata string) (x *seized, err error) {
	const count = `-- name: files.CountUploads
		SELECT count(*) FROM uploads u WHERE u.owner_id = $1 AND u.state = 'open' AND u.worker_id IS NULL`
	const sql = `-- name: files.InsertUpload
		INSERT INTO uploads (op_id, owner_id, bytes, length, metadata, expires_at, user_id) VALUES ($2, $1, $3, $4, $5, now() + $6::interval, $7)`
	u := upload{id: journal.NewID(), owner: owner, state: uploadOpen}
	var reserved int64
	if length != nil {
		reserved = max(0, *length-displaced)
	}
	err = up.journal.Hold(ctx, owner, func(t *journal.Tx) error {
		if open, err := db.One(ctx, t, db.Value[int64], count, owner); err != nil {
			return err
		} else if open >= mostUploads {
			return errTooManyUploads
		}
		if err := t.Reserve(reserved); err != nil {
			return err
		}
		return db.Exec(ctx, t, sql, owner, u.id, reserved, length, metadata, up.journal.UploadExpiry, httpx.CallerOf(ctx).UserID)
	})
	if err != nil && !errors.Is(err, db.ErrOutcomeUnknown) {
		return nil, err
	}
	disk.Failpoint("reserved")
	if err == nil {
		err = up.makeUploadFile(owner, u.id)
	}
	if err == nil {
		x, err = up.seize(ctx, u)
	}
	if err != nil {
		up.abandon(ctx, u)
	}
	return x, err
}

func (up *uploads) makeUploadFile(owner, id uuid.UUID) error {
	file, err := up.vol.disk.Create(uploadPath(owner, id))
	if err != nil {
		return up.vol.diskError(err)
	}
	file.Close()
	return up.vol.diskError(up.vol.disk.SyncFolder(path.Dir(uploadPath(owner, id))))
}

// abandon ends an upload of which nobody was told, if need be later.
func (up *uploads) abandon(ctx context.Context, u upload) {
	if err := up.discard(ctx, u, uploadDeleted, 0); err != nil && !errors.Is(err, db.ErrNotFound) {
		up.journal.UndoLater(u.id, func(ctx context.Context) { up.abandon(ctx, u) })
	}
}

// setLength notes the length of an upload that began without one, and
// reserves what is missing for it.
func (up *uploads) setLength(ctx context.Context, x *seized, length int64) error {
	const sql = `-- name: files.SetUploadLength
		UPDATE uploads u SET length = $2, bytes = u.bytes + $3
		 WHERE u.op_id = $1 AND u.state = 'open' AND u.length IS NULL`
	more := max(0, length-x.reserved)
	err := up.journal.Hold(ctx, x.owner, func(t *journal.Tx) error {
		if err := t.Reserve(more); err != nil {
			return err
		}
		return db.Touch(ctx, t, db.ErrNotFound, sql, x.id, length, more) // it may have ended meanwhile
	})
	if err != nil {
		return err
	}
	x.length, x.reserved = &length, x.reserved+more
	return nil
}

// save makes the received bytes durable and then, never before, the offset
// that counts them. Each save puts the expiry off.
func (up *uploads) save(ctx context.Context, x *seized, s *staged, sum hash.Hash) error {
	const sql = `-- name: files.SaveUpload
		UPDATE uploads u
		   SET durable_offset = $2, sum_state = $3, expires_at = now() + $4::interval
		 WHERE u.op_id = $1 AND u.state = 'open'
		RETURNING u.expires_at`
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journal.Timeout)
	defer cancel()
	if err := up.vol.disk.SyncData(s.File); err != nil {
		if !disk.Full(err) {
			err = errors.Join(up.vol.diskError(err), up.discard(ctx, x.upload, uploadDeleted, 0))
		}
		return up.vol.diskError(err)
	}
	disk.Failpoint("synced")
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	expires, err := db.One(ctx, up.db, db.Value[time.Time], sql, x.id, s.Size, state, up.journal.UploadExpiry)
	if err != nil {
		return err
	}
	x.offset, x.sumState, x.expires = s.Size, state, expires
	disk.Failpoint("saved")
	return nil
}

// discard ends an upload that came to nothing: first the row, under the
// owner's lock, so that no commit in flight can still use the bytes; then the
// bytes. A crash between the two leaves them to expire.
func (up *uploads) discard(ctx context.Context, u upload, state string, keep time.Duration) error {
	const sql = `-- name: files.EndUpload
		UPDATE uploads u
		   SET state = $2, bytes = 0, sum_state = NULL, expires_at = now() + $3::interval
		  FROM (SELECT o.op_id, o.bytes FROM uploads o WHERE o.op_id = $1 AND o.state = 'open' FOR UPDATE) o
		 WHERE u.op_id = o.op_id
		RETURNING o.bytes`
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journal.Timeout)
	defer cancel()
	ended := false
	err := up.journal.Hold(ctx, u.owner, func(t *journal.Tx) error {
		held, err := db.One(ctx, t, db.Value[int64], sql, u.id, state, keep)
		ended = err == nil
		t.Unreserve(held)
		return ignoreNotFound(err) // it has ended before
	})
	if err != nil || !ended {
		return err
	}
	disk.Failpoint("discarded")
	return ignoreNotExist(up.vol.disk.Remove(uploadPath(u.owner, u.id)))
}

// orphaned are uploads AS u whose sender may write there no more, for a minute at
// least: roles change back. What they hold of the quota nobody else could give
// back. $1 is how long an upload is kept.
const orphaned = `u.state = 'open' AND u.worker_id IS NULL AND u.user_id <> u.owner_id AND u.expires_at < now() + $1::interval - interval '1 minute'
	AND NOT EXISTS (SELECT FROM space_members m WHERE m.space_id = u.owner_id AND m.user_id = u.user_id AND m.role <> 'viewer')
	AND NOT EXISTS (SELECT FROM shares s WHERE s.owner_id = u.owner_id AND s.recipient_id = u.user_id AND s.role = 'editor')`

// anyExpired asks whether an upload has outlived its time, or its sender's right.
func (up *uploads) anyExpired(ctx context.Context) (bool, error) {
	const sql = `-- name: files.AnyExpired
		SELECT EXISTS (SELECT FROM uploads u WHERE u.expires_at < now() OR ` + orphaned + `)`
	return db.One(ctx, up.db, db.Value[bool], sql, up.journal.UploadExpiry)
}

// expire ends the uploads that outlived their time: those that nobody went on
// with, or may go on with, those that dawdle, which then fail at their commit, for
// it wants the row, and those whose release failed. It forgets those that ended a
// while ago, once their bytes have gone.
func (up *uploads) expire(ctx context.Context) error {
	const hasten = `-- name: files.EndOrphanedUploads
		UPDATE uploads u SET expires_at = now() WHERE ` + orphaned
	const find = `-- name: files.UploadsToEnd
		SELECT ` + uploadColumns + ` FROM uploads u
		 WHERE u.state = 'open' AND u.expires_at < now() OR u.state IN ('expired', 'deleted') ORDER BY u.expires_at LIMIT 1000`
	const forget = `-- name: files.ForgetUploads
		DELETE FROM uploads u
		 WHERE u.expires_at < now() AND (u.state = 'finished' OR u.state <> 'open' AND u.op_id = ANY ($1))`
	if err := db.Exec(ctx, up.db, hasten, up.journal.UploadExpiry); err != nil {
		return err
	}
	list, err := db.All(ctx, up.db, scanUpload, find)
	if err != nil {
		return err
	}
	var failures error // of one upload, which holds up no other
	gone := []uuid.UUID{}
	for _, u := range list {
		if u.state == uploadOpen {
			err = up.expireOne(ctx, u)
		} else if err = ignoreNotExist(up.vol.disk.Remove(uploadPath(u.owner, u.id))); err == nil {
			gone = append(gone, u.id)
		}
		failures = errors.Join(failures, err)
	}
	return errors.Join(failures, db.Exec(ctx, up.db, forget, gone))
}

func (up *uploads) expireOne(ctx context.Context, u upload) error {
	if u.plain {
		return up.journal.Release(ctx, u.owner, u.id)
	}
	x, err := up.seize(ctx, u)
	if ignoreNotFound(err) != nil {
		up.log.WarnContext(ctx, "cannot finish an upload yet", "upload", u.id, "error", err)
	}
	if err != nil {
		return nil
	}
	defer up.letGo(x)
	if x.state == uploadOpen && x.expired {
		return up.discard(ctx, x.upload, uploadExpired, journal.KeepEnded)
	}
	return nil
}
