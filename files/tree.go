package files

import (
	"context"
	"errors"
	"path"
	"sync"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// tree is an owner's row of trees: the lock of all changes, the counter that
// orders them, and the ledger of bytes.
type tree struct {
	root     uuid.UUID
	seq      int64
	quota    *int64 // bytes; nil: the configured default
	used     int64
	reserved int64
}

const treeColumns = `t.root_id, t.seq, t.quota, t.used, t.reserved`

func scanTree(row pgx.Row) (t tree, err error) {
	err = row.Scan(&t.root, &t.seq, &t.quota, &t.used, &t.reserved)
	return t, err
}

// firstFolders are made for every new owner.
var firstFolders = []string{"documents", "images", "backups"}

// roots remembers the owners whose tree is known to exist. It is bounded by
// being emptied: a miss costs one query.
type roots struct {
	mu    sync.Mutex
	known map[uuid.UUID]uuid.UUID
	asks  places // one request of an owner at a time looks
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
	leave, err := f.roots.asks.take(ctx, owner, commitTimeout)
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
func insertRoot(ctx context.Context, t *txn, owner uuid.UUID) error {
	const sql = `-- name: files.InsertRoot
		INSERT INTO items AS i (id, owner_id, kind, name, name_sort) VALUES ($1, $2, 0, '', '') ON CONFLICT DO NOTHING
		RETURNING ` + itemColumns
	root, err := db.One(ctx, t, scanItem, sql, t.tree.root, owner)
	if err == nil {
		t.note(feedCreated, placed{item: root})
	}
	return err
}

// plant makes an owner's tree: the row, which from then on is the lock, and
// then the root and the first folders as a change like any other.
func (f *Files) plant(ctx context.Context, owner uuid.UUID) error {
	const insertTree = `-- name: files.InsertTree
		INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2, $3) ON CONFLICT (owner_id) DO NOTHING`
	_, err := db.Exec(ctx, f.db, insertTree, owner, newID(), newID())
	if err != nil {
		return err
	}
	c := change{owner: owner, op: newID(), decide: func(ctx context.Context, t *txn) error {
		if err := insertRoot(ctx, t, owner); err != nil {
			return ignoreNotFound(err) // made by another request meanwhile
		}
		t.add(record{kind: kindMkdir, item: t.tree.root, revision: 1, target: disk.UserPath(owner, "")})
		for _, name := range firstFolders {
			it, err := insertFolder(ctx, t, owner, t.tree.root, name)
			if err != nil {
				return err
			}
			t.add(record{kind: kindMkdir, item: it.ID, revision: it.Revision, target: path.Join(disk.UserPath(owner, ""), name)})
			t.note(feedCreated, placed{it, "/" + name})
		}
		t.audit(audit.Event{Action: audit.FolderCreated, Target: t.tree.root})
		return nil
	}}
	err = f.carryOut(ctx, c, func(context.Context) {})
	if errors.Is(err, errUnpublished) {
		return nil // a full disk: there is nothing in the folders that anybody could miss
	}
	return err
}

// newID makes an id: UUIDv7, so that ids made later sort later.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
