package files

import (
	"context"
	"path"
	"strconv"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// A version names its item and revision on the disk, and carries the item's id
// and its sum as every file does: the rows can be made again from that.

// versions finds the entries of versions/ that no row stands for. The names are
// read before the rows, so none of them is of a put in between.
func (l *look) versions(ctx context.Context) error {
	const sql = `-- name: files.VersionsToCompare
		SELECT ` + journal.VersionColumns + ` FROM versions v WHERE v.owner_id = $1`
	strays, err := l.entries(ctx, finding{path: path.Join(disk.Versions, l.owner.String())}, nil)
	if err != nil || len(strays) == 0 {
		return err
	}
	rows, err := db.All(ctx, l.rc.db, journal.ScanVersion, sql, l.owner)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, v := range rows {
		known[disk.VersionPath(l.owner, v.Item, v.Revision)] = true
	}
	for _, d := range strays {
		if known[d.path] || !l.carried(d) {
			continue
		}
		id, revision, ok := versionName(path.Base(d.path))
		if !ok || d.info.IsDir() || d.id != uuid.Nil && d.id != id {
			l.refuse(d, "this server did not put it among the versions")
			continue
		}
		d.fresh(id)
		d.row.Revision = revision
		l.add(findVersion, d)
	}
	return nil
}

// versionName reads "<item>.<revision>".
func versionName(name string) (item uuid.UUID, revision int64, ok bool) {
	id, number, _ := strings.Cut(name, ".")
	item, err := uuid.Parse(id)
	revision, failure := strconv.ParseInt(number, 10, 64)
	return item, revision, err == nil && failure == nil && revision > 0 && path.Base(disk.VersionPath(uuid.Nil, item, revision)) == name
}

// takeVersion inserts the row of a version. The version waits until the file that
// it is of has a row; one that got its own meanwhile is found to be known in the end.
func (rc *reconciler) takeVersion(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *finding) error {
	const sql = `-- name: files.TakeOverVersion
		INSERT INTO versions (item_id, revision, owner_id, size, sha256, media_type, mtime, ino, replaced_at)
		SELECT i.id, $3, i.owner_id, $4, $5, i.media_type, $6, $7, least($8, now())
		  FROM items i WHERE i.id = $2 AND i.owner_id = $1 AND i.kind = 1 AND i.revision > $3
		    ON CONFLICT DO NOTHING`
	replaced := disk.StatOf(d.info).Ctim // its last change: when it was given this name
	n, err := db.Affected(ctx, t, sql, owner, d.row.ID, d.row.Revision, d.info.Size(), d.sum,
		disk.MTime(d.info), disk.Inode(d.info), time.Unix(replaced.Unix()))
	if err == nil && n == 1 {
		d.done = taken
		t.Keep(d.info.Size())
	}
	return err
}

// versionExists asks for the row of what was found.
func versionExists(ctx context.Context, q db.Querier, d *finding) (bool, error) {
	const sql = `-- name: files.VersionExists
		SELECT EXISTS (SELECT FROM versions v WHERE v.item_id = $1 AND v.revision = $2)`
	return db.One(ctx, q, db.Value[bool], sql, d.row.ID, d.row.Revision)
}
