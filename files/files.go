// Package files keeps people's files: plain files under the names their
// owners gave them, a tree of rows that describes them, and the promise that
// what was acknowledged is never lost and what was not is never half there.
//
// How a file is kept, and what a crash leaves at each step, is package
// journal's to say; the system calls are in package disk.
//
// # Who may do what
//
// Everybody reaches their own tree and those of the spaces in which they have a
// role, and nothing else: what is another's is not found, on every route, whoever
// asks (access.go). A share is the one door for others: it opens one item, by a
// link (shared.go) or to one user by name (grant.go), for as long as its owner may
// share it, and what it does not open is not found either.
package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/cli"
	"homebase/db"
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
	// VersionRetention is how long versions are kept; 0 makes none.
	VersionRetention time.Duration
	// Keys gives the 32-byte keys of a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// Auth is the room of identity: for who a caller is by now, when a request
	// may have outlived its access token, for the passwords of shares, and for
	// what their owners may do.
	Auth *auth.Auth
}

// Files is the storage of one worker. It is safe for concurrent use. Before
// Start every file route answers 503.
type Files struct {
	changer
	rd *reader
	wr *writer
	up *uploads
	tr *trash
	sh *shares
	sp *spaces
	vs *versions
	fd *feed
	rn *renditions
	rc *reconciler

	stop    context.CancelFunc
	running sync.WaitGroup
}

// base is what the parts of the storage have in common. What has no more than
// this changes nobody's tree.
type base struct {
	db    *db.DB
	audit *audit.Log
	auth  *auth.Auth
	log   *slog.Logger
	vol   *volume
	trees *trees
	hub   *hub
}

// changer is what the parts have in common that change trees.
type changer struct {
	*base
	journal *journal.Journal
}

