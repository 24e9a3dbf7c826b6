package example_test

import (
	"testing"

	"homebase/db"
	"homebase/httpx"
	"homebase/projects/example"
	"homebase/projects/projectstest"

	"github.com/jackc/pgx/v5"
)

func TestItems_AreKeptListedAndDeleted(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	var first, second example.Item
	a := e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "first"}).Want(t, 201)
	a.JSON(t, &first)
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "second"}).Want(t, 201).JSON(t, &second)
	e.Owner.DoAt("GET", a.Header.Get("Location"), nil).Want(t, 200)

	var page httpx.List[example.Item]
	e.Owner.Do("GET", "/projects/example/items?limit=1", nil).Want(t, 200).JSON(t, &page)
	if len(page.Items) != 1 || page.Items[0] != second || page.NextCursor == nil {
		t.Fatalf("the first page is %+v", page)
	}
	e.Owner.Do("GET", "/projects/example/items?limit=1&cursor="+*page.NextCursor, nil).Want(t, 200).JSON(t, &page)
	if len(page.Items) != 1 || page.Items[0] != first || page.NextCursor != nil {
		t.Fatalf("the last page is %+v", page)
	}

	e.Owner.Do("DELETE", "/projects/example/items/"+first.ID.String(), nil).Want(t, 204)
	e.Owner.Do("GET", "/projects/example/items/"+first.ID.String(), nil).WantProblem(t, 404, "not_found")
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{}).WantProblem(t, 422, "validation_failed")
}

func TestItems_AreSeenByTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	e.User(t, "other@example.com", "admin")
	e.User(t, "member@example.com", "member")
	var mine example.Item
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "mine"}).Want(t, 201).JSON(t, &mine)

	other := e.SignIn(t, "other@example.com")
	other.Do("GET", "/projects/example/items/"+mine.ID.String(), nil).WantProblem(t, 404, "not_found")
	other.Do("DELETE", "/projects/example/items/"+mine.ID.String(), nil).WantProblem(t, 404, "not_found")
	var page httpx.List[example.Item]
	other.Do("GET", "/projects/example/items", nil).Want(t, 200).JSON(t, &page)
	if len(page.Items) != 0 {
		t.Errorf("another user sees %+v", page.Items)
	}
	e.SignIn(t, "member@example.com").Do("GET", "/projects/example/items", nil).WantProblem(t, 403, "forbidden")
	e.Client(t).Do("GET", "/projects/example/items", nil).WantProblem(t, 401, "unauthenticated")
}

func TestItems_AUserHasTenThousandAtMost(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	var mine example.Item
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "mine"}).Want(t, 201).JSON(t, &mine)
	err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		return db.InNamespace(t.Context(), tx, "app_example", func() error {
			return db.Exec(t.Context(), tx, `INSERT INTO items (id, owner_id, text)
				SELECT gen_random_uuid(), i.owner_id, '' FROM items i, generate_series(1, 9998)`)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "last"}).Want(t, 201)
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "one more"}).WantProblem(t, 409, "too_many_items")
}
