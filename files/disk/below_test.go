package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

// Both ways of opening must see the same, and nothing outside of the owner's
// folder.
func TestOpen_NothingThatIsPlantedLeadsOut(t *testing.T) {
	root, owner := t.TempDir(), uuid.New()
	base := filepath.Join(root, "users", owner.String())
	for _, err := range []error{
		os.MkdirAll(filepath.Join(base, "a"), 0o700),
		os.MkdirAll(filepath.Join(root, "users", "other"), 0o700),
		os.WriteFile(filepath.Join(root, "users", "other", "f"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(base, "a", "f"), []byte("x"), 0o600),
		os.Symlink("../../other", filepath.Join(base, "a", "folder")),
		os.Symlink("../../other/f", filepath.Join(base, "a", "link")),
		os.Symlink("f", filepath.Join(base, "a", "inside")),
		syscall.Mkfifo(filepath.Join(base, "a", "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	known := hasOpenat2
	t.Cleanup(func() { hasOpenat2 = known })
	for _, has := range []bool{true, false} {
		if has && !known() {
			t.Log("this kernel has no openat2: only one name at a time is tried")
			continue
		}
		hasOpenat2 = func() bool { return has }
		d, err := Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		f, _, err := d.Open(OwnerPath(owner, "/a/f"))
		if err != nil {
			t.Fatalf("openat2 %v: %v", has, err)
		}
		f.Close()
		for _, p := range []string{"/a/link", "/a/inside", "/a/folder/f", "/a/fifo", "/a/../../other/f", "/../other/f", "/a/none", "/a", "/a/f/x", ""} {
			if f, _, err := d.Open(OwnerPath(owner, p)); err == nil {
				f.Close()
				t.Errorf("openat2 %v: %s was opened", has, p)
			} else if Failed(err) {
				t.Errorf("openat2 %v: %s is taken for a failing disk: %v", has, p, err)
			}
		}
		if f, err := d.Folder(OwnerPath(owner, "/a/folder")); !errors.Is(err, syscall.ENOTDIR) {
			f.Close()
			t.Errorf("openat2 %v: a link to a folder: %v", has, err)
		}
	}
}

func TestOpen_WhatIsMovedAwayMeanwhileIsNotThere(t *testing.T) {
	t.Parallel()
	root, owner := t.TempDir(), uuid.New()
	in, out := filepath.Join(root, "users", owner.String(), "a"), filepath.Join(root, "trash")
	err := errors.Join(os.MkdirAll(filepath.Join(in, "b/c/d"), 0o700), os.WriteFile(filepath.Join(in, "b/c/d/f"), []byte("x"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.Rename(in, out)
				os.Rename(out, in)
			}
		}
	})
	defer moving.Wait()
	defer close(stop)
	for range 20_000 {
		f, _, err := d.Open(OwnerPath(owner, "/a/b/c/d/f"))
		if err == nil {
			f.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a file whose folder goes to the trash: %v", err)
		}
	}
}
