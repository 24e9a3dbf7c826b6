package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// difference is one thing in which the disk and the rows do not agree.
type difference struct {
	kind   string
	item   item        // the row; of a new one only the id
	parent uuid.UUID   // new and moved: the folder it lies in
	place  string      // where it is, or of a missing one where it should be
	from   string      // moved: where the row says
	info   fs.FileInfo // what lies there; nil for a missing one
	former bool        // new: it carries an id from a former life
	sum    []byte      // SHA-256 of new bytes
	below  uuid.UUID   // missing: the top of what is missing as a whole
	trash  *discarded  // new: it lies in the trash
	remark bool        // it carries another's id
}

func (d *difference) isFile() bool {
	if d.info != nil {
		return !d.info.IsDir()
	}
	return d.item.isFile()
}

// comparison reads an owner's tree from the disk and from the rows, folder by
// folder, so that memory holds one folder and what is different. A row
// belongs to what carries its id; where nothing else does, to what has its
// name. The same id twice: the one at the row's place keeps it.
type comparison struct {
	f       *Files
	owner   uuid.UUID
	report  *scanReport
	diffs   []*difference
	claimed map[uuid.UUID]bool // ids that an entry somewhere else carries
	doubts  []doubt
}

// doubt is a row with an entry of its name that does not carry its id: it is
// the row's unless the id turns up elsewhere.
type doubt struct {
	row    item
	parent uuid.UUID
	place  string
	info   fs.FileInfo
}

// placeOf finds an owner's item, in the tree or in the trash, and where it
// lies below the data directory.
func placeOf(ctx context.Context, q db.Querier, owner, id uuid.UUID) (item, string, error) {
	const sql = `-- name: files.PlaceOfItem
		WITH RECURSIVE up AS (
		    SELECT i.id, i.parent_id, i.name, i.trashed_at, 0 AS height
		      FROM items i WHERE i.id = $2 AND i.owner_id = $1
		    UNION ALL
		    SELECT p.id, p.parent_id, p.name, p.trashed_at, u.height + 1
		      FROM up u JOIN items p ON p.id = u.parent_id
		     WHERE u.trashed_at IS NULL
		)
		SELECT ` + itemColumns + `,
		       (SELECT string_agg(CASE WHEN u.trashed_at IS NOT NULL THEN 'trash/' || $1::text || '/' || u.id
		                               WHEN u.parent_id IS NULL THEN 'users/' || $1::text
		                               ELSE u.name END, '/' ORDER BY u.height DESC) FROM up u)
		  FROM items i WHERE i.id = $2 AND i.owner_id = $1`
	type found struct {
		item
		place string
	}
	v, err := db.One(ctx, q, func(row pgx.Row) (v found, err error) {
		err = row.Scan(append(v.Fields(), &v.place)...)
		return v, err
	}, sql, owner.String(), id)
	return v.item, v.place, err
}

// compare fills diffs with what is different below a folder; for the root,
// also in the trash.
func (c *comparison) compare(ctx context.Context, at placed) error {
	place := disk.UserPath(c.owner, at.path)
	c.f.disk.Forget(c.owner) // what is open may be a folder that is gone
	err := c.folder(ctx, at.ID, place)
	if errors.Is(err, fs.ErrNotExist) {
		err = c.absent(ctx, at.item, place)
	}
	if err == nil && at.Parent == nil {
		err = c.trash(ctx)
	}
	for err == nil && len(c.doubts) > 0 {
		d := c.doubts[0]
		c.doubts = c.doubts[1:]
		if c.claimed[d.row.ID] {
			err = c.unknown(ctx, d.parent, d.place, d.info)
		} else {
			err = c.same(ctx, d.row, d.place, d.info, false)
		}
	}
	if err == nil {
		// What was found elsewhere is not missing, nor what lies below it.
		c.diffs = slices.DeleteFunc(c.diffs, func(d *difference) bool {
			return d.kind == diffMissing && (c.claimed[d.item.ID] || c.claimed[d.below])
		})
		err = c.recognise(ctx)
	}
	return err
}

