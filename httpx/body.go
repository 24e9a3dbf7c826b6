package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errBodyBroken   = NewProblem(400, "invalid_body", "The request body ended early or is framed wrongly")
	errShuttingDown = NewProblem(503, "shutting_down", "The server is being restarted").With("Try again in a moment.").RetryAfter(2*time.Second).withHeader("Connection", "close")
)

// body is the request body with its limit and its rolling read deadline. Its
// errors are sticky. After a timeout the deadline stays expired: if it were
// lifted, net/http would wait for the rest of the body.
type body struct {
	io.ReadCloser
	rc     *http.ResponseController
	pace   *pace
	cut    context.Context // done: the server's patience in the drain is over
	header http.Header     // of the response
	limit  int64           // negative: none
	read   atomic.Int64
	waited time.Duration // the time spent in reads
	err    error
	unhook func() bool

	mu   sync.Mutex // guards own and over, and keeps the deadlines in order
	own  time.Time  // the deadline that a handler or the drain has set, zero for none
	over bool       // the exchange has ended: the connection is no longer ours
}

// Read fails with *http.MaxBytesError past the limit, with a Problem that
// wraps os.ErrDeadlineExceeded when the client is too slow or a handler's
// deadline has passed, and with a Problem when the body is broken.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.unhook == nil {
		b.unhook = context.AfterFunc(b.cut, func() { b.setOwn(time.Unix(1, 0)) })
	}
	if b.limit >= 0 {
		// One byte more than allowed tells too large from just full.
		p = p[:min(int64(len(p)), b.limit-b.read.Load()+1)]
	}
	b.roll()
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(began)
	total := b.read.Add(int64(n))
	switch {
	case b.limit >= 0 && total > b.limit:
		n, err = n-1, &http.MaxBytesError{Limit: b.limit}
	case err == io.EOF:
		// From here on net/http watches whether the client goes away; a
		// deadline left behind would look as if it had.
		b.setDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = b.end(err)
	case err != nil:
		err = errBodyBroken.Because(err)
	case b.limit >= 0 && b.waited > b.pace.whole, b.waited > b.pace.grace && total < b.pace.minRead*int64(b.waited/time.Second):
		err = b.end(fmt.Errorf("%d bytes in %v: %w", total, b.waited, os.ErrDeadlineExceeded))
	}
	b.err = err
	return n, err
}

// end gives up on the connection.
func (b *body) end(cause error) error {
	b.setDeadline(time.Unix(1, 0))
	b.header.Set("Connection", "close")
	if b.cut.Err() != nil {
		return errShuttingDown.Because(cause)
	}
	return errSlowBody.Because(cause)
}

// roll gives the next read its deadline. An earlier one that the handler or the drain
// has set takes precedence.
func (b *body) roll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	deadline := time.Now().Add(b.pace.stall)
	if !b.own.IsZero() && b.own.Before(deadline) {
		deadline = b.own
	}
	b.rc.SetReadDeadline(deadline)
}

func (b *body) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.rc.SetReadDeadline(t)
	}
}

// setOwn sets a deadline that rolling does not undo.
func (b *body) setOwn(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return net.ErrClosed
	}
	b.own = t
	return b.rc.SetReadDeadline(t)
}

// settle is called before the answer begins: net/http reads what is left of
// the body before it sends the headers, and without a deadline a client that
// sends nothing more would hold the connection for ever. The wait is well
// within the deadline that the answer's first write gets.
func (b *body) settle() {
	if b.err == nil && b.ReadCloser != http.NoBody {
		b.setDeadline(time.Now().Add(b.pace.stall / 6))
	}
}

// stop is called when the exchange is over.
func (b *body) stop() {
	if b.unhook != nil {
		b.unhook()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// limitBody refuses a body that its Content-Length says is too large before
// one byte of it is read, and bounds one of unknown length.
func limitBody(x *exchange, r *http.Request) error {
	limit := x.route.Body
	switch {
	case limit == Stream:
		limit = -1
	case x.route.Forgiving:
	case limit == 0 && r.ContentLength != 0:
		return saysNothing(x, r)
	case r.ContentLength > limit:
		return bodyTooLarge(limit)
	}
	x.body.limit = limit
	return nil
}

// saysNothing refuses a body where none is taken, unless it is empty in all but
// form: many clients send {} or null with every POST or DELETE.
func saysNothing(x *exchange, r *http.Request) error {
	x.body.limit = 16
	text, err := io.ReadAll(r.Body)
	if text = bytes.TrimSpace(text); err != nil || len(text) > 0 && string(text) != "{}" && string(text) != "null" {
		return bodyTooLarge(0)
	}
	return nil
}

func bodyTooLarge(limit int64) *Problem {
	if limit == 0 {
		return ErrBodyTooLarge.With("This takes no request body.")
	}
	return ErrBodyTooLarge.With(fmt.Sprintf("At most %d bytes are accepted here.", limit))
}
