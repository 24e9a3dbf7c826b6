package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"sync/atomic"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// trash is where what is deleted goes, and from where it is purged.
type trash struct {
	changer
	retention  time.Duration  // 0: for ever
	purging    journal.Signal // a purge has left rows
	emptySince atomic.Int64   // the mtime (ns) of purge/ when it was found empty; 0: it was not
}

// trashedBody is an item in the trash on the wire. Its path is where it was.
type trashedBody struct {
	itemBody
	TrashedAt    time.Time `json:"trashed_at"`
	OriginalPath string    `json:"original_path"`
}

// AppendJSON is for httpx.
func (b *trashedBody) AppendJSON(text []byte) []byte {
	text = b.itemBody.AppendJSON(text)
	text = httpx.AppendTime(append(text[:len(text)-1], `,"trashed_at":`...), b.TrashedAt)
	text = httpx.AppendString(append(text, `,"original_path":`...), b.OriginalPath)
	return append(text, '}')
}

// trashed is an item in the trash: the top of what was deleted.
type trashed struct {
	placed
	at time.Time
}

// trashedColumns are those of an item in the trash, with the path that it was deleted
// from, or that its former folder has now.
const trashedColumns = itemColumns + `, ` + pathColumn + `, i.trashed_at`

// inTrash selects an owner's items in the trash.
const inTrash = ` WHERE i.owner_id = $1 AND i.trashed_at IS NOT NULL AND NOT i.purging`

var scanTrashed = db.RowOf(func(t *trashed) []any { return append(t.Fields(), &t.path, &t.at) })

// trashPlace is an item's place in the trash, newest first.
type trashPlace struct {
	At time.Time `json:"at"`
	ID uuid.UUID `json:"id"`
}

func (t trashed) place() trashPlace { return trashPlace{t.at, t.ID} }

func (t trashed) shown() trashedBody { return trashedBody{t.placed.shown(), t.at, t.path} }

// getTrash is GET /files/trash, newest first.
func (tr *trash) getTrash(c *httpx.Call, p httpx.Keyset[trashPlace]) ([]trashed, error) {
	const sql = `-- name: files.Trash
		SELECT ` + trashedColumns + ` FROM items i` + inTrash + ` AND (i.trashed_at, i.id) < ($2, $3)
		 ORDER BY i.trashed_at DESC, i.id DESC LIMIT $4`
	before := p.After(trashPlace{time.Unix(1<<37, 0), uuid.Max}) // far ahead of any clock
	return db.All(c.Context(), tr.db, scanTrashed, sql, visitOf(c.Context()).owner, before.At, before.ID, p.Limit)
}

// deleteItem is DELETE /files/items/{id}: to the trash.
func (tr *trash) deleteItem(c *httpx.Call) error {
	return tr.trash(c.Context(), visitOf(c.Context()).owner, c.ID, c.Header)
}

// trash puts an item into the trash, if it is what the preconditions in h say.
func (tr *trash) trash(ctx context.Context, owner, id uuid.UUID, h http.Header) error {
	it, err := itemByID(ctx, tr.db, owner, id)
	if err != nil {
		return err
	}
	if it.Parent == nil || visitOf(ctx).isTop(id) {
		return errRoot
	}
	if err := precondition(h, it.tag()); err != nil {
		return err
	}
	tr.markTrashed(ctx, owner, it)
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		const sql = `-- name: files.TrashItem
			UPDATE items i SET trashed_at = now(), revision = i.revision + 1 WHERE i.id = $1
			RETURNING ` + itemColumns
		it, err := itemByID(ctx, t, owner, id)
		if err != nil {
			return err
		}
		if err := precondition(h, it.tag()); err != nil {
			return err
		}
		if it.item, err = db.One(ctx, t, scanItem, sql, id); err != nil {
			return err
		}
		if err := endShares(ctx, t, owner, it.item); err != nil {
			return err
		}
		if err := t.Move(it.ID, it.Revision, disk.OwnerPath(owner, it.path), disk.TrashPath(owner, id)); err != nil {
			return err
		}
		t.Tell(feedTrashed, told(it))
		t.Audit(ctx, audit.Event{Action: audit.FileDeleted, Target: id})
		return nil
	}}
	return tr.journal.Commit(ctx, c)
}

