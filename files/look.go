package files

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The kinds of findings.
const (
	findNew      = "new"
	findMoved    = "moved"
	findChanged  = "changed"
	findMissing  = "missing"
	findReturned = "returned" // was missing, and is there again as it was
	findUnmarked = "unmarked" // as the row says, without the attributes that name it
	findVersion  = "version"  // what a file held before, without a row
	findRefused  = "refused"  // an entry that no row can stand for
)

// finding is one thing in which the disk and the rows do not agree.
type finding struct {
	kind   string
	row    item        // the row; of a new entry only id and kind
	from   string      // where the row has it; "" of a new entry
	path   string      // where it lies; of a missing one where it should
	parent uuid.UUID   // new and moved: the folder that it lies in
	in     *finding    // the new or moved folder around it; nil below known ones
	info   fs.FileInfo // what lies there; nil of a missing one
	seen   time.Time   // when info was
	former bool        // new: it carries an id from a former life
	was    string      // new in the trash: its name; parent is its folder, zero where that is not known
	sum    []byte      // SHA-256 of new bytes
	head   []byte      // what its media type depends on
	remark bool        // it carries another's id
	above  uuid.UUID   // missing: the top of what is missing as a whole
	why    string      // refused
	done   verdict
}

// name is that of the entry, in the trash the one that it had.
func (d *finding) name() string { return cmp.Or(d.was, path.Base(d.path)) }

func (d *finding) isFile() bool {
	if d.info != nil {
		return !d.info.IsDir()
	}
	return d.row.IsFile()
}

// look compares an owner's tree on the disk with the rows, folder by folder:
// memory holds one folder and the findings. It takes no lock, so a finding may
// be the middle of somebody's change. A row belongs to what carries its id;
// where nothing else does, to what has its name. The same id twice: the one at
// the row's path keeps it.
type look struct {
	rc       *reconciler
	owner    uuid.UUID
	findings []*finding
	claimed  map[uuid.UUID]bool // ids that an entry somewhere else carries
	doubted  []uuid.UUID        // rows, in the order in which they were doubted
	doubts   map[uuid.UUID]doubt
	solved   []stray // of doubts whose row was found elsewhere
}

// doubt is an entry with the name of a row that does not carry its id: it is
// the row's unless the id turns up elsewhere.
type doubt struct {
	row item
	stray
}

// stray is an entry that no row is known to stand for.
type stray struct {
	parent uuid.UUID
	in     *finding
	path   string
	info   fs.FileInfo
	id     uuid.UUID // that it carries
}

// lookAt finds what is different below a folder; at the root, in the trash too.
func (rc *reconciler) lookAt(ctx context.Context, owner uuid.UUID, at placed) ([]*finding, error) {
	l := &look{rc: rc, owner: owner, claimed: map[uuid.UUID]bool{}, doubts: map[uuid.UUID]doubt{}}
	rc.vol.disk.Forget(owner) // what is open may be a folder that is gone
	top := disk.OwnerPath(owner, at.path)
	info, err := rc.vol.disk.Lstat(top)
	switch {
	case err == nil && info.IsDir():
		err = l.folder(ctx, at.ID, nil, top)
	case err == nil || !disk.Failed(err):
		err = l.absent(ctx, at.item, top)
	}
	if err == nil && at.Parent == nil {
		if err = l.trash(ctx); err == nil {
			err = l.versions(ctx)
		}
	}
	if err == nil {
		err = l.solve(ctx)
	}
	if err != nil {
		return nil, err
	}
	// What was found elsewhere is not missing, nor what lies below it.
	l.findings = slices.DeleteFunc(l.findings, func(d *finding) bool {
		return d.kind == findMissing && (l.claimed[d.row.ID] || l.claimed[d.above])
	})
	return l.findings, l.recognise(ctx)
}

// solve decides the doubts: first those whose row was found elsewhere, which
// may find the row of another.
func (l *look) solve(ctx context.Context) (err error) {
	for err == nil {
		if n := len(l.solved); n > 0 {
			s := l.solved[n-1]
			l.solved = l.solved[:n-1]
			err = l.strays(ctx, []stray{s})
			continue
		}
		if len(l.doubted) == 0 {
			return nil
		}
		d, open := l.doubts[l.doubted[0]]
		delete(l.doubts, l.doubted[0])
		if l.doubted = l.doubted[1:]; open {
			err = l.same(ctx, d.row, d.stray, false)
		}
	}
	return err
}

