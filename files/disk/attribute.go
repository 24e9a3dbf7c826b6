package disk

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/google/uuid"
)

// The extended attributes from which the rows can be made again.
const (
	// attrMark is 16 bytes, the id, and of a file 48 more: its SHA-256, and
	// the size and the mtime (ns) that it had then, big endian. An edit from
	// outside voids the sum. So much fits into an inode of ext4 under one
	// short name; any more costs each file a block, and its fsync a write.
	attrMark = "user.homebase"
	// Counts in the trash alone: "<id of the former folder> <name>".
	attrTrashed = "user.homebase.trashed"
)

// set sets an attribute of an open file or folder. A file system that has
// none is no failure: only rebuilding the rows would miss it.
func set(f *os.File, name, value string) error {
	namep, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_FSETXATTR, f.Fd(), uintptr(unsafe.Pointer(namep)),
		uintptr(unsafe.Pointer(unsafe.StringData(value))), uintptr(len(value)), 0, 0)
	if errno != 0 && errno != syscall.EOPNOTSUPP {
		return os.NewSyscallError("fsetxattr", errno)
	}
	return nil
}

// get reads an attribute: ENODATA where the entry has none.
func get(f *os.File, name string) (string, error) {
	namep, err := syscall.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	var value [512]byte // an id, a space and a name of 255 bytes are the longest
	n, _, errno := syscall.Syscall6(syscall.SYS_FGETXATTR, f.Fd(), uintptr(unsafe.Pointer(namep)),
		uintptr(unsafe.Pointer(&value)), uintptr(len(value)), 0, 0)
	if errno != 0 {
		return "", os.NewSyscallError("fgetxattr", errno)
	}
	return string(value[:n]), nil
}

// mark is what attrMark holds.
type mark struct {
	id   uuid.UUID
	sum  []byte // nil: none
	size int64
	time int64 // ns since 1970
}

const sumSize = 32

func (m mark) text() string {
	b := m.id[:]
	if m.sum != nil {
		b = slices.Concat(b, m.sum)
		b = binary.BigEndian.AppendUint64(b, uint64(m.size))
		b = binary.BigEndian.AppendUint64(b, uint64(m.time))
	}
	return string(b)
}

// markOf is the mark of an open file or folder, zero without a sound one.
func markOf(f *os.File) mark {
	text, _ := get(f, attrMark)
	return parseMark(text)
}

func parseMark(text string) (m mark) {
	b := []byte(text)
	switch idSize := len(m.id); len(b) {
	case idSize + sumSize + 16:
		m.sum = b[idSize : idSize+sumSize]
		m.size = int64(binary.BigEndian.Uint64(b[idSize+sumSize:]))
		m.time = int64(binary.BigEndian.Uint64(b[idSize+sumSize+8:]))
		fallthrough
	case idSize:
		copy(m.id[:], b)
	}
	return m
}

// holds reports whether the sum is of the bytes that are there.
func (m mark) holds(info fs.FileInfo) bool {
	return m.sum != nil && m.size == info.Size() && m.time == MTime(info)
}

// SetMark lets an open file carry an item's id and the SHA-256 of its bytes,
// which counts while size and mtime (ns) stay as they are.
func SetMark(f *os.File, item uuid.UUID, sum []byte, size, mtime int64) error {
	return set(f, attrMark, mark{item, sum, size, mtime}.text())
}

// ID is the id that an open file or folder carries, zero without one.
func ID(f *os.File) uuid.UUID { return markOf(f).id }

// IDAt is the id that the file or folder seen at a path carries, zero without.
func (d *Dir) IDAt(p string, seen fs.FileInfo) (uuid.UUID, error) {
	f, err := d.Look(p, seen)
	if err != nil {
		return uuid.UUID{}, err
	}
	defer f.Close()
	return ID(f), nil
}

// CarriesAt reports whether the regular file at a path carries the item's id.
// Where the file system has no attributes nothing speaks against it.
func (d *Dir) CarriesAt(p string, item uuid.UUID) (bool, error) {
	f, _, err := d.Open(p)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return d.Carries(f, item)
}

// Carries is the same of an open file.
func (d *Dir) Carries(f *os.File, item uuid.UUID) (bool, error) {
	text, err := d.kernel.Attribute(f, attrMark)
	switch {
	case err == nil:
		return parseMark(text).id == item, nil
	case errors.Is(err, syscall.EOPNOTSUPP):
		return true, nil
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.ERANGE):
		return false, nil
	}
	return false, err
}

// Sum is the SHA-256 that a file carries, nil when it was edited since.
func Sum(f *os.File, info fs.FileInfo) []byte {
	if m := markOf(f); m.holds(info) {
		return m.sum
	}
	return nil
}

// Mark lets an open file or folder carry its id, and a file its sum too, where
// it does not yet. It makes nothing durable.
func Mark(f *os.File, id uuid.UUID, sum []byte, info fs.FileInfo) error {
	m := markOf(f)
	switch held := m.holds(info); {
	case m.id == id && (held || sum == nil):
		return nil
	case held:
		sum = m.sum
	}
	return set(f, attrMark, mark{id, sum, info.Size(), MTime(info)}.text())
}

// SetTrashed writes the former folder and name to what goes to the trash, so
// that the trash can be rebuilt from the disk. The caller syncs.
func SetTrashed(f *os.File, folder uuid.UUID, name string) error {
	return set(f, attrTrashed, folder.String()+" "+name)
}

// Trashed is what SetTrashed wrote; a zero folder without it.
func Trashed(f *os.File) (folder uuid.UUID, name string) {
	text, _ := get(f, attrTrashed)
	id, name, _ := strings.Cut(text, " ")
	folder, err := uuid.Parse(id)
	if err != nil {
		return uuid.UUID{}, ""
	}
	return folder, name
}
