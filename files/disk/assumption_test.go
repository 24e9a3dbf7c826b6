package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The model of a disk that the simulation of the journal uses
// (files/journal/model_disk_test.go) assumes something of file systems. Each
// assumption is tried here on a real ext4 and a real XFS whose power is cut: the
// file system shuts down without writing its journal, and is mounted again. It
// takes root and loop devices: TRY_DISKS=ext4,xfs says that they are here, as
// make assume does; else no disk is tried.

// cutDisk is a real file system in an image.
type cutDisk struct {
	t           *testing.T
	kind, image string
	at          string
}

func newCutDisk(t *testing.T, kind string) *cutDisk {
	c := &cutDisk{t, kind, filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "disk")}
	must(t, os.WriteFile(c.image, nil, 0o600))
	must(t, os.Truncate(c.image, 320<<20))
	must(t, os.Mkdir(c.at, 0o700))
	c.run("mkfs."+kind, "-q", c.image)
	c.mount()
	t.Cleanup(func() { syscall.Unmount(c.at, syscall.MNT_DETACH) })
	return c
}

func (c *cutDisk) run(name string, args ...string) {
	c.t.Helper()
	if out, err := exec.CommandContext(c.t.Context(), name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func (c *cutDisk) mount() {
	// Nothing but a flush takes anything to the disk: else ext4 writes its
	// journal every five seconds.
	options := map[string]string{"ext4": "loop,commit=300", "xfs": "loop"}[c.kind]
	c.run("mount", "-o", options, c.image, c.at)
}

// cut shuts down and mounts again. In between nothing can be written, or flushed.
func (c *cutDisk) cut(open *os.File) {
	c.t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2
	flag := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, open.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		c.t.Fatal("shutdown:", errno)
	}
	c.t.Logf("fsync of a folder says %v", open.Sync())
	if err := (linux{}).Sync(open); err == nil {
		c.t.Error("a disk that is broken flushes")
	}
	if err := os.Mkdir(filepath.Join(c.at, "late"), 0o700); err == nil {
		c.t.Error("a disk that is broken makes a folder")
	}
	open.Close()
	must(c.t, syscall.Unmount(c.at, 0))
	c.mount()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cutDisk) path(p string) string { return filepath.Join(c.at, p) }

func (c *cutDisk) flush(p string) {
	c.t.Helper()
	f, err := os.Open(c.path(p))
	must(c.t, err)
	must(c.t, errors.Join(f.Sync(), f.Close()))
}

// write makes a file with its path in it and a mark; it flushes nothing.
func (c *cutDisk) write(p string) {
	c.t.Helper()
	f, err := os.Create(c.path(p))
	must(c.t, err)
	_, err = f.WriteString(p)
	must(c.t, errors.Join(err, set(f, attrMark, p), f.Close()))
}

// holds reports what a file holds, "" where there is none.
func (c *cutDisk) holds(p string) string {
	text, err := os.ReadFile(c.path(p))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *cutDisk) rename(from, to string) { must(c.t, os.Rename(c.path(from), c.path(to))) }

func TestAssumption_OfDisks(t *testing.T) {
	t.Parallel()
	for _, kind := range strings.FieldsFunc(os.Getenv("TRY_DISKS"), func(r rune) bool { return r == ',' }) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, a := range assumptions {
				t.Run(a.name, func(t *testing.T) {
					c := newCutDisk(t, kind)
					for _, folder := range []string{"a", "b", "c"} {
						must(t, os.Mkdir(c.path(folder), 0o700))
					}
					syscall.Sync()
					check := a.try(c)
					must(t, os.Mkdir(c.path("last"), 0o700))
					at, err := os.Open(c.path("last"))
					must(t, err)
					c.write("last/x")
					c.cut(at)
					check()
				})
			}
		})
	}
}

