package files

import (
	"context"
	"os"
	"slices"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// identify says what a stray is: moved or new; false when the API put it here or
// took it away during the look, or when it is refused.
func (l *look) identify(d *finding, rows map[uuid.UUID]placed) bool {
	kind := findNew
	d.fresh(journal.NewID())
	row, known := rows[d.id]
	switch {
	case d.id == uuid.Nil || l.claimed[d.id]:
	case !known:
		d.row.ID, d.former = d.id, true
		l.claim(d.id)
	case d.isFile() && l.linked(d, row.path):
		l.refuse(d, "it is a second name (a hard link) of a file that is known; make a copy in its place")
		return false
	case row.Owner != l.owner || row.Kind != d.row.Kind || row.Parent == nil:
	case !l.rc.carriedAt(row.path, d.id):
		kind, d.row, d.from = findMoved, row.item, row.path
		l.claim(d.id)
	default:
		if there, err := l.rc.vol.disk.Lstat(row.path); err == nil && os.SameFile(there, d.info) {
			return false
		}
	}
	l.add(kind, d)
	return true
}

// linked reports whether a file and what lies at the path of its row are two
// names of one: to give it an id of its own would take the other's away.
func (l *look) linked(d *finding, p string) bool {
	there, err := l.rc.vol.disk.Lstat(p)
	if err != nil || !os.SameFile(there, d.info) {
		return false
	}
	again, err := l.rc.vol.disk.Lstat(d.path)
	return err == nil && os.SameFile(again, d.info) && disk.StatOf(again).Nlink > 1
}

// carriedAt reports whether what lies at a path carries the id, or may: what
// cannot be read has not moved elsewhere for certain.
func (rc *reconciler) carriedAt(p string, id uuid.UUID) bool {
	info, err := rc.vol.disk.Lstat(p)
	if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
		var there uuid.UUID
		if there, err = rc.vol.disk.IDAt(p, info); err == nil {
			return there == id
		}
	}
	return err != nil && disk.Failed(err)
}

// recognise finds what was moved and does not carry its id: by inode, size
// and time, and else by its bytes, which are read only where a missing file
// has the size.
func (l *look) recognise(ctx context.Context) error {
	type inode struct{ number, size int64 }
	byInode, bySum, sizes := map[inode]*finding{}, map[string][]*finding{}, map[int64]bool{}
	for _, d := range l.findings {
		if d.kind == findMissing && d.row.IsFile() && d.row.Size > 0 {
			sizes[d.row.Size] = true
			bySum[string(d.row.SHA256)] = append(bySum[string(d.row.SHA256)], d)
			if d.row.Ino != nil {
				byInode[inode{*d.row.Ino, d.row.Size}] = d
			}
		}
	}
	found := map[*finding]bool{}
	for _, d := range l.findings {
		if d.kind != findNew || d.former || !d.isFile() || !sizes[d.info.Size()] {
			continue
		}
		m := byInode[inode{disk.Inode(d.info), d.info.Size()}]
		if m == nil || found[m] || !m.row.matches(d.info) {
			sum, err := l.rc.sumAt(ctx, d.path, d.info)
			if err != nil {
				return err
			}
			same := bySum[string(sum)]
			for len(same) > 0 && found[same[0]] {
				same = same[1:]
			}
			if bySum[string(sum)] = same; len(same) == 0 {
				continue
			}
			m, d.sum = same[0], sum
		}
		d.kind, d.row, d.from = findMoved, m.row, m.path
		found[m] = true
	}
	l.findings = slices.DeleteFunc(l.findings, func(d *finding) bool { return found[d] })
	return nil
}

// placeColumn is where a row of items AS i lies below the data directory.
const placeColumn = `(SELECT string_agg(w.entry, '/' ORDER BY w.height DESC) FROM item_place(i.id) AS w)`

// pathsOf finds items of anybody, in a tree or in the trash, by their ids. Their
// paths are those below the data directory.
func pathsOf(ctx context.Context, q db.Querier, ids []uuid.UUID) (map[uuid.UUID]placed, error) {
	const sql = `-- name: files.PathsOfItems
		SELECT ` + itemColumns + `, ` + placeColumn + `
		  FROM items i WHERE i.id = ANY ($1)`
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := db.All(ctx, q, scanPlaced, sql, ids)
	rows := make(map[uuid.UUID]placed, len(list))
	for _, r := range list {
		rows[r.ID] = r
	}
	return rows, err
}

// pathOf finds an owner's item; db.ErrNotFound without one.
func pathOf(ctx context.Context, q db.Querier, owner, id uuid.UUID) (item, string, error) {
	const sql = `-- name: files.PathOfItem
		SELECT ` + itemColumns + `, ` + placeColumn + ` FROM items i WHERE i.id = $2 AND i.owner_id = $1`
	row, err := db.One(ctx, q, scanPlaced, sql, owner, id)
	return row.item, row.path, err
}