// folder compares the entries of a folder with the rows of its children.
func (c *comparison) folder(ctx context.Context, id uuid.UUID, place string) error {
	const sql = `-- name: files.ChildrenToCompare
		SELECT ` + itemColumns + ` FROM items i WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.trashed_at IS NULL`
	names, err := c.names(place)
	if err != nil {
		return err
	}
	rows, err := db.All(ctx, c.f.db, scanItem, sql, id, c.owner)
	if err != nil {
		return err
	}
	byName := make(map[string]item, len(rows))
	for _, row := range rows {
		byName[row.Name] = row
	}
	for _, name := range names {
		row, known := byName[name]
		found, err := c.entry(ctx, id, path.Join(place, name), row, known)
		if err != nil {
			return err
		}
		if found {
			delete(byName, name)
		}
	}
	for _, row := range byName {
		if err := c.absent(ctx, row, place+"/"+row.Name); err != nil {
			return err
		}
	}
	return nil
}

// names are the entries of a folder, sorted.
func (c *comparison) names(place string) ([]string, error) {
	f, err := c.f.disk.Folder(place)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// entry compares one entry with the row of its name, if there is one, and
// reports whether it stands for that row.
func (c *comparison) entry(ctx context.Context, parent uuid.UUID, place string, row item, known bool) (found bool, err error) {
	info, err := c.f.disk.Lstat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, ctx.Err() // it went while the folder was read
	case err != nil:
		return false, err
	case !c.f.disk.Holds(info):
		c.report.problem(place, "another file system is mounted here; files must lie on the data directory's own")
		return true, nil
	case !info.Mode().IsRegular() && !info.IsDir():
		c.report.problem(place, "a link, device, socket or FIFO is never followed or opened; remove it")
		return false, nil
	case known && info.IsDir() != row.isFile():
		return true, c.same(ctx, row, place, info, true)
	case known && !c.claimed[row.ID]:
		c.report.problem(place, "a file stands where a folder is known, or the other way round; rename it")
		return false, nil
	}
	if err := checkName(path.Base(place)); err != nil {
		c.report.problem(place, "the name is not allowed here; rename it")
		return false, nil
	}
	return false, c.unknown(ctx, parent, place, info)
}

// same compares an entry with the row that it stands for. With doubting, one
// that does not carry the row's id waits until the whole tree was seen.
func (c *comparison) same(ctx context.Context, row item, place string, info fs.FileInfo, doubting bool) error {
	unchanged := info.IsDir() || row.matches(info)
	if row.Ino == nil || !row.isFile() || *row.Ino != disk.Inode(info) || !unchanged {
		id, err := c.f.disk.IDAt(place, info)
		switch {
		case err != nil && disk.Failed(err):
			c.report.problem(place, errForeign.Error())
			return nil
		case err != nil:
			return nil // it was replaced meanwhile
		case id != row.ID && doubting:
			c.doubts = append(c.doubts, doubt{row, *row.Parent, place, info})
			return nil
		case id != row.ID && unchanged:
			c.add(&difference{kind: diffUnmarked, item: row, place: place, info: info, sum: row.SHA256})
		}
	}
	switch {
	case !unchanged:
		c.add(&difference{kind: diffChanged, item: row, place: place, info: info})
	case row.Missing:
		c.add(&difference{kind: diffReturned, item: row, place: place, info: info})
	}
	if !info.IsDir() {
		return nil
	}
	return ignoreNotExist(c.folder(ctx, row.ID, place))
}

