package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// underway are the changes of this worker that have not come to their end:
// from before their commit until their records are deleted. What the database
// holds of this worker beside them came back after a crash of PostgreSQL and
// is redone.
type underway struct {
	mu  sync.Mutex
	ops map[uuid.UUID]*op
}

// op is one of them, in exactly one state: committing (all zero), in doubt
// (xid set), to be undone (undone set without xid), committed and not
// published (due set), published since a time, or left for the next process
// (records alone).
type op struct {
	records   []record
	xid       string
	undone    func(context.Context)
	published time.Time
	wait      time.Duration
	due       time.Time
}

func (u *underway) begin(id uuid.UUID) { u.set(id, &op{}) }

func (u *underway) end(id uuid.UUID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.ops, id)
}

func (u *underway) set(id uuid.UUID, state *op) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ops[id] = state
}

// known are the ops under way.
func (u *underway) known() map[uuid.UUID]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	known := make(map[uuid.UUID]bool, len(u.ops))
	for id := range u.ops {
		known[id] = true
	}
	return known
}

// doubt hands a change whose COMMIT got no answer to the resolver. One without
// records leaves the disk as it is, whatever became of it.
func (u *underway) doubt(id uuid.UUID, records []record, xid string, undone func(context.Context)) {
	if undone == nil {
		undone = func(context.Context) {}
	}
	if len(records) == 0 {
		xid = ""
	}
	u.set(id, &op{records: records, xid: xid, undone: undone, due: time.Now()})
}

// dueNow are the ops whose next try is due; waiting counts all that need one.
func (u *underway) dueNow() (due map[uuid.UUID]*op, waiting int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	due = map[uuid.UUID]*op{}
	for id, o := range u.ops {
		if o.due.IsZero() {
			continue
		}
		waiting++
		if time.Now().After(o.due) {
			due[id] = o
		}
	}
	return due, waiting
}

// UndoLater hands a change that came to nothing, and whose traces could not be
// removed now, to the next round of mending.
func (j *Journal) UndoLater(id uuid.UUID, undo func(context.Context)) {
	j.own.set(id, &op{undone: undo, due: time.Now().Add(retryMost)})
}

// follow makes the disk follow a committed change. What fails is tried again
// by mend, in order.
func (j *Journal) follow(ctx context.Context, id uuid.UUID, records []record) error {
	if err := j.tryFollow(ctx, id, records, retryFirst); err != nil {
		return j.unpublished(ctx, id, err)
	}
	return nil
}

// unpublished is the answer to a committed change that the disk has not
// followed.
func (j *Journal) unpublished(ctx context.Context, id uuid.UUID, err error) error {
	j.Log.ErrorContext(ctx, "cannot put a committed change in place", "op", id, "error", err)
	told := ErrUnavailable.With("The change is stored but not in place on the disk yet. Try again in a moment.")
	if errors.Is(err, errNowhere) {
		told = ErrUnavailable.With("The change is stored but its content is gone from the disk. Send it again, and tell the operator.")
	}
	return fmt.Errorf("%w: %w", ErrUnpublished, told.Because(err))
}

func (j *Journal) tryFollow(ctx context.Context, id uuid.UUID, records []record, wait time.Duration) error {
	if !slices.ContainsFunc(records, func(r record) bool { return r.kind != kindPurge }) {
		return j.noteFollowed(ctx, id, records, j.publishAll(ctx, records), wait) // there may be many
	}
	errs := make([]error, len(records))
	for i, r := range records {
		if errs[i] = j.publish(ctx, r); errs[i] != nil && !errors.Is(errs[i], errNowhere) {
			errs = errs[:i+1]
			break
		}
	}
	return j.noteFollowed(ctx, id, records, errs, wait)
}

// noteFollowed notes what became of an op's records on the disk: all in place, or
// to be tried again. One whose bytes are nowhere is set aside. It returns why
// not all is in place.
func (j *Journal) noteFollowed(ctx context.Context, id uuid.UUID, records []record, errs []error, wait time.Duration) error {
	for i, err := range errs {
		if errors.Is(err, errNowhere) {
			err = j.setAside(ctx, records[i])
		}
		if err != nil {
			j.followLater(id, records, wait)
			return err
		}
	}
	j.followed(id, records)
	return errors.Join(errs...)
}

