package journal

import (
	"cmp"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"homebase/files/disk"
)

// modelDisk is a disk with its kernel's cache before it. What it assumes, of
// ext4 and XFS alike, and TestAssumption_… tries on the real ones:
//
//   - fsync of a file makes its bytes and attributes durable, and promises
//     nothing of its name;
//   - fsync of a folder makes durable what became of the names in it, and that
//     itself was made, if it is new, with those above it that are;
//   - a rename, and the making of a link, a name or a folder, is there wholly or
//     not at all after a cut, with both of a rename's folders;
//   - two changes of one name never change places, and what is in a folder is not on
//     the disk before the folder;
//   - what was not flushed may be there after a cut or not. How changes of
//     different names keep together is more than we ask for, so there are three
//     kinds of disks: one that keeps a prefix of all that happened, as a journal
//     does; one that keeps any combination; and one on which a file's name may
//     stay where it was renamed from, as well, until that folder is flushed;
//   - bytes that were not flushed are there, or were never written, or are torn.
//
// A number of an inode is given away again when nothing of it is left on the disk.
type modelDisk struct {
	mu      sync.Mutex // a step has it; never while it waits for its turn
	rand    *rand.Rand
	keeps   int // ordered, combined or twofold
	root    *node
	nodes   []*node
	handles []*handle
	pending []*nameChange // names that are not durable, in order
	free    []int64       // numbers of inodes that may be given away again
	last    int64
	ablated string
	broken  bool // a flush failed: nothing is written any more until the next mount
}

const (
	ordered  = iota // as the journals of ext4 and XFS
	combined        // any combination of changes, each whole
	twofold         // and a renamed file may have both its names
)

// torn is the content of a file whose bytes came only in part.
const torn = -1

// node is a file or a folder: as the kernel shows it and as it is on the disk.
type node struct {
	ino     int64
	folder  bool
	seen    body
	safe    body
	entries map[string]*node // of a folder
	durable map[string]*node
	links   uint32 // names
	removed bool
	made    *nameChange // of a folder, by mkdir
}

// body is what a node has beside its names.
type body struct {
	content int // 0: nothing
	size    int64
	mtime   int64
	mark    string // the attribute
}

// nameChange sets or removes a name, or does so with two at once.
type nameChange struct {
	sets  []nameSet
	after *nameChange // is never on the disk later than this one
}

type nameSet struct {
	in   *node
	name string
	to   *node // nil: removed
}

func (c *nameChange) in(folder *node) bool {
	return slices.ContainsFunc(c.sets, func(s nameSet) bool { return s.in == folder })
}

// before reports whether a later change is never on the disk without this one: of
// the same name, or in the folder that this one makes.
func (c *nameChange) before(later *nameChange) bool {
	return later.after == c || slices.ContainsFunc(later.sets, func(o nameSet) bool {
		return o.in.made == c || slices.ContainsFunc(c.sets, func(s nameSet) bool { return s.in == o.in && s.name == o.name })
	})
}

// handle is an open file or folder of a process.
type handle struct {
	file   *os.File
	node   *node
	locked bool
	by     *process
}

// handleBase is far above every descriptor of this process, so that closing a
// model's file closes nothing.
const handleBase = 1 << 30

func newModelDisk(r *rand.Rand, ablated string) *modelDisk {
	d := &modelDisk{rand: r, keeps: r.IntN(3), ablated: ablated}
	d.root = d.newNode(true)
	return d
}

func (d *modelDisk) newNode(folder bool) *node {
	n := &node{folder: folder}
	if i := len(d.free) - 1; i >= 0 && !folder {
		n.ino, d.free = d.free[i], d.free[:i]
	} else {
		d.last++
		n.ino = d.last
	}
	if folder {
		n.entries, n.durable = map[string]*node{}, map[string]*node{}
	}
	d.nodes = append(d.nodes, n)
	return n
}

func (d *modelDisk) open(n *node, by *process) *os.File {
	f := os.NewFile(uintptr(handleBase+len(d.handles)), "")
	d.handles = append(d.handles, &handle{file: f, node: n, by: by})
	return f
}

// closed asks in the one way in which another goroutine may close meanwhile.
func (h *handle) closed() bool {
	conn, err := h.file.SyscallConn()
	return h.by.dead.Load() || err != nil || conn.Control(func(uintptr) {}) != nil
}

func (d *modelDisk) handle(f *os.File) *handle {
	fd := f.Fd()
	if fd == ^uintptr(0) {
		return nil
	}
	return d.handles[fd-handleBase]
}

func (d *modelDisk) node(f *os.File) (*node, error) {
	h := d.handle(f)
	if h == nil {
		return nil, fs.ErrClosed
	}
	return h.node, nil
}

// walk finds what a path leads to.
func (n *node) walk(p string) (*node, error) {
	for p != "" {
		var name string
		name, p, _ = strings.Cut(p, "/")
		if name == "." {
			continue
		}
		if !n.folder {
			return nil, syscall.ENOTDIR
		}
		next := n.entries[name]
		if next == nil {
			return nil, syscall.ENOENT
		}
		n = next
	}
	return n, nil
}

// find is walk without an error.
func (d *modelDisk) find(p string) *node {
	n, _ := d.root.walk(p)
	return n
}

