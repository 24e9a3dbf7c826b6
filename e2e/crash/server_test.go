package crash

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const password = "seven purple otters dancing"

// rig is a machine under test: a PostgreSQL with fsync, a data directory, and
// two servers that share both.
type rig struct {
	t        testing.TB
	binary   string
	dir      string // outlives a power cut: logs, secrets, sockets
	disk     string // what a power cut hits: PostgreSQL and the data directory
	image    string // of the disk, "" where the power is never cut
	bin      string // of PostgreSQL
	login    *syscall.Credential
	pg       *exec.Cmd
	serving  sync.Mutex // guards servers for those who ask beside the test itself
	servers  [2]*server
	reviving sync.Mutex // of what went away while the test looked

	// Where there is a standby (see replicate): which of the two folders takes
	// writes, and the port of each.
	node    int
	ports   [2]int
	standby *exec.Cmd

	asking sync.Mutex
	conn   *pgx.Conn // of the test itself

	more  []string     // settings of the servers beside the usual ones
	stay  bool         // a server that is started anew listens where it did before
	times *times       // how long their answers take; nil: nobody wants to know
	wires [2]*slowWire // between each server and PostgreSQL; nil in some tests
	pairs []*pair      // one for each server that renames are sent to; none in some tests

	// Where each server has a machine of its own (see machines).
	hosts [2]*host
	door  string // the proxy
	url   string // of the database
	blow  func() // what happens

	// What the rounds came to.
	answers tally
	cycles  int
	seen    *rows  // what the last look saw
	looked  int    // the files that the last look hashed and fetched
	left    [3]int // the records that the last kill left, the most of one group, and of one item
	largest int
}

type server struct {
	*exec.Cmd
	name  string
	url   string // where it is asked, through the proxy if there is one
	own   string // where it answers itself
	point string // its failpoint
	times *times // may be nil
	ended chan struct{}
}

// built is where the program goes, with its failpoints.
var built string

var binary = sync.OnceValues(func() (string, error) {
	if from := os.Getenv("UPGRADE_FROM"); from != "" {
		return from, nil
	}
	path := filepath.Join(built, "homebase")
	build := exec.Command("go", "build", "-tags", "failpoint,nethttpomithttp2", "-trimpath", "-buildvcs=false", "-o", path, "homebase")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "hb-crash-bin-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// newRig brings up PostgreSQL, and a standby beside it in the mode failover.
func newRig(t testing.TB, mode string) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "hb-crash-")
	must(t, err)
	r := &rig{t: t, dir: dir, disk: filepath.Join(dir, "disk")}
	t.Cleanup(r.takeDown)
	must(t, os.Chmod(dir, 0o711))
	must(t, os.Mkdir(r.disk, 0o711))
	r.binary, err = binary()
	must(t, err)
	r.find()
	from, err := prepared()
	must(t, err)
	if mode == "power" {
		r.image = filepath.Join(dir, "image")
		r.run("truncate", "-s", "1G", r.image)
		r.run("mkfs."+r.filesystem(), "-q", map[string]string{"ext4": "-F", "xfs": "-f"}[r.filesystem()], r.image)
		r.mount()
	}
	r.folder(dir + "/socket")
	r.run("cp", "-a", from+"/disk/.", r.disk)
	r.run("cp", "-a", from+"/state", dir+"/state")
	if mode == "failover" {
		for i := range r.ports {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			r.ports[i] = l.Addr().(*net.TCPAddr).Port
			must(t, l.Close())
		}
	}
	if mode == "power" {
		r.run("sync", "-f", r.disk)
	}
	if mode != "machines" {
		r.startPostgres()
	}
	if mode == "failover" {
		r.replicate()
	}
	return r
}

// users are those that a prepared machine has.
const users = 12

func email(user int) string { return fmt.Sprintf("user%d@example.com", user) }

// prepared is the machine that all rigs are copies of: a cluster with schema
// and users, the data directory, and the secret.
var prepared = sync.OnceValues(func() (dir string, err error) {
	r := &rig{t: &builder{}, dir: filepath.Join(built, "prepared")}
	r.disk = filepath.Join(r.dir, "disk")
	defer func() {
		if failed := recover(); failed != nil {
			err = fmt.Errorf("prepare a machine: %v", failed)
		}
	}()
	must(r.t, os.Chmod(built, 0o711))
	must(r.t, os.MkdirAll(r.disk, 0o711))
	r.binary, err = binary()
	must(r.t, err)
	r.find()
	r.folder(r.home(0))
	r.folder(r.dir + "/socket")
	if out, err := r.postgres("initdb", "-D", r.home(0), "-A", "trust", "-U", "homebase", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		r.t.Fatalf("initdb: %v: %s", err, out)
	}
	r.startPostgres()
	defer r.killPostgres()
	if out, err := r.command("", "migrate"); err != nil {
		r.t.Fatalf("migrate: %v: %s", err, out)
	}
	for u := range users {
		if out, err := r.command(password, "user", "create", email(u), "--password-stdin"); err != nil {
			r.t.Fatalf("%v: %s", err, out)
		}
	}
	r.forget()
	must(r.t, r.pg.Process.Signal(os.Interrupt))
	r.pg.Wait()
	r.pg = nil
	return r.dir, nil
})

// builder stands for the test where several share what is made.
type builder struct{ testing.TB }

func (*builder) Helper()                           {}
func (*builder) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*builder) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*builder) Context() context.Context          { return context.Background() }

