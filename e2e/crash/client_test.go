package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// client works in a folder of its own, one request after another, so that it
// always knows what must be there. When an answer does not come it rests until
// the next check: then either all or nothing of that request must be there.
type client struct {
	name   string
	owner  *account
	folder string // the id of its own folder
	rand   *rand.Rand
	next   int
	log    history

	mu       sync.Mutex // guards nodes, for the reader
	nodes    model
	doubtful model // with the request whose answer never came; nil without one
}

// step does one random thing. finding is what must not be.
func (c *client) step(ctx context.Context, s *server) (finding string) {
	c.next++
	name := fmt.Sprintf("%s-%d", c.name, c.next)
	live := c.keys(func(n node) bool { return n.id != "" && !n.trashed && c.nodes.alive(n) })
	folders := append(slices.DeleteFunc(slices.Clone(live), func(k int) bool { return !c.nodes[k].folder }), 0)
	trash := c.keys(func(n node) bool { return n.trashed && n.id != "" })
	pick := func(keys []int) int { return keys[c.rand.IntN(len(keys))] }

	k := c.rand.IntN(100)
	switch {
	case len(live) > 14:
		k = 70 + c.rand.IntN(12) // trash
	case len(trash) > 6:
		k = 92 // purge
	case len(live) < 3:
		k = c.rand.IntN(40)
	}
	files := slices.DeleteFunc(slices.Clone(live), func(k int) bool { return c.nodes[k].folder })
	switch {
	case k < 6: // upload by tus
		body, parent := c.bytes(name), pick(folders)
		return c.send(ctx, s, c.next, "POST", "/files/uploads", resumable{c.id(parent), name, body}, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, sum: sum(body), size: len(body)}
		})
	case k < 12 && len(live) > 0: // copy
		from, parent := pick(live), pick(folders)
		if c.nodes.below(parent, from) {
			return ""
		}
		top, to := c.next, map[string]string{"parent_id": c.id(parent), "name": name}
		return c.send(ctx, s, top, "POST", "/files/items/"+c.nodes[from].id+"/copy", to, func(m model, id string) {
			c.next = m.copy(from, parent, top)
			m.edit(top, func(n *node) { n.id, n.name = id, name })
		})
	case k < 28: // upload
		body := c.bytes(name)
		parent := pick(folders)
		at := fmt.Sprintf("/files/content%s/%s", c.path(parent), name)
		return c.send(ctx, s, c.next, "PUT", at, body, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, sum: sum(body), size: len(body)}
		})
	case k < 38: // mkdir
		parent := pick(folders)
		return c.send(ctx, s, c.next, "POST", "/files/folders", map[string]string{"path": c.path(parent) + "/" + name}, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, folder: true}
		})
	case k < 56: // replace
		return c.replace(ctx, s, files, name)
	case k < 62: // rename, and often back: an old record that is redone would show
		key := pick(live)
		if c.rand.IntN(2) == 0 {
			name = strings.TrimPrefix("x"+c.nodes[key].name, "xx")
		}
		if c.nodes.taken(c.nodes[key].parent, name) {
			return ""
		}
		return c.send(ctx, s, key, "PATCH", "/files/items/"+c.nodes[key].id, map[string]string{"name": name}, func(m model, _ string) {
			m.edit(key, func(n *node) { n.name = name })
		})
	case k < 70: // move
		key, parent := pick(live), pick(folders)
		if c.nodes.below(parent, key) || c.nodes.taken(parent, c.nodes[key].name) {
			return ""
		}
		return c.send(ctx, s, key, "PATCH", "/files/items/"+c.nodes[key].id, map[string]string{"parent_id": c.id(parent)}, func(m model, _ string) {
			m.edit(key, func(n *node) { n.parent = parent })
		})
	case k < 82: // trash
		key := pick(live)
		if slices.ContainsFunc(trash, func(k int) bool { return c.nodes[k].name == c.nodes[key].name }) {
			return "" // what is in the trash is known by its name
		}
		return c.send(ctx, s, key, "DELETE", "/files/items/"+c.nodes[key].id, nil, func(m model, _ string) {
			m.edit(key, func(n *node) { n.trashed = true })
		})
	case len(trash) == 0:
		return ""
	case k < 92: // restore
		key := pick(trash)
		if n := c.nodes[key]; !c.nodes.alive(n) || c.nodes.taken(n.parent, n.name) {
			return ""
		}
		return c.send(ctx, s, key, "POST", "/files/trash/"+c.nodes[key].id+"/restore", nil, func(m model, _ string) {
			m.edit(key, func(n *node) { n.trashed = false })
		})
	default: // purge
		key := pick(trash)
		return c.send(ctx, s, key, "DELETE", "/files/trash/"+c.nodes[key].id, nil, func(m model, _ string) { m.remove(key) })
	}
}

