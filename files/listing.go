package files

import (
	"cmp"
	"context"

	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// order is one way to sort a folder: folders first either way round, then by a
// key and the id. Each key has an index, so a page costs the same wherever it
// begins.
type order struct {
	first string // the query of a page without a cursor
	after string // the query of a page behind one
	split bool   // each query reads one kind: the index, read backwards, has the files first
}

var orders = func() map[string]order {
	all := map[string]order{}
	for name, key := range map[string]struct{ column, text string }{
		"name":       {`i.name_sort`, `i.name_sort`},
		"size":       {`i.size`, `i.size::text`},
		"updated_at": {`i.updated_at`, `to_json(i.updated_at) #>> '{}'`},
		// Folders have none and come in the order in which they were made.
		"modified_at": {`coalesce(i.mtime, 0)`, `coalesce(i.mtime, 0)::text`},
	} {
		query := func(where, by string) string {
			return `-- name: files.Children
				SELECT ` + itemColumns + `, ` + key.text + `
				  FROM items i
				 WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.trashed_at IS NULL` + where + `
				 ORDER BY ` + by + `
				 LIMIT $3`
		}
		up, down := `i.kind, `+key.column+`, i.id`, key.column+` DESC, i.id DESC`
		all[name] = order{
			first: query(``, up),
			after: query(` AND (`+up+`) > ($4, $5, $6)`, up)}
		all["-"+name] = order{split: true,
			first: query(` AND i.kind = $4`, down),
			after: query(` AND i.kind = $4 AND (`+key.column+`, i.id) < ($5, $6)`, down)}
	}
	return all
}()

// page is what of a folder is asked for: at most limit items behind a place.
type page struct {
	order order
	after place
	limit int
}

// queue asks for a page of a folder. It may find up to twice as many items.
func (p page) queue(b *pgx.Batch, owner, folder uuid.UUID, found *[]child) error {
	if p.after.Kind < journal.Folder {
		return errCursor
	}
	for kind := p.after.Kind; kind <= journal.File; kind++ {
		sql, args := p.order.first, []any{folder, owner, p.limit}
		if p.order.split {
			args = append(args, kind)
		}
		if p.after.ID != uuid.Nil && kind == p.after.Kind {
			sql, args = p.order.after, []any{folder, owner, p.limit, kind, p.after.Key, p.after.ID}
		}
		b.Queue(sql, args...).Query(db.Into(found, scanChildren()))
		if !p.order.split {
			break
		}
	}
	return nil
}

// readInOrder sends what asks for a page. PostgreSQL refuses a key that is none.
func (rd *reader) readInOrder(ctx context.Context, queue func(b *pgx.Batch) error) error {
	err := db.Ordered(ctx, rd.db, queue)
	if kind, _ := db.KindOf(err); kind == db.Invalid {
		err = errCursor.Because(err)
	}
	return err
}

// of is what was found, as the page of a folder as the caller sees it.
func (p page) of(folder placed, found []child) []child {
	found = found[:min(len(found), p.limit)]
	for i := range found {
		c := &found[i]
		c.path, c.Owner = folder.path+"/"+c.Name, folder.Owner
	}
	return found
}

// pageOf is the page of a folder that a request asks for.
func pageOf(c *httpx.Call, p httpx.Keyset[place]) (page, error) {
	o, ok := orders[cmp.Or(c.URL.Query().Get("sort"), "name")]
	if !ok {
		return page{}, httpx.ErrInvalidParameter.With("sort must be name, updated_at, modified_at or size; a minus in front reverses the order.")
	}
	return page{o, p.After(place{}), p.Limit}, nil
}

var errNoChildren = errNotFolder.With("A file has no children.")

// getChildren is GET /files/items/{id}/children: one round trip for the folder
// and what is in it.
func (rd *reader) getChildren(c *httpx.Call, p httpx.Keyset[place]) ([]child, error) {
	ask, err := pageOf(c, p)
	if err != nil {
		return nil, err
	}
	v := visitOf(c.Context())
	var folder []placed
	found := make([]child, 0, ask.limit)
	err = rd.readInOrder(c.Context(), func(b *pgx.Batch) error {
		b.Queue(getItem, v.owner, c.ID).Query(db.Into(&folder, scanPlaced))
		return ask.queue(b, v.owner, c.ID, &found)
	})
	switch {
	case err != nil:
		return nil, err
	case len(folder) == 0:
		return nil, db.ErrNotFound
	case folder[0].IsFile():
		return nil, errNoChildren
	}
	return ask.of(v.seen(folder[0]), found), nil
}

// children reads a page of a folder that is known; the paths in it continue the
// folder's.
func (rd *reader) children(ctx context.Context, owner uuid.UUID, folder placed, p page) ([]child, error) {
	if folder.IsFile() {
		return nil, errNoChildren
	}
	var found []child
	err := rd.readInOrder(ctx, func(b *pgx.Batch) error { return p.queue(b, owner, folder.ID, &found) })
	return p.of(folder, found), err
}

// child is an item with its key in the order of a listing.
type child struct {
	placed
	key string
}

// place is the kind, the key and the id of an item in a folder; zero is before
// all of them.
type place struct {
	Kind int16     `json:"kind"`
	Key  string    `json:"key"`
	ID   uuid.UUID `json:"id"`
}

func (c child) place() place { return place{c.Kind, c.key, c.ID} }

// scanChildren is a scan function that uses one row's memory for all of a page.
func scanChildren() func(row pgx.Row) (child, error) {
	var c child
	fields := append(c.Fields(), &c.key)
	return func(row pgx.Row) (child, error) {
		c = child{}
		err := row.Scan(fields...)
		return c, err
	}
}

var errCursor = httpx.ErrInvalidCursor.With("Use next_cursor from the previous page, or leave the cursor out to start over.")
