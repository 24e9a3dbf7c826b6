// Package journal makes every change of an owner's tree, and is the only code
// that writes both PostgreSQL and the disk. It keeps one promise: what was
// acknowledged is never lost, and the rest was never there.
//
// # The rule
//
// The commit in PostgreSQL is the only commit point: before it undo, after it
// redo only. Bytes are durable before a row points to them, a published file
// is never written into, and bytes that a commit displaces are not freed by
// it. Every change goes the same way:
//
//	P0 reserve   a row of uploads holds the space; small files need none
//	P1 receive   staging/new/<id>.<worker>, whose name is durable before (stage.go),
//	             hashed while streaming; then fsync of the file (put.go)
//	P2 commit    rows, audit and redo records in one transaction, under the
//	             fence and the owner's lock (commit.go, group.go)   ← durable here
//	P3 publish   the disk follows: rename, fsync of the folders (publish.go)
//	P4 answer    2xx only now
//	P5 forget    the redo records are deleted, with the owner's next group or
//	             soon after (forget.go)
//
// What a put displaces becomes a version, in the same transaction and by the same
// record, or goes to purge/ (version.go); it has its new name, durably, before the
// put takes its place.
//
// Files that wait for their owner's turn are committed together (queue.go,
// lead.go, group.go). A group shares the transaction and the flushes of folders;
// each file has its own record, so recovery does not know that there were groups.
//
// # What a crash leaves
//
//	before, or while receiving   staging file and reservation: a recovery removes both
//	COMMIT without an answer     once the transaction has ended, its record decides; the client got 503
//	committed, not renamed       the record is redone; until then readers get the staged bytes
//	renamed, folder not synced   the record is redone
//	published, record remains    the redo finds it done
//	inside a recovery            every step twice does no harm
//	a dead worker's late commit  waits at the fence, then finds its worker dead
//	a failed fsync of a folder   the record stays for the next process
//
// A record of a living worker is never carried out by another: it is also a
// lock, and whoever meets it waits (record.go). A worker lives while it holds
// the lock on its file in workers/ (worker.go).
//
// One owner's changes queue for the owner's slot before they ask for a
// connection, so no owner can take the pool from the others (slot.go).
package journal

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

// The classes of the advisory locks.
const (
	lockFence = 100 // id: a worker. Shared by its commits; exclusive: none is in flight any more
	// LockPurge, id 0: freeing displaced bytes, or a backup that needs them.
	LockPurge = 101
	// LockMarker, id 0: agreeing on the data directory's id.
	LockMarker = 102
)

const (
	// Timeout bounds a commit and its publishing once the bytes are in. The
	// client's leaving no longer stops them: a cut-off COMMIT would only have
	// to be resolved later. What has been sent waits as long for its turn.
	Timeout   = 30 * time.Second
	waitInWay = 5 * time.Second // for other changes of the owner
	// KeepEnded is how long an ended resumable upload can still be asked about.
	KeepEnded   = 24 * time.Hour
	firstWait   = 2 * time.Millisecond
	longestWait = 50 * time.Millisecond
	// askAfter is when a writer that is held up looks for dead workers.
	askAfter = 250 * time.Millisecond
)

var (
	// ErrUnavailable is the answer while the data directory cannot be used.
	ErrUnavailable = httpx.NewProblem(503, "storage_unavailable", "The storage is not available").RetryAfter(time.Second)
	// ErrQuota says that an owner's bytes are used up.
	ErrQuota = httpx.NewProblem(507, "quota_exceeded", "Your storage is full")
	// ErrEntries says that an owner has as many files and folders as allowed.
	ErrEntries = httpx.NewProblem(507, "entries_exceeded", "Your storage holds too many files and folders").With("Delete some, from the trash too, or ask for a higher limit.")
	// ErrExpired says that an upload lost its reservation before its commit.
	ErrExpired = httpx.NewProblem(409, "reservation_expired", "The upload took too long").With("Its reserved space has been released. Upload it again.")
	// ErrUnpublished says that a change is durable and the disk could not
	// follow yet: it is not taken back, and a reader gets the new bytes.
	ErrUnpublished = errors.New("a committed change is not in place yet")

	// errInTheWay rolls a transaction back to wait for another's record.
	errInTheWay = errors.New("a pending change is in the way")
	// errDeclaredDead says that another process recovers this worker's
	// records: it must not write any more.
	errDeclaredDead = errors.New("this worker was declared dead")
)

