package gate

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"homebase/auth"
	"homebase/httpx"

	"github.com/google/uuid"
)

// The headers by which nginx says what it asks about. It sets them itself, so
// that none is a client's.
const (
	originalURL    = "X-Original-Url"
	originalMethod = "X-Original-Method"
)

// ownPaths are those of a guarded host that nginx passes to this room.
const ownPaths = "/.homebase/"

// errSignIn answers whoever has no living session, or no cookie of the host.
var errSignIn = &httpx.Problem{Status: http.StatusUnauthorized, Code: httpx.ErrUnauthenticated.Code, Title: httpx.ErrUnauthenticated.Title,
	Header: map[string]string{"Location": "", "Set-Cookie": ""}}

func (g *Gate) checkRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/gate/check", Access: httpx.Public(), Rate: httpx.RateNone, Uncounted: true, Forgiving: true,
			Headers: []string{"X-Original-URL", "X-Original-Method", "X-Forwarded-Host", "X-Forwarded-Proto", "Sec-Fetch-Mode"},
			Summary: "Whether a request may go on to a guarded host, for nginx; nothing but 200, 401 and 403",
			Handler: g.getCheck, Problems: httpx.Problems{errSignIn, httpx.ErrForbidden},
			Responses: []httpx.Response{{Status: http.StatusOK, May: []string{"Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"}}}},
	}
}

// getCheck serves GET /auth/gate/check.
func (g *Gate) getCheck(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength != 0 {
		// nginx without its two lines about the body announces one that never
		// comes. Nobody waits for it.
		w.Header().Set("Connection", "close")
	}
	host, address, err := g.asked(r)
	if err != nil {
		return err
	}
	caller, err := g.visitor(r, host)
	if errors.Is(err, httpx.ErrUnauthenticated) {
		return g.signIn(r, host, address).Because(err)
	}
	if err != nil {
		return err
	}
	if !auth.Admits(host.Roles, caller.Roles) {
		return errRole
	}
	if host.Identify {
		if err := g.identify(w.Header(), r, caller); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// asked is the guarded host that nginx asks about, and the address below it.
// Whatever is not plainly that is 403.
func (g *Gate) asked(r *http.Request) (host *Host, address string, err error) {
	authority, address, ok := original(r.Header)
	switch {
	case !httpx.FromProxy(r.Context()):
		return nil, "", refuse("Only a proxy of HOMEBASE_TRUSTED_PROXIES may ask.")
	case g.cfg.AccountURL == "":
		return nil, "", refuse("Whoever runs this server has not named the account page: HOMEBASE_ACCOUNT_URL.")
	case !ok:
		return nil, "", refuse("The proxy must set X-Original-URL, of https, and X-Original-Method, and nothing may contradict them.")
	}
	hosts, err := g.hosts.Get(r.Context())
	if host = hosts[authority]; err == nil && host == nil {
		err = refuse("No such host is guarded.")
	}
	return host, address, err
}

// refuse is 403 for what the operator has to mend. nginx passes no text on, so it
// is in the log.
func refuse(why string) error { return httpx.ErrForbidden.With(why).Because(errors.New(why)) }

var errRole = httpx.ErrForbidden.With("None of your roles opens this host.")

// original reads X-Original-URL: https, a host, and what a request line holds.
// It looks at bytes, never at what some parser makes of them. A path with a
// backslash is one that browsers and programs read in two ways, and the other
// bytes that are refused are none of a URL's; queries may hold backslashes.
func original(h http.Header) (authority, address string, ok bool) {
	if len(h[originalURL]) != 1 || len(h[originalMethod]) != 1 {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(h[originalURL][0], "https://")
	slash := strings.IndexByte(rest, '/')
	if !ok || slash < 0 {
		return "", "", false
	}
	authority, address = canonical(rest[:slash]), rest[slash:]
	path, _, _ := strings.Cut(address, "?")
	if strings.Contains(path, `\`) || strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
		return "", "", false
	}
	name, _, _ := strings.Cut(authority, ":")
	for _, host := range h["X-Forwarded-Host"] {
		if host = canonical(host); host != authority && host != name {
			return "", "", false
		}
	}
	for _, proto := range h["X-Forwarded-Proto"] {
		if proto != "https" {
			return "", "", false
		}
	}
	return authority, address, true
}

// The cookie of a guarded host is the signed value session (16) | expiry in Unix
// seconds (8), bound to the host.
const (
	cookieName     = "__Host-hb-gate"
	cookiePurpose  = "gate"
	cookieBody     = 16 + 8
	cookieLifetime = 7 * 24 * time.Hour
)

// cookie lets a session's browser through to a host. Links from elsewhere lead to
// guarded programs, so it is SameSite=Lax.
func (g *Gate) cookie(host *Host, session uuid.UUID) string {
	value := cookieValue(session, time.Now().Add(cookieLifetime))
	return hostCookie(cookieName, auth.Sign(g.cfg.Keys(cookiePurpose), value, host.bound), cookieLifetime)
}

func cookieValue(session uuid.UUID, until time.Time) []byte {
	return binary.BigEndian.AppendUint64(session[:], uint64(until.Unix()))
}

func hostCookie(name, value string, lifetime time.Duration) string {
	c := http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(lifetime / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	return c.String()
}

// visitor is who sends a request to a host: ErrUnauthenticated without a cookie
// of a living session.
func (g *Gate) visitor(r *http.Request, host *Host) (*httpx.Caller, error) {
	text, _ := auth.CookieValue(r, cookieName) // two of them are none
	value, ok := auth.Signed(g.cfg.Keys(cookiePurpose), text, cookieBody, host.bound)
	if !ok || time.Now().Unix() >= int64(binary.BigEndian.Uint64(value[16:])) {
		return nil, httpx.ErrUnauthenticated
	}
	return g.cfg.Auth.Visitor(r.Context(), uuid.UUID(value[:16]))
}

// identify tells the program who comes. An address and roles are ASCII always. A
// name that is not is left out: no program decodes the forms that a header has
// for it, and each falls back to the address.
func (g *Gate) identify(h http.Header, r *http.Request, c *httpx.Caller) error {
	user, err := g.cfg.Auth.Person(r.Context(), c.UserID)
	if err != nil {
		return err
	}
	h.Set("Remote-User", user.Email)
	h.Set("Remote-Email", user.Email)
	h.Set("Remote-Groups", strings.Join(c.Roles, ","))
	if user.Name != "" && !strings.ContainsFunc(user.Name, func(c rune) bool { return c < ' ' || c > '~' }) {
		h.Set("Remote-Name", user.Name)
	}
	return nil
}

// navigates reports whether a browser shows the answer as a page, which may then
// be the account page. Old browsers do not say so, but ask pages for HTML, and
// nothing else; scripts and pictures ask for anything.
func navigates(h http.Header) bool {
	if h.Get(originalMethod) != http.MethodGet {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.HasPrefix(h.Get("Accept"), "text/html")
}
