// Package files keeps people's files: plain files under the names their
// owners gave them, a tree of rows that describes them, and the promise that
// what was acknowledged is never lost and what was not is never half there.
//
// How a file is kept, and what a crash leaves at each step, is package
// journal's to say; the system calls are in package disk.
//
// # Who may do what
//
// Everybody reaches their own tree and nothing else: what is another's is not
// found, on every route, whoever asks. A share is the one door for others: it
// opens one item, in one mode, for as long as its owner may share it, and
// what it does not open is not found either (shared.go).
package files

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Config is what the package needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Log   *slog.Logger
	// DataDir is the absolute path of the data directory.
	DataDir string
	// MinFree is how many bytes uploads leave free on its disk.
	MinFree int64
	// DefaultQuota is an owner's quota in bytes where none is set.
	DefaultQuota int64
	// UploadExpiry is how long an upload may hold its reservation.
	UploadExpiry time.Duration
	// TrashRetention is how long trash is kept; 0 is until it is emptied.
	TrashRetention time.Duration
	// Keys gives the 32-byte keys of a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// Auth is the room of identity: for who a caller is by now, when a request
	// may have outlived its access token, for the passwords of shares, and for
	// what their owners may do. Each room knows the other, so it is asked for
	// late.
	Auth func() *auth.Auth
}

// Files is the storage of one worker. It is safe for concurrent use. Before
// Start every file route answers 503.
type Files struct {
	db             *db.DB
	audit          *audit.Log
	log            *slog.Logger
	dataDir        string
	minFree        int64
	quota          int64
	uploadExpiry   time.Duration
	trashRetention time.Duration
	keys           func(purpose string) [][]byte
	auth           func() *auth.Auth

	journal *journal.Journal
	disk    *disk.Dir // nil until Start
	id      uuid.UUID // of the data directory
	// drawing orders who makes renditions: the owners, and uuid.Nil for all.
	drawing    journal.Slots
	undrawable refusals
	cacheAdded atomic.Int64 // bytes since the cache was trimmed
	roots      roots
	hints      hints
	// holders are the resumable uploads that this worker has locked.
	holders holders
	hub     *hub

	purging  chan struct{} // of one slot: a purge has left rows
	outside  chan outside  // items that readers saw changed from outside
	incoming atomic.Int64  // bytes that uploads have declared and not yet written
	away     atomic.Pointer[string]
	degraded atomic.Pointer[string]
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// New makes the storage; it touches neither disk nor database. Call it before
// the database's listener runs.
func New(c Config) *Files {
	f := &Files{
		db: c.DB, audit: c.Audit, log: c.Log, dataDir: c.DataDir,
		keys: c.Keys, auth: c.Auth,
		minFree: c.MinFree, quota: c.DefaultQuota, uploadExpiry: c.UploadExpiry, trashRetention: c.TrashRetention,
		roots:   roots{known: map[uuid.UUID]uuid.UUID{}},
		holders: holders{held: map[uuid.UUID]*holder{}},
		hub:     newHub(),
		purging: make(chan struct{}, 1),
		outside: make(chan outside, 256),
	}
	f.away.Store(new("the storage has not been opened yet"))
	f.journal = journal.New(journal.Config{DB: c.DB, Audit: c.Audit, Log: c.Log, Quota: c.DefaultQuota, UploadExpiry: c.UploadExpiry,
		Judge: f.judge, Changed: f.hub.changed, SyncFailed: f.syncFailed})
	f.db.Listener().OnMissed(func() { f.hub.announced(everybody) })
	f.db.Listener().On(changesChannel, f.onAnnounced)
	f.db.Listener().On(uploadChannel, func(payload string) {
		if id, err := uuid.Parse(payload); err == nil {
			f.holders.interrupt(id)
		}
	})
	return f
}

// Start opens the data directory, makes this process a worker, and finishes
// what dead workers began; then the routes work. It is called once, after the
// database is connected. An error says why the
// directory does not belong to this database. A directory whose rows are lost
// is no error: the routes answer 503 until they were rebuilt.
func (f *Files) Start(ctx context.Context) error {
	claimed, err := f.claim(ctx)
	if err != nil {
		return err
	}
	if !claimed {
		const lost = "the data directory holds files that the database knows nothing of; run: homebase files rebuild"
		f.log.ErrorContext(ctx, lost, "data_dir", f.dataDir)
		f.away.Store(new(lost))
		return nil
	}
	if err := f.disk.MakeLayout(); err != nil {
		return err
	}
	if err := f.journal.Start(ctx, f.disk); err != nil {
		return err
	}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.running.Go(func() { f.takeOverOutside(ctx) })
	f.running.Go(func() { f.watch(ctx) })
	f.running.Go(func() { f.purgeLeft(ctx) })
	f.running.Go(func() { f.announceChanges(ctx) })
	f.running.Go(func() { f.lookForChanges(ctx) })
	f.away.Store(nil)
	return nil
}

// Stop ends the worker after the last request has been answered, and before
// the database is closed. What it leaves undone is for another worker, as
// after a kill.
func (f *Files) Stop() {
	if f.disk == nil {
		return
	}
	if f.stop != nil {
		f.away.Store(new("the storage was closed"))
		f.stop()
		f.running.Wait()
		if err := f.journal.Stop(); err != nil {
			f.log.Warn("this worker is left for another to clean up", "error", err)
		}
	}
	if err := f.disk.Close(); err != nil {
		f.log.Warn("the data directory could not be closed", "error", err)
	}
}

// Ready is nil when files can be reached and the disk is sound, else it says
// what is wrong. A full disk, or a change that cannot be put in place yet, is
// for the log alone: all else works, and the owners could not free anything
// on a server that nobody sends them to.
func (f *Files) Ready(context.Context) error {
	for _, fault := range []*string{f.away.Load(), f.degraded.Load()} {
		if fault != nil {
			return errors.New(*fault)
		}
	}
	return nil
}

// Jobs are the storage's repeated work.
func (f *Files) Jobs() []db.Job {
	return []db.Job{
		{Name: "files.recover", Every: 10 * time.Second, Run: f.ifOpen(f.journal.RecoverDead)},
		{Name: "files.expire", Every: time.Minute, Run: f.ifOpen(f.expire)},
		{Name: "files.trash", Every: time.Hour, Run: f.ifOpen(f.endTrash)},
		{Name: "files.feed", Every: time.Hour, Run: f.sweepFeed},
		{Name: "files.purge", Every: time.Minute, Run: f.ifOpen(f.freeDisplaced)},
		{Name: "files.cache", Every: time.Hour, Run: f.ifOpen(f.trimCache)},
		{Name: "files.shares", Every: time.Hour, Run: f.sweepShares},
	}
}

// ifOpen skips a job while the data directory is not in place: what is absent
// then must not be taken for gone. In the process of a command, which starts
// nothing, the job is a worker of its own.
func (f *Files) ifOpen(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if f.disk == nil {
			return f.asWorker(ctx, func() error { return run(ctx) })
		}
		if s := f.away.Load(); s != nil {
			return errors.New(*s)
		}
		return run(ctx)
	}
}

