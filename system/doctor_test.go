package system_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"

	"github.com/jackc/pgx/v5"
)

const friend = "https://files.example.com"

// patient is a worker behind a proxy that a test can spoil.
type patient struct {
	*room
	cfg *system.Config
}

// ward is a worker whose keys are those of every patient.
func ward(t *testing.T) *room {
	t.Helper()
	cfg, err := system.LoadConfig([]string{"HOMEBASE_SECRET=" + secret})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, func(s *system.Setup) { s.Keys = cfg.Keys })
}

// admit serves a room, and before it a proxy with one fault. With tls its
// certificate is one that nobody trusts.
func admit(t *testing.T, rm *room, tls bool, trusted []netip.Prefix, spoil func(proxy *httputil.ReverseProxy) http.Handler) *patient {
	t.Helper()
	var handler http.Handler
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tls {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	data := t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, err := system.LoadConfig([]string{"HOMEBASE_PUBLIC_URL=" + front.URL, "HOMEBASE_ORIGINS=" + friend, "HOMEBASE_DATA_DIR=" + data, "HOMEBASE_MIN_FREE=1MiB", "HOMEBASE_SECRET=" + secret})
	if err != nil {
		t.Fatal(err)
	}
	server := httpxtest.Start(t, httpx.Config{PublicURL: front.URL, Origins: cfg.Origins, TrustedProxies: trusted, Authenticate: rm.Auth.Authenticate, Recheck: rm.Auth.Recheck, Afresh: rm.Auth.Afresh}, rm.sys.Routes())
	back, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(back)
		p.SetXForwarded()
	}}
	if handler = proxy; spoil != nil {
		handler = spoil(proxy)
	}
	return &patient{rm, cfg}
}

// examine runs the doctor and returns what it finds.
func (p *patient) examine(t *testing.T) (all []system.Finding, err error) {
	t.Helper()
	commands := p.sys.Commands(p.cfg, nil)
	i := slices.IndexFunc(commands, func(c cli.Command) bool { return c.Name == "doctor" })
	var out bytes.Buffer
	sh := &cli.Shell{Stdout: &out, Stderr: io.Discard, Connect: func(context.Context, cli.Need) error { return nil }}
	err = commands[i].Run(t.Context(), sh, []string{"--json"})
	if jsonErr := json.Unmarshal(out.Bytes(), &all); jsonErr != nil {
		t.Fatalf("%v: %s", jsonErr, &out)
	}
	return all, err
}

// faultsOf leaves out that the tests' PostgreSQL is quick and not durable,
// which the doctor does not miss.
func faultsOf(all []system.Finding) (checks []string) {
	for _, f := range all {
		if f.Level == system.Fault && f.Check != "database.durability" && !slices.Contains(checks, f.Check) {
			checks = append(checks, f.Check)
		}
	}
	return checks
}

func TestDoctor_NamesWhatIsWrongInFrontOfTheServer(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	answer := func(change func(h http.Header)) func(*httputil.ReverseProxy) http.Handler {
		return func(proxy *httputil.ReverseProxy) http.Handler {
			proxy.ModifyResponse = func(res *http.Response) error { change(res.Header); return nil }
			return proxy
		}
	}
	request := func(change func(r *http.Request)) func(*httputil.ReverseProxy) http.Handler {
		return func(proxy *httputil.ReverseProxy) http.Handler {
			rewrite := proxy.Rewrite
			proxy.Rewrite = func(p *httputil.ProxyRequest) { rewrite(p); change(p.Out) }
			return proxy
		}
	}
	rm := ward(t)
	for name, test := range map[string]struct {
		want    string
		tls     bool
		nobody  bool // no proxy is trusted
		planted func(*httputil.ReverseProxy) http.Handler
	}{
		"nothing":       {},
		"tls":           {want: "tls", tls: true},
		"trust":         {want: "trusted_proxies", nobody: true},
		"silent proxy":  {want: "client_address", planted: request(func(r *http.Request) { r.Header.Del("X-Forwarded-For") })},
		"forged client": {want: "client_address", planted: request(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.77") })},
		// As nginx does with set_real_ip_from, and Nginx Proxy Manager by itself.
		"believed client": {want: "client_address", planted: func(proxy *httputil.ReverseProxy) http.Handler {
			rewrite := proxy.Rewrite
			proxy.Rewrite = func(p *httputil.ProxyRequest) {
				rewrite(p)
				if said := p.In.Header.Get("X-Real-Ip"); said != "" {
					p.Out.Header.Set("X-Forwarded-For", said)
				}
			}
			return proxy
		}},
		"authorization": {want: "authorization", planted: request(func(r *http.Request) { r.Header.Del("Authorization") })},
		"cookies": {want: "cookies", planted: answer(func(h http.Header) {
			h.Set("Set-Cookie", strings.Replace(h.Get("Set-Cookie"), "; Secure", "", 1))
		})},
		"cache": {want: "cache", planted: answer(func(h http.Header) { h.Set("X-Request-Id", "kept") })},
		"cors":  {want: "cors", planted: answer(func(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") })},
		"path":  {want: "reach", planted: request(func(r *http.Request) { r.URL.Path = "/v2" + r.URL.Path })},
		"body limit": {want: "body_limit", planted: func(proxy *httputil.ReverseProxy) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 1<<31 {
					http.Error(w, "too large", http.StatusRequestEntityTooLarge)
					return
				}
				proxy.ServeHTTP(w, r)
			})
		}},
		"body limit by a cut": {want: "body_limit", planted: func(proxy *httputil.ReverseProxy) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 1<<31 {
					panic(http.ErrAbortHandler)
				}
				proxy.ServeHTTP(w, r)
			})
		}},
		// A test has no second machine to be the proxy.
		"untrusted peer": {want: "trusted_proxies", planted: func(*httputil.ReverseProxy) http.Handler {
			server, err := httpx.New(httpx.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Authenticate: rm.Auth.Authenticate, Recheck: rm.Auth.Recheck, Afresh: rm.Auth.Afresh}, rm.sys.Routes())
			if err != nil {
				t.Error(err)
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "203.0.113.1:4711"
				server.ServeHTTP(w, r)
			})
		}},
		"buffered request": {want: "request_buffering", planted: func(proxy *httputil.ReverseProxy) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength < 0 {
					text, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(text))
				}
				proxy.ServeHTTP(w, r)
			})
		}},
		"buffered answer": {want: "event_stream", planted: func(proxy *httputil.ReverseProxy) http.Handler {
			proxy.ModifyResponse = func(res *http.Response) error {
				text, err := io.ReadAll(res.Body)
				res.Body = io.NopCloser(bytes.NewReader(text))
				return err
			}
			return proxy
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trusted := loopback
			if test.nobody {
				trusted = nil
			}
			all, err := admit(t, rm, test.tls, trusted, test.planted).examine(t)
			if got := strings.Join(faultsOf(all), " "); got != test.want || test.want != "" && err == nil {
				t.Errorf("the faults are %q with the error %v, want %q", got, err, test.want)
			}
			for _, f := range all {
				if f.Level == system.Fault && (f.Why == "" || f.Mend == "") || strings.Contains(f.Mend, "%!") {
					t.Errorf("%s says not why it matters, or how to mend it: %q", f.Check, f.Mend)
				}
				if name == "believed client" && f.Check == "client_address" && (!strings.Contains(f.Mend, "real_ip_header proxy_protocol;") || !strings.Contains(f.What, "by X-Real-Ip.")) {
					t.Errorf("what is found is %+v", f)
				}
			}
		})
	}
}

