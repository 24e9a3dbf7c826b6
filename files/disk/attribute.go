package disk

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/google/uuid"
)

// The extended attributes from which the rows can be made again.
const (
	attrID     = "user.homebase.id"
	attrSHA256 = "user.homebase.sha256" // "<hex> <size> <mtime in ns>": an edit from outside voids it
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

// SetID lets an open file or folder carry an item's id.
func SetID(f *os.File, item uuid.UUID) error { return set(f, attrID, item.String()) }

// ID is the id that an open file or folder carries, zero without one.
func ID(f *os.File) uuid.UUID {
	text, _ := get(f, attrID)
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}
	}
	return id
}

// IDAt is the id that the file or folder seen at a path carries, zero without.
func (d *Dir) IDAt(p string, seen fs.FileInfo) (uuid.UUID, error) {
	f, err := d.Look(p, seen)
	if err != nil {
		return uuid.UUID{}, err
	}
	defer f.Close()
	return ID(f), nil
}

// Carries reports whether the regular file at a path carries the item's id.
// Where the file system has no attributes nothing speaks against it.
func (d *Dir) Carries(p string, item uuid.UUID) (bool, error) {
	f, _, err := d.Open(p)
	if err != nil {
		return false, err
	}
	defer f.Close()
	value, err := get(f, attrID)
	switch {
	case err == nil:
		return value == item.String(), nil
	case errors.Is(err, syscall.EOPNOTSUPP):
		return true, nil
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.ERANGE):
		return false, nil
	}
	return false, err
}

// SetSum lets an open file carry the SHA-256 of its bytes, which counts while
// size and mtime stay as they are.
func SetSum(f *os.File, sum []byte, info fs.FileInfo) error {
	return set(f, attrSHA256, fmt.Sprintf("%s %d %d", hex.EncodeToString(sum), info.Size(), info.ModTime().UnixNano()))
}

// Sum is the SHA-256 that a file carries, nil when it was edited since.
func Sum(f *os.File, info fs.FileInfo) []byte {
	text, _ := get(f, attrSHA256)
	words := strings.Fields(text)
	if len(words) != 3 || words[1] != strconv.FormatInt(info.Size(), 10) || words[2] != strconv.FormatInt(info.ModTime().UnixNano(), 10) {
		return nil
	}
	sum, err := hex.DecodeString(words[0])
	if err != nil || len(sum) != 32 {
		return nil
	}
	return sum
}

// Mark lets an open file or folder carry its id, and a file its sum too. It
// makes nothing durable.
func Mark(f *os.File, id uuid.UUID, sum []byte, info fs.FileInfo) error {
	if ID(f) != id {
		if err := SetID(f, id); err != nil {
			return err
		}
	}
	if sum != nil && Sum(f, info) == nil {
		if err := SetSum(f, sum, info); err != nil {
			return err
		}
	}
	return nil
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
