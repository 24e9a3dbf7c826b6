package files_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

var operations = flag.Int("operations", 600, "how many random operations the mirror follows")

// mirror is a client that knows a tree by its feed alone.
type mirror struct {
	items   map[string]item
	trashed map[string]bool   // by id: the tops of what lies in the trash
	bytes   map[string][]byte // by sha256
}

func newMirror() *mirror {
	return &mirror{map[string]item{}, map[string]bool{}, map[string][]byte{}}
}

func (m *mirror) apply(t testing.TB, c *httpxtest.Client, e told) {
	t.Helper()
	it := e.Item
	if e.Type == "purged" {
		m.purge(it.ID)
		return
	}
	old, known := m.items[it.ID]
	if known == (e.Type == "created") || known && it.Revision < old.Revision {
		t.Errorf("%s %s of revision %d after %+v", e.Type, it.Path, it.Revision, old)
	}
	m.items[it.ID] = it
	if e.Type != "changed" {
		m.trashed[it.ID] = e.Type == "trashed"
	}
	if it.SHA256 != nil && m.bytes[*it.SHA256] == nil {
		// Gone on already, the item comes again in a later entry.
		if a := c.Do("GET", "/files/items/"+it.ID+"/content", nil); a.Status == 200 {
			m.bytes[sha(a.Body)] = a.Body
		}
	}
}

// purge takes an item away with all below it that was not trashed by itself.
func (m *mirror) purge(id string) {
	delete(m.items, id)
	delete(m.trashed, id)
	for _, it := range m.items {
		if it.ParentID != nil && *it.ParentID == id && !m.trashed[it.ID] {
			m.purge(it.ID)
		}
	}
}

// tree is what the mirror holds: bytes by path, nil for a folder.
func (m *mirror) tree(t testing.TB) map[string][]byte {
	t.Helper()
	tree := map[string][]byte{}
	for _, it := range m.items {
		path := ""
		for at := it; at.ParentID != nil && path != "-"; at = m.items[*at.ParentID] {
			if path = "/" + at.Name + path; m.trashed[at.ID] || m.items[*at.ParentID].ID == "" {
				path = "-"
			}
		}
		switch {
		case path == "-":
		case it.Type == "folder":
			tree[path] = nil
		case m.bytes[*it.SHA256] == nil:
			t.Errorf("the bytes of %s never came", path)
		default:
			tree[path] = m.bytes[*it.SHA256]
		}
	}
	return tree
}

// wantDisk holds the mirror against the owner's folder.
func (m *mirror) wantDisk(t testing.TB, root string) {
	t.Helper()
	tree := m.tree(t)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(p, root)
		text, ok := tree[path]
		if !ok || d.IsDir() != (text == nil) {
			t.Errorf("the disk has %q, the mirror not", path)
			return nil
		}
		delete(tree, path)
		if d.IsDir() {
			return nil
		}
		stored, err := os.ReadFile(p)
		if !bytes.Equal(stored, text) {
			t.Errorf("the mirror has other bytes of %q", path)
		}
		return err
	})
	if err != nil || len(tree) > 0 {
		t.Errorf("%v; the mirror has %q, the disk not", err, slices.Sorted(maps.Keys(tree)))
	}
}

// writer changes one tree at random, beside others.
type writer struct {
	mu  sync.Mutex
	ids []string // of items that were seen
}

func (w *writer) pick() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ids[rand.IntN(len(w.ids))]
}

func (w *writer) saw(t testing.TB, a *httpxtest.Answer) {
	if a.Status != 201 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids = append(w.ids, decode[item](t, a).ID); len(w.ids) > 60 {
		w.ids = w.ids[1:]
	}
}

// step is one random operation; many of them are refused.
func (w *writer) step(t testing.TB, c *httpxtest.Client) *httpxtest.Answer {
	id, other := w.pick(), w.pick()
	name := fmt.Sprintf("n%d", rand.IntN(40))
	text := append([]byte("text "), random(rand.IntN(300))...)
	switch rand.IntN(12) {
	case 0, 1:
		return c.Do("POST", "/files/folders", map[string]string{"parent_id": id, "name": name})
	case 2, 3, 4:
		return c.Do("PUT", "/files/content/documents/"+name, text)
	case 5:
		return c.Do("PUT", fmt.Sprintf("/files/content/images/%s/%s?parents=true", name, name), text)
	case 6:
		return c.Do("PUT", "/files/items/"+id+"/content", text)
	case 7:
		return c.Do("PATCH", "/files/items/"+id, map[string]string{"name": name, "parent_id": other})
	case 8:
		return c.Do("POST", "/files/items/"+id+"/copy", map[string]string{"parent_id": other})
	case 9:
		return c.Do("DELETE", "/files/items/"+id, nil)
	case 10:
		return c.Do("POST", "/files/trash/"+id+"/restore", nil)
	}
	return c.Do("DELETE", "/files/trash/"+id, nil)
}

func TestMirror_FollowsManyWritersAndEndsByteIdentical(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	second := h.second(t)
	workers := []*house{h, second}
	clients := []*httpxtest.Client{c, second.Client(t).As(c.Bearer)}
	first := decode[changes](t, c.Do("GET", "/files/changes", nil).Want(t, 200))
	w := &writer{}
	for _, e := range first.Items {
		w.ids = append(w.ids, e.Item.ID)
	}
	var writing, following sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 6 {
		writing.Go(func() {
			for range *operations / 6 {
				a := w.step(t, clients[i%2])
				w.saw(t, a)
				mu.Lock()
				statuses[a.Status]++
				mu.Unlock()
			}
		})
	}
	// One mirror asks, another listens and cuts itself off again and again;
	// both until the last word of the writers.
	const end = "/the end"
	asking, listening := newMirror(), newMirror()
	following.Go(func() {
		at := ""
		for last := ""; last != end; time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) {
			path := fmt.Sprintf("/files/changes?limit=%d%s", 1+rand.IntN(40), at)
			page := decode[changes](t, clients[1].Do("GET", path, nil).Want(t, 200))
			for _, e := range page.Items {
				asking.apply(t, clients[1], e)
				last = e.Item.Path
			}
			at = "&cursor=" + page.NextCursor
		}
	})
	following.Go(func() {
		for _, e := range first.Items {
			listening.apply(t, c, e)
		}
		at, last := first.NextCursor, ""
		for n := 0; last != end; n++ {
			l := listen(t, workers[n%2], clients[n%2], at)
			for range 1 + rand.IntN(100) {
				e, ok := l.next(t)
				if !ok {
					break // the client's own timeout
				}
				listening.apply(t, c, e)
				if last = e.Item.Path; last == end {
					break
				}
			}
			l.close()
			at = l.id
		}
	})
	writing.Wait()
	c.Do("PUT", "/files/content"+strings.ReplaceAll(end, " ", "%20"), "x").Want(t, 201)
	following.Wait()
	h.settled(t)
	for name, m := range map[string]*mirror{"asking": asking, "listening": listening} {
		m.wantDisk(t, h.place(id))
		if t.Failed() {
			t.Fatalf("the mirror that is %s has failed", name)
		}
	}
	entries := h.number(t, "SELECT count(*) FROM changes")
	t.Logf("answers by status: %v; %d entries", statuses, entries)
}
