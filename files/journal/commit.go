package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Change is one change of one owner's tree. It runs beside all that is pending
// elsewhere in the tree, and waits for what concerns the paths that it names to the Tx.
type Change struct {
	Owner uuid.UUID
	// Op names what was staged for the change, and its reservation if
	// Reserved; a change that stages nothing needs none.
	Op       uuid.UUID
	Reserved bool
	// Unjudged is for what the caller in the context did not ask for.
	Unjudged bool
	// Wait is how long the change waits for its turn; 0 is five seconds.
	Wait time.Duration
	// Decide reads what the change depends on, checks it, and writes rows
	// through the Tx. It runs under the owner's lock, and again from the
	// start when the transaction is repeated, so it has no effect but in t.
	Decide func(ctx context.Context, t *Tx) error
	// Undone is called when a change whose COMMIT got no answer turns out to
	// have come to nothing, and after any such change without records: nothing
	// tells what became of that. It may be nil.
	Undone func(ctx context.Context)
}

// Tree is an owner's row of trees: the lock of all changes, the counter that
// orders them, and the ledger of bytes.
type Tree struct {
	Root     uuid.UUID
	Seq      int64
	Quota    *int64 // bytes; nil: the configured default
	Used     int64  // with Versions
	Reserved int64
	Versions int64
	// Entries are the files and folders, trash too, and EntryQuota how many
	// there may be; nil: DefaultEntries.
	Entries    int64
	EntryQuota *int64
}

// DefaultEntries is how many files and folders an owner may have where nothing
// else is set: more than a home holds, and few enough that nobody fills the
// disk with empty folders.
const DefaultEntries = 1_000_000

// full reports whether so many entries more are too many.
func (t Tree) full(more int64) bool {
	limit := int64(DefaultEntries)
	if t.EntryQuota != nil {
		limit = *t.EntryQuota
	}
	return more > 0 && t.Entries+more > limit
}

// over is how many bytes are too many when so many are added to those that are
// used or reserved; at most 0 when they fit.
func (t Tree) over(more, usual int64) int64 {
	return t.Used + t.Reserved + more - *cmp.Or(t.Quota, &usual)
}

const treeColumns = `t.root_id, t.seq, t.quota, t.used, t.reserved, t.versions, t.entries, t.entry_quota`

func scanTree(row pgx.Row) (t Tree, err error) {
	err = row.Scan(&t.Root, &t.Seq, &t.Quota, &t.Used, &t.Reserved, &t.Versions, &t.Entries, &t.EntryQuota)
	return t, err
}

// Tx is one attempt of a change under the owner's lock.
type Tx struct {
	db.Querier
	Tree     Tree
	j        *Journal
	owner    uuid.UUID
	now      time.Time                       // of the transaction
	xid      string                          // by which it is asked whether it still runs
	pending  []record                        // of the owner, except what this worker has published
	records  []record                        // to be written: kind, item, revision, ino, source, target
	told     struct{ types, items []string } // to be told by the feed; the items are JSON
	events   []audit.Event                   // to be recorded
	used     int64                           // bytes that the change adds to what the owner uses
	kept     int64                           // those of them that versions take
	reserved int64                           // bytes that it reserves for uploads, or gives back
	grown    int64                           // files and folders that it adds
	past     struct{ bytes, entries int64 }  // what it adds past the limits
}

// InTheWay reports whether a pending record has to go first: one of the same
// item, or one that says where something above, at or below a path lies.
func (t *Tx) InTheWay(item uuid.UUID, paths ...string) bool {
	return slices.ContainsFunc(t.pending, func(r record) bool {
		return r.item == item || slices.ContainsFunc(paths, r.concerns)
	})
}

// Move lets the disk rename source to target, where nothing may be. Nothing is
// pending around the two paths, so the entry lies where the rows of before
// say. What is missing there needs no record: nothing has to follow.
func (t *Tx) Move(item uuid.UUID, revision int64, source, target string) error {
	return t.rename(kindMove, item, revision, source, target)
}

// Purge is Move into purge/, for an item whose rows go.
func (t *Tx) Purge(item uuid.UUID, revision int64, source string) error {
	return t.rename(kindPurge, item, revision, source, disk.PurgePath(item, revision))
}

func (t *Tx) rename(kind string, item uuid.UUID, revision int64, source, target string) error {
	if t.InTheWay(item, source, target) {
		return errInTheWay
	}
	info, err := t.j.disk.Lstat(source)
	if disk.Failed(err) {
		return unavailable(err)
	}
	if err != nil {
		return nil
	}
	t.records = append(t.records, record{kind: kind, item: item, revision: revision, ino: disk.Inode(info), source: source, target: target})
	return nil
}

// Mkdir lets the disk make a folder of revision 1.
func (t *Tx) Mkdir(item uuid.UUID, target string) error {
	if t.InTheWay(item, target) {
		return errInTheWay
	}
	t.records = append(t.records, record{kind: kindMkdir, item: item, revision: 1, target: target})
	return nil
}

