package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"sync"
	"syscall"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copyBuffer is the size of one write. io.Copy's 32 KiB cost eight times as
// many system calls; the buffers are kept, so an upload costs one of them.
const copyBuffer = 256 << 10

// flushEvery is how many bytes are written before the kernel is told to begin
// with them, so that the fsync at the end finds little left.
const flushEvery = 16 << 20

var buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// staged are bytes on their way in: a file that no row points to yet.
type staged struct {
	// Put is what is known of them: the item is zero before mark. The resumable
	// upload that they came by keeps them when the commit fails, and ends with it
	// otherwise.
	journal.Put
	modified time.Time // when the bytes were written, zero: now
	reserved int64     // bytes held in uploads
	due      int64     // bytes that were declared and are not written yet
	from     *stranger // nil: the owner sends them
	version  int64     // the revision of the version that they are copied from
}

// newStaged is a new op of bytes that have no file yet.
func newStaged(owner uuid.UUID) *staged {
	return &staged{Put: journal.Put{Owner: owner, Op: journal.NewID()}}
}

// stranger is who sends a file by the link of a share.
type stranger struct {
	share uuid.UUID
	// holds is asked with the commit whether the link still does.
	holds func(ctx context.Context, q db.Querier) error
	// also is written with it; may be nil.
	also func(b *pgx.Batch)
}

// drop removes what an upload or a copy that came to nothing has left: the
// bytes, then the reservation, if need be later. What a crash leaves is found by
// recovery.
func (wr *writer) drop(ctx context.Context, s *staged) {
	if s.Upload != uuid.Nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journal.Timeout)
	defer cancel()
	var err error
	if s.Staged != "" {
		err = wr.vol.disk.RemoveAll(s.Staged)
	}
	if s.reserved > 0 {
		err = errors.Join(err, wr.journal.Release(ctx, s.Owner, s.Op))
	}
	if err != nil {
		wr.log.WarnContext(ctx, "cannot remove what was staged, or release its reservation, yet", "op", s.Op, "error", err)
		if s.reserved > 0 { // bytes that nobody holds space for wait for a recovery
			wr.journal.UndoLater(s.Op, func(ctx context.Context) { wr.drop(ctx, s) })
		}
	}
}

// intake is a body on its way into a staging file.
type intake struct {
	body io.Reader
	left int64 // how many bytes may come
	// ahead reserves space as they come, beyond the bytes that they displace.
	ahead    bool
	displace int64
	sum      hash.Hash // of the whole file so far
	piece    hash.Hash // of this body alone; may be nil
	// save makes what has come durable, every so often; may be nil.
	save func() error
}

// receive is the one way in of bytes: it appends a body to a staging file and
// hashes it in the same pass. nil is the body's regular end.
func (wr *writer) receive(ctx context.Context, s *staged, in intake) error {
	buf := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buf)
	savedAt, saved := time.Now(), s.Size
	for {
		room := int64(copyBuffer)
		if in.left < room {
			room = in.left + 1 // tells too long from just full
		}
		n, ended := fill(in.body, buf[:room])
		if in.left -= int64(n); in.left < 0 {
			return errUploadTooLong
		}
		if n > 0 && in.ahead {
			if err := wr.grow(ctx, s, int64(n)-in.displace); err != nil {
				return err
			}
		}
		if in.piece != nil {
			in.piece.Write(buf[:n])
		}
		if err := wr.write(s, in.sum, buf[:n]); err != nil {
			return err
		}
		if errors.Is(ended, io.EOF) {
			return nil
		}
		if ended != nil {
			return ended
		}
		if in.save != nil && (s.Size-saved >= saveBytes || time.Since(savedAt) >= saveEvery) {
			if err := in.save(); err != nil {
				return err
			}
			savedAt, saved = time.Now(), s.Size
		}
	}
}

