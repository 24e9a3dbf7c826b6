package files_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestChildren_ComeInOrderPageByPage(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	docs := decode[item](t, c.Do("GET", "/files/lookup?path=documents", nil).Want(t, 200))
	for i, name := range []string{"b.txt", "A.txt", "c.txt", "é.txt", "z.txt", "a.txt"} {
		c.Do("PUT", "/files/content/documents/"+name, strings.Repeat("x", (i*7)%5+1)).Want(t, 201)
	}
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/zoo"}).Want(t, 201)
	c.Do("POST", "/files/folders", map[string]string{"parent_id": docs.ID, "name": "ark"}).Want(t, 201)
	at := "/files/items/" + docs.ID + "/children"
	for sort, want := range map[string][]string{
		"":            {"ark", "zoo", "A.txt", "a.txt", "b.txt", "c.txt", "z.txt", "é.txt"},
		"name":        {"ark", "zoo", "A.txt", "a.txt", "b.txt", "c.txt", "z.txt", "é.txt"},
		"-name":       {"zoo", "ark", "é.txt", "z.txt", "c.txt", "b.txt", "a.txt", "A.txt"},
		"-updated_at": {"ark", "zoo", "a.txt", "z.txt", "é.txt", "c.txt", "A.txt", "b.txt"},
		"updated_at":  {"zoo", "ark", "b.txt", "A.txt", "c.txt", "é.txt", "z.txt", "a.txt"},
		"size":        {"zoo", "ark", "b.txt", "a.txt", "é.txt", "A.txt", "z.txt", "c.txt"},
	} {
		for _, limit := range []int{1, 3, 8, 500} {
			var got []string
			cursor := ""
			for range 20 {
				p := decode[page](t, c.Do("GET", fmt.Sprintf("%s?sort=%s&limit=%d%s", at, sort, limit, cursor), nil).Want(t, 200))
				if len(p.Items) > limit {
					t.Fatalf("%d items on a page of %d", len(p.Items), limit)
				}
				got = append(got, p.names()...)
				if p.NextCursor == nil {
					break
				}
				cursor = "&cursor=" + *p.NextCursor
			}
			if !slices.Equal(got, want) && sort != "size" {
				t.Errorf("sort=%s&limit=%d: got %q, want %q", sort, limit, got, want)
			}
			if len(got) != len(want) {
				t.Errorf("sort=%s&limit=%d: got %q", sort, limit, got)
			}
		}
	}
	first := decode[page](t, c.Do("GET", at+"?limit=2", nil).Want(t, 200))
	if first.Items[0].Path != "/documents/ark" || first.Items[0].Type != "folder" {
		t.Errorf("got %+v", first.Items[0])
	}
	c.Do("GET", at+"?limit=2&sort=size&cursor="+*first.NextCursor, nil).WantProblem(t, 400, "invalid_cursor")
	c.Do("GET", "/files/items/root/children?limit=2&cursor="+*first.NextCursor, nil).WantProblem(t, 400, "invalid_cursor")
	c.Do("GET", at+"?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")
	c.Do("GET", at+"?sort=color", nil).WantProblem(t, 400, "invalid_parameter")
	for _, limit := range []string{"0", "-1", "1000000000"} {
		c.Do("GET", at+"?limit="+limit, nil).Want(t, 200)
	}
	c.Do("GET", "/files/items/"+first.Items[0].ID+"/children", nil).Want(t, 200)
}

func TestChildren_SortNumbersByTheirValue(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	want := []string{"2.1", "2.10", "file1.txt", "file01.txt", "file001.txt", "File2.txt", "file９.txt", "FILE10.txt", "file١١.txt",
		"file12 part2.txt", "file12 part10.txt", "file" + strings.Repeat("1", 200) + ".txt", "filet.txt"}
	for _, i := range []int{7, 3, 0, 12, 9, 4, 11, 1, 5, 8, 2, 10, 6} {
		c.Do("PUT", "/files/content/numbers/"+url.PathEscape(want[i])+"?parents=true", "x").Want(t, 201)
	}
	id := decode[item](t, c.Do("GET", "/files/lookup?path=/numbers", nil).Want(t, 200)).ID
	for _, sort := range []string{"name", "-name"} {
		var got []string
		for at := "/files/items/" + id + "/children?limit=4&sort=" + sort; ; {
			p := decode[page](t, c.Do("GET", at, nil).Want(t, 200))
			got = append(got, p.names()...)
			if p.NextCursor == nil {
				break
			}
			at, _, _ = strings.Cut(at, "&cursor=")
			at += "&cursor=" + *p.NextCursor
		}
		if !slices.Equal(got, want) {
			t.Errorf("sort=%s: got %q, want %q", sort, got, want)
		}
		slices.Reverse(want)
	}
}

