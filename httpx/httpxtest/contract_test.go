package httpxtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// witness is a test that only remembers what it was told.
type witness struct {
	testing.TB
	faults []string
}

func (w *witness) Helper() {}

func (w *witness) Errorf(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

type item struct {
	ID    string    `json:"id"`
	Tags  []string  `json:"tags"`
	Note  *string   `json:"note"`
	Extra string    `json:"extra,omitempty"`
	At    time.Time `json:"at"`
}

const honest = `{"id":"1","tags":[],"note":null,"at":"2026-01-31T12:00:00Z"}`

// says answers with these bytes as they are.
func says(status int, mediaType, body string, headers ...string) httpx.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if mediaType != "" {
			w.Header().Set("Content-Type", mediaType)
		}
		w.WriteHeader(status)
		if body != "" {
			fmt.Fprint(w, body)
		}
		return nil
	}
}

func fails(p *httpx.Problem) httpx.Handler {
	return func(http.ResponseWriter, *http.Request) error { return p }
}

// TestClient_CatchesARouteThatLies: each handler answers otherwise than its
// route declares, and the client's own check must say so.
func TestClient_CatchesARouteThatLies(t *testing.T) {
	t.Parallel()
	const media = "application/json"
	declared := httpx.NewProblem(409, "name_conflict", "The name is taken")
	for name, row := range map[string]struct {
		handler httpx.Handler
		fault   string // "": the route is honest
	}{
		"honest":             {says(200, media, honest, "ETag", `"r1"`), ""},
		"optional is there":  {says(200, media, strings.Replace(honest, `"note":null`, `"note":"n","extra":"e"`, 1), "ETag", `"r1"`), ""},
		"second response":    {says(201, "text/plain", "hello"), ""},
		"declared problem":   {fails(declared), ""},
		"implied problem":    {fails(httpx.ErrBusy), ""},
		"status":             {says(202, media, honest), "does not declare this status"},
		"media type":         {says(200, "text/plain", honest, "ETag", `"r1"`), "has type"},
		"other media type":   {says(201, "text/html", "hello"), "has type"},
		"header":             {says(200, media, honest), "lacks the header ETag"},
		"unknown field":      {says(200, media, strings.Replace(honest, `"id"`, `"secret":1,"id"`, 1), "ETag", `"r1"`), `"secret", which is not declared`},
		"field's case":       {says(200, media, strings.Replace(honest, `"id"`, `"ID"`, 1), "ETag", `"r1"`), `"ID", which is not declared`},
		"missing field":      {says(200, media, strings.Replace(honest, `"note":null,`, ``, 1), "ETag", `"r1"`), `lacks "note"`},
		"field twice":        {says(200, media, strings.Replace(honest, `"id":"1"`, `"id":"1","id":"2"`, 1), "ETag", `"r1"`), "twice"},
		"null array":         {says(200, media, strings.Replace(honest, `[]`, `null`, 1), "ETag", `"r1"`), "#/tags: is null"},
		"null in an array":   {says(200, media, strings.Replace(honest, `[]`, `[null]`, 1), "ETag", `"r1"`), "#/tags/0: is null"},
		"wrong type":         {says(200, media, strings.Replace(honest, `"1"`, `1`, 1), "ETag", `"r1"`), "#/id"},
		"time with a zone":   {says(200, media, strings.Replace(honest, `00Z`, `00+02:00`, 1), "ETag", `"r1"`), "not in UTC"},
		"trailing data":      {says(200, media, honest+"{}", "ETag", `"r1"`), "goes on"},
		"no JSON":            {says(200, media, "hello", "ETag", `"r1"`), "body #"},
		"body of 204":        {says(204, "text/plain", ""), "none is declared"},
		"undeclared problem": {fails(httpx.ErrNotFound), "neither declares nor implies the problem 404 not_found"},
		"other code":         {fails(httpx.NewProblem(409, "conflict", "A conflict")), "409 conflict"},
		"other status":       {fails(httpx.NewProblem(410, "name_conflict", "Gone")), "410 name_conflict"},
		"429 without wait":   {fails(httpx.ErrRateLimited), "lacks the header Retry-After"},
		"other header":       {says(200, media, honest, "ETag", `"r1"`, "X-Secret", "1"), "has the header X-Secret, which is not declared"},
		"header at times":    {says(201, "text/plain", "hello", "Content-Location", "/x"), ""},
		"refusal's header":   {func(w http.ResponseWriter, _ *http.Request) error { w.Header().Set("X-Secret", "1"); return declared }, "a refusal with the header X-Secret"},
		"security header":    {says(200, media, honest, "ETag", `"r1"`, "X-Content-Type-Options", "off"), "X-Content-Type-Options"},
		"lost Vary":          {says(200, media, honest, "ETag", `"r1"`, "Vary", "Origin"), "Vary lacks authorization"},
	} {
		routes := []httpx.Route{{
			Pattern: "GET /thing", Access: httpx.Public(), Rate: httpx.RateRead, Summary: "For a test",
			Responses: []httpx.Response{{Status: 200, Body: item{}, Headers: []string{"ETag"}}, {Status: 201, Type: "text/plain", May: []string{"Content-Location"}}, {Status: 204}},
			Problems:  []*httpx.Problem{declared}, Handler: row.handler,
		}}
		w := &witness{TB: t}
		httpxtest.Start(t, httpx.Config{}, routes).Client(w).Do("GET", "/thing", nil)
		said := strings.Join(w.faults, "\n")
		if row.fault == "" && said != "" || !strings.Contains(said, row.fault) {
			t.Errorf("%s: the client said %q, want %q", name, said, row.fault)
		}
		if row.fault != "" && !strings.Contains(said, "GET /api/v1/thing") {
			t.Errorf("%s: the fault does not name the request", name)
		}
	}
}