// receiveWhole is P1 of a plain upload: the body into the staging file.
// declared is the Content-Length, -1 without one; displaced are bytes that
// need not be reserved.
func (wr *writer) receiveWhole(ctx context.Context, s *staged, body io.Reader, declared, displaced int64) error {
	done, err := wr.vol.expect(s, max(declared, 0))
	if err != nil {
		return err
	}
	defer done()
	in := intake{body: body, left: declared, displace: displaced, sum: sha256.New(),
		ahead: declared < 0 || s.from != nil && declared > unreserved}
	if declared < 0 {
		in.left = math.MaxInt64
	}
	if err := wr.receive(ctx, s, in); err != nil {
		return err
	}
	if declared >= 0 && s.Size != declared {
		// net/http ends a body by EOF only at its declared length.
		return fmt.Errorf("received %d of %d bytes: %w", s.Size, declared, io.ErrUnexpectedEOF)
	}
	s.SHA256 = in.sum.Sum(nil)
	return nil
}

// fill reads until the buffer is full or the body ends.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = body.Read(buf[n:])
		n += m
	}
	return n, err
}

func (wr *writer) write(s *staged, sum hash.Hash, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := s.File.Write(b); err != nil {
		return wr.vol.diskError(err)
	}
	sum.Write(b)
	before := s.Size
	s.Size += int64(len(b))
	written := min(s.due, int64(len(b)))
	s.due -= written
	wr.vol.incoming.Add(-written)
	if before/flushEvery != s.Size/flushEvery {
		// A hint alone: whether the bytes arrived is for fsync to say.
		from := before / flushEvery * flushEvery
		_ = syscall.SyncFileRange(int(s.File.Fd()), from, flushEvery, 2 /* SYNC_FILE_RANGE_WRITE */)
		// Others write to this disk too.
		return wr.vol.checkFree(0)
	}
	return nil
}

// grow reserves ahead for an upload that has not told its length, or that a
// stranger sends: what is promised and never comes must not hold an owner's
// space. It is as much again as has come.
func (wr *writer) grow(ctx context.Context, s *staged, more int64) error {
	needed := s.Size + more - s.reserved
	if needed <= 0 {
		return nil
	}
	step, err := wr.journal.Reserve(ctx, s.Owner, s.Op, needed, max(needed, min(max(s.Size, firstGrowth), mostGrowth)))
	switch {
	case errors.Is(err, journal.ErrQuota):
		return journal.ErrQuota.With("The rest of the upload does not fit. Delete something, or ask for more space.")
	case err != nil:
		return err
	}
	s.reserved += step
	return nil
}

// mark gives the staged file what it is found again by: its time, its sum, and
// the id of what it replaces or one of its own. The commit makes it durable.
func (wr *writer) mark(s *staged, at spot) error {
	item := s.Item
	switch {
	case at.item != nil:
		item = at.item.ID
	case item == uuid.Nil || s.Replaces: // what was to be replaced went elsewhere
		item = journal.NewID()
	}
	if item == s.Item {
		return nil
	}
	if s.modified.IsZero() {
		s.modified = time.Now()
	}
	if err := disk.SetTime(s.File, s.modified); err != nil {
		return wr.vol.diskError(err)
	}
	info, err := s.File.Stat()
	if err != nil {
		return wr.vol.diskError(err)
	}
	s.MTime, s.Ino = disk.MTime(info), disk.Inode(info)
	if err := disk.SetMark(s.File, item, s.SHA256, s.Size, s.MTime); err != nil {
		return wr.vol.diskError(err)
	}
	s.Item, s.Replaces = item, at.item != nil
	return nil
}

// verify holds the received bytes against the sums that the client sent.
func (s *staged) verify(wanted [][]byte) error {
	for _, sum := range wanted {
		if !bytes.Equal(sum, s.SHA256) {
			return errDigestMismatch.With("The bytes that arrived have a different SHA-256. Nothing was stored; send them again.")
		}
	}
	return nil
}