// claim notes that an entry carries the id of what is not at its path.
func (l *look) claim(id uuid.UUID) {
	l.claimed[id] = true
	if d, ok := l.doubts[id]; ok {
		delete(l.doubts, id)
		l.solved = append(l.solved, d.stray)
	}
}

func (l *look) add(d *finding) *finding {
	d.seen = time.Now()
	l.findings = append(l.findings, d)
	return d
}

func (l *look) refuse(s stray, why string) {
	l.add(&finding{kind: findRefused, path: s.path, in: s.in, info: s.info, why: why})
}

// folder compares the entries of a folder with the rows of its children.
func (l *look) folder(ctx context.Context, id uuid.UUID, in *finding, p string) error {
	const sql = `-- name: files.ChildrenToCompare
		SELECT ` + itemColumns + ` FROM items i WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.trashed_at IS NULL`
	rows := map[string]item{}
	if in == nil || in.kind != findNew {
		list, err := db.All(ctx, l.rc.db, scanItem, sql, id, l.owner)
		if err != nil {
			return err
		}
		for _, row := range list {
			rows[row.Name] = row
		}
	}
	strays, err := l.entries(ctx, stray{parent: id, in: in, path: p}, rows, true)
	if err == nil {
		err = l.strays(ctx, strays)
	}
	for _, row := range rows {
		if err == nil {
			err = l.absent(ctx, row, path.Join(p, row.Name))
		}
	}
	return err
}

// entries takes the rows that an entry of a folder stands for out of rows, and
// returns the entries that stand for none.
func (l *look) entries(ctx context.Context, in stray, rows map[string]item, doubting bool) (strays []stray, err error) {
	names, err := l.rc.vol.disk.Names(in.path)
	if err != nil { // who may not look cannot say what is missing
		clear(rows)
		l.refuse(in, errForeign.Error())
		return nil, ctx.Err()
	}
	slices.Sort(names)
	for _, name := range names {
		s := stray{parent: in.parent, in: in.in, path: path.Join(in.path, name)}
		row, known := rows[name]
		s.info, err = l.rc.vol.disk.Lstat(s.path)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && !disk.Failed(err): // it went while the folder was read
		case err != nil:
			delete(rows, name)
			l.refuse(s, errForeign.Error())
		case !l.rc.vol.disk.Holds(s.info):
			delete(rows, name)
			l.refuse(s, "another file system is mounted here; files must be on the data directory's own file system")
		case !s.info.Mode().IsRegular() && !s.info.IsDir():
			l.refuse(s, "links, devices, sockets and FIFOs are never followed or opened; remove it")
		case known && s.info.IsDir() != row.IsFile():
			delete(rows, name)
			if err := l.same(ctx, row, s, doubting); err != nil {
				return nil, err
			}
		default:
			strays = append(strays, s)
		}
	}
	return strays, nil
}

// same compares an entry with the row that it stands for. With doubting, one
// that does not carry the row's id waits until the whole tree was seen.
func (l *look) same(ctx context.Context, row item, s stray, doubting bool) error {
	unchanged := s.info.IsDir() || row.matches(s.info)
	if row.Ino == nil || !row.IsFile() || *row.Ino != disk.Inode(s.info) || !unchanged {
		id, err := l.rc.vol.disk.IDAt(s.path, s.info)
		switch {
		case err != nil && disk.Failed(err):
			l.refuse(s, errForeign.Error())
			return nil
		case err != nil:
			return nil // it was replaced meanwhile
		case id != row.ID && doubting:
			if l.doubts[row.ID] = (doubt{row, s}); l.claimed[row.ID] {
				l.claim(row.ID)
			} else {
				l.doubted = append(l.doubted, row.ID)
			}
			return nil
		case id != row.ID && unchanged:
			l.add(&finding{kind: findUnmarked, row: row, from: s.path, path: s.path, info: s.info, sum: row.SHA256})
		}
	}
	switch {
	case !unchanged:
		l.add(&finding{kind: findChanged, row: row, from: s.path, path: s.path, info: s.info})
	case row.Missing:
		l.add(&finding{kind: findReturned, row: row, from: s.path, path: s.path, info: s.info})
	}
	if !s.info.IsDir() {
		return nil
	}
	return l.folder(ctx, row.ID, s.in, s.path)
}

