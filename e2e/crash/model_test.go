package crash

import (
	"fmt"
	"maps"
	"slices"
)

// node is a file or folder as a client expects it. parent is a key of the
// tree, 0 for the client's own folder.
type node struct {
	id      string // "": not told yet; what has none rests until the next check
	parent  int
	name    string
	folder  bool
	sum     string
	former  []string // sums of its versions, oldest first
	size    int
	trashed bool
}

// model is what a client was told: a tree that it alone changes.
type model map[int]node

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

// taken reports whether something in a folder has this name: a copied folder
// has names that are there before.
func (m model) taken(folder int, name string) bool {
	for _, n := range m {
		if n.parent == folder && n.name == name && !n.trashed {
			return true
		}
	}
	return false
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

// copy adds what a copy has, with keys from next on, and returns the last of
// them. Of the copies in a folder no ids are told.
func (m model) copy(from, parent, next int) (last int) {
	n := m[from]
	m[next] = node{parent: parent, name: n.name, folder: n.folder, sum: n.sum, size: n.size}
	last = next
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if below := m[k]; below.parent == from && !below.trashed {
			last = m.copy(k, next, last+1)
		}
	}
	return last
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
type entry struct{ id, sum, versions string }

// expected are the entries that a model asks for; the path of what is in the
// trash is its name alone.
func (m model) expected() map[string]entry {
	all := map[string]entry{}
	for k, n := range m {
		switch {
		case n.trashed:
			all["trash/"+n.name] = entry{id: n.id, sum: n.sum}
		case m.alive(n):
			all[m.path(k)] = entry{n.id, n.sum, shortened(n.former)}
		}
	}
	return all
}

// differs says in which way what is there is not what the model asks for, and
// of which path it speaks.
func (m model) differs(there map[string]entry) (what, at string) {
	want := m.expected()
	for at, w := range want {
		got, ok := there[at]
		switch {
		case !ok:
			return fmt.Sprintf("%s is gone", at), at
		case w.sum != got.sum:
			return fmt.Sprintf("%s has other bytes: %.8s, not %.8s", at, got.sum, w.sum), at
		case w.versions != got.versions:
			return fmt.Sprintf("%s has other versions: %s, not %s", at, got.versions, w.versions), at
		case w.id != "" && w.id != got.id:
			return fmt.Sprintf("%s is another item: %s, not %s", at, got.id, w.id), at
		}
	}
	for at := range there {
		if _, ok := want[at]; !ok {
			return fmt.Sprintf("%s is there", at), at
		}
	}
	return "", ""
}
