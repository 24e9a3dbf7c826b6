package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// client asks workers for changes, one after the other.
type client struct {
	sim  *simulation
	self *process // in whose name it thinks
	rand *rand.Rand
	own  uuid.UUID
	done []outcome
	ctx  context.Context // tells that a step is this client's
}

// askedBy is the key of a client's number in a context.
type askedBy struct{}

// outcome is what a client was told.
type outcome struct {
	tag     string // by which the feed tells it
	what    string
	told    answer
	content int // of a put
}

type answer int

const (
	unknown answer = iota
	acknowledged
	refused
)

// engage starts a client.
func (s *simulation) engage(i int) {
	c := &client{sim: s, rand: rand.New(rand.NewPCG(s.seed, uint64(10+i))), own: s.owners[i%len(s.owners)]}
	c.self = &process{sim: s, id: -10 - i, name: fmt.Sprint("client", i)}
	c.ctx = context.WithValue(context.Background(), askedBy{}, i)
	s.clients = append(s.clients, c)
	s.working.Add(1)
	n := 1 + c.rand.IntN(9)
	s.running.Go(func() {
		defer s.working.Add(-1)
		for k := range n {
			if s.turn(c.self, "think", "") != fateGo {
				return
			}
			c.act(fmt.Sprintf("%d.%d", i, k), 1+i*100+k)
		}
	})
}

// intrude lets somebody put files into the trees past the API, where nothing is,
// and often just before a file or folder gets that name. They are never lost, and
// never replaced.
func (s *simulation) intrude() {
	by := &process{sim: s, id: -9, name: "outsider"}
	r := rand.New(rand.NewPCG(s.seed, 9))
	s.working.Add(1)
	s.running.Go(func() {
		defer s.working.Add(-1)
		for n := range 30 {
			if s.turn(by, "looks", "") != fateGo {
				return
			}
			name := []string{"a", "b", "c", "e"}[r.IntN(4)]
			often := 20
			for _, st := range s.number() {
				if _, target, ok := strings.Cut(st.what, " to "); ok && st.call == "rename" {
					name, often = target, 2
				}
			}
			for i, folder := range []string{"", "/d"} {
				content := -100 - 2*n - i
				if r.IntN(often) == 0 && s.disk.intrude(disk.OwnerPath(s.owners[0], folder), name, content) {
					s.note(by, "puts", folder+"/"+name)
					s.outside[content] = true
					s.count("from outside")
				}
			}
		}
	})
}

// intrude puts a file where nothing is.
func (d *modelDisk) intrude(at, name string, content int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder := d.find(at)
	if folder == nil || !folder.folder || folder.entries[name] != nil {
		return false
	}
	n := d.newNode(false)
	n.seen = body{content: content, size: 1}
	n.safe = n.seen
	d.change(nameSet{folder, name, n})
	return true
}

// worker is one that answers.
func (c *client) worker() *process {
	for {
		var list []*process
		for _, p := range c.sim.workers {
			if p.ready.Load() && !p.dead.Load() {
				list = append(list, p)
			}
		}
		if len(list) > 0 {
			return list[c.rand.IntN(len(list))]
		}
		time.Sleep(50 * time.Millisecond)
		if c.sim.turn(c.self, "wait", "") != fateGo {
			return nil // and only then looks again
		}
	}
}

// comes waits for the turn of a client that goes to the journal or makes a file:
// clients that wake up together must not do so in whichever order they run.
func (c *client) comes() { c.sim.turn(c.self, "comes", "") }

// act makes one change.
func (c *client) act(tag string, content int) {
	p := c.worker()
	if p == nil {
		return
	}
	p.busy.Add(1)
	defer p.busy.Add(-1)
	o := outcome{tag: tag}
	var err error
	switch c.rand.IntN(18) {
	case 0:
		o.what = "mkdir"
		err = c.mkdir(p, tag)
	case 1, 2, 3:
		o.what = "move"
		err = c.move(p, tag)
	case 4, 5:
		o.what = "trash"
		err = c.trash(p, tag)
	case 6:
		o.what = "restore"
		err = c.restore(p, tag)
	case 7:
		o.what = "purge"
		err = c.purge(p, tag)
	case 16, 17:
		o.what = "carry"
		err = c.carry(p, tag, content+50)
	case 8:
		o.what = "end a version"
		err = c.endVersion(p, tag)
	default:
		o.content = content
		at := c.folder() + c.name()
		o.what = fmt.Sprintf("put %d at %s", o.content, at)
		err = c.put(p, tag, at, o.content)
	}
	switch {
	case p.dead.Load() || errors.Is(err, db.ErrOutcomeUnknown):
	case err == nil || errors.Is(err, ErrUnpublished):
		o.told = acknowledged
	default:
		o.told = refused
	}
	c.done = append(c.done, o)
	kind, _, _ := strings.Cut(o.what, " ")
	c.sim.count([...]string{"unknown", kind, "refused"}[o.told])
	if c.sim.tracing {
		c.sim.note(c.self, tag, fmt.Sprintf("%s by %s: %s (%v)", o.what, p.name, [...]string{"unknown", "acknowledged", "refused"}[o.told], err))
	}
}

