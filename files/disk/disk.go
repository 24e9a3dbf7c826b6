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
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"syscall"

	"github.com/google/uuid"
)

// Dir is an open data directory. It is safe for concurrent use.
type Dir struct {
	kernel Kernel
	path   string
	root   *os.Root // for what needs no model: marker, cache, and what a restore makes
	self   *os.File // the directory itself, for statfs and fsync
	info   fs.FileInfo

	fault  atomic.Pointer[error]
	marked atomic.Pointer[fs.FileInfo] // the marker as it was last read and found right
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
	return &Dir{kernel: kernel, self: self}
}

// Close closes the directory; files opened from it stay open.
func (d *Dir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

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
func (d *Dir) open(p string, flags int, mode uint32) (*os.File, error) {
	return d.kernel.Open(d.self, p, flags, mode)
}