// TestDial_HoldsARunningServerAgainstAnotherTable as a test of the built
// binary does.
func TestDial_HoldsARunningServerAgainstAnotherTable(t *testing.T) {
	t.Parallel()
	route := httpx.Route{
		Pattern: "GET /thing", Access: httpx.Public(), Rate: httpx.RateRead, Summary: "For a test",
		Responses: []httpx.Response{{Status: 201, Type: "text/plain"}}, Handler: says(201, "text/plain", "hello"),
	}
	s := httpxtest.Start(t, httpx.Config{}, []httpx.Route{route})
	w := &witness{TB: t}
	httpxtest.Dial(t, s.URL+"/", []httpx.Route{route}).Client(w).Do("GET", "/thing", nil).Want(t, 201)
	if len(w.faults) > 0 {
		t.Error(w.faults)
	}
	httpxtest.Dial(t, s.URL, nil).Client(w).Do("GET", "/thing", nil)
	if len(w.faults) == 0 {
		t.Error("an answer of a route that is not in the table was accepted")
	}
}

func TestClient_KeepsSecureCookiesOnRequest(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, httpx.Config{}, []httpx.Route{{
		Pattern: "GET /thing", Access: httpx.Public(), Rate: httpx.RateRead, Summary: "For a test",
		Responses: []httpx.Response{{Status: 200, Type: "text/plain", May: []string{"Set-Cookie"}}},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			http.SetCookie(w, &http.Cookie{Name: "__Host-at", Value: "x", Path: "/", Secure: true, HttpOnly: true})
			w.Header().Set("Content-Type", "text/plain")
			_, err := fmt.Fprint(w, len(r.Cookies()))
			return err
		},
	}})
	for client, want := range map[*httpxtest.Client]string{s.Client(t): "0", s.Client(t).KeepCookies(): "1"} {
		client.Do("GET", "/thing", nil)
		if a := client.Do("GET", "/thing", nil); string(a.Body) != want {
			t.Errorf("sent %s cookies, want %s", a.Body, want)
		}
	}
}
