// Package httpx carries a request from the socket to its handler and the
// answer back. All routes of the product are one table of Route values; what
// holds for every route is done here, once, in this order:
//
//  1. request id: a well-formed X-Request-Id is kept, otherwise one is made.
//  2. recover, access log, metrics: whatever happens below, there is one
//     answer, one log line and one count.
//  3. client address: only a trusted proxy's word for it is taken.
//  4. path check: a path that could be read in two ways is 400.
//  5. CORS: a preflight ends here.
//  6. route: 404 and 405 as problems; the mux never redirects.
//  7. address limit: a wide one, which only guards the work of step 8.
//  8. authenticate: not on public routes; where callers are only
//     recognised, strangers may go on.
//  9. cross-origin protection: for callers known by a cookie.
//  10. user limit: by the route's class, and by what is in progress already.
//  11. policy: the route's Access; whoever would be refused is looked up afresh.
//  12. query: an undeclared parameter is 400.
//  13. body limit, then the Handler; a typed one comes after the body was read
//     and the policy asked once more.
//
// A layer may rely on everything that the layers before it promise, and a handler
// on all of them. Every answer carries the security headers, X-Request-Id and
// Vary; every refusal is a problem document (RFC 9457). The one exception is what
// net/http refuses by itself before there is a request: 431 for huge headers, 400
// for malformed ones.
package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Prefix is the path below which all routes live.
const Prefix = "/api/v1"

// Config is what a Server needs besides its routes.
type Config struct {
	// PublicURL is the server's own address as browsers see it.
	PublicURL string
	// Origins may call every route with credentials: "https://files.example.com".
	Origins []string
	// PublicOrigins may call public routes, without credentials.
	PublicOrigins []string
	// TrustedProxies are the peers whose forwarding headers are believed. If
	// there are any, other peers are refused, except loopback.
	TrustedProxies []netip.Prefix
	// RateLimits turns the limiter on.
	RateLimits bool
	Log        *slog.Logger
	// Authenticate says who sent a request: ErrUnauthenticated when it has
	// no credentials or wrong ones. It is not called on public routes.
	Authenticate func(*http.Request) (*Caller, error)
	// Recheck looks up a caller again: ErrUnauthenticated when the session or
	// key has ended since.
	Recheck func(context.Context, *Caller) (*Caller, error)
	// Afresh is Recheck for a caller who is about to be refused: nothing that
	// was kept is believed.
	Afresh func(context.Context, *Caller) (*Caller, error)
	// Operator, if not nil, is the caller of every request, and nobody is
	// authenticated. Such a server is for Carry alone and must not listen.
	Operator *Caller
}

// Server is the http.Handler of the whole API. It is safe for concurrent use.
// After New only its limits and counts change, and that it drains.
type Server struct {
	cfg         Config
	mux         *http.ServeMux
	cors        cors
	crossOrigin *http.CrossOriginProtection
	limiter     *limiter // nil: limits are off
	slots       slots
	metrics     metrics
	pace        pace
	draining    chan struct{} // closed when the drain begins
	// cut is the context above all requests; it ends when the drain has
	// waited long enough.
	cut    context.Context
	cutOff context.CancelFunc
}

// New checks the table of routes and makes a server of it. An error names the
// first route that is wrong and says what is missing.
func New(cfg Config, routes []Route) (*Server, error) {
	s := &Server{
		cfg:      cfg,
		pace:     defaultPace,
		slots:    slots{bounds: defaultBounds, held: make(map[slot]int)},
		draining: make(chan struct{}),
	}
	s.cut, s.cutOff = context.WithCancel(context.Background())
	if cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	s.metrics.routes = make(map[string]*RouteMetrics)
	s.metrics.handling, s.metrics.limited = map[Rate]*atomic.Int64{RateNone: {}}, map[Rate]*atomic.Int64{}
	for rate := range defaultLimits {
		s.metrics.handling[rate], s.metrics.limited[rate] = new(atomic.Int64), new(atomic.Int64)
	}
	if cfg.RateLimits {
		s.limiter = &limiter{limits: DefaultLimits(), young: make(map[bucketKey]time.Time)}
	}
	var err error
	if s.cors, err = newCORS(cfg.Origins, cfg.PublicOrigins); err != nil {
		return nil, err
	}
	if s.crossOrigin, err = newCrossOrigin(cfg.PublicURL, cfg.Origins); err != nil {
		return nil, err
	}
	routes = Whole(routes)
	for i := range routes {
		if err := routes[i].check(); err != nil {
			return nil, fmt.Errorf("route %q: %w", routes[i].Pattern, err)
		}
		if routes[i].Access.level != public && (cfg.Authenticate == nil && cfg.Operator == nil || cfg.Recheck == nil || cfg.Afresh == nil) {
			return nil, fmt.Errorf("route %q: not public, and there is no Authenticate, Recheck or Afresh", routes[i].Pattern)
		}
	}
	s.mux, err = newMux(routes)
	return s, err
}

// exchange is what the layers find out about one request, and the request's
// context. Only the request's own goroutine writes to it.
type exchange struct {
	context.Context
	server *Server
	start  time.Time
	addr   netip.Addr // zero: not known
	proxy  bool       // a trusted proxy sent it
	route  *Route
	caller *Caller
	slots  []slot // held until the end
	w      response
	body   body
}

