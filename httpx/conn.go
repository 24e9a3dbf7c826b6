package httpx

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// limited lets only so many connections in; the others wait where the kernel
// keeps them. Without it, strangers who open connections and say nothing
// would take the descriptors that files and the database need.
type limited struct {
	net.Listener
	server  *Server
	permits chan struct{} // holds one for each connection
}

// Accept waits for a permit before it takes a connection from the kernel: what
// was taken is answered, what was not is left to the next process that has the
// same socket. Permits come free by the timeouts of a request at the latest. A
// client that has too many connections loses the new one.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.permits <- struct{}{}:
	case <-l.server.draining:
		return nil, net.ErrClosed
	}
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			<-l.permits
			return nil, err
		}
		c := &conn{Conn: accepted, listener: l}
		if l.server.holdConnection(c) {
			if socket, ok := accepted.(syscall.Conn); ok {
				c.raw, _ = socket.SyscallConn()
			}
			return c, nil
		}
		l.server.slots.free(c.slots)
		accepted.Close()
	}
}

// open is how many connections there are.
func (l *limited) open() int { return len(l.permits) }

// holdConnection takes a slot of each network of the peer. One connection of a
// proxy is many clients', so a trusted peer has none.
func (s *Server) holdConnection(c *conn) bool {
	peer, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // a unix socket has none, and no bound
	addr := peer.Addr().Unmap().WithZone("")
	return s.limiter == nil || s.trusts(addr) || s.slots.take(&c.slots, slotConnection, clientsAt(addr))
}

// conn is a client's connection. It gives its permit back when it is closed, and
// gives each write a deadline of its own.
type conn struct {
	net.Conn
	raw      syscall.RawConn // nil: it is no socket
	listener *limited
	slots    []slot
	closed   sync.Once
	sending  atomic.Bool // a file
	// Only the goroutine that answers uses these.
	until       time.Time // the deadline of writes in force
	answer      *response // whose head is the next write; nil: it has left
	moreFollows bool      // that write is the beginning of what goes on at once: it is held back
	held        *[]byte   // from heads; nil: nothing
}

// heads are buffers for the beginnings of answers: what net/http gathers before it
// writes, and what every answer carries.
var heads = sync.Pool{New: func() any { return new(make([]byte, 0, 5<<10)) }}

// Close does not wait for a file that is being sent: a client that is faster than the
// disk takes it to its end by one call, which only the end of the stream breaks off.
func (c *conn) Close() error {
	if c.sending.Load() {
		c.CloseWrite()
	}
	err := c.Conn.Close()
	c.closed.Do(func() {
		c.listener.server.slots.free(c.slots)
		<-c.listener.permits
	})
	return err
}

// Write completes the head of an answer, and holds its beginning back for what
// follows it, so that both leave by one call, in one packet, and wake the peer once.
// net/http writes what it has gathered, which is the head and the body's first
// bytes, and then the rest.
func (c *conn) Write(p []byte) (n int, err error) {
	switch {
	case c.answer != nil:
		c.held = heads.Get().(*[]byte)
		*c.held = c.answer.appendHead((*c.held)[:0], p)
		c.answer = nil
		if c.moreFollows {
			return len(p), nil
		}
		defer c.release()
		c.roll(len(*c.held))
		if _, err := c.Conn.Write(*c.held); err != nil {
			return 0, err
		}
		return len(p), nil
	case c.held == nil:
		c.roll(len(p))
		return c.Conn.Write(p)
	}
	c.roll(len(*c.held) + len(p))
	both := net.Buffers{*c.held, p}
	sent, err := both.WriteTo(c.Conn)
	n = max(int(sent)-len(*c.held), 0)
	c.release()
	return n, err
}

func (c *conn) release() {
	heads.Put(c.held)
	c.held = nil
}

func (c *conn) sendHead(p []byte) (err error) {
	c.roll(len(p))
	if c.raw == nil {
		_, err = c.Conn.Write(p)
		return err
	}
	var failed error
	err = c.raw.Write(func(fd uintptr) bool {
		for len(p) > 0 && failed == nil {
			var sent int
			sent, failed = syscall.SendmsgN(int(fd), p, nil, nil, syscall.MSG_MORE|syscall.MSG_NOSIGNAL)
			p = p[max(sent, 0):]
			if failed == syscall.EINTR {
				failed = nil
			}
		}
		if failed != syscall.EAGAIN {
			return true
		}
		failed = nil
		return false
	})
	return cmp.Or(err, os.NewSyscallError("sendmsg", failed))
}

// roll gives the next write its deadline, by its size. One that differs little from
// that in force is not worth the work.
func (c *conn) roll(size int) {
	pace := &c.listener.server.pace
	wait := pace.stall + time.Duration(size)*time.Second/time.Duration(pace.minSend)
	until := time.Now().Add(wait)
	if until.Sub(c.until).Abs() >= pace.stall/32 {
		c.until = until
		c.Conn.SetWriteDeadline(until)
	}
}

// SetWriteDeadline is how net/http lifts the deadline after an answer, which it need
// not: the next write has its own. A handler that asks for one is told that it has none.
func (c *conn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// CloseWrite is what net/http does before it closes a connection whose client
// still sends, so that the client can read the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// connKey is where a request's context has its connection.
type connKey struct{}

// connOf is the connection of a request; a new one outside of Serve.
func connOf(ctx context.Context) *conn {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c
	}
	return new(conn)
}
