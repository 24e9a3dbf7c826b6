package disk

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
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
	f, err := d.open(p, flags, 0o600)
	if !errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(p, Users+"/") {
		return f, err
	}
	if err := d.MakeFolder(path.Dir(p)); err != nil {
		return nil, err
	}
	return d.open(p, flags, 0o600)
}

// MakeFolder makes one of the directory's own folders, and makes it durable;
// one that is there stays.
func (d *Dir) MakeFolder(p string) error {
	above, err := d.Folder(path.Dir(p))
	if err != nil {
		return err
	}
	defer above.Close()
	if err := d.kernel.Mkdir(above, path.Base(p)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.Sync(above)
}

// OpenStaged opens a staging file for reading and writing.
func (d *Dir) OpenStaged(p string) (*os.File, error) { return d.open(p, os.O_RDWR, 0) }

// Remove takes the name of a file away; it syncs nothing.
func (d *Dir) Remove(p string) error {
	folder, err := d.Folder(path.Dir(p))
	if err != nil {
		return err
	}
	defer folder.Close()
	return d.kernel.Unlink(folder, path.Base(p))
}

// RemoveAll removes an entry of one of the directory's own folders with all
// below it; it syncs nothing.
func (d *Dir) RemoveAll(p string) error { return bare(d.kernel.RemoveAll(p)) }

// Replace gives a finished draft in cache/ its name; it syncs nothing.
func (d *Dir) Replace(draft, p string) error { return bare(d.root.Rename(draft, p)) }

// Touch sets the times of an entry of cache/.
func (d *Dir) Touch(p string, now time.Time) error { return bare(d.root.Chtimes(p, now, now)) }

// Mkdir makes a folder that carries the item's id, and makes both durable. A
// folder that is there already is taken as it is.
func (d *Dir) Mkdir(p string, item uuid.UUID) error {
	above, err := d.Folder(path.Dir(p))
	if err != nil {
		return err
	}
	defer above.Close()
	if err := d.kernel.Mkdir(above, path.Base(p)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := d.Folder(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := d.kernel.SetAttribute(f, attrMark, mark{id: item}.text()); err != nil {
		return err
	}
	return errors.Join(d.Sync(f), d.Sync(above))
}

// MakeWay makes the folders above a path, for a restore into a directory that
// nobody else uses. It makes nothing durable.
func (d *Dir) MakeWay(p string) error { return bare(d.root.MkdirAll(path.Dir(p), 0o700)) }

// SetTime gives the open file a modification time with nanoseconds. The
// kernel's own is coarse: two versions of the same size written within one
// tick would look alike to a reader.
func SetTime(f *os.File, t time.Time) error {
	at := syscall.NsecToTimespec(Nanoseconds(t))
	ts := [2]syscall.Timespec{at, at}
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
