package files

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errContentRange = httpx.NewProblem(400, "content_range", "A PUT replaces the whole").
			With("Leave Content-Range out, or use a resumable upload to send a file in pieces.")
	errContentCoding = httpx.ErrUnsupportedType.With("Send the bytes as they are, without Content-Encoding.")
)

// spot is where an upload goes, as the rows show it at one moment.
type spot struct {
	parent  uuid.UUID // the deepest folder that is there
	missing []string  // folders that are not
	name    string
	path    string // "/documents/a.pdf"
	item    *item  // what is there already, a file
	free    bool   // nothing may be there, and another's is refused
}

// displaced is the size of what the upload replaces.
func (s spot) displaced() int64 {
	if s.item == nil {
		return 0
	}
	return s.item.Size
}

// tags are the entity tags by which the present content may be named.
func (s spot) tags() []string {
	if s.item == nil {
		return nil
	}
	return []string{s.item.contentTag(), s.item.tag()}
}

// finder looks an upload's spot up: once before the body is read, to refuse
// early, and again under the owner's lock, where it counts.
type finder func(ctx context.Context, q db.Querier) (spot, error)

// byPath finds the spot that names lead to.
func byPath(owner uuid.UUID, names []string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		found, err := walk(ctx, q, owner, names)
		if err != nil {
			return spot{}, err
		}
		s := spot{name: names[len(names)-1], path: joinNames(names)}
		folders := found[:min(len(found), len(names))]
		deepest := folders[len(folders)-1]
		if deepest.isFile() {
			return s, errNotFolder.With("A part of the path is a file.")
		}
		s.parent = deepest.ID
		s.missing = names[len(folders)-1 : len(names)-1]
		if len(found) > len(names) {
			s.item = &found[len(names)]
			if !s.item.isFile() {
				return s, journal.ErrNameConflict.With("There is a folder of this name.")
			}
		}
		return s, nil
	}
}

// inFolder finds the spot of a name in the folder of that id, wherever the
// folder lies: it may be moved between two questions, so nothing is looked up
// by its path.
func inFolder(owner, parent uuid.UUID, name string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		const sql = `-- name: files.InFolder
			SELECT ` + itemColumns + ` FROM items i
			 WHERE i.parent_id = $1 AND normalize(i.name, NFC) = normalize($2, NFC) AND i.name = $2 AND i.trashed_at IS NULL`
		folder, err := folderByID(ctx, q, owner, parent)
		if err != nil {
			return spot{}, err
		}
		s := spot{parent: parent, name: name, path: folder.path + "/" + name}
		if err := checkExtent(strings.Count(s.path, "/"), len(s.path)); err != nil {
			return s, err
		}
		there, err := db.One(ctx, q, scanItem, sql, parent, name)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return s, nil
		case err == nil && !there.isFile():
			err = journal.ErrNameConflict.With("There is a folder of this name.")
		}
		s.item = &there
		return s, err
	}
}

// byID finds the spot of a file that is there.
func byID(owner, id uuid.UUID) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		it, err := itemByID(ctx, q, owner, id)
		if err != nil {
			return spot{}, err
		}
		if !it.isFile() {
			return spot{}, errNotFile
		}
		return spot{parent: *it.Parent, name: it.Name, path: it.path, item: &it.item}, nil
	}
}

// putPath is PUT /files/content/{path...}.
func (f *Files) putPath(w http.ResponseWriter, r *http.Request, v visit) error {
	names := httpx.PathSegments(r, "path")
	if err := checkPath(names); err != nil {
		return err
	}
	parents := false
	switch r.URL.Query().Get("parents") {
	case "true":
		parents = true
	case "", "false":
	default:
		return httpx.ErrInvalidParameter.With("parents is true or false.")
	}
	return f.put(w, r, v, f.hinted(r, v.owner, names), parents)
}

// putItem is PUT /files/items/{id}/content.
func (f *Files) putItem(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	return f.put(w, r, v, byID(v.owner, id), false)
}

// put takes a file in: check, reserve, receive, commit, publish, answer. What
// a crash leaves at each step is the table in the comment of package journal.
func (f *Files) put(w http.ResponseWriter, r *http.Request, v visit, find finder, parents bool) error {
	it, created, err := f.takeIn(r, v.owner, find, parents, nil)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		f.hints.put(v.owner, path.Dir(it.path), *it.Parent)
		w.Header().Set("Location", itemLocation(it.ID))
	}
	acceptModified(w, r, it.item)
	// The content is the resource that was put, so its tag is the answer's.
	w.Header().Set("ETag", it.contentTag())
	return httpx.WriteJSON(w, status, it.body(it.path))
}

// takeIn is put without the answer. from is nil for an owner.
func (f *Files) takeIn(r *http.Request, owner uuid.UUID, find finder, parents bool, from *stranger) (it placed, created bool, err error) {
	ctx := r.Context()
	wanted, modified, err := f.checkPut(r)
	if err != nil {
		return it, false, err
	}
	at, err := find(ctx, f.db)
	if err != nil {
		return it, false, err
	}
	if len(at.missing) > 0 && !parents {
		return it, false, errParentMissing
	}
	if err := precondition(r.Header, at.tags()...); err != nil {
		return it, false, err
	}
	s, err := f.take(ctx, owner, at, r, from, modified)
	if err != nil {
		return it, false, err
	}
	defer s.file.Close()
	// A sum may also come behind the bytes that it was taken of.
	late, err := wantedDigests(r.Trailer)
	if err == nil {
		err = s.verify(append(wanted, late...))
	}
	if err != nil {
		f.drop(ctx, s)
		return it, false, err
	}
	if parents {
		find = f.makingWay(owner, find)
		if len(at.missing) > 0 {
			at, err = find(ctx, f.db)
		}
	}
	if err != nil {
		f.drop(ctx, s)
		return it, false, err
	}
	return f.place(ctx, s, at, find, r.Header)
}

