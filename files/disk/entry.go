package disk

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// errNotRegular says that the path names something that is neither opened nor
// followed: a link, a device, a FIFO, a socket, or a folder.
var errNotRegular = errors.New("not a regular file")

// bare is an error of the kernel without the names that it was about.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return os.NewSyscallError(e.Op, e.Err)
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return os.NewSyscallError(e.Op, e.Err)
	}
	return err
}

// Open opens the regular file at a path for reading; anything else is
// errNotRegular, and left alone: O_NONBLOCK is for a FIFO.
func (d *Dir) Open(p string) (*os.File, fs.FileInfo, error) {
	f, err := d.open(p, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, nil, errNotRegular // a link, a socket
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := d.kernel.Stat(f)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, nil, bare(err)
	}
	return f, info, nil
}

// Folder opens the folder at a path.
func (d *Dir) Folder(p string) (*os.File, error) {
	f, err := d.open(p, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if errors.Is(err, syscall.ELOOP) {
		err = syscall.ENOTDIR // a link
	}
	return f, err
}

// Look opens the file or folder that was seen at a path; nothing else.
func (d *Dir) Look(p string, seen fs.FileInfo) (*os.File, error) {
	if seen.IsDir() {
		return d.Folder(p)
	}
	f, _, err := d.Open(p)
	return f, err
}

// Lstat looks at what has the path as its name.
func (d *Dir) Lstat(p string) (fs.FileInfo, error) {
	f, err := d.open(p, pathOnly, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := d.kernel.Stat(f)
	return info, bare(err)
}

// HasName reports whether an open file still has a name.
func (d *Dir) HasName(f *os.File) bool {
	info, err := d.kernel.Stat(f)
	return err == nil && StatOf(info).Nlink > 0
}

// StatAt is Lstat by one call. It follows links on the way, so it serves only whoever
// has the file open and looks whether that is still the one.
func (d *Dir) StatAt(p string) (syscall.Stat_t, error) { return statAt(d.self, p) }

// Names lists a folder in no order; one that is not there holds nothing.
func (d *Dir) Names(p string) ([]string, error) {
	f, err := d.Folder(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := d.kernel.Names(f)
	return names, bare(err)
}

// Walk calls fn for everything below one of the directory's own folders.
func (d *Dir) Walk(p string, fn fs.WalkDirFunc) error {
	return bare(fs.WalkDir(d.root.FS(), p, fn))
}

// Failed tells an error of the disk or of the process from a path where the
// entry simply is not: no such name, something other than a folder on the
// way, or a link, which is never followed.
func Failed(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	if ok {
		return errno != syscall.ENOENT && errno != syscall.ENOTDIR && errno != syscall.ELOOP
	}
	return errors.Is(err, fs.ErrClosed)
}

// Full reports whether the disk or the kernel's own quota is full.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// StatOf is the kernel's view of a file that was looked at on Linux.
func StatOf(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// Inode is the number that a redo record knows its bytes by.
func Inode(info fs.FileInfo) int64 { return int64(StatOf(info).Ino) }

// MTime is when the bytes of a file were written, in nanoseconds since 1970: of a
// time that these cannot say, the nearest. A disk takes any from whoever copies
// something onto it.
func MTime(info fs.FileInfo) int64 { return Nanoseconds(info.ModTime()) }

// Nanoseconds is a time in nanoseconds since 1970, in the nearest second that
// they can say.
func Nanoseconds(t time.Time) int64 {
	const furthest = 1<<63/1_000_000_000 - 1 // seconds
	return min(max(t.Unix(), -furthest), furthest)*1_000_000_000 + int64(t.Nanosecond())
}