// Commands are the storage's commands.
func (f *Files) Commands() []db.Command {
	return []db.Command{
		{Name: "files scan", Args: "[USER] [--accept-missing] [--json]", Summary: "take over what was copied, renamed or edited on the disk", Run: f.scanCommand},
		{Name: "files verify", Args: "[USER] [--rate MB] [--older-than TIME] [--json]", Summary: "read every file and compare it with its sum", Run: f.verifyCommand},
		{Name: "files rebuild", Args: "[--json]", Summary: "make the rows of the files again from the disk alone", Run: f.rebuildCommand},
		{Name: "files usage", Args: "[USER] [--json]", Summary: "show how much everybody stores", Run: f.usageCommand},
		{Name: "files purge", Args: "[USER] [--older-than TIME] [--json]", Summary: "delete old trash and free its space now", Run: f.purgeCommand},
	}
}

// inPlace refuses while the data directory is not in place.
func (f *Files) inPlace() error {
	if s := f.away.Load(); s != nil {
		return journal.ErrUnavailable.With("The files cannot be reached at the moment. Ask again later; if it stays so, tell the operator.").
			Because(errors.New(*s))
	}
	return nil
}

// judge asks once more whether the caller may write, when a change of theirs is
// about to be made: what was received, waited for or done before it in the same
// request took its time. A job, a command and a share's guest have no caller.
func (f *Files) judge(ctx context.Context) error {
	if httpx.CallerOf(ctx) == nil {
		return nil
	}
	return f.auth().Still(ctx, mayWrite)
}

// visit is a request to the caller's own tree.
type visit struct {
	owner uuid.UUID
	root  uuid.UUID
}

// visitor opens the caller's tree for a handler.
func (f *Files) visitor(h func(w http.ResponseWriter, r *http.Request, v visit) error) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := f.inPlace(); err != nil {
			return err
		}
		owner := httpx.CallerOf(r.Context()).UserID
		root, err := f.rootOf(r.Context(), owner)
		if errors.Is(err, db.ErrNotFound) {
			return httpx.ErrUnauthenticated.Because(err) // deleted meanwhile
		}
		if err != nil {
			return err
		}
		return h(w, r, visit{owner, root})
	}
}
