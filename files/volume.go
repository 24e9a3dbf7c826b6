package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// volume is the open data directory, and whether it can be relied on.
type volume struct {
	db      *db.DB
	dataDir string
	minFree int64 // bytes

	disk     *disk.Dir // nil until it is claimed
	id       uuid.UUID
	incoming atomic.Int64 // bytes that uploads have declared and not yet written
	away     atomic.Pointer[string]
}

// claim opens the data directory and makes sure that it and the database
// belong together: both know the same id. Neither knows one: a fresh start,
// the marker is made first and then the row. Only the disk: false, unless
// there are no files yet and so a first start was cut off between the two.
// Only the database, or different ids: an error, because a mount is missing
// or another disk is in its place. With adopt, files that a database knows
// nothing about become its own.
func (vol *volume) claim(ctx context.Context, adopt bool) (claimed bool, err error) {
	const lock = `-- name: files.LockMarker
		SELECT pg_advisory_xact_lock($1, 0)`
	const write = `-- name: files.SetDataDirID
		UPDATE instance SET data_dir_id = $1`
	err = vol.db.InTx(ctx, func(tx pgx.Tx) error {
		claimed = false
		if err := db.Exec(ctx, tx, lock, journal.LockMarker); err != nil {
			return err
		}
		known, err := dataDirID(ctx, tx)
		if err == nil {
			err = vol.openDisk(known != nil)
		}
		if err != nil {
			return err
		}
		marker, err := vol.disk.Marker()
		unmarked := errors.Is(err, fs.ErrNotExist)
		switch {
		case err != nil && !unmarked:
			return err
		case unmarked && known != nil:
			return fmt.Errorf("%s is not the data directory of this database: it has no file %s. Is a disk not mounted? Mount it, or point HOMEBASE_DATA_DIR to it", vol.dataDir, disk.MarkerFile)
		case known != nil && marker != *known:
			return fmt.Errorf("%s belongs to another database: its file %s holds another id. Point HOMEBASE_DATA_DIR to the right directory", vol.dataDir, disk.MarkerFile)
		case unmarked:
			marker = journal.NewID()
			if err := vol.disk.SetMarker(marker); err != nil {
				return err
			}
		case known == nil && !adopt:
			if folders, err := vol.foldersIn(disk.Users, disk.Spaces); err != nil || len(folders) > 0 {
				return err
			}
		}
		claimed, vol.id = true, marker
		if known != nil {
			return nil
		}
		return db.Exec(ctx, tx, write, marker)
	})
	return claimed, err
}

// dataDirID is the id of the data directory that the database knows.
func dataDirID(ctx context.Context, q db.Querier) (*uuid.UUID, error) {
	return db.One(ctx, q, db.Value[*uuid.UUID], `-- name: files.DataDirID
		SELECT i.data_dir_id FROM instance i`)
}

// foldersIn are what is in users/, spaces/ and the like, whosever it is.
func (vol *volume) foldersIn(tops ...string) (places []string, err error) {
	for _, top := range tops {
		names, err := vol.disk.Names(top)
		if err != nil {
			return nil, vol.diskError(err)
		}
		for _, name := range slices.Sorted(slices.Values(names)) {
			places = append(places, path.Join(top, name))
		}
	}
	return places, nil
}

// openDisk opens the data directory, which is made only where none is known.
func (vol *volume) openDisk(known bool) error {
	if vol.disk != nil {
		return nil // the transaction is repeated
	}
	if !known {
		if err := os.MkdirAll(vol.dataDir, 0o700); err != nil {
			return err
		}
	}
	dir, err := disk.Open(vol.dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("the data directory %s is not there. Is a disk not mounted? Mount it, or point HOMEBASE_DATA_DIR to it", vol.dataDir)
	}
	vol.disk = dir
	return err
}

// watch tells of a failed flush, and looks each second whether the path of the data directory still leads
// to the one that is open. While it does not, every file route answers 503:
// an empty mount point must not look like deleted files.
func (f *Files) watch(ctx context.Context) {
	var fault error
	for db.Sleep(ctx, time.Second) {
		if fault == nil {
			if fault = f.vol.disk.Fault(); fault != nil {
				f.log.ErrorContext(ctx, "the storage cannot be trusted until the disk has been checked", "error", fault)
			}
		}
		err := f.vol.disk.CheckInPlace(f.vol.id)
		if ctx.Err() != nil {
			return
		}
		was := f.vol.away.Load()
		switch {
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM): // the process lacks something
			f.log.WarnContext(ctx, "cannot check whether the data directory is in place", "error", err)
		case err != nil && was == nil:
			f.log.ErrorContext(ctx, "the data directory is gone", "error", err)
			f.vol.away.Store(new(err.Error()))
		case err == nil && was != nil:
			f.log.InfoContext(ctx, "the data directory is back")
			f.vol.away.Store(nil)
		}
	}
}

// inPlace refuses while the data directory is not in place.
func (vol *volume) inPlace() error {
	if s := vol.away.Load(); s != nil {
		return journal.ErrUnavailable.With("The files cannot be reached at the moment. Try again later; if this persists, tell the operator.").
			Because(errors.New(*s))
	}
	return nil
}

// diskError turns an error of the disk into its problem: it is full, or it
// does not do what it should. What is no error of the kernel, or was judged
// before, stays.
func (vol *volume) diskError(err error) error {
	_, judged := errors.AsType[*httpx.Problem](err)
	_, database := db.KindOf(err)
	switch {
	case judged || database:
		return err
	case disk.Full(err):
		return errNoSpace.Because(err)
	case disk.Failed(err):
		return journal.ErrUnavailable.With("The disk reported an error. Try again later; if this persists, tell the operator.").Because(err)
	}
	return err
}

var errNoSpace = httpx.NewProblem(507, "insufficient_storage", "The server's storage is full").
	With("Nothing was stored. Tell the operator, or try again when there is space.")

const (
	// unreserved is how many bytes an upload may declare without a
	// reservation: the commit checks the quota anyway, and small files are
	// many.
	unreserved = 1 << 20
	// firstGrowth and mostGrowth bound the steps by which an upload of
	// unknown length reserves ahead of what it receives.
	firstGrowth = 1 << 20
	mostGrowth  = 64 << 20
)

// checkFree refuses bytes that would leave less free space than the floor,
// with all that uploads under way in this worker have declared and not yet
// written.
func (vol *volume) checkFree(more int64) error {
	_, free, err := vol.disk.Space()
	if err != nil {
		return vol.diskError(err)
	}
	if free-vol.incoming.Load()-more < vol.minFree {
		return errNoSpace
	}
	return nil
}

// expect counts the bytes that an upload has declared as taken, so that many
// at once cannot pass the floor together. What is written counts no more, and
// done forgets the rest.
func (vol *volume) expect(s *staged, declared int64) (done func(), err error) {
	s.due = declared
	vol.incoming.Add(declared)
	done = func() {
		vol.incoming.Add(-s.due)
		s.due = 0
	}
	if err = vol.checkFree(0); err != nil {
		done()
	}
	return done, err
}
