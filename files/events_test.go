package files_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// listener is a client of the server-sent events.
type listener struct {
	id    string // of the last one
	lines *bufio.Scanner
	close func()
}

// listen opens a stream behind lastID, "" for what comes from now on.
func listen(t testing.TB, h *house, c *httpxtest.Client, lastID string) *listener {
	t.Helper()
	return listenAt(t, h, c, "/files/events", lastID)
}

func listenAt(t testing.TB, h *house, c *httpxtest.Client, path, lastID string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", h.URL+httpx.Prefix+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Bearer)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := answer.Header.Get(name); got != want || answer.StatusCode != 200 {
			t.Fatalf("%d with %s %q", answer.StatusCode, name, got)
		}
	}
	l := &listener{lines: bufio.NewScanner(answer.Body), close: func() { cancel(); answer.Body.Close() }}
	l.lines.Buffer(nil, 1<<20)
	t.Cleanup(l.close)
	// The first block tells where the stream begins.
	if _, ok := l.block(t); !ok || l.id == "" {
		t.Fatal("the stream does not begin with an id")
	}
	return l
}

// block reads up to the next empty line.
func (l *listener) block(t testing.TB) (fields map[string]string, ok bool) {
	fields = map[string]string{}
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ":")
		if l.lines.Text() == "" {
			return fields, true
		}
		fields[name] = strings.TrimPrefix(value, " ")
		if name == "id" {
			l.id = fields[name]
		}
	}
	return nil, false
}

// next is the next event; false when the stream has ended.
func (l *listener) next(t testing.TB) (e told, ok bool) {
	for {
		fields, ok := l.block(t)
		if !ok {
			return e, false
		}
		if fields["data"] == "" {
			continue
		}
		if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil || e.Type != fields["event"] {
			t.Errorf("event %q: %v", fields, err)
		}
		return e, true
	}
}

func (l *listener) want(t testing.TB, lines ...string) {
	t.Helper()
	for _, want := range lines {
		e, ok := l.next(t)
		if got := e.Type + " " + e.Item.Path; !ok || got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func (l *listener) wantEnd(t testing.TB) {
	t.Helper()
	if e, ok := l.next(t); ok {
		t.Fatalf("got %+v, want the end", e)
	}
}

func TestEvents_ReachListenersAtEveryWorkerAndNobodyElse(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	second := h.second(t)
	streams := []*listener{listen(t, h, c, ""), listen(t, second, c, "")}
	stranger := listen(t, second, other, "")
	for _, name := range []string{"a", "b", "c"} {
		c.Do("PUT", "/files/content/documents/"+name, "x").Want(t, 201)
		for _, l := range streams {
			l.want(t, "created /documents/"+name)
		}
	}
	other.Do("POST", "/files/folders", map[string]string{"path": "/mine"}).Want(t, 201)
	stranger.want(t, "created /mine")
}

func TestEvents_GoOnBehindTheLastEventID(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	l := listen(t, h, c, "")
	c.Do("PUT", "/files/content/documents/a", "x").Want(t, 201)
	l.want(t, "created /documents/a")
	l.close()
	// More than a stream sends at once.
	var want []string
	for i := range 250 {
		name := "/documents/" + strconv.Itoa(i)
		c.Do("POST", "/files/folders", map[string]string{"path": name}).Want(t, 201)
		want = append(want, "created "+name)
	}
	l = listen(t, h, c, l.id)
	l.want(t, want...)
	page := since(t, c, l.id)
	if len(page.Items) != 0 || page.NextCursor != l.id {
		t.Errorf("an id is no cursor: %+v", page)
	}
	c.Do("GET", "/files/events", nil, httpxtest.WithHeader("Last-Event-ID", "x")).WantProblem(t, 400, "invalid_cursor")
	c.Do("HEAD", "/files/events", nil).Want(t, 200)
}

func TestEvents_EndWithTheSession(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	bob, id := h.member(t, "bob@example.com")
	stays := h.SignIn(t, "ann@example.com")
	second := h.second(t)
	here, there, other := listen(t, h, c, ""), listen(t, second, c, ""), listen(t, second, stays, "")
	c.Do("POST", "/auth/logout", nil).Want(t, 204)
	here.wantEnd(t)
	there.wantEnd(t)
	stays.Do("PUT", "/files/content/documents/a", "x").Want(t, 201)
	other.want(t, "created /documents/a")

	h.User(t, "root@example.com", "admin")
	l := listen(t, second, bob, "")
	h.SignIn(t, "root@example.com").Do("PATCH", "/auth/users/"+id, map[string]any{"status": "disabled"}).Want(t, 200)
	l.wantEnd(t)
}

func TestEvents_ASlowListenerHoldsNobody(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	// The kernel holds little for the slow one.
	small := *c
	small.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
		}
		return conn, err
	}}}
	slow, quick := listen(t, h, &small, ""), listen(t, h, c, "")
	// More than the sockets hold, told at once.
	const many = 5000
	h.exec(t, `WITH t AS (UPDATE trees SET seq = seq + $2 WHERE owner_id = $1 RETURNING seq)
		INSERT INTO changes (owner_id, seq, type, item)
		SELECT $1, t.seq - $2 + n, 'created', jsonb_build_object('path', repeat('long', 500)) FROM t, generate_series(1, $2) AS n`, id, many)
	for i := range 5 { // who writes does not wait for who listens
		c.Do("PUT", "/files/content/documents/"+strconv.Itoa(i), "x").Want(t, 201)
	}
	last := since(t, c, "now").NextCursor
	for _, l := range []*listener{quick, slow} {
		n := 0
		for l.id != last {
			if _, ok := l.next(t); ok {
				n++
			} else { // it was too slow, and comes again
				l = listen(t, h, c, l.id)
			}
		}
		if n != many+5 {
			t.Errorf("got %d entries, want %d", n, many+5)
		}
	}
}

