package journal

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"homebase/files/disk"
)

// modelKernel is disk.Kernel as one process has it. What changes names or
// flushes waits for its turn in the simulation; a look takes place at once.
type modelKernel struct {
	*modelDisk
	by *process
}

var _ disk.Kernel = modelKernel{}

// turn waits until it is this call's turn, and locks the disk for it. A dead
// process gets an error from everything, and changes nothing.
func (k modelKernel) turn(call, p string, failing int) (done func(), err error) {
	if fate := k.by.sim.turn(k.by, call, p); fate == fateDead {
		return nil, syscall.EIO
	}
	k.mu.Lock()
	switch {
	case k.broken:
		k.mu.Unlock()
		return nil, syscall.EIO
	case failing > 0 && k.by.sim.oneIn(failing):
		k.mu.Unlock()
		k.by.sim.note(k.by, call, "no space")
		k.by.sim.count("no space")
		return nil, syscall.ENOSPC
	}
	return k.mu.Unlock, nil
}

// look locks the disk for what changes nothing.
func (k modelKernel) look() (done func(), err error) {
	if k.by.dead.Load() {
		return nil, syscall.EIO
	}
	k.mu.Lock()
	return k.mu.Unlock, nil
}

// looked is the node of an open file, with the disk locked for what changes
// nothing.
func (k modelKernel) looked(f *os.File) (n *node, done func(), err error) {
	if done, err = k.look(); err != nil {
		return nil, nil, err
	}
	if n, err = k.node(f); err != nil {
		done()
		return nil, nil, err
	}
	return n, done, nil
}

func (k modelKernel) Open(folder *os.File, p string, flags int, _ uint32) (*os.File, error) {
	from, done, err := k.looked(folder)
	if err != nil {
		return nil, err
	}
	defer done()
	n, err := from.walk(p)
	switch {
	case err == nil && flags&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, syscall.EEXIST
	case err == nil && flags&syscall.O_DIRECTORY != 0 && !n.folder:
		return nil, syscall.ENOTDIR
	case err == syscall.ENOENT && flags&os.O_CREATE != 0:
		above, err := from.walk(strings.TrimPrefix(path.Dir(p), "."))
		if err != nil || above.removed || !above.folder {
			return nil, syscall.ENOENT
		}
		n = k.newNode(false)
		k.change(nameSet{above, path.Base(p), n})
	case err != nil:
		return nil, err
	}
	return k.open(n, k.by), nil
}

func (k modelKernel) Stat(f *os.File) (fs.FileInfo, error) {
	n, done, err := k.looked(f)
	if err != nil {
		return nil, err
	}
	defer done()
	return info{n}, nil
}

func (k modelKernel) Lstat(folder *os.File, name string) (disk.Entry, error) {
	from, done, err := k.looked(folder)
	if err != nil {
		return disk.Entry{}, err
	}
	defer done()
	n, err := from.walk(name)
	if err != nil {
		return disk.Entry{}, err
	}
	return n.entry(), nil
}

func (k modelKernel) Names(folder *os.File) ([]string, error) {
	n, done, err := k.looked(folder)
	if err != nil {
		return nil, err
	}
	defer done()
	return slices.Sorted(maps.Keys(n.entries)), nil
}

func (k modelKernel) Mkdir(folder *os.File, name string) error {
	done, err := k.turn("mkdir", name, 400)
	if err != nil {
		return err
	}
	defer done()
	n, err := k.node(folder)
	switch {
	case err != nil:
		return err
	case n.entries[name] != nil:
		return syscall.EEXIST
	case n.removed:
		return syscall.ENOENT
	}
	made := k.newNode(true)
	made.made = k.change(nameSet{n, name, made})
	return nil
}

