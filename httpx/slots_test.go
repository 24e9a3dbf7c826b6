package httpx_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func init() {
	callers["other"] = httpx.Caller{UserID: uuid.MustParse("0198c0de-0000-7000-8000-000000000009"), SessionID: sessionID}
}

// waiting are requests that stay in their handlers until they are let go.
type waiting struct {
	arrived, leave, left chan bool
}

func newWaiting() *waiting {
	return &waiting{make(chan bool), make(chan bool), make(chan bool)}
}

func (h *waiting) handler(rt *httpx.Route) {
	rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
		h.arrived <- true
		<-h.leave
		return done(w, r)
	}
}

// begin sends a request that waits in its handler.
func (h *waiting) begin(c *httpxtest.Client, path string, opts ...httpxtest.Option) {
	go func() { c.Do("GET", path, nil, opts...); h.left <- true }()
	<-h.arrived
}

// end lets one request go and waits for its answer.
func (h *waiting) end() { h.leave <- true; <-h.left }

func TestSlots_AUserAndAnAddressHaveSoManyStreams(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	h := newWaiting()
	s := limited(t, cfg, 1000, route("GET /events", httpx.SignedIn(), h.handler, func(rt *httpx.Route) { rt.Endless = true }), route("GET /me", httpx.SignedIn()))
	s.HTTPX.Narrow(100, 100, 2, 3)
	member, other := s.Client(t).As("member"), s.Client(t).As("other")
	from := func(addr string) httpxtest.Option { return httpxtest.WithHeader("X-Real-IP", addr) }

	h.begin(member, "/events", from("203.0.113.1"))
	h.begin(member, "/events", from("203.0.113.2"))
	if a := member.Do("GET", "/events", nil, from("203.0.113.3")); a.WantProblem(t, 429, "too_many_streams").Detail == "" {
		t.Error("no word about what to do")
	}
	member.Do("GET", "/me", nil, from("203.0.113.1")).Want(t, 204)
	h.begin(other, "/events", from("203.0.113.1"))
	h.end()
	h.begin(member, "/events", from("203.0.113.1"))
	for range 3 {
		h.end()
	}

	// A proxy that does not say who is behind it is nobody's address.
	s.HTTPX.Narrow(100, 100, 2, 1)
	h.begin(member, "/events")
	h.begin(other, "/events")
	h.end()
	h.end()
	h.begin(member, "/events", from("203.0.113.1"))
	other.Do("GET", "/events", nil, from("203.0.113.1")).WantProblem(t, 429, "too_many_streams")
	h.end()
	other.Do("GET", "/me", nil).Want(t, 204)
}

func TestSlots_AClientHasSoManyRequestsInFlight(t *testing.T) {
	t.Parallel()
	h := newWaiting()
	s := limited(t, config(), 1000, route("GET /slow", httpx.Public(), h.handler), route("GET /slow/me", httpx.SignedIn(), h.handler),
		route("GET /quick", httpx.Public()), route("GET /fails", httpx.Public(), with(func(http.ResponseWriter, *http.Request) error { panic("no") })))
	s.HTTPX.Narrow(100, 2, 100, 100)
	c := s.Client(t)
	for range 5 {
		c.Do("GET", "/fails", nil).Want(t, 500) // gives its slot back as well
	}
	h.begin(c, "/slow")
	h.begin(c, "/slow")
	c.Do("GET", "/quick", nil).WantProblem(t, 429, "too_many_in_flight")
	// Who is signed in is not the address, and the other way round.
	h.begin(c.As("member"), "/slow/me")
	h.begin(c.As("member"), "/slow/me")
	c.As("member").Do("GET", "/slow/me", nil).WantProblem(t, 429, "too_many_in_flight")
	for range 4 {
		h.end()
	}
	c.Do("GET", "/quick", nil).Want(t, 204)
}