// Tell appends an entry to those that the feed will tell: what became of an
// item, and the item itself as JSON.
func (t *Tx) Tell(what string, item json.RawMessage) {
	t.told.types, t.told.items = append(t.told.types, what), append(t.told.items, string(item))
}

// Audit appends an event to those that the transaction will record.
func (t *Tx) Audit(ctx context.Context, e audit.Event) {
	t.events = append(t.events, InTree(t.owner, e).By(ctx))
}

// InTree adds to an event of an owner's tree which space that is, if it is one.
func InTree(owner uuid.UUID, e audit.Event) audit.Event {
	if disk.IsSpace(owner) {
		details := map[string]string{"space": owner.String()}
		maps.Copy(details, e.Details)
		e.Details = details
	}
	return e
}

// Use counts bytes that the owner uses more, or less. More than the quota
// fails the change.
func (t *Tx) Use(bytes int64) { t.used += bytes }

// Grow counts files and folders that the owner has more, or fails when so many
// do not fit.
func (t *Tx) Grow(entries int) error {
	if t.Tree.full(t.grown + int64(entries)) {
		return ErrEntries
	}
	t.grown += int64(entries)
	return nil
}

// Count counts what no limit refuses: what lies on the disk already, or goes.
func (t *Tx) Count(bytes int64, entries int) {
	t.past.bytes += bytes
	t.past.entries += int64(entries)
}

// Commit commits a change and makes the disk follow. db.ErrOutcomeUnknown
// says that it is found out later what became of it; ErrUnpublished that the
// change is durable and the disk follows later. After any other error nothing
// has happened, and what was staged is the caller's to remove. What does not fit
// is tried again after versions were given up for it.
func (j *Journal) Commit(ctx context.Context, c Change) error {
	return j.withRoom(ctx, c.Owner, func() error { return j.commit(ctx, c) })
}

func (j *Journal) commit(ctx context.Context, c Change) error {
	leave, err := j.slots.Take(ctx, c.Owner, cmp.Or(c.Wait, waitInWay))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	if !c.Unjudged {
		if err := j.Judge(ctx); err != nil {
			leave()
			return err
		}
	}
	if c.Op == uuid.Nil {
		c.Op = NewID()
	}
	j.own.begin(c.Op)
	t, err := j.commitInTurn(ctx, c, leave)
	switch {
	case errors.Is(err, db.ErrOutcomeUnknown):
		j.Changed(c.Owner)
		j.own.doubt(c.Op, t.records, t.xid, c.Undone)
		return err
	case err != nil:
		j.own.end(c.Op)
		return err
	}
	j.Changed(c.Owner)
	disk.Failpoint("committed")
	if err := j.follow(ctx, c.Op, t.records); err != nil {
		return err
	}
	disk.Failpoint("published")
	return nil
}

// commitInTurn commits and gives the owner's slot up, come what may: after a
// panic nobody else would. The slot is kept while something is in the way, so
// that puts of this worker do not overtake the change for ever; the connection
// is not.
func (j *Journal) commitInTurn(ctx context.Context, c Change, leave func()) (t *Tx, err error) {
	defer leave()
	err = j.untilClear(ctx, func() error {
		return j.db.Piped(ctx, db.Piped{
			First: func(b *pgx.Batch) {
				t = &Tx{j: j, owner: c.Owner}
				j.queueLock(b, t)
			},
			Then: func(ctx context.Context, q db.Querier, last *pgx.Batch) error {
				t.Querier = q
				return t.attempt(ctx, c, last)
			},
		})
	})
	if err == nil {
		j.wrote(max(len(t.records), len(t.told.items)))
	}
	return t, err
}

