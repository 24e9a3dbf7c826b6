package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

const (
	never = time.Hour // in a test: no deadline
	soon  = 500 * time.Millisecond
)

// hurried serves the routes with deadlines that a test can wait for.
func hurried(t *testing.T, cfg httpx.Config, stall, grace, header, patience time.Duration, ln net.Listener, routes ...httpx.Route) (*httpxtest.Server, context.CancelFunc, <-chan error) {
	t.Helper()
	server, err := httpx.New(cfg, routes)
	if err != nil {
		t.Fatal(err)
	}
	server.Hurry(stall, grace, header, patience)
	if ln == nil {
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	gone := make(chan struct{})
	go func() { defer close(gone); ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-gone })
	s := httpxtest.Dial(t, "http://"+ln.Addr().String(), routes)
	s.HTTPX = server
	return s, cancel, ended
}

// swallow reads the whole body and says how much it was.
func swallow(rt *httpx.Route) {
	rt.Body = httpx.Stream
	rt.Responses = []httpx.Response{{Status: 200, Type: "text/plain"}}
	rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return err
		}
		return say(w, fmt.Sprint(n))
	}
}

func TestPace_ABodyThatStallsIs408AndTheConnectionEnds(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), soon, never, never, never, nil, route("PUT /thing", httpx.Public(), swallow))
	response := raw(t, s, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if got := code(t, response); response.StatusCode != 408 || got != "request_timeout" || !response.Close {
		t.Errorf("%d %s, close %v", response.StatusCode, got, response.Close)
	}
}

func TestPace_ABodyThatDripsIs408AfterTheGrace(t *testing.T) {
	t.Parallel()
	// Each byte is in time; only the mean is not.
	s, _, _ := hurried(t, config(), never, time.Second, never, never, nil, route("PUT /thing", httpx.Public(), swallow))
	conn := dial(t, s)
	io.WriteString(conn, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	go func() {
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if response := answer(t, conn); response.StatusCode != 408 {
		t.Errorf("%d", response.StatusCode)
	}
}

// deadlines is a listener that remembers the deadlines its connections got.
type deadlines struct {
	net.Listener
	mu          sync.Mutex
	read, write []time.Time
}

func watched(t *testing.T) *deadlines {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &deadlines{Listener: ln}
}

func (d *deadlines) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	return &dated{conn, d}, err
}

// in lists the read deadlines that were far ahead, and the last of all.
func (d *deadlines) in(ahead time.Time) (rolled []time.Time, read, write time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.read {
		if at.After(ahead) {
			rolled = append(rolled, at)
		}
	}
	if len(d.read) > 0 {
		read = d.read[len(d.read)-1]
	}
	if len(d.write) > 0 {
		write = d.write[len(d.write)-1]
	}
	return rolled, read, write
}

type dated struct {
	net.Conn
	of *deadlines
}

func (c *dated) SetReadDeadline(at time.Time) error {
	c.of.mu.Lock()
	c.of.read = append(c.of.read, at)
	c.of.mu.Unlock()
	return c.Conn.SetReadDeadline(at)
}

func (c *dated) SetWriteDeadline(at time.Time) error {
	c.of.mu.Lock()
	c.of.write = append(c.of.write, at)
	c.of.mu.Unlock()
	return c.Conn.SetWriteDeadline(at)
}

// TestPace_ALongUploadThatMovesIsNotCut: each piece that came puts the deadline
// off, so only the pause between two is bounded.
func TestPace_ALongUploadThatMovesIsNotCut(t *testing.T) {
	t.Parallel()
	ln := watched(t)
	s, _, _ := hurried(t, config(), 3*never, never, never, never, ln, route("PUT /thing", httpx.Public(), swallow))
	conn := dial(t, s)
	io.WriteString(conn, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
	rolled := func() []time.Time { list, _, _ := ln.in(time.Now().Add(2 * never)); return list }
	for piece := range 20 {
		for end := time.Now().Add(10 * time.Second); len(rolled()) <= piece; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after %d pieces the deadlines were %v", piece, rolled())
			}
		}
		conn.Write(make([]byte, 1000))
	}
	if response := answer(t, conn); response.StatusCode != 200 {
		t.Errorf("%d", response.StatusCode)
	}
	if list := rolled(); !slices.IsSortedFunc(list, time.Time.Compare) {
		t.Errorf("the deadlines were %v", list)
	}
}