var assumptions = []struct {
	name string
	try  func(c *cutDisk) (check func())
}{
	{"a flush of a file makes its bytes and attributes durable, and one of its folder its name", func(c *cutDisk) func() {
		c.write("a/x")
		c.flush("a/x")
		c.flush("a")
		c.write("b/never")
		return func() {
			f, err := os.Open(c.path("a/x"))
			must(c.t, err)
			defer f.Close()
			if mark, err := get(f, attrMark); err != nil || mark != "a/x" || c.holds("a/x") != "a/x" {
				c.t.Errorf("it holds %q and the mark %q: %v", c.holds("a/x"), mark, err)
			}
			if c.holds("b/never") != "" {
				c.t.Error("the cut has lost nothing: it is none")
			}
		}
	}},
	{"a flush of a new folder makes it durable with those above it", func(c *cutDisk) func() {
		must(c.t, os.MkdirAll(c.path("a/new/newer"), 0o700))
		c.write("a/new/newer/x")
		c.flush("a/new/newer/x")
		c.flush("a/new/newer")
		return func() {
			if c.holds("a/new/newer/x") == "" {
				c.t.Error("it is gone")
			}
		}
	}},
	{"a rename is there wholly once the new folder is flushed", func(c *cutDisk) func() {
		ino := c.durable("a/x")
		c.rename("a/x", "b/x")
		c.flush("b")
		return func() {
			if c.holds("b/x") != "a/x" || c.holds("a/x") != "" {
				c.t.Errorf("the new name leads to %q, the old one to %q", c.holds("b/x"), c.holds("a/x"))
			}
			if now := c.inode("b/x"); now != ino {
				c.t.Errorf("inode %d, and before %d", now, ino)
			}
		}
	}},
	{"what is renamed into a new folder is there with that or not at all", func(c *cutDisk) func() {
		for i := range 20 {
			c.durable(fmt.Sprint("a/", i))
		}
		for i := range 20 {
			must(c.t, os.Mkdir(c.path(fmt.Sprint("b/", i)), 0o700))
			c.rename(fmt.Sprint("a/", i), fmt.Sprintf("b/%d/x", i))
			if i == 10 {
				c.flush("a")
			}
		}
		return func() {
			for i := range 20 {
				old, now := c.holds(fmt.Sprint("a/", i)), c.holds(fmt.Sprintf("b/%d/x", i))
				if (old == "") == (now == "") || i <= 10 && now == "" {
					c.t.Errorf("%d is at %q and %q", i, old, now)
				}
			}
		}
	}},
	{"a rename that was not flushed is there wholly or not at all, and after those before it", func(c *cutDisk) func() {
		const n = 300
		for i := range n {
			c.write(fmt.Sprint("a/", i))
		}
		syscall.Sync()
		for i := range n {
			to := "b"
			if i%2 == 1 {
				to = "c"
			}
			c.rename(fmt.Sprint("a/", i), fmt.Sprintf("%s/%d", to, i))
			if i == n/2 {
				c.write("c/x")
				c.flush("c/x")
			}
		}
		return func() {
			var moved []int
			for i := range n {
				old, now := c.holds(fmt.Sprint("a/", i)), c.holds(fmt.Sprint("b/", i))+c.holds(fmt.Sprint("c/", i))
				if len(old)+len(now) != len(fmt.Sprint("a/", i)) {
					c.t.Errorf("%d is at %q and %q", i, old, now)
				}
				if now != "" {
					moved = append(moved, i)
				}
			}
			if len(moved) > 0 && moved[len(moved)-1] != len(moved)-1 {
				c.t.Errorf("a later one is there, an earlier is not: %v", moved)
			}
			c.t.Logf("%d of %d renames were kept", len(moved), n)
		}
	}},
	{"a file that another replaces is the old or the new one", func(c *cutDisk) func() {
		for i := range 100 {
			c.durable(fmt.Sprint("a/", i))
			c.durable(fmt.Sprint("b/", i))
		}
		for i := range 100 {
			c.rename(fmt.Sprint("b/", i), fmt.Sprint("a/", i))
			if i == 50 {
				c.flush("a")
			}
		}
		return func() {
			for i := range 100 {
				old, now := fmt.Sprint("a/", i), fmt.Sprint("b/", i)
				if got := c.holds(old); got != now && (i <= 50 || got != old) {
					c.t.Errorf("%d holds %q", i, got)
				}
			}
		}
	}},
	{"a link that is flushed is a second name of the same file", func(c *cutDisk) func() {
		ino := c.durable("a/x")
		must(c.t, os.Link(c.path("a/x"), c.path("b/x")))
		c.flush("b")
		c.durable("c/y")
		c.rename("c/y", "a/x") // as a put that displaces
		c.flush("a")
		return func() {
			if c.holds("b/x") != "a/x" || c.inode("b/x") != ino || c.holds("a/x") != "c/y" {
				c.t.Errorf("%q and %q", c.holds("b/x"), c.holds("a/x"))
			}
		}
	}},
	{"changes of one name keep their order", func(c *cutDisk) func() {
		c.write("a/x")
		c.rename("a/x", "a/y")
		c.write("a/x")
		must(c.t, os.Remove(c.path("a/y")))
		c.rename("a/x", "a/y")
		c.flush("a/y")
		c.flush("a")
		return func() {
			names, err := os.ReadDir(c.path("a"))
			must(c.t, err)
			if len(names) != 1 || c.holds("a/y") != "a/x" {
				c.t.Errorf("%v, %q", names, c.holds("a/y"))
			}
		}
	}},
	{"a removal that is not flushed may come back", func(c *cutDisk) func() {
		c.durable("a/x")
		must(c.t, os.Remove(c.path("a/x")))
		return func() {
			if got := c.holds("a/x"); !slices.Contains([]string{"", "a/x"}, got) {
				c.t.Errorf("it holds %q", got)
			}
		}
	}},
}

// durable makes a file and its name durable, and tells its inode.
func (c *cutDisk) durable(p string) uint64 {
	c.write(p)
	c.flush(p)
	c.flush(filepath.Dir(p))
	return c.inode(p)
}

func (c *cutDisk) inode(p string) uint64 {
	info, err := os.Stat(c.path(p))
	must(c.t, err)
	return StatOf(info).Ino
}

// A lock is let go when its process ends, and by nothing else.
func TestAssumption_OfLocks(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "1")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	holder := exec.CommandContext(t.Context(), "flock", "--no-fork", name, "sh", "-c", "echo; exec sleep 1000")
	out, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	_, err = out.Read(make([]byte, 1)) // it has it
	must(t, err)
	if locked, err := Lock(f); locked || err != nil {
		t.Errorf("both have it: %v", err)
	}
	must(t, holder.Process.Kill())
	holder.Wait()
	if locked, err := Lock(f); !locked || err != nil {
		t.Errorf("the lock of who was killed is held: %v", err)
	}
}
