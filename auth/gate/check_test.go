package gate_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/auth/gate"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

func header(name string, values ...string) httpxtest.Option {
	return httpxtest.WithHeader(name, values...)
}

func TestCheck_SendsPagesToSignInAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	for _, r := range []struct {
		name    string
		address string
		options []httpxtest.Option
		page    bool
	}{
		{"a page", "/", nil, true},
		{"a page in a frame", deep, []httpxtest.Option{header("Sec-Fetch-Dest")}, true},
		{"a script's call", "/", []httpxtest.Option{header("Sec-Fetch-Mode", "cors"), header("Accept", "text/html")}, false},
		{"a picture", "/", []httpxtest.Option{header("Sec-Fetch-Mode", "no-cors")}, false},
		{"a WebSocket", "/ws", []httpxtest.Option{header("Sec-Fetch-Mode", "websocket")}, false},
		{"a form", "/", []httpxtest.Option{header("X-Original-Method", "POST")}, false},
		{"a HEAD", "/", []httpxtest.Option{header("X-Original-Method", "HEAD")}, false},
		{"a preflight", "/", []httpxtest.Option{header("X-Original-Method", "OPTIONS")}, false},
		{"an old browser's page", "/", []httpxtest.Option{header("Sec-Fetch-Mode"), header("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")}, true},
		{"an old browser's call", "/", []httpxtest.Option{header("Sec-Fetch-Mode"), header("Accept", "*/*")}, false},
		{"an old browser's picture", "/", []httpxtest.Option{header("Sec-Fetch-Mode"), header("Accept", "image/png,image/*")}, false},
		{"a program", "/", []httpxtest.Option{header("Sec-Fetch-Mode")}, false},
		// Or a proxy without this path would lead people in a circle.
		{"the callback, where the proxy does not pass it on", "/.homebase/callback?code=x", nil, false},
	} {
		a := w.browser(t).open(grafana, r.address, r.options...)
		p := a.WantProblem(t, 401, "unauthenticated")
		to, marked := a.Header.Get("Location"), a.Header.Get("Set-Cookie")
		if (to != "") != r.page || (marked != "") != r.page || p.Detail != "" {
			t.Errorf("%s: sent to %q with the cookie %q", r.name, to, marked)
		}
	}
	// A long address must not be more than nginx's buffer for headers holds.
	b := w.browser(t)
	w.User(t, "ada@example.com", "member")
	code := b.code(w.SignIn(t, "ada@example.com"), grafana, "/"+strings.Repeat("x", 8000))
	if got := b.callback(grafana, code).Want(t, 303).Header.Get("Location"); got != "https://"+grafana+"/" {
		t.Errorf("sent to %.100s", got)
	}
}

