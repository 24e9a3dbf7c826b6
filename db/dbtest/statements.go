package dbtest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Statements are the named statements that workers have sent to a database through
// Watch.
type Statements struct {
	mu     sync.Mutex
	sent   []string
	before map[string]func()
}

// Before calls f once, when the next statement of that name is about to reach the
// database; the statement waits for it. So a test can do something between two
// statements of a request.
func (s *Statements) Before(name string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		s.before = map[string]func(){}
	}
	s.before[name] = f
}

// Take returns the names since the last call, in the order they were sent.
func (s *Statements) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// Watch is a proxy between workers and the database of a URL. It counts what workers
// send to the URL that it returns.
func Watch(t testing.TB, databaseURL string) (string, *Statements) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal("the database's URL is none")
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	folder, err := os.MkdirTemp("", "watch") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	listener, err := net.Listen("unix", filepath.Join(folder, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Statements{}
	var carrying sync.WaitGroup
	t.Cleanup(carrying.Wait)
	t.Cleanup(func() { listener.Close() })
	carrying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			carrying.Go(func() {
				defer client.Close()
				server, err := net.Dial(network, address)
				if err != nil {
					return
				}
				defer server.Close()
				go func() {
					io.Copy(client, server)
					client.Close()
				}()
				s.carry(client, server)
			})
		}
	})
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("the database's URL is none")
	}
	q := u.Query()
	q.Set("host", folder)
	q.Set("port", "5432")
	u.Host, u.RawQuery = "", q.Encode()
	return u.String(), s
}

var statementName = regexp.MustCompile(`-- name: (\S+)`)

// carry passes on the messages of one client. A statement is prepared once (Parse) and
// then run by the name that it got (Bind), or it is sent as text (Query). The first
// message has no type.
func (s *Statements) carry(client io.Reader, server io.Writer) {
	prepared := map[string]string{}
	for kind := make([]byte, 0, 1); ; kind = kind[:1] {
		var length [4]byte
		if _, err := io.ReadFull(client, kind); err != nil {
			return
		}
		if _, err := io.ReadFull(client, length[:]); err != nil {
			return
		}
		body := make([]byte, max(4, binary.BigEndian.Uint32(length[:]))-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		switch first, rest, _ := bytes.Cut(body, []byte{0}); string(kind) {
		case "P":
			if m := statementName.FindSubmatch(rest); m != nil {
				prepared[string(first)] = string(m[1])
			}
		case "B":
			name, _, _ := bytes.Cut(rest, []byte{0})
			s.add(prepared[string(name)])
		case "Q":
			if m := statementName.FindSubmatch(body); m != nil {
				s.add(string(m[1]))
			}
		}
		if _, err := server.Write(append(append(kind, length[:]...), body...)); err != nil {
			return
		}
	}
}

func (s *Statements) add(name string) {
	if name == "" || name == "db.SetUpSession" {
		return
	}
	s.mu.Lock()
	f := s.before[name]
	delete(s.before, name)
	s.sent = append(s.sent, name)
	s.mu.Unlock()
	if f != nil {
		f()
	}
}
