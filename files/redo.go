package files

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	forgetAtMost = 64
	forgetAfter  = 50 * time.Millisecond
	retryFirst   = 100 * time.Millisecond
	retryMost    = 5 * time.Second
)

// errUnpublished says that a change is durable and the disk could not follow
// yet: it is not taken back, and a reader gets the new bytes.
var errUnpublished = errors.New("a committed change is not in place yet")

// ownOps are the changes of this worker that are under way: from before their
// commit until their records are deleted. What the database holds of this
// worker beside them came back after a crash of PostgreSQL and is redone.
type ownOps struct {
	mu  sync.Mutex
	ops map[uuid.UUID]*ownOp
}

// ownOp is one of them, in exactly one state: committing (all zero), in doubt
// (xid set), to be undone (undone set without xid), committed and not
// published (due set), or published.
type ownOp struct {
	records   []record
	xid       string
	undone    func(context.Context)
	published bool
	wait      time.Duration
	due       time.Time
}

func (o *ownOps) begin(op uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops[op] = &ownOp{}
}

func (o *ownOps) end(op uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ops, op)
}

func (o *ownOps) set(op uuid.UUID, state *ownOp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops[op] = state
}

// known are the ops under way.
func (o *ownOps) known() []uuid.UUID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.ops))
}

// doubt hands a change whose COMMIT got no answer to the resolver.
func (o *ownOps) doubt(op uuid.UUID, records []record, xid string, undone func(context.Context)) {
	o.set(op, &ownOp{records: records, xid: xid, undone: undone, due: time.Now()})
}

// undoLater hands a change that came to nothing, and whose traces could not be
// removed now, to mend.
func (o *ownOps) undoLater(op uuid.UUID, undo func(context.Context)) {
	o.set(op, &ownOp{undone: undo, due: time.Now().Add(retryMost)})
}

// published are the ops whose records block nobody in this worker.
func (o *ownOps) published() []uuid.UUID {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]uuid.UUID, 0, len(o.ops))
	for id, op := range o.ops {
		if op.published {
			list = append(list, id)
		}
	}
	return list
}

// dueNow are the ops whose next try is due; waiting counts all that need one.
func (o *ownOps) dueNow() (due map[uuid.UUID]*ownOp, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due = map[uuid.UUID]*ownOp{}
	for id, op := range o.ops {
		if op.due.IsZero() {
			continue
		}
		waiting++
		if time.Now().After(op.due) {
			due[id] = op
		}
	}
	return due, waiting
}

// publishAll makes the disk follow a committed change. What fails is tried
// again by mend, in order.
func (f *Files) publishAll(ctx context.Context, op uuid.UUID, records []record) error {
	if err := f.tryPublish(ctx, op, records, retryFirst); err != nil {
		f.log.ErrorContext(ctx, "a committed change could not be put in place", "op", op, "error", err)
		return fmt.Errorf("%w: %w", errUnpublished,
			errUnavailable.With("The change is stored, but the disk does not take it in place yet. Ask again in a moment.").Because(err))
	}
	return nil
}

func (f *Files) tryPublish(ctx context.Context, op uuid.UUID, records []record, wait time.Duration) error {
	for _, r := range records {
		err := f.publish(ctx, r)
		if errors.Is(err, errNowhere) {
			err = f.quarantine(ctx, r)
		}
		if err != nil {
			f.own.set(op, &ownOp{records: records, wait: min(2*wait, retryMost), due: time.Now().Add(wait)})
			return err
		}
	}
	if len(records) == 0 {
		f.own.end(op)
		return nil
	}
	f.own.set(op, &ownOp{records: records, published: true})
	f.forgetting <- op
	return nil
}

// quarantine takes a record out of everybody's way whose bytes are nowhere.
// The row stays: absence is a state of an item, never a reason to forget it.
func (f *Files) quarantine(ctx context.Context, r record) error {
	const sql = `-- name: files.QuarantineRecord
		UPDATE file_ops SET quarantined_at = now() WHERE owner_id = $1 AND seq = $2`
	f.log.ErrorContext(ctx, "the bytes of a committed change were found nowhere; its record is kept aside",
		"op", r.op, "item", r.item, "revision", r.revision)
	_, err := db.Exec(ctx, f.db, sql, r.owner, r.seq)
	return err
}