// makingWay is a finder that makes the folders that are missing, each time
// anew: they may be moved away before the file is in them.
func (f *Files) makingWay(owner uuid.UUID, find finder) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		at, err := find(ctx, q)
		if err != nil || len(at.missing) == 0 {
			return at, err
		}
		made, _, err := f.makeFolders(ctx, owner, atPath(strings.Split(path.Dir(at.path), "/")[1:]), true)
		at.parent, at.missing = made.ID, nil
		return at, err
	}
}

// checkPut refuses by the headers alone.
func (f *Files) checkPut(r *http.Request) (wanted [][]byte, modified time.Time, err error) {
	if r.Header.Get("Content-Range") != "" {
		return nil, modified, errContentRange
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, modified, errContentCoding
	}
	if modified, err = modifiedOf(r.Header); err != nil {
		return nil, modified, err
	}
	wanted, err = wantedDigests(r.Header)
	return wanted, modified, err
}

// take is P0 and P1. On an error nothing is left.
func (f *Files) take(ctx context.Context, owner uuid.UUID, at spot, r *http.Request, from *stranger, modified time.Time) (*staged, error) {
	op := journal.NewID()
	reserved := int64(0)
	if r.ContentLength > unreserved && from == nil {
		if reserved = r.ContentLength - at.displaced(); reserved > 0 {
			if err := f.journal.Reserve(ctx, owner, op, reserved); err != nil {
				return nil, err
			}
		}
	}
	s, err := f.stage(owner, op, at)
	if err != nil {
		f.drop(ctx, &staged{owner: owner, op: op, path: f.journal.StagingPath(owner, op), reserved: max(reserved, 0)})
		return nil, f.diskError(err)
	}
	s.reserved, s.modified, s.from = max(reserved, 0), modified, from
	disk.Failpoint("reserved")
	if err := f.receiveWhole(ctx, s, r.Body, r.ContentLength, at.displaced()); err != nil {
		s.file.Close()
		f.drop(ctx, s)
		return nil, err
	}
	disk.Failpoint("staged")
	return s, nil
}

// place puts the staged bytes where they go, which at says as it was looked up
// before: the commit looks again. It drops the bytes when nothing came of it;
// while that is not known, nobody may touch them.
func (f *Files) place(ctx context.Context, s *staged, at spot, find finder, h http.Header) (it placed, created bool, err error) {
	for range lookAgain {
		var done journal.Placed
		if err = f.carryFor(s, at); err == nil {
			done, err = f.journal.Put(ctx, f.putOf(s, at, h))
		}
		switch {
		case err == nil || errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, journal.ErrUnpublished):
			return placed{item{done.Item}, done.Path}, done.Created, err
		case !errors.Is(err, journal.ErrLookAgain):
			f.drop(ctx, s)
			return it, false, err
		}
		if at, err = find(ctx, f.db); err == nil && len(at.missing) > 0 {
			err = errParentMissing
		}
		if err != nil {
			break
		}
	}
	f.drop(ctx, s)
	if errors.Is(err, journal.ErrLookAgain) {
		err = httpx.ErrBusy.Because(err)
	}
	return it, false, err
}

// lookAgain bounds how often something else may turn out to be at the path.
const lookAgain = 20

// carryFor lets the staged file carry the id of what it replaces, or one of
// its own.
func (f *Files) carryFor(s *staged, at spot) error {
	switch {
	case at.item != nil && at.item.ID != s.item:
		s.replaces = true
		return f.carry(s, at.item.ID)
	case at.item == nil && s.replaces:
		s.replaces = false // what was to be replaced went elsewhere
		return f.carry(s, journal.NewID())
	}
	return nil
}

func (f *Files) putOf(s *staged, at spot, h http.Header) journal.Put {
	return journal.Put{
		Owner: s.owner, Op: s.op, Reserved: s.reserved > 0 || s.upload != uuid.Nil, Upload: s.upload,
		Folder: at.parent, Path: at.path, Item: s.item, Replaces: s.replaces, MustBeFree: at.free,
		Staged: s.path, Ino: s.ino, Size: s.size, MTime: s.mtime, SHA256: s.sum, MediaType: mediaType(at.name, h.Get("Content-Type"), headOf(at.name, s.file)),
		Check: func(ctx context.Context, t *journal.Tx, there *journal.Item) error {
			if s.from != nil {
				if err := s.from.holds(ctx, t); err != nil {
					return err
				}
			}
			now := spot{}
			if there != nil {
				now.item = &item{*there}
			}
			return precondition(h, now.tags()...)
		},
		Event: func(it journal.Item, created bool) audit.Event {
			e := audit.Event{Action: audit.FileReplaced, Target: it.ID}
			switch {
			case s.from != nil:
				e.Action, e.Details = audit.ShareDropped, map[string]string{"share": s.from.share.String()}
			case created:
				e.Action = audit.FileCreated
			}
			return e
		},
		Told:   func(it journal.Item) json.RawMessage { return told(placed{item{it}, at.path}) },
		Undone: func(ctx context.Context) { f.drop(ctx, s) },
	}
}
