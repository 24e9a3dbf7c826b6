package files

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	errNotFile        = httpx.NewProblem(409, "not_a_file", "This is a folder").With("A folder has no content; list its children.")
	errContentMissing = httpx.NewProblem(404, "content_missing", "The file's bytes are not there").
				With("The file is known, but its bytes cannot be read on the server's disk. Tell the operator.")
)

const (
	readRounds = 3
	readPause  = 20 * time.Millisecond
)

// readable is what one statement shows of an item to read: the row and what
// is pending around it.
type readable struct {
	placed
	staged string   // where the bytes of this revision are until they are published
	moves  []string // pending moves of the owner: source, target, source, target …
}

// readableItem reads the row, the way to it and the pending records at one
// moment: between two statements the disk could have followed. What does not
// lie in the folder top is not found; uuid.Nil is for anywhere.
func readableItem(ctx context.Context, q db.Querier, owner, id, top uuid.UUID) (readable, error) {
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
	return db.One(ctx, q, func(row pgx.Row) (it readable, err error) {
		err = row.Scan(append(it.Fields(), &it.path, &it.staged, &it.moves)...)
		return it, err
	}, sql, owner, id, top, top == uuid.Nil)
}

// places are where the item's bytes may be, the likeliest first.
func (it *readable) places(owner uuid.UUID) []string {
	p := disk.UserPath(owner, it.path)
	list := []string{p}
	if it.staged != "" {
		list = append(list, it.staged)
	}
	for i := 0; i+1 < len(it.moves); i += 2 {
		source, target := it.moves[i], it.moves[i+1]
		if rest, ok := strings.CutPrefix(p+"/", target+"/"); ok {
			list = append(list, strings.TrimSuffix(source+"/"+rest, "/"))
		}
	}
	return list
}

// matches reports whether the file that was opened is the row's.
func (it *item) matches(info fs.FileInfo) bool {
	return info.Size() == it.Size && info.ModTime().UnixNano() == *it.MTime
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
	file *os.File
	info fs.FileInfo
	item readable
	// proven says that the disk shows what the row says. Else the file was
	// changed from outside: it has no digest and only a weak tag.
	proven bool
	// atPlace says that the file lies where the row says.
	atPlace bool
}

// openContent finds an item's bytes without ever writing. A reader that
// overlaps a change gets the bytes before or after it, never a mixture: what
// it has open is not written into, and it only believes a file that the row
// describes.
func (f *Files) openContent(ctx context.Context, owner, id uuid.UUID) (c content, err error) {
	return f.openBelow(ctx, owner, id, uuid.Nil, readPause)
}

