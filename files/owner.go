package files

import (
	"cmp"
	"context"
	"errors"

	"homebase/auth"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Quotas are the quotas of those of the users who have some of their own.
func (f *Files) Quotas(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]auth.Quota, error) {
	const sql = `-- name: files.Quotas
		SELECT t.owner_id, t.quota, t.entry_quota FROM trees t
		 WHERE t.owner_id = ANY($1) AND (t.quota IS NOT NULL OR t.entry_quota IS NOT NULL)`
	quotas := map[uuid.UUID]auth.Quota{}
	_, err := db.All(ctx, f.db, func(row pgx.Row) (_ struct{}, err error) {
		var user uuid.UUID
		var q auth.Quota
		err = row.Scan(&user, &q.Bytes, &q.Entries)
		quotas[user] = q
		return struct{}{}, err
	}, sql, users)
	return quotas, err
}

// SetQuota gives a user a quota in bytes, nil for the configured default.
// What is stored already stays, whatever its size.
func (f *Files) SetQuota(ctx context.Context, tx pgx.Tx, user uuid.UUID, bytes *int64) error {
	return setLimit(ctx, tx, user, "quota", bytes)
}

// SetEntryQuota gives a user a number of files and folders, nil for
// journal.DefaultEntries. What is there already stays.
func (f *Files) SetEntryQuota(ctx context.Context, tx pgx.Tx, user uuid.UUID, entries *int64) error {
	return setLimit(ctx, tx, user, "entry_quota", entries)
}

// setLimit writes a column of a user's tree.
func setLimit(ctx context.Context, tx pgx.Tx, user uuid.UUID, column string, limit *int64) error {
	return db.Exec(ctx, tx, `-- name: files.SetLimit
		`+withOwner+` INSERT INTO trees (owner_id, root_id, feed_epoch, `+column+`) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (owner_id) DO UPDATE SET `+column+` = excluded.`+column, user, journal.NewID(), journal.NewID(), limit)
}

// Erase deletes all that a user has here, in the transaction that deletes the
// user: the rows go with it, and records remain by which the user's folders
// follow into purge/. The records belong to a worker that is dead from the
// beginning. So nothing of this process is needed after the COMMIT, whatever
// becomes of it: the next recovery finishes what was committed, within
// seconds. ErrBusy while another change of the user is under way.
func (f *Files) Erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	dir, err := f.ownDataDir(ctx, tx)
	if err != nil {
		return journal.ErrUnavailable.With("The files of the user cannot be reached, so the user cannot be deleted now.").Because(err)
	}
	return errors.Join(f.journal.Erase(ctx, tx, dir, user), dir.Close())
}

// ownDataDir opens the data directory, also in a process that is no worker,
// and makes sure that it is this database's.
func (f *Files) ownDataDir(ctx context.Context, tx pgx.Tx) (*disk.Dir, error) {
	known, err := dataDirID(ctx, tx)
	if err != nil {
		return nil, err
	}
	dir, err := disk.Open(f.vol.dataDir)
	if err != nil {
		return nil, err
	}
	if err := dir.CheckInPlace(*cmp.Or(known, &uuid.Nil)); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}
