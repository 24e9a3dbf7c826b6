package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"homebase/db"
	"homebase/files/disk"

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
	disk.Failpoint("publish")
	if r.kind == kindMkdir {
		return f.publishFolder(ctx, r)
	}
	if path.Dir(r.source) == disk.Users {
		// The root that is open would show a folder that was moved away.
		f.disk.Forget(r.owner)
	}
	here, err := f.disk.Lstat(r.target)
	switch {
	case err == nil && disk.Inode(here) == r.ino:
		// Renamed before; a power cut might still take that back. One that was
		// linked first may still have its old name. Two paths alone are no two
		// names: a link to a folder, or a disk that does not tell a from A,
		// shows one name by both.
		if there, err := f.disk.Lstat(r.source); err == nil && disk.Inode(there) == r.ino && there.Mode().IsRegular() && disk.StatOf(there).Nlink > 1 {
			if err := f.disk.Remove(r.source); err != nil {
				return err
			}
		}
		return errors.Join(f.disk.SyncFolder(path.Dir(r.target)), ignoreNotExist(f.disk.SyncFolder(path.Dir(r.source))))
	case disk.Failed(err):
		return err
	}
	occupied := err == nil
	there, err := f.disk.Lstat(r.source)
	switch {
	case err == nil && disk.Inode(there) == r.ino:
	case disk.Failed(err):
		return err
	case r.kind == kindPurge:
		return nil // renamed before, and freed by now
	default:
		return errNowhere
	}
	replace := occupied && r.kind == kindPut && r.revision > 1 && here.Mode().IsRegular()
	if replace {
		if replace, err = f.disk.Carries(r.target, r.item); err != nil {
			return err
		}
	}
	switch {
	case replace:
		// Only the purge job frees bytes. EEXIST: linked before the cut.
		err = f.disk.Link(r.target, disk.PurgePath(r.item, r.revision-1))
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
	disk.Failpoint("rename")
	return f.disk.Rename(r.source, r.target, replace)
}

func (f *Files) publishFolder(ctx context.Context, r record) error {
	if err := f.makeWay(ctx, r); err != nil {
		return err
	}
	disk.Failpoint("mkdir")
	return f.makeFolder(ctx, r.target, r.item)
}

// makeFolder makes a folder that the rows know. What is in its place and no
// folder, as a link that was put there past the API, gives way.
func (f *Files) makeFolder(ctx context.Context, at string, item uuid.UUID) error {
	here, err := f.disk.Lstat(at)
	if disk.Failed(err) {
		return err
	}
	if err == nil && !here.IsDir() {
		if err := f.moveAside(ctx, at); err != nil {
			return err
		}
	}
	return f.disk.Mkdir(at, item)
}

// moveAside gives what no row knows another name beside it. It belongs to the
// owner, who put it there past the API: it is kept, and a scan adopts it.
func (f *Files) moveAside(ctx context.Context, target string) error {
	for n := 1; n < 1000; n++ {
		err := f.disk.Rename(target, found(target, n), false)
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
	if path.Dir(r.target) == disk.Users {
		return nil
	}
	here, err := f.disk.Lstat(path.Dir(r.target))
	if disk.Failed(err) || err == nil && here.IsDir() {
		return err
	}
	if !strings.HasPrefix(r.target, disk.Users+"/") {
		return f.disk.MakeFolder(path.Dir(r.target))
	}
	// The owner's root that is open may be of a folder that was deleted.
	f.disk.Forget(r.owner)
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
		at := disk.UserPath(r.owner, "")
		for _, folder := range folders {
			at = path.Join(at, folder.name)
			if here, err := f.disk.Lstat(at); err == nil && here.IsDir() {
				continue
			}
			if err := f.makeFolder(ctx, at, folder.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// found gives a name beside p for what no row knows: "a (found).pdf".
func found(p string, n int) string {
	folder, name := path.Split(p)
	if n == 1 {
		return folder + markName(name, " (found)")
	}
	return folder + markName(name, fmt.Sprintf(" (found %d)", n))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
