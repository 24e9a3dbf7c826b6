package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	mostLanes    = 64
	slotsOfALane = 3
	hotNames     = 3
)

// crowd is many connections of one owner that put small files at once, so that
// they wait for their turn together. Each lane has names of its own, in folders
// that all share; beside them all put the same few names, and one moves the
// folders about.
type crowd struct {
	owner *account
	homes [2]string // ids of the folders that the shared folders move between
	lanes [mostLanes]lane

	mu      sync.Mutex
	folders [4]shared
	hot     [hotNames]register
	log     history
}

// shared is a folder that everybody puts into, as the one that moves it knows
// it: where it is, or may be as well when the answer never came.
type shared struct {
	id        string
	at        spot
	perhaps   *spot
	movedLast time.Time // when a move of it began or ended
	moving    bool
}

type spot struct {
	home int
	name string
}

// lane is one connection.
type lane struct {
	number int
	rand   *rand.Rand
	slots  [slotsOfALane]slot
}

// slot is a name that one lane alone works on. perhaps is what is there
// instead when the last request, whose answer never came, was carried out;
// then it rests until the next check.
type slot struct {
	folder  int
	name    string
	now     state
	perhaps *state
}

// state is what is of a name: its bytes, in place or in the trash, or nothing.
type state struct {
	sum, id string // id is "" while no answer told it
	trashed bool
}

func (s state) String() string {
	switch {
	case s.sum == "":
		return "nothing"
	case s.trashed:
		return fmt.Sprintf("%.8s in the trash", s.sum)
	}
	return fmt.Sprintf("%.8s", s.sum)
}

// register is a name that everybody puts. What stands there in the end is of a
// put that no acknowledged one came after.
type register struct {
	folder int
	name   string
	puts   []put
}

type put struct {
	sum        string
	begun      time.Time
	ended      time.Time
	answerless bool // it may take place at any time, or never
}

// gather makes the folders of the crowd.
func (r *rig) gather(a *account) *crowd {
	r.t.Helper()
	c := &crowd{owner: a}
	for i := range c.homes {
		c.homes[i] = r.makeFolder(a, fmt.Sprintf("/home%d", i))
	}
	for i := range c.folders {
		c.folders[i] = shared{at: spot{i % 2, fmt.Sprintf("d%d", i)}}
		c.folders[i].id = r.makeFolder(a, c.path(i))
	}
	for i := range c.lanes {
		c.lanes[i].number = i
		for n := range c.lanes[i].slots {
			c.lanes[i].slots[n] = slot{folder: (i + n) % len(c.folders), name: fmt.Sprintf("lane%d-%d", i, n)}
		}
	}
	for i := range c.hot {
		c.hot[i] = register{folder: i % len(c.folders), name: fmt.Sprintf("hot%d", i)}
	}
	return c
}

func (r *rig) makeFolder(a *account, path string) (id string) {
	r.t.Helper()
	var made itemBody
	body := map[string]any{"path": path, "parents": true}
	if status, code, _ := a.ask(r.t.Context(), r.servers[0], "POST", "/files/folders", body, &made); status != 201 {
		r.t.Fatalf("make the folder %s: %d %s", path, status, code)
	}
	return made.ID
}

// path is where a shared folder is thought to be.
func (c *crowd) path(folder int) string {
	at := c.folders[folder].at
	return fmt.Sprintf("/home%d/%s", at.home, at.name)
}

func (c *crowd) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.note(format, args...)
}

