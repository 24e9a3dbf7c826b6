package files

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"syscall"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// mostCopied is how many files and folders one copy may hold. A folder is
// copied within one request: its bytes go to staging/ file by file, under one
// reservation, and then all its rows are committed at once with a single
// rename of the whole. So a copy appears as a whole or not at all, and a
// client that goes away ends it; but it takes its time, hence the bound.
const mostCopied = 10_000

var (
	errCopyTooLarge = httpx.NewProblem(409, "copy_too_large", "The folder holds too much for one copy").
			With("At most 10,000 files and folders are copied at once; copy its folders one by one.")
	errDamaged = httpx.NewProblem(409, "content_damaged", "The file's content is damaged").
			With("Nothing was copied. Tell the operator, who can check all files with: homebase files verify.")
	errChanging = httpx.ErrBusy.With("The file changed while it was being copied. Try again.")
)

// copyRequest says where a copy goes. What is absent is as with the original,
// but that the name gives way to a free one like it.
type copyRequest struct {
	ParentID *uuid.UUID `json:"parent_id,omitempty"`
	Name     *string    `json:"name,omitempty"`
}

// postCopy is POST /files/items/{id}/copy.
func (wr *writer) postCopy(c *httpx.Call, req copyRequest) (copyBody, error) {
	it, lacks, err := wr.copy(c.Context(), visitOf(c.Context()).owner, c.ID, req)
	c.Created(itemLocation(it.ID))
	return copyBody{it.shown(), lacks}, err
}

// copyBody is a copy on the wire, and what of a folder could not be copied.
type copyBody struct {
	itemBody
	LeftOut []leftOut `json:"left_out,omitempty"`
}

// leftOut is a file that a copy lacks: the path of its original, and the code
// of the problem that a copy of it alone is answered with.
type leftOut struct {
	Path string `json:"path"`
	Code string `json:"code"`
}

// copy makes a copy of a file or folder, in any tree that the caller may write,
// and says what it lacks: a file that cannot be read does not keep the rest of
// its folder from being copied.
func (wr *writer) copy(ctx context.Context, owner, id uuid.UUID, req copyRequest) (it placed, lacks []leftOut, err error) {
	from, err := itemByID(ctx, wr.db, owner, id)
	if err != nil {
		return it, nil, err
	}
	if from.Parent == nil {
		return it, nil, errRoot.With("The root folder cannot be copied; choose something in it.")
	}
	parent := *cmp.Or(req.ParentID, from.Parent)
	source := visitOf(ctx)
	ctx, to, err := wr.trees.enterTreeOf(ctx, parent, editor)
	if err != nil {
		return it, nil, err
	}
	to.from = &source
	ctx = to.within(ctx)
	find := copySpot(to.owner, parent, from.Name, req.Name)
	at, err := find(ctx, wr.db)
	if err != nil {
		return it, nil, err
	}
	if from.IsFile() {
		it, err = wr.copyFile(ctx, wr.rd.fileIn(from.Owner, from.ID, uuid.Nil), 0, to.owner, at, find, http.Header{})
	} else {
		it, lacks, err = wr.copyFolder(ctx, from, to.owner, at, find)
	}
	for i := range lacks {
		lacks[i].Path = source.seen(from).path + lacks[i].Path
	}
	return to.seen(it), lacks, err
}

// copySpot finds where a copy goes; nothing is there yet, or the commit
// refuses the name. Without a wish it is a free one like the original's.
func copySpot(owner, parent uuid.UUID, original string, wish *string) finder {
	if wish == nil {
		return freeSpot(owner, parent, original)
	}
	return func(ctx context.Context, q db.Querier) (spot, error) {
		s, err := spotIn(ctx, q, owner, parent, *wish)
		s.free = true
		return s, err
	}
}

// copyFile copies what a lookup finds, a file or a version of one, to a spot by
// the way of an upload, from disk to disk. h holds what a client asks of what is
// there.
func (wr *writer) copyFile(ctx context.Context, from lookup, version int64, owner uuid.UUID, at spot, find finder, h http.Header) (it placed, err error) {
	c, err := wr.rd.open(ctx, from, readPause)
	if err != nil {
		return it, err
	}
	defer c.file.Close()
	s, err := wr.reserveCopy(ctx, owner, c.info.Size())
	if err != nil {
		return it, err
	}
	s.version = version
	if err = wr.vol.diskError(wr.journal.Stage(&s.Put)); err == nil {
		defer s.File.Close()
		err = wr.copyContent(ctx, s, c)
	}
	if err != nil {
		wr.drop(ctx, s)
		return it, err
	}
	disk.Failpoint("copied")
	h = h.Clone()
	h.Set("Content-Type", *c.item.MediaType)
	it, _, err = wr.place(ctx, s, at, find, h)
	return it, err
}

