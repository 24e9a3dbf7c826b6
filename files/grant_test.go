package files_test

import (
	"strings"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

type namedShare struct {
	ID     string  `json:"id"`
	Token  string  `json:"token"`
	UserID *string `json:"user_id"`
	Role   *string `json:"role"`
}

type withMe struct {
	Items []struct {
		ID       string `json:"id"`
		Item     item   `json:"item"`
		Role     string `json:"role"`
		SharedBy struct {
			ID string `json:"id"`
		} `json:"shared_by"`
	} `json:"items"`
}

// shareWith shares an item with a user by name.
func shareWith(t testing.TB, c *httpxtest.Client, id, user, role string) namedShare {
	t.Helper()
	s := decode[namedShare](t, c.Do("POST", "/files/shares", map[string]string{"item_id": id, "user_id": user, "role": role}).Want(t, 201))
	if s.Token != "" || s.UserID == nil || *s.UserID != user || s.Role == nil || *s.Role != role {
		t.Errorf("shared %+v", s)
	}
	return s
}

func TestGrant_ShowsOneUserOneFolderAndNothingOfWhereItLies(t *testing.T) {
	t.Parallel()
	h := start(t)
	ann, annID := h.member(t, "ann@example.com")
	bob, bobID := h.member(t, "bob@example.com")
	eve, _ := h.member(t, "eve@example.com")
	secret := put(t, ann, "/private/diary.txt", "secret")
	it := put(t, ann, "/private/trips/rome/a.txt", "rome")
	trips := find(t, ann, "/private/trips")
	bob.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	s := shareWith(t, ann, trips.ID, bobID, "viewer")

	list := decode[withMe](t, bob.Do("GET", "/files/shared-with-me", nil).Want(t, 200))
	if len(list.Items) != 1 || list.Items[0].Item.ID != trips.ID || list.Items[0].Item.Path != "/" || list.Items[0].Item.ParentID != nil || list.Items[0].SharedBy.ID != annID || list.Items[0].Role != "viewer" {
		t.Errorf("shared with bob: %+v", list)
	}
	if got := decode[withMe](t, eve.Do("GET", "/files/shared-with-me", nil).Want(t, 200)); len(got.Items) != 0 {
		t.Errorf("shared with eve: %+v", got)
	}
	got := decode[item](t, bob.Do("GET", "/files/items/"+it.ID, nil).Want(t, 200))
	if got.Path != "/rome/a.txt" || got.SpaceID != nil {
		t.Errorf("bob sees %+v", got)
	}
	rome := decode[page](t, bob.Do("GET", "/files/items/"+trips.ID+"/children", nil).Want(t, 200)).Items[0]
	for _, path := range []string{"/files/items/" + trips.ID, "/files/items/" + rome.ID + "/children", "/files/items/" + it.ID} {
		if body := string(bob.Do("GET", path, nil).Want(t, 200).Body); strings.Contains(body, "private") || strings.Contains(body, *trips.ParentID) {
			t.Errorf("%s tells where it lies: %s", path, body)
		}
	}
	wantBytes(t, bob.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body, []byte("rome"))
	bob.Do("GET", "/files/items/"+trips.ID+"/archive", nil).Want(t, 200)
	home := find(t, bob, "/documents")
	bob.Do("POST", "/files/items/"+rome.ID+"/copy", map[string]string{"parent_id": home.ID}).Want(t, 201)
	wantBytes(t, bob.Do("GET", "/files/content/documents/rome/a.txt", nil).Want(t, 200).Body, []byte("rome"))

	for _, id := range []string{secret.ID, *secret.ParentID} {
		bob.Do("GET", "/files/items/"+id, nil).WantProblem(t, 404, "not_found")
	}
	for _, c := range []*httpxtest.Client{eve, h.Client(t)} {
		if a := c.Do("GET", "/files/items/"+it.ID, nil); a.Status != 404 && a.Status != 401 {
			t.Errorf("somebody else gets %d", a.Status)
		}
	}
	bob.Do("PUT", "/files/items/"+it.ID+"/content", "x").WantProblem(t, 403, "forbidden")
	bob.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "b"}).WantProblem(t, 403, "forbidden")
	bob.Do("DELETE", "/files/items/"+it.ID, nil).WantProblem(t, 403, "forbidden")

	// What is moved out of it is not shared any more.
	ann.Do("PATCH", "/files/items/"+it.ID, map[string]string{"parent_id": *trips.ParentID}).Want(t, 200)
	bob.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	ann.Do("DELETE", "/files/shares/"+s.ID, nil).Want(t, 204)
	bob.Do("GET", "/files/items/"+trips.ID, nil).WantProblem(t, 404, "not_found")
	if got := decode[withMe](t, bob.Do("GET", "/files/shared-with-me", nil).Want(t, 200)); len(got.Items) != 0 {
		t.Errorf("still shared with bob: %+v", got)
	}
}