// send sends a request that does apply to the tree when it is carried out.
func (c *client) send(ctx context.Context, s *server, key int, method, path string, body any, apply func(m model, id string)) (finding string) {
	var it itemBody
	var out any = &it
	if method == "DELETE" {
		out = nil
	}
	answers := c.owner.answers
	began := time.Now()
	status, code, sure := c.owner.ask(ctx, s, method, path, body, out)
	c.log.note("#%d %s %s %s by %s in %d ms: %d %s %s", key, method, path, describe(body), s.name, time.Since(began).Milliseconds(), status, code, it.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sure {
		answers.unknown.Add(1)
		c.doubtful = maps.Clone(c.nodes)
		apply(c.doubtful, "")
		return ""
	}
	if c.owner.shutOut(s, code) {
		answers.refused.Add(1)
		return ""
	}
	done, ok := answers.settled(status, code)
	if done {
		apply(c.nodes, it.ID)
	}
	if !ok {
		return fmt.Sprintf("%s: %s %s: got %d %s for something that must be there%s", c.name, method, path, status, code, c.historyOf(key, it.ID))
	}
	return ""
}

// describe says what was sent.
func describe(body any) string {
	switch body := body.(type) {
	case nil:
		return ""
	case []byte:
		return fmt.Sprintf("(%d bytes %.8s)", len(body), sum(body))
	case resumable:
		return fmt.Sprintf("(tus %s: %d bytes %.8s)", body.name, len(body.bytes), sum(body.bytes))
	}
	text, _ := json.Marshal(body)
	return string(text)
}

// historyOf is what was asked for an item and the folders above it; the things
// may be names or ids.
func (c *client) historyOf(key int, things ...string) string {
	for ; key != 0; key = c.nodes[key].parent {
		things = append(things, fmt.Sprintf("#%d ", key), c.nodes[key].id)
	}
	return c.log.of(things...)
}

// read reads a file that was acknowledged: it must come whole, as one version.
func (c *client) read(ctx context.Context, s *server, r *rand.Rand) (finding string) {
	c.mu.Lock()
	keys := c.keys(func(n node) bool { return !n.folder && !n.trashed && n.id != "" })
	var n node
	if len(keys) > 0 {
		n = c.nodes[keys[r.IntN(len(keys))]]
	}
	c.mu.Unlock()
	if n.id == "" {
		return ""
	}
	var body []byte
	status, code, sure := c.owner.ask(ctx, s, "GET", "/files/items/"+n.id+"/content", nil, &body)
	switch {
	case !sure || status == 404 && code == "not_found" || status == 503: // trashed meanwhile, or no server
	case status != 200:
		return fmt.Sprintf("%s: reading %s (%s) by %s: got %d %s", c.name, n.name, n.id, s.name, status, code)
	case code != `"`+sum(body)+`"`:
		return fmt.Sprintf("%s: reading %s (%s) by %s: torn: %d bytes with sum %s came as %s", c.name, n.name, n.id, s.name, len(body), sum(body), code)
	default:
		c.owner.answers.reads.Add(1)
	}
	return ""
}

func (c *client) keys(want func(n node) bool) (keys []int) {
	for k, n := range c.nodes {
		if want(n) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (c *client) bytes(name string) []byte { return bytesOf(c.rand, name, 40_000) }

func (c *client) id(key int) string {
	if key == 0 {
		return c.folder
	}
	return c.nodes[key].id
}

func (c *client) path(key int) string { return "/" + c.name + c.nodes.path(key) }

// settle compares the client's tree with what is there and takes over which of
// the two outcomes of a request without answer it was.
func (c *client) settle(there map[string]entry) (finding string) {
	before, at := c.nodes.differs(there)
	if before != "" && c.doubtful != nil {
		after, also := c.doubtful.differs(there)
		if after != "" {
			return fmt.Sprintf("%s: neither all nor nothing of the last request is there: %s; %s%s", c.name, before, after, c.historyAt(there, at, also))
		}
		c.mu.Lock()
		c.nodes = c.doubtful
		c.mu.Unlock()
		before = ""
	}
	if before != "" {
		return fmt.Sprintf("%s: %s%s", c.name, before, c.historyAt(there, at))
	}
	if c.doubtful != nil {
		c.log.note("the request without an answer is settled")
	}
	c.doubtful = nil
	for k, n := range c.nodes {
		if n.id == "" {
			path := c.nodes.path(k)
			if n.trashed {
				path = "trash/" + n.name
			}
			c.nodes.edit(k, func(n *node) { n.id = there[path].id })
		}
	}
	return ""
}

// historyAt is the history of what stands, or should stand, at paths.
func (c *client) historyAt(there map[string]entry, paths ...string) (text string) {
	for _, at := range paths {
		key := 0
		for _, m := range []model{c.nodes, c.doubtful} {
			for k, n := range m {
				if n.trashed && at == "trash/"+n.name || !n.trashed && at == m.path(k) {
					key = k
				}
			}
		}
		text += c.historyOf(key, path.Base(at), there[at].id)
	}
	return text
}

// list asks the server for the client's tree and its part of the trash.
func (c *client) list(t testing.TB, s *server, folder, path string, there map[string]entry) {
	t.Helper()
	var page struct{ Items []itemBody }
	if status, code, _ := c.owner.ask(t.Context(), s, "GET", "/files/items/"+folder+"/children?limit=200", nil, &page); status != 200 {
		t.Fatalf("list %s%s: %d %s", c.name, path, status, code)
	}
	for _, it := range page.Items {
		there[path+"/"+it.Name] = entry{it.ID, it.SHA256, c.listVersions(t, s, it)}
		if it.Type == "folder" {
			c.list(t, s, it.ID, path+"/"+it.Name, there)
		}
	}
	if path != "" {
		return
	}
	var trash struct{ Items []itemBody }
	if status, code, _ := c.owner.ask(t.Context(), s, "GET", "/files/trash?limit=200", nil, &trash); status != 200 {
		t.Fatalf("list the trash: %d %s", status, code)
	}
	for _, it := range trash.Items {
		if c.names(it.Name) {
			there["trash/"+it.Name] = entry{id: it.ID, sum: it.SHA256}
		}
	}
}

// names reports whether the client gave something that name.
func (c *client) names(name string) bool {
	return strings.HasPrefix(strings.TrimLeft(name, "x"), c.name+"-")
}
