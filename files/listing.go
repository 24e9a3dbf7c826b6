package files

import (
	"context"
	"net/http"
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
func (rd *reader) getChildren(w http.ResponseWriter, r *http.Request, v visit) error {
	folder, err := rd.requested(r, v)
	if err != nil {
		return err
	}
	list, err := rd.listChildren(r, v.owner, folder)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, list)
}

// listChildren is the page of a folder that was asked for; the paths in it
// continue folder's.
func (rd *reader) listChildren(r *http.Request, owner uuid.UUID, folder placed) (body httpx.List[itemBody], err error) {
	if folder.isFile() {
		return body, errNotFolder.With("A file has no children.")
	}
	sort := r.URL.Query().Get("sort")
	if sort == "" {
		sort = "name"
	}
	o, ok := orders[sort]
	if !ok {
		return body, httpx.ErrInvalidParameter.With("sort must be name, updated_at, modified_at or size; a minus in front reverses the order.")
	}
	page, err := httpx.PageOf(r, owner.String(), folder.ID.String(), sort)
	if err != nil {
		return body, err
	}
	found, err := children(r.Context(), rd.db, owner, folder.ID, o, page)
	if err != nil {
		return body, err
	}
	list := httpx.ListOf(page, found, func(c child) []string {
		return []string{strconv.Itoa(int(c.Kind)), o.key(c), c.ID.String()}
	})
	body = httpx.List[itemBody]{Items: make([]itemBody, len(list.Items)), NextCursor: list.NextCursor}
	for i, c := range list.Items {
		body.Items[i] = c.body(folder.path + "/" + c.Name)
	}
	return body, nil
}

// child is an item with the key of its name.
type child struct {
	item
	sort string
}

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

// children reads one more than a page of a folder: the folders behind the
// cursor and, where they do not fill the page, files. A cursor is the kind,
// the key and the id of the item before.
func children(ctx context.Context, q db.Querier, owner, folder uuid.UUID, o order, page httpx.Page) ([]child, error) {
	var from int
	var key any
	var id uuid.UUID
	if page.After != nil {
		var err error
		if from, err = strconv.Atoi(page.After[0]); err != nil || from < folderKind || from > fileKind {
			return nil, errCursor
		}
		if key, id, err = placeAfter(page.After[1:], o.parse); err != nil {
			return nil, err
		}
	}
	list := []child{}
	for kind := from; kind <= fileKind && len(list) <= page.Limit; kind++ {
		sql, args := o.first, []any{folder, owner, kind, page.Limit + 1 - len(list)}
		if page.After != nil && kind == from {
			sql, args = o.after, append(args, key, id)
		}
		more, err := db.All(ctx, q, scanChild, sql, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

var errCursor = httpx.ErrInvalidCursor.With("Use next_cursor from the previous page, or leave the cursor out to start over.")

// placeAfter reads what a cursor says of the item before: its key and its id.
func placeAfter(after []string, parse func(string) (any, error)) (key any, id uuid.UUID, err error) {
	if len(after) != 2 {
		return nil, id, errCursor
	}
	key, err = parse(after[0])
	if err == nil {
		id, err = uuid.Parse(after[1])
	}
	if err != nil {
		return nil, id, errCursor.Because(err)
	}
	return key, id, nil
}

func timeKey(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func asNumber(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }

func asTime(s string) (any, error) { return time.Parse(time.RFC3339Nano, s) }