// hostile are pairs of X-Original-URL and what else is sent, all of which are
// refused even with the host's cookie.
var hostile = map[string]struct {
	url  string
	more []httpxtest.Option
}{
	"an unknown host":                {url: "https://other.example.com/"},
	"another port":                   {url: "https://grafana.example.com:8443/"},
	"a host with a dot at the end":   {url: "https://grafana.example.com./"},
	"a longer host":                  {url: "https://grafana.example.com.evil.example/"},
	"a user":                         {url: "https://grafana.example.com@evil.example/"},
	"a user before the host":         {url: "https://x@grafana.example.com/"},
	"a user and a password":          {url: "https://a:b@grafana.example.com/"},
	"http":                           {url: "http://grafana.example.com/"},
	"no scheme":                      {url: "grafana.example.com/"},
	"another scheme":                 {url: "javascript://grafana.example.com/%0aalert(1)"},
	"a scheme in upper case":         {url: "HTTPS://grafana.example.com/"},
	"no path":                        {url: "https://grafana.example.com"},
	"a query without a path":         {url: "https://grafana.example.com?/"},
	"a fragment":                     {url: "https://grafana.example.com/#x"},
	"a fragment before the path":     {url: "https://grafana.example.com#/"},
	"a backslash before the path":    {url: `https://grafana.example.com\@evil.example/`},
	"a backslash for the path":       {url: `https://grafana.example.com\/`},
	"a backslash in the path":        {url: `https://grafana.example.com/\evil.example/`},
	"backslashes for slashes":        {url: `https:\\grafana.example.com/`},
	"three slashes":                  {url: "https:///grafana.example.com/"},
	"a space":                        {url: "https://grafana.example.com/a b"},
	"a space before":                 {url: " https://x/ https://grafana.example.com/"},
	"a tab":                          {url: "https://grafana.example.com/a\tb"},
	"bytes that are not ASCII":       {url: "https://grafana.example.com/\xc3\xa4"},
	"bytes that are no text":         {url: "https://grafana.example.com/\xff"},
	"a letter that folds to another": {url: "https://grafana.example.\u212aom/"},
	"an encoded dot":                 {url: "https://grafana%2eexample.com/"},
	"nothing":                        {url: ""},
	"two addresses":                  {more: []httpxtest.Option{header("X-Original-URL", "https://grafana.example.com/", "https://grafana.example.com/")}},
	"no address":                     {more: []httpxtest.Option{header("X-Original-URL")}},
	"two methods":                    {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Original-Method", "GET", "POST")}},
	"no method":                      {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Original-Method")}},
	"another host in X-Forwarded":    {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Forwarded-Host", "evil.example")}},
	"two hosts in X-Forwarded":       {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Forwarded-Host", grafana, "evil.example")}},
	"http in X-Forwarded":            {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Forwarded-Proto", "http")}},
	"two schemes in X-Forwarded":     {url: "https://grafana.example.com/", more: []httpxtest.Option{header("X-Forwarded-Proto", "https, http")}},
}

func TestCheck_RefusesWhatIsNotPlainlyAGuardedHost(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	w.User(t, "ada@example.com", "member")
	person, b := w.SignIn(t, "ada@example.com"), w.browser(t)
	b.enter(person, grafana)
	for name, r := range hostile {
		for _, path := range []string{"/auth/gate/check", "/auth/gate/callback?code=" + b.code2(person)} {
			a := b.ask(path, grafana, "/", append([]httpxtest.Option{header("X-Original-URL", r.url), header("Sec-Fetch-Mode")}, r.more...)...)
			if p := a.WantProblem(t, 403, "forbidden"); len(a.Header.Values("Set-Cookie")) > 0 || a.Header.Get("Location") != "" || p.Detail == "" {
				t.Errorf("%s: %v", name, a.Header)
			}
		}
	}
	b.open(grafana, "/", header("X-Forwarded-Host", "GRAFANA.example.com")).Want(t, 200)
	b.open(grafana, `/?q=a\b|c{d}`).Want(t, 200)
	b.ask("/auth/gate/check?x=%zz", grafana, "/").Want(t, 200)
	// The headers of other proxies are a client's, and no exception.
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Rewrite-Url", "X-Forwarded-Method"} {
		r, err := http.NewRequest("GET", w.nginx.URL+httpx.Prefix+"/auth/gate/check", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range w.browser(t).headers(grafana, "/private") {
			option(r)
		}
		r.Header.Set(name, "/public")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != 401 {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
	// Whoever is not the proxy learns and gets nothing, with the cookie too.
	direct := &browser{t, w.Client(t), b.cookies}
	direct.open(grafana, "/").WantProblem(t, 403, "forbidden")
	direct.callback(grafana, b.code2(person)).WantProblem(t, 403, "forbidden")
}

func TestCheck_TakesTheHostsOwnCookieAlone(t *testing.T) {
	t.Parallel()
	w := start(t)
	host := guard(t, w, grafana, nil)
	other := guard(t, w, nodered, nil)
	w.User(t, "ada@example.com", "member")
	grant, b := w.Grant(t, "ada@example.com"), w.browser(t)
	person := w.Client(t).As(grant.AccessToken)
	b.enter(person, grafana)
	good := b.cookie(grafana, "__Host-hb-gate").Value
	session := uuid.UUID(raw(t, good)[:16])
	hour := time.Now().Add(time.Hour)
	renamed := host
	renamed.Host = "graphs.example.com"
	flipped := raw(t, good)
	flipped[30] ^= 1
	later := raw(t, good)
	later[20]++
	for name, cookie := range map[string]string{
		"none":               "",
		"empty":              "__Host-hb-gate=",
		"two of them":        "__Host-hb-gate=" + good + "; __Host-hb-gate=" + good,
		"cut short":          "__Host-hb-gate=" + good[:len(good)-1],
		"longer":             "__Host-hb-gate=" + good + "A",
		"padded":             "__Host-hb-gate=" + good + "=",
		"another MAC":        "__Host-hb-gate=" + base64.RawURLEncoding.EncodeToString(flipped),
		"another expiry":     "__Host-hb-gate=" + base64.RawURLEncoding.EncodeToString(later),
		"expired":            "__Host-hb-gate=" + w.gate.Cookie(&host, session, time.Now().Add(-time.Second)),
		"of another host":    "__Host-hb-gate=" + w.gate.Cookie(&other, session, hour),
		"of another name":    "__Host-hb-gate=" + w.gate.Cookie(&renamed, session, hour),
		"of no session":      "__Host-hb-gate=" + w.gate.Cookie(&host, uuid.Must(uuid.NewV7()), hour),
		"of nobody":          "__Host-hb-gate=" + w.gate.Cookie(&host, uuid.Nil, hour),
		"another name":       "__Secure-hb-gate=" + good + "; hb-gate=" + good,
		"the API's":          "__Host-at=" + grant.AccessToken + "; __Host-rt=" + grant.RefreshToken,
		"an access token":    "__Host-hb-gate=" + grant.AccessToken,
		"the request's id":   "__Host-hb-gate=" + b.request(nodered, "/"),
		"the code's":         "__Host-hb-gate=" + b.code(person, nodered, "/"),
		"the browser's mark": "__Host-hb-gate=" + b.cookie(grafana, "__Host-hb-begin").Value,
	} {
		a := w.browser(t).script(grafana, "/", header("Cookie", cookie))
		if a.Status != 401 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	w.browser(t).script(grafana, "/", header("Cookie", "a=b; __Host-hb-gate="+w.gate.Cookie(&host, session, hour))).Want(t, 200)
	// Authorization is the program's, however much of it there is.
	for _, values := range [][]string{{"Bearer " + grant.AccessToken}, {"Bearer x", "Bearer y"}, {"Basic YTpi"}} {
		w.browser(t).script(grafana, "/", header("Authorization", values...)).Want(t, 401)
		b.script(grafana, "/", header("Authorization", values...)).Want(t, 200)
	}
	// The host's cookie opens nothing of the API, as no cookie and as no token.
	w.Client(t).As(good).Do("GET", "/auth/me", nil).Want(t, 401)
	w.Client(t).Do("GET", "/auth/me", nil, header("Cookie", "__Host-at="+good+"; __Host-hb-gate="+good)).Want(t, 401)
}

func TestCheck_EndsWithSessionUserRoleAndHostOnEveryWorker(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.another(t)
	root := admin(t, one)
	root.Do("POST", "/auth/roles", object{"name": "house", "permissions": []string{}}).Want(t, 201)
	for name, c := range map[string]struct {
		end    func(user, host string, person *httpxtest.Client)
		status int
	}{
		"signed out": {func(_, _ string, person *httpxtest.Client) { person.Do("POST", "/auth/logout", nil).Want(t, 204) }, 401},
		"ended": {func(user, _ string, _ *httpxtest.Client) {
			root.Do("DELETE", "/auth/users/"+user+"/sessions", nil).Want(t, 204)
		}, 401},
		"disabled": {func(user, _ string, _ *httpxtest.Client) {
			root.Do("PATCH", "/auth/users/"+user, object{"status": "disabled"}).Want(t, 200)
		}, 401},
		"deleted": {func(user, _ string, _ *httpxtest.Client) { root.Do("DELETE", "/auth/users/"+user, nil).Want(t, 204) }, 401},
		"role taken": {func(user, _ string, _ *httpxtest.Client) {
			root.Do("PATCH", "/auth/users/"+user, object{"roles": []string{"member"}}).Want(t, 200)
		}, 403},
		"other roles": {func(_, host string, _ *httpxtest.Client) {
			root.Do("PATCH", "/auth/gate/hosts/"+host, object{"roles": []string{"admin"}}).Want(t, 200)
		}, 403},
		"renamed host": {func(_, host string, _ *httpxtest.Client) {
			root.Do("PATCH", "/auth/gate/hosts/"+host, object{"host": "new.example.com"}).Want(t, 200)
		}, 403},
		"deleted host": {func(_, host string, _ *httpxtest.Client) {
			root.Do("DELETE", "/auth/gate/hosts/"+host, nil).Want(t, 204)
		}, 403},
	} {
		slug := strings.ReplaceAll(name, " ", "")
		name, email, host := slug+".example.com", slug+"@example.com", guard(t, one, slug+".example.com", object{"roles": []string{"house"}})
		user := one.User(t, email, "house")
		person, b := one.SignIn(t, email), one.browser(t)
		b.enter(person, name)
		dbtest.Within(t, "the new host at the other worker", func() bool { return b.at(two).script(name, "/").Status == 200 })
		c.end(user.ID.String(), host.ID.String(), person)
		b.script(name, "/").Want(t, c.status) // at once where it was done
		dbtest.Within(t, slug+" at the other worker", func() bool { return b.at(two).script(name, "/").Status == c.status })
	}
	// A host that was deleted and is made again is another one: its old cookies stay worthless.
	b := one.browser(t)
	one.User(t, "bea@example.com", "member")
	host := guard(t, one, grafana, nil)
	b.enter(one.SignIn(t, "bea@example.com"), grafana)
	root.Do("DELETE", "/auth/gate/hosts/"+host.ID.String(), nil).Want(t, 204)
	guard(t, one, grafana, nil)
	b.script(grafana, "/").Want(t, 401)
}

func TestCheck_AsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	made := new(*gate.Gate)
	e, statements := authtest.StartWatched(t, rooms(made))
	w := behindNginx(t, e, made)
	guard(t, w, grafana, object{"identify": true, "roles": []string{"member"}})
	w.User(t, "ada@example.com", "member")
	b := w.browser(t)
	b.enter(w.SignIn(t, "ada@example.com"), grafana)
	asked := func() []string {
		statements.Take()
		for range 10 {
			b.open(grafana, "/").Want(t, 200)
			w.browser(t).open(grafana, "/").Want(t, 401)
			b.open("other.example.com", "/").Want(t, 403)
		}
		return slices.DeleteFunc(statements.Take(), func(name string) bool { return !strings.HasPrefix(name, "gate.") && !strings.HasPrefix(name, "auth.") })
	}
	dbtest.Within(t, "warm", func() bool { return len(asked()) == 0 })
	if sent := asked(); len(sent) > 0 {
		t.Errorf("%v", sent)
	}
}

func TestCheck_MeetsNoLimit(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	w.User(t, "ada@example.com", "member")
	b := w.browser(t)
	b.enter(w.SignIn(t, "ada@example.com"), grafana)
	var refused sync.Map
	var wg sync.WaitGroup
	for range 50 { // for one page, of one client, and ten thousand a minute
		wg.Go(func() {
			other := &browser{t, w.nginx.Client(t), map[string][]*http.Cookie{grafana: slices.Clone(b.cookies[grafana])}}
			for range 140 {
				if a := other.script(grafana, "/"); a.Status != 200 || a.Header.Get("RateLimit") != "" {
					refused.Store(a.Status, true)
				}
			}
		})
	}
	wg.Wait()
	refused.Range(func(status, _ any) bool { t.Errorf("a check was answered %v", status); return true })
}

func TestCheck_TellsTheProgramWhoComesIfItAsks(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, object{"identify": true})
	guard(t, w, nodered, nil)
	admin(t, w).Do("POST", "/auth/roles", object{"name": "house", "permissions": []string{}}).Want(t, 201)
	ada := w.User(t, "ada@example.com", "member")
	admin(t, w).Do("PATCH", "/auth/users/"+ada.ID.String(), object{"roles": []string{"member", "house"}}).Want(t, 200)
	person, b := w.SignIn(t, "ada@example.com"), w.browser(t)
	b.enter(person, grafana)
	b.enter(person, nodered)
	for name, want := range map[string]string{"Ada L.": "Ada L.", "Ada Lövelace": "", "\u00a0": "", "": ""} {
		person.Do("PATCH", "/auth/me", object{"name": name}).Want(t, 200)
		h := b.open(grafana, "/").Header
		got := []string{h.Get("Remote-User"), h.Get("Remote-Email"), h.Get("Remote-Name"), h.Get("Remote-Groups")}
		if !slices.Equal(got, []string{"ada@example.com", "ada@example.com", want, "house,member"}) {
			t.Errorf("%q: %q", name, got)
		}
		for name := range b.open(nodered, "/").Want(t, 200).Header {
			if strings.HasPrefix(name, "Remote-") {
				t.Errorf("%s is told to a program that does not ask", name)
			}
		}
	}
	// A name cannot break a line; nor can one that came past the routes.
	person.Do("PATCH", "/auth/me", object{"name": "Ada\r\nRemote-Groups: admin"}).Want(t, 422)
	dbtest.Exec(t, w.DB, `UPDATE users SET name = E'Ada\r\nRemote-Groups: admin' WHERE id = $1`, ada.ID)
	admin(t, w).Do("PATCH", "/auth/users/"+ada.ID.String(), object{"roles": []string{"member"}}).Want(t, 200) // nothing is kept now
	if h := b.open(grafana, "/").Want(t, 200).Header; h.Get("Remote-Name") != "" || h.Get("Remote-Groups") != "member" {
		t.Errorf("%v", h)
	}
}

// nginx without its lines about the body announces one that it never sends.
func TestCheck_WaitsForNoBody(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	for _, request := range []string{
		"GET /api/v1/auth/gate/check HTTP/1.0\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n",
		"GET /api/v1/auth/gate/check HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n",
		"GET /api/v1/auth/gate/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(w.nginx.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%sX-Original-URL: https://%s/\r\nX-Original-Method: POST\r\n\r\n", request, grafana)
		began := time.Now()
		c.SetReadDeadline(began.Add(20 * time.Second))
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != 401 {
			t.Fatalf("%v %v", answer, err)
		}
		io.Copy(io.Discard, answer.Body)
		if took := time.Since(began); took > 4*time.Second { // a body is waited for for five
			t.Errorf("the answer came after %v:\n%s", took, request)
		}
		c.Close()
	}
}

func TestGate_IsClosedWithoutAnAccountPage(t *testing.T) {
	t.Parallel()
	var off *gate.Gate
	made := new(*gate.Gate)
	w := behindNginx(t, authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		off = gate.New(gate.Config{DB: e.DB, Audit: e.Audit, Auth: e.Auth, Keys: authtest.Keys})
		return rooms(made)(e)
	}), made)
	guard(t, w, grafana, nil)
	w.User(t, "ada@example.com", "member")
	b := w.browser(t)
	b.enter(w.SignIn(t, "ada@example.com"), grafana)
	b.client = httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: w.Auth.Authenticate,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, off.Routes()).Client(t)
	b.open(grafana, "/").WantProblem(t, 403, "forbidden")
}

func raw(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzOriginal: what is taken for an address is one that a strict parser reads
// in the same way, and that leads to that host alone.
func FuzzOriginal(f *testing.F) {
	for _, r := range hostile {
		f.Add(r.url)
	}
	f.Add("https://grafana.example.com:443/a?b=c")
	f.Fuzz(func(t *testing.T, text string) {
		authority, address, ok := gate.Original(http.Header{"X-Original-Url": {text}, "X-Original-Method": {"GET"}})
		if !ok {
			return
		}
		if !strings.HasPrefix(address, "/") || strings.ContainsAny(address, "\r\n #") {
			t.Fatalf("%q: %q", text, address)
		}
		if strings.ContainsAny(authority, `@/\?#%`) {
			return // no host is registered under such a name
		}
		u, err := url.Parse("https://" + authority + address)
		if err == nil && (u.Host != authority || u.User != nil || u.Fragment != "" || u.Scheme != "https") {
			t.Fatalf("%q: %q %q is %+v", text, authority, address, u)
		}
	})
}
