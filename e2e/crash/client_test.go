package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// node is a file or folder as a client expects it. parent is a key of the
// tree, 0 for the client's own folder.
type node struct {
	id      string // "": made by a request whose answer never came
	parent  int
	name    string
	folder  bool
	sum     string
	size    int
	trashed bool
}

// model is what a client was told: a tree that it alone changes.
type model map[int]node

// client works in a folder of its own, one request after another, so that it
// always knows what must be there. When an answer does not come it rests until
// the next check: then either all or nothing of that request must be there.
type client struct {
	name   string
	owner  *account
	folder string // the id of its own folder
	rand   *rand.Rand
	next   int

	mu       sync.Mutex // guards nodes, for the reader
	nodes    model
	doubtful model // with the request whose answer never came; nil without one
}

// account is one user with several clients.
type account struct {
	email   string
	token   string
	clients []*client
	box     string // a folder that everybody renames
}

// contend changes what others change at the same time, through both servers.
// Whoever wins: bytes and rows must agree in the end.
func (a *account) contend(ctx context.Context, s *server, r *rand.Rand) {
	body := make([]byte, 1+r.IntN(3000))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	status := 0
	switch r.IntN(6) {
	case 0:
		name := fmt.Sprintf("box%d", r.IntN(2))
		status, _, _ = request(ctx, s, a.token, "PATCH", "/files/items/"+a.box, map[string]string{"name": name}, nil)
	case 1:
		status, _, _ = request(ctx, s, a.token, "PUT", fmt.Sprintf("/files/content/shared/box%d/x%d", r.IntN(2), r.IntN(2)), body, nil)
	default:
		status, _, _ = request(ctx, s, a.token, "PUT", fmt.Sprintf("/files/content/shared/hot%d", r.IntN(2)), body, nil)
	}
	if status >= 500 || status == 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

// resumable is the body of an upload by tus that comes with its creation.
type resumable struct {
	folder string // the id of where it goes
	name   string
	bytes  []byte
}

// answers counts what happened, over all cycles.
var answers struct{ acknowledged, unknown, refused, reads atomic.Int64 }

// request sends one request. sure is false when its outcome is not known.
func request(ctx context.Context, s *server, token, method, path string, body any, out any) (status int, code string, sure bool) {
	var content io.Reader
	kind := "application/octet-stream"
	switch body := body.(type) {
	case nil:
	case []byte:
		content = bytes.NewReader(body)
	case resumable:
		content, kind = bytes.NewReader(body.bytes), "application/offset+octet-stream"
	default:
		text, _ := json.Marshal(body)
		content, kind = bytes.NewReader(text), "application/json"
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", kind)
	if up, ok := body.(resumable); ok {
		req.Header.Set("Tus-Resumable", "1.0.0")
		req.Header.Set("Upload-Length", fmt.Sprint(len(up.bytes)))
		encode := base64.StdEncoding.EncodeToString
		req.Header.Set("Upload-Metadata", fmt.Sprintf("filename %s,parent_id %s", encode([]byte(up.name)), encode([]byte(up.folder))))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return http.StatusServiceUnavailable, "busy", true // it was never sent
	}
	if err != nil {
		return 0, err.Error(), false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error(), false
	}
	if res.StatusCode >= 300 {
		var problem struct{ Code string }
		json.Unmarshal(text, &problem)
		// busy and a 4xx say that nothing happened; the others leave it open.
		return res.StatusCode, problem.Code, res.StatusCode < 500 || problem.Code == "busy"
	}
	if _, made, ok := strings.Cut(res.Header.Get("Content-Location"), "/items/"); ok {
		text = fmt.Appendf(nil, `{"id":%q}`, made) // tus answers without a body
	}
	if b, ok := out.(*[]byte); ok {
		*b, code = text, res.Header.Get("ETag")
	} else if out != nil && json.Unmarshal(text, out) != nil {
		return 0, "the answer is no JSON", false
	}
	return res.StatusCode, code, true
}

type itemBody struct {
	ID, Name, Path, Type, SHA256 string
	Size                         int
}

// step does one random thing. finding is what must not be.
func (c *client) step(ctx context.Context, s *server) (finding string) {
	c.next++
	name := fmt.Sprintf("%s-%d", c.name, c.next)
	live := c.keys(func(n node) bool { return !n.trashed && c.nodes.alive(n) })
	folders := append(c.keys(func(n node) bool { return n.folder && !n.trashed && c.nodes.alive(n) }), 0)
	trash := c.keys(func(n node) bool { return n.trashed })
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
		return c.send(ctx, s, "POST", "/files/uploads", resumable{c.id(parent), name, body}, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, sum: sum(body), size: len(body)}
		})
	case k < 10 && len(files) > 0: // copy
		from, parent := c.nodes[pick(files)], pick(folders)
		to := map[string]string{"parent_id": c.id(parent), "name": name}
		return c.send(ctx, s, "POST", "/files/items/"+from.id+"/copy", to, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, sum: from.sum, size: from.size}
		})
	case k < 28: // upload
		body := c.bytes(name)
		parent := pick(folders)
		at := fmt.Sprintf("/files/content%s/%s", c.path(parent), name)
		return c.send(ctx, s, "PUT", at, body, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, sum: sum(body), size: len(body)}
		})
	case k < 38: // mkdir
		parent := pick(folders)
		return c.send(ctx, s, "POST", "/files/folders", map[string]string{"path": c.path(parent) + "/" + name}, func(m model, id string) {
			m[c.next] = node{id: id, parent: parent, name: name, folder: true}
		})
	case k < 56: // replace
		if len(files) == 0 {
			return ""
		}
		key, body := pick(files), c.bytes(name)
		return c.send(ctx, s, "PUT", "/files/items/"+c.nodes[key].id+"/content", body, func(m model, _ string) {
			m.edit(key, func(n *node) { n.sum, n.size = sum(body), len(body) })
		})
	case k < 62: // rename, and often back: an old record that is redone would show
		key := pick(live)
		if c.rand.IntN(2) == 0 {
			name = strings.TrimPrefix("x"+c.nodes[key].name, "xx")
		}
		return c.send(ctx, s, "PATCH", "/files/items/"+c.nodes[key].id, map[string]string{"name": name}, func(m model, _ string) {
			m.edit(key, func(n *node) { n.name = name })
		})
	case k < 70: // move
		key, parent := pick(live), pick(folders)
		if c.nodes.below(parent, key) || c.nodes[key].parent == parent {
			return ""
		}
		return c.send(ctx, s, "PATCH", "/files/items/"+c.nodes[key].id, map[string]string{"parent_id": c.id(parent)}, func(m model, _ string) {
			m.edit(key, func(n *node) { n.parent = parent })
		})
	case k < 82: // trash
		key := pick(live)
		return c.send(ctx, s, "DELETE", "/files/items/"+c.nodes[key].id, nil, func(m model, _ string) {
			m.edit(key, func(n *node) { n.trashed = true })
		})
	case len(trash) == 0:
		return ""
	case k < 92: // restore
		key := pick(trash)
		if n := c.nodes[key]; n.parent != 0 && !c.nodes.alive(n) {
			return ""
		}
		return c.send(ctx, s, "POST", "/files/trash/"+c.nodes[key].id+"/restore", nil, func(m model, _ string) {
			m.edit(key, func(n *node) { n.trashed = false })
		})
	default: // purge
		key := pick(trash)
		return c.send(ctx, s, "DELETE", "/files/trash/"+c.nodes[key].id, nil, func(m model, _ string) { m.remove(key) })
	}
}