func TestGrant_AnEditorWritesInTheFolderAndNowhereElse(t *testing.T) {
	t.Parallel()
	h := start(t)
	ann, annID := h.member(t, "ann@example.com")
	bob, bobID := h.member(t, "bob@example.com")
	_, eveID := h.member(t, "eve@example.com")
	it := put(t, ann, "/private/trips/a.txt", "one")
	trips := find(t, ann, "/private/trips")
	shareWith(t, ann, trips.ID, bobID, "viewer")
	shareWith(t, ann, trips.ID, bobID, "editor") // once more is another role
	if n := h.number(t, "SELECT count(*) FROM shares"); n != 1 {
		t.Errorf("%d shares", n)
	}
	bob.Do("PUT", "/files/items/"+it.ID+"/content", "two").Want(t, 200)
	made := decode[item](t, bob.Do("POST", "/files/folders", map[string]string{"parent_id": trips.ID, "name": "rome"}).Want(t, 201))
	if made.Path != "/rome" {
		t.Errorf("made %+v", made)
	}
	moved := decode[item](t, bob.Do("PATCH", "/files/items/"+it.ID, map[string]string{"parent_id": made.ID, "name": "b.txt"}).Want(t, 200))
	if moved.Path != "/rome/b.txt" {
		t.Errorf("moved %+v", moved)
	}
	up := tus(bob, "POST", "/files/uploads", nil, "Upload-Length", "3", "Upload-Metadata", metadata("filename", "c.txt", "parent_id", made.ID)).Want(t, 201)
	at := strings.TrimPrefix(up.Header.Get("Location"), "/api/v1")
	tus(bob, "PATCH", at, "abc", "Upload-Offset", "0", "Content-Type", offsetType).Want(t, 204)
	wantBytes(t, ann.Do("GET", "/files/content/private/trips/rome/c.txt", nil).Want(t, 200).Body, []byte("abc"))
	wantBytes(t, ann.Do("GET", "/files/content/private/trips/rome/b.txt", nil).Want(t, 200).Body, []byte("two"))
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.replaced' AND actor_user = $1 AND target = $2", bobID, it.ID); n != 1 {
		t.Error("the log does not say who replaced the file")
	}

	// The folder is its owner's, and so is everything around it.
	bob.Do("PATCH", "/files/items/"+trips.ID, map[string]string{"name": "mine"}).WantProblem(t, 409, "root_fixed")
	bob.Do("DELETE", "/files/items/"+trips.ID, nil).WantProblem(t, 409, "root_fixed")
	bob.Do("PATCH", "/files/items/"+it.ID, map[string]string{"parent_id": *trips.ParentID}).WantProblem(t, 409, "parent_missing")
	bob.Do("PATCH", "/files/items/"+it.ID, map[string]string{"parent_id": find(t, bob, "/documents").ID}).WantProblem(t, 409, "other_tree")
	bob.Do("POST", "/files/folders", map[string]string{"parent_id": *trips.ParentID, "name": "x"}).WantProblem(t, 409, "parent_missing")
	bob.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{"parent_id": *trips.ParentID}).WantProblem(t, 409, "parent_missing")
	bob.Do("POST", "/files/shares", map[string]string{"item_id": it.ID}).WantProblem(t, 403, "forbidden")
	bob.Do("POST", "/files/scan", map[string]string{"item_id": trips.ID}).WantProblem(t, 403, "forbidden")
	bob.Do("GET", "/files/usage?space="+annID, nil).WantProblem(t, 404, "not_found")
	bob.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	bob.Do("POST", "/files/trash/"+it.ID+"/restore", nil).WantProblem(t, 404, "not_found")
	bob.Do("DELETE", "/files/trash/"+it.ID, nil).WantProblem(t, 404, "not_found")
	ann.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)

	for _, bad := range []map[string]any{{"user_id": annID, "role": "viewer"}, {"user_id": "01a00000-0000-7000-8000-000000000000", "role": "viewer"}, {"user_id": bobID, "role": "manager"},
		{"user_id": bobID}, {"user_id": bobID, "role": "viewer", "mode": "read"}, {"user_id": bobID, "role": "viewer", "password": "x"},
		{"user_id": bobID, "role": "viewer", "expires_at": time.Now().Add(-time.Hour)}} {
		bad["item_id"] = trips.ID
		ann.Do("POST", "/files/shares", bad).WantProblem(t, 422, "validation_failed")
	}

	// It ends with the right of whose it is, and while an upload is under way.
	up = tus(bob, "POST", "/files/uploads", nil, "Upload-Length", "3", "Upload-Metadata", metadata("filename", "d.txt", "parent_id", made.ID)).Want(t, 201)
	at = strings.TrimPrefix(up.Header.Get("Location"), "/api/v1")
	h.exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", annID)
	bob.Do("GET", "/files/items/"+made.ID, nil).WantProblem(t, 404, "not_found")
	tus(bob, "PATCH", at, "abc", "Upload-Offset", "0", "Content-Type", offsetType).WantProblem(t, 404, "not_found")
	if got := decode[withMe](t, bob.Do("GET", "/files/shared-with-me", nil).Want(t, 200)); len(got.Items) != 0 {
		t.Errorf("a disabled user shares %+v", got)
	}
	h.exec(t, "UPDATE users SET status = 'active' WHERE id = $1", annID)
	shareWith(t, ann, trips.ID, eveID, "viewer")
	if err := h.erase(t, h.files, bobID, nil); err != nil {
		t.Fatal(err)
	}
	if n := h.number(t, "SELECT count(*) FROM shares"); n != 1 {
		t.Errorf("%d shares are left", n)
	}
	ann.Do("GET", "/files/content/private/trips/rome/c.txt", nil).Want(t, 200)
}

