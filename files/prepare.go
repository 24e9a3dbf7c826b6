package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"homebase/files/disk"

	"github.com/google/uuid"
)

var (
	errFresh   = errors.New("it is being written; scan again in a moment")
	errGoneOn  = errors.New("it was changed meanwhile")
	errForeign = errors.New("it cannot be read or marked; give it to the user that the server runs as")
)

// prepareSome prepares a batch and gives back what has to go on.
func (f *Files) prepareSome(ctx context.Context, batch []*difference, report *scanReport) (ready []*difference, err error) {
	for _, d := range batch {
		switch err := f.prepare(ctx, d); {
		case errors.Is(err, errFresh), errors.Is(err, errForeign):
			report.problem(d.place, err.Error())
		case errors.Is(err, errGoneOn):
		case err != nil:
			return nil, err
		case d.kind != diffUnmarked || d.remark:
			ready = append(ready, d)
		}
	}
	return ready, nil
}

// prepare makes durable what is about to be known, reads its sum and lets it
// carry its id: all that takes long, before the lock.
func (f *Files) prepare(ctx context.Context, d *difference) error {
	if d.kind == diffMissing || d.kind == diffReturned {
		return ctx.Err()
	}
	file, err := f.disk.Look(d.place, d.info)
	if err != nil {
		return unreachable(err)
	}
	defer file.Close()
	// What was replaced since is not what was seen, and never half written.
	if err := stillAs(d.info, file); err != nil {
		return err
	}
	if d.isFile() && d.sum == nil && !(d.kind == diffMoved && d.item.matches(d.info)) {
		if d.sum = disk.Sum(file, d.info); d.sum == nil {
			if time.Since(d.info.ModTime()) < settleTime {
				return errFresh
			}
			if d.sum, err = sumOf(ctx, file); err != nil {
				return err
			}
		}
	}
	if err := stillAs(d.info, file); err != nil {
		return err
	}
	id := disk.ID(file)
	if d.remark = id != (uuid.UUID{}) && id != d.item.ID; d.remark {
		err = file.Sync()
	} else {
		err = d.mark(file)
	}
	if errors.Is(err, fs.ErrPermission) {
		return errForeign
	}
	if err != nil {
		return f.diskError(err)
	}
	return unreachable(f.disk.SyncFolder(path.Dir(d.place)))
}

func (d *difference) mark(file *os.File) error {
	sum := d.sum
	if sum == nil {
		sum = d.item.SHA256
	}
	return disk.Mark(file, d.item.ID, sum, d.info)
}

// settleMark gives what carries another id its own. That is done under the
// owner's lock alone: before, the other one may just have been renamed here.
func (f *Files) settleMark(d *difference) error {
	if !d.remark {
		return nil
	}
	file, err := f.disk.Look(d.place, d.info)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.diskError(d.mark(file))
}

// unreachable tells what went or may not be opened from an error of the disk.
func unreachable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return errForeign
	case disk.Failed(err):
		return err
	}
	return errGoneOn
}

// stillAs is errGoneOn when an open file is not what an earlier look saw.
func stillAs(seen fs.FileInfo, file *os.File) error {
	now, err := file.Stat()
	if err == nil && !unchangedSince(seen, now) {
		err = errGoneOn
	}
	return err
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

// sumAt is the SHA-256 of the file that was seen at a place, carried or read;
// nil when it is not there any more.
func (f *Files) sumAt(ctx context.Context, place string, info fs.FileInfo) ([]byte, error) {
	file, now, err := f.disk.Open(place)
	if err != nil {
		if disk.Failed(err) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		return nil, nil
	}
	defer file.Close()
	if !unchangedSince(info, now) {
		return nil, nil
	}
	if sum := disk.Sum(file, now); sum != nil {
		return sum, nil
	}
	return sumOf(ctx, file)
}