// send sends a request that does apply to the tree when it is carried out.
func (c *client) send(ctx context.Context, s *server, method, path string, body any, apply func(m model, id string)) (finding string) {
	var it itemBody
	var out any = &it
	if method == "DELETE" {
		out = nil
	}
	status, code, sure := request(ctx, s, c.owner.token, method, path, body, out)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !sure:
		answers.unknown.Add(1)
		c.doubtful = maps.Clone(c.nodes)
		apply(c.doubtful, "")
	case status < 300:
		answers.acknowledged.Add(1)
		apply(c.nodes, it.ID)
	case code == "busy":
		answers.refused.Add(1)
		time.Sleep(2 * time.Millisecond)
	default:
		return fmt.Sprintf("%s: %s %s: got %d %s for something that must be there", c.name, method, path, status, code)
	}
	return ""
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
	status, code, sure := request(ctx, s, c.owner.token, "GET", "/files/items/"+n.id+"/content", nil, &body)
	switch {
	case !sure || status == 404 && code == "not_found" || status == 503: // trashed meanwhile, or no server
	case status != 200:
		return fmt.Sprintf("%s: reading %s (%s): got %d %s", c.name, n.name, n.id, status, code)
	case code != `"`+sum(body)+`"`:
		return fmt.Sprintf("%s: reading %s (%s): torn: %d bytes with sum %s came as %s", c.name, n.name, n.id, len(body), sum(body), code)
	default:
		answers.reads.Add(1)
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

func (c *client) bytes(name string) []byte {
	b := make([]byte, c.rand.IntN(40_000))
	for i := range b {
		b[i] = byte(c.rand.Uint32())
	}
	return append([]byte(name+"\n"), b...)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func (c *client) id(key int) string {
	if key == 0 {
		return c.folder
	}
	return c.nodes[key].id
}

func (c *client) path(key int) string { return "/" + c.name + c.nodes.path(key) }

func (m model) path(key int) string {
	if key == 0 {
		return ""
	}
	return m.path(m[key].parent) + "/" + m[key].name
}

// alive reports whether every folder above is there, and not in the trash.
func (m model) alive(n node) bool {
	for n.parent != 0 {
		p, ok := m[n.parent]
		if !ok || p.trashed {
			return false
		}
		n = p
	}
	return true
}

func (m model) below(key, folder int) bool {
	for ; key != 0; key = m[key].parent {
		if key == folder {
			return true
		}
	}
	return false
}

func (m model) edit(key int, change func(n *node)) {
	n := m[key]
	change(&n)
	m[key] = n
}

// remove takes a purged item out with what was not in the trash for itself.
func (m model) remove(key int) {
	delete(m, key)
	for k, n := range maps.Clone(m) {
		if n.parent == key && !n.trashed {
			m.remove(k)
		}
	}
}

// entry is an item as it is compared: where, which, what.
type entry struct{ id, sum string }

// expected are the entries that a model asks for; the path of what is in the
// trash is its name alone.
func (m model) expected() map[string]entry {
	all := map[string]entry{}
	for k, n := range m {
		switch {
		case n.trashed:
			all["trash/"+n.name] = entry{n.id, n.sum}
		case m.alive(n):
			all[m.path(k)] = entry{n.id, n.sum}
		}
	}
	return all
}

// differs says in which way what is there is not what the model asks for.
func (m model) differs(there map[string]entry) string {
	want := m.expected()
	for path, w := range want {
		got, ok := there[path]
		switch {
		case !ok:
			return fmt.Sprintf("%s is gone", path)
		case w.sum != got.sum:
			return fmt.Sprintf("%s has other bytes: %.8s, not %.8s", path, got.sum, w.sum)
		case w.id != "" && w.id != got.id:
			return fmt.Sprintf("%s is another item", path)
		}
	}
	for path := range there {
		if _, ok := want[path]; !ok {
			return fmt.Sprintf("%s is there", path)
		}
	}
	return ""
}

// settle compares the client's tree with the server's and takes over which of
// the two outcomes of a request without answer it was.
func (c *client) settle(t testing.TB, s *server) (finding string) {
	t.Helper()
	there := map[string]entry{}
	c.list(t, s, c.folder, "", there)
	before := c.nodes.differs(there)
	if before != "" && c.doubtful != nil {
		after := c.doubtful.differs(there)
		if after != "" {
			return fmt.Sprintf("%s: neither all nor nothing of the last request is there: %s; %s", c.name, before, after)
		}
		c.nodes = c.doubtful
		before = ""
	}
	if before != "" {
		return fmt.Sprintf("%s: %s", c.name, before)
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

func (c *client) list(t testing.TB, s *server, folder, path string, there map[string]entry) {
	t.Helper()
	var page struct{ Items []itemBody }
	if status, code, _ := request(t.Context(), s, c.owner.token, "GET", "/files/items/"+folder+"/children?limit=200", nil, &page); status != 200 {
		t.Fatalf("list %s%s: %d %s", c.name, path, status, code)
	}
	for _, it := range page.Items {
		there[path+"/"+it.Name] = entry{it.ID, it.SHA256}
		if it.Type == "folder" {
			c.list(t, s, it.ID, path+"/"+it.Name, there)
		}
	}
	if path != "" {
		return
	}
	var trash struct{ Items []itemBody }
	if status, code, _ := request(t.Context(), s, c.owner.token, "GET", "/files/trash?limit=200", nil, &trash); status != 200 {
		t.Fatalf("list the trash: %d %s", status, code)
	}
	for _, it := range trash.Items {
		if strings.HasPrefix(strings.TrimLeft(it.Name, "x"), c.name+"-") {
			there["trash/"+it.Name] = entry{it.ID, it.SHA256}
		}
	}
}
