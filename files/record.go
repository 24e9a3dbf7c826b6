package files

import (
	"context"
	"strings"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The kinds of redo records: what the disk has to do.
const (
	// kindPut takes the file at source to target. With revision 1 the item is
	// new and nothing may be replaced; later ones displace the bytes before
	// them into purge/.
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
// lock (see txn.inTheWay).
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
}

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

const recordColumns = `o.owner_id, o.seq, o.op_id, o.worker_id, o.kind, o.item_id, o.revision, o.ino, o.source, o.target`

func scanRecord(row pgx.Row) (r record, err error) {
	err = row.Scan(&r.owner, &r.seq, &r.op, &r.worker, &r.kind, &r.item, &r.revision, &r.ino, &r.source, &r.target)
	return r, err
}

const insertRecord = `-- name: files.InsertRecord
	INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	RETURNING xid::text`

func (r record) row() []any {
	return []any{r.owner, r.seq, r.op, r.worker, r.kind, r.item, r.revision, r.ino, r.source, r.target}
}

// recordsOf reads a worker's records in the order in which they have to be
// carried out.
func recordsOf(ctx context.Context, q db.Querier, worker int32) ([]record, error) {
	const sql = `-- name: files.RecordsOfWorker
		SELECT ` + recordColumns + `
		  FROM file_ops o
		 WHERE o.worker_id = $1 AND o.quarantined_at IS NULL
		 ORDER BY o.owner_id, o.seq`
	return db.All(ctx, q, scanRecord, sql, worker)
}

// deleteRecords forgets what the disk has followed. It need not be durable: a
// record that comes back after a crash is found to be done and goes again.
func deleteRecords(ctx context.Context, d *db.DB, records []record) error {
	owners := make([]uuid.UUID, len(records))
	seqs := make([]int64, len(records))
	for i, r := range records {
		owners[i], seqs[i] = r.owner, r.seq
	}
	const sql = `-- name: files.DeleteRecords
		DELETE FROM file_ops o
		 USING unnest($1::uuid[], $2::bigint[]) AS done (owner_id, seq)
		 WHERE o.owner_id = done.owner_id AND o.seq = done.seq AND o.quarantined_at IS NULL`
	return d.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := db.Exec(ctx, tx, asynchronous); err != nil {
			return err
		}
		_, err := db.Exec(ctx, tx, sql, owners, seqs)
		return err
	})
}

const asynchronous = `-- name: files.AsynchronousCommit
	SET LOCAL synchronous_commit = off`
