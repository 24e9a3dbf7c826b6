package httpx

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// cors is the Fetch standard's permission for other origins, as exact strings
// without patterns.
type cors struct {
	trusted map[string]bool // every route, with credentials
	public  map[string]bool // public routes, without credentials
}

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	// Headers that a page may send, and those of the answer it may read.
	corsAllow = "Authorization, Content-Type, Content-Digest, If-Match, If-None-Match, Last-Event-ID, Range, Repr-Digest, " +
		"Tus-Resumable, Upload-Checksum, Upload-Complete, Upload-Concat, Upload-Defer-Length, Upload-Draft-Interop-Version, Upload-Length, Upload-Metadata, Upload-Offset, " +
		"X-HTTP-Method-Override, X-OC-Mtime, X-Request-ID, X-Requested-With"
	corsExpose = "Accept-Ranges, Content-Disposition, Content-Location, Content-Range, ETag, Location, RateLimit, RateLimit-Policy, Repr-Digest, Retry-After, " +
		"Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-OC-Mtime, X-Request-Id"
	corsMaxAge = "7200"
)

func newCORS(trusted, public []string) (cors, error) {
	c := cors{trusted: make(map[string]bool), public: make(map[string]bool)}
	for _, origin := range trusted {
		if _, err := ParseOrigin(origin); err != nil {
			return c, err
		}
		c.trusted[origin] = true
	}
	for _, origin := range public {
		if _, err := ParseOrigin(origin); err != nil {
			return c, err
		}
		if c.trusted[origin] {
			return c, fmt.Errorf("the origin %q is both trusted and public; name it once", origin)
		}
		c.public[origin] = true
	}
	return c, nil
}

// ParseOrigin demands scheme://host[:port] in the very form that browsers send:
// an origin is compared byte by byte, so any other would silently never match.
func ParseOrigin(v string) (*url.URL, error) {
	u, err := url.Parse(v)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q needs https:// or http://", v)
	}
	if strings.Contains(v, "*") {
		return nil, fmt.Errorf("%q has a wildcard; list each origin", v)
	}
	if v != strings.ToLower(u.Scheme+"://"+u.Host) || u.Host == "" {
		return nil, fmt.Errorf("%q must be scheme://host[:port] in lower case, without path or trailing slash", v)
	}
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		return nil, fmt.Errorf("%q names its default port; browsers leave it out, so leave it out", v)
	}
	return u, nil
}

// allow lets a trusted origin's pages read the answer, whatever it will be:
// without these headers they would see an error as a bare network error.
func (c *cors) allow(h http.Header, r *http.Request) {
	if origin := r.Header.Get("Origin"); c.trusted[origin] {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", corsExpose)
	}
}

// allowPublic lets a public origin's pages read what everyone may read, and all
// other origins' pages what is for any. Trusted origins have their permission.
func (c *cors) allowPublic(h http.Header, r *http.Request, route *Route) bool {
	origin := r.Header.Get("Origin")
	if route != nil && route.AnyOrigin && origin != "" && !c.trusted[origin] {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", corsExpose)
		return true
	}
	if !c.public[origin] || route == nil || route.Access.level > recognised || route.Cookies {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", corsExpose)
	return true
}

// preflight answers a CORS preflight. It carries no credentials, so nothing is
// looked up first, except for a public origin, whose answer depends on the route.
func (s *Server) preflight(x *exchange, r *http.Request) error {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" || r.Header.Get("Origin") == "" {
		return nil
	}
	h := x.w.Header()
	if s.cors.trusted[r.Header.Get("Origin")] || s.cors.allowPublic(h, r, s.matchAs(method, r)) {
		h.Del("Access-Control-Expose-Headers")
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsAllow)
		h.Set("Access-Control-Max-Age", corsMaxAge)
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
