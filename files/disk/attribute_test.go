package disk_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"homebase/files/disk"

	"github.com/google/uuid"
)

func TestMark_CarriesIDAndSumUntilAnEditVoidsTheSum(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	look := func() os.FileInfo {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	want := func(id uuid.UUID, sum []byte) {
		t.Helper()
		if got := disk.ID(f); got != id {
			t.Errorf("it carries the id %s, want %s", got, id)
		}
		if got := disk.Sum(f, look()); !bytes.Equal(got, sum) {
			t.Errorf("it carries the sum %x, want %x", got, sum)
		}
	}
	if _, err := f.WriteString("bytes"); err != nil {
		t.Fatal(err)
	}
	want(uuid.Nil, nil)
	first, second, sum := uuid.New(), uuid.New(), sha256.Sum256([]byte("bytes"))
	if err := disk.SetMark(f, first, sum[:], look().Size(), look().ModTime().UnixNano()); err != nil {
		t.Fatal(err)
	}
	want(first, sum[:])
	// Another id takes nothing from a sum that holds.
	if err := disk.Mark(f, second, nil, look()); err != nil {
		t.Fatal(err)
	}
	want(second, sum[:])
	if _, err := f.WriteString(" and more"); err != nil {
		t.Fatal(err)
	}
	want(second, nil)
	other := sha256.Sum256([]byte("bytes and more"))
	if err := disk.Mark(f, second, other[:], look()); err != nil {
		t.Fatal(err)
	}
	want(second, other[:])
	// What somebody else wrote there is no mark.
	for _, odd := range []string{"", "x", "fifteen bytes..", "seventeen bytes. "} {
		if err := syscall.Setxattr(f.Name(), "user.homebase", []byte(odd), 0); err != nil {
			t.Fatal(err)
		}
		want(uuid.Nil, nil)
	}
	// ext4 keeps 96 bytes beside an inode of 256: a header of 4, an entry of
	// 16 and its name, and 4 that end the entries.
	const name, room = len("homebase"), 96
	if err := disk.SetMark(f, first, sum[:], 1, 1); err != nil {
		t.Fatal(err)
	}
	if size, err := syscall.Getxattr(f.Name(), "user.homebase", nil); err != nil || 4+16+name+4+size > room {
		t.Errorf("the attribute has %d bytes, %v: it does not fit into an inode", size, err)
	}
}