// strays finds the rows of entries of one folder by the ids that they carry.
// The rest is new, with everything below it.
func (l *look) strays(ctx context.Context, list []stray) error {
	var ids []uuid.UUID
	var readable []stray
	for _, s := range list {
		if !l.allowed(s) {
			continue
		}
		var err error
		switch s.id, err = l.rc.vol.disk.IDAt(s.path, s.info); {
		case err == nil:
			readable = append(readable, s)
			if s.id != uuid.Nil {
				ids = append(ids, s.id)
			}
		case disk.Failed(err):
			l.refuse(s, errForeign.Error())
		}
	}
	rows, err := pathsOf(ctx, l.rc.db, ids)
	if err != nil {
		return err
	}
	for _, s := range readable {
		d := l.identify(s, rows)
		if d == nil {
			continue
		}
		if l.add(d); s.info.IsDir() {
			if err := l.folder(ctx, d.row.ID, d, s.path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *look) allowed(s stray) bool {
	if checkName(path.Base(s.path)) != nil {
		l.refuse(s, "the name is not allowed here; rename it")
		return false
	}
	if p := shown(s.path); strings.HasPrefix(p, "/") && checkExtent(strings.Count(p, "/"), len(p)) != nil {
		l.refuse(s, "the path is too deep or too long; move it further up")
		return false
	}
	return true
}

// trash compares the owner's trash, one more folder: the tops of what was
// deleted lie there under their ids.
func (l *look) trash(ctx context.Context) error {
	const sql = `-- name: files.TrashToCompare
		SELECT ` + itemColumns + ` FROM items i WHERE i.owner_id = $1 AND i.trashed_at IS NOT NULL AND NOT i.purging`
	list, err := db.All(ctx, l.rc.db, scanItem, sql, l.owner)
	if err != nil {
		return err
	}
	rows := map[string]item{}
	for _, row := range list {
		rows[row.ID.String()] = row
	}
	strays, err := l.entries(ctx, stray{path: path.Join(disk.Trash, l.owner.String())}, rows, false)
	for _, s := range strays {
		if err == nil {
			err = l.discarded(ctx, s, rows)
		}
	}
	for _, row := range rows {
		if err == nil {
			err = l.absent(ctx, row, disk.TrashPath(l.owner, row.ID))
		}
	}
	return err
}

// discarded takes an entry of the trash that no row knows by what it carries.
func (l *look) discarded(ctx context.Context, s stray, trash map[string]item) error {
	name := path.Base(s.path)
	id, err := uuid.Parse(name)
	if _, other := trash[name]; other || err != nil {
		l.refuse(s, "this server did not put it into the trash")
		return nil
	}
	if rows, err := pathsOf(ctx, l.rc.db, []uuid.UUID{id}); err != nil || len(rows) > 0 {
		return err // restored or purged meanwhile, or put here by hand
	}
	entry, err := l.rc.vol.disk.Look(s.path, s.info)
	if err != nil {
		if disk.Failed(err) {
			l.refuse(s, errForeign.Error())
		}
		return nil
	}
	defer entry.Close()
	d := l.add(&finding{kind: findNew, path: s.path, info: s.info, former: true, was: name})
	if folder, name := disk.Trashed(entry); folder != uuid.Nil && checkName(name) == nil {
		d.parent, d.was = folder, name
	}
	d.row.ID, d.row.Kind = id, journal.File
	l.claim(id)
	if !s.info.IsDir() {
		return nil
	}
	d.row.Kind = journal.Folder
	return l.folder(ctx, id, d, s.path)
}

// absent notes a row, and before it all below it, that nothing on the disk
// stands for.
func (l *look) absent(ctx context.Context, row item, p string) error {
	const sql = `-- name: files.Below
		SELECT ` + itemColumns + `, $2::text || b.path FROM item_below($1) b JOIN items i ON i.id = b.id ORDER BY b.path DESC`
	list, err := db.All(ctx, l.rc.db, func(r pgx.Row) (*finding, error) {
		d := &finding{kind: findMissing, above: row.ID}
		err := r.Scan(append(d.row.Fields(), &d.path)...)
		d.from = d.path
		return d, err
	}, sql, row.ID, p)
	for _, d := range list {
		if !d.row.Missing && d.row.Parent != nil {
			l.add(d)
		}
	}
	return err
}
