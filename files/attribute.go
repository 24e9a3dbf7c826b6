package files

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/google/uuid"
)

// xattr reads an extended attribute of an open file or folder, "" when it has
// none or the file system knows none.
func xattr(f *os.File, name string) string {
	namep, err := syscall.BytePtrFromString(name)
	if err != nil {
		return ""
	}
	var value [512]byte // an id, a space and a name of 255 bytes are the longest
	n, _, errno := syscall.Syscall6(syscall.SYS_FGETXATTR, f.Fd(), uintptr(unsafe.Pointer(namep)),
		uintptr(unsafe.Pointer(&value)), uintptr(len(value)), 0, 0)
	if errno != 0 {
		return ""
	}
	return string(value[:n])
}

// look opens the file or folder that was seen at a place; nothing else.
func (d *dataDir) look(place string, info fs.FileInfo) (*os.File, error) {
	if info.IsDir() {
		return d.folder(place)
	}
	f, _, err := d.open(place)
	return f, err
}

// idAt is the id that the file or folder at a place carries, zero without.
func (d *dataDir) idAt(place string, info fs.FileInfo) (uuid.UUID, error) {
	f, err := d.look(place, info)
	if err != nil {
		return uuid.UUID{}, err
	}
	defer f.Close()
	return carriedID(f), nil
}

func carriedID(f *os.File) uuid.UUID {
	id, err := uuid.Parse(xattr(f, xattrID))
	if err != nil {
		return uuid.UUID{}
	}
	return id
}

// carriedSum is the SHA-256 that a file carries, nil when it was edited since.
func carriedSum(f *os.File, info fs.FileInfo) []byte {
	words := strings.Fields(xattr(f, xattrSHA256))
	if len(words) != 3 || words[1] != strconv.FormatInt(info.Size(), 10) || words[2] != strconv.FormatInt(info.ModTime().UnixNano(), 10) {
		return nil
	}
	sum, err := hex.DecodeString(words[0])
	if err != nil || len(sum) != 32 {
		return nil
	}
	return sum
}

// mark lets an open file or folder carry its id, and a file its sum too, and
// makes both durable together with whatever was copied there.
func mark(f *os.File, id uuid.UUID, sum []byte, info fs.FileInfo) error {
	if carriedID(f) != id {
		if err := setXattr(f, xattrID, id.String()); err != nil {
			return err
		}
	}
	if sum != nil && carriedSum(f, info) == nil {
		value := fmt.Sprintf("%s %d %d", hex.EncodeToString(sum), info.Size(), info.ModTime().UnixNano())
		if err := setXattr(f, xattrSHA256, value); err != nil {
			return err
		}
	}
	return f.Sync()
}