// New makes the storage; it touches neither disk nor database. Call it before
// the database's listener runs.
func New(c Config) *Files {
	b := &base{db: c.DB, audit: c.Audit, auth: c.Auth, log: c.Log, hub: newHub()}
	b.vol = &volume{db: c.DB, dataDir: c.DataDir, minFree: c.MinFree}
	f := &Files{changer: changer{base: b}}
	b.vol.away.Store(new("the storage has not been opened yet"))
	f.journal = journal.New(journal.Config{DB: c.DB, Audit: c.Audit, Log: c.Log, Quota: c.DefaultQuota, UploadExpiry: c.UploadExpiry,
		KeepVersions: c.VersionRetention > 0, Judge: f.judge, Changed: b.hub.changed})
	b.trees = &trees{changer: f.changer, members: db.NewKept(c.DB, membersChannel, b.readMembers), roots: bounded[uuid.UUID, uuid.UUID]{most: 10_000}}
	f.rd = &reader{base: b, outside: make(chan uuid.UUID, 256)}
	f.rc = &reconciler{changer: f.changer, rd: f.rd}
	f.tr = &trash{changer: f.changer, retention: c.TrashRetention, purging: journal.NewSignal()}
	f.vs = &versions{changer: f.changer, retention: c.VersionRetention, grown: make(chan uuid.UUID, 4096)}
	f.wr = &writer{changer: f.changer, rd: f.rd, tr: f.tr, vs: f.vs, rc: f.rc, hints: bounded[hint, uuid.UUID]{most: 10_000}}
	f.up = &uploads{changer: f.changer, wr: f.wr}
	f.sh = &shares{changer: f.changer, keys: c.Keys, rd: f.rd, wr: f.wr}
	f.sp = &spaces{changer: f.changer}
	f.fd = &feed{changer: f.changer}
	f.rn = &renditions{base: b, rd: f.rd, undrawable: bounded[[sha256.Size]byte, *httpx.Problem]{most: 1000}}
	f.db.Listener().OnMissed(func() { b.hub.announced(everybody) })
	f.db.Listener().On(membersChannel, func(string) { b.hub.recheck() })
	f.db.Listener().On(changesChannel, f.fd.onAnnounced)
	f.db.Listener().On(uploadChannel, func(payload string) {
		if id, err := uuid.Parse(payload); err == nil {
			f.up.interrupt(id)
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
	claimed, err := f.vol.claim(ctx, false)
	if err != nil {
		return err
	}
	if !claimed {
		const lost = "the data directory holds files that the database knows nothing about; run: homebase files rebuild"
		f.log.ErrorContext(ctx, lost, "data_dir", f.vol.dataDir)
		f.vol.away.Store(new(lost))
		return nil
	}
	if err := f.vol.disk.MakeLayout(); err != nil {
		return err
	}
	if err := f.journal.Start(ctx, f.vol.disk); err != nil {
		return err
	}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.running.Go(func() { f.rc.takeOverOutside(ctx) })
	f.running.Go(func() { f.watch(ctx) })
	f.running.Go(func() { f.tr.purgeLeft(ctx) })
	f.running.Go(func() { f.vs.thinGrown(ctx) })
	f.running.Go(func() { f.fd.announceChanges(ctx) })
	f.running.Go(func() { f.fd.lookForChanges(ctx) })
	f.vol.away.Store(nil)
	return nil
}

// Stop ends the worker after the last request has been answered, and before
// the database is closed. What it leaves undone is for another worker, as
// after a kill.
func (f *Files) Stop() {
	if f.vol.disk == nil {
		return
	}
	if f.stop != nil {
		f.vol.away.Store(new("the storage was closed"))
		f.stop()
		f.running.Wait()
		if err := f.journal.Stop(); err != nil {
			f.log.Warn("cannot release this worker; another one will clean up after it", "error", err)
		}
	}
	if err := f.vol.disk.Close(); err != nil {
		f.log.Warn("cannot close the data directory", "error", err)
	}
}

// Ready is nil when files can be reached and the disk is sound, else it says
// what is wrong. A full disk, or a change that cannot be put in place yet, is
// for the log alone: all else works, and the owners could not free anything
// on a server that nobody sends them to.
func (f *Files) Ready(context.Context) error {
	if s := f.vol.away.Load(); s != nil {
		return errors.New(*s)
	}
	select {
	case <-f.Died():
		return errors.New("this worker was declared dead by another one: start it anew")
	default:
		return f.vol.disk.Fault()
	}
}

// Died is closed when another worker has declared this one dead.
func (f *Files) Died() <-chan struct{} { return f.journal.Died() }

// Jobs are the storage's repeated work.
func (f *Files) Jobs() []db.Job {
	return []db.Job{
		{Name: "files.recover", Every: 10 * time.Second, Run: f.ifOpen(f.journal.RecoverDead), Needed: f.whenOpen(f.journal.AnyDead)},
		{Name: "files.expire", Every: time.Minute, Run: f.ifOpen(f.up.expire), Needed: f.whenOpen(f.up.anyExpired)},
		{Name: "files.trash", Every: time.Hour, Run: f.ifOpen(f.tr.endTrash)},
		{Name: "files.versions", Every: time.Hour, Run: f.ifOpen(f.vs.thinAll)},
		{Name: "files.feed", Every: time.Hour, Run: f.ifOpen(f.fd.sweepFeed)},
		{Name: "files.purge", Every: time.Minute, Run: f.ifOpen(f.tr.freeDisplaced), Needed: f.whenOpen(f.tr.anyDisplaced)},
		{Name: "files.cache", Every: time.Hour, Run: f.ifOpen(f.rn.trimCache)},
		{Name: "files.shares", Every: time.Hour, Run: f.sh.sweepShares},
		{Name: "files.drops", Every: time.Minute, Run: f.sh.tellDrops, Needed: f.sh.anyDrops},
	}
}

// ifOpen skips a job while the data directory is not in place: what is absent
// then must not be taken for gone. In the process of a command, which starts
// nothing, the job is a worker of its own.
func (f *Files) ifOpen(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if f.vol.disk == nil {
			return f.asWorker(ctx, func() error { return run(ctx) })
		}
		if s := f.vol.away.Load(); s != nil {
			return errors.New(*s)
		}
		return run(ctx)
	}
}

// whenOpen asks only while the data directory is in place. Else the job runs,
// and its failure tells operators. So a storage that nobody uses is left in peace:
// what frequent jobs ask writes no row, and looks at nothing on the disk that the
// kernel does not remember.
func (f *Files) whenOpen(ask func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if f.vol.disk == nil || f.vol.away.Load() != nil {
			return true, nil
		}
		return ask(ctx)
	}
}

// Commands are the storage's commands.
func (f *Files) Commands() []cli.Command {
	return []cli.Command{
		{Name: "files scan", Args: "[USER] [--accept-missing] [--json]", Summary: "take over what was copied, renamed or edited on the disk", Run: f.scanCommand},
		{Name: "files verify", Args: "[USER] [--rate MB] [--older-than TIME] [--json]", Summary: "read every file and check it against its checksum", Run: f.verifyCommand},
		{Name: "files rebuild", Args: "[--json]", Summary: "rebuild the database's rows of files from the disk alone", Run: f.rebuildCommand},
		{Name: "files usage", Args: "[USER] [--json]", Summary: "show how much each user stores", Run: f.usageCommand},
		{Name: "files purge", Args: "[USER] [--older-than TIME] [--json]", Summary: "delete old trash and free its space now", Run: f.purgeCommand},
	}
}

// judge asks once more whether the caller may write in the tree that they have
// entered, when a change of theirs is about to be made: what was received,
// waited for or done before it in the same request took its time. A job, a
// command and a share's guest have no caller.
func (f *Files) judge(ctx context.Context) error {
	if httpx.CallerOf(ctx) == nil {
		return nil
	}
	return f.trees.still(ctx, mayWrite, editor)
}
