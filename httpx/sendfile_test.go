package httpx_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// countingListener hands out connections that count how often the socket itself is
// asked to take what is ready, as it is for a head before a file and for the file.
type countingListener struct {
	net.Listener
	noSendfile bool          // the sockets refuse it, as they do what is there only to be appended to
	patience   time.Duration // of the server when it stops; zero: endless
	stop       context.CancelFunc
	asked      atomic.Int64
	deadlines  atomic.Int64 // of writes
	closed     atomic.Int64 // connections
	shut       atomic.Int64 // those whose stream was ended before
}

type countingConn struct {
	*net.TCPConn
	counts *countingListener
}

type countingSocket struct {
	syscall.RawConn
	counts *countingListener
}

func (ln *countingListener) Accept() (net.Conn, error) {
	conn, err := ln.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &countingConn{conn.(*net.TCPConn), ln}
	if ln.noSendfile {
		socket, err := c.TCPConn.SyscallConn()
		if err != nil {
			return nil, err
		}
		socket.Control(func(fd uintptr) {
			syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFL, syscall.O_NONBLOCK|syscall.O_APPEND)
		})
	}
	return c, nil
}

func (c *countingConn) SetWriteDeadline(at time.Time) error {
	c.counts.deadlines.Add(1)
	return c.TCPConn.SetWriteDeadline(at)
}

func (c *countingConn) Close() error {
	c.counts.closed.Add(1)
	return c.TCPConn.Close()
}

func (c *countingConn) CloseWrite() error {
	c.counts.shut.Add(1)
	return c.TCPConn.CloseWrite()
}

func (c *countingConn) SyscallConn() (syscall.RawConn, error) {
	socket, err := c.TCPConn.SyscallConn()
	return countingSocket{socket, c.counts}, err
}

// Write counts before it sends: the client may have it all, and look at the
// count, before the call returns.
func (s countingSocket) Write(send func(fd uintptr) bool) error {
	s.counts.asked.Add(1)
	return s.RawConn.Write(send)
}

// sendFiles starts a server that has one file, and says that it is longer.
func sendFiles(t *testing.T, ln *countingListener, stall time.Duration, content string, longer int64) *httpxtest.Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if ln.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var s *httpxtest.Server
	s, ln.stop, _ = hurried(t, config(), stall, never, never, cmp.Or(ln.patience, never), ln, route("GET /file", httpx.Public(), func(rt *httpx.Route) {
		rt.Responses = []httpx.Response{
			{Status: 200, Type: "application/x-test", Headers: []string{"Accept-Ranges"}},
			{Status: 206, Type: "application/x-test", Headers: []string{"Accept-Ranges", "Content-Range"}},
		}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			w.Header().Set("Content-Type", "application/x-test")
			httpx.ServeFile(w, r, f, int64(len(content))+longer)
			return nil
		}
	}))
	return s
}

func TestDownload_GoesThroughSendfile(t *testing.T) {
	t.Parallel()
	const size = 10<<20 + 7
	content := strings.Repeat("0123456", size/7+1)[:size]
	ln := &countingListener{}
	c := sendFiles(t, ln, never, content, 0).Client(t)
	if a := c.Do("GET", "/file", nil).Want(t, 200); string(a.Body) != content {
		t.Errorf("%d bytes, or other ones", len(a.Body))
	}
	if asked := ln.asked.Load(); asked != 2 {
		t.Errorf("the head and %d bytes were sent by %d calls", size, asked)
	}
	if a := c.Do("GET", "/file", nil, httpxtest.WithHeader("Range", "bytes=7-6000006")).Want(t, 206); string(a.Body) != content[7:6000007] {
		t.Errorf("%d bytes of a range", len(a.Body))
	}
	// What is small is copied.
	for n, calls := range map[int]int64{1: 0, 511: 0, 4096: 0, 16 << 10: 0, 16<<10 + 1: 2} {
		ln.asked.Store(0)
		if a := c.Do("GET", "/file", nil, httpxtest.WithHeader("Range", fmt.Sprintf("bytes=3-%d", 2+n))).Want(t, 206); string(a.Body) != content[3:3+n] {
			t.Errorf("a range of %d bytes has %d, or other ones", n, len(a.Body))
		}
		if got := ln.asked.Load(); got != calls {
			t.Errorf("a range of %d bytes took %d calls, not %d", n, got, calls)
		}
	}
}

func TestDownload_IsCopiedWhereTheKernelDoesNotSendFiles(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456", 1<<18)
	c := sendFiles(t, &countingListener{noSendfile: true}, never, content, 0).Client(t)
	for range 2 { // on one connection
		if a := c.Do("GET", "/file", nil).Want(t, 200); string(a.Body) != content {
			t.Errorf("%d bytes, or other ones", len(a.Body))
		}
		if a := c.Do("GET", "/file", nil, httpxtest.WithHeader("Range", "bytes=9-100008")).Want(t, 206); string(a.Body) != content[9:100009] {
			t.Errorf("%d bytes of a range, or other ones", len(a.Body))
		}
	}
}

// What is missing is not made up: the answer breaks off.
func TestDownload_OfAFileThatHasBecomeShorterBreaksOff(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 1 << 20} { // copied, and sent by the kernel
		res := raw(t, sendFiles(t, &countingListener{}, never, strings.Repeat("x", size), 1), "GET /api/v1/file HTTP/1.1\r\nHost: x\r\n\r\n")
		if body, err := io.ReadAll(res.Body); err != io.ErrUnexpectedEOF || len(body) != size {
			t.Errorf("%d bytes of %d, %v", len(body), size, err)
		}
	}
}

// A client may be slow for as long as it likes if it moves.
func TestDownload_ThatMovesGetsMoreTime(t *testing.T) {
	t.Parallel()
	const size = 15 << 20 // more than the sockets hold
	ln := &countingListener{}
	conn := dial(t, sendFiles(t, ln, 20*time.Second, strings.Repeat("x", size), 0))
	conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	io.WriteString(conn, "GET /api/v1/file HTTP/1.1\r\nHost: x\r\n\r\n")
	res := answer(t, conn)
	time.Sleep(time.Second) // so that a deadline from now on differs from those before
	before := ln.deadlines.Load()
	for ; ln.deadlines.Load() == before; time.Sleep(100 * time.Millisecond) {
		if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
			t.Fatalf("a slow client got no new deadline, and %v", err)
		}
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Error(err)
	}
}

// A server that stops ends the stream of a file that is still being sent, for
// otherwise it would wait for the call that sends it.
func TestDownload_IsBrokenOffBeforeItsConnectionIsClosed(t *testing.T) {
	t.Parallel()
	ln := &countingListener{patience: time.Millisecond}
	conn := dial(t, sendFiles(t, ln, never, strings.Repeat("x", 15<<20), 0))
	io.WriteString(conn, "GET /api/v1/file HTTP/1.1\r\nHost: x\r\n\r\n")
	if res := answer(t, conn); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	for ln.asked.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	ln.stop()
	for ln.closed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if ln.shut.Load() != 1 {
		t.Error("its stream was not ended before")
	}
}
