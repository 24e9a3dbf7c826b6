package contract_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

func TestServe_AStrangerGets401ForEveryRouteThatIsNotPublic(t *testing.T) {
	t.Parallel()
	s := start(t)
	guarded := 0
	for _, l := range httpx.Listings(table(t)) {
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
	c.HTTP.Timeout = 0 // as long as it takes, under strace too
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

// A file system that loses locks, as a network's may, lets another worker take a
// living one for dead.
func TestServe_AWorkerThatWasDeclaredDeadEndsToBeStartedAnew(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	c.Do("PUT", "/files/content/documents/before", "x").Want(t, 201)
	locks, err := filepath.Glob(s.dir + "/data/workers/*")
	if err != nil || len(locks) != 1 {
		t.Fatalf("%q are locked, %v", locks, err)
	}
	if err := os.Remove(locks[0]); err != nil {
		t.Fatal(err)
	}
	must(t, s.env, "api", "GET", "/system/health") // becomes a worker, and finds that one dead
	c.Do("PUT", "/files/content/documents/after", "x").WantProblem(t, 503, "storage_unavailable")
	<-s.ended
	if log := s.log.String(); s.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log, "another worker has declared this one dead") {
		t.Errorf("it ended with %s: %s", s.cmd.ProcessState, log)
	}
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
