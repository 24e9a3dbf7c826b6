package httpx_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestPath_WhatCouldBeReadTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	segments := func(w http.ResponseWriter, r *http.Request) error {
		return say(w, strings.Join(httpx.PathSegments(r, "path"), "|"))
	}
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /content/{path...}", httpx.Public(), text(segments)),
		route("GET /items/{id}", httpx.Public()),
	})
	c := s.Client(t)
	for path, want := range map[string]string{
		"/content/a":                "a",
		"/content/a/b%20c":          "a|b c",
		"/content/%2e%2e%2e":        "...",
		"/content/100%25":           "100%",
		"/content/%252e%252e":       "%2e%2e",
		"/content/%252F":            "%2F",
		"/content/a+b;c=d&e":        "a+b;c=d&e",
		"/content/%C3%A4":           "ä",
		"/content/-rf/~/$(id)/*":    "-rf|~|$(id)|*",
		"/content/" + longPath(800): strings.ReplaceAll(longPath(800), "/", "|"),
	} {
		if a := c.Do("GET", path, nil).Want(t, 200); string(a.Body) != want {
			t.Errorf("%s: got %q, want %q", path, a.Body, want)
		}
	}
	for _, path := range []string{
		"/content/", "/content//a", "/content/a/", "//content/a", "/content/a//b",
		"/content/.", "/content/..", "/content/../items/x", "/content/a/./b", "/content/%2e", "/content/%2E%2e/x", "/content/.%2e",
		"/content/a%2fb", "/content/a%2Fb", "/content/..%2f..%2fetc", "/content/a%5Cb", `/content/a\b`,
		"/content/%00", "/content/a%00b", "/content/%ff%fe", "/content/%C0%AF", "/items/%2e%2e",
		"/content/" + longPath(10000),
	} {
		response := raw(t, s, "GET "+httpx.Prefix+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := code(t, response); response.StatusCode != 400 || got != "invalid_path" {
			t.Errorf("%.80s: %d %s", path, response.StatusCode, got)
		}
	}
	for _, line := range []string{"OPTIONS * HTTP/1.1", "CONNECT x:443 HTTP/1.1"} {
		if response := raw(t, s, line+"\r\nHost: x\r\n\r\n"); code(t, response) != "invalid_path" {
			t.Errorf("%s: %d", line, response.StatusCode)
		}
	}
	// Not percent-encoding at all: net/http refuses it itself.
	if response := raw(t, s, "GET "+httpx.Prefix+"/content/%zz HTTP/1.1\r\nHost: x\r\n\r\n"); response.StatusCode != 400 {
		t.Errorf("%%zz: %d", response.StatusCode)
	}
}

func longPath(n int) string { return strings.Repeat("a/", n/2) + "a" }

func TestPathID_TakesTheUsualFormOnly(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("GET /items/{id}", httpx.Public(), func(rt *httpx.Route) {
		rt.Problems = []*httpx.Problem{httpx.ErrNotFound}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			if _, err := httpx.PathID(r, "id"); err != nil {
				return err
			}
			return done(w, r)
		}
	})})
	c := s.Client(t)
	id := userID.String()
	c.Do("GET", "/items/"+id, nil).Want(t, 204)
	for _, other := range []string{strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), "root", id + "0"} {
		c.Do("GET", "/items/"+other, nil).WantProblem(t, 404, "not_found")
	}
}

