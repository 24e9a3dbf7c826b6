// Package disk is the data directory: plain files under their owners' names,
// and the few system calls by which they are read and put in place. It knows
// neither SQL nor HTTP and writes no log.
//
// Paths are relative to the data directory, with slashes:
// "users/<owner>/documents/a.pdf". No link in an owner's folder is followed to what is
// opened, made or changed, so nothing that somebody plants in a tree leads out of it.
//
// Names are their owners' business: no error of this package carries one.
// Errors are the kernel's (syscall.Errno), found by [errors.Is] as usual.
//
// What a method makes durable is said at the method. A failed fsync is final:
// the kernel may have dropped the pages, and a second call would succeed. Only
// a full disk does not condemn the whole directory: see Fault.
package disk

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/google/uuid"
)

// mostOpen is how many owners' folders a worker keeps open.
const mostOpen = 256

// Dir is an open data directory. It is safe for concurrent use.
type Dir struct {
	kernel Kernel
	path   string
	root   *os.Root // for what needs no model: marker, cache, and what a restore makes
	self   *os.File // the directory itself, for statfs and fsync
	info   fs.FileInfo

	fault  atomic.Pointer[error]
	marked atomic.Pointer[fs.FileInfo] // the marker as it was last read and found right

	mu     sync.Mutex
	owners map[string]*list.Element // of *ownerFolder, by path
	recent *list.List               // front: used last
}

// ownerFolder is an open users/<owner> or spaces/<owner>. One that was dropped
// from the list is closed by who uses it last.
type ownerFolder struct {
	path   string
	folder *os.File
	users  int // with the list, while it is there
}

// Open opens the directory without writing to it.
func Open(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	info, err := self.Stat()
	if err != nil {
		return nil, errors.Join(err, self.Close(), root.Close())
	}
	d := On(linux{root}, self)
	d.path, d.root, d.info = name, root, info
	return d, nil
}

// On is the directory that a kernel shows by an open folder. Without Open it has
// what a journal needs.
func On(kernel Kernel, self *os.File) *Dir {
	return &Dir{kernel: kernel, self: self, owners: map[string]*list.Element{}, recent: list.New()}
}

// Close closes the directory; files opened from it stay open.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.recent.Len() > 0 {
		d.drop(d.recent.Back())
	}
	return errors.Join(d.self.Close(), d.root.Close())
}

// MakeLayout makes the folders of the layout and refuses one that is on
// another file system.
func (d *Dir) MakeLayout() error {
	for _, name := range []string{Workers, Staging, Trash, Purge, Cache, Users, Spaces, Versions} {
		if err := d.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := d.root.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() || !d.Holds(info) {
			return fmt.Errorf("%s must be a folder on the same file system as %s: files are put in place by renaming", path.Join(d.path, name), d.path)
		}
	}
	return d.Sync(d.self)
}

// Holds reports whether what was looked at lies on the directory's own file
// system and not on one that is mounted below it.
func (d *Dir) Holds(info fs.FileInfo) bool { return StatOf(info).Dev == StatOf(d.info).Dev }

// CheckInPlace says why the directory that its path leads to now is not the
// open one with that id: a mount went away, or another disk is in its place.
// It reads the marker once for each change of it: a read may write the time of
// the read, and wake the disk.
func (d *Dir) CheckInPlace(id uuid.UUID) error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, d.info) {
		return fmt.Errorf("%s is no longer the directory that was opened", d.path)
	}
	if info, err = d.root.Stat(MarkerFile); err != nil {
		return err
	}
	if seen := d.marked.Load(); seen != nil && os.SameFile(info, *seen) && StatOf(info).Ctim == StatOf(*seen).Ctim {
		return nil
	}
	found, err := d.Marker()
	if err != nil {
		return err
	}
	if found != id {
		return fmt.Errorf("%s belongs to another installation", d.path)
	}
	d.marked.Store(&info)
	return nil
}

// Space is the size of the disk in bytes, and how much of it an unprivileged
// process may still fill.
func (d *Dir) Space() (total, free int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(d.self.Fd()), &st); err != nil {
		return 0, 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// open opens the entry at a path.
func (d *Dir) open(p string, flags int, mode uint32) (f *os.File, err error) {
	err = d.from(p, func(folder *os.File, rest string) error {
		f, err = d.kernel.Open(folder, rest, flags, mode)
		return err
	})
	return f, err
}

// from calls a function with an open folder and the way from there to a path: that of
// the owner, inside of one.
func (d *Dir) from(p string, call func(folder *os.File, rest string) error) error {
	inside, _ := Inside(p)
	if inside == "" {
		return call(d.self, p)
	}
	o, err := d.use(strings.TrimSuffix(p, inside))
	if err != nil {
		return err
	}
	defer d.release(o)
	return call(o.folder, inside[1:])
}

// use opens an owner's folder or takes it from the list of open ones.
func (d *Dir) use(at string) (*ownerFolder, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.owners[at]; ok {
		d.recent.MoveToFront(e)
		o := e.Value.(*ownerFolder)
		o.users++
		return o, nil
	}
	folder, err := d.Folder(at)
	if err != nil {
		return nil, err
	}
	o := &ownerFolder{at, folder, 2}
	d.owners[at] = d.recent.PushFront(o)
	if d.recent.Len() > mostOpen {
		d.drop(d.recent.Back())
	}
	return o, nil
}

func (d *Dir) release(o *ownerFolder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o.leave()
}

// leave is called under the lock.
func (o *ownerFolder) leave() {
	if o.users--; o.users == 0 {
		o.folder.Close()
	}
}

// drop takes a folder off the list, under the lock.
func (d *Dir) drop(e *list.Element) {
	o := d.recent.Remove(e).(*ownerFolder)
	delete(d.owners, o.path)
	o.leave()
}

// Forget drops an owner's open folder: another folder may be at its path by now.
func (d *Dir) Forget(owner uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.owners[OwnerPath(owner, "")]; ok {
		d.drop(e)
	}
}
