package files

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

// uploadChannel is where a worker asks the others to let go of an upload; the
// payload is its id.
const uploadChannel = "files_upload"

const (
	// lockWait is how long a held lock is waited for, and askAgain how often
	// its holder is asked to let go.
	lockWait = 5 * time.Second
	askAgain = time.Second
)

// errLocked is the refusal that clients of tus repeat, whatever passes by
// itself.
var errLocked = httpx.NewProblem(423, "upload_locked", "The upload is in use").With("Try again in a moment.").RetryAfter(time.Second)

// seized is an upload with its lock, which is the kernel's on its staging
// file: it ends with the process and holds between workers. Nobody else
// writes to the file or changes the row meanwhile. An upload that has ended,
// or lost its file, has no file and needs no lock.
//
// While a body is read, who wants the upload ends that read: the client that
// sends it is mostly gone, and only the next one knows.
type seized struct {
	upload
	file   *os.File
	wanted context.Context // done: somebody else asks for the upload
	want   context.CancelFunc
}

// interrupt asks the holder in this worker, if there is one, to stop.
func (up *uploads) interrupt(id uuid.UUID) (found bool) {
	x, found := up.held.Load(id)
	if found {
		x.(*seized).want()
	}
	return found
}

// letGo gives the lock up.
func (up *uploads) letGo(x *seized) {
	up.held.CompareAndDelete(x.id, x)
	if x.file != nil {
		x.file.Close()
		x.file = nil
	}
}

// own finds the upload that the wildcard {id} names: nobody goes on with
// another's, in no space, and with none where they may not write any more.
func (up *uploads) own(r *http.Request) (context.Context, upload, error) {
	ctx := r.Context()
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return ctx, upload{}, err
	}
	if err := up.vol.inPlace(); err != nil {
		return ctx, upload{}, err
	}
	u, err := uploadByID(ctx, up.db, id)
	if err == nil && u.sender != httpx.CallerOf(ctx).UserID {
		err = db.ErrNotFound
	}
	if err != nil {
		return ctx, u, err
	}
	d, err := parseDestination(u.metadata)
	if err != nil {
		return ctx, u, err
	}
	in, v, err := up.enter(ctx, d)
	if err == nil && v.owner != u.owner { // the folder has gone meanwhile
		in, _, err = up.trees.enter(ctx, visit{owner: u.owner}, editor)
	}
	return in, u, err
}

// resume takes the upload that the wildcard {id} names, if it is open or finished.
func (up *uploads) resume(r *http.Request) (context.Context, *seized, error) {
	ctx, u, err := up.own(r)
	if err != nil {
		return ctx, nil, err
	}
	x, err := up.seize(ctx, u)
	if err != nil {
		return ctx, nil, err
	}
	switch {
	case x.state == uploadExpired || x.state == uploadOpen && x.expired:
		err = errUploadExpired
	case x.state == uploadDeleted || x.state == uploadOpen && x.file == nil:
		err = httpx.ErrNotFound
	}
	if err != nil {
		up.letGo(x)
	}
	return ctx, x, err
}

// seize takes an upload for a request. When its lock is held the holder is
// asked to stop, here or by way of the database in another worker: it stores
// what it has and lets go. After five seconds errLocked.
func (up *uploads) seize(ctx context.Context, u upload) (*seized, error) {
	x := &seized{upload: u}
	if u.state != uploadOpen {
		return x, nil
	}
	file, err := up.vol.disk.OpenStaged(uploadPath(u.owner, u.id))
	if err == nil {
		x.file = file
		err = up.lockUpload(ctx, file, u.id)
	}
	if ignoreNotExist(err) == nil {
		// The holder of before may have ended the upload, and put its file in
		// place: what was locked then is never written to.
		x.upload, err = uploadByID(ctx, up.db, u.id)
	}
	if err != nil || x.state != uploadOpen || x.file == nil {
		up.letGo(x)
		return x, err
	}
	x.wanted, x.want = context.WithCancel(context.Background())
	up.held.Store(x.id, x)
	info, err := file.Stat()
	if err == nil && info.Size() < x.offset {
		err = fmt.Errorf("the upload %s has %d bytes on the disk, but %d were durable", x.id, info.Size(), x.offset)
	}
	if err != nil {
		up.letGo(x)
	}
	return x, err
}

// lockUpload waits for the lock on a staging file.
func (up *uploads) lockUpload(ctx context.Context, file *os.File, id uuid.UUID) error {
	began := time.Now()
	var asked time.Time
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		locked, err := disk.Lock(file)
		switch {
		case locked || err != nil:
			return err
		case time.Since(began) > lockWait:
			return errLocked
		}
		if !up.interrupt(id) && time.Since(asked) > askAgain {
			asked = time.Now()
			if err := db.Notify(ctx, up.db, uploadChannel, id.String()); err != nil {
				return err
			}
		}
		if !db.Sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}
