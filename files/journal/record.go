package journal

import (
	"context"
	"strings"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The kinds of redo records: what the disk has to do.
const (
	// kindPut takes the file at source to target. With revision 1 the item is
	// new and nothing may be replaced; later ones displace the bytes before
	// them, into versions/ or purge/.
	kindPut = "put"
	// kindMove renames source to target, where nothing may be: rename, move,
	// trash and restore alike.
	kindMove = "move"
	// kindMkdir makes the folder target.
	kindMkdir = "mkdir"
	// kindPurge renames source to target as well, after the item's rows
	// have gone.
	kindPurge = "purge"
)

// record is one redo record, a row of file_ops: committed with the rows it
// belongs to, deleted when the disk has followed. Until then it is also a
// lock (see Tx.InTheWay).
type record struct {
	owner    uuid.UUID
	seq      int64
	op       uuid.UUID
	worker   int32
	kind     string
	item     uuid.UUID
	revision int64
	ino      int64 // of what moves; 0 for mkdir
	source   string
	target   string
	keeps    bool // what a put displaces becomes a version
}

// displaced is where the bytes go that a put displaces.
func (r record) displaced() string {
	if r.keeps {
		return disk.VersionPath(r.owner, r.item, r.revision-1)
	}
	return disk.PurgePath(r.item, r.revision-1)
}

// endsVersion reports whether the record takes a version's bytes away. Its row
// is gone, and no other gets its name.
func (r record) endsVersion() bool { return strings.HasPrefix(r.source, disk.Versions+"/") }

// concerns reports whether what lies at a path of the data directory depends
// on the record, or the record on it.
func (r record) concerns(p string) bool {
	for _, own := range []string{r.source, r.target} {
		if own != "" && (strings.HasPrefix(p+"/", own+"/") || strings.HasPrefix(own+"/", p+"/")) {
			return true
		}
	}
	return false
}

const recordColumns = `o.owner_id, o.seq, o.op_id, o.worker_id, o.kind, o.item_id, o.revision, o.ino, o.source, o.target, o.keeps`

func scanRecord(row pgx.Row) (r record, err error) {
	err = row.Scan(&r.owner, &r.seq, &r.op, &r.worker, &r.kind, &r.item, &r.revision, &r.ino, &r.source, &r.target, &r.keeps)
	return r, err
}

// queueRecords writes an owner's records in one statement.
func queueRecords(b *pgx.Batch, owner uuid.UUID, worker int32, list []record) {
	const sql = `-- name: files.InsertRecords
		INSERT INTO file_ops (owner_id, worker_id, seq, op_id, kind, item_id, revision, ino, source, target, keeps)
		SELECT $1, $2, r.seq, r.op_id, r.kind, r.item_id, r.revision, r.ino, r.source, r.target, r.keeps
		  FROM unnest($3::bigint[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::boolean[])
		    AS r (seq, op_id, kind, item_id, revision, ino, source, target, keeps)`
	if len(list) == 0 {
		return
	}
	n := len(list)
	seqs, ops, kinds, items := make([]int64, n), make([]uuid.UUID, n), make([]string, n), make([]uuid.UUID, n)
	revisions, inos, sources, targets := make([]int64, n), make([]int64, n), make([]string, n), make([]string, n)
	keeps := make([]bool, n)
	for i, r := range list {
		seqs[i], ops[i], kinds[i], items[i] = r.seq, r.op, r.kind, r.item
		revisions[i], inos[i], sources[i], targets[i], keeps[i] = r.revision, r.ino, r.source, r.target, r.keeps
	}
	b.Queue(sql, owner, worker, seqs, ops, kinds, items, revisions, inos, sources, targets, keeps)
}

// recordsAround reads the pending records of those owners of whom a worker has any,
// in the order in which they have to be carried out. What is committed after that
// concerns none of the worker's, for it would wait for them.
func recordsAround(ctx context.Context, q db.Querier, worker int32) ([]record, error) {
	const sql = `-- name: files.RecordsAroundWorker
		SELECT ` + recordColumns + `
		  FROM file_ops o
		 WHERE o.owner_id IN (SELECT w.owner_id FROM file_ops w WHERE w.worker_id = $1 AND w.quarantined_at IS NULL)
		   AND o.quarantined_at IS NULL
		 ORDER BY o.owner_id, o.seq`
	return db.All(ctx, q, scanRecord, sql, worker)
}
