package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
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

// holders are the uploads whose lock this worker has.
type holders struct {
	mu   sync.Mutex
	held map[uuid.UUID]*holder
}

// holder has one of them. While it reads a body, who wants the upload ends
// that read: the client that sends it is mostly gone, and only the next one
// knows.
type holder struct {
	reading     *http.ResponseController // nil: it will let go by itself
	interrupted bool
}

func (h *holders) add(id uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[id] = &holder{}
}

// read makes the read of the holder's body one that can be ended, until done
// is called, which reports whether someone wanted that.
func (h *holders) read(id uuid.UUID, w http.ResponseWriter) (done func() (interrupted bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.held[id]
	x.reading = http.NewResponseController(w)
	if x.interrupted {
		x.stop()
	}
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		x.reading = nil
		return x.interrupted
	}
}

func (x *holder) stop() {
	// An error says that the request is over already.
	_ = x.reading.SetReadDeadline(time.Unix(1, 0))
}

func (h *holders) remove(id uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, id)
}

// interrupt asks the holder in this worker, if there is one, to stop.
func (h *holders) interrupt(id uuid.UUID) (found bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, found := h.held[id]
	if found && !x.interrupted {
		x.interrupted = true
		if x.reading != nil {
			x.stop()
		}
	}
	return found
}

// seized is an upload with its lock, which is the kernel's on its staging
// file: it ends with the process and holds between workers. Nobody else
// writes to the file or changes the row meanwhile. An upload that has ended,
// or lost its file, has no file and needs no lock.
type seized struct {
	upload
	file  *os.File
	unreg func()
}

// letGo gives the lock up.
func (x *seized) letGo() {
	if x.file != nil {
		x.unreg()
		x.file.Close()
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

// resume takes the upload that the wildcard {id} names.
func (up *uploads) resume(r *http.Request) (context.Context, *seized, error) {
	ctx, u, err := up.own(r)
	if err != nil {
		return ctx, nil, err
	}
	x, err := up.seize(ctx, u)
	if err != nil {
		return ctx, nil, err
	}
	if err := x.standing(); err != nil {
		x.letGo()
		return ctx, nil, err
	}
	return ctx, x, nil
}

// standing refuses what is neither open nor finished.
func (x *seized) standing() error {
	switch {
	case x.state == uploadFinished:
		return nil
	case x.state == uploadExpired || x.state == uploadOpen && x.expired:
		return errUploadExpired
	case x.state == uploadDeleted || x.file == nil:
		return httpx.ErrNotFound
	}
	return nil
}

// seize takes an upload for a request. When its lock is held the holder is
// asked to stop, here or by way of the database in another worker: it stores
// what it has and lets go. After five seconds errLocked.
func (up *uploads) seize(ctx context.Context, u upload) (*seized, error) {
	if u.state != uploadOpen {
		return &seized{upload: u}, nil
	}
	id := u.id
	file, err := up.vol.disk.OpenStaged(uploadPath(u.owner, id))
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, err
	}
	if !gone {
		if err := up.lockUpload(ctx, file, id); err != nil {
			file.Close()
			return nil, err
		}
	}
	// The holder of before may have ended the upload, and put its file in
	// place: what was locked then is never written to.
	u, err = uploadByID(ctx, up.db, id)
	if err != nil || u.state != uploadOpen || gone {
		if !gone {
			file.Close()
		}
		return &seized{upload: u}, err
	}
	up.holders.add(id)
	x := &seized{upload: u, file: file, unreg: func() { up.holders.remove(id) }}
	info, err := file.Stat()
	if err == nil && info.Size() < u.offset {
		err = fmt.Errorf("the upload %s has %d bytes on the disk, but %d were durable", id, info.Size(), u.offset)
	}
	if err != nil {
		x.letGo()
		return nil, err
	}
	return x, nil
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
		if !up.holders.interrupt(id) && time.Since(asked) > askAgain {
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
