package files

import (
	"context"
	"errors"
	"sync"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// firstFolders are made for every new owner.
var firstFolders = []string{"documents", "images", "backups"}

// roots remembers the owners whose tree is known to exist. It is bounded by
// being emptied: a miss costs one query.
type roots struct {
	mu    sync.Mutex
	known map[uuid.UUID]uuid.UUID
	asks  journal.Slots // one request of an owner at a time looks
}

const mostRoots = 10_000

func (r *roots) get(owner uuid.UUID) (uuid.UUID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.known[owner]
	return id, ok
}

func (r *roots) put(owner, root uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= mostRoots {
		clear(r.known)
	}
	r.known[owner] = root
}

// rootOf is the id of an owner's root folder. The tree is made at the
// owner's first touch of a file route.
func (f *Files) rootOf(ctx context.Context, owner uuid.UUID) (uuid.UUID, error) {
	if id, ok := f.roots.get(owner); ok {
		return id, nil
	}
	// A page that is opened for the first time sends many requests at once.
	leave, err := f.roots.asks.Take(ctx, owner, journal.Timeout)
	if err != nil {
		return uuid.UUID{}, err
	}
	defer leave()
	if id, ok := f.roots.get(owner); ok {
		return id, nil
	}
	const sql = `-- name: files.RootOfOwner
		SELECT t.root_id FROM trees t JOIN items i ON i.id = t.root_id WHERE t.owner_id = $1`
	id, err := db.One(ctx, f.db, db.Value[uuid.UUID], sql, owner)
	if errors.Is(err, db.ErrNotFound) {
		if err = f.plant(ctx, owner); err == nil {
			id, err = db.One(ctx, f.db, db.Value[uuid.UUID], sql, owner)
		}
	}
	if err != nil {
		return uuid.UUID{}, err
	}
	f.roots.put(owner, id)
	return id, nil
}

// insertRoot writes the row of an owner's root; db.ErrNotFound when there is
// one.
func insertRoot(ctx context.Context, t *journal.Tx, owner uuid.UUID) error {
	const sql = `-- name: files.InsertRoot
		INSERT INTO items AS i (id, owner_id, kind, name, name_sort, name_folded) VALUES ($1, $2, 0, '', '', '') ON CONFLICT DO NOTHING
		RETURNING ` + itemColumns
	root, err := db.One(ctx, t, scanItem, sql, t.Tree.Root, owner)
	if err == nil {
		t.Tell(feedCreated, told(placed{item: root}))
	}
	return err
}

// plant makes an owner's tree: the row, which from then on is the lock, and
// then the root and the first folders as a change like any other.
func (f *Files) plant(ctx context.Context, owner uuid.UUID) error {
	const insertTree = `-- name: files.InsertTree
		INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2, $3) ON CONFLICT (owner_id) DO NOTHING`
	_, err := db.Exec(ctx, f.db, insertTree, owner, journal.NewID(), journal.NewID())
	if err != nil {
		return err
	}
	c := journal.Change{Owner: owner, Whole: true, Unjudged: true, Decide: func(ctx context.Context, t *journal.Tx) error {
		if err := insertRoot(ctx, t, owner); err != nil {
			return ignoreNotFound(err) // made by another request meanwhile
		}
		if err := t.Mkdir(t.Tree.Root, disk.UserPath(owner, "")); err != nil {
			return err
		}
		for _, name := range firstFolders {
			it, err := insertFolder(ctx, t, owner, t.Tree.Root, name)
			if err != nil {
				return err
			}
			if err := t.Mkdir(it.ID, disk.UserPath(owner, "/"+name)); err != nil {
				return err
			}
			t.Tell(feedCreated, told(placed{it, "/" + name}))
		}
		t.Audit(ctx, audit.Event{Action: audit.FolderCreated, Target: t.Tree.Root})
		return nil
	}}
	err = f.journal.Commit(ctx, c)
	if errors.Is(err, journal.ErrUnpublished) {
		return nil // a full disk: there is nothing in the folders that anybody could miss
	}
	return err
}
