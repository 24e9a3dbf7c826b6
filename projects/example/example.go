// Package example is an app. Everybody who may use it keeps items of their own, which
// nobody else can see.
package example

import (
	"context"
	_ "embed"
	"time"

	"homebase/auth"
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

var errTooManyItems = httpx.NewProblem(409, "too_many_items", "You have too many items").
	With("Delete one that is no longer needed.")

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
		Permissions: []auth.Permission{
			{Name: Read, Description: "Read your items in example."},
			{Name: Write, Description: "Store and delete items in example."},
		},
		Routes: []httpx.Route{
			{Pattern: "GET /items", Access: httpx.Needs(Read), Rate: httpx.RateRead,
				Summary: "The caller's items, newest first", Do: httpx.Pages(a.list, Item.key)},
			{Pattern: "POST /items", Access: httpx.Needs(Write), Rate: httpx.RateWrite, Body: 1 << 20,
				Summary: "Store an item", Do: httpx.JSON(a.create).Creates(), Problems: httpx.Problems{errTooManyItems}},
			{Pattern: "GET /items/{id}", Access: httpx.Needs(Read), Rate: httpx.RateRead,
				Summary: "One of the caller's items", Do: httpx.Answers(a.get), Problems: httpx.Problems{httpx.ErrNotFound}},
			{Pattern: "DELETE /items/{id}", Access: httpx.Needs(Write), Rate: httpx.RateWrite,
				Summary: "Delete one of the caller's items", Do: httpx.Acts(a.delete), Problems: httpx.Problems{httpx.ErrNotFound}},
		},
		Erase: a.erase,
	}
}

var scanItem = db.RowOf(func(it *Item) []any { return []any{&it.ID, &it.Text, &it.CreatedAt} })

// key puts items in order: ids count up with time.
func (it Item) key() uuid.UUID { return it.ID }

func (a *app) list(c *httpx.Call, p httpx.Keyset[uuid.UUID]) (items []Item, err error) {
	err = a.host.InTx(c.Context(), func(tx *projects.Tx) error {
		items, err = db.All(c.Context(), tx, scanItem, `-- name: example.Items
			SELECT id, text, created_at FROM items WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`,
			c.Caller.UserID, p.After(uuid.Max), p.Limit)
		return err
	})
	return items, err
}

func (a *app) create(c *httpx.Call, in NewItem) (it Item, err error) {
	var f httpx.Fields
	if n := len([]rune(in.Text)); n == 0 || n > maxText {
		f.Add("#/text", "length", "The text has 1 to 10000 characters.")
	}
	if err := f.Err(); err != nil {
		return it, err
	}
	err = a.host.InTx(c.Context(), func(tx *projects.Tx) error {
		err := db.Below(c.Context(), tx, errTooManyItems, maxItems, "items", "owner_id = $1", c.Caller.UserID)
		if err != nil {
			return err
		}
		it, err = db.One(c.Context(), tx, scanItem, `-- name: example.Create
			INSERT INTO items (id, owner_id, text) VALUES ($1, $2, $3) RETURNING id, text, created_at`,
			uuid.Must(uuid.NewV7()), c.Caller.UserID, in.Text)
		tx.Audit("created", it.ID, nil)
		return err
	})
	c.Created("/projects/example/items/" + it.ID.String())
	return it, err
}

func (a *app) get(c *httpx.Call) (it Item, err error) {
	err = a.host.InTx(c.Context(), func(tx *projects.Tx) error {
		it, err = db.One(c.Context(), tx, scanItem, `-- name: example.Item
			SELECT id, text, created_at FROM items WHERE id = $1 AND owner_id = $2`, c.ID, c.Caller.UserID)
		return err
	})
	return it, err
}

func (a *app) delete(c *httpx.Call) error {
	return a.host.InTx(c.Context(), func(tx *projects.Tx) error {
		err := db.Touch(c.Context(), tx, httpx.ErrNotFound, `-- name: example.Delete
			DELETE FROM items WHERE id = $1 AND owner_id = $2`, c.ID, c.Caller.UserID)
		tx.Audit("deleted", c.ID, nil)
		return err
	})
}

// erase runs in the app's schema, in the transaction that deletes the user.
func (a *app) erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	return db.Exec(ctx, tx, `-- name: example.Erase
		DELETE FROM items WHERE owner_id = $1`, user)
}
