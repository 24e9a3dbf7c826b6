package files

import (
	"context"
	"net/http"
	"strconv"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// order is one way to sort a folder. Each is a keyset over (kind, key, id)
// with an index of its own, so a page costs the same wherever it begins.
// Folders come first either way round.
type order struct {
	first string // the query of a page without a cursor
	after string // the query of a page behind one
}

var orders = func() map[string]order {
	all := map[string]order{}
	for name, key := range map[string]struct{ column, cast string }{
		"name":       {"name_sort", "text"},
		"size":       {"size", "bigint"},
		"updated_at": {"updated_at", "timestamptz"},
	} {
		for sign, way := range map[string]struct{ compare, direction string }{"": {">", "ASC"}, "-": {"<", "DESC"}} {
			query := func(where string) string {
				return `-- name: files.Children
					SELECT ` + itemColumns + `, i.` + key.column + `::text
					  FROM items i
					 WHERE i.parent_id = $1 AND i.owner_id = $2 AND i.kind = $3 AND i.trashed_at IS NULL` + where + `
					 ORDER BY i.` + key.column + ` ` + way.direction + `, i.id ` + way.direction + `
					 LIMIT $4`
			}
			all[sign+name] = order{
				first: query(""),
				after: query(` AND (i.` + key.column + `, i.id) ` + way.compare + ` ($5::text::` + key.cast + `, $6::text::uuid)`),
			}
		}
	}
	return all
}()

// getChildren is GET /files/items/{id}/children.
func (f *Files) getChildren(w http.ResponseWriter, r *http.Request, v visit) error {
	folder, err := f.requested(r, v)
	if err != nil {
		return err
	}
	if folder.isFile() {
		return errNotFolder.With("A file has no children.")
	}
	sort := r.URL.Query().Get("sort")
	if sort == "" {
		sort = "name"
	}
	o, ok := orders[sort]
	if !ok {
		return httpx.ErrInvalidParameter.With("sort is name, updated_at or size, with a minus in front for the other way round.")
	}
	page, err := httpx.PageOf(r, v.owner.String(), folder.ID.String(), sort)
	if err != nil {
		return err
	}
	found, err := children(r.Context(), f.db, v.owner, folder.ID, o, page)
	if err != nil {
		return err
	}
	list := httpx.ListOf(page, found, func(c child) []string {
		return []string{strconv.Itoa(int(c.Kind)), c.key, c.ID.String()}
	})
	bodies := make([]itemBody, len(list.Items))
	for i, c := range list.Items {
		bodies[i] = c.body(folder.path + "/" + c.Name)
	}
	return httpx.WriteJSON(w, http.StatusOK, httpx.List[itemBody]{Items: bodies, NextCursor: list.NextCursor})
}

// child is an item with its key in the order, as text.
type child struct {
	item
	key string
}

func scanChild(row pgx.Row) (c child, err error) {
	err = row.Scan(append(c.fields(), &c.key)...)
	return c, err
}

// children reads one more than a page of a folder: the folders behind the
// cursor and, where they do not fill the page, files. A cursor is the kind,
// the key and the id of the item before.
func children(ctx context.Context, q db.Querier, owner, folder uuid.UUID, o order, page httpx.Page) ([]child, error) {
	list := []child{}
	for kind := folderKind; kind <= fileKind && len(list) <= page.Limit; kind++ {
		sql, args := o.first, []any{folder, owner, kind, page.Limit + 1 - len(list)}
		if len(page.After) == 3 {
			switch at := page.After[0]; {
			case at == strconv.Itoa(kind):
				sql, args = o.after, append(args, page.After[1], page.After[2])
			case at > strconv.Itoa(kind):
				continue // these were on the pages before
			}
		}
		more, err := db.All(ctx, q, scanChild, sql, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}
