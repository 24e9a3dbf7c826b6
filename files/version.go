package files

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A version is what a file held before it was replaced. The journal makes it in
// the transaction of the put that displaces the bytes; here it is read,
// restored, and ended. Who may reach the file may reach its versions; the link
// of a share does not lead to them.

// versionBody is a version on the wire.
type versionBody struct {
	Revision   int64     `json:"revision"` // the last one of the item that had these bytes
	Size       int64     `json:"size"`     // bytes
	SHA256     string    `json:"sha256"`   // hex
	MediaType  string    `json:"media_type"`
	ModifiedAt time.Time `json:"modified_at"`
	ReplacedAt time.Time `json:"replaced_at"`
}

func (v versionBody) key() int64 { return v.Revision }

// getVersions is GET /files/items/{id}/versions, newest first.
func (rd *reader) getVersions(c *httpx.Call, p httpx.Keyset[int64]) ([]versionBody, error) {
	const sql = `-- name: files.VersionsOfItem
		SELECT v.revision, v.size, encode(v.sha256, 'hex'), v.media_type, v.mtime, v.replaced_at
		  FROM versions v
		 WHERE v.item_id = $1 AND v.owner_id = $2 AND ($3 = 0 OR v.revision < $3)
		 ORDER BY v.revision DESC LIMIT $4`
	it, err := itemByID(c.Context(), rd.db, visitOf(c.Context()).owner, c.ID)
	if err != nil {
		return nil, err
	}
	if !it.IsFile() {
		return nil, errNotFile.With("A folder has no versions.")
	}
	return db.All(c.Context(), rd.db, func(row pgx.Row) (v versionBody, err error) {
		var mtime int64 // nanoseconds since 1970
		err = row.Scan(&v.Revision, &v.Size, &v.SHA256, &v.MediaType, &mtime, &v.ReplacedAt)
		v.ModifiedAt = time.Unix(0, mtime).UTC()
		return v, err
	}, sql, it.ID, visitOf(c.Context()).owner, p.After(0), p.Limit)
}

// revisionOf is the wildcard {revision}; anything else than a number names
// nothing.
func revisionOf(r *http.Request) (int64, error) {
	text := r.PathValue("revision")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, httpx.ErrNotFound
	}
	return n, nil
}

// getVersion is GET and HEAD /files/items/{id}/versions/{revision}/content.
func (rd *reader) getVersion(w http.ResponseWriter, r *http.Request, v visit) error {
	revision, err := revisionOf(r)
	if err != nil {
		return err
	}
	c, err := rd.open(r.Context(), rd.version(v.owner, v.item, revision, false), readPause)
	if err != nil {
		return err
	}
	return rd.serve(w, r, v.owner, c, func(bool) error {
		rd.audit.Note(r.Context(), journal.InTree(v.owner, audit.Event{Action: audit.FileDownload, Target: v.item, Details: map[string]string{"version": strconv.FormatInt(revision, 10)}}))
		return nil
	})
}

// version looks up what an item was at a revision: its bytes lie under the
// version's own name, or under the item's until the put that displaced them has
// been published. That of an item in the trash is not found, except with trash.
func (rd *reader) version(owner, id uuid.UUID, revision int64, trash bool) lookup {
	const sql = `-- name: files.ReadableVersion
		SELECT i.id, i.owner_id, i.parent_id, i.kind, i.name, v.size, v.media_type, v.sha256, v.mtime, v.revision, i.created_at, v.replaced_at, v.ino, false,
		       coalesce(w.path, ''),
		       coalesce((SELECT o.target FROM file_ops o
		                  WHERE o.owner_id = $1 AND o.item_id = i.id AND o.kind = 'put' AND o.keeps AND o.revision = v.revision + 1), '')
		  FROM versions v JOIN items i ON i.id = v.item_id LEFT JOIN LATERAL item_path(i.id) AS w (path) ON true
		 WHERE v.item_id = $2 AND v.owner_id = $1 AND v.revision = $3 AND ($4 OR w.path IS NOT NULL)`
	scan := db.RowOf(func(it *readable) []any { return append(it.Fields(), &it.path, &it.staged) })
	return func(ctx context.Context) (readable, string, error) {
		it, err := db.One(ctx, rd.db, scan, sql, owner, id, revision, trash)
		return it, disk.VersionPath(owner, id, revision), err
	}
}

// restoreVersion is POST /files/items/{id}/versions/{revision}/restore: a
// replacement like any other, so what is there becomes a version. The version
// stays as well, and its blocks are shared where the disk can; a second name for
// them would change it with the file.
func (wr *writer) restoreVersion(c *httpx.Call) (itemBody, error) {
	revision, err := revisionOf(c.Request)
	if err != nil {
		return itemBody{}, err
	}
	v := visitOf(c.Context())
	find := byID(v.owner, c.ID)
	at, err := find(c.Context(), wr.db)
	if err == nil {
		err = precondition(c.Header, at.tags()...)
	}
	if err != nil {
		return itemBody{}, err
	}
	it, err := wr.copyFile(c.Context(), wr.rd.version(v.owner, c.ID, revision, false), revision, v.owner, at, find, c.Header)
	return v.seen(it).shown(), err
}
