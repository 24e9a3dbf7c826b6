package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"homebase/db"
	"homebase/files/disk"

	"github.com/google/uuid"
)

// settleTime is how far two looks are apart that see a file as it was, before
// its bytes are believed: who copies may still be writing. Its time says
// nothing: a camera's clock may be ahead, and who copies may set it back.
const settleTime = 2 * time.Second

// refusal says why something cannot be taken over. It is reported, and all else goes
// on.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errFresh   refusal = "it is being written; scan again in a moment"
	errForeign refusal = "it cannot be read or marked; make the user that the server runs as its owner"
)

var errGoneOn = errors.New("it changed in the meantime")

// prepare does before the lock all that takes long: it reads sums, lets
// entries carry their ids, and makes durable what is about to be known. One
// flush of the file system stands for one of each file and folder.
func (rc *reconciler) prepare(ctx context.Context, batch []*finding, report *scanReport) (ready []*finding, err error) {
	marked := false
	for _, d := range batch {
		err := rc.prepareOne(ctx, d)
		why, refused := errors.AsType[refusal](err)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case refused:
			report.problem(d.path, string(why))
		case errors.Is(err, errGoneOn):
		case err != nil:
			return nil, err
		default:
			ready, marked = append(ready, d), marked || d.kind != findMissing
		}
	}
	if marked {
		err = rc.vol.diskError(rc.vol.disk.SyncAll())
	}
	return ready, err
}

// prepareOne prepares what lies on the disk.
func (rc *reconciler) prepareOne(ctx context.Context, d *finding) error {
	switch d.kind {
	case findMissing:
		return nil
	case findRefused:
		return d.why
	}
	moved := d.kind == findMoved && (!d.isFile() || d.row.matches(d.info))
	file, err := rc.vol.disk.Look(d.path, d.info)
	switch {
	case disk.Failed(err):
		return errForeign
	case err != nil:
		return errGoneOn
	}
	defer file.Close()
	if d.isFile() && d.sum == nil && !moved {
		if d.sum = disk.Sum(file, d.info); d.sum == nil {
			if wait := settleTime - time.Since(d.seen); wait > 0 && !db.Sleep(ctx, wait) {
				return context.Cause(ctx)
			}
			if err := stillAs(d.info, file); err != nil {
				return err
			}
			if d.sum, err = sumOf(ctx, file); err != nil {
				return errForeign
			}
		}
	}
	if err := stillAs(d.info, file); err != nil {
		return err
	}
	if d.isFile() {
		d.head = headOf(d.name(), file)
	}
	id := disk.ID(file)
	if d.remark = id != uuid.Nil && id != d.row.ID; d.remark {
		return nil
	}
	err = d.mark(file)
	if errors.Is(err, fs.ErrPermission) {
		return errForeign
	}
	return rc.vol.diskError(err)
}

func (d *finding) mark(file *os.File) error {
	sum := d.sum
	if sum == nil {
		sum = d.row.SHA256
	}
	return disk.Mark(file, d.row.ID, sum, d.info)
}

// stillAs says what an open file is when an earlier look saw it otherwise.
func stillAs(seen fs.FileInfo, file *os.File) error {
	now, err := file.Stat()
	switch {
	case err != nil || !os.SameFile(seen, now):
		return errGoneOn
	case !unchangedSince(seen, now):
		return errFresh
	}
	return nil
}

// unchangedSince reports whether two looks saw the same entry, and of a file
// the same bytes.
func unchangedSince(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) &&
		(before.IsDir() || before.Size() == now.Size() && before.ModTime().Equal(now.ModTime()))
}

// sumOf is the SHA-256 of an open file.
func sumOf(ctx context.Context, file io.Reader) ([]byte, error) {
	buf := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buf)
	sum := sha256.New()
	for {
		n, err := file.Read(buf[:])
		sum.Write(buf[:n])
		switch {
		case errors.Is(err, io.EOF):
			return sum.Sum(nil), nil
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
	}
}

// sumAt is the SHA-256 of the file that was seen at a path, carried or read;
// nil when it cannot be read.
func (rc *reconciler) sumAt(ctx context.Context, p string, info fs.FileInfo) ([]byte, error) {
	file, now, err := rc.vol.disk.Open(p)
	if err != nil {
		return nil, ctx.Err()
	}
	defer file.Close()
	var sum []byte
	if unchangedSince(info, now) {
		if sum = disk.Sum(file, now); sum == nil {
			sum, _ = sumOf(ctx, file)
		}
	}
	return sum, ctx.Err()
}
