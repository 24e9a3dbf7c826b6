package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/google/uuid"
)

// errNotRegular says that something stands at a path that is neither opened
// nor followed: a link, a device, a FIFO, a socket, or a folder.
var errNotRegular = errors.New("not a regular file")

// open opens the regular file at a path for reading. Nothing else is ever
// opened: the name is looked at first, and what was opened must be what was
// seen, so a link put there meanwhile is refused. O_NONBLOCK is for the FIFO
// that wins that race.
func (d *dataDir) open(p string) (*os.File, fs.FileInfo, error) {
	root, rest, err := d.within(p)
	if err != nil {
		return nil, nil, err
	}
	return openIn(root, rest)
}

// openBelow is open for who must not get out of the folder top: what lies
// below it is reached through a root of that folder alone. With top "" it is
// open.
func (d *dataDir) openBelow(top, p string) (*os.File, fs.FileInfo, error) {
	below, ok := strings.CutPrefix(p, top+"/")
	if !ok || top == "" {
		return d.open(p)
	}
	root, rest, err := d.within(top)
	if err != nil {
		return nil, nil, err
	}
	seen, err := root.Lstat(rest)
	if err != nil {
		return nil, nil, err
	}
	folder, err := root.OpenRoot(rest)
	if err != nil {
		return nil, nil, err
	}
	defer folder.Close()
	if info, err := folder.Stat("."); err != nil || !os.SameFile(seen, info) {
		return nil, nil, errNotRegular // a link stands in its place
	}
	return openIn(folder, below)
}

