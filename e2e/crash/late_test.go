package crash

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// slowWire stands between a server and PostgreSQL. When it is armed the next
// COMMIT is held back, as by a slow network, and seized is called; it arrives
// when the server that sent it is long dead.
type slowWire struct {
	armed  atomic.Bool
	seized func()
	hold   time.Duration
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
		go func() {
			defer client.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := server.Read(buf)
				client.Write(buf[:n]) // whether anybody hears it does not matter
				if err != nil {
					return
				}
			}
		}()
		go func() {
			defer server.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := client.Read(buf)
				if bytes.Contains(buf[:n], []byte("commit\x00")) && w.armed.CompareAndSwap(true, false) {
					w.seized()
					time.Sleep(w.hold)
				}
				if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
					return
				}
			}
		}()
	}
}

// TestCrash_ACommitThatArrivesAfterItsServerDied holds a COMMIT back, kills
// the server that sent it, and lets another one recover meanwhile.
func TestCrash_ACommitThatArrivesAfterItsServerDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.launch(0, "")
	await(t, "the server is ready", r.servers[0].ready)
	a := &account{email: email(0)}
	r.signIn(a)
	folder := r.dir + "/wire"
	must(t, os.Mkdir(folder, 0o700))
	ln, err := net.Listen("unix", folder+"/.s.PGSQL.5432")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	w := &slowWire{hold: 2 * time.Second}
	go w.serve(ln, r.dir+"/socket/.s.PGSQL.5432")

	for i := range 2 {
		s := r.launch(1, "", "HOMEBASE_DATABASE_URL=postgres://homebase@/postgres?host="+url.QueryEscape(folder))
		await(t, "the second server is ready", s.ready)
		name := fmt.Sprintf("/files/content/documents/late%d", i)
		body := bytes.Repeat([]byte("late"), 1000)
		dead := make(chan struct{})
		w.seized = func() { s.Process.Kill(); close(dead) }
		time.Sleep(200 * time.Millisecond) // nothing else commits by now
		w.armed.Store(true)
		if status, code, sure := request(t.Context(), s, a.token, "PUT", name, body, nil); sure {
			t.Fatalf("answered %d %s", status, code)
		}
		<-dead
		third := r.launch(1, "") // recovers what is dead by now
		await(t, "the third server is ready", third.ready)
		time.Sleep(w.hold)
		for _, finding := range r.check(nil, nil, true) {
			t.Error(finding)
		}
		var got []byte
		if status, _, _ := request(t.Context(), r.servers[0], a.token, "GET", name, nil, &got); status == 200 && !bytes.Equal(got, body) {
			t.Errorf("%d other bytes", len(got))
		} else if status != 200 && status != 404 {
			t.Errorf("got %d", status)
		}
		r.servers[1].kill()
	}
}
