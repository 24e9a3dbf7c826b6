package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"os"
	"time"

	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"
)

// What is received is made durable after so many bytes or so much time: what
// a kill takes from the client is at most this.
const (
	saveBytes = 32 << 20
	saveEvery = 5 * time.Second
)

var (
	errUploadTooLong = httpx.ErrBodyTooLarge.With("The bytes go beyond Upload-Length.")
	// errInterrupted ends the older of two requests for one upload. Were it
	// one that clients repeat, two of them would take it from each other for
	// ever.
	errInterrupted = httpx.NewProblem(400, "upload_interrupted", "Another request has taken over the upload")
)

// chunk is the body of one request and the checksum that it must have, if any.
type chunk struct {
	w       http.ResponseWriter
	body    io.Reader
	length  int64 // -1: not declared
	running hash.Hash
	sum     []byte
}

// left is how many bytes the upload may still take.
func (x *seized) left() int64 {
	if x.length == nil {
		return math.MaxInt64 - x.offset
	}
	return *x.length - x.offset
}

// receiveChunk takes a chunk in behind the durable offset. Whatever ends it,
// the bytes that arrived count, except in three cases: a chunk with a checksum
// counts whole or not at all, and one that goes beyond the length, or of which
// a part could not be saved, only as far as it was saved before.
func (up *uploads) receiveChunk(ctx context.Context, x *seized, c chunk) error {
	if c.length > x.left() {
		return errUploadTooLong
	}
	sum, err := x.hash()
	if err != nil {
		return err
	}
	// What a killed process wrote beyond the offset was never counted.
	if err := x.file.Truncate(x.offset); err != nil {
		return up.vol.diskError(err)
	}
	if _, err := x.file.Seek(x.offset, io.SeekStart); err != nil {
		return err
	}
	s := &staged{Put: journal.Put{Owner: x.owner, Op: x.id, File: x.file, Size: x.offset}, reserved: x.reserved}
	arrived, err := up.vol.expect(s, max(c.length, 0))
	if err != nil {
		return err
	}
	unhook := context.AfterFunc(x.wanted, func() {
		// An error says that the request is over already.
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
	})
	in := intake{body: c.body, left: x.left(), ahead: x.length == nil, sum: sum, piece: c.running}
	var unsaved error
	if c.running == nil {
		in.save = func() error {
			if unsaved = up.trees.still(ctx, mayWrite, editor); unsaved == nil {
				unsaved = up.save(ctx, x, s, sum)
			}
			return unsaved
		}
	}
	ended := up.wr.receive(ctx, s, in)
	arrived()
	unhook()
	if x.wanted.Err() != nil {
		// The connection's deadline may have passed after the last read.
		c.w.Header().Set("Connection", "close")
		if errors.Is(ended, os.ErrDeadlineExceeded) {
			ended = errInterrupted.Because(ended)
		}
	}
	x.reserved = s.reserved
	if c.running != nil && ended == nil && !bytes.Equal(c.running.Sum(nil), c.sum) {
		ended = errChecksumDiff
	}
	// After bytes that could not be saved a second flush would say that all is well:
	// the system tells of lost bytes once.
	if unsaved != nil || c.running != nil && ended != nil || errors.Is(ended, errUploadTooLong) {
		err = up.vol.diskError(x.file.Truncate(x.offset))
	} else {
		err = up.save(ctx, x, s, sum)
	}
	return cmp.Or(err, slowed(ended))
}

// slowed turns the end of a body that came too slowly into what clients of
// tus repeat.
func slowed(err error) error {
	if p, ok := errors.AsType[*httpx.Problem](err); ok && p.Status == http.StatusRequestTimeout {
		return errLocked.With("The bytes came too slowly. What arrived was kept; continue from Upload-Offset.").Because(err)
	}
	return err
}

// finish puts a complete upload in place by the same commit as a PUT. Hours
// may have passed: whether the caller's session lives and may write there, whether
// the folder is there and the quota suffices, is all asked again. The client
// need not be there any more; what fails for now is tried again at the next
// request.
func (up *uploads) finish(ctx context.Context, x *seized) error {
	ctx = context.WithoutCancel(ctx)
	if err := up.trees.still(ctx, mayWrite, editor); err != nil {
		return err
	}
	d, err := parseDestination(x.metadata)
	if err != nil {
		return err
	}
	find := d.find(x.owner)
	at, err := find(ctx, up.db)
	if err != nil {
		return err
	}
	sum, err := x.hash()
	if err != nil {
		return err
	}
	s := &staged{modified: d.modified, Put: journal.Put{Owner: x.owner, Op: journal.NewID(), Upload: x.id,
		Staged: uploadPath(x.owner, x.id), File: x.file, Size: x.offset, SHA256: sum.Sum(nil)}}
	it, _, err := up.wr.place(ctx, s, at, find, http.Header{"Content-Type": {d.mediaType}})
	if err == nil {
		x.state, x.item = uploadFinished, &it.ID
		return nil
	}
	if !errors.Is(err, journal.ErrEnded) {
		return err
	}
	x.upload, err = uploadByID(ctx, up.db, x.id)
	if err == nil && x.state != uploadFinished {
		err = fmt.Errorf("%w: %s", db.ErrNotFound, x.state)
	}
	return err
}