// step lets a lane put, mostly; where mixed is set, also send by tus, copy,
// trash, restore and purge.
func (c *crowd) step(ctx context.Context, s *server, l *lane, mixed bool) (finding string) {
	if l.rand.IntN(12) == 0 {
		return c.putHot(ctx, s, l)
	}
	n := l.rand.IntN(slotsOfALane)
	it := &l.slots[n]
	for i := 0; it.perhaps != nil; i++ {
		if i == slotsOfALane { // all of them rest
			time.Sleep(5 * time.Millisecond)
			return ""
		}
		n = (n + 1) % slotsOfALane
		it = &l.slots[n]
	}
	body := bytesOf(l.rand, it.name, 3000)
	placed := func(id string) state { return state{sum: sum(body), id: id} }
	k := l.rand.IntN(100)
	other := l.slots[(n+1)%slotsOfALane]
	switch {
	case it.now.trashed && k < 40:
		return c.send(ctx, s, it, "POST", "/files/trash/"+it.now.id+"/restore", nil, func(string) state { return state{sum: it.now.sum, id: it.now.id} })
	case it.now.trashed:
		return c.send(ctx, s, it, "DELETE", "/files/trash/"+it.now.id, nil, func(string) state { return state{} })
	case mixed && k < 10 && it.now.sum != "":
		return c.send(ctx, s, it, "DELETE", "/files/items/"+it.now.id, nil, func(string) state { return state{it.now.sum, it.now.id, true} })
	case mixed && k < 8:
		return c.send(ctx, s, it, "POST", "/files/uploads", resumable{c.folders[it.folder].id, it.name, body}, placed)
	case mixed && k < 16 && it.now.sum == "" && other.perhaps == nil && !other.now.trashed && other.now.sum != "":
		to := map[string]string{"parent_id": c.folders[it.folder].id, "name": it.name}
		return c.send(ctx, s, it, "POST", "/files/items/"+other.now.id+"/copy", to, func(id string) state { return state{sum: other.now.sum, id: id} })
	case k < 40 && it.now.sum != "":
		return c.send(ctx, s, it, "PUT", "/files/items/"+it.now.id+"/content", body, placed)
	}
	c.mu.Lock()
	at := "/files/content" + c.path(it.folder) + "/" + it.name
	c.mu.Unlock()
	return c.send(ctx, s, it, "PUT", at, body, placed)
}

// send sends a request of one lane about a name of its own.
func (c *crowd) send(ctx context.Context, s *server, it *slot, method, path string, body any, next func(id string) state) (finding string) {
	began := time.Now()
	var made itemBody
	var out any = &made
	if method == "DELETE" {
		out = nil
	}
	status, code, sure := c.owner.ask(ctx, s, method, path, body, out)
	c.note("%s: %s %s %s by %s in %d ms: %d %s %s", it.name, method, path, describe(body), s.name, time.Since(began).Milliseconds(), status, code, made.ID)
	switch {
	case !sure:
		c.owner.answers.unknown.Add(1)
		then := next(it.now.id)
		if it.now.sum == "" {
			then.id = ""
		}
		it.perhaps = &then
		return ""
	case (strings.HasPrefix(path, "/files/content/") || path == "/files/uploads") && c.gone(code, it.folder, began):
		return ""
	}
	done, ok := c.owner.answers.settled(status, code)
	if done {
		it.now = next(made.ID)
	}
	if !ok {
		return fmt.Sprintf("crowd: %s %s: got %d %s for something that must be there%s", method, path, status, code, c.historyOf(it))
	}
	return ""
}

// putHot puts a name that the others put as well.
func (c *crowd) putHot(ctx context.Context, s *server, l *lane) (finding string) {
	c.mu.Lock()
	h := &c.hot[l.rand.IntN(hotNames)]
	at := "/files/content" + c.path(h.folder) + "/" + h.name
	c.mu.Unlock()
	body := bytesOf(l.rand, h.name, 3000)
	p := put{sum: sum(body), begun: time.Now()}
	status, code, sure := c.owner.ask(ctx, s, "PUT", at, body, nil)
	p.ended = time.Now()
	c.note("%s: PUT %s %s by %s in %d ms: %d %s", h.name, at, describe(body), s.name, time.Since(p.begun).Milliseconds(), status, code)
	done, ok := false, true
	switch {
	case !sure:
		p.answerless = true
		c.owner.answers.unknown.Add(1)
	case c.gone(code, h.folder, p.begun):
	default:
		done, ok = c.owner.answers.settled(status, code)
	}
	if !ok {
		return fmt.Sprintf("crowd: PUT %s: got %d %s for something that must be there", at, status, code)
	}
	if done || p.answerless {
		c.mu.Lock()
		defer c.mu.Unlock()
		h.puts = append(h.puts, p)
	}
	return ""
}

// gone reports whether bytes were refused because the path of their folder led
// nowhere, which may be where the shared folder was about to move meanwhile.
func (c *crowd) gone(code string, folder int, begun time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.folders[folder]
	return code == "parent_missing" && (f.moving || f.perhaps != nil || f.movedLast.After(begun))
}