func (c *client) folder() string {
	if c.sim.crowded {
		return "/"
	}
	return []string{"/", "/", "/d/", "/e/"}[c.rand.IntN(4)]
}

func (c *client) name() string {
	if c.sim.crowded {
		return []string{"a", "b"}[c.rand.IntN(2)]
	}
	return []string{"a", "b", "c"}[c.rand.IntN(3)]
}

// one is the path of something that is there, and seldom of what is not.
func (c *client) one(p *process) string {
	list, err := db.All(c.ctx, p.conn, db.Value[string], "-- name: sim.Paths", c.own)
	if err != nil || len(list) == 0 || c.rand.IntN(8) == 0 {
		return c.some()
	}
	return list[c.rand.IntN(len(list))]
}

// some is a path of a file or a folder.
func (c *client) some() string {
	if c.rand.IntN(4) == 0 {
		return []string{"/d", "/e", "/d/f"}[c.rand.IntN(3)]
	}
	return c.folder() + c.name()
}

func scanFound(row pgx.Row) (it foundItem, err error) {
	err = row.Scan(&it)
	return it, err
}

func at(ctx context.Context, q db.Querier, owner uuid.UUID, p string) (foundItem, error) {
	return db.One(ctx, q, scanFound, "-- name: sim.At", owner, p)
}

func itemOf(ctx context.Context, q db.Querier, id uuid.UUID) (foundItem, error) {
	return db.One(ctx, q, scanFound, "-- name: sim.Item", id)
}

func split(p string) (folder, name string) {
	for i := len(p) - 1; ; i-- {
		if p[i] == '/' {
			return p[:i], p[i+1:]
		}
	}
}

// staged is a file on its way in, as in the room files.
type stagedFile struct {
	Put
	by      *process
	client  *client
	content int
}

func (f *stagedFile) drop(ctx context.Context) {
	f.client.comes()
	f.by.dir.Remove(f.Staged)
	if f.Reserved {
		if err := f.by.journal.Release(ctx, f.Owner, f.Op); err != nil {
			f.by.journal.UndoLater(f.Op, f.drop)
		}
	}
}

// mark gives the file the id of what it replaces, or one of its own.
func (f *stagedFile) mark(it foundItem, there bool) {
	f.Item, f.Replaces = NewID(), there
	if there {
		f.Item = it.ID
	}
	d := f.by.sim.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, err := d.node(f.File); err == nil && !f.by.dead.Load() {
		n.seen = body{f.content, f.Size, int64(1000 + f.content), string(f.Item[:])}
		f.Ino, f.MTime = n.ino, n.seen.mtime
	}
}

func sumOf(content int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(content)) }

func (c *client) put(p *process, tag, path string, content int) error {
	ctx := c.ctx
	if c.sim.leaving && c.rand.IntN(2) == 0 {
		// At no moment at which anything else happens.
		leaving, cancel := context.WithTimeout(ctx, time.Duration(c.rand.IntN(100))*time.Millisecond+time.Duration(-c.self.id)*time.Microsecond)
		defer cancel()
		ctx = leaving
	}
	f := &stagedFile{by: p, client: c, content: content}
	f.Put = Put{Owner: c.own, Op: NewID(), Path: path, Size: int64(1 + c.rand.IntN(20)), SHA256: sumOf(content),
		Check:  func(context.Context, *Tx, *Item) error { return nil },
		Event:  func(Item, bool) audit.Event { return audit.Event{} },
		Told:   func(Item) json.RawMessage { return json.RawMessage(tag) },
		Undone: f.drop}
	if c.rand.IntN(5) == 0 {
		c.comes()
		n, err := p.journal.Reserve(ctx, c.own, f.Op, f.Size, 2*f.Size)
		if err != nil {
			return err
		}
		f.Reserved = n > 0
		c.comes()
	}
	err := p.journal.Stage(&f.Put)
	if err != nil {
		f.drop(context.WithoutCancel(ctx))
		return err
	}
	defer f.File.Close()
	for range 5 {
		if err = c.place(ctx, f); !errors.Is(err, ErrLookAgain) {
			break
		}
	}
	if err != nil && !errors.Is(err, db.ErrOutcomeUnknown) && !errors.Is(err, ErrUnpublished) {
		f.drop(context.WithoutCancel(ctx))
	}
	return err
}