func TestEvents_BeatAndLookWhatWasLost(t *testing.T) {
	t.Parallel()
	h := &house{data: t.TempDir(), beat: 50 * time.Millisecond}
	h.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route { return h.open(t, e) })
	c, id := h.member(t, "ann@example.com")
	second := h.second(t)
	l := listen(t, second, c, "")
	if fields, ok := l.block(t); !ok || len(fields) != 1 {
		t.Fatalf("got %q, want a comment", fields)
	}
	// As if the notification had been lost: nothing is told but the table.
	h.exec(t, `WITH t AS (UPDATE trees SET seq = seq + 1 WHERE owner_id = $1 RETURNING seq)
		INSERT INTO changes (owner_id, seq, type, item) SELECT $1, t.seq, 'created', '{"path": "/x"}' FROM t`, id)
	l.want(t, "created /x")
}

// Opening a stream takes one question. What is idle asks nothing: once a beat
// the worker looks for all of its listeners.
func TestEvents_IdleListenersDoNotAskTheDatabase(t *testing.T) {
	t.Parallel()
	const (
		beat = 250 * time.Millisecond
		few  = 10
	)
	h := &house{data: t.TempDir(), beat: beat}
	h.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route { return h.open(t, e) })
	clients := make([]*httpxtest.Client, 5)
	for i := range clients {
		clients[i], _ = h.member(t, strconv.Itoa(i)+"@example.com")
		clients[i].Do("PUT", "/files/content/documents/a", "x").Want(t, 201)
	}
	key := decode[struct{ Key string }](t, clients[0].Do("POST", "/auth/keys",
		map[string]any{"name": "listener", "permissions": []string{"files:read"}}).Want(t, 201))
	clients = append(clients, h.Client(t).As(key.Key))
	listen(t, h, clients[5], "").close()
	h.settled(t)

	// within counts the questions except the looks that the time allows. A
	// worker that was not let run for seconds does not trust what it knows and
	// asks; then it is counted again.
	within := func(most int64, act func()) {
		t.Helper()
		var n int64
		for range 3 {
			before, began := h.DB.Stat().AcquireCount(), time.Now()
			act()
			n = h.DB.Stat().AcquireCount() - before - int64(time.Since(began)/beat) - 1
			if n <= most {
				return
			}
		}
		t.Errorf("there were %d questions, want %d", n, most)
	}
	var streams []*listener
	// A few more: a look finds streams that have not said yet how far they
	// are, and the key may have been forgotten.
	within(50+few, func() {
		streams = nil
		for i := range 50 {
			streams = append(streams, listen(t, h, clients[i%len(clients)], ""))
		}
	})
	within(0, func() {
		for range 4 {
			for _, l := range streams {
				if fields, ok := l.block(t); !ok || len(fields) != 1 {
					t.Fatalf("got %q, want a comment", fields)
				}
			}
		}
	})
	// They were idle, not deaf.
	clients[0].Do("PUT", "/files/content/documents/b", "x").Want(t, 201)
	for i := 0; i < len(streams); i += len(clients) {
		streams[i].want(t, "created /documents/b")
	}
}

func TestEvents_ManyFirstListenersMakeTheTreeOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	const many = 100
	var n int64
	for i := range 3 { // a worker that was not let run for seconds asks more
		c, _ := h.member(t, strconv.Itoa(i)+"@example.com")
		c.Do("GET", "/auth/me", nil).Want(t, 200)
		before := h.DB.Stat().AcquireCount()
		var openings sync.WaitGroup
		for range many {
			openings.Go(func() {
				if a := c.Do("HEAD", "/files/events", nil); a.Status != 200 {
					t.Errorf("%d: %s", a.Status, a.Body)
				}
			})
		}
		openings.Wait()
		// One makes the tree, which takes a few, and is announced.
		if n = h.DB.Stat().AcquireCount() - before; n < many+20 {
			return
		}
	}
	t.Errorf("%d openings took %d questions", many, n)
}

func TestEvents_AUserHasAFewStreamsOpenAtMost(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	door := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: h.Auth.Authenticate, Recheck: h.Auth.Recheck, Afresh: h.Auth.Afresh, RateLimits: true}, h.files.Routes())
	open := func(c *httpxtest.Client) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", door.URL+"/api/v1/files/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.Bearer)
		a, err := c.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Body.Close() })
		return a
	}
	for i := range 32 {
		if a := open(c); a.StatusCode != 200 {
			t.Fatalf("stream %d: got %d", i, a.StatusCode)
		}
	}
	c = door.Client(t).As(c.Bearer)
	c.Do("GET", "/files/events", nil).WantProblem(t, 429, "too_many_streams")
	c.Do("GET", "/files/usage", nil).Want(t, 200)
	if a := open(other); a.StatusCode != 200 {
		t.Errorf("another's stream: got %d", a.StatusCode)
	}
}
