package files_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"homebase/audit"
	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// wire stands between a worker and PostgreSQL and can cut a connection at its
// COMMIT: before the server has seen it, or after it was done and before the
// worker hears of it.
type wire struct {
	cut   atomic.Pointer[string] // "before" or "after"; taken by the next COMMIT
	spare atomic.Int32           // behind so many that pass
}

// between opens a database behind a wire.
func between(t *testing.T, databaseURL string) (*db.DB, *wire) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	folder, err := os.MkdirTemp("", "wire")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	ln, err := net.Listen("unix", filepath.Join(folder, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	t.Cleanup(func() { ln.Close() })
	group.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				client.Close()
				continue
			}
			group.Go(func() { w.carry(client, server) })
		}
	})
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = ""
	q := u.Query()
	q.Set("host", folder)
	q.Set("port", strconv.Itoa(5432))
	u.RawQuery = q.Encode()
	return dbtest.Open(t, u.String()), w
}

// carry moves the bytes of one connection both ways.
func (w *wire) carry(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var deaf atomic.Bool // the client hears nothing any more
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && deaf.Load() {
				client.Close()
				return
			}
			if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
				client.Close()
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if dbtest.Commits(buf[:n]) {
			if w.cut.Load() != nil && w.spare.Add(-1) < 0 {
				if *w.cut.Swap(nil) == "before" {
					break
				}
				deaf.Store(true)
			}
		}
		if _, werr := server.Write(buf[:n]); err != nil || werr != nil {
			break
		}
	}
	client.Close()
	server.Close()
	<-done
}

// cutHouse is a worker whose database lies behind a wire, with one user.
func cutHouse(t *testing.T) (h *house, c *httpxtest.Client, w *wire, id string) {
	t.Helper()
	databaseURL := dbtest.Create(t)
	d, w := between(t, databaseURL)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	events := audit.New(d, log, authtest.Keys)
	h = &house{data: t.TempDir(), Env: &authtest.Env{DB: d, Audit: events,
		Auth: auth.New(auth.Config{DB: d, Audit: events, Log: log, PublicURL: authtest.PublicURL, Keys: authtest.Keys})}}
	routes := h.open(t, h.Env)
	owner := uuid.Must(uuid.NewV7())
	h.exec(t, "INSERT INTO users (id, email, password_hash) VALUES ($1, 'ann@example.com', 'x')", owner)
	h.exec(t, "INSERT INTO user_roles (user_id, role) VALUES ($1, 'member')", owner)
	h.exec(t, `INSERT INTO sessions (id, user_id, rt_key, user_agent, idle_until, absolute_until)
		VALUES ($1, $1, sha256('x'), '', now() + interval '1 hour', now() + interval '1 hour')`, owner)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait() })
	group.Go(func() { d.Listener().Run(ctx) })
	h.Server = httpxtest.Start(t, httpx.Config{Log: log, Authenticate: func(*http.Request) (*httpx.Caller, error) {
		return &httpx.Caller{UserID: owner, SessionID: owner, Permissions: []string{"files:read", "files:write"}}, nil
	}}, routes)
	c = h.Client(t)
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	h.settled(t)
	return h, c, w, owner.String()
}

func TestCommit_WhoseAnswerWasLostIsFoundToBeDone(t *testing.T) {
	t.Parallel()
	h, c, w, id := cutHouse(t)
	body := random(3 << 20)
	c.Do("PUT", "/files/content/documents/first.bin", "x").Want(t, 201)
	h.settled(t)
	h.cutCommit(t, w, "after", 1)
	c.Do("PUT", "/files/content/documents/a.bin", body).WantProblem(t, 503, "outcome_unknown")
	await(t, func() bool {
		got, err := os.ReadFile(h.place(id, "documents", "a.bin"))
		return err == nil && bytes.Equal(got, body)
	})
	wantBytes(t, c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200).Body, body)
	h.settled(t)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used != int64(len(body))+1 || u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
}

func TestCommit_ThatNeverArrivedIsUndone(t *testing.T) {
	t.Parallel()
	h, c, w, _ := cutHouse(t)
	h.cutCommit(t, w, "before", 1)
	c.Do("PUT", "/files/content/documents/a.bin", random(3<<20)).WantProblem(t, 503, "outcome_unknown")
	await(t, func() bool { return len(h.onDisk(t)) == 0 })
	await(t, func() bool {
		return decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)) == usage{Quota: 1 << 30, Items: 3, Entries: 3, EntryQuota: 1_000_000}
	})
	c.Do("PUT", "/files/content/documents/a.bin", "again").Want(t, 201)
}

func TestReservation_WhoseReleaseFailsIsReleasedLater(t *testing.T) {
	t.Parallel()
	h, c, w, _ := cutHouse(t)
	h.cutCommit(t, w, "before", 1)
	c.Do("PUT", "/files/content/documents/a.bin", random(3<<20),
		httpxtest.WithHeader("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")).WantProblem(t, 422, "digest_mismatch")
	if w.cut.Load() != nil {
		t.Fatal("nothing was cut")
	}
	await(t, func() bool { return decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)).Reserved == 0 })
}

// More space for a resumable upload whose answer was lost is undone with nothing of
// what has come.
func TestReservation_WhoseAnswerWasLostKeepsAResumableUpload(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"before", "after"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h, c, w, id := cutHouse(t)
			want := random(3 << 20)
			at := begin(t, c, -1, "filename", "a.bin", "path", "documents")
			wantOffset(t, patch(c, at, 0, want[:1<<20]).Want(t, 204), 1<<20)
			h.cutCommit(t, w, how, 0)
			patch(c, at, 1<<20, want[1<<20:]).WantProblem(t, 503, "storage_unavailable")
			// Something else that is undone later, after what is to be undone of it.
			h.cutCommit(t, w, "before", 1)
			c.Do("PUT", "/files/content/documents/b.bin", random(8<<20),
				httpxtest.WithHeader("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")).WantProblem(t, 422, "digest_mismatch")
			if w.cut.Load() != nil {
				t.Fatal("nothing was cut")
			}
			await(t, func() bool {
				return decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)).Reserved < 8<<20
			})
			if n := offsetOf(t, c, at); n != 1<<20 {
				t.Errorf("%d bytes are left of a MiB", n)
			}
			patch(c, at, 1<<20, want[1<<20:], "Upload-Length", strconv.Itoa(len(want))).Want(t, 204)
			h.settled(t)
			wantFile(t, h.place(id, "documents", "a.bin"), want)
			if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used != int64(len(want)) || u.Reserved != 0 {
				t.Errorf("got %+v", u)
			}
		})
	}
}

// cutCommit cuts a COMMIT behind so many others. Nothing else commits at that
// time: no record waits, and the COMMIT that deleted the last one has passed
// the wire, for it is seen.
func (h *house) cutCommit(t *testing.T, w *wire, how string, spare int32) {
	t.Helper()
	h.settled(t)
	w.spare.Store(spare)
	w.cut.Store(&how)
}

func TestPublish_ThatFailsIsServedFromStagingAndTriedAgain(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "old").Want(t, 201)
	h.settled(t)
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("PUT", "/files/content/documents/a.txt", "new").WantProblem(t, 503, "storage_unavailable")
	wantBytes(t, c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200).Body, []byte("new"))
	thaw()
	h.settled(t)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("new"))
}
