package gate_test

import (
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/auth/gate"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

const (
	page    = "https://home.example.com/account.html"
	grafana = "grafana.example.com"
	nodered = "red.example.com:8443"
	deep    = "/d/7?from=now-1h&var=a%20b"
)

type object = map[string]any

// worker is a running one, as browsers reach it and as nginx does.
type worker struct {
	*authtest.Env
	gate  *gate.Gate
	nginx *httpxtest.Server

	made **gate.Gate // by the worker that was started last
}

func start(t *testing.T) worker {
	t.Helper()
	made := new(*gate.Gate)
	return behindNginx(t, authtest.Start(t, rooms(made)), made)
}

func rooms(made **gate.Gate) func(*authtest.Env) []httpx.Route {
	return func(e *authtest.Env) []httpx.Route {
		*made = gate.New(gate.Config{DB: e.DB, Audit: e.Audit, Auth: e.Auth, Keys: authtest.Keys, AccountURL: page,
			Own: []string{"https://api.example.com", "https://files.example.com:444"}})
		return (*made).Routes()
	}
}

// behindNginx gives a worker a second door, for its trusted proxy.
func behindNginx(t *testing.T, e *authtest.Env, made **gate.Gate) worker {
	t.Helper()
	nginx := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: e.Auth.Authenticate, Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh, RateLimits: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, slices.Concat(e.Auth.Routes(), (*made).Routes()))
	return worker{e, *made, nginx, made}
}

// another is a second worker on the same database.
func (w worker) another(t *testing.T) worker {
	t.Helper()
	return behindNginx(t, w.Worker(t), w.made)
}

func admin(t testing.TB, w worker) *httpxtest.Client {
	t.Helper()
	there, err := db.One(t.Context(), w.DB, db.Value[bool], `SELECT EXISTS (SELECT FROM users WHERE email = 'root@example.com')`)
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		w.User(t, "root@example.com", "admin")
	}
	return w.SignIn(t, "root@example.com")
}

// guard makes a host as an admin does.
func guard(t testing.TB, w worker, host string, fields object) gate.Host {
	t.Helper()
	body := object{"host": host, "name": "Graphs"}
	maps.Copy(body, fields)
	var h gate.Host
	admin(t, w).Do("POST", "/auth/gate/hosts", body).Want(t, 201).JSON(t, &h)
	return h
}

// browser is one, with the cookies of each host.
type browser struct {
	t       testing.TB
	client  *httpxtest.Client
	cookies map[string][]*http.Cookie
}

func (w worker) browser(t testing.TB) *browser {
	return &browser{t, w.nginx.Client(t), map[string][]*http.Cookie{}}
}

// at is the same browser at another worker.
func (b *browser) at(w worker) *browser {
	return &browser{b.t, w.nginx.Client(b.t), b.cookies}
}

// ask is a request of the browser as nginx passes it on.
func (b *browser) ask(path, host, address string, more ...httpxtest.Option) *httpxtest.Answer {
	b.t.Helper()
	a := b.client.Do("GET", path, nil, append(b.headers(host, address), more...)...)
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		b.cookies[host] = append(slices.DeleteFunc(b.cookies[host], func(o *http.Cookie) bool { return o.Name == c.Name }), c)
	}
	return a
}

func (b *browser) headers(host, address string) []httpxtest.Option {
	var sent []string
	for _, c := range b.cookies[host] {
		sent = append(sent, c.Name+"="+c.Value)
	}
	options := []httpxtest.Option{httpxtest.WithHeader("X-Original-URL", "https://"+host+address), httpxtest.WithHeader("X-Original-Method", "GET"),
		httpxtest.WithHeader("Sec-Fetch-Mode", "navigate"), httpxtest.WithHeader("X-Forwarded-For", "203.0.113.7"), httpxtest.WithHeader("X-Forwarded-Proto", "https")}
	if sent != nil {
		options = append(options, httpxtest.WithHeader("Cookie", strings.Join(sent, "; ")))
	}
	return options
}

// open asks for a page; script for something that is none.
func (b *browser) open(host, address string, more ...httpxtest.Option) *httpxtest.Answer {
	b.t.Helper()
	a := b.ask("/auth/gate/check", host, address, more...)
	if a.Status != 200 && a.Status != 401 && a.Status != 403 {
		b.t.Errorf("%s%s: %d", host, address, a.Status)
	}
	return a
}

func (b *browser) script(host, address string, more ...httpxtest.Option) *httpxtest.Answer {
	b.t.Helper()
	return b.open(host, address, append([]httpxtest.Option{httpxtest.WithHeader("Sec-Fetch-Mode", "cors")}, more...)...)
}

