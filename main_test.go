package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"

	"github.com/google/uuid"
)

const password = "seven purple otters dancing"

// built is where the program goes, if a test asks for it.
var built string

// binary is the program as `make build` makes it.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "homebase")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "homebase-bin"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// server is the running program.
type server struct {
	*httpxtest.Server
	dir   string
	env   []string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
	log   *bytes.Buffer
}

// start runs the program on a database of its own and waits until it is
// ready.
func start(t *testing.T, env ...string) *server {
	t.Helper()
	return startBy(t, `exec "$0" serve`, env...)
}

// startBy starts it by a line of shell, in which $0 is the program.
func startBy(t *testing.T, line string, env ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s := &server{dir: t.TempDir(), log: &bytes.Buffer{}}
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOMEBASE_LISTEN=127.0.0.1:" + port, "HOMEBASE_PUBLIC_URL=http://127.0.0.1:" + port,
		"HOMEBASE_DATABASE_URL=" + dbtest.Create(t), "HOMEBASE_DATA_DIR=" + s.dir + "/data", "HOMEBASE_STATE_DIR=" + s.dir + "/state",
		"HOMEBASE_MIN_FREE=1MiB", "HOMEBASE_LOG_FORMAT=json",
	}, env...)
	s.cmd = exec.Command("sh", "-c", line, path)
	s.cmd.Env, s.cmd.Stderr = s.env, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { s.cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.ended
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	cfg, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httpxtest.Dial(t, "http://127.0.0.1:"+port, wire(cfg, slog.New(slog.DiscardHandler)).routes())
	for {
		select {
		case <-s.ended:
			t.Fatalf("the server ended: %s", s.log)
		case <-time.After(20 * time.Millisecond):
		}
		if res, err := http.Get(s.URL + "/api/v1/system/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// command runs a subcommand beside the server.
func (s *server) command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	path, _ := binary()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("homebase %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// signIn makes a user by command and signs in as they would with curl.
func (s *server) signIn(t *testing.T, email string) *httpxtest.Client {
	t.Helper()
	s.command(t, password, "user", "create", email, "--role", "admin", "--password-stdin")
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	s.Client(t).Do("POST", "/auth/login", map[string]string{"email": email, "password": password, "mode": "token"}).
		Want(t, 200).JSON(t, &granted)
	return s.Client(t).As(granted.AccessToken)
}

// tree lists everything in the data directory.
func (s *server) tree(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(s.dir+"/data", func(path string, d fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestServe_AStrangerGets401ForEveryRouteThatIsNotPublic(t *testing.T) {
	t.Parallel()
	s := start(t)
	cfg, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	guarded := 0
	for _, l := range httpx.Listings(wire(cfg, slog.New(slog.DiscardHandler)).routes()) {
		if strings.HasPrefix(l.Access, "public") { // also where a caller is recognised
			continue
		}
		guarded++
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimPrefix(l.Pattern, httpx.Prefix), uuid.NewString())
		a := s.Client(t).Do(l.Method, path, nil).Want(t, 401)
		if l.Method != http.MethodHead { // whose answers have no body
			a.WantProblem(t, 401, "unauthenticated")
		}
	}
	if guarded < 15 {
		t.Errorf("only %d routes are not public", guarded)
	}
}

func TestServe_GarbageGetsTheRightProblemAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	before := s.tree(t)
	asJSON := httpxtest.WithHeader("Content-Type", "application/json")
	long := "/files/content/documents/" + strings.Repeat("a", 10_000)
	c.Do("POST", "/files/folders", `{"path": "/x`, asJSON).WantProblem(t, 400, "invalid_json")
	c.Do("POST", "/files/folders", `{"path": "`+strings.Repeat("x", 2<<20)+`"}`, asJSON).WantProblem(t, 413, "body_too_large")
	c.Do("POST", "/files/folders", `{"path": "/x"}`, httpxtest.WithHeader("Content-Type", "text/plain")).WantProblem(t, 415, "unsupported_media_type")
	c.Do("POST", "/files/folders", `{"path": "/documents/a\u0000b"}`, asJSON).Want(t, 400)
	c.Do("PUT", "/files/content/documents/%00", "x").WantProblem(t, 400, "invalid_path")
	c.Do("PUT", "/files/content/documents/../../x", "x").WantProblem(t, 400, "invalid_path")
	c.Do("PUT", long, "x").Want(t, 400)
	c.Do("FOO", "/files/folders", nil).WantProblem(t, 405, "method_not_allowed")
	c.Do("GET", "/auth/me", nil, httpxtest.WithHeader("Authorization", "Bearer a", "Bearer b")).WantProblem(t, 400, "duplicate_authorization")
	s.Client(t).As(expired).Do("GET", "/auth/me", nil).WantProblem(t, 401, "unauthenticated")
	if after := s.tree(t); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("the data directory was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	c.Do("PUT", "/files/content/documents/ten", "0123456789").Want(t, 201)
	c.Do("GET", "/files/content/documents/ten", nil, httpxtest.WithHeader("Range", "bytes=20-30")).WantProblem(t, 416, "range_not_satisfiable")
}

// expired is a token of this shape from long ago.
const expired = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImMwMTc4MjEwIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0OjgwODAiLCJleHAiOjF9.c2lnbmF0dXJl"

// TestServe_ALargeFileComesAndGoesInLittleMemory stores 1 GB, reads 100 MB of
// it back under strace, and looks at the most memory the server ever held.
func TestServe_ALargeFileComesAndGoesInLittleMemory(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("this test watches system calls: apt-get install strace")
	}
	s := start(t)
	c := s.signIn(t, "me@example.com")
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	c.Do("PUT", "/files/content/backups/gigabyte", io.LimitReader(&repeat{block: noise}, 1<<30), httpxtest.WithLength(1<<30)).Want(t, 201)
	c.Do("PUT", "/files/content/backups/hundred", io.LimitReader(&repeat{block: noise}, 100<<20), httpxtest.WithLength(100<<20)).Want(t, 201)
	if peak := s.peak(t); peak > 60<<10 {
		t.Errorf("the server held %d KiB at most, want 60 MiB or less", peak)
	}

	trace := filepath.Join(t.TempDir(), "trace")
	tracer := exec.Command("strace", "-f", "-e", "trace=sendfile,write", "-o", trace, "-p", strconv.Itoa(s.cmd.Process.Pid))
	attached, err := tracer.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := attached.Read(make([]byte, 1)); err != nil { // "Process N attached"
		t.Fatal(err)
	}
	go io.Copy(io.Discard, attached)
	a := c.Do("GET", "/files/content/backups/hundred", nil).Want(t, 200)
	tracer.Process.Signal(os.Interrupt)
	tracer.Wait()
	if len(a.Body) != 100<<20 || !bytes.Equal(a.Body[:1<<20], noise) || !bytes.Equal(a.Body[99<<20:], noise) {
		t.Errorf("%d bytes came back, or others than were stored", len(a.Body))
	}
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if sent := sentBySendfile(string(calls)); sent < 99<<20 {
		t.Errorf("only %d of %d bytes left by sendfile", sent, 100<<20)
	}
}

// sentBySendfile adds up what strace saw sendfile return.
func sentBySendfile(trace string) (sum int) {
	for _, m := range regexp.MustCompile(`(?m)sendfile(?:\(| resumed).*\) += (\d+)$`).FindAllStringSubmatch(trace, -1) {
		n, _ := strconv.Atoi(m[1])
		sum += n
	}
	return sum
}

// repeat reads one block for ever.
type repeat struct {
	block []byte
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// peak is the most memory the server has held at once, in KiB.
func (s *server) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

func TestServe_WhatWasStoredOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	c.Do("PUT", "/files/content/documents/note.txt", "kept").Want(t, 201)
	s.cmd.Process.Kill()
	<-s.ended
	again := &server{dir: s.dir, env: s.env, log: &bytes.Buffer{}}
	path, _ := binary()
	again.cmd = exec.Command(path, "serve")
	again.cmd.Env, again.cmd.Stderr = s.env, again.log
	if err := again.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer again.cmd.Process.Kill()
	for range 500 {
		if res, err := http.Get(s.URL + "/api/v1/system/ready"); err == nil {
			res.Body.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	// The token of before is as good as it was: the secret was kept.
	if got := string(c.Do("GET", "/files/content/documents/note.txt", nil).Want(t, 200).Body); got != "kept" {
		t.Errorf("read %q", got)
	}
	on, err := os.ReadFile(filepath.Join(s.dir, "data/users", owner(t, s.dir), "documents/note.txt"))
	if err != nil || string(on) != "kept" {
		t.Errorf("on the disk stands %q, %v", on, err)
	}
}

func owner(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "data/users"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	return entries[0].Name()
}

func TestHealthcheck_TellsAReadyServerFromNone(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.command(t, "", "healthcheck")
	if _, err := offline(t, []string{"HOMEBASE_LISTEN=127.0.0.1:" + freePort(t)}, "healthcheck"); err == nil {
		t.Error("a server that does not run is healthy")
	}
}

func TestServe_IdleStrangersDoNotTakeTheFilesFromWhoIsIn(t *testing.T) {
	t.Parallel()
	s := startBy(t, `ulimit -n 96; exec "$0" serve`)
	c := s.signIn(t, "me@example.com")
	c.Do("PUT", "/files/content/documents/before", "x").Want(t, 201)
	for range 120 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET /api/v1/system/health HTTP/1.1\r\n")
	}
	// Longer than the data directory's check takes to come round.
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		c.Do("PUT", "/files/content/documents/before", "x").Want(t, 200)
		c.Do("GET", "/files/content/documents/before", nil).Want(t, 200)
	}
}