// markTrashed writes the item's folder and name to the entry itself, so that
// the trash can be rebuilt from the disk. It counts only in the trash, so it
// does no harm when the deletion comes to nothing, and what cannot be written
// is no reason to keep the item: a full disk wants things deleted.
func (tr *trash) markTrashed(ctx context.Context, owner uuid.UUID, it placed) {
	at := disk.OwnerPath(owner, it.path)
	info, err := tr.vol.disk.Lstat(at)
	if err != nil {
		return // it is missing: the rows decide
	}
	entry, err := tr.vol.disk.Look(at, info)
	if err == nil {
		defer entry.Close()
		err = errors.Join(disk.SetTrashed(entry, *it.Parent, it.Name), tr.vol.disk.Sync(entry))
	}
	if err != nil {
		tr.log.WarnContext(ctx, "cannot note on a trashed item where it was; a rebuild would restore it to the root", "item", it.ID, "error", err)
	}
}

// restore is POST /files/trash/{id}/restore: back to its folder, or to the
// root when that is gone; under its name, or a free one like it.
func (tr *trash) restore(c *httpx.Call) (itemBody, error) {
	owner, id := visitOf(c.Context()).owner, c.ID
	var it placed
	err := tr.journal.Commit(c.Context(), journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		const sql = `-- name: files.TrashedByID
			SELECT ` + trashedColumns + ` FROM items i` + inTrash + ` AND i.id = $2`
		from, err := db.One(ctx, t, scanTrashed, sql, owner, id)
		if err != nil {
			return err
		}
		to, err := itemByID(ctx, t, owner, *from.Parent)
		if err == nil {
			err = checkFit(ctx, t, from.item, "", to.path+"/"+from.Name)
		}
		if errors.Is(err, db.ErrNotFound) || errors.Is(err, errPathTooLong) {
			to, err = itemByID(ctx, t, owner, t.Tree.Root)
		}
		if err != nil {
			return err
		}
		name, err := freeName(ctx, t, to.ID, from.Name)
		if err != nil {
			return err
		}
		it.path = to.path + "/" + name
		if it.item, err = relocate(ctx, t, from.item, to.ID, name); err != nil {
			return err
		}
		if err := t.Move(it.ID, it.Revision, disk.TrashPath(owner, id), disk.OwnerPath(owner, it.path)); err != nil {
			return err
		}
		t.Tell(feedRestored, told(it))
		t.Audit(ctx, audit.Event{Action: audit.FileRestored, Target: id})
		return nil
	}})
	return it.shown(), err
}

// freeName is the name itself, or "name (2).ext" and so on, whichever is not
// taken in the folder. The numbers are not tried one by one: they are doubled
// until one is free, and halved back to one that follows a taken one, so that
// the thousandth copy costs twenty questions. The caller holds the owner's lock.
func freeName(ctx context.Context, q db.Querier, folder uuid.UUID, name string) (string, error) {
	numbered := func(n int) string {
		if n == 1 {
			return name
		}
		return disk.MarkName(name, fmt.Sprintf(" (%d)", n))
	}
	var failed error
	taken := func(n int) bool {
		held, err := nameTaken(ctx, q, folder, numbered(n), uuid.Nil)
		failed = cmp.Or(failed, err)
		return held && failed == nil
	}
	last, free := 0, 1
	for taken(free) {
		if last, free = free, 2*free; free > 1<<30 {
			return "", journal.ErrNameConflict
		}
	}
	free = last + 1 + sort.Search(free-last-1, func(i int) bool { return !taken(last + 1 + i) })
	return numbered(free), failed
}

// nameTaken reports whether another item has a name in a folder.
func nameTaken(ctx context.Context, q db.Querier, folder uuid.UUID, name string, but uuid.UUID) (bool, error) {
	const sql = `-- name: files.NameTaken
		SELECT EXISTS (SELECT FROM items i
		                WHERE i.parent_id = $1 AND normalize(i.name, NFC) = normalize($2, NFC) AND i.trashed_at IS NULL AND i.id <> $3)`
	return db.One(ctx, q, db.Value[bool], sql, folder, name, but)
}