// folder makes one that is PostgreSQL's own.
func (r *rig) folder(name string) {
	r.t.Helper()
	must(r.t, os.Mkdir(name, 0o700))
	if r.login != nil {
		must(r.t, os.Chown(name, int(r.login.Uid), int(r.login.Gid)))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) run(name string, args ...string) {
	r.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// takeDown leaves nothing behind, whatever state the test ended in.
func (r *rig) takeDown() {
	for _, s := range r.servers {
		s.kill()
	}
	r.killPostgres()
	killTree(r.standby)
	if r.image != "" {
		for range 50 {
			if exec.Command("umount", r.disk).Run() == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if r.t.Failed() {
		r.t.Logf("the state is kept in %s", r.dir)
		return
	}
	os.RemoveAll(r.dir)
}

// environment is what every process of the program gets.
func (r *rig) environment(listen string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOMEBASE_LISTEN=" + listen, "HOMEBASE_PUBLIC_URL=http://127.0.0.1:1",
		"HOMEBASE_DATABASE_URL=" + r.databaseURL(), "HOMEBASE_DATA_DIR=" + r.disk + "/data", "HOMEBASE_STATE_DIR=" + r.dir + "/state",
		"HOMEBASE_MIN_FREE=1MiB", "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=warn", "ABLATE=" + os.Getenv("ABLATE")}
}

// serve starts server i as launch does, and waits until it is ready.
func (r *rig) serve(i int, failpoint string, more ...string) *server {
	r.t.Helper()
	s := r.launch(i, failpoint, more...)
	await(r.t, fmt.Sprintf("server %d is ready", i), s.ready)
	return s
}

// launch starts server i; failpoint may be empty. It does not wait.
func (r *rig) launch(i int, failpoint string, more ...string) *server {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(r.t, err)
	address := l.Addr().String()
	l.Close()
	if r.stay && r.servers[i] != nil {
		address = strings.TrimSuffix(strings.TrimPrefix(r.servers[i].own, "http://"), "/api/v1")
	}
	s := &server{Cmd: exec.Command(r.binary, "serve"), name: fmt.Sprint("server", i), point: failpoint, times: r.times, ended: make(chan struct{})}
	s.own = "http://" + address + "/api/v1"
	if i < len(r.hosts) && r.hosts[i] != nil {
		h := r.hosts[i]
		s.Cmd, s.own, address = h.command(r.binary, "serve"), "http://"+h.address+":8080/api/v1", h.inside
		more = append(more, h.environment...)
	}
	s.url = cmp.Or(r.door, s.own)
	database := r.databaseURL()
	if i < len(r.wires) && r.wires[i] != nil {
		database = r.wires[i].databaseURL()
	}
	s.Env = append(r.environment(address), "FAILPOINT="+failpoint, fmt.Sprintf("HOMEBASE_DATABASE_URL=%s&application_name=server%d", database, i))
	s.Env = append(append(s.Env, r.more...), more...)
	log, err := os.OpenFile(fmt.Sprintf("%s/server%d.log", r.dir, i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.t, err)
	defer log.Close()
	s.Stderr = log
	must(r.t, s.Start())
	go func() { s.Wait(); close(s.ended) }()
	if i < len(r.servers) {
		r.serving.Lock()
		r.servers[i] = s
		r.serving.Unlock()
	}
	return s
}

func (r *rig) server(i int) *server {
	r.serving.Lock()
	defer r.serving.Unlock()
	return r.servers[i]
}

func (s *server) kill() {
	if s != nil {
		s.Process.Kill()
		<-s.ended
	}
}

func (s *server) running() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// second reports whether it is the second of the two.
func (s *server) second() bool { return strings.HasSuffix(s.name, "1") }

// stopped reports whether the server hangs at a SIGSTOP.
func (s *server) stopped() bool { return stopped(s.Process.Pid) }

func stopped(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return bytes.Contains(b, []byte(") T "))
}

var probe = &http.Client{Timeout: time.Second}

func (s *server) ready() bool {
	res, err := probe.Get(s.own + "/system/ready")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// bringUp starts the servers that do not run, lets those go on that stopped at
// a failpoint, and waits until all are ready.
func (r *rig) bringUp(failpoints ...string) {
	r.t.Helper()
	for i, s := range r.servers {
		if !s.running() {
			point := ""
			if i < len(failpoints) {
				point = failpoints[i]
			}
			r.launch(i, point)
		}
	}
	await(r.t, "the servers are ready", func() bool {
		return !slices.ContainsFunc(r.servers[:], func(s *server) bool {
			if s.running() && s.stopped() {
				s.Process.Signal(contSignal)
			}
			return s.running() && !s.ready()
		})
	})
}

// armed says which servers wait for a failpoint.
func (r *rig) armed() (text string) {
	for i, s := range r.servers {
		if s.running() && s.point != "" {
			text += fmt.Sprintf("; server %d will end at %s", i, s.point)
		}
	}
	return text
}

// command runs a command beside the servers.
func (r *rig) command(stdin string, args ...string) (string, error) {
	return r.commandOf(r.binary, stdin, args...)
}

// commandOf runs a command of another build of the program.
func (r *rig) commandOf(binary, stdin string, args ...string) (string, error) {
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Stdin = r.environment("127.0.0.1:1"), strings.NewReader(stdin)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		out = append(out, log.Bytes()...)
	}
	return string(out), err
}

func await(t testing.TB, what string, held func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !held(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

const contSignal = syscall.SIGCONT
