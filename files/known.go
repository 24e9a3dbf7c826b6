package files

import (
	"io/fs"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"homebase/files/disk"

	"github.com/google/uuid"
)

const (
	// mostKnown bounds the rows that a worker remembers, about 1.5 KiB each;
	// longestKnown is for the path and what was asked together.
	mostKnown    = 10_000
	longestKnown = 1024
	// knownFor bounds for how long a row is believed of whose change this
	// worker was not told.
	knownFor = 15 * time.Second
	// keptOpen is for how long a file stays open that is read again, and mostKept how
	// many do. What is deleted takes up its place on the disk until then.
	keptOpen = time.Second
	mostKept = 128
)

// known remembers the rows of files that were read lately, so that reading one
// again asks the database nothing.
//
// The disk proves a row: it is believed while its place holds the very inode,
// untouched, that held its bytes when it was read. A change is acknowledged
// after the disk has followed, so what still holds is never older than that.
// Between a commit and its rename the disk shows what was before; so that
// whoever was told of a commit by the feed sees it, an owner's rows are
// forgotten before listeners are woken and before changes are told.
type known struct {
	shelves bounded[uuid.UUID, *shelf] // by owner
	rows    bounded[asked, *knownRow]
	kept    atomic.Int32 // files
}

func newKnown() *known {
	return &known{shelves: bounded[uuid.UUID, *shelf]{most: mostKnown}, rows: bounded[asked, *knownRow]{most: mostKnown}}
}

// shelf stands for an owner's rows until they are forgotten. A reader takes it
// before the question; what was forgotten meanwhile took the shelf away, and what
// is put on it then is found by nobody.
type shelf struct{ owner uuid.UUID }

// asked is the path or the id by which a row on a shelf was asked for.
type asked struct {
	on *shelf
	by string
}

type knownRow struct {
	readable
	headers http.Header
	info    fs.FileInfo // of the file at its place
	until   time.Time
	kept    atomic.Pointer[keptFile]
}

// keptFile is a file that is open for whoever reads it next.
type keptFile struct {
	*os.File
	users atomic.Int32 // with the time for which it is kept
}

// take is false for a file that is closed.
func (k *keptFile) take() bool {
	for n := k.users.Load(); n > 0; n = k.users.Load() {
		if k.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Close is for each who has it.
func (k *keptFile) Close() error {
	if k.users.Add(-1) > 0 {
		return nil
	}
	return k.File.Close()
}

// get looks a row up; a is what to put it under when it is read anew.
func (k *known) get(owner uuid.UUID, by string) (a asked, row *knownRow, ok bool) {
	s, ok := k.shelves.get(owner)
	if !ok {
		s = &shelf{owner}
		k.shelves.put(owner, s)
	}
	a = asked{s, by}
	row, ok = k.rows.get(a)
	return a, row, ok && time.Now().Before(row.until)
}

// put keeps what was found at its place while nothing of the owner's was on
// its way there.
func (k *known) put(a asked, c content) {
	if c.atPlace && len(c.item.moves) == 0 && c.item.staged == "" && len(a.by)+len(c.item.path) <= longestKnown {
		k.rows.put(a, &knownRow{readable: c.item, headers: headersOf(&c.item, c.info), info: c.info, until: time.Now().Add(knownFor)})
	}
}

// forget drops an owner's rows.
func (k *known) forget(owner uuid.UUID) { k.shelves.drop(owner) }

func (k *known) forgetAll() { k.shelves.empty() }

// open opens the file of a row, or takes it as it was opened for a reader before. It
// is not ok unless the disk still shows it where and as it was.
func (k *known) open(d *disk.Dir, owner uuid.UUID, row *knownRow) (c content, ok bool) {
	p := disk.OwnerPath(owner, row.path)
	c = content{info: row.info, item: row.readable, proven: true, atPlace: true, headers: row.headers}
	if c.kept = row.kept.Load(); c.kept != nil && c.kept.take() {
		c.file = c.kept.File
		now, err := d.StatAt(p)
		ok = err == nil && row.holds(&now)
	} else {
		file, info, err := d.Open(p)
		if err != nil {
			return c, false
		}
		c.file, c.kept = file, nil
		if ok = row.holds(disk.StatOf(info)); ok {
			c.kept = k.keep(row, file)
		}
	}
	if !ok {
		c.close()
	}
	return c, ok
}

// keep leaves a file open for a while: nil when enough are.
func (k *known) keep(row *knownRow, file *os.File) *keptFile {
	if k.kept.Add(1) > mostKept {
		k.kept.Add(-1)
		return nil
	}
	kept := &keptFile{File: file}
	kept.users.Store(2)
	row.kept.Store(kept)
	time.AfterFunc(keptOpen, func() {
		kept.Close()
		k.kept.Add(-1)
	})
	return kept
}

// holds reports whether what the disk shows is the file that was seen, and nothing
// was done to it since: any write, rename, link or attribute moves its ctime.
func (r *knownRow) holds(now *syscall.Stat_t) bool {
	seen := disk.StatOf(r.info)
	return now.Dev == seen.Dev && now.Ino == seen.Ino && now.Size == seen.Size && now.Mtim == seen.Mtim && now.Ctim == seen.Ctim
}
