package files_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"homebase/httpx/httpxtest"
)

// refused are names that no route may take.
var refused = []string{
	"", ".", "..", "../x", "a/b", `a\b`, "a\x00b", "\xff\xfe", "a\ufffd", strings.Repeat("x", 256),
	strings.Repeat("字", 86), "end ", "a\nb", "a\rb", "a\tb", "\x1b[31m", "\u202agpj.exe", "\u202egpj.exe", "a\u2066b", "a\u2069", "a\u200bb", "a\u2028b", "\u0085",
}

// accepted are names that look dangerous and are not.
var accepted = []string{
	"-rf", "~", "$(id)", "*", "%2e%2e", "a%2fb", "..a", ".hidden", "CON", "aux.txt", "a;b", "a b", " a", "'\"`", "<script>",
	strings.Repeat("字", 85), strings.Repeat("x", 255), "e\u0301.txt", "👩‍👩‍👧", "שלום", "C:", "nul\u00e9", "?x=1#y", "end.", "...", "etc...", "\u200eleft", "(\u200fעברית)", "right\u061c",
}

func TestNames_TricksAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	root := decode[item](t, c.Do("GET", "/files/items/root", nil).Want(t, 200))
	h.settled(t)
	for _, name := range refused {
		a := c.Do("PUT", "/files/content/documents/"+url.PathEscape(name), "x")
		if a.Status != 400 {
			t.Errorf("PUT %q: got %d", name, a.Status)
		}
		if !utf8.ValidString(name) {
			continue // JSON cannot carry it
		}
		if a := c.Do("POST", "/files/folders", map[string]string{"parent_id": root.ID, "name": name}); a.Status != 400 {
			t.Errorf("folder %q: got %d", name, a.Status)
		}
		if a := c.Do("POST", "/files/folders", map[string]string{"path": "/documents/" + name}); a.Status != 400 && !strings.Contains(name, "a/b") {
			t.Errorf("folder by path %q: got %d", name, a.Status)
		}
	}
	c.Do("POST", "/files/folders", []byte(`{"path":"/documents/\ud800"}`)).Want(t, 415)
	for _, p := range []string{"/a//b", "//a", "a/../b", "./a", "a/."} {
		c.Do("POST", "/files/folders", map[string]string{"path": p}).WantProblem(t, 400, "invalid_name")
		c.Do("GET", "/files/lookup?path="+url.QueryEscape(p), nil).WantProblem(t, 400, "invalid_name")
	}
	deep := strings.Repeat("/d", 65)
	c.Do("POST", "/files/folders", map[string]any{"path": deep, "parents": true}).WantProblem(t, 400, "path_too_long")
	c.Do("PUT", "/files/content"+deep+"?parents=true", "x").WantProblem(t, 400, "path_too_long")
	c.Do("PUT", "/files/content/"+strings.Repeat(strings.Repeat("n", 250)+"/", 16)+"a?parents=true", "x").WantProblem(t, 400, "path_too_long")
	if left := h.onDisk(t); len(left) > 0 {
		t.Fatalf("left on disk: %q", left)
	}
	for _, name := range accepted {
		a := c.Do("PUT", "/files/content/documents/"+url.PathEscape(name), "x").Want(t, 201)
		if it := decode[item](t, a); it.Name != name {
			t.Errorf("got %q, want %q", it.Name, name)
		}
		wantFile(t, path.Join(h.place(id, "documents"), name), []byte("x"))
	}
}

func TestNames_EqualAfterNormalisingConflict(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/"+url.PathEscape("caf\u00e9"), "x").Want(t, 201)
	c.Do("PUT", "/files/content/documents/"+url.PathEscape("cafe\u0301"), "y").WantProblem(t, 409, "name_conflict")
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/cafe\u0301"}).WantProblem(t, 409, "name_conflict")
	c.Do("GET", "/files/content/documents/"+url.PathEscape("cafe\u0301"), nil).WantProblem(t, 404, "not_found")
	if got := c.Do("GET", "/files/content/documents/"+url.PathEscape("caf\u00e9"), nil).Want(t, 200).Body; string(got) != "x" {
		t.Fatalf("got %q", got)
	}
}

func TestFolders_GoSixtyFourDeep(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	deep := strings.Repeat("/d", 63)
	c.Do("POST", "/files/folders", map[string]any{"path": deep, "parents": true}).Want(t, 201)
	c.Do("POST", "/files/folders", map[string]any{"path": deep, "parents": true}).Want(t, 200)
	c.Do("POST", "/files/folders", map[string]any{"path": deep}).WantProblem(t, 409, "name_conflict")
	c.Do("PUT", "/files/content"+deep+"/a.txt", "x").Want(t, 201)
	wantFile(t, h.place(id, deep, "a.txt"), []byte("x"))
}

func TestNames_AnEmptyOneIsRefusedByEveryRoute(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201))
	at := "/files/items/" + it.ID
	c.Do("PATCH", at, map[string]string{"name": ""}).WantProblem(t, 400, "invalid_name")
	c.Do("POST", at+"/copy", map[string]string{"name": ""}).WantProblem(t, 400, "invalid_name")
	c.Do("POST", "/files/folders", map[string]string{"parent_id": *it.ParentID, "name": ""}).WantProblem(t, 400, "invalid_name")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata("filename", "")).WantProblem(t, 400, "invalid_name")
	var got struct{ Results []struct{ Status int } }
	c.Do("POST", "/files/batch", map[string]any{"operations": []map[string]string{
		{"op": "copy", "id": it.ID, "name": ""}, {"op": "move", "id": it.ID, "name": ""},
	}}).Want(t, 200).JSON(t, &got)
	for i, r := range got.Results {
		if r.Status != 400 {
			t.Errorf("operation %d: got %d", i, r.Status)
		}
	}
	if names := decode[page](t, c.Do("GET", "/files/items/"+*it.ParentID+"/children", nil).Want(t, 200)).names(); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
	c.Do("POST", at+"/copy", map[string]any{"name": nil}).Want(t, 201) // as if it were left out
}

func TestItem_IsKnownAgainByItsTagUntilItChanges(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201))
	at := "/files/items/" + it.ID
	for _, try := range []string{at, "/files/lookup?path=/documents/a.txt", "/files/items/" + *it.ParentID} {
		tag := c.Do("GET", try, nil).Want(t, 200).Header.Get("ETag")
		if same := c.Do("GET", try, nil, httpxtest.WithHeader("If-None-Match", `"x", `+tag)).Want(t, 304); len(same.Body) > 0 || same.Header.Get("ETag") != tag {
			t.Errorf("%s: got %v %q", try, same.Header, same.Body)
		}
	}
	tag := c.Do("GET", at, nil).Want(t, 200).Header.Get("ETag")
	c.Do("PATCH", at, map[string]string{"name": "b.txt"}).Want(t, 200)
	c.Do("GET", at, nil, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 200)
}
