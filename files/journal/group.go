package journal

import (
	"cmp"
	"context"
	"path"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/naming"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// groupTx is the transaction of a group of puts: what it reads and decides,
// from the start when it is repeated.
type groupTx struct {
	j     *Journal
	owner uuid.UUID
	group []*waiting

	t         *Tx
	folders   map[uuid.UUID]string // the paths of folders in the tree
	there     map[*waiting]*Item   // what has the name
	held      map[uuid.UUID]int64  // bytes reserved, by op
	forgotten []done               // whose records go with the commit

	refused  map[*waiting]error
	accepted []*waiting // of which each has a record
}

// transaction is P2 of a group: one statement takes each lock, one looks all
// names up, one writes each table.
func (g *groupTx) transaction() db.Piped {
	return db.Piped{
		First: func(b *pgx.Batch) {
			*g = groupTx{j: g.j, owner: g.owner, group: g.group, t: &Tx{j: g.j, owner: g.owner},
				folders: map[uuid.UUID]string{}, there: map[*waiting]*Item{}, held: map[uuid.UUID]int64{}, refused: map[*waiting]error{}}
			g.j.queueLock(b, g.t)
			g.queueLookup(b)
		},
		Then: func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
			g.t.Querier = q
			disk.Failpoint("looked-up")
			for _, w := range g.group {
				if err := g.decide(ctx, w); err != nil {
					g.refused[w] = err
				}
			}
			if len(g.accepted) == 0 {
				return nil
			}
			g.queueVersions(last)
			g.queueItems(last)
			g.queueUploads(last)
			g.queueForget(last)
			for _, w := range g.accepted {
				if w.Also != nil {
					w.Also(last)
				}
			}
			return g.t.queueRest(ctx, last)
		},
	}
}

// queueLookup looks up where the folders are, what has the names, and what is
// reserved. Each name is looked up by itself through the index: a join might
// read a whole folder.
func (g *groupTx) queueLookup(b *pgx.Batch) {
	const folders = `-- name: files.FoldersOfGroup
		SELECT f.id, w.path
		  FROM (SELECT DISTINCT n.id FROM unnest($2::uuid[]) AS n (id)) n
		 CROSS JOIN LATERAL (SELECT i.id FROM items i WHERE i.id = n.id AND i.owner_id = $1 AND i.kind = 0 LIMIT 1) f
		 CROSS JOIN LATERAL item_path(n.id) AS w (path)
		 WHERE w.path IS NOT NULL`
	const names = `-- name: files.NamesOfGroup
		SELECT n.ordinality, ` + ItemColumns + `
		  FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n (folder, name, ordinality)
		 CROSS JOIN LATERAL (
		    SELECT x.id, x.owner_id, x.parent_id, x.kind, x.name, x.size, x.media_type, x.sha256, x.mtime, x.revision, x.created_at, x.updated_at, x.ino, x.missing_at
		      FROM items x
		     WHERE x.parent_id = n.folder AND normalize(x.name, NFC) = normalize(n.name, NFC) AND x.trashed_at IS NULL
		     LIMIT 1) i`
	const reserved = `-- name: files.ReservedOfGroup
		SELECT u.op_id, u.bytes FROM uploads u WHERE u.op_id = ANY ($1) AND u.state = 'open'`
	var parents, ops []uuid.UUID
	var last []string
	for _, w := range g.group {
		parents, last = append(parents, w.Folder), append(last, path.Base(w.Path))
		if w.Reserved {
			ops = append(ops, w.reservation())
		}
	}
	b.Queue(folders, g.owner, parents).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var at string
		_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error { g.folders[id] = at; return nil })
		return err
	})
	b.Queue(names, parents, last).Query(func(rows pgx.Rows) error {
		var n int
		var it Item
		_, err := pgx.ForEachRow(rows, append([]any{&n}, it.Fields()...), func() error {
			g.there[g.group[n-1]] = new(it)
			it = Item{}
			return nil
		})
		return err
	})
	if len(ops) > 0 {
		b.Queue(reserved, ops).Query(func(rows pgx.Rows) error {
			var op uuid.UUID
			var bytes int64
			_, err := pgx.ForEachRow(rows, []any{&op, &bytes}, func() error { g.held[op] = bytes; return nil })
			return err
		})
	}
}

// reservation is the id of the row of uploads that ends with the put.
func (p *Put) reservation() uuid.UUID { return cmp.Or(p.Upload, p.Op) }

// decide accepts a put into the transaction or says why not.
func (g *groupTx) decide(ctx context.Context, w *waiting) error {
	target := disk.OwnerPath(g.owner, w.Path)
	if g.t.InTheWay(w.Item, target) {
		return errInTheWay
	}
	folder, ok := g.folders[w.Folder]
	if !ok || folder != path.Dir(w.Path) && folder+"/" != path.Dir(w.Path) {
		return ErrLookAgain
	}
	at := g.there[w]
	if at != nil && (w.MustBeFree || !at.IsFile() || at.Name != path.Base(w.Path)) {
		return ErrNameConflict
	}
	if w.Replaces != (at != nil) || at != nil && at.ID != w.Item {
		return ErrLookAgain
	}
	if err := w.Check(ctx, g.t, at); err != nil {
		return err
	}
	bytes, ok := g.held[w.reservation()]
	if w.Reserved && !ok {
		if w.Upload != uuid.Nil {
			return ErrEnded
		}
		return ErrExpired
	}
	return g.accept(w, at, bytes)
}

