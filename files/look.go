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

// finding is one thing in which the disk and the rows do not agree. Before its kind
// is known it is a stray: an entry that no row is known to stand for.
type finding struct {
	kind   string
	row    item        // the row; of a new entry only id and kind
	from   string      // where the row has it; "" of a new entry
	path   string      // where it lies; of a missing one where it should
	parent uuid.UUID   // the folder that it lies in; zero in trash/ and versions/
	in     *finding    // the new or moved folder around it; nil below known ones
	info   fs.FileInfo // what lies there; nil of a missing one
	id     uuid.UUID   // that it carries, once that was read
	seen   time.Time   // when info was
	former bool        // new: it carries an id from a former life
	was    string      // new in the trash: its name; parent is its folder, zero where that is not known
	sum    []byte      // SHA-256 of new bytes
	head   []byte      // what its media type depends on
	remark bool        // it carries another's id
	above  uuid.UUID   // missing: the top of what is missing as a whole
	why    refusal     // refused
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

// fresh makes a stray that of no row, except for one with this id that is to be made.
func (d *finding) fresh(id uuid.UUID) {
	d.row, d.from = item{}, ""
	if d.row.ID = id; d.info.IsDir() {
		d.row.Kind = journal.Folder
	} else {
		d.row.Kind = journal.File
	}
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
	// doubts are entries with the name of a row that do not carry its id, by that:
	// they are the row's unless it turns up elsewhere.
	doubts  map[uuid.UUID]*finding
	doubted []*finding // these and former ones, in the order in which they came
	solved  []*finding // of doubts whose row was found elsewhere
}

// lookAt finds what is different below a folder; at the root, in the trash too.
func (rc *reconciler) lookAt(ctx context.Context, owner uuid.UUID, at placed) ([]*finding, error) {
	l := &look{rc: rc, owner: owner, claimed: map[uuid.UUID]bool{}, doubts: map[uuid.UUID]*finding{}}
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
	for err == nil && len(l.solved)+len(l.doubted) > 0 {
		if n := len(l.solved); n > 0 {
			d := l.solved[n-1]
			l.solved = l.solved[:n-1]
			err = l.strays(ctx, []*finding{d})
			continue
		}
		d := l.doubted[0]
		if l.doubted = l.doubted[1:]; l.doubts[d.row.ID] == d {
			delete(l.doubts, d.row.ID)
			err = l.same(ctx, d, false)
		}
	}
	return err
}

// claim notes that an entry carries the id of what is not at its path.
func (l *look) claim(id uuid.UUID) {
	l.claimed[id] = true
	if d, ok := l.doubts[id]; ok {
		delete(l.doubts, id)
		l.solved = append(l.solved, d)
	}
}

func (l *look) add(kind string, d *finding) {
	d.kind, d.seen = kind, time.Now()
	l.findings = append(l.findings, d)
}

func (l *look) refuse(d *finding, why refusal) {
	d.why = why
	l.add(findRefused, d)
}

// folder compares the entries of a folder with the rows of its children.
func (l *look) folder(ctx context.Context, id uuid.UUID, in *finding, p string) error {
	const sql = `-- name: files.ChildrenToCompare
		SELECT ` + itemColumns + ` FROM items i WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.trashed_at IS NULL`
	return l.compare(ctx, finding{parent: id, in: in, path: p}, l.strays, sql, id, l.owner)
}

// trash compares the owner's trash, one more folder: the tops of what was
// deleted lie there under their ids.
func (l *look) trash(ctx context.Context) error {
	const sql = `-- name: files.TrashToCompare
		SELECT ` + itemColumns + ` FROM items i` + inTrash
	return l.compare(ctx, finding{path: path.Join(disk.Trash, l.owner.String())}, l.discarded, sql, l.owner)
}

// compare holds the entries of a folder against the rows that a query gives, by
// their names, and hands on the entries that none of these stands for.
func (l *look) compare(ctx context.Context, at finding, rest func(ctx context.Context, strays []*finding) error,
	sql string, args ...any) error {
	var list []item
	var err error
	if at.in == nil || at.in.kind != findNew { // of what is in a new folder there are none
		list, err = db.All(ctx, l.rc.db, scanItem, sql, args...)
	}
	if err != nil {
		return err
	}
	rows := map[string]item{}
	for _, row := range list {
		if at.parent == uuid.Nil {
			rows[row.ID.String()] = row
		} else {
			rows[row.Name] = row
		}
	}
	strays, err := l.entries(ctx, at, rows)
	if err == nil {
		err = rest(ctx, strays)
	}
	for name, row := range rows {
		if err == nil {
			err = l.absent(ctx, row, path.Join(at.path, name))
		}
	}
	return err
}

// entries takes the rows that an entry of a folder stands for out of rows, and
// returns the entries that stand for none.
func (l *look) entries(ctx context.Context, at finding, rows map[string]item) (strays []*finding, err error) {
	names, err := l.rc.vol.disk.Names(at.path)
	if err != nil { // who may not look cannot say what is missing
		clear(rows)
		l.refuse(&at, errForeign)
		return nil, ctx.Err()
	}
	slices.Sort(names)
	for _, name := range names {
		d := &finding{parent: at.parent, in: at.in, path: path.Join(at.path, name)}
		row, known := rows[name]
		d.info, err = l.rc.vol.disk.Lstat(d.path)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && !disk.Failed(err): // it went while the folder was read
		case err != nil:
			delete(rows, name)
			l.refuse(d, errForeign)
		case !l.rc.vol.disk.Holds(d.info):
			delete(rows, name)
			l.refuse(d, "another file system is mounted here; files must be on the data directory's own file system")
		case !d.info.Mode().IsRegular() && !d.info.IsDir():
			l.refuse(d, "links, devices, sockets and FIFOs are never followed or opened; remove it")
		case known && d.info.IsDir() != row.IsFile():
			delete(rows, name)
			d.row, d.from = row, d.path
			if err := l.same(ctx, d, d.parent != uuid.Nil); err != nil {
				return nil, err
			}
		default:
			strays = append(strays, d)
		}
	}
	return strays, nil
}

