package files

import (
	"context"
	"errors"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// firstFolders are made for every new user.
var firstFolders = []string{"documents", "images", "backups"}

// trees finds and makes the trees of owners.
type trees struct {
	changer
	members *db.Kept[members]
	roots   bounded[uuid.UUID, uuid.UUID] // of owners whose tree is known to exist
	asks    journal.Slots                 // one request of an owner at a time looks
}

// rootOf is the id of an owner's root folder. A user's tree is made at the first
// touch of a file route; the row of a space's is there from the beginning.
func (ts *trees) rootOf(ctx context.Context, owner uuid.UUID) (uuid.UUID, error) {
	if id, ok := ts.roots.get(owner); ok {
		return id, nil
	}
	// A page that is opened for the first time sends many requests at once.
	leave, err := ts.asks.Take(ctx, owner, journal.Timeout)
	if err != nil {
		return uuid.UUID{}, err
	}
	defer leave()
	if id, ok := ts.roots.get(owner); ok {
		return id, nil
	}
	id, err := db.One(ctx, ts.db, db.Value[uuid.UUID], `-- name: files.RootOfOwner
		SELECT t.root_id FROM trees t JOIN items i ON i.id = t.root_id WHERE t.owner_id = $1`, owner)
	if errors.Is(err, db.ErrNotFound) {
		id, err = ts.plant(ctx, owner)
	}
	if err != nil {
		return uuid.UUID{}, err
	}
	ts.roots.put(owner, id)
	return id, nil
}

// insertRoot writes the row of an owner's root; db.ErrNotFound when there is
// one.
func insertRoot(ctx context.Context, t *journal.Tx, owner uuid.UUID) (placed, error) {
	const sql = `-- name: files.InsertRoot
		INSERT INTO items AS i (id, owner_id, kind, name, name_sort, name_folded) VALUES ($1, $2, 0, '', '', '') ON CONFLICT DO NOTHING
		RETURNING ` + itemColumns
	it, err := db.One(ctx, t, scanItem, sql, t.Tree.Root, owner)
	root := placed{item: it}
	if err == nil {
		t.Tell(feedCreated, told(root))
	}
	return root, err
}

// withOwner begins a statement that may make the tree of an owner, $1.
const withOwner = `WITH owner AS (INSERT INTO owners (id, user_id) SELECT $1, CASE WHEN NOT is_space($1) THEN $1 END ON CONFLICT DO NOTHING)`

// plant makes an owner's tree: the row, which from then on is the lock, and
// then the root, whose id it returns, and a user's first folders as a change like
// any other.
func (ts *trees) plant(ctx context.Context, owner uuid.UUID) (id uuid.UUID, err error) {
	names := firstFolders
	if disk.IsSpace(owner) {
		names = nil
	} else if err = db.Exec(ctx, ts.db, `-- name: files.InsertTree
		`+withOwner+` INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2, $3) ON CONFLICT (owner_id) DO NOTHING`,
		owner, journal.NewID(), journal.NewID()); err != nil {
		return id, err
	}
	c := journal.Change{Owner: owner, Unjudged: true, Decide: func(ctx context.Context, t *journal.Tx) error {
		id = t.Tree.Root
		root, err := insertRoot(ctx, t, owner)
		if err != nil {
			return ignoreNotFound(err) // made by another request meanwhile
		}
		if err := t.Mkdir(t.Tree.Root, disk.OwnerPath(owner, "")); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := makeFolder(ctx, t, owner, root, name); err != nil {
				return err
			}
		}
		t.Count(0, len(names))
		t.Audit(ctx, audit.Event{Action: audit.FolderCreated, Target: t.Tree.Root})
		return nil
	}}
	err = ts.journal.Commit(ctx, c)
	if errors.Is(err, journal.ErrUnpublished) {
		err = nil // a full disk: there is nothing in the folders that anybody could miss
	}
	return id, err
}
