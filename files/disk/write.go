package disk

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/google/uuid"
)

// Create makes a file that must not be there yet, for reading and writing,
// and the folder above it where that is missing in staging/ or cache/. It
// makes nothing durable but that folder.
func (d *Dir) Create(p string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	root, rest, err := d.within(p)
	if err != nil {
		return nil, bare(err)
	}
	f, err := root.OpenFile(rest, flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) || root != d.root {
		return f, bare(err)
	}
	if err := d.MakeFolder(path.Dir(p)); err != nil {
		return nil, err
	}
	f, err = root.OpenFile(rest, flags, 0o600)
	return f, bare(err)
}

// MakeFolder makes one of the directory's own folders, and makes it durable;
// one that is there stays.
func (d *Dir) MakeFolder(p string) error {
	if err := d.root.Mkdir(p, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return bare(err)
	}
	return d.SyncFolder(path.Dir(p))
}

// OpenStaged opens a staging file for reading and writing.
func (d *Dir) OpenStaged(p string) (*os.File, error) {
	f, err := d.root.OpenFile(p, os.O_RDWR, 0)
	return f, bare(err)
}

// Rename moves the entry at source to target; the caller syncs the folders, the
// target's first. With replace false it fails with EEXIST when something is
// there, which Root.Rename cannot promise.
//
// CephFS and NFS do not offer that and answer EINVAL. There a file gets its
// new name before it loses the old one, and a crash may leave it with both. A
// folder that appears between the look and the rename is replaced only when
// it is empty.
func (d *Dir) Rename(source, target string, replace bool) error {
	return d.between(source, target, func(from *os.File, name string, to *os.File, newName string) error {
		if replace {
			return at("renameat", syscall.SYS_RENAMEAT, from, name, to, newName, 0)
		}
		err := error(syscall.EINVAL)
		if !Without("noreplace") {
			err = at("renameat2", sysRenameat2, from, name, to, newName, renameNoReplace)
		}
		if !errors.Is(err, syscall.EINVAL) {
			return err
		}
		if info, err := d.Lstat(source); err != nil {
			return err
		} else if info.IsDir() {
			if _, err := d.Lstat(target); err == nil {
				return syscall.EEXIST
			}
			return at("renameat", syscall.SYS_RENAMEAT, from, name, to, newName, 0)
		}
		if err := at("linkat", syscall.SYS_LINKAT, from, name, to, newName, 0); err != nil {
			return err
		}
		Failpoint("linked")
		return d.Remove(source)
	})
}

// Link gives the file at source a second name; it syncs nothing.
func (d *Dir) Link(source, target string) error {
	return d.between(source, target, func(from *os.File, name string, to *os.File, newName string) error {
		return at("linkat", syscall.SYS_LINKAT, from, name, to, newName, 0)
	})
}

// between opens the two folders for act. It syncs neither: the target's goes
// first, so that a power cut leaves the name in both, never in none.
func (d *Dir) between(source, target string, act func(from *os.File, name string, to *os.File, newName string) error) error {
	from, err := d.Folder(path.Dir(source))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := d.Folder(path.Dir(target))
	if err != nil {
		return err
	}
	defer to.Close()
	return act(from, path.Base(source), to, path.Base(target))
}

// Remove takes a name away; it syncs nothing.
func (d *Dir) Remove(p string) error {
	root, rest, err := d.within(p)
	if err != nil {
		return bare(err)
	}
	return bare(root.Remove(rest))
}

// RemoveAll removes an entry of one of the directory's own folders with all
// below it; it syncs nothing.
func (d *Dir) RemoveAll(p string) error { return bare(d.root.RemoveAll(p)) }

// Replace gives a finished draft in cache/ its name; it syncs nothing.
func (d *Dir) Replace(draft, p string) error { return bare(d.root.Rename(draft, p)) }

// Touch sets the times of an entry of cache/.
func (d *Dir) Touch(p string, now time.Time) error { return bare(d.root.Chtimes(p, now, now)) }

