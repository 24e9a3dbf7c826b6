package files

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// item is a row of items.
type item struct{ journal.Item }

const itemColumns = journal.ItemColumns

// pathColumn is the path of a row of items AS i, whether or not something of
// it lies in the trash.
const pathColumn = `
	(SELECT string_agg(u.name, '/' ORDER BY u.height DESC) FROM item_up(i.id) AS u)`

var scanItem = db.RowOf((*item).Fields)

// contentTag is the ETag of a file's bytes.
func (it *item) contentTag() string { return `"` + hex.EncodeToString(it.SHA256) + `"` }

// tag is the ETag of the item as a resource.
func (it *item) tag() string { return httpx.RevisionTag(it.Revision) }

// itemBody is an item on the wire.
type itemBody struct {
	ID        uuid.UUID  `json:"id"`
	SpaceID   *uuid.UUID `json:"space_id"`  // null: in a user's own tree
	ParentID  *uuid.UUID `json:"parent_id"` // null: the root
	Type      string     `json:"type"`      // file or folder
	Name      string     `json:"name"`      // "" for the root
	Path      string     `json:"path"`      // "/documents/a.pdf"
	Size      int64      `json:"size"`      // bytes; 0 for a folder
	MediaType *string    `json:"media_type"`
	SHA256    *string    `json:"sha256"` // hex
	Revision  int64      `json:"revision"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	// ModifiedAt is when a file's bytes were written, whoever moved them since.
	ModifiedAt *time.Time `json:"modified_at"`
	Missing    bool       `json:"missing,omitempty"` // a scan did not find it on the server's disk
}

// ETag is for httpx.
func (b itemBody) ETag() string { return httpx.RevisionTag(b.Revision) }

// AppendJSON is for httpx: a page of a folder is a hundred of these.
func (b *itemBody) AppendJSON(text []byte) []byte {
	text = httpx.AppendID(append(text, `{"id":`...), b.ID)
	text = httpx.AppendNullable(append(text, `,"space_id":`...), b.SpaceID, httpx.AppendID)
	text = httpx.AppendNullable(append(text, `,"parent_id":`...), b.ParentID, httpx.AppendID)
	text = httpx.AppendString(append(text, `,"type":`...), b.Type)
	text = httpx.AppendString(append(text, `,"name":`...), b.Name)
	text = httpx.AppendString(append(text, `,"path":`...), b.Path)
	text = strconv.AppendInt(append(text, `,"size":`...), b.Size, 10)
	text = httpx.AppendNullable(append(text, `,"media_type":`...), b.MediaType, httpx.AppendString)
	text = httpx.AppendNullable(append(text, `,"sha256":`...), b.SHA256, httpx.AppendString)
	text = strconv.AppendInt(append(text, `,"revision":`...), b.Revision, 10)
	text = httpx.AppendTime(append(text, `,"created_at":`...), b.CreatedAt)
	text = httpx.AppendTime(append(text, `,"updated_at":`...), b.UpdatedAt)
	text = httpx.AppendNullable(append(text, `,"modified_at":`...), b.ModifiedAt, httpx.AppendTime)
	if b.Missing {
		text = append(text, `,"missing":true`...)
	}
	return append(text, '}')
}

// shown is the item on the wire.
func (it placed) shown() itemBody {
	b := itemBody{ID: it.ID, ParentID: it.Parent, Type: "folder", Name: it.Name, Path: it.path, Size: it.Size,
		MediaType: it.MediaType, Revision: it.Revision, CreatedAt: it.Created, UpdatedAt: it.Updated, Missing: it.Missing}
	if disk.IsSpace(it.Owner) {
		b.SpaceID = new(it.Owner)
	}
	if it.path == "" {
		b.Path = "/"
	}
	if it.IsFile() {
		b.Type = "file"
		b.SHA256 = new(hex.EncodeToString(it.SHA256))
		b.ModifiedAt = new(it.modified())
	}
	return b
}

// placed is an item with where it is.
type placed struct {
	item
	path string // "/documents/a.pdf", "" for the root; of pathsOf, below the data directory
}

// itemByID finds an owner's item. What is another's, or lies in the trash, is
// not there.
func itemByID(ctx context.Context, q db.Querier, owner, id uuid.UUID) (placed, error) {
	return db.One(ctx, q, scanPlaced, getItem, owner, id)
}

const getItem = `-- name: files.ItemByID
		SELECT ` + itemColumns + `, p.path
		  FROM items i CROSS JOIN LATERAL item_path(i.id) AS p (path)
		 WHERE i.id = $2 AND i.owner_id = $1 AND p.path IS NOT NULL`

var scanPlaced = db.RowOf(func(p *placed) []any { return append(p.Fields(), &p.path) })

// walk follows names from an owner's root as far as they lead, byte for byte: to
// the last item that is there, which may be the root, and the names that are missing
// behind it. db.ErrNotFound means that the owner has no tree.
func walk(ctx context.Context, q db.Querier, owner uuid.UUID, names []string) (last placed, missing []string, err error) {
	const sql = `-- name: files.Walk
		SELECT ` + itemColumns + `, w.depth
		  FROM (SELECT x.id, x.depth FROM item_walk($1, $2) x ORDER BY x.depth DESC LIMIT 1) AS w
		  JOIN items i ON i.id = w.id`
	var depth int
	last.item, err = db.One(ctx, q, db.RowOf(func(it *item) []any { return append(it.Fields(), &depth) }), sql, owner, names)
	last.path = joinNames(names[:depth])
	return last, names[depth:], err
}

// itemByPath finds an owner's item by its names.
func itemByPath(ctx context.Context, q db.Querier, owner uuid.UUID, names []string) (placed, error) {
	it, missing, err := walk(ctx, q, owner, names)
	if err == nil && len(missing) > 0 {
		return placed{}, db.ErrNotFound
	}
	return it, err
}

// joinNames is the path of names: "/documents/a.pdf", "" for none.
func joinNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "/" + strings.Join(names, "/")
}

// getItem is GET /files/items/{id}.
func (rd *reader) getItem(c *httpx.Call) (itemBody, error) {
	v := visitOf(c.Context())
	it, err := itemByID(c.Context(), rd.db, v.owner, c.ID)
	return v.seen(it).shown(), err
}

// lookup is GET /files/lookup?path=.
func (rd *reader) lookup(c *httpx.Call) (itemBody, error) {
	names, err := parsePath(c.URL.Query().Get("path"))
	if err != nil {
		return itemBody{}, err
	}
	it, err := itemByPath(c.Context(), rd.db, visitOf(c.Context()).owner, names)
	return it.shown(), err
}

// itemLocation is an item's path below httpx.Prefix.
func itemLocation(id uuid.UUID) string { return "/files/items/" + id.String() }

// precondition holds If-Match and If-None-Match against what is there; tags is
// empty when nothing is.
func precondition(h http.Header, tags ...string) error {
	if !httpx.IfMatch(h, tags...) {
		return httpx.ErrPreconditionFailed.With("If-Match names a version other than the stored one. Read it again before you change it.")
	}
	if httpx.IfNoneMatch(h, tags...) {
		return httpx.ErrPreconditionFailed.With("If-None-Match forbids replacing what is already there.")
	}
	return nil
}