func TestDoctor_NamesWhatIsWrongInside(t *testing.T) {
	t.Parallel()
	p := admit(t, ward(t), false, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, nil)
	if err := os.Chmod(p.cfg.DataDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.cfg.DataDir+"/.homebase", []byte("0198c0de-0000-7000-8000-000000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.DB.Exec(t.Context(), `UPDATE instance SET data_dir_id = '0198c0de-0000-7000-8000-000000000001'`); err != nil {
		t.Fatal(err)
	}
	p.cfg.MinFree = 1 << 60
	all, err := p.examine(t)
	if got := strings.Join(faultsOf(all), " "); got != "data_dir.marker data_dir.owner data_dir.free" || err == nil {
		t.Errorf("the faults are %q, %v", got, err)
	}
}

func TestProbe_AnswersToNobodyElse(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for _, c := range []*httpxtest.Client{rm.Client(t), rm.admin} {
		for _, token := range []string{"", "x", strings.Repeat("A", 54)} {
			c.Do("GET", "/system/probe", nil, httpxtest.WithHeader("X-Homebase-Probe", token)).WantProblem(t, 404, "not_found")
			c.Do("POST", "/system/probe", "body", httpxtest.WithHeader("X-Homebase-Probe", token)).WantProblem(t, 404, "not_found")
		}
	}
}

func TestDoctor_LooksWhetherTheServerMayRewriteTheRecord(t *testing.T) {
	t.Parallel()
	p := admit(t, ward(t), false, nil, nil)
	level := func() any {
		all, _ := p.examine(t)
		i := slices.IndexFunc(all, func(f system.Finding) bool { return f.Check == "database.roles" })
		return all[i].Level
	}
	if got := level(); got != system.Sound {
		t.Errorf("a role that may only add is %v", got)
	}
	err := p.DB.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		return db.Exec(t.Context(), conn, `GRANT UPDATE ON audit_seals TO homebase_runtime`)
	})
	if got := level(); err != nil || got != system.Warning {
		t.Errorf("a role that may edit seals is %v, %v", got, err)
	}
}

// What nginx does with a guarded host is tried with nginx, in e2e/doctor.test.mjs.
func TestDoctor_FindsGuardedHostsThatNobodyCanReach(t *testing.T) {
	t.Parallel()
	for says, account := range map[string]string{"HOMEBASE_ACCOUNT_URL": "", "cannot be reached": "https://home.example.com/account.html"} {
		rm := ward(t)
		rm.sys.GuardedHosts = func(context.Context) ([]string, error) { return []string{"127.0.0.1:1"}, nil }
		p := admit(t, rm, false, nil, nil)
		p.cfg.AccountURL = account
		all, _ := p.examine(t)
		i := slices.IndexFunc(all, func(f system.Finding) bool { return f.Check == "gate" })
		if i < 0 || all[i].Level != system.Fault || !strings.Contains(all[i].What, says) {
			t.Errorf("%s: %+v", says, all)
		}
	}
}

func TestDoctor_FindsPasskeysThatNoBrowserOffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domains map[string]int
		level   system.Level
		says    string
	}{
		"none":         {nil, system.Sound, "HOMEBASE_PASSKEY_DOMAIN is empty"},
		"of before":    {map[string]int{"example.com": 2}, system.Fault, "2 passkeys of people here belong to example.com"},
		"of two hosts": {map[string]int{"example.com": 2, "a.example": 1}, system.Fault, "1 passkey of people here belong to a.example"},
	} {
		rm := ward(t)
		rm.sys.PasskeyDomains = func(context.Context) (map[string]int, error) { return c.domains, nil }
		all, _ := admit(t, rm, false, nil, nil).examine(t)
		i := slices.IndexFunc(all, func(f system.Finding) bool { return f.Check == "passkeys" })
		if i < 0 || all[i].Level != c.level || !strings.Contains(all[i].What, c.says) {
			t.Errorf("%s: %+v", name, all)
		}
	}
}