// move renames a shared folder, or moves it to the other home.
func (c *crowd) move(ctx context.Context, s *server, random *rand.Rand) (finding string) {
	i := random.IntN(len(c.folders))
	f := &c.folders[i]
	then, change := f.at, map[string]string{}
	if random.IntN(2) == 0 {
		then.name = strings.TrimPrefix("m"+then.name, "mm")
		change["name"] = then.name
	} else {
		then.home = 1 - then.home
		change["parent_id"] = c.homes[then.home]
	}
	c.mu.Lock()
	rests := f.perhaps != nil
	f.moving = !rests
	c.mu.Unlock()
	if rests {
		return ""
	}
	status, code, sure := c.owner.ask(ctx, s, "PATCH", "/files/items/"+f.id, change, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.note("folder%d: PATCH %s %s by %s: %d %s", i, f.id, describe(change), s.name, status, code)
	f.moving, f.movedLast = false, time.Now()
	if !sure {
		c.owner.answers.unknown.Add(1)
		f.perhaps = &then
		return ""
	}
	done, ok := c.owner.answers.settled(status, code)
	if done {
		f.at = then
	}
	if !ok {
		return fmt.Sprintf("crowd: move %s: got %d %s%s", f.id, status, code, c.log.of(f.id))
	}
	return ""
}

// historyOf is what was asked for a name and for the folder above it.
func (c *crowd) historyOf(it *slot) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.of(it.name+":", it.now.id, c.folders[it.folder].id)
}

// settle compares what the crowd was told with the rows, and takes over which
// of the two outcomes of each request without an answer it was.
func (c *crowd) settle(t testing.TB, rows *rows) (findings []string) {
	t.Helper()
	for i := range c.folders {
		f := &c.folders[i]
		there := rows.byID[f.id]
		is := func(s spot) bool { return there != nil && there.parent == c.homes[s.home] && there.name == s.name }
		if f.perhaps != nil && is(*f.perhaps) {
			f.at = *f.perhaps
		}
		f.perhaps = nil
		if !is(f.at) {
			findings = append(findings, fmt.Sprintf("crowd: the folder %s is not at %s%s", f.id, c.path(i), c.log.of(f.id)))
		}
	}
	known := map[string]bool{}
	for i := range c.lanes {
		for n := range c.lanes[i].slots {
			it := &c.lanes[i].slots[n]
			known[it.name] = true
			there := c.stateOf(rows, it)
			if it.perhaps != nil {
				c.log.note("%s: the request without an answer is settled: %s, of %s or %s", it.name, there, it.now, it.perhaps)
			}
			switch {
			case it.perhaps != nil && same(*it.perhaps, there), same(it.now, there):
			default:
				findings = append(findings, fmt.Sprintf("crowd: %s is %s (%s), and must be %s or %v%s", it.name, there, there.id, it.now, it.perhaps, c.historyOf(it)))
			}
			it.now, it.perhaps = there, nil
		}
	}
	for i := range c.hot {
		h := &c.hot[i]
		known[h.name] = true
		there := ""
		if row := rows.at(c.folders[h.folder].id, h.name); row != nil {
			there = row.sum
		}
		if !h.allows(there) {
			findings = append(findings, fmt.Sprintf("crowd: %s is %.8s, which none of the last puts was%s", h.name, there, c.log.of(h.name+":")))
		}
		h.puts = []put{{sum: there}}
	}
	for i := range c.folders {
		for _, row := range rows.in(c.folders[i].id) {
			if !known[row.name] {
				findings = append(findings, fmt.Sprintf("crowd: %s is there", row.path))
			}
		}
	}
	return findings
}

// allows reports whether a register may hold that: "" is nothing.
func (h *register) allows(there string) bool {
	last := time.Time{} // when the last acknowledged put began
	acknowledged := false
	for _, p := range h.puts {
		if !p.answerless && p.sum != "" {
			acknowledged = true
			if p.begun.After(last) {
				last = p.begun
			}
		}
	}
	if there == "" {
		return !acknowledged
	}
	for _, p := range h.puts {
		if p.sum == there && (p.answerless || !p.ended.Before(last)) {
			return true
		}
	}
	return false
}

// stateOf is what the rows show of a lane's name.
func (c *crowd) stateOf(rows *rows, it *slot) state {
	if row := rows.at(c.folders[it.folder].id, it.name); row != nil {
		return state{row.sum, row.id, false}
	}
	for _, row := range rows.trash[c.owner.id] {
		if row.name == it.name {
			return state{row.sum, row.id, true}
		}
	}
	return state{}
}

// same reports whether what is there is what was told.
func same(told, there state) bool {
	return told.sum == there.sum && told.trashed == there.trashed && (told.id == "" || told.sum == "" || told.id == there.id)
}
