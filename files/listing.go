package files

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// order is one way to sort a folder. Each is a keyset over (kind, key, id)
// with an index of its own, so a page costs the same wherever it begins.
// Folders come first either way round.
type order struct {
	first string                      // the query of a page without a cursor
	after string                      // the query of a page behind one
	key   func(c child) string        // an item's place in the order
	parse func(s string) (any, error) // what key says
}

var orders = func() map[string]order {
	all := map[string]order{}
	for name, key := range map[string]struct {
		column string
		of     func(c child) string
		parse  func(s string) (any, error)
	}{
		"name":       {"i.name_sort", func(c child) string { return c.sort }, func(s string) (any, error) { return s, nil }},
		"size":       {"i.size", func(c child) string { return strconv.FormatInt(c.Size, 10) }, asNumber},
		"updated_at": {"i.updated_at", func(c child) string { return timeKey(c.Updated) }, asTime},
		// Folders have none and come in the order in which they were made.
		"modified_at": {"coalesce(i.mtime, 0)", func(c child) string { return strconv.FormatInt(c.mtime(), 10) }, asNumber},
	} {
		for sign, way := range map[string]struct{ compare, direction string }{"": {">", "ASC"}, "-": {"<", "DESC"}} {
			query := func(where string) string {
				return `-- name: files.Children
					SELECT ` + itemColumns + `, i.name_sort
					  FROM items i
					 WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.kind = $3 AND i.trashed_at IS NULL` + where + `
					 ORDER BY ` + key.column + ` ` + way.direction + `, i.id ` + way.direction + `
					 LIMIT $4`
			}
			all[sign+name] = order{
				first: query(""),
				after: query(` AND (` + key.column + `, i.id) ` + way.compare + ` ($5, $6)`),
				key:   key.of,
				parse: key.parse,
			}
		}
	}
	return all
}()

// getChildren is GET /files/items/{id}/children.
func (rd *reader) getChildren(c *httpx.Call, p httpx.Keyset[place]) ([]child, error) {
	folder, err := itemByID(c.Context(), rd.db, c.Caller.UserID, c.ID)
	if err != nil {
		return nil, err
	}
	return rd.listChildren(c, c.Caller.UserID, folder, p)
}

// listChildren is the page of a folder that was asked for; the paths in it
// continue folder's.
func (rd *reader) listChildren(c *httpx.Call, owner uuid.UUID, folder placed, p httpx.Keyset[place]) ([]child, error) {
	if folder.isFile() {
		return nil, errNotFolder.With("A file has no children.")
	}
	o, ok := orders[cmp.Or(c.URL.Query().Get("sort"), "name")]
	if !ok {
		return nil, httpx.ErrInvalidParameter.With("sort must be name, updated_at, modified_at or size; a minus in front reverses the order.")
	}
	return children(c.Context(), rd.db, owner, folder, o, p.After(place{}), p.Limit)
}

// child is an item with the key of its name, and its place in an order.
type child struct {
	placed
	sort string
	key  string
}

// place is the kind, the key and the id of an item in a folder; zero is before
// all of them.
type place struct {
	Kind int16     `json:"kind"`
	Key  string    `json:"key"`
	ID   uuid.UUID `json:"id"`
}

func (c child) place() place { return place{c.Kind, c.key, c.ID} }

func (c child) shown() itemBody { return c.placed.shown() }

func (c *child) mtime() int64 {
	if c.MTime == nil {
		return 0
	}
	return *c.MTime
}

func scanChild(row pgx.Row) (c child, err error) {
	err = row.Scan(append(c.Fields(), &c.sort)...)
	return c, err
}

// children reads at most limit items of a folder behind a place: folders and,
// where they do not fill the page, files.
func children(ctx context.Context, q db.Querier, owner uuid.UUID, folder placed, o order, after place, limit int) ([]child, error) {
	if after.Kind < folderKind {
		return nil, errCursor
	}
	list := []child{}
	for kind := after.Kind; kind <= fileKind && len(list) < limit; kind++ {
		sql, args := o.first, []any{folder.ID, owner, kind, limit - len(list)}
		if after.ID != uuid.Nil && kind == after.Kind {
			key, err := o.parse(after.Key)
			if err != nil {
				return nil, errCursor.Because(err)
			}
			sql, args = o.after, append(args, key, after.ID)
		}
		more, err := db.All(ctx, q, scanChild, sql, args...)
		if err != nil {
			return nil, err
		}
		for _, c := range more {
			c.path, c.key = folder.path+"/"+c.Name, o.key(c)
			list = append(list, c)
		}
	}
	return list, nil
}

var errCursor = httpx.ErrInvalidCursor.With("Use next_cursor from the previous page, or leave the cursor out to start over.")

func timeKey(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func asNumber(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }

func asTime(s string) (any, error) { return time.Parse(time.RFC3339Nano, s) }
