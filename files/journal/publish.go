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
// versions/ or purge/, durably, before the put takes its place. It returns an error or nil
// for each record.
func (j *Journal) publishAll(ctx context.Context, records []record) []error {
	p := &publication{&folders{j.disk, map[string]*os.File{}}, j}
	defer p.forget()
	errs := make([]error, len(records))
	ready := make([]renaming, len(records))
	var displaced flushes
	for i, r := range records {
		ready[i], errs[i] = p.prepare(ctx, r)
		if ready[i].linked {
			displaced.add(path.Dir(r.displaced()), i)
		}
	}
	p.flush(&displaced, errs)
	var changed flushes
	for i, r := range records {
		if errs[i] != nil {
			continue
		}
		if errs[i] = p.carryOut(ctx, r, ready[i]); errs[i] == nil && r.kind != kindMkdir {
			changed.add(path.Dir(r.target), i)
			if r.kind != kindPut { // a staged file that keeps its old name too is swept
				changed.add(path.Dir(r.source), i)
			}
		}
		disk.Failpoint("renamed")
	}
	p.flush(&changed, errs)
	disk.Failpoint("flushed")
	return errs
}

// publication is one publishAll at work, with the folders that it has open.
type publication struct {
	*folders
	j *Journal
}

// renaming is what is left to do for a record once the way is free.
type renaming struct {
	done    bool // nothing: it was renamed before
	replace bool // what is at the target is the item's former content
	linked  bool // which has a name in versions/ or purge/
}

// prepare looks where a record's bytes are and frees the way to its target.
func (p *publication) prepare(ctx context.Context, r record) (todo renaming, err error) {
	disk.Failpoint("publish")
	if r.kind == kindMkdir {
		return todo, p.makeWay(ctx, r)
	}
	here, err := p.lstat(r.target)
	if disk.Failed(err) {
		return todo, err
	}
	if err == nil && here.Ino == r.ino {
		return renaming{done: true}, p.unlinkSource(r)
	}
	occupied := err == nil
	there, err := p.lstat(r.source)
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
		if todo.replace, err = p.disk.CarriesAt(r.target, r.item); err != nil {
			return todo, err
		}
	}
	switch {
	case todo.replace:
		err = p.displace(ctx, r, here)
		todo.linked = err == nil
		return todo, err
	case occupied:
		return todo, p.moveAside(ctx, r.target)
	}
	return todo, p.makeWay(ctx, r)
}

// displace gives the former content of an item the name that it keeps when a
// put takes its place: only the purge job frees bytes. Linked before the cut,
// it has that name, which is perhaps not flushed. What else has it is of a life
// before a rebuild, which knows no revisions.
func (p *publication) displace(ctx context.Context, r record, former disk.Entry) error {
	name := r.displaced()
	if _, _, err := p.at(name); errors.Is(err, fs.ErrNotExist) {
		if err := p.disk.MakeFolder(path.Dir(name)); err != nil {
			return err
		}
	}
	err := p.between(r.target, name, p.disk.LinkIn)
	if !errors.Is(err, fs.ErrExist) {
		disk.Failpoint("displaced")
		return err
	}
	there, err := p.lstat(name)
	if err != nil || there.Ino == former.Ino {
		return err
	}
	if err := p.moveAside(ctx, name); err != nil {
		return err
	}
	return p.between(r.target, name, p.disk.LinkIn)
}

// unlinkSource takes the old name of a file that was linked to its target and
// cut off before it lost that name. Two paths alone are no two names: a disk
// that does not tell a from A shows one name by both. The new name is flushed
// first: if that fails, the old one is the only name that a power cut leaves.
func (p *publication) unlinkSource(r record) error {
	there, err := p.lstat(r.source)
	if disk.Failed(err) {
		return err
	}
	if err != nil || there.Ino != r.ino || !there.IsFile() || there.Links < 2 {
		return nil
	}
	if err := p.disk.SyncFolder(path.Dir(r.target)); err != nil {
		return err
	}
	return p.disk.Remove(r.source)
}

// carryOut is the one step that changes what owners see.
func (p *publication) carryOut(ctx context.Context, r record, todo renaming) error {
	switch {
	case todo.done:
		return nil
	case r.kind == kindMkdir:
		disk.Failpoint("mkdir")
		return p.makeFolder(ctx, r.target, r.item)
	}
	disk.Failpoint("rename")
	return p.between(r.source, r.target, func(from *os.File, name string, to *os.File, newName string) error {
		return p.disk.MoveIn(from, name, to, newName, todo.replace)
	})
}

// makeFolder makes a folder that the rows know. What is in its place and no
// folder, as a link that was put there past the API, gives way.
func (p *publication) makeFolder(ctx context.Context, at string, item uuid.UUID) error {
	here, err := p.lstat(at)
	if disk.Failed(err) {
		return err
	}
	if err == nil && !here.IsDir() {
		if err := p.moveAside(ctx, at); err != nil {
			return err
		}
	}
	return p.disk.Mkdir(at, item)
}

// moveAside gives what no row knows another name beside it. It belongs to the
// owner, who put it there past the API: it is kept; a scan takes it over, or reports what
// is neither file nor folder.
func (p *publication) moveAside(ctx context.Context, target string) error {
	folder, name, err := p.at(target)
	if err != nil {
		return err
	}
	for n := 1; n < 1000; n++ {
		mark := " (found)"
		if n > 1 {
			mark = fmt.Sprintf(" (found %d)", n)
		}
		err := p.disk.MoveIn(folder, name, folder, disk.MarkName(name, mark), false)
		if !errors.Is(err, fs.ErrExist) {
			if err == nil {
				p.j.Log.WarnContext(ctx, "renamed an unknown entry that was in the way")
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
func (p *publication) makeWay(ctx context.Context, r record) error {
	inside, owned := disk.Inside(r.target)
	if owned && inside == "" {
		return nil
	}
	if _, _, err := p.at(r.target); err == nil || disk.Failed(err) {
		return err
	}
	if !owned {
		return p.disk.MakeFolder(path.Dir(r.target))
	}
	p.forget() // what is open may be a folder that was deleted
	const sql = `-- name: files.FoldersAbove
		SELECT u.id, u.name FROM item_up($1) u WHERE u.height > 0 ORDER BY u.height DESC`
	type folder struct {
		id   uuid.UUID
		name string
	}
	return p.j.db.InTx(ctx, func(tx pgx.Tx) error {
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
			if here, err := p.lstat(at); err == nil && here.IsDir() {
				continue
			}
			if err := p.makeFolder(ctx, at, folder.id); err != nil {
				return err
			}
		}
		return nil
	})
}
