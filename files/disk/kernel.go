package disk

import (
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// Kernel are the system calls by which a directory is looked at and changed. There
// are two kernels: that of Linux, and a model of a disk that loses at a power cut what was
// not flushed, over which the tests of the journal drive all that is above it.
// Errors are those of the system calls; paths and names are below open folders.
type Kernel interface {
	// Open follows no link: see openBelow.
	Open(folder *os.File, p string, flags int, mode uint32) (*os.File, error)
	Stat(f *os.File) (fs.FileInfo, error)
	Lstat(folder *os.File, name string) (Entry, error)
	Names(folder *os.File) ([]string, error)
	Mkdir(folder *os.File, name string) error
	Link(from *os.File, name string, to *os.File, newName string) error
	// Rename without replace fails with EEXIST where something is, and with
	// EINVAL where the file system cannot promise that.
	Rename(from *os.File, name string, to *os.File, newName string, replace bool) error
	Unlink(folder *os.File, name string) error
	// RemoveAll takes a path of one of the directory's own folders.
	RemoveAll(p string) error
	Attribute(f *os.File, name string) (string, error)
	SetAttribute(f *os.File, name, value string) error
	Sync(f *os.File) error
	// Lock is flock: false when another open file holds it.
	Lock(f *os.File) (bool, error)
}

// linux is the kernel of a directory that is open.
type linux struct{ root *os.Root }

func (linux) Open(folder *os.File, p string, flags int, mode uint32) (*os.File, error) {
	return openBelow(folder, p, flags, mode)
}

func (linux) Stat(f *os.File) (fs.FileInfo, error) { return f.Stat() }

func (linux) Lstat(folder *os.File, name string) (Entry, error) { return lstatIn(folder, name) }

func (linux) Names(folder *os.File) ([]string, error) { return folder.Readdirnames(-1) }

func (linux) Mkdir(folder *os.File, name string) error {
	defer runtime.KeepAlive(folder)
	return os.NewSyscallError("mkdirat", syscall.Mkdirat(int(folder.Fd()), name, 0o700))
}

func (linux) Link(from *os.File, name string, to *os.File, newName string) error {
	return twoNames("linkat", syscall.SYS_LINKAT, from, name, to, newName, 0)
}

func (linux) Rename(from *os.File, name string, to *os.File, newName string, replace bool) error {
	if replace {
		return twoNames("renameat", syscall.SYS_RENAMEAT, from, name, to, newName, 0)
	}
	return twoNames("renameat2", sysRenameat2, from, name, to, newName, renameNoReplace)
}

func (linux) Unlink(folder *os.File, name string) error {
	defer runtime.KeepAlive(folder)
	return os.NewSyscallError("unlinkat", syscall.Unlinkat(int(folder.Fd()), name))
}

func (l linux) RemoveAll(p string) error { return l.root.RemoveAll(p) }

func (linux) Attribute(f *os.File, name string) (string, error) { return get(f, name) }

func (linux) SetAttribute(f *os.File, name, value string) error { return set(f, name, value) }

// Sync looks, once a folder is flushed, whether its file system still works. An
// XFS that has shut down, because its disk failed under somebody else's flush, has
// dropped what was renamed and says of the folder that all is well; only who
// opens something hears of it.
func (linux) Sync(f *os.File) error {
	if err := f.Sync(); err != nil {
		return err
	}
	defer runtime.KeepAlive(f)
	fd, err := syscall.Openat(int(f.Fd()), ".", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err == nil {
		syscall.Close(fd)
	}
	if err == syscall.ENOTDIR || err == syscall.ENOENT {
		return nil // a file; a folder that was removed
	}
	return os.NewSyscallError("openat", err)
}

func (linux) Lock(f *os.File) (bool, error) { return Lock(f) }