func (c *client) place(ctx context.Context, f *stagedFile) error {
	above, _ := split(f.Path)
	folder, err := at(ctx, f.by.conn, c.own, above)
	if err != nil {
		return err
	}
	it, err := at(ctx, f.by.conn, c.own, f.Path)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	f.Folder = folder.ID
	f.mark(it, err == nil)
	c.comes()
	placed, err := f.by.journal.Put(ctx, f.Put)
	if err == nil {
		c.sim.visible(f, placed)
	}
	return err
}

// change commits one.
func (c *client) change(p *process, decide func(ctx context.Context, t *Tx) error) error {
	c.comes()
	return p.journal.Commit(c.ctx, Change{Owner: c.own, Decide: decide})
}

func (c *client) mkdir(p *process, tag string) error {
	return c.mkdirAt(p, tag, []string{"/e", "/d", "/d/f", "/e/f"}[c.rand.IntN(4)])
}

func (c *client) mkdirAt(p *process, tag, path string) error {
	return c.change(p, func(ctx context.Context, t *Tx) error {
		above, name := split(path)
		folder, err := at(ctx, t, c.own, above)
		if err == nil && folder.IsFile() {
			err = ErrNameConflict
		}
		if err != nil {
			return err
		}
		if _, err := at(ctx, t, c.own, path); !errors.Is(err, db.ErrNotFound) {
			return errors.Join(err, ErrNameConflict)
		}
		if err := t.Grow(1); err != nil {
			return err
		}
		id := NewID()
		if err := db.Exec(ctx, t, "-- name: sim.InsertFolder", id, c.own, folder.ID, name); err != nil {
			return err
		}
		t.Tell("created", json.RawMessage(tag))
		return t.Mkdir(id, disk.OwnerPath(c.own, path))
	})
}

func scanRow(row pgx.Row) (it itemRow, err error) {
	err = row.Scan(&it)
	return it, err
}

// relocate moves an item within the tree or out of the trash.
func (c *client) relocate(ctx context.Context, t *Tx, id uuid.UUID, source, target string) error {
	above, name := split(target)
	folder, err := at(ctx, t, c.own, above)
	if err != nil {
		return err
	}
	if folder.IsFile() {
		return ErrNameConflict
	}
	if _, err := at(ctx, t, c.own, target); !errors.Is(err, db.ErrNotFound) {
		return errors.Join(err, ErrNameConflict)
	}
	it, err := db.One(ctx, t, scanRow, "-- name: sim.Relocate", id, folder.ID, name)
	if err != nil {
		return err
	}
	return t.Move(id, it.Revision, source, disk.OwnerPath(c.own, target))
}

func (c *client) move(p *process, tag string) error {
	from, to := c.one(p), c.some()
	return c.moveTo(p, tag, from, to)
}

// carry fills a folder, and has it moved away and back by one worker at once, or into
// the trash and back, or lets it swap names with another: a path that was left
// comes back, with the same folder or another.
func (c *client) carry(p *process, tag string, content int) error {
	folder, other, away := "/d", "/e", "/x"
	if c.rand.IntN(2) == 0 {
		folder, other = other, folder
	}
	if c.rand.IntN(2) == 0 {
		c.mkdirAt(p, tag+".other", other)
	}
	for range c.rand.IntN(3) {
		if c.rand.IntN(2) == 0 {
			c.mkdirAt(p, tag+".in", folder+"/f")
		} else {
			content++
			c.put(p, tag+".in", folder+"/"+c.name(), content)
		}
	}
	seen, err := at(c.ctx, p.conn, c.own, folder)
	if err != nil {
		return err
	}
	move := func(from, to string) func(tag string) error {
		return func(tag string) error { return c.moveTo(p, tag, from, to) }
	}
	swap := []func(tag string) error{move(folder, away), move(other, folder), move(away, other)}
	steps := [][]func(tag string) error{
		{move(folder, away), move(away, folder)},
		{func(tag string) error { return c.trashIt(p, tag, seen.ID) },
			func(tag string) error { return c.restoreTo(p, tag, seen.ID, folder) }},
		swap,
		slices.Concat(swap, []func(tag string) error{func(tag string) error { return c.put(p, tag, folder+"/"+c.name(), content+1) }}, swap),
	}[c.rand.IntN(4)]
	for _, step := range steps[:len(steps)-1] {
		if err := step(tag + ".before"); err != nil {
			return errors.New(err.Error()) // the last step is what the tag tells
		}
	}
	return steps[len(steps)-1](tag)
}

