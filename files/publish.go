package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// errNowhere says that the bytes a record speaks of lie neither at its source
// nor at its target.
var errNowhere = errors.New("the bytes of a committed change are neither at their source nor at their target")

// publish makes the disk follow one record. Done twice, or begun and cut off
// anywhere, it comes to the same end; so redo is publish. The caller knows
// that the item still has the record's revision.
func (f *Files) publish(ctx context.Context, r record) error {
	failpoint("publish")
	if r.kind == kindMkdir {
		return f.publishFolder(ctx, r)
	}
	here, err := f.disk.lstat(r.target)
	switch {
	case err == nil && inode(here) == r.ino:
		// Renamed before; a power cut might still take that back.
		return errors.Join(f.disk.syncFolder(path.Dir(r.target)), ignoreNotExist(f.disk.syncFolder(path.Dir(r.source))))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	occupied := err == nil
	there, err := f.disk.lstat(r.source)
	switch {
	case err == nil && inode(there) == r.ino:
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case r.kind == kindPurge:
		return nil // renamed before, and freed by now
	default:
		return errNowhere
	}
	replace := occupied && r.kind == kindPut && r.revision > 1 && here.Mode().IsRegular()
	if replace {
		if replace, err = f.disk.carries(r.target, r.item); err != nil {
			return err
		}
	}
	switch {
	case replace:
		// Only the purge job frees bytes. EEXIST: linked before the cut.
		err = f.disk.link(r.target, purgePath(r.item, r.revision-1))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case occupied:
		if err := f.moveAside(ctx, r.target); err != nil {
			return err
		}
	default:
		if err := f.makeWay(ctx, r); err != nil {
			return err
		}
	}
	failpoint("rename")
	return f.disk.rename(r.source, r.target, replace)
}

func (f *Files) publishFolder(ctx context.Context, r record) error {
	here, err := f.disk.lstat(r.target)
	if err == nil && !here.IsDir() {
		if err := f.moveAside(ctx, r.target); err != nil {
			return err
		}
	}
	if err := f.makeWay(ctx, r); err != nil {
		return err
	}
	failpoint("mkdir")
	return f.disk.mkdir(r.target, r.item)
}

// moveAside gives what no row knows another name beside it. It belongs to the
// owner, who put it there past the API: it is kept, and a scan adopts it.
func (f *Files) moveAside(ctx context.Context, target string) error {
	for n := 1; n < 1000; n++ {
		err := f.disk.rename(target, found(target, n), false)
		if !errors.Is(err, fs.ErrExist) {
			if err == nil {
				f.log.WarnContext(ctx, "an unknown entry stood in the way and was renamed", "folder", path.Dir(target))
			}
			return err
		}
	}
	return fmt.Errorf("no free name beside an unknown entry: %w", fs.ErrExist)
}

// makeWay makes the folders above the target again where they are missing on
// the disk: the rows know them, or the record could not name them.
func (f *Files) makeWay(ctx context.Context, r record) error {
	if path.Dir(r.target) == usersFolder {
		return nil
	}
	if _, err := f.disk.lstat(path.Dir(r.target)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !strings.HasPrefix(r.target, usersFolder+"/") {
		if err := f.disk.root.Mkdir(path.Dir(r.target), 0o700); err != nil {
			return err
		}
		return f.disk.syncFolder(path.Dir(path.Dir(r.target)))
	}
	// The owner's root that is open may be of a folder that was deleted.
	f.disk.forgetOwner(r.owner.String())
	const sql = `-- name: files.FoldersAbove
		WITH RECURSIVE up AS (
		    SELECT i.parent_id, 0 AS height FROM items i WHERE i.id = $1
		    UNION ALL
		    SELECT p.parent_id, u.height + 1 FROM up u JOIN items p ON p.id = u.parent_id
		)
		SELECT i.id, i.name FROM up u JOIN items i ON i.id = u.parent_id ORDER BY u.height DESC`
	type folder struct {
		id   uuid.UUID
		name string
	}
	folders, err := db.All(ctx, f.db, func(row pgx.Row) (v folder, err error) {
		err = row.Scan(&v.id, &v.name)
		return v, err
	}, sql, r.item)
	if err != nil {
		return err
	}
	at := ownerPath(r.owner)
	for _, folder := range folders {
		at = path.Join(at, folder.name)
		if _, err := f.disk.lstat(at); err == nil {
			continue
		}
		if err := f.disk.mkdir(at, folder.id); err != nil {
			return err
		}
	}
	return nil
}

// ownerPath is where an owner's root lies below the data directory.
func ownerPath(owner uuid.UUID) string { return path.Join(usersFolder, owner.String()) }

// purgePath is where the bytes of a former revision wait for the purge job.
func purgePath(item uuid.UUID, revision int64) string {
	return fmt.Sprintf("%s/%s.%d", purgeFolder, item, revision)
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
