package files

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errContentRange = httpx.NewProblem(400, "content_range", "A PUT replaces the whole").
			With("Leave Content-Range out, or use a resumable upload to send a file in pieces.")
	errContentCoding = httpx.ErrUnsupportedType.With("Send the bytes as they are, without Content-Encoding.")

	// errCarry rolls the commit back: the staged file carries another id than
	// the item that turned out to be at the name.
	errCarry = errors.New("the staged file carries another id")
)

// spot is where an upload goes, as the rows show it at one moment.
type spot struct {
	parent  uuid.UUID // the deepest folder that is there
	missing []string  // folders that are not
	name    string
	path    string // "/documents/a.pdf"
	item    *item  // what is there already, a file
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
				return s, errNameConflict.With("There is a folder of this name.")
			}
		}
		return s, nil
	}
}

// inFolder finds the spot of a name in the folder of that id.
func inFolder(owner, parent uuid.UUID, name string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		folder, err := folderByID(ctx, q, owner, parent)
		if err != nil {
			return spot{}, err
		}
		names := append(strings.Split(folder.path, "/")[1:], name)
		if err := checkPath(names); err != nil {
			return spot{}, err
		}
		return byPath(owner, names)(ctx, q)
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
	return f.put(w, r, v, byPath(v.owner, names), parents)
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
// a crash leaves at each step is the table in the package comment.
func (f *Files) put(w http.ResponseWriter, r *http.Request, v visit, find finder, parents bool) error {
	it, created, err := f.takeIn(r, v.owner, find, parents, uuid.Nil)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", itemLocation(it.ID))
	}
	// The content is the resource that was put, so its tag is the answer's.
	w.Header().Set("ETag", it.contentTag())
	return httpx.WriteJSON(w, status, it.body(it.path))
}

// takeIn is put without the answer. share is by whose link a stranger sends
// the file, uuid.Nil for an owner.
func (f *Files) takeIn(r *http.Request, owner uuid.UUID, find finder, parents bool, share uuid.UUID) (it placed, created bool, err error) {
	ctx := r.Context()
	wanted, err := f.checkPut(r)
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
	s, err := f.take(ctx, owner, at, r)
	if err != nil {
		return it, false, err
	}
	defer s.file.Close()
	s.share = share
	// A sum may also come behind the bytes that it was taken of.
	late, err := wantedDigests(r.Trailer)
	if err == nil {
		err = s.verify(append(wanted, late...))
	}
	if err != nil {
		f.drop(ctx, s)
		return it, false, err
	}
	if len(at.missing) > 0 {
		folders := strings.Split(path.Dir(at.path), "/")[1:]
		if _, _, err := f.makeFolders(ctx, owner, folders, true); err != nil {
			f.drop(ctx, s)
			return it, false, err
		}
	}
	return f.commitPut(ctx, s, find, r.Header)
}

// checkPut refuses by the headers alone.
func (f *Files) checkPut(r *http.Request) (wanted [][]byte, err error) {
	if r.Header.Get("Content-Range") != "" {
		return nil, errContentRange
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errContentCoding
	}
	return wantedDigests(r.Header)
}

// take is P0 and P1. On an error nothing is left.
func (f *Files) take(ctx context.Context, owner uuid.UUID, at spot, r *http.Request) (*staged, error) {
	op, id := newID(), newID()
	if at.item != nil {
		id = at.item.ID
	}
	reserved := int64(0)
	if r.ContentLength > unreserved {
		if reserved = r.ContentLength - at.displaced(); reserved > 0 {
			if err := f.reserve(ctx, owner, op, reserved); err != nil {
				return nil, err
			}
		}
	}
	s, err := f.stage(owner, op, id)
	if err != nil {
		f.drop(ctx, &staged{owner: owner, op: op, path: f.stagingPath(owner, op), reserved: max(reserved, 0)})
		return nil, f.diskError(err)
	}
	s.reserved = max(reserved, 0)
	disk.Failpoint("reserved")
	if err := f.receive(ctx, s, r.Body, r.ContentLength, at.displaced()); err != nil {
		s.file.Close()
		f.drop(ctx, s)
		return nil, err
	}
	disk.Failpoint("staged")
	return s, nil
}