// Config is what a journal needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Log   *slog.Logger
	// Quota is how many bytes an owner has where none are set.
	Quota int64
	// UploadExpiry is how long a reservation is held.
	UploadExpiry time.Duration
	// KeepVersions says that what a put displaces becomes a version.
	KeepVersions bool
	// Judge asks whether whoever causes a change may still do so; it is called
	// when the change's turn has come, before anything is written.
	Judge func(ctx context.Context) error
	// Changed is called after every commit, before anybody is answered.
	Changed func(owner uuid.UUID)
}

// Journal is one worker's way of changing trees. It is safe for concurrent use
// between Start and Stop.
type Journal struct {
	Config
	db     database
	called func(ctx context.Context) bool // by a caller, and not by a guest
	disk   *disk.Dir
	worker worker
	slots  Slots
	stock  stock
	own    underway

	followedOne Signal        // there are records to be deleted
	written     atomic.Int64  // items, since the last look at the statistics
	grown       Signal        // written has grown eightfold
	suspected   Signal        // a writer has met a record that does not go
	missed      atomic.Bool   // the database was lost: own records may have come back
	dead        atomic.Bool   // declared dead: never writes again
	died        chan struct{} // closed when that is
	stop        context.CancelFunc
	running     sync.WaitGroup
}

// Signal tells whoever waits that there is something to do, not how much.
type Signal chan struct{}

// NewSignal makes one that was not given yet.
func NewSignal() Signal { return make(Signal, 1) }

// Give gives the signal, unless it waits to be taken.
func (s Signal) Give() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Await takes the signal as soon as it is given, and is false when ctx ends before.
func (s Signal) Await(ctx context.Context) bool {
	select {
	case <-s:
		return true
	case <-ctx.Done():
		return false
	}
}

// New makes a journal; it touches neither disk nor database. Call it before
// the database's listener runs.
func New(c Config) *Journal {
	j := &Journal{Config: c, db: postgres{c.DB, c.Audit}, followedOne: NewSignal(), grown: NewSignal(), suspected: NewSignal(), died: make(chan struct{})}
	j.called = func(ctx context.Context) bool { return httpx.CallerOf(ctx) != nil }
	j.own.ops = map[uuid.UUID]*op{}
	j.stock = stock{held: make(chan struct{}, 1), next: 1}
	c.DB.Listener().OnMissed(func() { j.missed.Store(true) })
	return j
}

// Start makes this process a worker on an open data directory and finishes
// what dead workers began.
func (j *Journal) Start(ctx context.Context, d *disk.Dir) error {
	j.disk = d
	if err := j.enroll(ctx); err != nil {
		return err
	}
	if err := j.RecoverDead(ctx); err != nil {
		// Another worker or the next round of the job will manage.
		j.Log.ErrorContext(ctx, "cannot recover a dead worker yet", "error", err)
	}
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.running.Go(func() {
		for err := j.sweepStaging(ctx, 0); err != nil && db.Sleep(ctx, retryMost); err = j.sweepStaging(ctx, 0) {
			j.Log.WarnContext(ctx, "cannot sweep the staging folder yet", "error", err)
		}
	})
	j.running.Go(func() { j.forget(ctx) })
	j.running.Go(func() { j.mend(ctx) })
	j.running.Go(func() { recoverSuspects(ctx, j) })
	j.running.Go(func() { j.keepStatistics(ctx) })
	return nil
}

// Stop gives the worker up after its last change. What it leaves undone is
// for another worker, as after a kill.
func (j *Journal) Stop() error {
	j.stop()
	j.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(j.removeReady(), j.retire(ctx))
}

// Died is closed when another process has declared this worker dead: it has to
// be started anew.
func (j *Journal) Died() <-chan struct{} { return j.died }

// Unavailable turns an error into the answer of a storage that cannot be used.
func unavailable(err error) error {
	return ErrUnavailable.With("The files cannot be reached at the moment. Try again later; if this persists, tell the operator.").Because(err)
}

// NewID makes an id: UUIDv7, so that ids made later sort later.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