// followLater keeps what could not be published for another try. After a
// failed flush there is none: the kernel may have dropped the names, and a
// second flush would say that all is well. The records stay for the process
// that is started when the disk was looked at.
func (j *Journal) followLater(id uuid.UUID, records []record, wait time.Duration) {
	if j.disk.Fault() != nil {
		j.own.set(id, &op{records: records})
		return
	}
	j.own.set(id, &op{records: records, wait: min(2*wait, retryMost), due: time.Now().Add(wait)})
}

// followed notes that the disk has followed; the records go soon.
func (j *Journal) followed(id uuid.UUID, records []record) {
	if len(records) == 0 {
		j.own.end(id)
		return
	}
	j.own.set(id, &op{records: records, published: time.Now()})
	j.followedOne.Give()
}

// setAside takes a record out of everybody's way whose bytes are nowhere. The
// row stays: absence is a state of an item, never a reason to forget it.
func (j *Journal) setAside(ctx context.Context, r record) error {
	const sql = `-- name: files.QuarantineRecord
		UPDATE file_ops SET quarantined_at = now() WHERE owner_id = $1 AND seq = $2`
	j.Log.ErrorContext(ctx, "cannot find the bytes of a committed change; its record is set aside",
		"op", r.op, "item", r.item, "revision", r.revision)
	return db.Exec(ctx, j.db, sql, r.owner, r.seq)
}

// mend tries again what could not be published or undone and resolves what is
// in doubt, until ctx ends or the worker was declared dead.
func (j *Journal) mend(ctx context.Context) {
	for wait := retryFirst; db.Sleep(ctx, wait); {
		if j.dead.Load() {
			return // another carries out what this worker has left
		}
		due, waiting := j.own.dueNow()
		if wait = time.Second; waiting > 0 {
			wait = retryFirst
		}
		for _, id := range slices.SortedFunc(maps.Keys(due), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) { // the oldest first
			o := due[id]
			switch {
			case o.xid != "":
				j.resolve(ctx, id, o)
				continue
			case o.undone != nil:
				j.own.end(id)
				o.undone(ctx)
				continue
			}
			if err := j.tryFollow(ctx, id, o.records, o.wait); err != nil {
				j.Log.ErrorContext(ctx, "still cannot put a committed change in place", "op", id, "error", err)
			}
		}
		if j.disk.Fault() == nil && j.missed.Swap(false) {
			if err := j.redoOwn(ctx); err != nil {
				j.missed.Store(true)
				j.Log.WarnContext(ctx, "cannot carry out yet what the database has kept of this worker", "error", err)
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
func (j *Journal) resolve(ctx context.Context, id uuid.UUID, o *op) {
	const running = `-- name: files.TransactionRuns
		SELECT CASE WHEN $1::text::xid8 < pg_current_xact_id()
		            THEN coalesce(pg_xact_status($1::text::xid8) = 'in progress', false) ELSE false END`
	const recorded = `-- name: files.RecordStands
		SELECT true FROM file_ops o WHERE o.owner_id = $1 AND o.op_id = $2 LIMIT 1 FOR UPDATE`
	asking, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var unsure, committed bool
	// Two statements: the second sees what the first one knows to have ended.
	// One connection: both ask the same server.
	err := j.db.InTx(asking, func(tx pgx.Tx) (err error) {
		if unsure, err = db.One(asking, tx, db.Value[bool], running, o.xid); err != nil || unsure {
			return err
		}
		committed, err = db.One(asking, tx, db.Value[bool], recorded, o.records[0].owner, id)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		return err
	})
	switch {
	case err != nil || unsure:
		j.own.set(id, &op{records: o.records, xid: o.xid, undone: o.undone, due: time.Now().Add(retryFirst)})
	case committed:
		j.Changed(o.records[0].owner)
		_ = j.follow(ctx, id, o.records) // it is logged, and tried again
	default:
		j.own.end(id)
		o.undone(ctx)
	}
}