// reserveCopy holds the space of a copy that is to be staged.
func (wr *writer) reserveCopy(ctx context.Context, owner uuid.UUID, size int64) (s *staged, err error) {
	s = newStaged(owner)
	if err := wr.vol.checkFree(size); err != nil || size <= unreserved {
		return s, err
	}
	s.reserved, err = wr.journal.Reserve(ctx, owner, s.Op, size, size)
	return s, err
}

// copyContent makes the staging file a copy of what is open: by
// sharing its blocks where the file system can, else byte by byte, held
// against the sum that the row knows.
func (wr *writer) copyContent(ctx context.Context, s *staged, c content) (err error) {
	s.modified = c.info.ModTime()
	if c.proven && disk.Reflink(s.File, c.file) {
		// The blocks are those of one moment; was it still the row's?
		if err := stillAs(c.info, c.file); err != nil {
			return errChanging.Because(err)
		}
		s.Size, s.SHA256 = c.item.Size, c.item.SHA256
		return nil
	}
	err = wr.receiveWhole(ctx, s, whileAsked{ctx, io.LimitReader(c.file, c.info.Size())}, c.info.Size(), 0)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errChanging.Because(err)
	case err != nil:
		return err
	}
	if c.proven {
		if err := s.verify([][]byte{c.item.SHA256}); err != nil {
			return errDamaged.Because(err)
		}
	}
	return nil
}

// whileAsked is a file of ours that is read until the request for it ends.
type whileAsked struct {
	ctx context.Context
	io.Reader
}

func (r whileAsked) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.Reader.Read(p)
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = errDamaged.Because(errno) // without the file's name
	}
	return n, err
}

// copied is a copy of an item in a folder that is copied.
type copied struct {
	newRow
	path string // below the folder, "" for itself
}

// itemsBelow lists a folder and what is in it, from the top down, by the paths below
// the folder.
func itemsBelow(ctx context.Context, q db.Querier, owner, folder uuid.UUID) ([]placed, error) {
	const sql = `-- name: files.ItemsBelow
		SELECT ` + itemColumns + `, d.path
		  FROM (SELECT b.id, b.path, b.height FROM item_below($2) b LIMIT $3) AS d JOIN items i ON i.id = d.id
		 WHERE i.owner_id = $1
		 ORDER BY d.height`
	list, err := db.All(ctx, q, scanPlaced, sql, owner, folder, mostCopied+1)
	if err == nil && len(list) > mostCopied {
		err = errCopyTooLarge
	}
	return list, err
}

// copyFolder makes the copy in staging/, as a folder there, and commits it.
func (wr *writer) copyFolder(ctx context.Context, from placed, owner uuid.UUID, at spot, find finder) (it placed, lacks []leftOut, err error) {
	originals, err := itemsBelow(ctx, wr.db, from.Owner, from.ID)
	if err != nil {
		return it, nil, err
	}
	var size int64
	for _, o := range originals {
		size += o.Size
		if err := checkExtent(strings.Count(at.path+o.path, "/"), len(at.path)+len(o.path)); err != nil {
			return it, nil, err
		}
	}
	top, err := wr.reserveCopy(ctx, owner, size)
	if err != nil {
		return it, nil, err
	}
	top.Staged = wr.journal.StagingPath(path.Join(disk.Staging, owner.String()))
	var made []copied
	if err = wr.vol.disk.MakeFolder(path.Dir(top.Staged)); err == nil {
		made, lacks, err = wr.copyItems(ctx, top, originals)
	}
	if err != nil {
		wr.drop(ctx, top)
		return it, nil, wr.vol.diskError(err)
	}
	disk.Failpoint("copied")
	c := journal.Change{Owner: owner, Op: top.Op, Reserved: top.reserved > 0, Wait: journal.Timeout}
	c.Undone = func(ctx context.Context) { wr.drop(ctx, top) }
	c.Decide = func(ctx context.Context, t *journal.Tx) error {
		at, err := find(ctx, t)
		if err != nil {
			return err
		}
		if err := t.Grow(len(made)); err != nil {
			return err
		}
		made[0].Parent, made[0].Name = at.parent, at.name
		made[0].newRow = made[0].keyed()
		rows, err := insertCopies(ctx, t, owner, made)
		if err != nil {
			return err
		}
		for _, m := range made {
			t.Use(m.Size)
			t.Tell(feedCreated, told(placed{rows[m.ID], at.path + m.path}))
		}
		it = placed{rows[made[0].ID], at.path}
		if err := t.Move(it.ID, it.Revision, top.Staged, disk.OwnerPath(owner, it.path)); err != nil {
			return err
		}
		t.Audit(ctx, audit.Event{Action: audit.FolderCreated, Target: it.ID})
		return nil
	}
	err = wr.journal.Commit(ctx, c)
	if err != nil && !errors.Is(err, db.ErrOutcomeUnknown) && !errors.Is(err, journal.ErrUnpublished) {
		wr.drop(ctx, top)
	}
	return it, lacks, err
}

