package files

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Stored is a file or folder as the rows name it at one moment.
type Stored struct {
	ID    uuid.UUID `json:"id"`
	Owner uuid.UUID `json:"owner"`
	// Revision is that of a version of a file; 0: what the item is now.
	Revision int64      `json:"revision,omitempty"`
	Place    string     `json:"place"`  // below the data directory
	Size     int64      `json:"size"`   // bytes
	SHA256   string     `json:"sha256"` // hex; "" for a folder
	MTime    int64      `json:"mtime"`  // nanoseconds since 1970
	Ino      int64      `json:"ino"`
	folder   *uuid.UUID // of what lies in the trash, where it was: the folder and the name
	name     string
}

// Key tells an item from its versions, and these from each other.
func (s Stored) Key() string { return fmt.Sprintf("%s.%d", s.ID, s.Revision) }

// row is that of the file as it was then.
func (s Stored) row() *item {
	sum, _ := hex.DecodeString(s.SHA256)
	return &item{journal.Item{Size: s.Size, MTime: &s.MTime, Ino: &s.Ino, SHA256: sum}}
}

// EachStored gives what the rows name, files and folders or files alone, each with
// its versions behind it, in pages: an owner may have millions.
func EachStored(ctx context.Context, q db.Querier, folders bool, give func(page []Stored) error) error {
	const sql = `-- name: files.Stored
		SELECT i.id, i.revision, i.owner_id, i.size, encode(i.sha256, 'hex'), i.mtime, i.ino, i.folder, i.name,
		       CASE WHEN i.revision = 0 THEN ` + placeColumn + ` ELSE '' END
		  FROM ((SELECT i.id, 0::bigint AS revision, i.owner_id, i.size, coalesce(i.sha256, '') AS sha256,
		                coalesce(i.mtime, 0) AS mtime, coalesce(i.ino, 0) AS ino,
		                CASE WHEN i.trashed_at IS NOT NULL THEN i.parent_id END AS folder, i.name
		           FROM items i WHERE i.id > $1 AND (i.kind = 1 OR $3) ORDER BY i.id LIMIT 1000)
		         UNION ALL
		        (SELECT v.item_id, v.revision, v.owner_id, v.size, v.sha256, v.mtime, coalesce(v.ino, 0), NULL, ''
		           FROM versions v WHERE (v.item_id, v.revision) > ($1, $2) ORDER BY v.item_id, v.revision LIMIT 1000)
		         ORDER BY id, revision LIMIT 1000) AS i
		 ORDER BY i.id, i.revision`
	scan := db.RowOf(func(s *Stored) []any {
		return []any{&s.ID, &s.Revision, &s.Owner, &s.Size, &s.SHA256, &s.MTime, &s.Ino, &s.folder, &s.name, &s.Place}
	})
	var last Stored
	for {
		page, err := db.All(ctx, q, scan, sql, last.ID, last.Revision, folders)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if v := &page[i]; v.Revision > 0 {
				v.Place = disk.VersionPath(v.Owner, v.ID, v.Revision)
			}
		}
		if err := give(page); err != nil {
			return err
		}
		last = page[len(page)-1]
	}
}

// Snapshot is everything as it was at one moment: rows on its connection
// until they are closed, bytes until it ends. It holds the lock PURGE from
// before the moment on, so that no bytes that the rows name are freed,
// whatever is replaced, deleted or purged meanwhile.
type Snapshot struct {
	*pgx.Conn
	f         *Files
	untaken   []Untaken
	displaced map[string][]string // inode, or id of the item → places in purge/
}

// snapshotWait is how long a running removal of displaced bytes, or another
// backup, is waited for.
const snapshotWait = 2 * purgeFor