func TestRouting_WhatIsNotThereIsAProblemAndNeverARedirect(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /content/{path...}", httpx.Public()),
		route("PUT /content/{path...}", httpx.Public()),
		route("GET /thing", httpx.Public()),
	})
	c := s.Client(t)
	c.Do("GET", "/content", nil).WantProblem(t, 404, "not_found")
	c.Do("GET", "/nothing", nil).WantProblem(t, 404, "not_found")
	c.DoAt("GET", "/", nil).WantProblem(t, 404, "not_found")
	c.DoAt("GET", "/favicon.ico", nil).WantProblem(t, 404, "not_found")
	for _, method := range []string{"DELETE", "TRACE", "FOO", "PROPFIND"} {
		if a := c.Do(method, "/content/a", nil); a.WantProblem(t, 405, "method_not_allowed").Status != 405 || a.Header.Get("Allow") != "GET, HEAD, PUT" {
			t.Errorf("%s: Allow %q", method, a.Header.Get("Allow"))
		}
	}
	if a := c.Do("OPTIONS", "/thing", nil).Want(t, 204); a.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: Allow %q", a.Header.Get("Allow"))
	}
	c.Do("OPTIONS", "/nothing", nil).WantProblem(t, 404, "not_found")
	c.Do("HEAD", "/thing", nil).Want(t, 204)
	if a := c.Do("HEAD", "/nothing", nil).Want(t, 404); len(a.Body) != 0 {
		t.Error("an answer to HEAD has a body")
	}
}

func TestRouting_MethodOverrideReachesMarkedRoutesByPOSTOnly(t *testing.T) {
	t.Parallel()
	named := func(pattern string, override bool) httpx.Route {
		return route(pattern, httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error { return say(w, r.Method+" "+r.Pattern) }),
			func(rt *httpx.Route) { rt.Override = override })
	}
	s := httpxtest.Start(t, config(), []httpx.Route{
		named("PATCH /uploads/{id}", true), named("DELETE /uploads/{id}", true), named("GET /uploads/{id}", false),
		named("POST /items/{id}", false), named("DELETE /items/{id}", false),
	})
	c := s.Client(t)
	says := func(method, path, override, want string) {
		t.Helper()
		if a := c.Do(method, path, nil, httpxtest.WithHeader("X-HTTP-Method-Override", override)).Want(t, 200); string(a.Body) != want {
			t.Errorf("%s %s as %s: %s", method, path, override, a.Body)
		}
	}
	says("POST", "/uploads/1", "PATCH", "PATCH PATCH /api/v1/uploads/{id}")
	says("POST", "/uploads/1", "DELETE", "DELETE DELETE /api/v1/uploads/{id}")
	says("GET", "/uploads/1", "DELETE", "GET GET /api/v1/uploads/{id}")
	says("POST", "/items/1", "DELETE", "POST POST /api/v1/items/{id}")
	for _, wish := range []string{"GET", "PUT", "patch", "FOO"} {
		c.Do("POST", "/uploads/1", nil, httpxtest.WithHeader("X-HTTP-Method-Override", wish)).WantProblem(t, 405, "method_not_allowed")
	}
}

func TestAccess_ThatWasNotDeclaredRefuses(t *testing.T) {
	t.Parallel()
	if err := httpx.Refusal(httpx.Public()); err != nil {
		t.Error(err)
	}
	if err := httpx.Refusal(httpx.Access{}); !errors.Is(err, httpx.ErrForbidden) {
		t.Errorf("without a policy: %v", err)
	}
}

