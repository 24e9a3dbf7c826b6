package files_test

import (
	"slices"
	"strings"
	"testing"

	"homebase/httpx/httpxtest"
)

func TestBatch_EachOperationHasItsOwnResult(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	a := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "a").Want(t, 201))
	b := decode[item](t, c.Do("PUT", "/files/content/documents/b.txt", "b").Want(t, 201))
	theirs := decode[item](t, other.Do("PUT", "/files/content/documents/c.txt", "c").Want(t, 201))
	images := decode[item](t, c.Do("GET", "/files/lookup?path=/images", nil).Want(t, 200))
	before := since(t, c, "now").NextCursor
	type op = map[string]string
	ask := func(ops ...op) *httpxtest.Answer {
		return c.Do("POST", "/files/batch", map[string]any{"operations": ops})
	}
	got := decode[struct {
		Results []struct {
			Status  int
			Item    *item
			Problem *httpxtest.Problem
		}
	}](t, ask(
		op{"op": "move", "id": a.ID, "parent_id": images.ID, "name": "b.txt"},
		op{"op": "copy", "id": b.ID, "parent_id": images.ID},
		op{"op": "copy", "id": b.ID, "parent_id": images.ID, "name": "b.txt"},
		op{"op": "trash", "id": b.ID},
		op{"op": "trash", "id": b.ID},
		op{"op": "move", "id": theirs.ID, "name": "mine"},
		op{"op": "trash", "id": *images.ParentID},
		op{"op": "move", "id": a.ID, "name": "x/y"},
		op{"op": "move", "id": images.ID, "parent_id": images.ID},
	).Want(t, 200))
	for i, want := range []struct {
		status     int
		path, code string
	}{
		{200, "/images/b.txt", ""}, {201, "/images/b (2).txt", ""}, {409, "", "name_conflict"}, {204, "", ""}, {404, "", "not_found"},
		{404, "", "not_found"}, {409, "", "root_fixed"}, {400, "", "invalid_name"}, {409, "", "move_into_itself"},
	} {
		r := got.Results[i]
		if r.Status != want.status || (r.Item != nil) != (want.path != "") || r.Item != nil && r.Item.Path != want.path ||
			(r.Problem != nil) != (want.code != "") || r.Problem != nil && (r.Problem.Code != want.code || r.Problem.Detail == "" && r.Problem.Title == "") {
			t.Errorf("operation %d: got %+v, %+v, %+v, want %+v", i, r.Status, r.Item, r.Problem, want)
		}
	}
	wantFile(t, h.place(id, "images", "b.txt"), []byte("a"))
	wantFile(t, h.place(id, "images", "b (2).txt"), []byte("b"))
	wantLines(t, since(t, c, before), "moved /images/b.txt", "created /images/b (2).txt", "trashed /documents/b.txt")

	ask().WantProblem(t, 422, "validation_failed")
	// Of too many none is looked at: a body holds forty thousand.
	if a := ask(slices.Repeat([]op{{}}, 501)...); strings.Count(string(a.Body), `"pointer"`) != 1 {
		t.Errorf("%d: %s", a.Status, a.Body)
	} else {
		a.WantProblem(t, 422, "validation_failed")
	}
	ask(op{"op": "purge", "id": a.ID}).WantProblem(t, 422, "validation_failed")
	ask(op{"op": "trash", "id": a.ID, "name": "x"}).WantProblem(t, 422, "validation_failed")
	ask(op{"op": "trash", "id": "x"}).Want(t, 422)
}

func TestBatch_EndsWithTheRightToWrite(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "a")
	key := decode[struct{ ID, Key string }](t, c.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": []string{"files:read", "files:write"}}).Want(t, 201))
	free := h.holdOwner(t, id)
	answer := make(chan *httpxtest.Answer)
	go func() {
		answer <- h.Client(t).As(key.Key).Do("POST", "/files/batch", map[string]any{"operations": []map[string]string{
			{"op": "copy", "id": it.ID}, {"op": "copy", "id": it.ID}, {"op": "trash", "id": id}, // no item's id
		}})
	}()
	await(t, func() bool { return h.blocked(t) > 0 })
	c.Do("DELETE", "/auth/keys/"+key.ID, nil).Want(t, 204)
	free()
	got := decode[struct{ Results []struct{ Status int } }](t, (<-answer).Want(t, 200))
	if got.Results[1].Status != 401 || got.Results[2].Status != 401 {
		t.Errorf("got %+v, want 401 for all that began after the key's end", got.Results)
	}
}
