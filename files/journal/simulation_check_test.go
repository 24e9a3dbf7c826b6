package journal

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"homebase/files/disk"

	"github.com/google/uuid"
)

// left is what recovery has not done yet.
func (s *simulation) left() string {
	t := s.pg.now
	if n := len(t.records); n > 0 {
		return fmt.Sprintf("%d records are left", n)
	}
	if n := len(t.uploads); n > 0 {
		return fmt.Sprintf("%d reservations are left", n)
	}
	alive := 0
	for _, p := range s.alive() {
		if p.ready.Load() {
			alive++
		}
	}
	if alive != len(s.alive()) || len(t.workers) != alive {
		return fmt.Sprintf("%d workers have a row, and %d live", len(t.workers), alive)
	}
	staged, ready := "", map[string]bool{}
	for _, p := range s.alive() {
		for _, r := range p.journal.stock.ready {
			ready[r.path] = true
		}
	}
	s.disk.files(disk.Staging, func(p string, n *node) {
		if !n.folder && !ready[p] {
			staged = p + " is left"
		}
	})
	return staged
}

// check looks at disk and rows when nothing is left to do.
func (s *simulation) check() {
	s.checkPlaces()
	s.checkLedgers()
	s.checkAnswers()
}

// checkPlaces compares what lies on the disk with what the rows say.
func (s *simulation) checkPlaces() {
	t := s.pg.now
	known := map[string]bool{}
	for id, it := range t.items {
		p := t.place(id)
		known[p] = true
		s.checkFile(p, it.Kind == Folder, string(it.SHA256), it.Ino, string(id[:]))
	}
	for k, v := range t.versions {
		p := disk.VersionPath(v.owner, k.item, k.revision)
		known[p] = true
		s.checkFile(p, false, v.sum, &v.ino, string(k.item[:]))
	}
	for _, top := range []string{disk.Users, disk.Trash, disk.Versions} {
		s.disk.files(top, func(p string, n *node) {
			if strings.Count(p, "/") > 1 && !known[p] && !s.outside[n.seen.content] {
				s.found("%s lies on the disk and no row knows it", p)
			}
		})
	}
}

func (s *simulation) checkFile(p string, folder bool, sum string, ino *int64, mark string) {
	n := s.disk.find(p)
	switch {
	case n == nil:
		s.found("%s is not on the disk", p)
	case n.folder != folder:
		s.found("%s is of another kind", p)
	case n.seen.mark != mark:
		s.found("%s carries another id", p)
	case folder:
	case string(sumOf(n.seen.content)) != sum:
		s.found("%s holds %d, and its row says %d", p, n.seen.content, binary.BigEndian.Uint64([]byte(sum)))
	case *ino != n.ino:
		s.found("%s has inode %d, and its row says %d", p, n.ino, *ino)
	}
}

// checkLedgers compares the trees' counters with the sums of their rows.
func (s *simulation) checkLedgers() {
	t := s.pg.now
	sums := map[uuid.UUID]Tree{}
	for _, it := range t.items {
		sum := sums[it.Owner]
		if sum.Used += it.Size; it.Parent != nil {
			sum.Entries++
		}
		sums[it.Owner] = sum
	}
	for _, v := range t.versions {
		sum := sums[v.owner]
		sum.Used, sum.Versions = sum.Used+v.size, sum.Versions+v.size
		sums[v.owner] = sum
	}
	for owner, is := range t.trees {
		must := sums[owner]
		if is.Used != must.Used || is.Versions != must.Versions || is.Entries != must.Entries || is.Reserved != 0 {
			s.found("a tree's ledger says %d bytes, %d of versions, %d entries, %d reserved, and the rows %d, %d, %d, 0", is.Used, is.Versions, is.Entries, is.Reserved,
				must.Used, must.Versions, must.Entries)
		}
	}
}

// contents are those of all files.
func (d *modelDisk) contents() map[int]bool {
	held := map[int]bool{}
	d.files("", func(_ string, n *node) { held[n.seen.content] = true })
	return held
}

// checkAnswers holds what clients were told against what was committed, and
// looks for the bytes of everything that ever was.
func (s *simulation) checkAnswers() {
	told := map[string]bool{}
	for _, tag := range s.pg.now.told {
		told[tag] = true
	}
	held := s.disk.contents()
	for content := range s.outside {
		if !held[content] {
			s.found("what was put there past the API is gone: %d", content)
		}
	}
	for _, c := range s.clients {
		for _, o := range c.done {
			switch {
			case o.told == acknowledged && !told[o.tag]:
				s.found("%s: %s was acknowledged and is lost", o.tag, o.what)
			case o.told == refused && told[o.tag]:
				s.found("%s: %s was refused and is there", o.tag, o.what)
			case told[o.tag] && o.content > 0 && !held[o.content]:
				s.found("%s: the bytes of %s are gone, and nobody has freed them", o.tag, o.what)
			}
		}
	}
}

// visible looks for what was put in place before anybody is answered.
func (s *simulation) visible(f *stagedFile, placed Placed) {
	s.pg.mu.Lock()
	defer s.pg.mu.Unlock()
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	t := s.pg.now
	at := disk.OwnerPath(f.Owner, placed.Path)
	if f.by.dead.Load() || t.items[placed.ID].Revision != placed.Revision || t.place(placed.ID) != at {
		return
	}
	for _, r := range slices.Collect(maps.Values(t.records)) {
		if r.op != f.Op && r.concerns(at) {
			return
		}
	}
	if n := s.disk.find(at); n == nil || n.seen.content != f.content {
		s.found("%d was acknowledged and is not at %s", f.content, at)
	}
}
