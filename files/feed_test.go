package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

// told is an entry of the feed as a client reads it.
type told struct {
	Seq  int64  `json:"seq"`
	Type string `json:"type"`
	Item item   `json:"item"`
}

type changes struct {
	Items      []told `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// lines are the entries in short: "moved /documents/a.txt".
func (c changes) lines() []string {
	list := []string{}
	for _, e := range c.Items {
		list = append(list, e.Type+" "+e.Item.Path)
	}
	return list
}

func since(t testing.TB, c *httpxtest.Client, cursor string) changes {
	t.Helper()
	return decode[changes](t, c.Do("GET", "/files/changes?limit=500&cursor="+cursor, nil).Want(t, 200))
}

func wantLines(t testing.TB, got changes, want ...string) {
	t.Helper()
	if !slices.Equal(got.lines(), want) {
		t.Fatalf("the feed tells %q, want %q", got.lines(), want)
	}
	for i, e := range got.Items {
		if i > 0 && e.Seq <= got.Items[i-1].Seq {
			t.Fatalf("%d comes after %d", e.Seq, got.Items[i-1].Seq)
		}
	}
}

func TestChanges_TellWhatBecameOfEveryItem(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	first := decode[changes](t, c.Do("GET", "/files/changes", nil).Want(t, 200))
	wantLines(t, first, "created /", "created /documents", "created /images", "created /backups")

	it := decode[item](t, c.Do("PUT", "/files/content/documents/a/b.txt?parents=true", "one").Want(t, 201))
	at := "/files/items/" + it.ID
	c.Do("PUT", at+"/content", "other").Want(t, 200)
	c.Do("PATCH", at, map[string]string{"name": "c.txt"}).Want(t, 200)
	c.Do("PATCH", at, map[string]string{"name": "c.txt"}).Want(t, 200) // changes nothing
	c.Do("POST", at+"/copy", map[string]string{"name": "d.txt"}).Want(t, 201)
	c.Do("POST", "/files/items/"+*it.ParentID+"/copy", map[string]string{"name": "e"}).Want(t, 201)
	c.Do("DELETE", at, nil).Want(t, 204)
	c.Do("DELETE", "/files/items/"+*it.ParentID, nil).Want(t, 204)
	c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
	c.Do("DELETE", "/files/trash/"+*it.ParentID, nil).Want(t, 204)
	c.Do("PUT", at+"/content", "x", httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")

	got := since(t, c, first.NextCursor)
	// The items of a copied folder have no order among themselves.
	slices.SortFunc(got.Items[6:8], func(a, b told) int { return strings.Compare(a.Item.Path, b.Item.Path) })
	want := []string{"created /documents/a", "created /documents/a/b.txt", "changed /documents/a/b.txt", "moved /documents/a/c.txt",
		"created /documents/a/d.txt", "created /documents/e", "created /documents/e/c.txt", "created /documents/e/d.txt",
		"trashed /documents/a/c.txt", "trashed /documents/a", "restored /c.txt", "purged /documents/a"}
	if lines := got.lines(); !slices.Equal(lines, want) {
		t.Fatalf("the feed tells %q, want %q", lines, want)
	}
	if e := got.Items[2]; e.Item.ID != it.ID || e.Item.Revision != 2 || *e.Item.SHA256 != sha([]byte("other")) || e.Item.Size != 5 {
		t.Errorf("got %+v", e)
	}
	// Page by page it is the same.
	var again changes
	for cursor := first.NextCursor; len(again.Items) < len(got.Items); cursor = again.NextCursor {
		page := decode[changes](t, c.Do("GET", "/files/changes?limit=5&cursor="+cursor, nil).Want(t, 200))
		again.Items, again.NextCursor = append(again.Items, page.Items...), page.NextCursor
	}
	if again.NextCursor != got.NextCursor {
		t.Errorf("pages end at %s, the whole at %s", again.NextCursor, got.NextCursor)
	}
	if end := since(t, c, "now"); len(end.Items) != 0 || len(since(t, c, end.NextCursor).Items) != 0 {
		t.Errorf("now is not the end: %+v", end)
	}
}

func TestChanges_TellWhatAScanFinds(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	root := decode[item](t, c.Do("GET", "/files/items/root", nil).Want(t, 200))
	scan := func(want ...string) {
		t.Helper()
		before := since(t, c, "now").NextCursor
		c.Do("POST", "/files/scan", map[string]string{"item_id": root.ID}).Want(t, 200)
		wantLines(t, since(t, c, before), want...)
	}
	old := time.Now().Add(-time.Hour)
	write := func(text string, names ...string) {
		t.Helper()
		p := h.place(id, names...)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		old = old.Add(time.Second)
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 { // so that one missing file is not a mass
		c.Do("PUT", fmt.Sprintf("/files/content/backups/%d", i), "x").Want(t, 201)
	}
	if err := os.Mkdir(h.place(id, "images", "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("one", "images", "new", "a.txt")
	scan("created /images/new", "created /images/new/a.txt")
	write("another", "images", "new", "a.txt")
	scan("changed /images/new/a.txt")
	if err := os.Rename(h.place(id, "images", "new", "a.txt"), h.place(id, "documents", "b.txt")); err != nil {
		t.Fatal(err)
	}
	scan("moved /documents/b.txt")
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(h.place(id, "documents", "b.txt"), aside); err != nil {
		t.Fatal(err)
	}
	scan("changed /documents/b.txt")
	if err := os.Rename(aside, h.place(id, "documents", "b.txt")); err != nil {
		t.Fatal(err)
	}
	scan("changed /documents/b.txt")
	scan()
}

func TestChanges_CursorsThatReachTooFarBackExpire(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	first := since(t, c, "now").NextCursor
	c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201)
	last := since(t, c, first).NextCursor
	other.Do("GET", "/files/changes?cursor="+last, nil).WantProblem(t, 410, "cursor_expired")
	for _, bad := range []string{"", "x", last + "A", last[1:], "%C3%A9"} {
		c.Do("GET", "/files/changes?cursor="+bad, nil).WantProblem(t, 400, "invalid_cursor")
	}
	h.exec(t, "UPDATE changes SET at = now() - interval '29 days' WHERE owner_id = $1", id)
	h.run(t, "files.feed")
	wantLines(t, since(t, c, first), "created /documents/a.txt")
	h.exec(t, "UPDATE changes SET at = now() - interval '31 days' WHERE owner_id = $1", id)
	h.run(t, "files.feed")
	if n := h.number(t, "SELECT count(*) FROM changes WHERE owner_id = $1", id); n != 0 {
		t.Fatalf("%d entries are kept", n)
	}
	for _, at := range []string{"?cursor=" + first, ""} {
		c.Do("GET", "/files/changes"+at, nil).WantProblem(t, 410, "cursor_expired")
		c.Do("GET", "/files/events?cursor="+first, nil).WantProblem(t, 410, "cursor_expired")
	}
	// Nothing is lost to who had read it all.
	c.Do("PUT", "/files/content/documents/b.txt", "x").Want(t, 201)
	wantLines(t, since(t, c, last), "created /documents/b.txt")
	// Another feed has begun, or an older one was restored.
	h.exec(t, "UPDATE trees SET seq = 1 WHERE owner_id = $1", id)
	c.Do("GET", "/files/changes?cursor="+last, nil).WantProblem(t, 410, "cursor_expired")
	h.exec(t, "UPDATE trees SET seq = 1000, feed_epoch = gen_random_uuid() WHERE owner_id = $1", id)
	c.Do("GET", "/files/changes?cursor="+last, nil).WantProblem(t, 410, "cursor_expired")
}
