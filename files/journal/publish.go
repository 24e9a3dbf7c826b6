package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

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
	in := &folders{j.disk, map[string]*os.File{}}
	defer in.forget()
	errs := make([]error, len(records))
	ready := make([]renaming, len(records))
	var purged flushes
	for i, r := range records {
		ready[i], errs[i] = j.prepare(ctx, in, r)
		if ready[i].linked {
			purged.add(disk.Purge, i)
		}
	}
	in.flush(&purged, errs)
	var changed flushes
	for i, r := range records {
		if errs[i] != nil {
			continue
		}
		if errs[i] = j.carryOut(ctx, in, r, ready[i]); errs[i] == nil && r.kind != kindMkdir {
			changed.add(path.Dir(r.target), i)
			if r.kind != kindPut { // a staged file that keeps its old name too is swept
				changed.add(path.Dir(r.source), i)
			}
		}
		disk.Failpoint("renamed")
	}
	in.flush(&changed, errs)
	disk.Failpoint("flushed")
	return errs
}

// renaming is what is left to do for a record once the way is free.
type renaming struct {
	done    bool // nothing: it was renamed before
	replace bool // what is at the target is the item's former content
	linked  bool // which has a name in purge/
}

// prepare looks where a record's bytes are and frees the way to its target.
func (j *Journal) prepare(ctx context.Context, in *folders, r record) (todo renaming, err error) {
	disk.Failpoint("publish")
	if r.kind == kindMkdir {
		return todo, j.makeWay(ctx, in, r)
	}
	if inside, ok := disk.Inside(r.source); ok && inside == "" {
		// The root that is open would show a folder that was moved away.
		j.disk.Forget(r.owner)
		in.forget()
	}
	here, err := in.lstat(r.target)
	if disk.Failed(err) {
		return todo, err
	}
	if err == nil && here.Ino == r.ino {
		return renaming{done: true}, j.unlinkSource(in, r)
	}
	occupied := err == nil
	there, err := in.lstat(r.source)
	switch {
	case err == nil && there.Ino == r.ino:
	case disk.Failed(err):
		return todo, err
	case r.kind == kindPurge:
		return renaming{done: true}, nil // renamed before, and freed by now
	default:
		return todo, errNowhere
	}
	if occupied && r.kind == kindPut && r.revision > 1 && here.IsFile() {
		if todo.replace, err = j.disk.Carries(r.target, r.item); err != nil {
			return todo, err
		}
	}
	switch {
	case todo.replace:
		// Only the purge job frees bytes. EEXIST: linked before the cut, and
		// perhaps not flushed.
		err = in.between(r.target, disk.PurgePath(r.item, r.revision-1), disk.LinkIn)
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		todo.linked = err == nil
		return todo, err
	case occupied:
		return todo, j.moveAside(ctx, in, r.target)
	}
	return todo, j.makeWay(ctx, in, r)
}

// unlinkSource takes the old name of a file that was linked to its target and
// cut off before it lost that name. Two paths alone are no two names: a disk
// that does not tell a from A shows one name by both.
func (j *Journal) unlinkSource(in *folders, r record) error {
	there, err := in.lstat(r.source)
	if err == nil && there.Ino == r.ino && there.IsFile() && there.Links > 1 {
		return j.disk.Remove(r.source)
	}
	return nil
}

// carryOut is the one step that changes what owners see.
func (j *Journal) carryOut(ctx context.Context, in *folders, r record, todo renaming) error {
	switch {
	case todo.done:
		return nil
	case r.kind == kindMkdir:
		disk.Failpoint("mkdir")
		return j.makeFolder(ctx, in, r.target, r.item)
	}
	disk.Failpoint("rename")
	return in.between(r.source, r.target, func(from *os.File, name string, to *os.File, newName string) error {
		return disk.MoveIn(from, name, to, newName, todo.replace)
	})
}

// makeFolder makes a folder that the rows know. What is in its place and no
// folder, as a link that was put there past the API, gives way.
func (j *Journal) makeFolder(ctx context.Context, in *folders, at string, item uuid.UUID) error {
	here, err := in.lstat(at)
	if disk.Failed(err) {
		return err
	}
	if err == nil && !here.IsDir() {
		if err := j.moveAside(ctx, in, at); err != nil {
			return err
		}
	}
	return j.disk.Mkdir(at, item)
}

// moveAside gives what no row knows another name beside it. It belongs to the
// owner, who put it there past the API: it is kept; a scan takes it over, or reports what
// is neither file nor folder.
func (j *Journal) moveAside(ctx context.Context, in *folders, target string) error {
	folder, name, err := in.at(target)
	if err != nil {
		return err
	}
	for n := 1; n < 1000; n++ {
		mark := " (found)"
		if n > 1 {
			mark = fmt.Sprintf(" (found %d)", n)
		}
		err := disk.MoveIn(folder, name, folder, disk.MarkName(name, mark), false)
		if !errors.Is(err, fs.ErrExist) {
			if err == nil {
				j.Log.WarnContext(ctx, "renamed an unknown entry that was in the way")
			}
			return err
		}
	}
	return fmt.Errorf("no free name for an unknown entry: %w", fs.ErrExist)
}

// makeWay makes the folders above the target again where the disk has none:
// the rows know them, or the record could not name them. The owner's lock is
// held meanwhile, so that no two changes move the same thing aside, the later
// one what the other has just made. It is not waited for in turn: a group that
// leads has the slot.
func (j *Journal) makeWay(ctx context.Context, in *folders, r record) error {
	inside, owned := disk.Inside(r.target)
	if owned && inside == "" {
		return nil
	}
	if _, _, err := in.at(r.target); err == nil || disk.Failed(err) {
		return err
	}
	if !owned {
		return j.disk.MakeFolder(path.Dir(r.target))
	}
	// The owner's root that is open may be of a folder that was deleted.
	j.disk.Forget(r.owner)
	in.forget()
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
		at := disk.OwnerPath(r.owner, "")
		for _, folder := range folders {
			at = path.Join(at, folder.name)
			if here, err := in.lstat(at); err == nil && here.IsDir() {
				continue
			}
			if err := j.makeFolder(ctx, in, at, folder.id); err != nil {
				return err
			}
		}
		return nil
	})
}