// redo carries out a record of a worker that is gone, or one that came back.
// The guard is that the item still has the record's revision and place: one
// that went on, or was carried elsewhere with a folder above it, was put in
// place before, because who moves a folder waits for the records below it.
func (f *Files) redo(ctx context.Context, r record) error {
	row, place, err := placeOf(ctx, f.db, r.owner, r.item)
	gone := errors.Is(err, db.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	if row.Revision == r.revision && place == r.target || gone && r.kind == kindPurge || disk.Without("guard") {
		err := f.publish(ctx, r)
		if errors.Is(err, errNowhere) {
			return f.quarantine(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	disk.Failpoint("redone")
	return deleteRecords(ctx, f.db, []record{r})
}

// redoAll carries records out in order. After a failure what concerns the
// same paths waits for the next time.
func (f *Files) redoAll(ctx context.Context, records []record) error {
	var failed error
	var stuck []record
	for _, r := range records {
		if slices.ContainsFunc(stuck, func(s record) bool { return s.concerns(r.target) || r.source != "" && s.concerns(r.source) }) {
			continue
		}
		if err := f.redo(ctx, r); err != nil {
			f.log.ErrorContext(ctx, "a change could not be redone", "op", r.op, "error", err)
			stuck = append(stuck, r)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// forget deletes the records of published changes in groups: one small
// transaction for many uploads.
func (f *Files) forget(ctx context.Context) {
	var group []uuid.UUID
	timer := time.NewTimer(forgetAfter)
	for {
		select {
		case op := <-f.forgetting:
			if len(group) == 0 {
				timer.Reset(forgetAfter)
			}
			if group = append(group, op); len(group) < forgetAtMost {
				continue
			}
		case <-timer.C:
		case <-ctx.Done():
			for len(f.forgetting) > 0 {
				group = append(group, <-f.forgetting)
			}
			f.forgetGroup(context.WithoutCancel(ctx), group)
			return
		}
		if f.forgetGroup(ctx, group) {
			group = group[:0]
		} else {
			timer.Reset(time.Second)
		}
	}
}

func (f *Files) forgetGroup(ctx context.Context, group []uuid.UUID) bool {
	if len(group) == 0 || f.dead.Load() {
		return true // who declared this worker dead deletes its records
	}
	var records []record
	f.own.mu.Lock()
	for _, id := range group {
		records = append(records, f.own.ops[id].records...)
	}
	f.own.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := deleteRecords(ctx, f.db, records); err != nil {
		f.log.WarnContext(ctx, "records of finished changes could not be deleted yet", "records", len(records), "error", err)
		return false
	}
	for _, id := range group {
		f.own.end(id)
	}
	return true
}

// mend tries again what could not be published or undone and resolves what is
// in doubt, until ctx ends or the worker was declared dead.
func (f *Files) mend(ctx context.Context) {
	for wait := retryFirst; sleep(ctx, wait); {
		if f.dead.Load() {
			return // another carries out what this worker has left
		}
		due, waiting := f.own.dueNow()
		if wait = time.Second; waiting > 0 {
			wait = retryFirst
		}
		for id, op := range due {
			switch {
			case op.xid != "":
				f.resolve(ctx, id, op)
				continue
			case op.undone != nil:
				f.own.end(id)
				op.undone(ctx)
				continue
			}
			if err := f.tryPublish(ctx, id, op.records, op.wait); err != nil {
				f.log.ErrorContext(ctx, "a committed change still cannot be put in place", "op", id, "error", err)
			}
		}
		if f.missed.Swap(false) {
			if err := f.redoOwn(ctx); err != nil {
				f.missed.Store(true)
			}
		}
	}
}

// resolve asks PostgreSQL alone what became of a COMMIT without an answer: as
// soon as the transaction has ended, its record stands or it came to nothing.
// The status of the xid would not do. After a crash PostgreSQL gives the xid
// of a transaction that never reached its log to another one, and that one
// may be committed.
//
// PostgreSQL may be another one by now, the standby of one that was lost. An
// xid ahead of its own is of a transaction that it never had; and one that is
// no more than a standby cannot answer, because the question takes an xid. The
// record is locked, which makes the question's own commit wait for the
// standby: what the standby does not have yet may still come to nothing.
func (f *Files) resolve(ctx context.Context, id uuid.UUID, op *ownOp) {
	const running = `-- name: files.TransactionRuns
		SELECT CASE WHEN $1::text::xid8 < pg_current_xact_id()
		            THEN coalesce(pg_xact_status($1::text::xid8) = 'in progress', false) ELSE false END`
	const recorded = `-- name: files.RecordStands
		SELECT true FROM file_ops o WHERE o.owner_id = $1 AND o.op_id = $2 LIMIT 1 FOR UPDATE`
	asking, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var unsure, committed bool
	// Two statements: the second sees what the first one knows to have ended.
	// One connection: both ask the same server.
	err := f.db.InTx(asking, func(tx pgx.Tx) (err error) {
		if unsure, err = db.One(asking, tx, db.Value[bool], running, op.xid); err != nil || unsure {
			return err
		}
		committed, err = db.One(asking, tx, db.Value[bool], recorded, op.records[0].owner, id)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		return err
	})
	switch {
	case err != nil || unsure:
		f.own.set(id, &ownOp{records: op.records, xid: op.xid, undone: op.undone, due: time.Now().Add(retryFirst)})
	case committed:
		f.hub.changed(op.records[0].owner)
		_ = f.publishAll(ctx, id, op.records) // it is logged, and tried again
	default:
		f.own.end(id)
		op.undone(ctx)
	}
}

// redoOwn carries out this worker's records that it does not know of: after
// PostgreSQL was lost, an asynchronous deletion may have been undone.
func (f *Files) redoOwn(ctx context.Context) error {
	// One that ends while the rows are read was known before.
	before := f.own.known()
	records, err := recordsOf(ctx, f.db, f.worker.id)
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r record) bool {
		return slices.Contains(before, r.op) || slices.Contains(f.own.known(), r.op)
	})
	return f.redoAll(ctx, records)
}

// errUnavailable is the answer of every file route while the data directory
// is not in place.
var errUnavailable = httpx.NewProblem(503, "storage_unavailable", "The storage is not available").RetryAfter(time.Second)
