package files

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/files/naming"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errRoot       = httpx.NewProblem(409, "root_fixed", "The root cannot be changed").With("The root folder cannot be renamed, moved or deleted; choose something in it.")
	errOtherTree  = httpx.NewProblem(409, "other_tree", "The folder is in another tree").With("What lies in a space stays there: copy it to the other tree, then delete it.")
	errIntoItself = httpx.NewProblem(409, "move_into_itself", "A folder cannot be moved into itself").With("Choose a folder outside the one that is moved.")
)

// movePatch renames, moves, or both; what is absent stays.
type movePatch struct {
	Name     httpx.Optional[string]    `json:"name"`
	ParentID httpx.Optional[uuid.UUID] `json:"parent_id"`
}

// patchItem is PATCH /files/items/{id}.
func (wr *writer) patchItem(c *httpx.Call, patch movePatch) (itemBody, error) {
	var fields httpx.Fields
	if patch.Name.Null {
		fields.Add("#/name", "required", "A name cannot be removed; give another one or leave it out.")
	}
	if patch.ParentID.Null {
		fields.Add("#/parent_id", "required", "Everything is in a folder; name one or leave it out.")
	}
	if err := fields.Err(); err != nil {
		return itemBody{}, err
	}
	it, err := wr.move(c.Context(), c.ID, chosen(patch.Name, nil), chosen(patch.ParentID, nil), c.Header)
	return it.shown(), err
}

// move is one row and one rename, however much lies below: to a name, to a
// folder, or both. The item is as the caller sees it where it is now.
func (wr *writer) move(ctx context.Context, id uuid.UUID, toName *string, toFolder *uuid.UUID, h http.Header) (it placed, err error) {
	at := visitOf(ctx)
	owner := at.owner
	if toName != nil {
		if err := checkName(*toName); err != nil {
			return it, err
		}
	}
	if at.isTop(id) {
		return it, errRoot
	}
	var refused error // once the item is known to be there
	if toFolder != nil {
		to, err := wr.trees.find(ctx, *toFolder)
		switch {
		case err != nil:
			return it, err
		case to.owner == uuid.Nil: // nowhere, for this caller
			refused = errParentMissing
		case to.owner != owner:
			refused = errOtherTree
		default:
			at, refused = to, to.grant.allows(editor)
		}
	}
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		from, err := itemByID(ctx, t, owner, id)
		if err != nil {
			return err
		}
		if from.Parent == nil {
			return errRoot
		}
		if err := cmp.Or(precondition(h, from.tag()), refused); err != nil {
			return err
		}
		name, parent := *cmp.Or(toName, &from.Name), *cmp.Or(toFolder, from.Parent)
		to, err := folderByID(ctx, t, owner, parent)
		if err != nil {
			return err
		}
		if strings.HasPrefix(to.path+"/", from.path+"/") {
			return errIntoItself
		}
		it = placed{path: to.path + "/" + name}
		if it.path == from.path {
			it = from
			return nil
		}
		if err := checkFit(ctx, t, from.item, from.path, it.path); err != nil {
			return err
		}
		if from.IsFile() { // who uploads under another name first, renames last
			from.MediaType = new(mediaType(name, *from.MediaType, wr.headAt(name, disk.OwnerPath(owner, from.path))))
		}
		if it.item, err = relocate(ctx, t, from.item, parent, name); err != nil {
			return err
		}
		if err := t.Move(it.ID, it.Revision, disk.OwnerPath(owner, from.path), disk.OwnerPath(owner, it.path)); err != nil {
			return err
		}
		t.Tell(feedMoved, told(it))
		t.Audit(ctx, audit.Event{Action: audit.FileMoved, Target: id})
		return nil
	}}
	err = wr.journal.Commit(ctx, c)
	return at.seen(it), err
}

// folderByID finds the folder that something is to be put into.
func folderByID(ctx context.Context, q db.Querier, owner, id uuid.UUID) (placed, error) {
	to, err := itemByID(ctx, q, owner, id)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return to, errParentMissing
	case err == nil && to.IsFile():
		return to, errNotFolder.With("A file cannot contain anything; choose a folder.")
	}
	return to, err
}

// relocate gives an item its place in the tree, out of the trash if it was
// there, and the media type that it has under this name.
func relocate(ctx context.Context, q db.Querier, it item, parent uuid.UUID, name string) (item, error) {
	const sql = `-- name: files.Relocate
		UPDATE items i
		   SET parent_id = $2, name = $3, name_sort = normalize($4, NFC), name_folded = normalize($5, NFC), media_type = $6, trashed_at = NULL,
		       revision = i.revision + 1
		 WHERE i.id = $1
		RETURNING ` + itemColumns
	return db.One(ctx, q, scanItem, sql, it.ID, parent, name, naming.SortKey(name), naming.Fold(name), it.MediaType)
}

// checkFit holds a move against the limits of depth and length. Only folders
// are walked, so a folder counts as if each had a file in it with the longest
// name; nothing is refused that becomes neither deeper nor longer.
func checkFit(ctx context.Context, q db.Querier, it item, from, to string) error {
	deeper := strings.Count(to, "/") - strings.Count(from, "/")
	if deeper <= 0 && len(to) <= len(from) {
		return nil
	}
	if it.IsFile() {
		return checkExtent(strings.Count(to, "/"), len(to))
	}
	const sql = `-- name: files.Height
		SELECT max(d.height), max(octet_length(d.path)) FROM folder_below($1) d`
	type extent struct{ height, length int }
	below, err := db.One(ctx, q, db.RowOf(func(e *extent) []any { return []any{&e.height, &e.length} }), sql, it.ID)
	if err != nil {
		return err
	}
	return checkExtent(strings.Count(to, "/")+below.height+1, len(to)+below.length+1+disk.MaxName)
}