// Snapshot runs fn on a snapshot. Changes of dead workers are finished before
// it is taken. When the connection is lost, so are lock and snapshot: fn asks
// Kept before it believes that it had every byte.
func (f *Files) Snapshot(ctx context.Context, fn func(s *Snapshot) error) error {
	const lock = `-- name: files.LockPurge
		SELECT pg_advisory_lock($1, 0) FROM set_config('lock_timeout', $2, false)`
	return f.asWorker(ctx, func() error {
		return f.db.AsOwner(ctx, func(conn *pgx.Conn) error {
			err := db.Exec(ctx, conn, lock, journal.LockPurge, fmt.Sprint(snapshotWait.Milliseconds()))
			if kind, _ := db.KindOf(err); kind == db.Busy {
				return errors.New("another backup is running")
			}
			if err != nil {
				return err
			}
			// Before: what is taken over in between is in the rows as well.
			s := &Snapshot{Conn: conn, f: f}
			err = f.rc.untaken(ctx, func(u Untaken) {
				if u.Top {
					s.untaken = append(s.untaken, u)
				}
			})
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY`); err != nil {
				return err
			}
			return fn(s)
		})
	})
}

// CloseRows ends the transaction of the snapshot: one that is open for long
// keeps PostgreSQL from cleaning up.
func (s *Snapshot) CloseRows(ctx context.Context) error {
	return db.Exec(ctx, s.Conn, `COMMIT`)
}

// Kept says why bytes may have been freed since the snapshot was taken.
func (s *Snapshot) Kept(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return fmt.Errorf("the connection that kept the bytes from being freed was lost: %w", err)
	}
	return s.f.vol.disk.CheckInPlace(s.f.vol.id)
}

// ErrNotStored says that the bytes which the rows name are not on the disk.
var ErrNotStored = errors.New("its bytes are not on the disk")

// Open opens the bytes of a file of the snapshot wherever they are by now: in
// place, on the way there, or displaced. What somebody changed past the API is
// opened as it is, with changed. Nothing at all is ErrNotStored; what the disk
// does not give is its error.
func (s *Snapshot) Open(ctx context.Context, of Stored) (file *os.File, changed bool, err error) {
	for round := 1; ; round++ {
		var broken error
		first := func(right func(*os.File, fs.FileInfo) bool, places ...string) *os.File {
			for _, p := range places {
				file, info, err := s.f.vol.disk.Open(p)
				switch {
				case err == nil && right(file, info):
					return file
				case err == nil:
					file.Close()
				case disk.Failed(err):
					broken = cmp.Or(broken, err)
				}
			}
			return nil
		}
		row, place, err := pathOf(ctx, s.f.db, of.Owner, of.ID)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return nil, false, err
		}
		others, err := s.others(ctx, of.ID)
		if err != nil {
			return nil, false, err
		}
		displaced := func() []string { return slices.Concat(s.displaced[fmt.Sprint(of.Ino)], s.displaced[of.ID.String()]) }
		file := first(of.row().shows, slices.Concat([]string{of.Place, cmp.Or(place, of.Place)}, others, displaced())...)
		if file == nil {
			broken = cmp.Or(broken, s.look())
			file = first(of.row().shows, displaced()...)
		}
		if file != nil {
			return file, false, nil
		}
		if round < readRounds {
			if !db.Sleep(ctx, readPause) {
				return nil, false, context.Cause(ctx)
			}
			// Another's change may hang between its commit and the disk.
			if err := s.f.journal.RecoverDead(ctx); err != nil {
				return nil, false, err
			}
			continue
		}
		// Nobody displaced them, and they are not as they were taken.
		if of.Revision > 0 {
			place = of.Place
		}
		if of.Revision > 0 || row.IsFile() && hex.EncodeToString(row.SHA256) == of.SHA256 {
			if file := first(func(_ *os.File, info fs.FileInfo) bool { return info.Mode().IsRegular() }, place); file != nil {
				return file, true, nil
			}
		}
		return nil, false, cmp.Or(broken, ErrNotStored)
	}
}

// Loose is an entry that no row stood for when the snapshot was taken.
type Loose struct {
	Path   string // below the data directory; any bytes
	Folder bool
	Why    string // it is loose, or what keeps it from being read; "" in a loose folder
}

// EachLoose gives every such entry, a folder before what is in it, and a file
// open for reading, or nil if it cannot be read.
func (s *Snapshot) EachLoose(ctx context.Context, give func(l Loose, file *os.File) error) error {
	for _, u := range s.untaken {
		if err := s.eachLoose(ctx, Loose{Path: u.Path, Why: u.Why}, give); err != nil {
			return err
		}
	}
	return nil
}

func (s *Snapshot) eachLoose(ctx context.Context, l Loose, give func(l Loose, file *os.File) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var file *os.File
	var names []string
	info, err := s.f.vol.disk.Lstat(l.Path)
	switch {
	case err != nil && !disk.Failed(err):
		l.Why = "it was moved or deleted during the backup, and is not in it"
	case err == nil && (!s.f.vol.disk.Holds(info) || !info.IsDir() && !info.Mode().IsRegular()):
		l.Why = "it is not a file on this disk (a link, a device, a mount), and is not in the backup"
	case err == nil && info.IsDir():
		l.Folder = true
		if names, err = s.f.vol.disk.Names(l.Path); err != nil {
			l.Why = "it cannot be listed, and what is in it is not in the backup"
		}
	default:
		if err == nil {
			file, _, err = s.f.vol.disk.Open(l.Path)
		}
		if err != nil {
			l.Why = "it cannot be read, and is not in the backup"
			break
		}
		defer file.Close()
	}
	if err := give(l, file); err != nil {
		return err
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if err := s.eachLoose(ctx, Loose{Path: path.Join(l.Path, name)}, give); err != nil {
			return err
		}
	}
	return nil
}

// InPlace reports whether a file lies at its place as the rows have it. It
// looks without opening.
func (s *Snapshot) InPlace(of Stored) bool {
	info, err := s.f.vol.disk.Lstat(of.Place)
	return err == nil && info.Mode().IsRegular() && of.row().matches(info)
}

// others are where bytes of an item are that a commit has taken and the disk has
// not followed, and those that became versions.
func (s *Snapshot) others(ctx context.Context, id uuid.UUID) ([]string, error) {
	const sql = `-- name: files.OtherPlacesOfItem
		SELECT o.source FROM file_ops o WHERE o.item_id = $1 AND o.kind = 'put'
		 UNION ALL
		SELECT 'versions/' || v.owner_id || '/' || v.item_id || '.' || v.revision FROM versions v WHERE v.item_id = $1`
	return db.All(ctx, s.f.db, db.Value[string], sql, id)
}

// look lists what was displaced. It is known by its inode: a rename keeps it,
// and it is not used again as long as nothing is freed. On a disk that was
// copied inodes are others than the rows have: there the name still tells the
// item. What a look cannot reach, the next one may.
func (s *Snapshot) look() (broken error) {
	s.displaced = map[string][]string{}
	_ = s.f.vol.disk.Walk(disk.Purge, func(place string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if err != nil {
			if disk.Failed(err) {
				broken = err
			}
			return nil
		}
		keys := []string{fmt.Sprint(disk.Inode(info))}
		if path.Dir(place) == disk.Purge { // below it names are an owner's
			id, _, _ := strings.Cut(d.Name(), ".")
			keys = append(keys, id)
		}
		for _, key := range keys {
			s.displaced[key] = append(s.displaced[key], place)
		}
		return nil
	})
	return broken
}
