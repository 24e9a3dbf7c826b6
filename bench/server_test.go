package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	owner    = "owner@example.com"
	password = "seven purple otters dancing"
	bareAt   = "HOMEBASE_BENCH_BARE" // set: this process is the bare server of that address
)

// server is a program that is measured.
type server struct {
	name  string
	url   string
	data  string // its files
	token string
	has   map[string]bool // what was put there
	cmd   *exec.Cmd
}

var place string // of everything that the run makes

func TestMain(m *testing.M) {
	if address := os.Getenv(bareAt); address != "" {
		fmt.Fprintln(os.Stderr, serveBare(address, os.Getenv("HOMEBASE_BENCH_DATA")))
		os.Exit(1)
	}
	// Not in /tmp, which may be memory, and not where other tests read the source.
	err := os.MkdirAll("../bin", 0o755)
	if err == nil {
		place, err = os.MkdirTemp("../bin", "bench-")
	}
	if err == nil {
		place, err = filepath.Abs(place)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if at := os.Getenv(tableAt); at != "" && code == 0 {
		if err := writeTable(at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	for _, s := range running {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	}
	os.RemoveAll(place)
	os.Exit(code)
}

var running []*server

// start runs a program that listens at an address, once.
func start(b *testing.B, s *server, address string) {
	b.Helper()
	s.url, s.has = "http://"+address+"/api/v1", map[string]bool{}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	running = append(running, s)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(s.url + "/system/health")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s does not answer: %v", s.name, err)
		}
	}
}

func freeAddress(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

var bareOnce, homebaseOnce sync.Once
var theBare, theHomebase *server

// bareServer is this very program once more.
func bareServer(b *testing.B) *server {
	bareOnce.Do(func() {
		address, data := freeAddress(b), place+"/bare"
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), bareAt+"="+address, "HOMEBASE_BENCH_DATA="+data)
		s := &server{name: "bare", data: data, cmd: cmd}
		start(b, s, address)
		theBare = s
	})
	return theBare
}

// homebase is the program, with one user who is signed in.
func homebase(b *testing.B) *server {
	homebaseOnce.Do(func() {
		binary := place + "/homebase"
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "homebase")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("build: %v: %s", err, out)
		}
		theHomebase = launch(b, binary, "homebase", place)
	})
	return theHomebase
}

// launch starts a program with a cluster of its own below a folder, and signs its
// one user in.
func launch(b *testing.B, binary, name, at string, env ...string) *server {
	b.Helper()
	address := freeAddress(b)
	_, port, _ := net.SplitHostPort(address)
	s := &server{name: name, data: at + "/data", cmd: exec.Command(binary, "serve")}
	s.cmd.Env = append(os.Environ(), "HOMEBASE_LISTEN="+address, "HOMEBASE_PUBLIC_URL=http://localhost:"+port, "HOMEBASE_DATA_DIR="+s.data,
		"HOMEBASE_STATE_DIR="+at+"/state", "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=warn", "HOMEBASE_DEFAULT_QUOTA=100GiB")
	s.cmd.Env = append(s.cmd.Env, env...)
	start(b, s, address)
	s.command(b, password, "user", "create", owner, "--role", "admin", "--password-stdin")
	var grant struct {
		Token string `json:"access_token"`
	}
	s.json(b, "POST", "/auth/login", map[string]string{"email": owner, "password": password, "mode": "token"}, &grant)
	s.token = grant.Token
	return s
}

// command runs one of the program's commands beside the server.
func (s *server) command(b *testing.B, stdin string, args ...string) {
	b.Helper()
	cmd := exec.Command(s.cmd.Path, args...)
	cmd.Env, cmd.Stdin = s.cmd.Env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("homebase %v: %v: %s", args, err, out)
	}
}

// send sends a request, which has to succeed.
func (s *server) send(b *testing.B, method, path string, body io.Reader, header http.Header) *http.Response {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	if err != nil {
		b.Fatal(err)
	}
	if p, ok := body.(*pattern); ok {
		req.ContentLength = p.left
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	for name, values := range header {
		if values[0] != "" {
			req.Header[name] = values
		}
	}
	if _, own := header["Authorization"]; s.token != "" && !own {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(res.Body)
		b.Fatalf("%s: %s %s: %s: %s", s.name, method, path, res.Status, text)
	}
	return res
}

// call sends a request and counts the bytes that come back.
func (s *server) call(b *testing.B, method, path string, body io.Reader, header http.Header) int64 {
	b.Helper()
	res := s.send(b, method, path, body, header)
	defer res.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu is the processor time of the program and everything below it, the ended
// children included.
func (s *server) cpu(b *testing.B) time.Duration {
	b.Helper()
	type process struct {
		parent int
		ticks  int64
	}
	all := map[int]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		_, rest, ok := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if err != nil || !ok || len(f) < 15 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		var p process
		p.parent, _ = strconv.Atoi(f[1])
		for _, field := range f[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(field, 10, 64)
			p.ticks += n
		}
		all[pid] = p
	}
	var ticks int64
	for pid, p := range all {
		for at := pid; at > 1; at = all[at].parent {
			if at == s.cmd.Process.Pid {
				ticks += p.ticks
				break
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// switches is how often the program's threads have given up the processor.
func (s *server) switches(b *testing.B) (n int64) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("the threads of the server: %d, %v", len(threads), err)
	}
	for _, name := range threads {
		text, _ := os.ReadFile(name) // one may have ended
		for line := range strings.Lines(string(text)) {
			if _, value, ok := strings.Cut(line, "voluntary_ctxt_switches:"); ok {
				more, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				n += more
			}
		}
	}
	return n
}

// serveBare is what every server has to do at least: a file by ServeContent;
// bytes that lie in memory; an upload hashed on the way and flushed, then
// renamed.
func serveBare(address, data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/system/health", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("GET /api/v1/files/content/documents/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(data, r.PathValue("name")))
	})
	mux.HandleFunc("GET /api/v1/memory/{bytes}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("bytes"))
		if err != nil || n > len(noise) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(noise[:n])
	})
	mux.HandleFunc("PUT /api/v1/files/content/documents/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := put(filepath.Join(data, r.PathValue("name")), r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return http.ListenAndServe(address, mux)
}

func put(path string, body io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".staged-")
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sum)}, body, make([]byte, 256<<10)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