// accept counts a put and notes what is to be written for it.
func (g *groupTx) accept(w *waiting, at *Item, reserved int64) error {
	t := g.t
	it := Item{ID: w.Item, Owner: g.owner, Parent: &w.Folder, Kind: File, Name: path.Base(w.Path), Size: w.Size, MediaType: &w.MediaType,
		SHA256: w.SHA256, MTime: &w.MTime, Ino: &w.Ino, Revision: 1, Created: t.now, Updated: t.now}
	more, kept := w.Size, int64(0)
	if at != nil {
		it.Revision, it.Created = at.Revision+1, at.Created
		more -= at.Size
	}
	keeps, err := g.keeps(w, at)
	if err != nil {
		return err
	}
	if keeps {
		kept = at.Size
	}
	over := t.over(t.used + more + kept - reserved)
	spared := keeps && over > t.Tree.Versions
	if spared { // those before it would not make room enough
		keeps, kept, over = false, 0, over-kept
	}
	if more+kept > 0 && over > 0 {
		return t.tooMuch(ErrQuota.With("Delete something, or ask for more space."), over)
	}
	if at == nil {
		if err := t.Grow(1); err != nil {
			return err
		}
	}
	if spared {
		t.Audit(w.ctx, givenUp(at.ID, 1))
	}
	t.Use(more + kept)
	t.kept += kept
	t.reserved -= reserved
	w.placed = Placed{Item: it, Path: w.Path, Created: at == nil}
	t.records = append(t.records, record{op: w.Op, kind: kindPut, item: it.ID, revision: it.Revision, ino: w.Ino,
		source: w.Staged, target: disk.OwnerPath(g.owner, w.Path), keeps: keeps})
	what := "changed"
	if at == nil {
		what = "created"
	}
	t.Tell(what, w.Told(it))
	t.Audit(w.ctx, w.Event(it, at == nil))
	g.accepted = append(g.accepted, w)
	return nil
}

// columns are the rows of several files, column by column.
type columns struct {
	ids, parents          []uuid.UUID
	names, sorts, folded  []string
	media                 []string
	sizes, mtimes, inodes []int64
	sums                  [][]byte
}

func (c *columns) add(w *waiting) {
	c.ids, c.parents = append(c.ids, w.Item), append(c.parents, w.Folder)
	name := path.Base(w.Path)
	c.names, c.sorts, c.folded = append(c.names, name), append(c.sorts, naming.SortKey(name)), append(c.folded, naming.Fold(name))
	c.media = append(c.media, w.MediaType)
	c.sizes, c.mtimes, c.inodes = append(c.sizes, w.Size), append(c.mtimes, w.MTime), append(c.inodes, w.Ino)
	c.sums = append(c.sums, w.SHA256)
}

// queueItems writes the rows of the files.
func (g *groupTx) queueItems(b *pgx.Batch) {
	const insert = `-- name: files.InsertFiles
		INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded, size, media_type, sha256, mtime, ino)
		SELECT n.id, $1, n.parent_id, 1, n.name, normalize(n.name_sort, NFC), normalize(n.name_folded, NFC), n.size, n.media_type, n.sha256, n.mtime, n.ino
		  FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bytea[], $10::bigint[], $11::bigint[])
		    AS n (id, parent_id, name, name_sort, name_folded, size, media_type, sha256, mtime, ino)`
	const replace = `-- name: files.ReplaceFiles
		UPDATE items i
		   SET size = ($3::bigint[])[p.n], media_type = ($4::text[])[p.n], sha256 = ($5::bytea[])[p.n], mtime = ($6::bigint[])[p.n],
		       ino = ($7::bigint[])[p.n], revision = i.revision + 1, updated_at = now(), missing_at = NULL, checked_at = NULL
		  FROM items o CROSS JOIN LATERAL (SELECT array_position($2::uuid[], o.id) AS n) p
		 WHERE o.id = ANY ($2) AND i.id = o.id AND i.owner_id = $1`
	var made, replaced columns
	for _, w := range g.accepted {
		if w.placed.Created {
			made.add(w)
		} else {
			replaced.add(w)
		}
	}
	if c := made; len(c.ids) > 0 {
		b.Queue(insert, g.owner, c.ids, c.parents, c.names, c.sorts, c.folded, c.sizes, c.media, c.sums, c.mtimes, c.inodes)
	}
	if c := replaced; len(c.ids) > 0 {
		b.Queue(replace, g.owner, c.ids, c.sizes, c.media, c.sums, c.mtimes, c.inodes)
	}
}

// queueUploads ends the reservations and the resumable uploads.
func (g *groupTx) queueUploads(b *pgx.Batch) {
	const finish = `-- name: files.FinishUpload
		UPDATE uploads u
		   SET state = 'finished', item_id = $2, bytes = 0, sum_state = NULL, expires_at = now() + $3::interval
		 WHERE u.op_id = $1`
	var freed []uuid.UUID
	for _, w := range g.accepted {
		if w.Upload != uuid.Nil {
			b.Queue(finish, w.Upload, w.Item, KeepEnded)
		} else if w.Reserved {
			freed = append(freed, w.Op)
		}
	}
	if len(freed) > 0 {
		b.Queue(`-- name: files.FreeReservations
			DELETE FROM uploads u WHERE u.op_id = ANY ($1)`, freed)
	}
}

// queueForget deletes the records of groups before that the disk has followed.
func (g *groupTx) queueForget(b *pgx.Batch) {
	if g.forgotten = g.j.own.followedBefore(g.owner, time.Now()); len(g.forgotten) > 0 {
		b.Queue(deleteRecordsOfOwner, g.owner, seqsOf(g.forgotten))
	}
}