// same compares an entry with the row that it stands for. With doubting, one
// that does not carry the row's id waits until the whole tree was seen.
func (l *look) same(ctx context.Context, d *finding, doubting bool) error {
	row, marked := &d.row, true
	unchanged := d.info.IsDir() || row.matches(d.info)
	if row.Ino == nil || !row.IsFile() || *row.Ino != disk.Inode(d.info) || !unchanged {
		if !l.carried(d) {
			return nil
		}
		marked = d.id == row.ID
	}
	if !marked && doubting {
		l.doubted, l.doubts[row.ID] = append(l.doubted, d), d
		if l.claimed[row.ID] {
			l.claim(row.ID)
		}
		return nil
	}
	switch {
	case !unchanged:
		l.add(findChanged, d)
	case row.Missing:
		d.sum = row.SHA256
		l.add(findReturned, d)
	case !marked:
		d.sum = row.SHA256
		l.add(findUnmarked, d)
	}
	if !d.info.IsDir() {
		return nil
	}
	return l.folder(ctx, row.ID, d.in, d.path)
}

// carried reads the id that an entry carries. It is false for what went meanwhile,
// and for what cannot be read, which is refused.
func (l *look) carried(d *finding) bool {
	var err error
	if d.id, err = l.rc.vol.disk.IDAt(d.path, d.info); disk.Failed(err) {
		l.refuse(d, errForeign)
	}
	return err == nil
}

// strays finds the rows of entries of one folder by the ids that they carry.
// The rest is new, with everything below it.
func (l *look) strays(ctx context.Context, list []*finding) error {
	list = slices.DeleteFunc(list, func(d *finding) bool { return !l.allowed(d) || !l.carried(d) })
	var ids []uuid.UUID
	for _, d := range list {
		if d.id != uuid.Nil {
			ids = append(ids, d.id)
		}
	}
	rows, err := pathsOf(ctx, l.rc.db, ids)
	if err != nil {
		return err
	}
	for _, d := range list {
		if !l.identify(d, rows) || !d.info.IsDir() {
			continue
		}
		if err := l.folder(ctx, d.row.ID, d, d.path); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) allowed(d *finding) bool {
	if checkName(path.Base(d.path)) != nil {
		l.refuse(d, "the name is not allowed here; rename it")
		return false
	}
	if p := shown(d.path); strings.HasPrefix(p, "/") && checkExtent(strings.Count(p, "/"), len(p)) != nil {
		l.refuse(d, "the path is too deep or too long; move it further up")
		return false
	}
	return true
}

// discarded takes entries of the trash that no row knows by what they carry.
func (l *look) discarded(ctx context.Context, list []*finding) error {
	for _, d := range list {
		d.was = path.Base(d.path)
		id, err := uuid.Parse(d.was)
		rows, failed := pathsOf(ctx, l.rc.db, []uuid.UUID{id})
		switch row, known := rows[id]; {
		case failed != nil:
			return failed
		case err != nil || known && row.path == d.path: // it is of another kind
			l.refuse(d, "this server did not put it into the trash")
			continue
		case known:
			continue // restored or purged meanwhile, or put here by hand
		}
		entry, err := l.rc.vol.disk.Look(d.path, d.info)
		if disk.Failed(err) {
			l.refuse(d, errForeign)
		}
		if err != nil {
			continue
		}
		if folder, name := disk.Trashed(entry); folder != uuid.Nil && checkName(name) == nil {
			d.parent, d.was = folder, name
		}
		entry.Close()
		d.fresh(id)
		d.former = true
		l.add(findNew, d)
		l.claim(id)
		if !d.info.IsDir() {
			continue
		}
		if err := l.folder(ctx, id, d, d.path); err != nil {
			return err
		}
	}
	return nil
}

// absent notes a row, and before it all below it, that nothing on the disk
// stands for.
func (l *look) absent(ctx context.Context, row item, p string) error {
	const sql = `-- name: files.Below
		SELECT ` + itemColumns + `, $2::text || b.path FROM item_below($1) b JOIN items i ON i.id = b.id ORDER BY b.path DESC`
	list, err := db.All(ctx, l.rc.db, func(r pgx.Row) (*finding, error) {
		d := &finding{above: row.ID}
		err := r.Scan(append(d.row.Fields(), &d.path)...)
		d.from = d.path
		return d, err
	}, sql, row.ID, p)
	for _, d := range list {
		if !d.row.Missing && d.row.Parent != nil {
			l.add(findMissing, d)
		}
	}
	return err
}
