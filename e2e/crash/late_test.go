package crash

import (
	"bytes"
	"fmt"
	"homebase/db/dbtest"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// slowWire stands between servers and PostgreSQL. While it is held, a COMMIT
// does not arrive, as by a slow network; when it is let go, the server that
// sent it may be long dead. Connections that are made meanwhile are not held.
type slowWire struct {
	folder string // where the server finds its socket

	mu    sync.Mutex
	holds int           // how often it was held
	free  chan struct{} // closed when it is let go; nil when it is not held
}

// wire makes one.
func (r *rig) wire(name string) *slowWire {
	r.t.Helper()
	w := &slowWire{folder: filepath.Join(r.dir, name)}
	must(r.t, os.Mkdir(w.folder, 0o700))
	ln, err := net.Listen("unix", w.folder+"/.s.PGSQL.5432")
	must(r.t, err)
	r.t.Cleanup(func() { ln.Close() })
	go w.serve(ln, r.dir+"/socket/.s.PGSQL.5432")
	return w
}

func (w *slowWire) databaseURL() string {
	return "postgres://homebase@/postgres?host=" + url.QueryEscape(w.folder)
}

// hold holds COMMITs back until release is called.
func (w *slowWire) hold() (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	free := make(chan struct{})
	w.holds++
	w.free = free
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		close(free)
		if w.free == free {
			w.free = nil
		}
	}
}

// await waits while it is held, for a connection that was made when it had been
// held so often.
func (w *slowWire) await(holds int) {
	w.mu.Lock()
	free := w.free
	if holds == w.holds {
		free = nil
	}
	w.mu.Unlock()
	if free != nil {
		<-free
	}
}

// committing reports whether a server has an owner's lock, and PostgreSQL waits
// for the statements that go with the COMMIT.
func (r *rig) committing(server string) bool {
	return r.count(`SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
		WHERE a.application_name = $1 AND a.state = 'idle in transaction' AND l.relation = 'trees'::regclass AND l.mode = 'RowShareLock'`, server) > 0
}

func (w *slowWire) serve(ln net.Listener, postgres string) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", postgres)
		if err != nil {
			client.Close()
			continue
		}
		w.mu.Lock()
		holds := w.holds
		w.mu.Unlock()
		go func() {
			defer client.Close()
			io.Copy(client, server)
		}()
		go func() {
			defer server.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := client.Read(buf)
				if dbtest.Commits(buf[:n]) {
					w.await(holds)
				}
				if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
					return
				}
			}
		}()
	}
}

// recoveryOfAny gives a function that reports whether a server that lives now
// is being recovered, or was.
func (r *rig) recoveryOfAny() (begun func() bool) {
	r.t.Helper()
	const alive = "SELECT count(*) FROM workers WHERE dead_at IS NULL AND id <= $1"
	last := r.count("SELECT max(id) FROM workers")
	all := r.count(alive, last)
	return func() bool { return r.count(alive, last) < all }
}

// TestCrash_ACommitThatArrivesAfterItsServerDied holds a COMMIT back, kills
// the server that sent it, and lets another one recover meanwhile.
func TestCrash_ACommitThatArrivesAfterItsServerDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.serve(0, "")
	a := &account{email: email(0)}
	r.signIn(a)
	w := r.wire("wire")
	for i := range 2 {
		s := r.serve(1, "", "HOMEBASE_DATABASE_URL="+w.databaseURL()+"&application_name=late")
		name := fmt.Sprintf("/files/content/documents/late%d", i)
		body := bytes.Repeat([]byte("late"), 1000)
		begun := r.recoveryOfAny()
		release := w.hold()
		answered := make(chan bool, 1)
		go func() {
			_, _, sure := a.ask(t.Context(), s, "PUT", name, body, nil)
			answered <- sure
		}()
		await(t, "the commit is held back", func() bool { return r.committing("late") })
		s.kill()
		if <-answered {
			t.Fatal("it was answered")
		}
		third := r.launch(1, "")
		await(t, "the recovery has begun", begun)
		time.AfterFunc(time.Second, release)
		await(t, "the third server is ready", third.ready)
		await(t, "the commit has arrived", func() bool {
			return r.count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'late'") == 0
		})
		for _, finding := range r.check(nil, nil, true) {
			t.Error(finding)
		}
		var got []byte
		if status, _, _ := a.ask(t.Context(), r.servers[0], "GET", name, nil, &got); status == 200 && !bytes.Equal(got, body) {
			t.Errorf("%d other bytes", len(got))
		} else if status != 200 && status != 404 {
			t.Errorf("got %d", status)
		}
		r.servers[1].kill()
	}
}