type exchangeKey struct{}

// noExchange is the exchange of a context outside of any request.
var noExchange = &exchange{}

// Value finds the exchange itself too.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return noExchange
}

// RequestID is the id of the request that ctx belongs to, "" outside of one.
func RequestID(ctx context.Context) string { return exchangeOf(ctx).w.id }

// ClientAddr is the address of the client behind the trusted proxies: the zero
// Addr if it is unknown, as behind a proxy that does not say who its clients are,
// or outside of a request.
func ClientAddr(ctx context.Context) netip.Addr { return exchangeOf(ctx).addr }

// FromProxy reports whether a trusted proxy sent the request of ctx. What it
// says about the client is believed.
func FromProxy(ctx context.Context) bool { return exchangeOf(ctx).proxy }

// ServerOf is the server that received the request of ctx, nil outside of
// one. Handlers read its metrics, its limits and its drain.
func ServerOf(ctx context.Context) *Server { return exchangeOf(ctx).server }

// ServeHTTP takes a request through all layers to its handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Context: r.Context(), server: s, start: time.Now()}
	h := w.Header()
	x.w = response{ResponseWriter: w, conn: connOf(r.Context()), body: &x.body, id: requestID(r), carries: madeAnswer}
	x.body.ReadCloser, x.body.rc, x.body.pace, x.body.cut, x.body.header = r.Body, http.NewResponseController(w), &s.pace, s.cut, h
	r = r.WithContext(x)
	r.Body = &x.body
	x.w.asked = r
	s.cors.allow(h, r)
	// Where such a body ends a proxy may see otherwise: then a part of it would be
	// another client's request.
	if s.stopping() || len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		h.Set("Connection", "close")
	}
	s.metrics.inFlight.Add(1)

	var err error
	defer func() { s.slots.free(x.slots) }() // conclude may panic
	defer func() { s.conclude(x, r, err, recover()) }()
	err = s.travel(x, r)
}

// travel is the order of the package comment from the client address on. A layer that
// has answered by itself is the last.
func (s *Server) travel(x *exchange, r *http.Request) error {
	for _, layer := range [...]func(*exchange, *http.Request) error{
		s.findClient,
		checkPath,
		s.preflight,
		s.findRoute,
		s.limitAddress,
		s.findCaller,
		s.protectCookies,
		s.limitCaller,
		s.holdSlots,
		judge,
		checkQuery,
		limitBody,
	} {
		if err := layer(x, r); err != nil || x.w.begun() {
			return err
		}
	}
	handling := s.metrics.handling[x.route.Rate]
	handling.Add(1)
	defer handling.Add(-1)
	return x.route.Handler(&x.w, r)
}

// findCaller authenticates. On a public route credentials are ignored, and a
// route that only recognises callers is open to strangers too.
func (s *Server) findCaller(x *exchange, r *http.Request) error {
	if !x.route.readsCredentials() {
		return nil
	}
	// With two of them, a proxy and this server could each pick a different one.
	_, bearers := bearersOf(r)
	if bearers > 1 && !x.route.Forgiving {
		return errAuthorizationTwice
	}
	stranger := x.route.Access.level == recognised && (!bringsCredentials(r) || s.cors.public[r.Header.Get("Origin")])
	if x.route.Access.level == public || stranger && s.cfg.Operator == nil {
		return nil
	}
	if s.cfg.Operator != nil {
		x.caller = s.cfg.Operator
		return nil
	}
	caller, err := s.cfg.Authenticate(r)
	if x.route.Access.level == recognised && bearers == 0 && errors.Is(err, ErrUnauthenticated) {
		return nil
	}
	if err != nil {
		return err
	}
	if caller == nil {
		return ErrUnauthenticated
	}
	x.caller = caller
	return nil
}

// bringsCredentials reports whether there is anything to authenticate with.
func bringsCredentials(r *http.Request) bool {
	_, bearers := bearersOf(r)
	return bearers > 0 || r.Header.Get("Cookie") != ""
}

// Bearer is the token of Authorization: Bearer; ok says that the header was
// there, even with an empty token. Other schemes are ignored: they are meant for
// somebody else, such as a proxy.
func Bearer(r *http.Request) (token string, ok bool) {
	token, n := bearersOf(r)
	return token, n > 0
}

// bearersOf is the first token of the Authorization headers with our scheme, and
// how many there are.
func bearersOf(r *http.Request) (first string, n int) {
	for _, value := range r.Header["Authorization"] {
		if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			if n++; n == 1 {
				first = strings.TrimLeft(token, " ")
			}
		}
	}
	return first, n
}

// checkQuery refuses parameters that the route does not declare, and text that
// PostgreSQL cannot store.
func checkQuery(x *exchange, r *http.Request) error {
	if r.URL.RawQuery == "" || x.route.Forgiving {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ErrInvalidParameter.With("The query cannot be read; percent-encode names and values.").Because(err)
	}
	for name, values := range query {
		if !x.route.takesQuery(name) && !x.route.Lenient {
			return errUnknownParameter.With(fmt.Sprintf("There is no parameter %q here.", clip(name)))
		}
		for _, value := range values {
			if !cleanText(value) {
				return ErrInvalidParameter.With(fmt.Sprintf("The parameter %q must be UTF-8 text without NUL.", clip(name)))
			}
		}
	}
	return nil
}
