package files

import (
	"io/fs"
	"net/http"
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
	rows    bounded[asked, knownRow]
}

func newKnown() known {
	return known{bounded[uuid.UUID, *shelf]{most: mostKnown}, bounded[asked, knownRow]{most: mostKnown}}
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
	seen    syscall.Stat_t // the file at its place
	until   time.Time
}

// get looks a row up; a is what to put it under when it is read anew.
func (k *known) get(owner uuid.UUID, by string) (a asked, row knownRow, ok bool) {
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
		k.rows.put(a, knownRow{c.item, headersOf(&c.item, c.info), *disk.StatOf(c.info), time.Now().Add(knownFor)})
	}
}

// forget drops an owner's rows.
func (k *known) forget(owner uuid.UUID) { k.shelves.drop(owner) }

func (k *known) forgetAll() { k.shelves.empty() }

// holds reports whether a file that was opened is the one that was seen, and
// nothing was done to it since: any write, rename, link or attribute moves its
// ctime.
func (r *knownRow) holds(info fs.FileInfo) bool {
	now := disk.StatOf(info)
	return now.Dev == r.seen.Dev && now.Ino == r.seen.Ino && now.Size == r.seen.Size && now.Mtim == r.seen.Mtim && now.Ctim == r.seen.Ctim
}
