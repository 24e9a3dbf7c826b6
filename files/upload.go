package files

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errContentRange = httpx.NewProblem(400, "content_range", "A PUT replaces the whole file").
			With("Leave Content-Range out, or use a resumable upload to send a file in pieces.")
	errContentCoding = httpx.ErrUnsupportedType.With("Send the bytes as they are, without Content-Encoding.")
)

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
	s := newStaged(owner)
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
	if err := wr.journal.Stage(&s.Put); err != nil {
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