// copyItems makes the copies at top, folders before what is in them, and says
// which there are and what could not be copied.
func (wr *writer) copyItems(ctx context.Context, top *staged, originals []placed) (made []copied, lacks []leftOut, err error) {
	ids := map[uuid.UUID]uuid.UUID{} // of the copies, by the originals'
	for _, o := range originals {
		if err := wr.trees.still(ctx, mayWrite, editor); err != nil {
			return nil, nil, err
		}
		row := newRow{ID: journal.NewID(), Parent: ids[*o.Parent], Kind: o.Kind, Name: o.Name, Revision: 1}
		if o.IsFile() {
			err = wr.copyItem(ctx, o, &staged{Put: journal.Put{Owner: top.Owner, Op: top.Op, Staged: top.Staged + o.path}}, &row)
		} else {
			err = wr.vol.disk.Mkdir(top.Staged+o.path, row.ID)
		}
		switch {
		case err == nil:
			ids[o.ID] = row.ID
			made = append(made, copied{row.keyed(), o.path})
		case o.IsFile() && (spoiled(err) || errors.Is(err, errChanging)):
			lacks = append(lacks, leftOut{o.path, httpx.DocumentOf(ctx, err).Code})
		default:
			return nil, nil, err
		}
	}
	// The names in the copy; the commit sees to that of the copy itself.
	for _, m := range made {
		if m.Kind == journal.Folder {
			if err := wr.vol.disk.SyncFolder(top.Staged + m.path); err != nil {
				return nil, nil, wr.vol.diskError(err)
			}
		}
	}
	return made, lacks, nil
}

// copyItem makes a durable copy of one file of a folder, and completes its row. On an
// error nothing of it stays.
func (wr *writer) copyItem(ctx context.Context, o placed, s *staged, row *newRow) error {
	c, err := wr.rd.open(ctx, wr.rd.fileIn(o.Owner, o.ID, uuid.Nil), 0)
	if err != nil {
		return err
	}
	defer c.file.Close()
	if s.File, err = wr.vol.disk.Create(s.Staged); err != nil {
		return wr.vol.diskError(err)
	}
	defer s.File.Close()
	if err = wr.copyContent(ctx, s, c); err == nil {
		err = wr.mark(s, spot{})
	}
	if err == nil {
		err = wr.vol.diskError(wr.vol.disk.Sync(s.File))
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(wr.vol.disk.Remove(s.Staged)))
	}
	row.ID, row.Size, row.MediaType, row.SHA256, row.MTime, row.Ino = s.Item, s.Size, c.item.MediaType, s.SHA256, &s.MTime, &s.Ino
	return nil
}

// insertCopies writes the rows of copies and returns them by their id.
func insertCopies(ctx context.Context, q db.Querier, owner uuid.UUID, made []copied) (map[uuid.UUID]item, error) {
	const sql = `-- name: files.InsertCopies` + insertRows + ` RETURNING ` + itemColumns
	list, err := db.All(ctx, q, scanItem, sql, owner, made)
	rows := make(map[uuid.UUID]item, len(list))
	for _, it := range list {
		rows[it.ID] = it
	}
	return rows, err
}
