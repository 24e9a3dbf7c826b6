package files

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The classes of this package's advisory locks.
const (
	lockFence  = 100 // id: a worker. Shared by its commits; exclusive: none is in flight any more
	lockPurge  = 101 // id 0: freeing displaced bytes, or a backup that needs them
	lockMarker = 102 // id 0: agreeing on the data directory's id
)

const (
	// commitTimeout bounds a commit and its publishing once the bytes are in.
	// The client's leaving no longer stops them: a cut-off COMMIT would only
	// have to be resolved later.
	commitTimeout = 30 * time.Second
	waitInWay     = 5 * time.Second // for other changes of the owner
	firstWait     = 2 * time.Millisecond
	longestWait   = 50 * time.Millisecond
	// askAfter is when a writer that is held up looks for dead workers.
	askAfter = 250 * time.Millisecond
)

var (
	errQuota  = httpx.NewProblem(507, "quota_exceeded", "Your storage is full")
	errExpiry = httpx.NewProblem(409, "upload_expired", "The upload took too long").With("Its reserved space was given back meanwhile. Upload it again.")

	// errInTheWay rolls a transaction back to wait for another's record.
	errInTheWay = errors.New("a pending change is in the way")
	// errDeclaredDead says that another process recovers this worker's
	// records: it must not write any more.
	errDeclaredDead = errors.New("this worker was declared dead")
)

// change is one mutation of one owner's tree: every operation is a change
// with its own decide and its own records.
type change struct {
	owner uuid.UUID
	op    uuid.UUID
	// local says that the change concerns the paths of its records alone and
	// asks txn.inTheWay about each before it looks at the disk there. It runs
	// beside all that is pending elsewhere in the tree; any other change waits
	// until nothing of the owner is between commit and rename.
	local bool
	// reserved says that a row of uploads holds space for the change.
	reserved bool
	// decide reads what the change depends on, checks it, and writes rows
	// and audit. It runs under the owner's lock, and again from the start
	// when the transaction is repeated, so it has no effect but in t.
	decide func(ctx context.Context, t *txn) error
}

// txn is one attempt of a change under the owner's lock.
type txn struct {
	pgx.Tx
	tree    tree
	pending []record      // of the owner, but for what this worker has published
	records []record      // to be written: kind, item, revision, ino, source, target
	entries []entry       // to be told by the feed: type and item
	events  []audit.Event // to be recorded
	used    int64         // bytes that the change adds to what the owner uses
}

// inTheWay reports whether a pending record has to go first: one of the same
// item, or one that says where something above, at or below a path lies.
func (t *txn) inTheWay(item uuid.UUID, paths ...string) bool {
	return slices.ContainsFunc(t.pending, func(r record) bool {
		return r.item == item || slices.ContainsFunc(paths, r.concerns)
	})
}

// add appends a redo record.
func (t *txn) add(r record) { t.records = append(t.records, r) }

// audit appends an event to those that the transaction will record.
func (t *txn) audit(e audit.Event) { t.events = append(t.events, e) }

// carryOut commits a change and makes the disk follow. ErrOutcomeUnknown says
// that the resolver will find out what became of it; it calls undone if that
// is nothing. errUnpublished says that the change is durable and the disk
// follows later. After any other error nothing has happened, and what was
// staged is the caller's to remove.
func (f *Files) carryOut(ctx context.Context, c change, undone func(context.Context)) error {
	patience := waitInWay
	if c.reserved {
		patience = commitTimeout // what was sent already costs more to send again
	}
	leave, err := f.places.take(ctx, c.owner, patience)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	f.own.begin(c.op)
	records, xid, err := f.commitInTurn(ctx, c, leave)
	switch {
	case errors.Is(err, db.ErrOutcomeUnknown):
		f.hub.changed(c.owner)
		f.own.doubt(c.op, records, xid, undone)
		return err
	case err != nil:
		f.own.end(c.op)
		return err
	}
	f.hub.changed(c.owner)
	disk.Failpoint("committed")
	if err := f.publishAll(ctx, c.op, records); err != nil {
		return err
	}
	disk.Failpoint("published")
	return nil
}

// commitInTurn commits and gives the owner's place up, come what may: after a
// panic nobody else would.
func (f *Files) commitInTurn(ctx context.Context, c change, leave func()) (records []record, xid string, err error) {
	defer leave()
	return f.commit(ctx, c)
}

// commit repeats the transaction of a change until nothing is in its way. The
// owner's place is kept meanwhile, so that what waits is not overtaken for
// ever by puts of this worker; the connection is not.
func (f *Files) commit(ctx context.Context, c change) (records []record, xid string, err error) {
	began := time.Now()
	asked := false
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err = f.db.InTx(ctx, func(tx pgx.Tx) error {
			records, xid, err = f.attempt(ctx, tx, c)
			return err
		})
		if !errors.Is(err, errInTheWay) {
			return records, xid, err
		}
		waited := time.Since(began)
		if waited > waitInWay {
			return nil, "", httpx.ErrBusy.Because(err)
		}
		if waited > askAfter && !asked {
			asked = true
			if err := f.recoverDead(ctx); err != nil {
				f.log.ErrorContext(ctx, "a dead worker could not be recovered", "error", err)
			}
		}
		if !sleep(ctx, wait) {
			return nil, "", context.Cause(ctx)
		}
	}
}