// commitPut is P2 and P3 of an upload. It drops the staged bytes when the
// commit did not happen; while that is not known, nobody may touch them.
func (f *Files) commitPut(ctx context.Context, s *staged, find finder, h http.Header) (it placed, created bool, err error) {
	for range 3 {
		var other uuid.UUID
		c := change{owner: s.owner, op: s.op, local: true, reserved: s.reserved > 0}
		c.decide = func(ctx context.Context, t *txn) error {
			at, err := find(ctx, t)
			if err != nil {
				return err
			}
			if len(at.missing) > 0 {
				return errParentMissing
			}
			if at.item != nil {
				other = at.item.ID
			} else {
				other = s.item
			}
			target := disk.UserPath(s.owner, at.path)
			if t.inTheWay(other, target) {
				return errInTheWay
			}
			if err := precondition(h, at.tags()...); err != nil {
				return err
			}
			if other != s.item {
				return errCarry
			}
			created = at.item == nil
			it.path = at.path
			it.item, err = f.writeFile(ctx, t, s, at, h.Get("Content-Type"))
			if err != nil {
				return err
			}
			if s.also != nil {
				if err := s.also(ctx, t, it.ID); err != nil {
					return err
				}
			}
			if created {
				t.note(feedCreated, it)
			} else {
				t.note(feedChanged, it)
			}
			t.used = s.size - at.displaced()
			t.add(record{kind: kindPut, item: it.ID, revision: it.Revision, ino: s.ino, source: s.path, target: target})
			return nil
		}
		err = f.carryOut(ctx, c, func(ctx context.Context) { f.drop(ctx, s) })
		switch {
		case err == nil || errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, errUnpublished):
			return it, created, err
		case errors.Is(err, errCarry):
			// Another upload made the name meanwhile.
			err = f.carry(s, other)
		case idTaken(err):
			// What was to be replaced went elsewhere: this is another item.
			err = f.carry(s, newID())
		}
		if err != nil {
			break
		}
	}
	f.drop(ctx, s)
	return it, created, err
}

// idTaken reports whether a new item was to get the id of one that exists.
func idTaken(err error) bool {
	e, ok := errors.AsType[*db.Error](err)
	return ok && e.Constraint == "items_pkey"
}

// writeFile writes the row of a received file, new or replaced, and its audit
// entry.
func (f *Files) writeFile(ctx context.Context, t *txn, s *staged, at spot, declaredType string) (it item, err error) {
	const insert = `-- name: files.InsertFile
		INSERT INTO items AS i (id, owner_id, parent_id, kind, name, name_sort, size, media_type, sha256, mtime, ino)
		VALUES ($1, $2, $3, 1, $4, normalize($5, NFC), $6, $7, $8, $9, $10)
		RETURNING ` + itemColumns
	const replace = `-- name: files.ReplaceFile
		UPDATE items i
		   SET size = $3, media_type = $4, sha256 = $5, mtime = $6, ino = $7, revision = i.revision + 1, updated_at = now(),
		       missing_at = NULL, checked_at = NULL
		 WHERE i.id = $1 AND i.owner_id = $2
		RETURNING ` + itemColumns
	media := mediaType(at.name, declaredType)
	event := audit.Event{Action: audit.FileCreated}
	if at.item == nil {
		it, err = db.One(ctx, t, scanItem, insert, s.item, s.owner, at.parent, at.name, strings.ToLower(at.name),
			s.size, media, s.sum, s.mtime, s.ino)
	} else {
		event.Action = audit.FileReplaced
		it, err = db.One(ctx, t, scanItem, replace, s.item, s.owner, s.size, media, s.sum, s.mtime, s.ino)
	}
	if err != nil {
		return it, err
	}
	if event.Target = it.ID; s.share != uuid.Nil {
		event.Action, event.Details = audit.ShareDropped, map[string]string{"share": s.share.String()}
	}
	t.audit(event)
	return it, nil
}
