package journal

import (
	"bytes"

	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// keeps reports whether what a put displaces becomes a version: other bytes
// than its own, and as the row has them. Bytes that somebody put there past the
// API since have no row that could become a version's.
func (g *groupTx) keeps(w *waiting, at *Item) bool {
	if !g.j.KeepVersions || at.Missing || bytes.Equal(at.SHA256, w.SHA256) {
		return false
	}
	file, info, err := g.j.disk.Open(disk.OwnerPath(g.owner, w.Path))
	if err != nil {
		return false
	}
	defer file.Close()
	carries, err := disk.Carries(file, at.ID)
	return err == nil && carries && info.Size() == at.Size && info.ModTime().UnixNano() == *at.MTime
}

// queueVersions makes versions of what is about to be replaced.
func (g *groupTx) queueVersions(b *pgx.Batch) {
	const sql = `-- name: files.KeepVersions
		INSERT INTO versions (item_id, revision, owner_id, size, sha256, media_type, mtime, ino, checked_at)
		SELECT i.id, i.revision, i.owner_id, i.size, i.sha256, i.media_type, i.mtime, i.ino, i.checked_at
		  FROM items i WHERE i.id = ANY ($2) AND i.owner_id = $1`
	var ids []uuid.UUID
	for _, r := range g.t.records {
		if r.keeps {
			ids = append(ids, r.item)
		}
	}
	if len(ids) > 0 {
		b.Queue(sql, g.owner, ids)
	}
}