func TestNew_RefusesAWrongTableAndNamesTheRoute(t *testing.T) {
	t.Parallel()
	type request struct{}
	for name, change := range map[string]func(*httpx.Route){
		"no access":         func(rt *httpx.Route) { rt.Access = httpx.Access{} },
		"recent public":     func(rt *httpx.Route) { rt.Access = httpx.Public().Recent() },
		"recent or key":     func(rt *httpx.Route) { rt.Access = httpx.SignedIn().Recent().OrKey() },
		"bad permission":    func(rt *httpx.Route) { rt.Access = httpx.Needs("files") },
		"no method":         func(rt *httpx.Route) { rt.Pattern = "/thing" },
		"bad method":        func(rt *httpx.Route) { rt.Pattern = "FOO /thing" },
		"with host":         func(rt *httpx.Route) { rt.Pattern = "GET example.com/thing" },
		"closing slash":     func(rt *httpx.Route) { rt.Pattern = "GET /thing/" },
		"no rate":           func(rt *httpx.Route) { rt.Rate = "" },
		"unknown rate":      func(rt *httpx.Route) { rt.Rate = "often" },
		"private beacon":    func(rt *httpx.Route) { rt.Beacon = true },
		"private for any":   func(rt *httpx.Route) { rt.AnyOrigin = true },
		"form, no body":     func(rt *httpx.Route) { rt.Form = []string{"a"} },
		"refusal of 200":    func(rt *httpx.Route) { rt.Refusals = []httpx.Response{{Status: 200, Body: request{}}} },
		"no summary":        func(rt *httpx.Route) { rt.Summary = "" },
		"no handler":        func(rt *httpx.Route) { rt.Handler = nil },
		"no response":       func(rt *httpx.Route) { rt.Responses = nil },
		"error as response": func(rt *httpx.Route) { rt.Responses = []httpx.Response{{Status: 404}} },
		"JSON and a type": func(rt *httpx.Route) {
			rt.Responses = []httpx.Response{{Status: 200, Body: request{}, Type: "text/plain"}}
		},
		"GET with a body": func(rt *httpx.Route) { rt.Body = 1 },
		"untyped request": func(rt *httpx.Route) {
			rt.Pattern, rt.Body, rt.Request = "POST /thing", 100, struct {
				Parts []struct{ Any map[string]any }
			}{}
		},
		"request, no body":     func(rt *httpx.Route) { rt.Request = request{} },
		"typed, and a handler": func(rt *httpx.Route) { rt.Do = httpx.Acts(func(*httpx.Call) error { return nil }) },
		"cookies, signed in":   func(rt *httpx.Route) { rt.Cookies = true },
		"override to GET":      func(rt *httpx.Route) { rt.Override = true },
		"nil problem":          func(rt *httpx.Route) { rt.Problems = []*httpx.Problem{nil} },
		"duplicate":            func(rt *httpx.Route) { rt.Pattern = "GET /other" },
		"collision":            func(rt *httpx.Route) { rt.Pattern = "GET /{any}" },
	} {
		wrong := route("GET /thing", httpx.SignedIn(), change)
		_, err := httpx.New(config(), []httpx.Route{route("GET /other", httpx.Public()), route("GET /{a}/x", httpx.Public()), route("GET /a/{x}/c", httpx.Public()), wrong})
		if name == "collision" {
			// "GET /{any}" alone collides with nothing; two wildcards do.
			wrong.Pattern = "GET /y/{b}"
			_, err = httpx.New(config(), []httpx.Route{route("GET /{a}/x", httpx.Public()), wrong})
		}
		if err == nil || !strings.Contains(err.Error(), wrong.Pattern) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := httpx.New(httpx.Config{}, []httpx.Route{route("GET /thing", httpx.SignedIn())}); err == nil {
		t.Error("a private route started without Authenticate")
	}
}

func TestListings_AreWhatTheOperatorReads(t *testing.T) {
	t.Parallel()
	got := httpx.Listings([]httpx.Route{
		route("POST /b", httpx.Needs("files:write").Recent()), route("GET /b", httpx.SignedIn().OrKey()), route("GET /a", httpx.Public()), route("GET /c", httpx.Needs("files:read").NoKey()),
		route("GET /d", httpx.Needs("system:read").OrOperator()),
	})
	want := []httpx.Listing{
		{Method: "GET", Pattern: "/api/v1/a", Access: "public", Summary: "For a test"},
		{Method: "GET", Pattern: "/api/v1/b", Access: "signed in or key", Summary: "For a test"},
		{Method: "POST", Pattern: "/api/v1/b", Access: "files:write, recent", Summary: "For a test"},
		{Method: "GET", Pattern: "/api/v1/c", Access: "files:read, no key", Summary: "For a test"},
		{Method: "GET", Pattern: "/api/v1/d", Access: "system:read, operator", Summary: "For a test"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
