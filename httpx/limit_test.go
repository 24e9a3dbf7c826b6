package httpx_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func limited(t *testing.T, cfg httpx.Config, requests int, routes ...httpx.Route) *httpxtest.Server {
	t.Helper()
	cfg.RateLimits = true
	s := httpxtest.Start(t, cfg, routes)
	s.HTTPX.SetLimits(map[httpx.Rate]httpx.Limit{httpx.RateRead: {Requests: requests, Per: time.Hour}})
	return s
}

func TestLimit_CountsByUserElseByAddress(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	s := limited(t, cfg, 2, route("GET /public", httpx.Public()), route("GET /me", httpx.SignedIn()),
		route("GET /free", httpx.Public(), func(rt *httpx.Route) { rt.Rate = httpx.RateNone }))
	c := s.Client(t)
	from := func(addr string) httpxtest.Option { return httpxtest.WithHeader("X-Real-IP", addr) }

	a := c.Do("GET", "/public", nil, from("203.0.113.1")).Want(t, 204)
	if policy, state := a.Header.Get("RateLimit-Policy"), a.Header.Get("RateLimit"); policy != `"read";q=2;w=3600` || !strings.HasPrefix(state, `"read";r=1;t=`) {
		t.Errorf("%s and %s", policy, state)
	}
	c.Do("GET", "/public", nil, from("203.0.113.1")).Want(t, 204)
	a = c.Do("GET", "/public", nil, from("203.0.113.1"))
	a.WantProblem(t, 429, "rate_limited")
	if wait := a.Header.Get("Retry-After"); a.Header.Get("RateLimit") != `"read";r=0;t=`+wait {
		t.Errorf("Retry-After %s, %s", wait, a.Header.Get("RateLimit"))
	}
	if n := s.HTTPX.Metrics().Limited[httpx.RateRead]; n != 1 {
		t.Errorf("%d refusals are counted, want 1", n)
	}
	c.Do("GET", "/free", nil, from("203.0.113.1")).Want(t, 204)
	c.Do("GET", "/public", nil, from("203.0.113.2")).Want(t, 204)

	// One subscriber has a whole /64 of IPv6.
	c.Do("GET", "/public", nil, from("2001:db8::1")).Want(t, 204)
	c.Do("GET", "/public", nil, from("2001:db8::2")).Want(t, 204)
	c.Do("GET", "/public", nil, from("2001:db8:0:0:ffff::3")).WantProblem(t, 429, "rate_limited")
	c.Do("GET", "/public", nil, from("2001:db8:0:1::1")).Want(t, 204)

	// Some have a /56 or a /48: wider networks have more, but not as many times
	// as there are networks in them: 2, 3 and 5.
	passed := map[string]int{}
	for i := range 20 {
		for _, form := range []string{"2001:db8:1:%x::1", "2001:db8:2:%x00::1"} {
			if c.Do("GET", "/public", nil, from(fmt.Sprintf(form, i))).Status == 204 {
				passed[form]++
			}
		}
	}
	if passed["2001:db8:1:%x::1"] != 3 || passed["2001:db8:2:%x00::1"] != 5 {
		t.Errorf("passed: %v", passed)
	}

	// A user is one, from wherever; and is not the address.
	member := c.As("member")
	member.Do("GET", "/me", nil, from("203.0.113.1")).Want(t, 204)
	member.Do("GET", "/me", nil, from("203.0.113.7")).Want(t, 204)
	member.Do("GET", "/me", nil, from("203.0.113.8")).WantProblem(t, 429, "rate_limited")
}

func TestLimit_ForgedHeadersDoNotHelpWithoutAProxy(t *testing.T) {
	t.Parallel()
	c := limited(t, config(), 2, route("GET /public", httpx.Public())).Client(t)
	for i, addr := range []string{"203.0.113.1", "203.0.113.2", "127.0.0.1"} {
		a := c.Do("GET", "/public", nil, httpxtest.WithHeader("X-Real-IP", addr), httpxtest.WithHeader("X-Forwarded-For", addr))
		if (a.Status == 429) != (i == 2) {
			t.Errorf("%d: %d", i, a.Status)
		}
	}
}

// TestLimit_AProxyIsNotOneClient: with no word of who is behind it, its own
// address stands for everyone.
func TestLimit_AProxyIsNotOneClient(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	table := []httpx.Route{route("GET /public", httpx.Public())}
	s := limited(t, cfg, 1, table...)
	c := s.Client(t)
	// The client that Dial gives does not insist on the limiter's headers.
	uncounted := httpxtest.Dial(t, s.URL, table).Client(t)
	for range 3 {
		if a := uncounted.Do("GET", "/public", nil).Want(t, 204); a.Header.Get("RateLimit") != "" {
			t.Error("counted")
		}
	}
	// A client that claims to be local is counted like any other.
	local := httpxtest.WithHeader("X-Real-IP", "::1")
	c.Do("GET", "/public", nil, local).Want(t, 204)
	c.Do("GET", "/public", nil, local).WantProblem(t, 429, "rate_limited")
}

func TestLimit_ChangesAtRunTimeAndRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := limited(t, config(), 1, route("GET /public", httpx.Public()))
	c := s.Client(t)
	c.Do("GET", "/public", nil).Want(t, 204)
	c.Do("GET", "/public", nil).WantProblem(t, 429, "rate_limited")
	s.HTTPX.SetLimits(map[httpx.Rate]httpx.Limit{httpx.RateRead: {Requests: 100, Per: time.Second}})
	// The debt of an hour is now one of a hundredth of a second.
	for c.Do("GET", "/public", nil).Status != 204 {
		time.Sleep(time.Millisecond)
	}
	if s.HTTPX.SetLimits(httpx.DefaultLimits()); s.HTTPX.Limits()[httpx.RateRead].Requests != 1200 {
		t.Errorf("back to the default: %v", s.HTTPX.Limits())
	}
	for _, limit := range []httpx.Limit{{Requests: 0, Per: time.Minute}, {Requests: -1, Per: time.Minute}, {Requests: 1}, {Requests: 1, Per: 48 * time.Hour}, {Requests: 1 << 50, Per: time.Minute}} {
		if httpx.CheckLimit(httpx.RateRead, limit) == nil {
			t.Errorf("%+v was accepted", limit)
		}
	}
	if httpx.CheckLimit("often", httpx.Limit{Requests: 1, Per: time.Minute}) == nil || httpx.CheckLimit(httpx.RateNone, httpx.Limit{Requests: 1, Per: time.Minute}) == nil {
		t.Error("a class that is none got a limit")
	}
}

func TestLimit_AMillionAddressesTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.RateLimits = true
	server, err := httpx.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	server.Flood(1_000_000)
	if held, most := server.Buckets(); held > most || held == 0 {
		t.Errorf("%d buckets of at most %d", held, most)
	}
}