// TestNames_OfAnyKindHaveKeysThatTheIndexesHold: what grows when it is folded,
// composed or counted.
func TestNames_OfAnyKindHaveKeysThatTheIndexesHold(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for _, part := range []string{"1a", "01a", "0", "ᾷ", "ŉ", "ﬃ", "\u0344", "\U0001d160", "שּׁ", "༳1", "字", "a\u0301"} {
		name := strings.Repeat(part, 255/len(part))
		it := decode[item](t, c.Do("PUT", "/files/content/"+url.PathEscape(name), "x").Want(t, 201))
		if got := searched(t, c, "q", name[:len(part)]).paths(); !slices.Contains(got, it.Path) {
			t.Errorf("%.20q is not found", name)
		}
	}
}

func TestCursor_ThatWasEditedIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for _, name := range []string{"a", "b"} {
		c.Do("PUT", "/files/content/documents/"+name, "x").Want(t, 201)
		it := decode[item](t, c.Do("PUT", "/files/content/images/"+name, "x").Want(t, 201))
		c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	}
	docs := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	const id = "01234567-89ab-7def-8123-456789abcdef"
	children := "/files/items/" + docs.ID + "/children?limit=1&sort="
	key := func(kind int, key, id string) any { return map[string]any{"kind": kind, "key": key, "id": id} }
	for at, edits := range map[string][]any{
		children + "name":       {key(1, "x", "notuuid"), key(-1, "x", id), key(1, "x\x00", id), []string{"1", "x", id}, "x"},
		children + "size":       {key(1, "x", id), key(1, "99999999999999999999", id)},
		children + "-size":      {key(1, "", id)},
		children + "updated_at": {key(1, "x", id), key(1, "999999-01-01T00:00:00Z", id)},
		"/files/trash?limit=1":  {[]string{"x", id}, []string{"2026-01-01T00:00:00Z", "x"}, []string{"1", "2026-01-01T00:00:00Z", id}},
	} {
		good := *decode[page](t, c.Do("GET", at, nil).Want(t, 200)).NextCursor
		second := decode[page](t, c.Do("GET", at+"&cursor="+good, nil).Want(t, 200))
		if len(second.Items) != 1 || second.NextCursor != nil {
			t.Errorf("%s: got %+v", at, second)
		}
		b, err := base64.RawURLEncoding.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		var cursor map[string]any
		if err := json.Unmarshal(b, &cursor); err != nil {
			t.Fatal(err)
		}
		for _, after := range edits {
			cursor["a"] = after
			if b, err = json.Marshal(cursor); err != nil {
				t.Fatal(err)
			}
			c.Do("GET", at+"&cursor="+base64.RawURLEncoding.EncodeToString(b), nil).WantProblem(t, 400, "invalid_cursor")
		}
	}
}

func TestRoot_HasTheThreeFoldersOfANewOwner(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	p := decode[page](t, c.Do("GET", "/files/items/root/children", nil).Want(t, 200))
	if got := p.names(); !slices.Equal(got, []string{"backups", "documents", "images"}) {
		t.Fatalf("got %q", got)
	}
	for _, name := range p.names() {
		h.wantFolder(t, h.place(id, name))
	}
	root := decode[item](t, c.Do("GET", "/files/items/root", nil).Want(t, 200))
	if root.Path != "/" || root.ParentID != nil || root.ID != *p.Items[0].ParentID {
		t.Fatalf("got %+v", root)
	}
}
