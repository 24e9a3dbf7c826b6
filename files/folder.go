package files

import (
	"context"
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
	errParentMissing = httpx.NewProblem(409, "parent_missing", "The folder does not exist").With("Create the folder first, or send parents=true.")
	errNotFolder     = httpx.NewProblem(409, "not_a_folder", "This is not a folder")
)

// folderSpace is more than the folders of one path take on the disk. Without
// it they would be committed, and the disk could not follow.
const folderSpace = 1 << 20

// folderRequest says which folder to make: by path, or by parent and name.
type folderRequest struct {
	Path     string     `json:"path,omitempty"`
	ParentID *uuid.UUID `json:"parent_id,omitempty"`
	Name     *string    `json:"name,omitempty"`
	// Parents makes the missing folders above too and takes one that exists.
	Parents bool `json:"parents,omitempty"`
}

// postFolder is POST /files/folders.
func (wr *writer) postFolder(c *httpx.Call, req folderRequest) (itemBody, error) {
	ctx, v := c.Context(), visitOf(c.Context())
	if req.ParentID != nil {
		var err error
		if ctx, v, err = wr.trees.enterTreeOf(ctx, *req.ParentID, editor); err != nil {
			return itemBody{}, err
		}
	}
	names, err := req.names()
	if err != nil {
		return itemBody{}, err
	}
	it, made, err := wr.makeFolders(ctx, v.owner, req.ParentID, names, req.Parents)
	if made {
		c.Created(itemLocation(it.ID))
	}
	return v.seen(it).shown(), err
}

// names lead to the folder that is asked for, from that of ParentID or the root.
func (req folderRequest) names() ([]string, error) {
	switch {
	case req.Path == "" && req.ParentID != nil && req.Name != nil:
		return []string{*req.Name}, nil
	case req.Path == "" || req.ParentID != nil || req.Name != nil:
		return nil, httpx.Invalid("#/path", "required", "Give either path, or parent_id and name.")
	}
	names, err := parsePath(req.Path)
	if err == nil && len(names) == 0 {
		err = journal.ErrNameConflict.With("The root always exists; name a folder below it.")
	}
	return names, err
}

// makeFolders makes the folder that the names lead to from the root, or the name in
// a folder, wherever that lies by then. With parents it makes what is missing above
// it too, and made is false when the folder is there already.
func (wr *writer) makeFolders(ctx context.Context, owner uuid.UUID, in *uuid.UUID, names []string,
	parents bool) (last placed, made bool, err error) {
	if err := wr.vol.checkFree(folderSpace); err != nil {
		return last, false, err
	}
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		names := names
		if in != nil {
			at, err := spotIn(ctx, t, owner, *in, names[0])
			if err != nil {
				return err
			}
			names = strings.Split(at.path, "/")[1:]
		}
		var missing []string
		if last, missing, err = walk(ctx, t, owner, names); err != nil {
			return err
		}
		made = len(missing) > 0
		switch {
		case len(missing) == 0 && (!parents || last.IsFile()):
			return journal.ErrNameConflict
		case len(missing) > 1 && !parents:
			return errParentMissing
		case last.IsFile():
			return errNotFolder.With("A part of the path is a file.")
		}
		if err := t.Grow(len(missing)); err != nil {
			return err
		}
		for _, name := range missing {
			if last, err = makeFolder(ctx, t, owner, last, name); err != nil {
				return err
			}
			t.Audit(ctx, audit.Event{Action: audit.FolderCreated, Target: last.ID})
		}
		return nil
	}}
	err = wr.journal.Commit(ctx, c)
	return last, made, err
}

// makeFolder makes a folder in another one.
func makeFolder(ctx context.Context, t *journal.Tx, owner uuid.UUID, parent placed, name string) (placed, error) {
	const sql = `-- name: files.InsertFolder
		INSERT INTO items AS i (id, owner_id, parent_id, kind, name, name_sort, name_folded)
		VALUES ($1, $2, $3, 0, $4, normalize($5, NFC), normalize($6, NFC))
		RETURNING ` + itemColumns
	it, err := db.One(ctx, t, scanItem, sql, journal.NewID(), owner, parent.ID, name, naming.SortKey(name), naming.Fold(name))
	made := placed{it, parent.path + "/" + name}
	if err == nil {
		err = t.Mkdir(made.ID, disk.OwnerPath(owner, made.path))
		t.Tell(feedCreated, told(made))
	}
	return made, err
}
