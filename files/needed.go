package files

import (
	"context"

	"homebase/db"
	"homebase/files/disk"
)

// What the frequent jobs ask before they run, so that a storage that nobody
// uses is left in peace: they write no row, and look at nothing on the disk
// that the kernel does not remember.

// whenOpen asks only while the data directory is in place. Else the job runs,
// and its failure tells operators.
func (f *Files) whenOpen(ask func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if f.vol.disk == nil || f.vol.away.Load() != nil {
			return true, nil
		}
		return ask(ctx)
	}
}

// anyExpired asks whether an upload has outlived its time, or its sender's right.
func (up *uploads) anyExpired(ctx context.Context) (bool, error) {
	const sql = `-- name: files.AnyExpired
		SELECT EXISTS (SELECT FROM uploads u WHERE u.expires_at < now() OR ` + orphaned + `)`
	return db.One(ctx, up.db, db.Value[bool], sql, up.uploadExpiry)
}

// anyDisplaced asks whether a purge has left rows, or anything has come into
// purge/ since it was last found empty.
func (tr *trash) anyDisplaced(ctx context.Context) (bool, error) {
	const sql = `-- name: files.AnyPurging
		SELECT EXISTS (SELECT FROM items i WHERE i.purging)`
	info, err := tr.vol.disk.Lstat(disk.Purge)
	if err != nil || info.ModTime().UnixNano() != tr.emptySince.Load() {
		return true, err
	}
	return db.One(ctx, tr.db, db.Value[bool], sql)
}
