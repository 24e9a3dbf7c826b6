package disk

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// They have no numbers in package syscall for amd64.
var (
	sysOpenat2   = uintptr(437)
	sysFstatat   = map[string]uintptr{"amd64": 262, "arm64": 79}[runtime.GOARCH]
	sysRenameat2 = map[string]uintptr{"amd64": 316, "arm64": 276}[runtime.GOARCH]
	sysSyncfs    = map[string]uintptr{"amd64": 306, "arm64": 267}[runtime.GOARCH]
)

const (
	pathOnly = 0x200000 // O_PATH: a handle to look at or to walk on from

	resolveNoSymlinks = 4 // RESOLVE_NO_SYMLINKS
	resolveBeneath    = 8 // RESOLVE_BENEATH

	renameNoReplace = 1 // RENAME_NOREPLACE

	noFollow = 0x100 // AT_SYMLINK_NOFOLLOW
)

// openBelow opens the entry at a path below an open folder. No link is
// followed, on the way or at the end, so nothing that somebody plants in a tree
// leads out of it: with pathOnly a link itself is opened, else it is ELOOP. No path of
// ours leads up: one that does is ENOENT.
func openBelow(folder *os.File, p string, flags int, mode uint32) (*os.File, error) {
	for name := range strings.SplitSeq(p, "/") {
		if name == ".." {
			return nil, os.NewSyscallError("openat", syscall.ENOENT)
		}
	}
	flags |= syscall.O_CLOEXEC | syscall.O_NOFOLLOW
	var fd int
	var err error
	if hasOpenat2() {
		fd, err = openat2(folder, p, flags, mode)
	} else {
		fd, err = openEach(folder, p, flags, mode)
	}
	if err == syscall.EXDEV {
		err = syscall.ENOENT // moved away under the walk
	}
	if err != nil {
		return nil, os.NewSyscallError("openat", err)
	}
	if flags&syscall.O_NONBLOCK != 0 {
		// Only the opening must not wait. What says that reads must not either,
		// package os tries to have polled, and asks the kernel in vain for a file.
		syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFL, uintptr(flags&^syscall.O_NONBLOCK))
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// openat2 is the system call: one for a path of any depth.
func openat2(folder *os.File, p string, flags int, mode uint32) (int, error) {
	defer runtime.KeepAlive(folder)
	name, err := syscall.BytePtrFromString(p)
	if err != nil {
		return -1, err
	}
	how := struct{ flags, mode, resolve uint64 }{uint64(flags), uint64(mode), resolveNoSymlinks | resolveBeneath}
	for {
		fd, _, errno := syscall.Syscall6(sysOpenat2, folder.Fd(), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return -1, errno
		}
		return int(fd), nil
	}
}

// hasOpenat2 reports whether the kernel has the call (Linux 5.6) and lets this
// process make it: older sandboxes do not know it.
var hasOpenat2 = sync.OnceValue(func() bool {
	root, err := os.Open("/")
	if err != nil {
		return false
	}
	defer root.Close()
	fd, err := openat2(root, ".", pathOnly|syscall.O_CLOEXEC, 0)
	if err == nil {
		syscall.Close(fd)
	}
	return err == nil
})

// openEach does the same by one call for each name.
func openEach(folder *os.File, p string, flags int, mode uint32) (int, error) {
	defer runtime.KeepAlive(folder)
	at := int(folder.Fd())
	for {
		name, rest, more := strings.Cut(p, "/")
		asked, bits := flags, mode
		if more {
			asked, bits = pathOnly|syscall.O_DIRECTORY|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0
		}
		fd, err := syscall.Openat(at, name, asked, bits)
		for err == syscall.EINTR {
			fd, err = syscall.Openat(at, name, asked, bits)
		}
		if at != int(folder.Fd()) {
			syscall.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, p = fd, rest
	}
}

// Entry is what an open folder shows of one of its names.
type Entry struct {
	Ino   int64
	Links uint32
	Mode  uint16 // st_mode
}

func (e Entry) IsDir() bool  { return e.Mode&syscall.S_IFMT == syscall.S_IFDIR }
func (e Entry) IsFile() bool { return e.Mode&syscall.S_IFMT == syscall.S_IFREG }

// LstatIn looks at a name in an open folder.
func (d *Dir) LstatIn(folder *os.File, name string) (Entry, error) {
	return d.kernel.Lstat(folder, name)
}

func lstatIn(folder *os.File, name string) (Entry, error) {
	st, err := statAt(folder, name)
	return Entry{Ino: int64(st.Ino), Links: uint32(st.Nlink), Mode: uint16(st.Mode)}, err
}

// statAt is fstatat: it follows links, though not a last one.
func statAt(folder *os.File, p string) (st syscall.Stat_t, err error) {
	defer runtime.KeepAlive(folder)
	name, err := syscall.BytePtrFromString(p)
	if err != nil {
		return st, err
	}
	_, _, errno := syscall.Syscall6(sysFstatat, folder.Fd(), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&st)), noFollow, 0, 0)
	if errno != 0 {
		err = os.NewSyscallError("fstatat", errno)
	}
	return st, err
}

// MoveIn renames a name in one open folder to one in another; it syncs
// neither. The target's folder goes first then, so that a power cut leaves the
// name in both, never in none. With replace false it fails with EEXIST when
// something is there, which plain renaming cannot promise.
//
// CephFS and NFS do not offer that and answer EINVAL. There a file gets its
// new name, durably, before it loses the old one, and a crash may leave it with both. A
// folder that appears between the look and the rename is replaced only when
// it is empty.
func (d *Dir) MoveIn(from *os.File, name string, to *os.File, newName string, replace bool) error {
	if replace {
		return d.kernel.Rename(from, name, to, newName, true)
	}
	err := error(syscall.EINVAL)
	if !Without("noreplace") {
		err = d.kernel.Rename(from, name, to, newName, false)
	}
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	if here, err := d.LstatIn(from, name); err != nil {
		return err
	} else if here.IsDir() {
		if _, err := d.LstatIn(to, newName); err == nil {
			return syscall.EEXIST
		}
		return d.kernel.Rename(from, name, to, newName, true)
	}
	if err := d.LinkIn(from, name, to, newName); err != nil {
		return err
	}
	if err := d.Sync(to); err != nil {
		return err
	}
	Failpoint("linked")
	return d.kernel.Unlink(from, name)
}

// LinkIn gives a file a second name; it syncs nothing.
func (d *Dir) LinkIn(from *os.File, name string, to *os.File, newName string) error {
	return d.kernel.Link(from, name, to, newName)
}

// twoNames is a call with two folders, two names and flags.
func twoNames(call string, number uintptr, from *os.File, name string, to *os.File, newName string, flags uintptr) error {
	defer runtime.KeepAlive(from)
	defer runtime.KeepAlive(to)
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