// openBelow is openContent for an item that must lie in that folder,
// wherever that lies by now; nothing outside of it is reached. With uuid.Nil
// the item may lie anywhere. Where the disk does not show what the row says it
// pauses and looks again; who opens many files does not pause.
func (f *Files) openBelow(ctx context.Context, owner, id, folder uuid.UUID, pause time.Duration) (c content, err error) {
	for round := 1; ; round++ {
		if c.item, err = readableItem(ctx, f.db, owner, id, folder); err != nil {
			return c, err
		}
		if !c.item.isFile() {
			return c, errNotFile
		}
		for i, p := range c.item.places(owner) {
			file, info, err := f.disk.Open(p)
			if disk.Failed(err) && !errors.Is(err, fs.ErrPermission) {
				return c, f.diskError(err)
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
		f.disk.Forget(owner)
		if !journal.Sleep(ctx, pause) {
			return c, context.Cause(ctx)
		}
	}
	c.file, c.info, err = f.disk.Open(disk.UserPath(owner, c.item.path))
	if err != nil && (!disk.Failed(err) || errors.Is(err, fs.ErrPermission)) {
		err = errContentMissing.Because(err)
	}
	return c, f.diskError(err)
}

// getContent is GET and HEAD /files/items/{id}/content.
func (f *Files) getContent(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	return f.serveContent(w, r, v.owner, id.String(), func() (uuid.UUID, error) { return id, nil })
}

// getPath is GET and HEAD /files/content/{path...}.
func (f *Files) getPath(w http.ResponseWriter, r *http.Request, v visit) error {
	names := httpx.PathSegments(r, "path")
	if err := checkPath(names); err != nil {
		return err
	}
	return f.serveContent(w, r, v.owner, joinNames(names), func() (uuid.UUID, error) {
		it, err := itemByPath(r.Context(), f.db, v.owner, names)
		return it.ID, err
	})
}

// serveContent answers an owner with the bytes of the file that was asked for
// by a path or an id.
func (f *Files) serveContent(w http.ResponseWriter, r *http.Request, owner uuid.UUID, asked string, find func() (uuid.UUID, error)) error {
	c, err := f.openAsked(r.Context(), owner, asked, find)
	if err != nil {
		return err
	}
	return f.serve(w, r, owner, c, func(bool) error {
		f.audit.Note(r.Context(), audit.Event{Action: audit.FileDownload, Target: c.item.ID})
		return nil
	})
}

// openAsked is openContent for an owner's own files, without a question to the
// database where the disk still shows what an earlier one told.
func (f *Files) openAsked(ctx context.Context, owner uuid.UUID, asked string, find func() (uuid.UUID, error)) (c content, err error) {
	fresh := f.db.Listener().Fresh()
	shelf, row, ok := f.hub.known.get(owner, asked)
	if ok && fresh {
		file, info, err := f.disk.Open(disk.UserPath(owner, row.path))
		if err == nil && row.holds(info) {
			return content{file: file, info: info, item: row.readable, proven: true, atPlace: true}, nil
		}
		if err == nil {
			file.Close()
		}
	}
	id, err := find()
	if err != nil {
		return c, err
	}
	if c, err = f.openContent(ctx, owner, id); err == nil && fresh {
		f.hub.known.put(shelf, asked, c)
	}
	return c, err
}

// serve answers with what is open. All that a request may ask of a read is
// judged here: http.ServeContent only carries it out, and nothing is counted
// that is not sent. It gets the *os.File as it is, so that the bytes leave by
// sendfile. permit is asked before the first of them, and told whether byte 0
// will be among them.
func (f *Files) serve(w http.ResponseWriter, r *http.Request, owner uuid.UUID, c content, permit func(first bool) error) error {
	defer c.file.Close()
	h := w.Header()
	tag := "W/" + `"` + c.info.ModTime().UTC().Format("20060102150405.000000000") + `"`
	if c.proven {
		tag = c.item.contentTag()
	} else {
		f.changedOutside(owner, c.item.ID)
	}
	modified := c.info.ModTime()
	if now := time.Now(); modified.After(now) {
		modified = now // RFC 9110, section 8.8.2.1: Last-Modified is never ahead of Date
	}
	unchanged, err := httpx.CheckRead(r.Header, tag, modified)
	var ranges []byteRange
	if err == nil && !unchanged {
		ranges, err = takeRanges(r.Header, tag, c.info.Size())
	}
	if err != nil {
		return err
	}
	h.Set("ETag", tag)
	if c.proven {
		h.Set("Repr-Digest", reprDigest(c.item.SHA256))
	}
	describe(h, c.item.Name, *c.item.MediaType, r.URL.Query().Get("download") == "true")
	// A private answer may be kept by the browser, which asks each time.
	h.Set("Cache-Control", "private, no-cache")
	if unchanged {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method == http.MethodGet {
		first := len(ranges) == 0 || slices.ContainsFunc(ranges, func(r byteRange) bool { return r.from == 0 })
		if err := permit(first); err != nil {
			return err
		}
	}
	h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat)) // which ServeContent leaves out in the first second of 1970
	http.ServeContent(w, r, "", modified, c.file)
	return nil
}

// describe says what the bytes are and how a browser may treat them: a
// download unless the type is inert, and in either case a sandbox. keep makes
// it a download in any case: what a page of another origin links to, it cannot
// mark as one itself.
func describe(h http.Header, name, mediaType string, keep bool) {
	disposition := "attachment"
	if inert(mediaType) && !keep {
		disposition = "inline"
	}
	h.Set("Content-Disposition", disposition+dispositionName(name))
	if strings.HasPrefix(mediaType, "text/") {
		mediaType = mime.FormatMediaType(mediaType, map[string]string{"charset": "utf-8"})
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; sandbox")
}

// dispositionName is the file name as RFC 6266 wants it: in ASCII for all,
// and in RFC 8187's form where that says less than the name.
func dispositionName(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	s := `; filename="` + ascii + `"`
	if ascii != name {
		s += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return s
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
