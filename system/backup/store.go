package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	manifestName = "manifest.json"
	filesName    = "files.jsonl"
	draftName    = "files.draft"
	cutOff       = ".unfinished"
	pointForm    = "20060102T150405.000Z"
	partForm     = "part-*"
)

// store is the folder of a backup, and the restore point that is being written or read.
type store struct {
	dir   string
	keys  [][]byte        // of the MACs of manifests: the first signs
	lock  *os.File        // the folder itself: flock keeps writers apart
	point string          // path of the point's folder
	added int64           // bytes that this run added to objects
	seen  map[string]bool // folders of objects that have to be synced
}

// openStore opens the folder for reading, or for a new point, which creates it if it is
// missing. One process can write, or any number can read.
func openStore(dir string, keys [][]byte, write bool) (*store, error) {
	how := syscall.LOCK_SH
	if write {
		how = syscall.LOCK_EX
		if err := os.MkdirAll(filepath.Join(dir, "objects"), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	st := &store{dir: dir, keys: keys, lock: lock, seen: map[string]bool{}}
	if err := syscall.Flock(int(lock.Fd()), how|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another backup, verification or restore is using %s: %w", dir, err), lock.Close())
	}
	if write {
		if err := st.begin(); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return st, nil
}

// begin removes what an interrupted backup left, and creates the folder of the new
// point under a name that no point has.
func (st *store) begin() error {
	for _, pattern := range []string{"points/*" + cutOff, "objects/" + partForm} {
		left, err := fs.Glob(os.DirFS(st.dir), pattern) // st.dir is no pattern
		if err != nil {
			return err
		}
		for _, name := range left {
			if err := os.RemoveAll(filepath.Join(st.dir, name)); err != nil {
				return err
			}
		}
	}
	names, err := st.points()
	if err != nil {
		return err
	}
	// By its name it is the newest, even if an older one came from a clock ahead.
	at := time.Now().UTC()
	if len(names) > 0 {
		last, _ := time.Parse(pointForm, names[len(names)-1])
		if next := last.Add(time.Millisecond); at.Before(next) {
			at = next
		}
	}
	st.point = filepath.Join(st.dir, "points", at.Format(pointForm)+cutOff)
	return os.MkdirAll(st.path("tables"), 0o700)
}

func (st *store) close() error { return st.lock.Close() }

func (st *store) path(name string) string { return filepath.Join(st.point, name) }

func (st *store) object(sum string) string {
	folder := min(2, len(sum)) // what is no checksum names nothing that is there
	return filepath.Join(st.dir, "objects", sum[:folder], sum[folder:])
}

// has reports whether objects contains the bytes with that checksum. They got their
// name once they were on the disk. If an interrupted run gave it, the name may not be
// durable yet; it becomes so with the names of this run.
func (st *store) has(sum string, size int64) bool {
	info, err := os.Lstat(st.object(sum))
	if err != nil || info.Size() != size {
		return false
	}
	st.seen[filepath.Dir(st.object(sum))] = true
	return true
}

// put adds bytes to objects: as a clone that shares the disk's blocks if the file system
// can do that, otherwise as a copy. Bytes that the disk cannot read are errUnread, even
// if it is the clone that is read.
func (st *store) put(ctx context.Context, from *os.File) (sum string, size int64, err error) {
	part, err := os.CreateTemp(filepath.Join(st.dir, "objects"), partForm) // 0600
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	const ficlone = 0x40049409 // ioctl(2): FICLONE
	bytes, to := &summed{ctx: ctx, from: from, h: sha256.New()}, io.Writer(part)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, part.Fd(), ficlone, from.Fd()); errno == 0 {
		bytes.from, to = part, io.Discard
	}
	if size, err = copyAll(to, bytes); err != nil {
		return "", 0, err
	}
	if err := part.Sync(); err != nil {
		return "", 0, err
	}
	sum = sumText(bytes.h)
	if st.has(sum, size) {
		return sum, size, nil
	}
	if err := os.MkdirAll(filepath.Dir(st.object(sum)), 0o700); err != nil {
		return "", 0, err
	}
	st.seen[filepath.Dir(st.object(sum))] = true
	st.added += size
	return sum, size, os.Rename(part.Name(), st.object(sum))
}

var (
	// errUnread distinguishes bytes that cannot be read from failures to write them.
	errUnread = errors.New("its bytes cannot be read")
	// errRotten is the error of a part or object that is not what was written.
	errRotten = errors.New("its bytes in the backup are damaged")
)

// summed reads bytes until its context ends, and computes their checksum. Those that
// must have a certain one are errRotten if they do not, or cannot be read.
type summed struct {
	ctx  context.Context
	from io.Reader
	h    hash.Hash
	must string // "": any
}

func (s *summed) Read(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.from.Read(b)
	s.h.Write(b[:n])
	switch end := errors.Is(err, io.EOF); {
	case err != nil && !end && s.must == "":
		err = fmt.Errorf("%w: %w", errUnread, err)
	case err != nil && !end:
		err = fmt.Errorf("%w: %w", errRotten, err)
	case end && s.must != "" && sumText(s.h) != s.must:
		err = errRotten
	}
	return n, err
}

// copyAll copies a megabyte at a time: a file and io.Discard, which would read by
// themselves, take less.
func copyAll(to io.Writer, from io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{to}, from, make([]byte, 1<<20))
}

// checkFile reads a file that must have a certain checksum.
func checkFile(ctx context.Context, path, sum string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = copyAll(io.Discard, &summed{ctx, f, sha256.New(), sum})
	return err
}

// write makes a file of the point, and makes it durable.
func (st *store) write(name string, fill func(to io.Writer) error) (Part, error) {
	f, err := os.OpenFile(st.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Part{}, err
	}
	h := sha256.New()
	err = fill(io.MultiWriter(f, h))
	size, told := f.Seek(0, io.SeekCurrent)
	return Part{name, size, sumText(h)}, errors.Join(err, told, f.Sync(), f.Close())
}

func (st *store) writeText(name string, text []byte) (Part, error) {
	return st.write(name, func(to io.Writer) error {
		_, err := to.Write(text)
		return err
	})
}

func sumText(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// finish writes the manifest and its checksum, and gives the point its name once
// everything in it is durable.
func (st *store) finish(m *Manifest) error {
	m.Name = strings.TrimSuffix(filepath.Base(st.point), cutOff)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if _, err := st.writeText(manifestName, text); err != nil {
		return err
	}
	if _, err := st.writeText(sumName, sumOfManifest(text, st.keys[0])); err != nil {
		return err
	}
	points := filepath.Join(st.dir, "points")
	for _, folder := range slices.Concat(slices.Sorted(maps.Keys(st.seen)), []string{filepath.Join(st.dir, "objects"), st.path("tables"), st.point}) {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	if err := os.Rename(st.point, filepath.Join(points, m.Name)); err != nil {
		return err
	}
	return errors.Join(syncFolder(points), syncFolder(st.dir))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// points are the names of the restore points, the newest last.
func (st *store) points() (names []string, err error) {
	list, err := os.ReadDir(filepath.Join(st.dir, "points"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, e := range list {
		if _, bad := time.Parse(pointForm, e.Name()); bad == nil {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// read returns the manifest of a point, the newest if name is "", and makes that the
// point that is being read. The manifest must match its checksum.
func (st *store) read(name string) (*Manifest, error) {
	names, err := st.points()
	if err != nil {
		return nil, err
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s holds no restore point; homebase backup %s makes one", st.dir, st.dir)
	case name == "":
		name = names[len(names)-1]
	case !slices.Contains(names, name):
		return nil, fmt.Errorf("there is no restore point %q; there are: %s", name, strings.Join(names, ", "))
	}
	st.point = filepath.Join(st.dir, "points", name)
	text, err := os.ReadFile(st.path(manifestName))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(st.path(sumName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(sum) != len(sumOfManifest(nil, nil)) || !bytes.HasPrefix(sum, fmt.Appendf(nil, "%x\n", sha256.Sum256(text))) {
		return nil, fmt.Errorf("%s is damaged: %s has a different checksum for it. Use another point, or another copy of this one", st.path(manifestName), sumName)
	}
	m := &Manifest{proven: slices.ContainsFunc(st.keys, func(key []byte) bool { return hmac.Equal(sum, sumOfManifest(text, key)) })}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", st.path(manifestName), err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("the restore point %s was made by a newer release (%s): use that one", name, m.Version)
	}
	return m, nil
}

// eachObject gives the checksum of every object that a point names, with a path that
// names it and its size. An object may come several times.
func (st *store) eachObject(m *Manifest, give func(hash, path string, size int64) error) error {
	err := eachLine(st.path(m.Files.Name), func(f file) error {
		if f.hash() == "" {
			return nil
		}
		return give(f.hash(), f.Place, f.Size)
	})
	if err != nil {
		return err
	}
	return st.eachLoose(m, func(l loose) error {
		if l.Folder {
			return nil
		}
		return give(l.SHA256, l.path(), l.Size)
	})
}

// eachLine reads a file of JSON lines.
func eachLine[T any](path string, give func(v T) error) error {
	list, err := os.Open(path)
	if err != nil {
		return err
	}
	defer list.Close()
	from := json.NewDecoder(list)
	for {
		var v T
		err := from.Decode(&v)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = give(v)
		}
		if err != nil {
			return err
		}
	}
}

// prune removes all points except the newest, and the objects that no point names any
// more. If it is interrupted, the next one removes the rest.
func (st *store) prune(keep int) error {
	names, err := st.points()
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-keep)] {
		// A point's name never belongs to half a point.
		path := filepath.Join(st.dir, "points", name)
		if err := os.Rename(path, path+cutOff); err != nil {
			return err
		}
		if err := os.RemoveAll(path + cutOff); err != nil {
			return err
		}
	}
	return st.removeUnnamed(names[max(0, len(names)-keep):])
}

// keyOf is a checksum as what takes the least memory; what is none is all zero.
func keyOf(sum string) (key [32]byte) {
	if b, err := hex.DecodeString(sum); err == nil && len(b) == len(key) {
		copy(key[:], b)
	}
	return key
}

// removeUnnamed removes every object that none of the points names.
func (st *store) removeUnnamed(points []string) error {
	named := map[[32]byte]bool{}
	for _, name := range points {
		of := *st
		m, err := of.read(name)
		if err != nil {
			return err
		}
		err = of.eachObject(m, func(hash, _ string, _ int64) error {
			named[keyOf(hash)] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return filepath.WalkDir(filepath.Join(st.dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if key := keyOf(filepath.Base(filepath.Dir(path)) + d.Name()); key != [32]byte{} && named[key] {
			return nil
		}
		return os.Remove(path)
	})
}
