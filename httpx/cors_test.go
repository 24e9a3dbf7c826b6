package httpx_test

import (
	"net/http"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestCORS_OnlyExactOriginsMayRead(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /private", httpx.SignedIn()),
		route("GET /public", httpx.Public()),
		route("POST /login", httpx.Public(), func(rt *httpx.Route) { rt.Cookies = true }),
	})
	c := s.Client(t)
	for _, row := range []struct {
		origin, method, path string
		allowed, credentials bool
	}{
		{trustedOrigin, "GET", "/private", true, true}, // on 401
		{trustedOrigin, "GET", "/public", true, true},
		{trustedOrigin, "GET", "/nothing", true, true},    // on 404
		{trustedOrigin, "GET", "/public//", true, true},   // on 400
		{trustedOrigin, "DELETE", "/public", true, true},  // on 405
		{trustedOrigin, "GET", "/public?x=1", true, true}, // on unknown_parameter
		{publicOrigin, "GET", "/public", true, false},
		{publicOrigin, "GET", "/private", false, false},
		{publicOrigin, "GET", "/nothing", false, false},
		{publicOrigin, "POST", "/login", false, false},
		{"null", "GET", "/public", false, false},
		{"https://files.example.com.evil", "GET", "/public", false, false},
		{"http://files.example.com", "GET", "/public", false, false},
		{"https://x.files.example.com", "GET", "/public", false, false},
		{"https://FILES.example.com", "GET", "/public", false, false},
		{"https://files.example.com:443", "GET", "/public", false, false},
	} {
		a := c.Do(row.method, row.path, nil, httpxtest.WithHeader("Origin", row.origin))
		wantOrigin, wantCredentials := "", ""
		if row.allowed {
			wantOrigin = row.origin
		}
		if row.credentials {
			wantCredentials = "true"
		}
		if got := a.Header.Get("Access-Control-Allow-Origin"); got != wantOrigin {
			t.Errorf("%+v: Allow-Origin %q", row, got)
		}
		if got := a.Header.Get("Access-Control-Allow-Credentials"); got != wantCredentials {
			t.Errorf("%+v: Allow-Credentials %q", row, got)
		}
		if exposed := strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Upload-Offset"); exposed != row.allowed {
			t.Errorf("%+v: headers exposed: %v", row, exposed)
		}
	}
}

func TestCORS_PreflightIsAnsweredWithoutCredentials(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("PATCH /private", httpx.SignedIn()),
		route("PUT /public", httpx.Public()),
		route("OPTIONS /own", httpx.Public()),
		route("POST /own", httpx.SignedIn()),
	})
	c := s.Client(t)
	for _, row := range []struct {
		origin, method, path string
		allowed              bool
	}{
		{trustedOrigin, "PATCH", "/private", true},
		{trustedOrigin, "POST", "/own", true},
		{publicOrigin, "PUT", "/public", true},
		{publicOrigin, "PATCH", "/private", false},
		{publicOrigin, "POST", "/own", false},
		{"https://evil.example.com", "PATCH", "/private", false},
	} {
		a := c.Do("OPTIONS", row.path, nil,
			httpxtest.WithHeader("Origin", row.origin), httpxtest.WithHeader("Access-Control-Request-Method", row.method)).Want(t, 204)
		got := a.Header.Get("Access-Control-Allow-Origin") == row.origin &&
			strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), row.method) &&
			strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Upload-Offset") &&
			a.Header.Get("Access-Control-Max-Age") == "7200"
		if got != row.allowed || !row.allowed && a.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%+v: %v", row, a.Header)
		}
	}
}

func TestNew_RefusesOriginsThatWouldNeverMatch(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{
		"https://*.example.com", "https://Files.example.com", "https://files.example.com/", "https://files.example.com:443",
		"files.example.com", "null", "https://user@files.example.com", "http://localhost:80", "ftp://files.example.com",
	} {
		if _, err := httpx.New(httpx.Config{Origins: []string{origin}}, nil); err == nil {
			t.Errorf("%q was accepted as a trusted origin", origin)
		}
		if _, err := httpx.New(httpx.Config{PublicOrigins: []string{origin}}, nil); err == nil {
			t.Errorf("%q was accepted as a public origin", origin)
		}
	}
	if _, err := httpx.New(httpx.Config{Origins: []string{trustedOrigin}, PublicOrigins: []string{trustedOrigin}}, nil); err == nil {
		t.Error("an origin was both trusted and public")
	}
}

