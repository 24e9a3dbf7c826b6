package httpx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
)

func TestServe_DrainsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan *httpx.Server), make(chan struct{})
	s, stop, ended := hurried(t, config(), never, never, never, never, nil, route("GET /slow", httpx.Public(), with(func(w http.ResponseWriter, r *http.Request) error {
		arrived <- httpx.ServerOf(r.Context())
		<-proceed
		return done(w, r)
	})))
	conn, unused := dial(t, s), dial(t, s)
	io.WriteString(conn, "GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
	server := <-arrived
	select {
	case <-server.Draining():
		t.Error("drains before it is told to")
	default:
	}
	stop()
	<-server.Draining()
	// Nobody new is let in, a connection that is in already gets its answer.
	io.WriteString(unused, "GET /api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
	if response := answer(t, unused); response.StatusCode != 404 || !response.Close {
		t.Errorf("a request in the drain: %d, close %v", response.StatusCode, response.Close)
	}
	for {
		late, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err != nil {
			break
		}
		late.Close()
	}
	close(proceed)
	if response := answer(t, conn); response.StatusCode != 204 {
		t.Errorf("the request under way: %d", response.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServe_CutsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	arrived := make(chan bool, 2)
	s, stop, ended := hurried(t, config(), never, never, never, soon, nil,
		route("GET /endless", httpx.Public(), with(func(w http.ResponseWriter, r *http.Request) error {
			arrived <- true
			<-r.Context().Done()
			return done(w, r)
		})),
		route("PUT /upload", httpx.Public(), func(rt *httpx.Route) {
			swallow(rt)
			inner := rt.Handler
			rt.Handler = func(w http.ResponseWriter, r *http.Request) error { arrived <- true; return inner(w, r) }
		}))
	endless, upload := dial(t, s), dial(t, s)
	io.WriteString(endless, "GET /api/v1/endless HTTP/1.1\r\nHost: x\r\n\r\n")
	io.WriteString(upload, "PUT /api/v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	<-arrived
	<-arrived
	stop()
	if response := answer(t, endless); response.StatusCode != 204 {
		t.Errorf("an answer without an end: %d", response.StatusCode)
	}
	if response := answer(t, upload); response.StatusCode != 503 || code(t, response) != "shutting_down" {
		t.Errorf("an upload: %d", response.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestListen_OnASocketReplacesADeadOneOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	// A server that was killed leaves its file.
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	ln, err := httpx.Listen("unix:" + path)
	for range 100 { // a process that another test starts has the dead one for a moment
		if err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
		ln, err = httpx.Listen("unix:" + path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if other, err := httpx.Listen("unix:" + path); err == nil {
		other.Close()
		t.Error("a living server's socket was taken over")
	}
	hurried(t, config(), never, never, never, never, ln, route("GET /addr", httpx.Public(), text(sayAddr)))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	for forwarded, want := range map[string]string{"": "none", "203.0.113.9": "203.0.113.9"} {
		r, _ := http.NewRequest("GET", "http://x/api/v1/addr", nil)
		r.Header.Set("X-Forwarded-For", forwarded)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(text) != want {
			t.Errorf("forwarded for %q: %s", forwarded, text)
		}
	}
}

func TestListen_RefusesAFileThatIsNoSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ln, err := httpx.Listen("unix:" + path); err == nil {
		ln.Close()
		t.Error("a file was listened on")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
}

// TestServe_UnderSystemd runs this test binary as a service: with a socket at
// descriptor 3 and another one to notify.
func TestServe_UnderSystemd(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		serveUnderSystemd(t)
		return
	}
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file, err := tcp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	notifyPath := filepath.Join(t.TempDir(), "n")
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notifyPath, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notified.Close()
	heard := func() string {
		t.Helper()
		notified.SetReadDeadline(time.Now().Add(time.Minute))
		buf := make([]byte, 100)
		n, err := notified.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	// LISTEN_PID is the service's own: a shell knows it before it becomes us.
	service := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestServe_UnderSystemd$'`, os.Args[0])
	service.Env = append(os.Environ(), "LISTEN_FDS=1", "NOTIFY_SOCKET="+notifyPath)
	service.ExtraFiles = []*os.File{file}
	var output strings.Builder
	service.Stdout, service.Stderr = &output, &output
	stdin, err := service.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	if got := heard(); got != "READY=1" {
		t.Errorf("first notice: %q", got)
	}
	response, err := http.Get("http://" + tcp.Addr().String() + "/api/v1/nothing")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 404 || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	stdin.Close()
	if got := heard(); got != "STOPPING=1" {
		t.Errorf("last notice: %q", got)
	}
	if err := service.Wait(); err != nil {
		t.Errorf("%v\n%s", err, output.String())
	}
}

// serveUnderSystemd is the service. It ends when its standard input does.
func serveUnderSystemd(t *testing.T) {
	ln, err := httpx.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("a child would take the socket for its own")
	}
	server, err := httpx.New(config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	if err := server.Serve(ctx, ln); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
