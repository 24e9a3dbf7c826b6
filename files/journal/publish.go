package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
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
func (j *Journal) publish(ctx context.Context, r record) error {
	return j.publishAll(ctx, []record{r})[0]
}

// publishAll makes the disk follow several records of which none depends on
// another, and flushes each folder once: what a put displaces gets its name in
// purge/, durably, before the put takes its place. It returns an error or nil
// for each record.
func (j *Journal) publishAll(ctx context.Context, records []record) []error {
	errs := make([]error, len(records))
	ready := make([]renaming, len(records))
	var purged flushes
	for i, r := range records {
		ready[i], errs[i] = j.prepare(ctx, r)
		if ready[i].linked {
			purged.add(disk.Purge, i)
		}
	}
	j.flush(&purged, errs)
	var folders flushes
	for i, r := range records {
		if errs[i] != nil {
			continue
		}
		if errs[i] = j.carryOut(ctx, r, ready[i]); errs[i] == nil && r.kind != kindMkdir {
			folders.add(path.Dir(r.target), i)
			if r.kind != kindPut { // a staged file that keeps its old name too is swept
				folders.add(path.Dir(r.source), i)
			}
		}
		disk.Failpoint("renamed")
	}
	j.flush(&folders, errs)
	disk.Failpoint("flushed")
	return errs
}

// flushes are folders to be made durable, each once, in order, with the
// records that want it.
type flushes struct {
	folders []string
	records [][]int
}

func (f *flushes) add(folder string, i int) {
	at := slices.Index(f.folders, folder)
	if at < 0 {
		at = len(f.folders)
		f.folders, f.records = append(f.folders, folder), append(f.records, nil)
	}
	f.records[at] = append(f.records[at], i)
}

func (j *Journal) flush(f *flushes, errs []error) {
	for n, folder := range f.folders {
		if disk.Without("flush") {
			return
		}
		err := j.disk.SyncFolder(folder)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // the source folder has gone since
		}
		for _, i := range f.records[n] {
			errs[i] = errors.Join(errs[i], err)
		}
	}
}

// renaming is what is left to do for a record once the way is free.
type renaming struct {
	done    bool // nothing: it was renamed before
	replace bool // what is at the target is the item's former content
	linked  bool // which has a name in purge/
}

// prepare looks where a record's bytes are and frees the way to its target.
func (j *Journal) prepare(ctx context.Context, r record) (todo renaming, err error) {
	disk.Failpoint("publish")
	if r.kind == kindMkdir {
		return todo, j.makeWay(ctx, r)
	}
	if path.Dir(r.source) == disk.Users {
		// The root that is open would show a folder that was moved away.
		j.disk.Forget(r.owner)
	}
	here, err := j.disk.Lstat(r.target)
	if disk.Failed(err) {
		return todo, err
	}
	if err == nil && disk.Inode(here) == r.ino {
		return renaming{done: true}, j.unlinkSource(r)
	}
	occupied := err == nil
	there, err := j.disk.Lstat(r.source)
	switch {
	case err == nil && disk.Inode(there) == r.ino:
	case disk.Failed(err):
		return todo, err
	case r.kind == kindPurge:
		return renaming{done: true}, nil // renamed before, and freed by now
	default:
		return todo, errNowhere
	}
	if occupied && r.kind == kindPut && r.revision > 1 && here.Mode().IsRegular() {
		if todo.replace, err = j.disk.Carries(r.target, r.item); err != nil {
			return todo, err
		}
	}
	switch {
	case todo.replace:
		// Only the purge job frees bytes. EEXIST: linked before the cut.
		err = j.disk.Link(r.target, disk.PurgePath(r.item, r.revision-1))
		if todo.linked = err == nil; errors.Is(err, fs.ErrExist) {
			err = nil
		}
		return todo, err
	case occupied:
		return todo, j.moveAside(ctx, r.target)
	}
	return todo, j.makeWay(ctx, r)
}

// unlinkSource takes the old name of a file that was linked to its target and
// cut off before it lost that name. Two paths alone are no two names: a link
// to a folder, or a disk that does not tell a from A, shows one name by both.
func (j *Journal) unlinkSource(r record) error {
	there, err := j.disk.Lstat(r.source)
	if err == nil && disk.Inode(there) == r.ino && there.Mode().IsRegular() && disk.StatOf(there).Nlink > 1 {
		return j.disk.Remove(r.source)
	}
	return nil
}

// carryOut is the one step that changes what owners see.
func (j *Journal) carryOut(ctx context.Context, r record, todo renaming) error {
	switch {
	case todo.done:
		return nil
	case r.kind == kindMkdir:
		disk.Failpoint("mkdir")
		return j.makeFolder(ctx, r.target, r.item)
	}
	disk.Failpoint("rename")
	return j.disk.Rename(r.source, r.target, todo.replace)
}

// makeFolder makes a folder that the rows know. What is in its place and no
// folder, as a link that was put there past the API, gives way.
func (j *Journal) makeFolder(ctx context.Context, at string, item uuid.UUID) error {
	here, err := j.disk.Lstat(at)
	if disk.Failed(err) {
		return err
	}
	if err == nil && !here.IsDir() {
		if err := j.moveAside(ctx, at); err != nil {
			return err
		}
	}
	return j.disk.Mkdir(at, item)
}

// moveAside gives what no row knows another name beside it. It belongs to the
// owner, who put it there past the API: it is kept, and a scan adopts it.
func (j *Journal) moveAside(ctx context.Context, target string) error {
	for n := 1; n < 1000; n++ {
		mark := " (found)"
		if n > 1 {
			mark = fmt.Sprintf(" (found %d)", n)
		}
		folder, name := path.Split(target)
		err := j.disk.Rename(target, folder+disk.MarkName(name, mark), false)
		if !errors.Is(err, fs.ErrExist) {
			if err == nil {
				j.Log.WarnContext(ctx, "an unknown entry stood in the way and was renamed")
			}
			return err
		}
	}
	return fmt.Errorf("no free name beside an unknown entry: %w", fs.ErrExist)
}

// makeWay makes the folders above the target again where the disk has none:
// the rows know them, or the record could not name them. The owner's lock is
// held meanwhile, so that no two changes move the same thing aside, the later
// one what the other has just made. It is not waited for in turn: a group that
// leads has the slot.
func (j *Journal) makeWay(ctx context.Context, r record) error {
	if path.Dir(r.target) == disk.Users {
		return nil
	}
	here, err := j.disk.Lstat(path.Dir(r.target))
	if disk.Failed(err) || err == nil && here.IsDir() {
		return err
	}
	if !strings.HasPrefix(r.target, disk.Users+"/") {
		return j.disk.MakeFolder(path.Dir(r.target))
	}
	// The owner's root that is open may be of a folder that was deleted.
	j.disk.Forget(r.owner)
	const sql = `-- name: files.FoldersAbove
		SELECT u.id, u.name FROM item_up($1) u WHERE u.height > 0 ORDER BY u.height DESC`
	type folder struct {
		id   uuid.UUID
		name string
	}
	return j.DB.InTx(ctx, func(tx pgx.Tx) error {
		const lock = `-- name: files.LockToMakeWay
			SELECT t.owner_id FROM trees t WHERE t.owner_id = $1 FOR NO KEY UPDATE`
		if _, err := db.One(ctx, tx, db.Value[uuid.UUID], lock, r.owner); err != nil {
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
			if here, err := j.disk.Lstat(at); err == nil && here.IsDir() {
				continue
			}
			if err := j.makeFolder(ctx, at, folder.id); err != nil {
				return err
			}
		}
		return nil
	})
}