// request is the id of the request that the browser brings to the account page;
// the fragment says nothing else.
func (b *browser) request(host, address string) string {
	b.t.Helper()
	a := b.open(host, address).Want(b.t, 401)
	id, ok := strings.CutPrefix(a.Header.Get("Location"), page+"#action=gate&request=")
	if !ok {
		b.t.Fatalf("sent to %q", a.Header.Get("Location"))
	}
	return id
}

func approve(person *httpxtest.Client, request string) *httpxtest.Answer {
	return person.Do("POST", "/auth/gate/requests/"+request, object{"approve": true})
}

// code is what the account page brings back to the host.
func (b *browser) code(person *httpxtest.Client, host, address string) string {
	b.t.Helper()
	var next gate.Next
	approve(person, b.request(host, address)).Want(b.t, 200).JSON(b.t, &next)
	code, ok := strings.CutPrefix(next.RedirectTo, "https://"+host+"/.homebase/callback?code=")
	if !ok || len(code) < 26 {
		b.t.Fatalf("sent to %s", next.RedirectTo)
	}
	return code
}

func (b *browser) callback(host, code string, more ...httpxtest.Option) *httpxtest.Answer {
	b.t.Helper()
	query := "?" + url.Values{"code": {code}}.Encode()
	more = append([]httpxtest.Option{httpxtest.WithHeader("Sec-Fetch-Mode")}, more...)
	return b.ask("/auth/gate/callback"+query, host, "/.homebase/callback"+query, more...)
}

// enter is all of it.
func (b *browser) enter(person *httpxtest.Client, host string) {
	b.t.Helper()
	b.callback(host, b.code(person, host, "/")).Want(b.t, 303)
	b.open(host, "/").Want(b.t, 200)
}

func (b *browser) cookie(host, name string) *http.Cookie {
	b.t.Helper()
	at := slices.IndexFunc(b.cookies[host], func(c *http.Cookie) bool { return c.Name == name })
	if at < 0 {
		b.t.Fatalf("%s has no cookie %s", host, name)
	}
	return b.cookies[host][at]
}

func TestGate_LeadsAPersonToWhereTheyWantedToBe(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	guard(t, w, nodered, nil)
	ada := w.User(t, "ada@example.com", "member")
	person, b := w.SignIn(t, "ada@example.com"), w.browser(t)

	request := b.request(grafana, deep)
	begin := b.cookie(grafana, "__Host-hb-begin")
	var shown gate.Request
	w.Client(t).Do("GET", "/auth/gate/requests/"+request, nil).Want(t, 200).JSON(t, &shown)
	if left := time.Until(shown.ExpiresAt); shown.Host != grafana || shown.Name != "Graphs" || left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("%+v", shown)
	}
	if dbtest.Count(t, w.DB, `SELECT count(*) FROM gate_codes`) != 0 {
		t.Error("a request is stored")
	}
	answer := b.callback(grafana, b.code(person, grafana, deep)).Want(t, 303)
	if got := answer.Header.Get("Location"); got != "https://"+grafana+deep {
		t.Errorf("sent to %s", got)
	}
	if b.cookie(grafana, "__Host-hb-begin").Value != begin.Value {
		t.Error("the browser's mark changed: a tab that came before cannot come in")
	}
	set := answer.Header.Values("Set-Cookie")
	if len(set) != 1 || !strings.HasPrefix(set[0], "__Host-hb-gate=") || !strings.HasSuffix(set[0], "; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("%q", set)
	}
	if got := b.open(grafana, deep).Want(t, 200); len(got.Body) > 0 || len(got.Header.Values("Set-Cookie")) > 0 || got.Header.Get("Remote-User") != "" {
		t.Errorf("%v %s", got.Header, got.Body)
	}
	b.script(grafana, "/api/live", httpxtest.WithHeader("X-Original-Method", "POST")).Want(t, 200)
	b.open("GRAFANA.example.com:443", "/", httpxtest.WithHeader("Cookie", "__Host-hb-gate="+b.cookie(grafana, "__Host-hb-gate").Value)).Want(t, 200)
	if n := dbtest.Count(t, w.DB, `SELECT count(*) FROM audit_events WHERE action = 'gate.entered' AND actor_user = $1`, ada.ID); n != 1 {
		t.Errorf("%d admissions are recorded", n)
	}

	// At another host, neither this cookie nor a code of this host is good.
	b.cookies[nodered] = slices.Clone(b.cookies[grafana])
	b.open(nodered, "/").Want(t, 401)
	other := w.browser(t)
	b.callback(nodered, other.code(person, grafana, "/")).WantProblem(t, 410, "gate_code_invalid")
	b.enter(person, nodered)
	b.open(grafana, "/").Want(t, 200)
}