// TestPace_AHandlerThatThinksIsNotCut: after the body's end no read deadline is left
// that would look like the client's going away, and a write deadline of the request
// before on the same connection does not count.
func TestPace_AHandlerThatThinksIsNotCut(t *testing.T) {
	t.Parallel()
	ln := watched(t)
	s, _, _ := hurried(t, config(), 2*soon, never, never, never, ln, route("PUT /thing", httpx.Public(), func(rt *httpx.Route) {
		rt.Body = 10
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.ReadAll(r.Body); err != nil {
				return err
			}
			_, read, write := ln.in(time.Now())
			if !read.IsZero() {
				t.Errorf("while it thinks a read ends at %v", read)
			}
			time.Sleep(time.Until(write))
			return done(w, r)
		}
	}))
	conn := dial(t, s)
	for range 2 {
		io.WriteString(conn, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		if a := answer(t, conn); a.StatusCode != 204 {
			t.Error(a.Status)
		}
	}
}

// TestPace_ARefusalDoesNotWaitForTheBody: net/http reads what is left of a
// body before it answers, and by itself without a deadline.
func TestPace_ARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), soon, never, never, never, nil, route("PUT /thing", httpx.SignedIn(), swallow))
	response := raw(t, s, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if got := code(t, response); got != "unauthenticated" {
		t.Errorf("%d %s", response.StatusCode, got)
	}
}

func TestPace_SlowHeadersAreCut(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, soon, never, nil, route("GET /thing", httpx.Public()))
	conn := dial(t, s)
	io.WriteString(conn, "GET /api/v1/thing HTTP/1.1\r\nHost: x\r\n")
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		// Nothing, or a 408 of net/http's own: then the end follows.
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection was held")
		}
	}
}

// TestPace_AnotherGoroutineCanEndARead is what a resumable upload needs when
// a newer request takes over.
func TestPace_AnotherGoroutineCanEndARead(t *testing.T) {
	t.Parallel()
	reading := make(chan *http.ResponseController, 1)
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("PUT /thing", httpx.Public(), func(rt *httpx.Route) {
		rt.Body = httpx.Stream
		rt.Problems = []*httpx.Problem{httpx.NewProblem(400, "upload_interrupted", "Interrupted")}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			reading <- http.NewResponseController(w)
			for {
				if _, err := r.Body.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
					return rt.Problems[0].Because(err)
				} else if err != nil {
					return err
				}
			}
		}
	}))
	conn := dial(t, s)
	io.WriteString(conn, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	control := <-reading
	if err := control.SetWriteDeadline(time.Now()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a deadline that the next write moves is promised: %v", err)
	}
	if err := control.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := code(t, answer(t, conn)); got != "upload_interrupted" {
		t.Error(got)
	}
}

func TestPace_ABrokenBodyIs400AndNeverAWholeOne(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("PUT /thing", httpx.Public(), swallow))
	const head = "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\n"
	for name, request := range map[string]string{
		"bad chunk":      head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
		"bare LF":        head + "Transfer-Encoding: chunked\r\n\r\n4\nhalf\r\n0\r\n\r\n",
		"negative chunk": head + "Transfer-Encoding: chunked\r\n\r\n-4\r\nhalf\r\n0\r\n\r\n",
	} {
		if response := raw(t, s, request); response.StatusCode != 400 || code(t, response) != "invalid_body" {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	conn := dial(t, s)
	io.WriteString(conn, head+"Content-Length: 10\r\n\r\nhalf")
	conn.(*net.TCPConn).CloseWrite()
	if response := answer(t, conn); response.StatusCode != 400 {
		t.Errorf("short body: %d", response.StatusCode)
	}
}

// The head, the first bytes and the rest reach the client by one read, however
// net/http cuts them, and nothing is held back that nothing follows.
func TestAnswer_ComesInOnePiece(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("GET /thing/{length}", httpx.Public(), func(rt *httpx.Route) {
		rt.Responses, rt.Query = []httpx.Response{{Status: 200, Type: "text/plain"}}, []string{"flush"}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			n, err := strconv.Atoi(r.PathValue("length"))
			if err != nil {
				return err
			}
			w.Header().Set("Content-Length", strconv.Itoa(n))
			if r.URL.RawQuery == "flush" {
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
			}
			return say(w, strings.Repeat("x", n))
		}
	}))
	conn := dial(t, s)
	buf := make([]byte, 32<<10)
	head := 0
	for _, n := range []int{1, 2047, 2048, 2049, 3000, 3300, 3600, 4095, 4096, 4097, 5000, 8191, 8192, 8193, 16000} {
		io.WriteString(conn, fmt.Sprintf("GET /api/v1/thing/%d HTTP/1.1\r\nHost: x\r\n\r\n", n))
		got, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := bytes.Cut(buf[:got], []byte("\r\n\r\n"))
		if len(body) != n {
			t.Errorf("the first read has %d bytes of a body of %d", len(body), n)
		}
		head = got - len(body)
	}
	// A head that was flushed is not waited for.
	io.WriteString(conn, "GET /api/v1/thing/8000?flush HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := answer(t, conn); a.StatusCode != 200 {
		t.Error(a.Status)
	} else if body, err := io.ReadAll(a.Body); len(body) != 8000 || err != nil {
		t.Errorf("%d bytes after a flush, %v", len(body), err)
	}
	// The head and the body are just as much as net/http gathers, or a byte more or
	// less, whatever part of the head it knows.
	for n := 4096 - head - 3; n < 4096; n++ {
		io.WriteString(conn, fmt.Sprintf("GET /api/v1/thing/%d HTTP/1.1\r\nHost: x\r\n\r\n", n))
		if got, err := conn.Read(buf); err != nil || !bytes.HasSuffix(buf[:got], []byte("\r\n\r\n"+strings.Repeat("x", n))) {
			t.Errorf("the first read of a body of %d has %d bytes with the head, %v", n, got, err)
		}
	}
}

