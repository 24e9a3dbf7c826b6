package files

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/google/uuid"
)

// The layout below the data directory. Everything lies on one file system,
// because a file is published by renaming it.
const (
	markerFile    = ".homebase"
	workersFolder = "workers" // a lock file for each running worker
	stagingFolder = "staging" // staging/<owner>/<op>.<worker>: bytes that no row points to yet
	trashFolder   = "trash"   // trash/<owner>/<item>
	purgeFolder   = "purge"   // purge/<item>.<revision>: bytes that a commit displaced
	cacheFolder   = "cache"   // may be deleted at any time
	usersFolder   = "users"   // users/<owner>/…: the only part a person looks into
)

// openRoots is how many owners' folders a worker keeps open.
const openRoots = 256

// dataDir is the data directory, open. Paths given to its methods are
// relative to it, with slashes: "users/<owner>/documents/a.pdf". What lies
// below an owner's folder is reached through a root of that folder alone, so
// that no link in it can lead into another owner's.
type dataDir struct {
	path string
	root *os.Root
	self *os.File // the directory itself, for statfs and fsync
	info fs.FileInfo

	mu     sync.Mutex
	owners map[string]*list.Element // of *ownerRoot, by owner
	recent *list.List               // front: used last
}

type ownerRoot struct {
	owner string
	root  *os.Root
}

// openDataDir opens the directory without writing to it.
func openDataDir(name string) (*dataDir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	info, err := self.Stat()
	if err != nil {
		return nil, errors.Join(err, self.Close(), root.Close())
	}
	return &dataDir{path: name, root: root, self: self, info: info,
		owners: map[string]*list.Element{}, recent: list.New()}, nil
}

func (d *dataDir) close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// makeLayout makes the folders of the layout and refuses one that is on
// another file system.
func (d *dataDir) makeLayout() error {
	for _, name := range []string{workersFolder, stagingFolder, trashFolder, purgeFolder, cacheFolder, usersFolder} {
		if err := d.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := d.root.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() || statOf(info).Dev != statOf(d.info).Dev {
			return fmt.Errorf("%s must be a folder on the same file system as %s: files are put in place by renaming", path.Join(d.path, name), d.path)
		}
	}
	return d.self.Sync()
}

// halfRestored stands where the id belongs while a restore is under way.
const halfRestored = "a restore is not at its end"

// errHalfRestored is what a restore that was cut off leaves behind.
var errHalfRestored = errors.New("a restore into this data directory was cut off: empty the directory and the database, and restore again; docs/backup.md prints the commands")

// marker reads the id of this data directory; fs.ErrNotExist without one.
func (d *dataDir) marker() (uuid.UUID, error) {
	text, err := d.root.ReadFile(markerFile)
	if err != nil {
		return uuid.UUID{}, err
	}
	if strings.TrimSpace(string(text)) == halfRestored {
		return uuid.UUID{}, fmt.Errorf("%s: %w", d.path, errHalfRestored)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("%s does not hold an id: %w", path.Join(d.path, markerFile), err)
	}
	return id, nil
}

// writeMarker makes the directory known by id, or as halfRestored. A crash
// leaves either the marker of before or the whole new one.
func (d *dataDir) writeMarker(id string) error {
	const draft = markerFile + ".new"
	if err := d.root.WriteFile(draft, []byte(id+"\n"), 0o600); err != nil {
		return err
	}
	f, err := d.root.Open(draft)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.root.Rename(draft, markerFile); err != nil {
		return err
	}
	return d.self.Sync()
}

// checkInPlace says why the directory that its path leads to now is not the
// one that is open: a mount that went away, or another disk in its place.
func (d *dataDir) checkInPlace(id uuid.UUID) error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, d.info) {
		return fmt.Errorf("%s is another directory now than the one that was opened", d.path)
	}
	found, err := d.marker()
	if err != nil {
		return err
	}
	if found != id {
		return fmt.Errorf("%s belongs to another installation", d.path)
	}
	return nil
}

// hasOwners reports whether any owner's folder is there.
func (d *dataDir) hasOwners() (bool, error) {
	f, err := d.root.Open(usersFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	return len(names) > 0, ignoreEOF(err)
}

// space is the size of the disk in bytes, and what of it an unprivileged
// process may still fill.
func (d *dataDir) space() (total, free int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(d.self.Fd()), &st); err != nil {
		return 0, 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// within gives the root that a path is reached by and its rest below it.
func (d *dataDir) within(p string) (*os.Root, string, error) {
	rest, ok := strings.CutPrefix(p, usersFolder+"/")
	if !ok {
		return d.root, p, nil
	}
	owner, rest, ok := strings.Cut(rest, "/")
	if !ok {
		rest = "."
	}
	root, err := d.ownerRoot(owner)
	return root, rest, err
}

// ownerRoot opens users/<owner> or takes it from the list of open ones. The
// one that was used longest ago is dropped, not closed: who still works with
// it may go on, and the runtime closes it when nobody does.
func (d *dataDir) ownerRoot(owner string) (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.owners[owner]; ok {
		d.recent.MoveToFront(e)
		return e.Value.(*ownerRoot).root, nil
	}
	name := path.Join(usersFolder, owner)
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d.owners[owner] = d.recent.PushFront(&ownerRoot{owner, root})
	if d.recent.Len() > openRoots {
		last := d.recent.Remove(d.recent.Back()).(*ownerRoot)
		delete(d.owners, last.owner)
	}
	return root, nil
}

// forgetOwner drops an owner's open root: what is at its path may be another
// folder by now.
func (d *dataDir) forgetOwner(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.owners[owner]; ok {
		d.recent.Remove(e)
		delete(d.owners, owner)
	}
}
