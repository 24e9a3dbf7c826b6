package db_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"homebase/db"
)

// roleKey makes a copy of the test binary act as another process of the
// program instead of running tests.
const roleKey = "HOMEBASE_DB_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "cluster":
		os.Exit(clusterProcess())
	case "job":
		os.Exit(jobProcess())
	}
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

// process is such a copy. It prints one line when it is ready and ends in
// order when its standard input is closed.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// start begins a process; wait for it with ready.
func start(t *testing.T, role string, asUser *syscall.Credential, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if asUser != nil {
		self = copyFor(t, self)
	}
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), append(env, roleKey+"="+role)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: asUser}
	cmd.Stderr = os.Stderr
	p := &process{cmd: cmd}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// copyFor puts the test binary where every user can run it: the folder that
// `go test` builds in is closed to others.
func copyFor(t *testing.T, self string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "hb-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "test")
	// By another process: a file that this one has open for writing cannot be
	// run, and a child that another test starts meanwhile inherits it.
	if out, err := exec.Command("cp", self, name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// ready waits for the line that the process prints.
func (p *process) ready(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the process ended before it was ready: %v", err)
	}
	return strings.TrimSpace(line)
}

// leave lets the process end in order.
func (p *process) leave(t *testing.T) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("the process ended badly: %v", err)
	}
}

// kill ends it by SIGKILL and waits; it may have ended before.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// owner is a connection with the rights of the database's owner.
func owner(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func must(t *testing.T, q db.Querier, sql string, args ...any) int64 {
	t.Helper()
	n, err := db.Affected(t.Context(), q, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func value[T any](t *testing.T, q db.Querier, sql string, args ...any) T {
	t.Helper()
	v, err := db.One(t.Context(), q, db.Value[T], sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually waits until ok; how long that may take is no promise of anything.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never happened: %s", what)
}