// What every answer carries stands in its head, once, and never in the interim one.
func TestAnswer_AfterAnInterimOneHasTheWholeHead(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("PUT /thing", httpx.Public(), swallow))
	conn := dial(t, s)
	for range 2 {
		io.WriteString(conn, "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		const interim = "HTTP/1.1 100 Continue\r\n\r\n"
		buf := make([]byte, 1000)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != interim {
			t.Errorf("the interim answer is %q, %v", buf[:n], err)
		}
		io.WriteString(conn, "hello")
		n, err := conn.Read(buf)
		head, body, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		if err != nil || body != "5" || !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("%q, %v", buf[:n], err)
		}
		for _, name := range []string{"X-Request-Id", "Cache-Control", "Content-Security-Policy", "Vary", "Date"} {
			if strings.Count(head, "\r\n"+name+": ") != 1 {
				t.Errorf("%s is not there once: %q", name, head)
			}
		}
	}
}

// net/http lifts the write deadline after each answer, so each needs its own.
func TestAnswer_AClientThatReadsNoneOfManyIsCut(t *testing.T) {
	t.Parallel()
	const stall = 2 * time.Second
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &countingListener{Listener: tcp}
	s, _, _ := hurried(t, config(), stall, never, never, 100*time.Millisecond, ln, route("GET /thing", httpx.Public(), func(rt *httpx.Route) {
		rt.Responses = []httpx.Response{{Status: 200, Type: "text/plain"}}
		rt.Handler = func(w http.ResponseWriter, _ *http.Request) error { return say(w, strings.Repeat("x", 1000)) }
	}))
	go io.WriteString(dial(t, s), strings.Repeat("GET /api/v1/thing HTTP/1.1\r\nHost: x\r\n\r\n", 50_000))
	for end := time.Now().Add(4 * stall); ln.closed.Load() == 0; time.Sleep(stall / 16) {
		if time.Now().After(end) {
			t.Fatal("a client that reads no answer still has its connection")
		}
	}
}

func TestDownload_AClientThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	const size = 64 << 20 // more than the sockets hold
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	s, _, _ := hurried(t, cfg, soon, never, never, never, nil,
		route("GET /memory", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("x", size)))
			return nil
		})),
		route("GET /file", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			httpx.ServeFile(w, r, f, size)
			return nil
		})))
	for _, from := range []string{"/memory", "/file"} {
		conn := dial(t, s)
		io.WriteString(conn, "GET /api/v1"+from+" HTTP/1.1\r\nHost: x\r\n\r\n")
		id := answer(t, conn).Header.Get("X-Request-Id") // and no more than the headers
		if record := log.record(t, id); record["status"] != 499.0 || record["problem"] != "client_gone" {
			t.Errorf("%s: %v", from, record)
		}
	}
}

// A header that is set when the head has left changes nothing: above all it does
// not take away what every answer carries.
func TestAnswer_WhatIsSetTooLateTakesNothingAway(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("GET /thing", httpx.Public(), func(rt *httpx.Route) {
		rt.Responses = []httpx.Response{{Status: 200, Type: "text/plain"}}
		rt.Handler = func(w http.ResponseWriter, _ *http.Request) error {
			err := say(w, "hello")
			for _, name := range []string{"Cache-Control", "Content-Security-Policy", "Vary"} {
				w.Header().Set(name, "late")
			}
			return err
		}
	}))
	conn := dial(t, s)
	io.WriteString(conn, "GET /api/v1/thing HTTP/1.1\r\nHost: x\r\n\r\n")
	a := answer(t, conn)
	for _, name := range []string{"Cache-Control", "Content-Security-Policy", "Vary"} {
		if got := a.Header.Values(name); len(got) != 1 || got[0] == "late" {
			t.Errorf("%s is %q", name, got)
		}
	}
}
