package files

import (
	"io/fs"
	"net/http"
	"sync"
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
	mu      sync.Mutex
	shelves map[uuid.UUID]*shelf // by owner
	size    int                  // what was put there since they were emptied
}

// shelf holds an owner's rows by the path or the id that was asked for. A
// reader takes it before the question; what was forgotten meanwhile took the
// shelf away, and what is put on it then is seen by nobody.
type shelf struct{ rows map[string]knownRow }

type knownRow struct {
	readable
	headers http.Header
	seen    syscall.Stat_t // the file at its place
	until   time.Time
}

// get looks a row up; s is what to put it on when it is read anew.
func (k *known) get(owner uuid.UUID, asked string) (s *shelf, row knownRow, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok = k.shelves[owner]
	if !ok {
		k.grow()
		s = &shelf{rows: map[string]knownRow{}}
		k.shelves[owner] = s
	}
	row, ok = s.rows[asked]
	return s, row, ok && time.Now().Before(row.until)
}

// put keeps what was found at its place while nothing of the owner's was on
// its way there.
func (k *known) put(s *shelf, asked string, c content) {
	if !c.atPlace || len(c.item.moves) > 0 || c.item.staged != "" || len(asked)+len(c.item.path) > longestKnown {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := s.rows[asked]; !ok {
		k.grow()
	}
	s.rows[asked] = knownRow{c.item, headersOf(&c.item, c.info), *disk.StatOf(c.info), time.Now().Add(knownFor)}
}

// grow counts a row or a shelf; when there are too many all go. A miss costs
// two queries.
func (k *known) grow() {
	if k.size++; k.size > mostKnown {
		clear(k.shelves)
		k.size = 1
	}
}

// forget drops an owner's rows.
func (k *known) forget(owner uuid.UUID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.shelves, owner)
}

func (k *known) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.shelves)
}

// holds reports whether a file that was opened is the one that was seen, and
// nothing was done to it since: any write, rename, link or attribute moves its
// ctime.
func (r *knownRow) holds(info fs.FileInfo) bool {
	now := disk.StatOf(info)
	return now.Dev == r.seen.Dev && now.Ino == r.seen.Ino && now.Size == r.seen.Size && now.Mtim == r.seen.Mtim && now.Ctim == r.seen.Ctim
}