// change carries out a change of names in the cache.
func (d *modelDisk) change(sets ...nameSet) *nameChange {
	c := &nameChange{sets: sets}
	for _, s := range sets {
		if was := s.in.entries[s.name]; was != nil {
			if was.links--; was.links == 0 {
				was.removed = true
			}
		}
		if s.to == nil {
			delete(s.in.entries, s.name)
		} else {
			s.in.entries[s.name] = s.to
			s.to.links++
			s.to.removed = false
		}
	}
	d.pending = append(d.pending, c)
	return c
}

// land makes changes durable, with those that go before them.
func (d *modelDisk) land(wanted func(c *nameChange) bool) {
	take := make([]bool, len(d.pending))
	for i := len(d.pending) - 1; i >= 0; i-- {
		take[i] = wanted(d.pending[i])
		for j := i + 1; j < len(d.pending) && !take[i]; j++ {
			take[i] = take[j] && d.pending[i].before(d.pending[j])
		}
	}
	left := d.pending[:0]
	for i, c := range d.pending {
		if !take[i] {
			left = append(left, c)
			continue
		}
		for _, s := range c.sets {
			if s.to == nil {
				delete(s.in.durable, s.name)
			} else {
				s.in.durable[s.name] = s.to
			}
		}
	}
	d.pending = left
}

// flush is fsync.
func (d *modelDisk) flush(n *node) {
	n.safe = n.seen
	if !n.folder {
		return
	}
	wanted := func(c *nameChange) bool {
		for at := n; at != nil && at.made != nil; at = at.made.sets[0].in {
			if at.made == c {
				return true
			}
		}
		return c.in(n)
	}
	switch last := lastIndex(d.pending, wanted); {
	case last < 0:
	case d.keeps == ordered:
		i := -1
		d.land(func(*nameChange) bool { i++; return len(d.pending)-1-i <= last })
	case d.keeps == twofold:
		d.part(n)
		d.land(wanted)
	default:
		d.land(wanted)
	}
}

func lastIndex(list []*nameChange, is func(c *nameChange) bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if is(list[i]) {
			return i
		}
	}
	return -1
}

// part takes renames of files apart whose new name alone is about to be
// durable: the removal of the old one stays pending.
func (d *modelDisk) part(flushed *node) {
	var list []*nameChange
	for _, c := range d.pending {
		if len(c.sets) == 2 && !c.sets[1].to.folder && c.sets[0].in != c.sets[1].in && c.sets[1].in == flushed {
			made := &nameChange{sets: c.sets[1:]}
			list = append(list, made, &nameChange{sets: c.sets[:1], after: made})
			continue
		}
		list = append(list, c)
	}
	d.pending = list
}

// cut takes the power away and mounts what is left.
func (d *modelDisk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := d.rand.IntN(len(d.pending) + 1); {
	case d.keeps == ordered:
		i := -1
		last := len(d.pending) - 1
		d.land(func(*nameChange) bool { i++; return last-i < n })
	default:
		if d.keeps == twofold {
			for _, f := range d.nodes {
				if f.folder && d.rand.IntN(2) == 0 {
					d.part(f)
				}
			}
		}
		part := []int{0, 1, 2, 4}[d.rand.IntN(4)]
		d.land(func(*nameChange) bool { return d.rand.IntN(4) < part })
	}
	d.pending, d.handles, d.broken = nil, nil, false
	for _, n := range d.nodes {
		n.links, n.removed = 0, true
		if n.seen != n.safe {
			switch d.rand.IntN(3) {
			case 0:
				n.safe = n.seen
			case 1:
				if !n.folder && n.seen.content != n.safe.content {
					n.safe.content = torn
				}
			}
		}
		n.seen = n.safe
	}
	d.mount(d.root)
	d.nodes = slices.DeleteFunc(d.nodes, func(n *node) bool {
		gone := n.removed && n != d.root
		if gone {
			d.free = append(d.free, n.ino)
		}
		return gone
	})
	slices.Sort(d.free)
}

func (d *modelDisk) mount(n *node) {
	n.entries = maps.Clone(n.durable)
	for _, e := range n.entries {
		if e.links++; e.links == 1 {
			e.removed = false
			if e.folder {
				d.mount(e)
			}
		}
	}
}

// files calls fn with everything below a path.
func (d *modelDisk) files(p string, fn func(p string, n *node)) {
	if n := d.find(p); n != nil {
		n.each(p, fn)
	}
}

func (n *node) each(p string, fn func(p string, n *node)) {
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		e := n.entries[name]
		fn(p+"/"+name, e)
		if e.folder {
			e.each(p+"/"+name, fn)
		}
	}
}

// lay puts a folder or a file there durably, for what a test begins with.
func (d *modelDisk) lay(p string, folder bool) *node {
	at := d.root
	for name := range strings.SplitSeq(p, "/") {
		next := at.entries[name]
		if next == nil {
			next = d.newNode(folder)
			next.links = 1
			at.entries[name], at.durable[name] = next, next
		}
		at = next
	}
	return at
}

// info is what Stat tells.
type info struct{ *node }

func (i info) Name() string { return "" }
func (i info) Size() int64  { return i.seen.size }
func (i info) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
func (i info) ModTime() time.Time { return time.Unix(0, i.seen.mtime) }
func (i info) IsDir() bool        { return i.folder }
func (i info) Sys() any           { return &syscall.Stat_t{Ino: uint64(i.ino), Nlink: uint64(i.links)} }

func (n *node) entry() disk.Entry {
	mode := uint16(syscall.S_IFREG)
	if n.folder {
		mode = syscall.S_IFDIR
	}
	return disk.Entry{Ino: n.ino, Links: cmp.Or(n.links, 1), Mode: mode}
}
