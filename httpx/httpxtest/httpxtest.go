// Package httpxtest tests routes through the front door: a real server on a real
// connection. Its client checks every answer against what the route declares
// (status, media type, body, headers and problem codes) and against what every
// answer carries. Even a test that does not look at an answer fails when it breaks
// the contract.
package httpxtest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"homebase/httpx"
)

// Server is a running server and the table that its answers are checked against.
type Server struct {
	URL   string        // "http://127.0.0.1:port", without a slash at the end
	HTTPX *httpx.Server // nil for a server that Dial found
	// Check, which may be nil, says what else is wrong with an answer.
	Check func(*Answer) []string
	table *table
}

// Start serves the routes until the test ends. Without cfg.Log, errors go to the
// test's output; without cfg.Recheck, callers stay who they are.
func Start(t testing.TB, cfg httpx.Config, routes []httpx.Route) *Server {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	if cfg.PublicURL == "" {
		cfg.PublicURL = url
	}
	unchanged := func(_ context.Context, c *httpx.Caller) (*httpx.Caller, error) { return c, nil }
	if cfg.Recheck == nil {
		cfg.Recheck = unchanged
	}
	if cfg.Afresh == nil {
		cfg.Afresh = unchanged
	}
	server, err := httpx.New(cfg, routes)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &Server{URL: url, HTTPX: server, table: newTable(t, routes, cfg.RateLimits)}
}

// Dial is a server that runs elsewhere, such as the built binary, with the table that
// it was built from.
func Dial(t testing.TB, url string, routes []httpx.Route) *Server {
	t.Helper()
	return &Server{URL: strings.TrimSuffix(url, "/"), table: newTable(t, routes, false)}
}

// table finds the route that must answer a request.
type table struct {
	mux     *http.ServeMux
	limited bool // the limiter is on: its headers must be there
}

type found struct {
	http.ResponseWriter
	route *httpx.Route
}

func newTable(t testing.TB, routes []httpx.Route, limited bool) *table {
	t.Helper()
	routes = httpx.Whole(routes)
	tb := &table{mux: http.NewServeMux(), limited: limited}
	for i := range routes {
		pattern := strings.Replace(routes[i].Pattern, " ", " "+httpx.Prefix, 1)
		tb.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { w.(*found).route = &routes[i] })
	}
	return tb
}

// route is nil if there is none.
func (tb *table) route(r *http.Request) *httpx.Route {
	at := func(method string) *httpx.Route {
		other := *r
		other.Method = method
		f := &found{ResponseWriter: discard{}}
		tb.mux.ServeHTTP(f, &other)
		return f.route
	}
	if wish := r.Header.Get("X-HTTP-Method-Override"); r.Method == http.MethodPost && wish != "" {
		if route := at(wish); route != nil && route.Override {
			return route
		}
	}
	return at(r.Method)
}

// discard takes the mux's own answers.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
