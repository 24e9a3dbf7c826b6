package httpx

import (
	"fmt"
	"net/http"
	"net/url"
)

// newCrossOrigin trusts the frontends, and the server's own address, because a
// proxy may pass requests on with another Host.
func newCrossOrigin(publicURL string, origins []string) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("origin %q: %w", origin, err)
		}
	}
	if publicURL == "" {
		return protection, nil
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the public URL %q is not an absolute URL", publicURL)
	}
	return protection, protection.AddTrustedOrigin(u.Scheme + "://" + u.Host)
}

// protectCookies is the defence against cross-site request forgery. A page can
// make the browser send cookies that it does not know, but no bearer token, so
// the check is for callers known by a cookie, and for public routes that read or
// set cookies.
func (s *Server) protectCookies(x *exchange, r *http.Request) error {
	if !x.route.Cookies && (x.caller == nil || !x.caller.Cookie) {
		return nil
	}
	if err := s.crossOrigin.Check(r); err != nil {
		return ErrOriginRefused.Because(err)
	}
	// Scripts may call a public route too, as long as they bring no cookie.
	if x.caller == nil && r.Header.Get("Cookie") == "" {
		return nil
	}
	return RequireOrigin(r)
}

// RequireOrigin refuses an unsafe request that does not say where it comes
// from, as every browser does today. It is called for all callers known by a
// cookie; a public route calls it before it sets cookies.
func RequireOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return errOriginRequired
	}
	return nil
}