// unknown looks for the row of an entry that has none at its place: by the id
// that it carries; else it is new, with everything below it.
func (c *comparison) unknown(ctx context.Context, parent uuid.UUID, place string, info fs.FileInfo) error {
	if p := shown(place); strings.HasPrefix(p, "/") && checkExtent(strings.Count(p, "/"), len(p)) != nil {
		c.report.problem(place, "the path is too deep or too long; move it further up")
		return nil
	}
	carried, err := c.f.disk.IDAt(place, info)
	if err != nil {
		if disk.Failed(err) {
			c.report.problem(place, errForeign.Error())
		}
		return nil
	}
	d := &difference{kind: diffNew, item: item{journal.Item{ID: journal.NewID(), Kind: fileKind}}, parent: parent, place: place, info: info}
	if info.IsDir() {
		d.item.Kind = folderKind
	}
	if carried != (uuid.UUID{}) && !c.claimed[carried] {
		row, from, err := placeOf(ctx, c.f.db, c.owner, carried)
		switch {
		case err == nil && row.Kind == d.item.Kind && row.Parent != nil:
			held, err := c.f.carriedAt(from, row.ID)
			if err != nil {
				return err
			}
			if there, err := c.f.disk.Lstat(from); held && err == nil && os.SameFile(there, info) {
				return nil // it was put or moved here during the comparison
			}
			if !held {
				d.kind, d.item, d.from = diffMoved, row, from
				c.claimed[carried] = true
			}
		case errors.Is(err, db.ErrNotFound):
			free, err := idFree(ctx, c.f.db, carried)
			if err != nil {
				return err
			}
			if free {
				d.item.ID, d.former = carried, true
				c.claimed[carried] = true
			}
		case err != nil:
			return err
		}
	}
	c.add(d)
	if !info.IsDir() {
		return nil
	}
	if d.kind == diffMoved {
		return ignoreNotExist(c.folder(ctx, d.item.ID, place))
	}
	return c.newFolder(ctx, d.item.ID, place)
}

// newFolder notes everything in a folder that no row knows.
func (c *comparison) newFolder(ctx context.Context, id uuid.UUID, place string) error {
	names, err := c.names(place)
	for _, name := range names {
		if _, err := c.entry(ctx, id, path.Join(place, name), item{}, false); err != nil {
			return err
		}
	}
	return ignoreNotExist(err)
}

// carriedAt reports whether what lies at a place carries the id.
func (f *Files) carriedAt(place string, id uuid.UUID) (bool, error) {
	info, err := f.disk.Lstat(place)
	if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
		var there uuid.UUID
		there, err = f.disk.IDAt(place, info)
		if err == nil {
			return there == id, nil
		}
	}
	if err != nil && disk.Failed(err) {
		return false, err
	}
	return false, nil
}

// idFree reports whether no item of anybody has the id.
func idFree(ctx context.Context, q db.Querier, id uuid.UUID) (bool, error) {
	const sql = `-- name: files.IDFree
		SELECT NOT EXISTS (SELECT FROM items i WHERE i.id = $1)`
	return db.One(ctx, q, db.Value[bool], sql, id)
}

// absent notes a row, and all below it, that nothing on the disk stands for.
func (c *comparison) absent(ctx context.Context, row item, place string) error {
	const sql = `-- name: files.Below
		WITH RECURSIVE below AS (
		    SELECT i.id, $2::text COLLATE "C" AS place FROM items i WHERE i.id = $1
		    UNION ALL
		    SELECT c.id, b.place || '/' || c.name
		      FROM below b JOIN items c ON c.parent_id = b.id AND c.trashed_at IS NULL
		)
		SELECT ` + itemColumns + `, b.place FROM below b JOIN items i ON i.id = b.id`
	found, err := db.All(ctx, c.f.db, func(r pgx.Row) (*difference, error) {
		d := &difference{kind: diffMissing, below: row.ID}
		err := r.Scan(append(d.item.Fields(), &d.place)...)
		return d, err
	}, sql, row.ID, place)
	for _, d := range found {
		if !d.item.Missing && d.item.Parent != nil {
			c.add(d)
		}
	}
	return err
}

func (c *comparison) add(d *difference) { c.diffs = append(c.diffs, d) }
