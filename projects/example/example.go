// Package example is an app. Everybody who may use it keeps items of their own,
// which nobody else sees.
package example

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"homebase/db"
	"homebase/httpx"
	"homebase/projects"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// What the app's users may do.
const (
	Read  = "projects.example:read"
	Write = "projects.example:write"
)

const (
	maxText  = 10_000 // characters
	maxItems = 10_000 // of a user
)

var errTooManyItems = httpx.NewProblem(http.StatusConflict, "too_many_items", "You have too many items").
	With("Delete one that is not needed any more.")

// Item is one thing that somebody keeps.
type Item struct {
	ID        uuid.UUID `json:"id"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`
}

// NewItem is the body of POST /projects/example/items.
type NewItem struct {
	Text string `json:"text"`
}

type app struct{ host *projects.Host }

// App makes the app.
func App(host *projects.Host) projects.App {
	a := &app{host}
	return projects.App{
		Name:        "example",
		Description: "Items of your own",
		Schema:      schema,
		Permissions: []string{Read, Write},
		Routes: []httpx.Route{
			{Pattern: "GET /items", Access: httpx.Needs(Read), Rate: httpx.RateRead, Query: []string{"limit", "cursor"},
				Summary: "The caller's items, newest first", Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[Item]{}}},
				Problems: []*httpx.Problem{httpx.ErrInvalidCursor}, Handler: a.list},
			{Pattern: "POST /items", Access: httpx.Needs(Write), Rate: httpx.RateWrite, Body: 1 << 20, Request: NewItem{},
				Summary: "Store an item", Responses: []httpx.Response{{Status: http.StatusCreated, Body: Item{}, Headers: []string{"Location"}}},
				Problems: []*httpx.Problem{errTooManyItems}, Handler: a.create},
			{Pattern: "GET /items/{id}", Access: httpx.Needs(Read), Rate: httpx.RateRead,
				Summary: "One of the caller's items", Responses: []httpx.Response{{Status: http.StatusOK, Body: Item{}}},
				Problems: []*httpx.Problem{httpx.ErrNotFound}, Handler: a.get},
			{Pattern: "DELETE /items/{id}", Access: httpx.Needs(Write), Rate: httpx.RateWrite,
				Summary: "Delete one of the caller's items", Responses: []httpx.Response{{Status: http.StatusNoContent}},
				Problems: []*httpx.Problem{httpx.ErrNotFound}, Handler: a.delete},
		},
		Erase: a.erase,
	}
}

func scanItem(row pgx.Row) (it Item, err error) {
	err = row.Scan(&it.ID, &it.Text, &it.CreatedAt)
	it.CreatedAt = it.CreatedAt.UTC()
	return it, err
}

func (a *app) list(w http.ResponseWriter, r *http.Request) error {
	owner := httpx.CallerOf(r.Context()).UserID
	page, err := httpx.PageOf(r, owner.String())
	if err != nil {
		return err
	}
	// Ids count up with time, so they are the order and the cursor.
	before := uuid.Max
	if page.After != nil {
		if before, err = uuid.Parse(page.After[0]); err != nil {
			return httpx.ErrInvalidCursor
		}
	}
	var items []Item
	err = a.host.InTx(r.Context(), func(tx *projects.Tx) error {
		items, err = db.All(r.Context(), tx, scanItem, `-- name: example.Items
			SELECT id, text, created_at FROM items WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, owner, before, page.Limit+1)
		return err
	})
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, httpx.ListOf(page, items, func(it Item) []string { return []string{it.ID.String()} }))
}

func (a *app) create(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[NewItem](w, r)
	if err != nil {
		return err
	}
	var f httpx.Fields
	if n := len([]rune(in.Text)); n == 0 || n > maxText {
		f.Add("#/text", "length", "The text has 1 to 10000 characters.")
	}
	if err := f.Err(); err != nil {
		return err
	}
	owner := httpx.CallerOf(r.Context()).UserID
	var it Item
	err = a.host.InTx(r.Context(), func(tx *projects.Tx) error {
		free, err := db.Below(r.Context(), tx, maxItems, "items", "owner_id = $1", owner)
		if err == nil && !free {
			err = errTooManyItems
		}
		if err != nil {
			return err
		}
		it, err = db.One(r.Context(), tx, scanItem, `-- name: example.Create
			INSERT INTO items (id, owner_id, text) VALUES ($1, $2, $3) RETURNING id, text, created_at`,
			uuid.Must(uuid.NewV7()), owner, in.Text)
		tx.Audit("created", it.ID, nil)
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.Prefix+"/projects/example/items/"+it.ID.String())
	return httpx.WriteJSON(w, http.StatusCreated, it)
}

func (a *app) get(w http.ResponseWriter, r *http.Request) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	var it Item
	err = a.host.InTx(r.Context(), func(tx *projects.Tx) error {
		it, err = db.One(r.Context(), tx, scanItem, `-- name: example.Item
			SELECT id, text, created_at FROM items WHERE id = $1 AND owner_id = $2`, id, httpx.CallerOf(r.Context()).UserID)
		return err
	})
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, it)
}

func (a *app) delete(w http.ResponseWriter, r *http.Request) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	err = a.host.InTx(r.Context(), func(tx *projects.Tx) error {
		n, err := db.Exec(r.Context(), tx, `-- name: example.Delete
			DELETE FROM items WHERE id = $1 AND owner_id = $2`, id, httpx.CallerOf(r.Context()).UserID)
		if err == nil && n == 0 {
			err = httpx.ErrNotFound
		}
		tx.Audit("deleted", id, nil)
		return err
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// erase runs in the app's schema, in the transaction that deletes the user.
func (a *app) erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	_, err := db.Exec(ctx, tx, `-- name: example.Erase
		DELETE FROM items WHERE owner_id = $1`, user)
	return err
}
