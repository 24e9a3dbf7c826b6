package files

import (
	"context"
	"errors"
	"net/http"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// firstFolders are made for every new owner.
var firstFolders = []string{"documents", "images", "backups"}

// trees finds and makes the trees of owners.
type trees struct {
	db      *db.DB
	journal *journal.Journal
	vol     *volume
	roots   bounded[uuid.UUID, uuid.UUID] // of owners whose tree is known to exist
	asks    journal.Slots                 // one request of an owner at a time looks
}

// visit is a request to the caller's own tree.
type visit struct {
	owner uuid.UUID
	root  uuid.UUID
}

// visit opens the tree of the caller of ctx.
func (ts *trees) visit(ctx context.Context) (visit, error) {
	if err := ts.vol.inPlace(); err != nil {
		return visit{}, err
	}
	owner := httpx.CallerOf(ctx).UserID
	root, err := ts.rootOf(ctx, owner)
	if errors.Is(err, db.ErrNotFound) {
		err = httpx.ErrUnauthenticated.Because(err) // deleted meanwhile
	}
	return visit{owner, root}, err
}

// open opens the caller's tree for a typed handler. The id "root" is that of
// its root.
func (ts *trees) open(c *httpx.Call) error {
	v, err := ts.visit(c.Context())
	if c.PathValue("id") == "root" {
		c.ID = v.root
	}
	return err
}

// visitor opens the caller's tree for a handler of bytes.
func (ts *trees) visitor(h func(w http.ResponseWriter, r *http.Request, v visit) error) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := ts.visit(r.Context())
		if err != nil {
			return err
		}
		return h(w, r, v)
	}
}

// rootOf is the id of an owner's root folder. The tree is made at the
// owner's first touch of a file route.
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
	const sql = `-- name: files.RootOfOwner
		SELECT t.root_id FROM trees t JOIN items i ON i.id = t.root_id WHERE t.owner_id = $1`
	id, err := db.One(ctx, ts.db, db.Value[uuid.UUID], sql, owner)
	if errors.Is(err, db.ErrNotFound) {
		if err = ts.plant(ctx, owner); err == nil {
			id, err = db.One(ctx, ts.db, db.Value[uuid.UUID], sql, owner)
		}
	}
	if err != nil {
		return uuid.UUID{}, err
	}
	ts.roots.put(owner, id)
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

// withOwner begins a statement that may make the tree of an owner, $1.
const withOwner = `WITH owner AS (INSERT INTO owners (id, user_id) SELECT $1, CASE WHEN NOT is_space($1) THEN $1 END ON CONFLICT DO NOTHING)`

// plant makes an owner's tree: the row, which from then on is the lock, and
// then the root and the first folders as a change like any other.
func (ts *trees) plant(ctx context.Context, owner uuid.UUID) error {
	_, err := db.Exec(ctx, ts.db, `-- name: files.InsertTree
		`+withOwner+` INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2, $3) ON CONFLICT (owner_id) DO NOTHING`,
		owner, journal.NewID(), journal.NewID())
	if err != nil {
		return err
	}
	c := journal.Change{Owner: owner, Whole: true, Unjudged: true, Decide: func(ctx context.Context, t *journal.Tx) error {
		if err := insertRoot(ctx, t, owner); err != nil {
			return ignoreNotFound(err) // made by another request meanwhile
		}
		if err := t.Mkdir(t.Tree.Root, disk.OwnerPath(owner, "")); err != nil {
			return err
		}
		for _, name := range firstFolders {
			it, err := insertFolder(ctx, t, owner, t.Tree.Root, name)
			if err != nil {
				return err
			}
			if err := t.Mkdir(it.ID, disk.OwnerPath(owner, "/"+name)); err != nil {
				return err
			}
			t.Tell(feedCreated, told(placed{it, "/" + name}))
		}
		t.Count(0, len(firstFolders))
		t.Audit(ctx, audit.Event{Action: audit.FolderCreated, Target: t.Tree.Root})
		return nil
	}}
	err = ts.journal.Commit(ctx, c)
	if errors.Is(err, journal.ErrUnpublished) {
		return nil // a full disk: there is nothing in the folders that anybody could miss
	}
	return err
}