func openIn(root *os.Root, rest string) (*os.File, fs.FileInfo, error) {
	seen, err := root.Lstat(rest)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	f, err := root.OpenFile(rest, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// failed tells an error of the disk or of the process from a place where the
// entry simply is not: no such name, something else than a folder on the way
// to it, or a link that leads out of the owner's tree.
func failed(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	if ok {
		return errno != syscall.ENOENT && errno != syscall.ENOTDIR && errno != syscall.ELOOP
	}
	return errors.Is(err, fs.ErrClosed)
}

// lstat looks at what has the path as its name.
func (d *dataDir) lstat(p string) (fs.FileInfo, error) {
	root, rest, err := d.parentRoot(p)
	if err != nil {
		return nil, err
	}
	return root.Lstat(rest)
}

// folder opens the folder at a path, never through a link as its last name.
func (d *dataDir) folder(p string) (*os.File, error) {
	root, rest, err := d.within(p)
	if err != nil {
		return nil, err
	}
	seen, err := root.Lstat(rest)
	if err != nil {
		return nil, err
	}
	if !seen.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: p, Err: syscall.ENOTDIR}
	}
	f, err := root.OpenFile(rest, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(seen, info) {
		err = &fs.PathError{Op: "open", Path: p, Err: syscall.ENOTDIR}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// rename moves the entry at source to target. With replace false it fails
// with EEXIST when something is there, which Root.Rename cannot promise.
//
// CephFS and NFS cannot be asked for that and answer EINVAL. There a file gets
// its new name before it loses the old one, and a crash may leave it with both
// (see publish). A folder that appears between the look and the rename is only
// replaced when it is empty.
func (d *dataDir) rename(source, target string, replace bool) error {
	return d.between(source, target, func(from *os.File, name string, to *os.File, newName string) error {
		if replace {
			return at("renameat", syscall.SYS_RENAMEAT, from, name, to, newName, 0)
		}
		err := error(syscall.EINVAL)
		if !without("noreplace") {
			err = at("renameat2", sysRenameat2, from, name, to, newName, renameNoReplace)
		}
		if !errors.Is(err, syscall.EINVAL) {
			return err
		}
		if info, err := d.lstat(source); err != nil {
			return err
		} else if info.IsDir() {
			if _, err := d.lstat(target); err == nil {
				return syscall.EEXIST
			}
			return at("renameat", syscall.SYS_RENAMEAT, from, name, to, newName, 0)
		}
		if err := at("linkat", syscall.SYS_LINKAT, from, name, to, newName, 0); err != nil {
			return err
		}
		failpoint("linked")
		return d.remove(source)
	})
}

// remove takes a name away.
func (d *dataDir) remove(p string) error {
	root, rest, err := d.within(p)
	if err != nil {
		return err
	}
	return root.Remove(rest)
}

// link gives the file at source a second name.
func (d *dataDir) link(source, target string) error {
	return d.between(source, target, func(from *os.File, name string, to *os.File, newName string) error {
		return at("linkat", syscall.SYS_LINKAT, from, name, to, newName, 0)
	})
}

// between opens the two folders for act and syncs both after it, the target's
// first: a power cut between the two leaves the name in both, never in none.
func (d *dataDir) between(source, target string, act func(from *os.File, name string, to *os.File, newName string) error) error {
	from, err := d.folder(path.Dir(source))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := d.folder(path.Dir(target))
	if err != nil {
		return err
	}
	defer to.Close()
	if err := act(from, path.Base(source), to, path.Base(target)); err != nil {
		return err
	}
	if err := durable(to); err != nil || path.Dir(source) == path.Dir(target) {
		return err
	}
	return durable(from)
}

// mkdir makes a folder that carries the item's id, and makes both durable. A
// folder that is there already is taken as it is.
func (d *dataDir) mkdir(p string, item uuid.UUID) error {
	root, rest, err := d.parentRoot(p)
	if err != nil {
		return err
	}
	if err := root.Mkdir(rest, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if path.Dir(p) == usersFolder {
		// The root that was open may belong to a folder that is gone.
		d.forgetOwner(path.Base(p))
	}
	f, err := d.folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setXattr(f, xattrID, item.String()); err != nil {
		return err
	}
	if err := durable(f); err != nil {
		return err
	}
	return d.syncFolder(path.Dir(p))
}

// parentRoot is within for a path that need not exist yet: an owner's folder
// itself is reached from the data directory.
func (d *dataDir) parentRoot(p string) (*os.Root, string, error) {
	if path.Dir(p) == usersFolder {
		return d.root, p, nil
	}
	return d.within(p)
}

// durable is fsync.
func durable(f *os.File) error {
	if without("fsync") {
		return nil
	}
	return f.Sync()
}

// syncFolder makes the names in a folder durable.
func (d *dataDir) syncFolder(p string) error {
	f, err := d.folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return durable(f)
}

// renameat2 has no number in package syscall for amd64.
var sysRenameat2 = map[string]uintptr{"amd64": 316, "arm64": 276}[runtime.GOARCH]

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
		return &os.LinkError{Op: call, Old: name, New: newName, Err: errno}
	}
	return nil
}

// setTimes gives the open file a modification time with nanoseconds. The
// kernel's own is coarse: two versions of the same size written within one
// tick would look alike to a reader.
func setTimes(f *os.File, t time.Time) error {
	ts := [2]syscall.Timespec{syscall.NsecToTimespec(t.UnixNano()), syscall.NsecToTimespec(t.UnixNano())}
	_, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("utimensat", errno)
	}
	return nil
}

// The extended attributes from which the rows can be made again.
const (
	xattrID     = "user.homebase.id"
	xattrSHA256 = "user.homebase.sha256" // "<hex> <size> <mtime in ns>": an edit from outside voids it
	// Counts in the trash alone: "<id of the former folder> <name>".
	xattrTrashed = "user.homebase.trashed"
)

// setXattr sets an extended attribute of an open file or folder. A file
// system that has none is no failure: only rebuilding the rows would miss it.
func setXattr(f *os.File, name, value string) error {
	namep, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_FSETXATTR, f.Fd(), uintptr(unsafe.Pointer(namep)),
		uintptr(unsafe.Pointer(unsafe.StringData(value))), uintptr(len(value)), 0, 0)
	if errno != 0 && errno != syscall.EOPNOTSUPP {
		return fmt.Errorf("set %s: %w", name, os.NewSyscallError("fsetxattr", errno))
	}
	return nil
}

// carries reports whether the regular file at a path carries the item's id.
// Where the file system has no attributes nothing speaks against it.
func (d *dataDir) carries(p string, item uuid.UUID) (bool, error) {
	f, _, err := d.open(p)
	if err != nil {
		return false, err
	}
	defer f.Close()
	namep, err := syscall.BytePtrFromString(xattrID)
	if err != nil {
		return false, err
	}
	var value [64]byte
	n, _, errno := syscall.Syscall6(syscall.SYS_FGETXATTR, f.Fd(), uintptr(unsafe.Pointer(namep)),
		uintptr(unsafe.Pointer(&value)), uintptr(len(value)), 0, 0)
	switch errno {
	case 0:
		return string(value[:n]) == item.String(), nil
	case syscall.EOPNOTSUPP:
		return true, nil
	case syscall.ENODATA, syscall.ERANGE:
		return false, nil
	}
	return false, os.NewSyscallError("fgetxattr", errno)
}

// statOf is the kernel's view of a file that was looked at on Linux.
func statOf(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// inode is the number that a redo record knows its bytes by.
func inode(info fs.FileInfo) int64 { return int64(statOf(info).Ino) }

// noSpace reports whether the disk or the kernel's own quota is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// found gives a name beside p for what no row knows: "a (found).pdf".
func found(p string, n int) string {
	folder, name := path.Split(p)
	if n == 1 {
		return folder + markName(name, " (found)")
	}
	return folder + markName(name, fmt.Sprintf(" (found %d)", n))
}
