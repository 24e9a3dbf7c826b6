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
	if path.Dir(r.source) == usersFolder {
		// The root that is open would show a folder that was moved away.
		f.disk.forgetOwner(path.Base(r.source))
	}
	here, err := f.disk.lstat(r.target)
	switch {
	case err == nil && inode(here) == r.ino:
		// Renamed before; a power cut might still take that back. One that was
		// linked first may still have its old name. Two paths alone are no two
		// names: a link to a folder, or a disk that does not tell a from A,
		// shows one name by both.
		if there, err := f.disk.lstat(r.source); err == nil && inode(there) == r.ino && there.Mode().IsRegular() && statOf(there).Nlink > 1 {
			if err := f.disk.remove(r.source); err != nil {
				return err
			}
		}
		return errors.Join(f.disk.syncFolder(path.Dir(r.target)), ignoreNotExist(f.disk.syncFolder(path.Dir(r.source))))
	case failed(err):
		return err
	}
	occupied := err == nil
	there, err := f.disk.lstat(r.source)
	switch {
	case err == nil && inode(there) == r.ino:
	case failed(err):
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
	if err := f.makeWay(ctx, r); err != nil {
		return err
	}
	failpoint("mkdir")
	return f.makeFolder(ctx, r.target, r.item)
}

// makeFolder makes a folder that the rows know. What is in its place and no
// folder, as a link that was put there past the API, gives way.
func (f *Files) makeFolder(ctx context.Context, at string, item uuid.UUID) error {
	here, err := f.disk.lstat(at)
	if failed(err) {
		return err
	}
	if err == nil && !here.IsDir() {
		if err := f.moveAside(ctx, at); err != nil {
			return err
		}
	}
	return f.disk.mkdir(at, item)
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

// makeWay makes the folders above the target again where the disk has none:
// the rows know them, or the record could not name them. The owner's lock is
// held meanwhile, so that no two changes move the same thing aside, the later
// one what the other has just made.
func (f *Files) makeWay(ctx context.Context, r record) error {
	if path.Dir(r.target) == usersFolder {
		return nil
	}
	here, err := f.disk.lstat(path.Dir(r.target))
	if failed(err) || err == nil && here.IsDir() {
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
	return f.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := lockOwner(ctx, tx, r.owner); err != nil {
			return err
		}
		folders, err := db.All(ctx, tx, func(row pgx.Row) (v folder, err error) {
			err = row.Scan(&v.id, &v.name)
			return v, err
		}, sql, r.item)
		if err != nil {
			return err
		}
		at := ownerPath(r.owner)
		for _, folder := range folders {
			at = path.Join(at, folder.name)
			if here, err := f.disk.lstat(at); err == nil && here.IsDir() {
				continue
			}
			if err := f.makeFolder(ctx, at, folder.id); err != nil {
				return err
			}
		}
		return nil
	})
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