func (c *client) moveTo(p *process, tag, from, to string) error {
	seen, err := at(c.ctx, p.conn, c.own, from)
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, t *Tx) error {
		it, err := itemOf(ctx, t, seen.ID)
		if err != nil {
			return err
		}
		if it.trashed || it.path == to || len(to) > len(it.path) && to[:len(it.path)+1] == it.path+"/" || it.path == "" {
			return ErrNameConflict
		}
		t.Tell("moved", json.RawMessage(tag))
		return c.relocate(ctx, t, it.ID, disk.OwnerPath(c.own, it.path), to)
	})
}

func (c *client) trash(p *process, tag string) error {
	seen, err := at(c.ctx, p.conn, c.own, c.one(p))
	if err != nil {
		return err
	}
	return c.trashIt(p, tag, seen.ID)
}

func (c *client) trashIt(p *process, tag string, id uuid.UUID) error {
	return c.change(p, func(ctx context.Context, t *Tx) error {
		it, err := itemOf(ctx, t, id)
		if err != nil {
			return err
		}
		if it.path == "" {
			return ErrNameConflict // in the trash, or in a folder that is
		}
		row, err := db.One(ctx, t, scanRow, "-- name: sim.Trash", it.ID)
		if err != nil {
			return err
		}
		t.Tell("trashed", json.RawMessage(tag))
		return t.Move(it.ID, row.Revision, disk.OwnerPath(c.own, it.path), disk.TrashPath(c.own, it.ID))
	})
}

// trashed picks one of what is in the trash.
func (c *client) trashed(p *process) (uuid.UUID, error) {
	list, err := db.All(c.ctx, p.conn, db.Value[uuid.UUID], "-- name: sim.Trashed", c.own)
	if err == nil && len(list) == 0 {
		err = db.ErrNotFound
	}
	if err != nil {
		return uuid.Nil, err
	}
	return list[c.rand.IntN(len(list))], nil
}

func (c *client) restore(p *process, tag string) error {
	id, err := c.trashed(p)
	if err != nil {
		return err
	}
	return c.restoreTo(p, tag, id, c.folder()+c.name())
}

func (c *client) restoreTo(p *process, tag string, id uuid.UUID, to string) error {
	return c.change(p, func(ctx context.Context, t *Tx) error {
		it, err := itemOf(ctx, t, id)
		if err != nil {
			return err
		}
		if !it.trashed {
			return db.ErrNotFound
		}
		t.Tell("restored", json.RawMessage(tag))
		return c.relocate(ctx, t, id, disk.TrashPath(c.own, id), to)
	})
}

func (c *client) purge(p *process, tag string) error {
	id, err := c.trashed(p)
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, t *Tx) error {
		it, err := itemOf(ctx, t, id)
		if err != nil {
			return err
		}
		if !it.trashed {
			return db.ErrNotFound
		}
		if err := t.Purge(id, it.Revision, disk.TrashPath(c.own, id)); err != nil {
			return err
		}
		var size, rows int64
		ended, err := db.One(ctx, t, func(row pgx.Row) (list []Version, err error) {
			err = row.Scan(&size, &rows, &list)
			return list, err
		}, "-- name: sim.Purge", id)
		if err != nil {
			return err
		}
		t.Tell("purged", json.RawMessage(tag))
		t.Count(-size, -int(rows))
		return t.PurgeVersions(ended)
	})
}

func (c *client) endVersion(p *process, tag string) error {
	seen, err := at(c.ctx, p.conn, c.own, c.one(p))
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, t *Tx) error {
		list, err := db.All(ctx, t, ScanVersion, "-- name: sim.Versions", seen.ID)
		if err == nil && len(list) == 0 {
			err = db.ErrNotFound
		}
		if err != nil {
			return err
		}
		t.Tell("ended", json.RawMessage(tag))
		return t.EndVersions(ctx, list[:1])
	})
}