func TestGrant_InASpaceAndAtAnotherWorker(t *testing.T) {
	t.Parallel()
	h := start(t)
	x := newTeam(t, h)
	second := h.second(t)
	there := second.Client(t).As(x.stranger.Bearer)
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/a/b.txt?parents=true"), "b").Want(t, 201))
	there.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	shareWith(t, x.editor, it.ID, x.ids["stranger"], "editor")
	await(t, func() bool { return there.Do("GET", "/files/items/"+it.ID, nil).Status == 200 })
	if got := decode[item](t, there.Do("GET", "/files/items/"+it.ID, nil).Want(t, 200)); got.SpaceID != nil || got.Path != "/b.txt" || got.ParentID != nil {
		t.Errorf("the recipient sees %+v", got)
	}
	there.Do("PUT", "/files/items/"+it.ID+"/content", "c").Want(t, 200)
	there.Do("GET", x.in("/files/usage"), nil).WantProblem(t, 404, "not_found")
	x.viewer.Do("POST", "/files/shares", map[string]string{"item_id": it.ID, "user_id": x.ids["stranger"], "role": "viewer"}).WantProblem(t, 403, "forbidden")
	x.put(t, "editor", "viewer") // whose share it is may not write there any more
	await(t, func() bool { return there.Do("GET", "/files/items/"+it.ID, nil).Status == 404 })
}
