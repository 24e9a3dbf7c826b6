package files

import (
	"context"
	"io/fs"
	"path"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// trash compares the owner's trash: the tops of what was deleted lie there
// under their ids. What no row knows is taken in again by what it carries.
func (c *comparison) trash(ctx context.Context) error {
	const sql = `-- name: files.TrashToCompare
		SELECT ` + itemColumns + ` FROM items i WHERE i.owner_id = $1 AND i.trashed_at IS NOT NULL AND NOT i.purging`
	rows, err := db.All(ctx, c.f.db, scanItem, sql, c.owner)
	if err != nil {
		return err
	}
	names, err := c.names(path.Join(disk.Trash, c.owner.String()))
	if ignoreNotExist(err) != nil {
		return err
	}
	byID := map[string]item{}
	for _, row := range rows {
		byID[row.ID.String()] = row
	}
	for _, name := range names {
		row, known := byID[name]
		place := path.Join(disk.Trash, c.owner.String(), name)
		info, err := c.f.disk.Lstat(place)
		switch {
		case err != nil:
			continue // purged or restored meanwhile
		case known && info.IsDir() != row.isFile() && (info.IsDir() || info.Mode().IsRegular()):
			err = c.same(ctx, row, place, info, false)
			delete(byID, name)
		case known:
			c.report.problem(place, "it is not what was deleted")
		default:
			err = c.unknownTrash(ctx, place, info)
		}
		if err != nil {
			return err
		}
	}
	for _, row := range byID {
		if err := c.absent(ctx, row, disk.TrashPath(c.owner, row.ID)); err != nil {
			return err
		}
	}
	return nil
}

// unknownTrash notes an entry of the trash that no row knows.
func (c *comparison) unknownTrash(ctx context.Context, place string, info fs.FileInfo) error {
	id, err := uuid.Parse(path.Base(place))
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		c.report.problem(place, "it was not put into the trash by this server")
		return nil
	}
	if free, err := idFree(ctx, c.f.db, id); err != nil || !free {
		return err // restored or purged meanwhile, or put here by hand
	}
	t, err := c.f.discardedAt(place, info)
	if err != nil {
		return ignoreNotExist(err)
	}
	d := &difference{kind: diffNew, item: item{journal.Item{ID: id, Kind: fileKind}}, place: place, info: info, former: true, trash: t}
	c.claimed[id] = true
	if info.IsDir() {
		d.item.Kind = folderKind
	}
	c.add(d)
	if !info.IsDir() {
		return nil
	}
	return c.newFolder(ctx, id, place)
}

// discarded is what an entry of the trash says of itself.
type discarded struct {
	parent uuid.UUID // zero: not known
	name   string
}

func (f *Files) discardedAt(place string, info fs.FileInfo) (*discarded, error) {
	entry, err := f.disk.Look(place, info)
	if err != nil {
		return nil, err
	}
	defer entry.Close()
	t := &discarded{name: path.Base(place)}
	if folder, name := disk.Trashed(entry); folder != uuid.Nil && checkName(name) == nil {
		t.parent, t.name = folder, name
	}
	return t, nil
}
