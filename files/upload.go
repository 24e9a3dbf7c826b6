package files

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errContentRange = httpx.NewProblem(400, "content_range", "A PUT replaces the whole file").
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

// byPath finds the spot that names lead to. Without parents all its folders must be
// there.
func byPath(owner uuid.UUID, names []string, parents bool) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		last, missing, err := walk(ctx, q, owner, names)
		if err != nil {
			return spot{}, err
		}
		s := spot{name: names[len(names)-1], path: joinNames(names)}
		switch {
		case len(missing) > 0 && last.IsFile():
			return s, errNotFolder.With("A part of the path is a file.")
		case len(missing) > 1 && !parents:
			return s, errParentMissing
		case len(missing) > 0:
			s.parent, s.missing = last.ID, missing[:len(missing)-1]
		case !last.IsFile():
			return s, journal.ErrNameConflict.With("There is a folder with this name.")
		default:
			s.parent, s.item = *last.Parent, &last.item
		}
		return s, nil
	}
}

// spotIn is the spot of a name in a folder, whatever is there.
func spotIn(ctx context.Context, q db.Querier, owner, parent uuid.UUID, name string) (spot, error) {
	if err := checkName(name); err != nil {
		return spot{}, err
	}
	folder, err := folderByID(ctx, q, owner, parent)
	if err != nil {
		return spot{}, err
	}
	s := spot{parent: parent, name: name, path: folder.path + "/" + name}
	return s, checkExtent(strings.Count(s.path, "/"), len(s.path))
}

// inFolder finds the spot of a name in the folder of that id, wherever the
// folder lies: it may be moved between two questions, so nothing is looked up
// by its path.
func inFolder(owner, parent uuid.UUID, name string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		const sql = `-- name: files.InFolder
			SELECT ` + itemColumns + ` FROM items i
			 WHERE i.parent_id = $1 AND normalize(i.name, NFC) = normalize($2, NFC) AND i.name = $2 AND i.trashed_at IS NULL`
		s, err := spotIn(ctx, q, owner, parent, name)
		if err != nil {
			return s, err
		}
		there, err := db.One(ctx, q, scanItem, sql, parent, name)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return s, nil
		case err == nil && !there.IsFile():
			err = journal.ErrNameConflict.With("There is a folder with this name.")
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
		if !it.IsFile() {
			return spot{}, errNotFile
		}
		return spot{parent: *it.Parent, name: it.Name, path: it.path, item: &it.item}, nil
	}
}

// putPath is PUT /files/content/{path...}.
func (wr *writer) putPath(w http.ResponseWriter, r *http.Request, v visit) error {
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
		return httpx.ErrInvalidParameter.With("parents must be true or false.")
	}
	return wr.put(w, r, v, wr.hinted(r, v.owner, names, parents), parents)
}

// putItem is PUT /files/items/{id}/content.
func (wr *writer) putItem(w http.ResponseWriter, r *http.Request, v visit) error {
	return wr.put(w, r, v, byID(v.owner, v.item), false)
}

// put takes a file in: check, reserve, receive, commit, publish, answer. What
// a crash leaves at each step is the table in the comment of package journal.
func (wr *writer) put(w http.ResponseWriter, r *http.Request, v visit, find finder, parents bool) error {
	it, created, err := wr.takeIn(r, v.owner, find, parents, nil)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		wr.hints.put(hint{v.owner, path.Dir(it.path)}, *it.Parent)
		w.Header().Set("Location", httpx.Prefix+itemLocation(it.ID))
	}
	acceptModified(w, r, it.item)
	// The content is the resource that was put, so its tag is the answer's.
	w.Header().Set("ETag", it.contentTag())
	return httpx.WriteJSON(w, status, v.seen(it).shown())
}

// takeIn is put without the answer. from is nil for an owner.
func (wr *writer) takeIn(r *http.Request, owner uuid.UUID, find finder, parents bool, from *stranger) (it placed, created bool, err error) {
	ctx := r.Context()
	wanted, modified, err := wr.checkPut(r)
	if err != nil {
		return it, false, err
	}
	at, err := find(ctx, wr.db)
	if err != nil {
		return it, false, err
	}
	if err := precondition(r.Header, at.tags()...); err != nil {
		return it, false, err
	}
	s := wr.newStaged(owner)
	s.modified, s.from = modified, from
	err = wr.take(ctx, s, at, r, wanted)
	defer s.File.Close() // nil where there is none
	if err == nil && parents {
		find = wr.makingWay(owner, find)
		if len(at.missing) > 0 {
			at, err = find(ctx, wr.db)
		}
	}
	if err != nil {
		wr.drop(ctx, s)
		return it, false, err
	}
	return wr.place(ctx, s, at, find, r.Header)
}

// makingWay is a finder that makes the folders that are missing, each time
// anew: they may be moved away before the file is in them.
func (wr *writer) makingWay(owner uuid.UUID, find finder) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		at, err := find(ctx, q)
		if err != nil || len(at.missing) == 0 {
			return at, err
		}
		made, _, err := wr.makeFolders(ctx, owner, nil, strings.Split(path.Dir(at.path), "/")[1:], true)
		at.parent, at.missing = made.ID, nil
		return at, err
	}
}

// checkPut refuses by the headers alone.
func (wr *writer) checkPut(r *http.Request) (wanted [][]byte, modified time.Time, err error) {
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

// take is P0 and P1: the body as its sender meant it. What it leaves on an error
// is the caller's to drop.
func (wr *writer) take(ctx context.Context, s *staged, at spot, r *http.Request, wanted [][]byte) (err error) {
	if more := r.ContentLength - at.displaced(); r.ContentLength > unreserved && s.from == nil && more > 0 {
		if _, err := wr.journal.Reserve(ctx, s.Owner, s.Op, more, more); err != nil {
			return err
		}
		s.reserved = more
	}
	if s.File, err = wr.vol.disk.Create(s.Staged); err != nil {
		return wr.vol.diskError(err)
	}
	disk.Failpoint("reserved")
	if err := wr.receiveWhole(ctx, s, r.Body, r.ContentLength, at.displaced()); err != nil {
		return err
	}
	// A sum may also come behind the bytes that it was taken of.
	late, err := wantedDigests(r.Trailer)
	if err != nil {
		return err
	}
	return s.verify(append(wanted, late...))
}

// hint is the path of a folder in which a file was just made. Who puts a small
// new file beside it need not ask first where that is and whether the name is
// free: the commit looks at both anyway, and says to look again where the hint
// was wrong.
type hint struct {
	owner uuid.UUID
	path  string
}

// hinted is byPath for a request that puts a file. At first it may give the
// spot of a new file in a folder that a hint knows; asked again, it looks. A
// body that is larger, or that its sender may spare, is worth the look.
func (wr *writer) hinted(r *http.Request, owner uuid.UUID, names []string, parents bool) finder {
	look := byPath(owner, names, parents)
	for _, name := range []string{"If-Match", "If-None-Match", "Expect"} {
		if r.Header.Get(name) != "" {
			return look
		}
	}
	at := joinNames(names)
	folder, ok := wr.hints.get(hint{owner, path.Dir(at)})
	if !ok || r.ContentLength < 0 || r.ContentLength > unreserved {
		return look
	}
	return func(ctx context.Context, q db.Querier) (spot, error) {
		if ok {
			ok = false
			return spot{parent: folder, name: path.Base(at), path: at}, nil
		}
		wr.hints.drop(hint{owner, path.Dir(at)})
		return look(ctx, q)
	}
}
