package files

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errNotFile        = httpx.NewProblem(409, "not_a_file", "This is a folder").With("A folder has no content; list its children.")
	errContentMissing = httpx.NewProblem(404, "content_missing", "The file's bytes are not there").
				With("The file is listed, but the server cannot read its bytes from the disk. Tell the operator.")
)

const (
	readRounds = 3
	readPause  = 20 * time.Millisecond
)

// reader shows what is stored: rows, bytes, and both as an archive. It never
// writes.
type reader struct {
	*base
	outside chan uuid.UUID // items that were seen changed from outside
}

// readable is what one statement shows of an item to read: the row and what
// is pending around it.
type readable struct {
	placed
	staged string   // where the bytes of this revision are until they are published
	moves  []string // pending moves of the owner: source, target, source, target …
}

// lookup reads anew what is to be opened, and where its bytes belong, below the
// data directory.
type lookup func(ctx context.Context) (it readable, place string, err error)

// fileIn looks a file up: the row, the way to it and the pending records at one
// moment, for between two statements the disk could have followed. What does not
// lie in the folder is not found; uuid.Nil is for anywhere.
func (rd *reader) fileIn(owner, id, folder uuid.UUID) lookup {
	const sql = `-- name: files.ReadableItem
		WITH pending AS (
		    SELECT o.kind, o.item_id, o.revision, o.source, o.target
		      FROM file_ops o WHERE o.owner_id = $1 AND o.quarantined_at IS NULL
		)
		SELECT ` + itemColumns + `,
		       w.path,
		       coalesce((SELECT o.source FROM pending o
		                  WHERE o.kind = 'put' AND o.item_id = i.id AND o.revision = i.revision), ''),
		       (SELECT array_agg(p.v) FROM pending o, unnest(ARRAY[o.source, o.target]) AS p (v) WHERE o.kind = 'move')
		  FROM items i CROSS JOIN LATERAL item_path(i.id) AS w (path)
		 WHERE i.id = $2 AND i.owner_id = $1 AND w.path IS NOT NULL
		   AND ($4 OR EXISTS (SELECT FROM item_up(i.id) u WHERE u.id = $3))`
	scan := db.RowOf(func(it *readable) []any { return append(it.Fields(), &it.path, &it.staged, &it.moves) })
	return func(ctx context.Context) (readable, string, error) {
		it, err := db.One(ctx, rd.db, scan, sql, owner, id, folder, folder == uuid.Nil)
		if err == nil && !it.IsFile() {
			err = errNotFile
		}
		return it, disk.OwnerPath(owner, it.path), err
	}
}

// places are where the bytes may be that belong to a place, the likeliest first.
func (it *readable) places(place string) []string {
	list := []string{place}
	if it.staged != "" {
		list = append(list, it.staged)
	}
	for i := 0; i+1 < len(it.moves); i += 2 {
		source, target := it.moves[i], it.moves[i+1]
		if rest, ok := strings.CutPrefix(place+"/", target+"/"); ok {
			list = append(list, strings.TrimSuffix(source+"/"+rest, "/"))
		}
	}
	return list
}

// matches reports whether the file that was opened is the row's.
func (it *item) matches(info fs.FileInfo) bool {
	return info.Size() == it.Size && disk.MTime(info) == *it.MTime
}

// shows reports whether a file that was opened holds the row's bytes. Clients
// choose times, so the version before may have size and time of this one: the
// inode tells them apart. Whole directories are copied to another disk, and get
// other inodes: there it must not carry the sum of other bytes.
func (it *item) shows(file *os.File, info fs.FileInfo) bool {
	if !it.matches(info) {
		return false
	}
	if it.Ino != nil && *it.Ino == disk.Inode(info) {
		return true
	}
	sum := disk.Sum(file, info)
	return sum == nil || bytes.Equal(sum, it.SHA256)
}

// content is an open file and what may be said of it.
type content struct {
	file    *os.File
	kept    *keptFile // nil: nobody else has the file
	info    fs.FileInfo
	item    readable
	headers http.Header // of the item, when it is known
	place   string      // where the row says that it lies, below the data directory
	// proven says that the disk shows what the row says. Else the file was
	// changed from outside: it has no digest and only a weak tag.
	proven bool
	// atPlace says that the file lies at its place.
	atPlace bool
}

func (c *content) close() {
	if c.kept != nil {
		c.kept.Close()
	} else {
		c.file.Close()
	}
}

// openContent finds an item's bytes without ever writing. A reader that
// overlaps a change gets the bytes before or after it, never a mixture: what
// it has open is not written into, and it only believes a file that the row
// describes.
func (rd *reader) openContent(ctx context.Context, owner, id uuid.UUID) (content, error) {
	return rd.open(ctx, rd.fileIn(owner, id, uuid.Nil), readPause)
}

// open opens what a lookup finds. Where the disk does not show what the row says
// it pauses and looks again; who opens many files does not pause.
func (rd *reader) open(ctx context.Context, find lookup, pause time.Duration) (c content, err error) {
	for round := 1; ; round++ {
		if c.item, c.place, err = find(ctx); err != nil {
			return c, err
		}
		for i, p := range c.item.places(c.place) {
			file, info, err := rd.vol.disk.Open(p)
			if disk.Failed(err) && !errors.Is(err, fs.ErrPermission) {
				return c, rd.vol.diskError(err)
			}
			if err != nil {
				continue
			}
			if c.item.shows(file, info) {
				c.file, c.info, c.proven, c.atPlace = file, info, true, i == 0
				return c, nil
			}
			file.Close()
		}
		if round == readRounds || c.item.Missing {
			break
		}
		if !db.Sleep(ctx, pause) {
			return c, context.Cause(ctx)
		}
	}
	c.file, c.info, err = rd.vol.disk.Open(c.place)
	if err != nil && (!disk.Failed(err) || errors.Is(err, fs.ErrPermission)) {
		err = errContentMissing.Because(err)
	}
	return c, rd.vol.diskError(err)
}
