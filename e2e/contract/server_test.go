// Package contract_test holds what the whole program promises: its API, its
// commands, its pages, its releases and its backups. Most of it is tried on the
// program as it is built.
package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
	"homebase/platform"
	"homebase/system"
)

const password = "seven purple otters dancing"

// build is what the program is built with.
func build(t *testing.T) platform.Build {
	t.Helper()
	return platform.Build{Version: "dev", Schema: dbtest.Schema(t)}
}

// wired is the platform without its settings, for what its tables say.
func wired(t *testing.T) *platform.Platform {
	t.Helper()
	cfg, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	return platform.New(build(t), cfg, io.Discard)
}

// built is where the program goes, if a test asks for it.
var built string

// binary is the program as `make build` makes it, which then finds most of it
// compiled.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "homebase")
	cmd := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-trimpath", "-buildvcs=false", "-o", path, "homebase")
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
	s.Server = httpxtest.Dial(t, "http://127.0.0.1:"+port, table(t))
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

func owner(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "data/users"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	return entries[0].Name()
}