// untilClear repeats what fails because another's record is in the way, for
// five seconds.
func (j *Journal) untilClear(ctx context.Context, try func() error) error {
	began, asked := time.Now(), false
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := try()
		if !errors.Is(err, errInTheWay) {
			return err
		}
		waited := time.Since(began)
		if waited > waitInWay {
			return httpx.ErrBusy.Because(err)
		}
		if waited > askAfter && !asked {
			asked = true
			j.suspected.Give()
		}
		if !db.Sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// attempt is P2 up to the COMMIT. Each lock is a statement of its own and
// what is decided under it is read by a later one: in READ COMMITTED every
// statement has its own snapshot, and one that waited for a lock would still
// see the rows of before.
func (t *Tx) attempt(ctx context.Context, c Change, last *pgx.Batch) error {
	if err := c.Decide(ctx, t); err != nil {
		return err
	}
	for i := range t.records {
		t.records[i].op = c.Op
	}
	if c.Reserved { // given up for the bytes themselves
		if err := t.release(ctx, c.Op); errors.Is(err, db.ErrNotFound) {
			return ErrExpired
		} else if err != nil {
			return err
		}
	}
	if over := t.over(t.used); t.used > 0 && over > 0 {
		return t.tooMuch(ErrQuota.With("Delete something, or ask for more space."), over)
	}
	return t.queueRest(ctx, last)
}

// queueFence takes the fence and makes sure that this worker lives: what it
// leaves in its own name must not be there after its recovery.
func (j *Journal) queueFence(b *pgx.Batch, t *Tx) {
	b.Queue(`-- name: files.Fence
		SELECT now(), set_config('lock_timeout', '5s', true), set_config('enable_bitmapscan', 'off', true),
		       set_config('plan_cache_mode', 'force_generic_plan', true), pg_advisory_xact_lock_shared($1, $2), pg_current_xact_id()::text`, lockFence, j.worker.id).
		QueryRow(func(row pgx.Row) error { return row.Scan(&t.now, nil, nil, nil, nil, &t.xid) })
	b.Queue(`-- name: files.WorkerAlive
		SELECT w.id FROM workers w WHERE w.id = $1 AND w.dead_at IS NULL`, j.worker.id).
		QueryRow(func(row pgx.Row) error {
			var id int32
			if err := row.Scan(&id); errors.Is(err, pgx.ErrNoRows) && !disk.Without("fence") {
				j.declaredDead()
				return unavailable(errDeclaredDead)
			} else if !disk.Without("fence") {
				return err
			}
			return nil
		})
}

// queueLock takes the fence and the owner's lock, and reads what is pending:
// statements of one round trip.
func (j *Journal) queueLock(b *pgx.Batch, t *Tx) {
	j.queueFence(b, t)
	if disk.Without("order") {
		j.queuePending(b, t)
	}
	b.Queue(`-- name: files.LockTree
		SELECT `+treeColumns+` FROM trees t WHERE t.owner_id = $1 FOR NO KEY UPDATE`, t.owner).
		QueryRow(func(row pgx.Row) (err error) {
			t.Tree, err = scanTree(row)
			return err
		})
	if !disk.Without("order") {
		j.queuePending(b, t)
	}
}

// queuePending asks for the owner's pending records, except those that this
// worker has published.
func (j *Journal) queuePending(b *pgx.Batch, t *Tx) {
	b.Queue(`-- name: files.PendingRecords
		SELECT `+recordColumns+`
		  FROM file_ops o
		 WHERE o.owner_id = $1 AND o.quarantined_at IS NULL
		   AND NOT (o.worker_id = $2 AND o.seq = ANY ($3))
		 ORDER BY o.seq`, t.owner, j.worker.id, j.own.published(t.owner)).
		Query(func(rows pgx.Rows) (err error) {
			t.pending, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (record, error) { return scanRecord(row) })
			return err
		})
}

// over is how many bytes are too many when the change adds so many.
func (t *Tx) over(more int64) int64 { return t.Tree.over(t.reserved+more, t.j.Quota) }

// queueRest moves the owner's counters, writes the redo records and the entries of
// the feed, both numbered from the seq of before, and the audit events.
func (t *Tx) queueRest(ctx context.Context, b *pgx.Batch) error {
	b.Queue(`-- name: files.SettleTree
		UPDATE trees t
		   SET seq = t.seq + $2, used = t.used + $3, entries = t.entries + $4, reserved = t.reserved + $5, versions = t.versions + $6
		 WHERE t.owner_id = $1`,
		t.owner, max(len(t.records), len(t.told.items)), t.used+t.past.bytes, t.grown+t.past.entries, t.reserved, t.kept)
	for i := range t.records {
		r := &t.records[i]
		r.owner, r.worker, r.seq = t.owner, t.j.worker.id, t.Tree.Seq+int64(i)+1
	}
	queueRecords(b, t.owner, t.j.worker.id, t.records)
	if len(t.told.items) > 0 {
		b.Queue(`-- name: files.InsertChanges
			INSERT INTO changes (owner_id, seq, type, item)
			SELECT $1, $2 + n.ordinality, n.type, n.item
			  FROM unnest($3::text[], $4::json[]) WITH ORDINALITY AS n (type, item, ordinality)`, t.owner, t.Tree.Seq, t.told.types, t.told.items)
	}
	return t.j.db.Audit(ctx, b, t.events...)
}

// Hold runs f in a transaction under the owner's lock, in the owner's turn:
// for what changes the ledger alone. db.ErrNotFound when there is no tree.
func (j *Journal) Hold(ctx context.Context, owner uuid.UUID, f func(t *Tx) error) error {
	return j.withRoom(ctx, owner, func() error {
		leave, err := j.slots.Take(ctx, owner, waitInWay)
		if err == nil {
			_, err = j.commitInTurn(ctx, Change{Owner: owner, Decide: func(_ context.Context, t *Tx) error { return f(t) }}, leave)
		}
		return err
	})
}