// both are the nodes of two folders and what has the old name.
func (k modelKernel) both(from *os.File, name string, to *os.File) (source, target, moved *node, err error) {
	if source, err = k.node(from); err == nil {
		target, err = k.node(to)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	moved = source.entries[name]
	if moved == nil || target.removed {
		return nil, nil, nil, syscall.ENOENT
	}
	return source, target, moved, nil
}

func (k modelKernel) Link(from *os.File, name string, to *os.File, newName string) error {
	done, err := k.turn("link", newName, 400)
	if err != nil {
		return err
	}
	defer done()
	_, target, n, err := k.both(from, name, to)
	switch {
	case err != nil:
		return err
	case target.entries[newName] != nil:
		return syscall.EEXIST
	case n.folder:
		return syscall.EPERM
	}
	if k.ablated != "link" {
		k.change(nameSet{target, newName, n})
	}
	return nil
}

func (k modelKernel) Rename(from *os.File, name string, to *os.File, newName string, replace bool) error {
	if !replace && k.by.sim.poor {
		return syscall.EINVAL
	}
	done, err := k.turn("rename", name+" to "+newName, 200)
	if err != nil {
		return err
	}
	defer done()
	source, target, n, err := k.both(from, name, to)
	if err != nil {
		return err
	}
	there := target.entries[newName]
	switch {
	case there == nil:
	case !replace && k.ablated != "noreplace":
		return syscall.EEXIST
	case there == n:
		return nil // rename(2): two names of one file stay
	case there.folder != n.folder:
		return syscall.EISDIR
	case there.folder && len(there.entries) > 0:
		return syscall.ENOTEMPTY
	}
	k.change(nameSet{source, name, nil}, nameSet{target, newName, n})
	return nil
}

func (k modelKernel) Unlink(folder *os.File, name string) error {
	done, err := k.turn("unlink", name, 0)
	if err != nil {
		return err
	}
	defer done()
	n, err := k.node(folder)
	switch {
	case err != nil:
		return err
	case n.entries[name] == nil:
		return syscall.ENOENT
	case n.entries[name].folder:
		return syscall.EISDIR
	}
	k.change(nameSet{n, name, nil})
	return nil
}

func (k modelKernel) RemoveAll(p string) error {
	done, err := k.turn("remove", p, 0)
	if err != nil {
		return err
	}
	defer done()
	above := k.find(path.Dir(p))
	if above == nil || above.entries[path.Base(p)] == nil {
		return nil
	}
	k.change(nameSet{above, path.Base(p), nil})
	return nil
}

func (k modelKernel) Attribute(f *os.File, _ string) (string, error) {
	n, done, err := k.looked(f)
	if err != nil {
		return "", err
	}
	defer done()
	if n.seen.mark == "" {
		return "", syscall.ENODATA
	}
	return n.seen.mark, nil
}

func (k modelKernel) SetAttribute(f *os.File, _, value string) error {
	n, done, err := k.looked(f)
	if err != nil {
		return err
	}
	defer done()
	n.seen.mark = value
	return nil
}

func (k modelKernel) Sync(f *os.File) error {
	n, at, err := k.what(f)
	if err != nil {
		return err
	}
	done, err := k.turn("fsync", fmt.Sprint(at, " ", n.ino), 0)
	if k.ablated == "shut" && n.folder && err != nil && !k.by.dead.Load() {
		return nil // as XFS says
	}
	if err != nil {
		return err
	}
	defer done()
	if k.by.sim.oneIn(k.by.sim.failing) {
		k.broken = true
		k.by.sim.note(k.by, "fsync", "failed")
		k.by.sim.count("failed flush")
		return syscall.EIO
	}
	if k.ablated != "flush "+at {
		k.flush(n)
	}
	return nil
}

// what is the node of an open file, and its pathOf.
func (k modelKernel) what(f *os.File) (n *node, at string, err error) {
	n, done, err := k.looked(f)
	if err != nil {
		return nil, "", err
	}
	defer done()
	return n, k.pathOf(n), nil
}

// pathOf is the folder at the top that a folder lies in, "root" for none, and
// "file" for a file: for the history, and for the ablation "flush" of it.
func (d *modelDisk) pathOf(n *node) (at string) {
	if !n.folder {
		return "file"
	}
	for _, top := range []string{disk.Staging, disk.Trash, disk.Versions, disk.Purge, disk.Users} {
		if d.below(d.root.entries[top], n) {
			return top
		}
	}
	return "root"
}

func (d *modelDisk) below(above, n *node) bool {
	if above == nil || above == n {
		return above == n
	}
	for _, e := range above.entries {
		if e.folder && d.below(e, n) {
			return true
		}
	}
	return false
}

func (k modelKernel) Lock(f *os.File) (bool, error) {
	done, err := k.look()
	if err != nil {
		return false, err
	}
	defer done()
	h := k.handle(f)
	for _, other := range k.handles {
		if other != h && other.node == h.node && other.locked && !other.closed() && k.ablated != "lock" {
			return false, nil
		}
	}
	h.locked = true
	return true, nil
}