// Mkdir makes a folder that carries the item's id, and makes both durable. A
// folder that is there already is taken as it is.
func (d *Dir) Mkdir(p string, item uuid.UUID) error {
	root, rest, err := d.parentRoot(p)
	if err != nil {
		return bare(err)
	}
	if err := root.Mkdir(rest, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return bare(err)
	}
	if owner, err := uuid.Parse(path.Base(p)); err == nil && path.Dir(p) == Users {
		d.Forget(owner) // the root that was open may belong to a folder that is gone
	}
	f, err := d.Folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := SetID(f, item); err != nil {
		return err
	}
	if err := Sync(f); err != nil {
		return err
	}
	return d.SyncFolder(path.Dir(p))
}

// Put makes an empty file of an owner, with the folders above it, for a
// restore into a directory that nobody else uses. It makes nothing durable.
func (d *Dir) Put(owner uuid.UUID, p string) (*os.File, error) {
	if err := d.MakeWay(owner, p); err != nil {
		return nil, err
	}
	root, rest, err := d.parentRoot(p)
	if err != nil {
		return nil, bare(err)
	}
	f, err := root.OpenFile(rest, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, bare(err)
}

// MakeWay makes the folders above a path of an owner. It makes nothing durable.
func (d *Dir) MakeWay(owner uuid.UUID, p string) error {
	root, rest, err := d.parentRoot(p)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.root.MkdirAll(UserPath(owner, ""), 0o700); err != nil {
			return bare(err)
		}
		root, rest, err = d.parentRoot(p)
	}
	if err == nil && path.Dir(rest) != "." {
		err = root.MkdirAll(path.Dir(rest), 0o700)
	}
	return bare(err)
}

// Sync is fsync.
func Sync(f *os.File) error {
	if Without("fsync") {
		return nil
	}
	return bare(f.Sync())
}

// SyncData is fdatasync.
func SyncData(f *os.File) error {
	if Without("fsync") {
		return nil
	}
	return os.NewSyscallError("fdatasync", syscall.Fdatasync(int(f.Fd())))
}

// SyncAll makes all of the file system durable: bytes, names and attributes. For
// many files it is one flush where each fsync would be one. Before Linux 5.8 it
// does not tell of bytes that could not be written.
func (d *Dir) SyncAll() error {
	_, _, errno := syscall.Syscall(sysSyncfs, d.self.Fd(), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("syncfs", errno)
	}
	return nil
}

// SyncFolder makes the names in a folder durable.
func (d *Dir) SyncFolder(p string) error {
	f, err := d.Folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return Sync(f)
}

// They have no numbers in package syscall for amd64.
var sysRenameat2 = map[string]uintptr{"amd64": 316, "arm64": 276}[runtime.GOARCH]
var sysSyncfs = map[string]uintptr{"amd64": 306, "arm64": 267}[runtime.GOARCH]

const renameNoReplace = 1 // RENAME_NOREPLACE

// at is renameat2 and linkat: a call with two folders, two names and flags.
func at(call string, number uintptr, from *os.File, name string, to *os.File, newName string, flags uintptr) error {
	oldp, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	newp, err := syscall.BytePtrFromString(newName)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(number, from.Fd(), uintptr(unsafe.Pointer(oldp)),
		to.Fd(), uintptr(unsafe.Pointer(newp)), flags, 0)
	if errno != 0 {
		return os.NewSyscallError(call, errno)
	}
	return nil
}

// SetTime gives the open file a modification time with nanoseconds. The
// kernel's own is coarse: two versions of the same size written within one
// tick would look alike to a reader.
func SetTime(f *os.File, t time.Time) error {
	ts := [2]syscall.Timespec{syscall.NsecToTimespec(t.UnixNano()), syscall.NsecToTimespec(t.UnixNano())}
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("utimensat", errno)
	}
	return nil
}

// Reflink shares the blocks of one file with an empty one (FICLONE of
// ioctl_ficlonerange(2)); false where the file system cannot.
func Reflink(to, from *os.File) bool {
	const ficlone = 0x40049409
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, to.Fd(), ficlone, from.Fd())
	return errno == 0
}