// TestCSRF_Matrix is every combination of headers that browsers, old browsers
// and scripts send. The server is api.example.com to them.
func TestCSRF_Matrix(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.PublicURL = "https://api.example.com"
	post := func(pattern string) httpx.Route { return route(pattern, httpx.SignedIn()) }
	s := httpxtest.Start(t, cfg, []httpx.Route{
		post("POST /thing"), post("GET /thing"), post("DELETE /thing"),
		route("POST /login", httpx.Public(), func(rt *httpx.Route) { rt.Cookies = true }),
	})
	c := s.Client(t)
	host := func(r *http.Request) { r.Host = "api.example.com" }
	const evil = "https://evil.example.com"
	for _, row := range []struct {
		method, site, origin string
		problem              string
	}{
		{"POST", "same-origin", "https://api.example.com", ""},
		{"POST", "same-site", trustedOrigin, ""},
		{"POST", "same-site", evil, "origin_refused"},
		{"POST", "same-site", "", "origin_refused"},
		{"POST", "cross-site", trustedOrigin, ""},
		{"POST", "cross-site", evil, "origin_refused"},
		{"POST", "cross-site", "null", "origin_refused"},
		{"POST", "", trustedOrigin, ""},
		{"POST", "", evil, "origin_refused"},
		{"POST", "", "https://api.example.com", ""},
		{"POST", "", "http://api.example.com", ""},
		{"POST", "", "null", "origin_refused"},
		{"POST", "", "", "origin_required"},
		{"POST", "same-site", "https://FILES.example.com", "origin_refused"},
		{"POST", "same-site", "https://files.example.com:443", "origin_refused"},
		{"DELETE", "none", "", ""},
		{"DELETE", "cross-site", "", "origin_refused"},
		{"GET", "cross-site", evil, ""},
	} {
		headers := []httpxtest.Option{host, httpxtest.WithHeader("Sec-Fetch-Site"), httpxtest.WithHeader("Origin")}
		if row.site != "" {
			headers = append(headers, httpxtest.WithHeader("Sec-Fetch-Site", row.site))
		}
		if row.origin != "" {
			headers = append(headers, httpxtest.WithHeader("Origin", row.origin))
		}
		check := func(path, cookie string, problem string) {
			t.Helper()
			a := c.Do(row.method, path, nil, append(headers, httpxtest.WithHeader("Cookie", cookie))...)
			if problem == "" && a.Status != 204 || problem != "" && !strings.Contains(string(a.Body), `"`+problem+`"`) {
				t.Errorf("%+v on %s: %d %s", row, path, a.Status, a.Body)
			}
		}
		check("/thing", "at=member", row.problem)
		if row.method == "POST" {
			// Sign-in reads and sets cookies itself and is protected alike.
			check("/login", "at=member", row.problem)
		}
		// A page cannot make the browser send Authorization.
		c.As("member").Do(row.method, "/thing", nil, headers...).Want(t, 204)
	}
	// A script without cookies signs in without Origin.
	c.Do("POST", "/login", nil).Want(t, 204)
	// Whatever Authorization says, a route with cookies may go by those.
	cookie, crossSite := httpxtest.WithHeader("Cookie", "rt=x"), httpxtest.WithHeader("Sec-Fetch-Site", "cross-site")
	c.Do("POST", "/login", nil, cookie, crossSite, httpxtest.WithHeader("Authorization", "Basic YTpi")).WantProblem(t, 403, "origin_refused")
	c.Do("POST", "/login", nil, cookie, crossSite, httpxtest.WithHeader("Authorization", "bearer x")).WantProblem(t, 403, "origin_refused")
}

func TestCSRF_RequireOriginIsForRoutesThatSetCookies(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("POST /login", httpx.Public(), func(rt *httpx.Route) {
		rt.Cookies = true
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			if err := httpx.RequireOrigin(r); err != nil {
				return err
			}
			return done(w, r)
		}
	})})
	c := s.Client(t)
	c.Do("POST", "/login", nil).WantProblem(t, 403, "origin_required")
	c.Do("POST", "/login", nil, httpxtest.WithHeader("Origin", trustedOrigin)).Want(t, 204)
}