// attempt is P2 up to the COMMIT. Each lock is a statement of its own and
// what is decided under it is read by a later one: in READ COMMITTED every
// statement has its own snapshot, and one that waited for a lock would still
// see the rows of before.
func (f *Files) attempt(ctx context.Context, tx pgx.Tx, c change) ([]record, string, error) {
	t := &txn{Tx: tx}
	if err := f.lockTree(ctx, t, c.owner); err != nil {
		return nil, "", err
	}
	if len(t.pending) > 0 && !c.local {
		return nil, "", fmt.Errorf("%w: a %s", errInTheWay, t.pending[0].kind)
	}
	if err := c.decide(ctx, t); err != nil {
		return nil, "", err
	}
	for i := range t.records {
		r := &t.records[i]
		r.owner, r.op, r.worker = c.owner, c.op, f.worker.id
		r.seq = t.tree.seq + int64(i) + 1
	}
	xid, err := f.settle(ctx, t, c)
	return t.records, xid, err
}

// lockTree takes the fence, makes sure that this worker lives, takes the
// owner's lock, and reads what is pending: four statements in one round trip.
func (f *Files) lockTree(ctx context.Context, t *txn, owner uuid.UUID) error {
	var b pgx.Batch
	b.Queue(`-- name: files.Fence
		SELECT set_config('lock_timeout', '5s', true), pg_advisory_xact_lock_shared($1, $2)`, lockFence, f.worker.id)
	b.Queue(`-- name: files.WorkerAlive
		SELECT w.id FROM workers w WHERE w.id = $1 AND w.dead_at IS NULL`, f.worker.id).
		QueryRow(func(row pgx.Row) error {
			var id int32
			if err := row.Scan(&id); errors.Is(err, pgx.ErrNoRows) && !disk.Without("fence") {
				f.declaredDead()
				return errUnavailable.Because(errDeclaredDead)
			} else if !disk.Without("fence") {
				return err
			}
			return nil
		})
	if disk.Without("order") {
		f.queuePending(&b, t, owner)
	}
	b.Queue(`-- name: files.LockTree
		SELECT `+treeColumns+` FROM trees t WHERE t.owner_id = $1 FOR NO KEY UPDATE`, owner).
		QueryRow(func(row pgx.Row) (err error) {
			t.tree, err = scanTree(row)
			return err
		})
	if !disk.Without("order") {
		f.queuePending(&b, t, owner)
	}
	return t.SendBatch(ctx, &b).Close()
}

// queuePending asks for the owner's pending records, but for those that this
// worker has published.
func (f *Files) queuePending(b *pgx.Batch, t *txn, owner uuid.UUID) {
	b.Queue(`-- name: files.PendingRecords
		SELECT `+recordColumns+`
		  FROM file_ops o
		 WHERE o.owner_id = $1 AND o.quarantined_at IS NULL
		   AND NOT (o.worker_id = $2 AND o.op_id = ANY ($3))
		 ORDER BY o.seq`, owner, f.worker.id, f.own.published()).
		Query(func(rows pgx.Rows) (err error) {
			t.pending, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) { return scanRecord(row) })
			return err
		})
}

// settle moves the counters, gives the reservation up for the bytes
// themselves, and writes the redo records and the entries of the feed, both
// numbered from the seq of before, and the audit events. The xid says later
// whether a COMMIT whose answer was lost took place.
func (f *Files) settle(ctx context.Context, t *txn, c change) (xid string, err error) {
	var b pgx.Batch
	b.Queue(`-- name: files.SettleTree
		WITH freed AS (
		    DELETE FROM uploads u WHERE u.op_id = $2 RETURNING u.bytes
		)
		UPDATE trees t
		   SET seq = t.seq + $3,
		       used = t.used + $4,
		       reserved = t.reserved - coalesce((SELECT sum(f.bytes) FROM freed f), 0)
		 WHERE t.owner_id = $1
		RETURNING (SELECT count(*) FROM freed), t.used + t.reserved <= coalesce(t.quota, $5)`,
		c.owner, c.op, max(len(t.records), len(t.entries)), t.used, f.quota).
		QueryRow(func(row pgx.Row) error {
			var freed int
			var fits bool
			if err := row.Scan(&freed, &fits); err != nil {
				return err
			}
			switch {
			case c.reserved && freed == 0:
				return errExpiry
			case t.used > 0 && !fits:
				return errQuota.With("Delete something, or ask for more space.")
			}
			return nil
		})
	for _, r := range t.records {
		b.Queue(insertRecord, r.row()...).QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	}
	t.queueEntries(&b, c.owner)
	for _, e := range t.events {
		if err := f.audit.Queue(ctx, &b, e); err != nil {
			return "", err
		}
	}
	return xid, t.SendBatch(ctx, &b).Close()
}

// places are the owners' queues: one change of an owner at a time asks this
// worker's pool for a connection, so that an owner with many writers cannot
// take the pool from the others.
type places struct {
	mu     sync.Mutex
	owners map[uuid.UUID]*place
}

type place struct {
	taken  chan struct{} // holds one token while someone is in
	claims int           // guarded by places.mu: who is in or waits
}

// take waits for the owner's place, and then answers ErrBusy. leave gives it
// up and may be called once.
func (p *places) take(ctx context.Context, owner uuid.UUID, wait time.Duration) (leave func(), err error) {
	p.mu.Lock()
	pl, ok := p.owners[owner]
	if !ok {
		pl = &place{taken: make(chan struct{}, 1)}
		p.owners[owner] = pl
	}
	pl.claims++
	p.mu.Unlock()
	drop := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if pl.claims--; pl.claims == 0 {
			delete(p.owners, owner)
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case pl.taken <- struct{}{}:
		return func() { <-pl.taken; drop() }, nil
	case <-timer.C:
		err = httpx.ErrBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	drop()
	return nil, err
}

// sleep waits and reports whether the context still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
