package httpx_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestConditional_TagsAreComparedAsTheRFCSays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		lines       []string
		match, none bool
	}{
		{nil, true, false},
		{[]string{`"r7"`}, true, true},
		{[]string{`"r6"`}, false, false},
		{[]string{`"r6", "r7"`}, true, true},
		{[]string{`"r6","r7"`}, true, true},
		{[]string{`"r6""r7"`}, true, true},
		{[]string{`"r6"`, `"r7"`}, true, true},
		{[]string{`, ,"r7"`}, true, true},
		{[]string{`W/"r7"`}, true, true}, // a proxy compressed the answer
		{[]string{`W/"r6"`}, false, false},
		{[]string{`w/"r7"`}, false, false},
		{[]string{"*"}, true, true},
		{[]string{` *, "r6"`}, true, true},
		{[]string{`"r6", *`}, true, true},
		{[]string{`x, *`}, false, false},
		{[]string{`x, "r7"`}, false, false},
		{[]string{"r7"}, false, false},
		{[]string{`"r7`}, false, false},
		{[]string{`"r6 ", "r7"`}, false, false},
		{[]string{`"r6,", "r7"`}, true, true},
		{[]string{""}, true, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for _, line := range row.lines {
			r.Header.Add("If-Match", line)
			r.Header.Add("If-None-Match", line)
		}
		if got := httpx.IfMatch(r.Header, `"r1"`, `"r7"`); got != row.match {
			t.Errorf("If-Match %q: %v", row.lines, got)
		}
		if got := httpx.IfNoneMatch(r.Header, `"r1"`, `"r7"`); got != row.none {
			t.Errorf("If-None-Match %q: %v", row.lines, got)
		}
		if httpx.IfMatch(r.Header) != (len(row.lines) == 0 || row.lines[0] == "") || httpx.IfNoneMatch(r.Header) {
			t.Errorf("%q names something where nothing is", row.lines)
		}
	}
	weak := http.Header{"If-Match": {`W/"r7", "r7"`}, "If-None-Match": {`"r7"`}}
	if httpx.IfMatch(weak, `W/"r7"`) || !httpx.IfNoneMatch(weak, `W/"r7"`) {
		t.Error("our own weak tag is compared strongly in If-None-Match, or weakly in If-Match")
	}
}

// FuzzConditional: who decides before http.ServeContent decides as it does,
// and leaves it nothing to decide.
func FuzzConditional(f *testing.F) {
	for _, seed := range []string{`"v1"`, `x, *`, `, W/"v1"`, `"a","v1"`, `"a" "v1"`, "*", `"a`, "\"\x80\", \"v1\""} {
		f.Add(seed, seed)
	}
	modified := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	serve := func(h http.Header) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, &http.Request{Method: "GET", Header: h}, "", modified, strings.NewReader("content"))
		return w
	}
	f.Fuzz(func(t *testing.T, match, none string) {
		h := http.Header{"If-None-Match": {none}, "If-Modified-Since": {none}, "If-Unmodified-Since": {match}}
		if !strings.Contains(match, "W/") { // where we are more lenient
			h.Set("If-Match", match)
		}
		want := serve(h.Clone()).Code
		unchanged, err := httpx.CheckRead(h, `"v1"`, modified)
		got := http.StatusOK
		if err != nil {
			got = http.StatusPreconditionFailed
		} else if unchanged {
			got = http.StatusNotModified
		}
		if got != want {
			t.Errorf("If-Match %q, If-None-Match %q: %d, net/http says %d", match, none, got, want)
		}
		if again := serve(h).Code; again != http.StatusOK {
			t.Errorf("net/http still decides: %d", again)
		}
	})
}

func TestConditional_EveryAnswerWithATagIs304ToWhoHasIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tagged := func(status int, handler httpx.Handler) func(*httpx.Route) {
		return func(rt *httpx.Route) {
			rt.Responses = []httpx.Response{{Status: status, Type: "*/*", Headers: []string{"ETag"}}}
			rt.Headers = []string{"If-None-Match"}
			rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
				w.Header().Set("ETag", `"v1"`)
				return handler(w, r)
			}
		}
	}
	c := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /json", httpx.Public(), tagged(200, func(w http.ResponseWriter, _ *http.Request) error { return httpx.WriteJSON(w, 200, part{"x"}) })),
		route("GET /picture", httpx.Public(), tagged(200, func(w http.ResponseWriter, _ *http.Request) error {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			return (&httpx.Rendition{Content: file, Size: 1 << 20, MediaType: "image/png", Tag: `"v1"`}).Serve(w, "private")
		})),
		route("PUT /json", httpx.Public(), tagged(200, func(w http.ResponseWriter, _ *http.Request) error { return httpx.WriteJSON(w, 200, part{"x"}) })),
		route("GET /made", httpx.Public(), tagged(201, func(w http.ResponseWriter, _ *http.Request) error { return httpx.WriteJSON(w, 201, part{"x"}) })),
	}).Client(t)
	have := httpxtest.WithHeader("If-None-Match", `"old"`, `W/"v1"`)
	for _, method := range []string{"GET", "HEAD"} {
		for _, path := range []string{"/json", "/picture"} {
			c.Do(method, path, nil, httpxtest.WithHeader("If-None-Match", `"old"`)).Want(t, 200)
			if a := c.Do(method, path, nil, have).Want(t, 304); a.Header.Get("ETag") != `"v1"` || len(a.Body) > 0 || a.Header.Get("Content-Type") != "" {
				t.Errorf("%s %s: %v %q", method, path, a.Header, a.Body)
			}
		}
	}
	c.Do("PUT", "/json", nil, have).Want(t, 200)
	c.Do("GET", "/made", nil, have).Want(t, 201)
}
