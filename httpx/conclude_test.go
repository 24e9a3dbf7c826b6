package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// TestErrors_BecomeTheirProblemAndTheirLogLine pins body and log record side
// by side.
func TestErrors_BecomeTheirProblemAndTheirLogLine(t *testing.T) {
	t.Parallel()
	const secret = "the inner words"
	full := httpx.NewProblem(507, "quota_exceeded", "Your storage is full")
	rows := []struct {
		err    error
		status int
		code   string
	}{
		{full.With("12 bytes are left."), 507, "quota_exceeded"},
		{fmt.Errorf("wrapped: %w", full.Because(errors.New(secret))), 507, "quota_exceeded"},
		{errors.New(secret), 500, "internal"},
		{fmt.Errorf("%s: %w", secret, db.ErrNotFound), 404, "not_found"},
		{fmt.Errorf("%s: %w", secret, db.ErrOutcomeUnknown), 503, "outcome_unknown"},
		{&db.Error{Kind: db.Conflict, Code: "email_taken", Detail: "Take another one.", Err: errors.New(secret)}, 409, "email_taken"},
		{&db.Error{Kind: db.Conflict, Err: errors.New(secret)}, 409, "conflict"},
		{&db.Error{Kind: db.Missing, Code: "parent_missing", Err: errors.New(secret)}, 409, "parent_missing"},
		{&db.Error{Kind: db.Invalid, Err: errors.New(secret)}, 422, "validation_failed"},
		{&db.Error{Kind: db.Busy, Err: errors.New(secret)}, 503, "busy"},
		{&db.Error{Kind: db.Unavailable, Err: errors.New(secret)}, 503, "database_unavailable"},
		{&db.Error{Kind: db.Full, Err: errors.New(secret)}, 507, "disk_full"},
		{context.Canceled, 500, "internal"}, // not this client's going away
		{nil, 500, "internal"},              // a panic
	}
	var routes []httpx.Route
	for i, row := range rows {
		routes = append(routes, route(fmt.Sprintf("GET /%d", i), httpx.SignedIn(), func(rt *httpx.Route) {
			rt.Responses = []httpx.Response{{Status: 200, May: []string{"Set-Cookie"}}}
			rt.Problems = []*httpx.Problem{full, httpx.NewProblem(row.status, row.code, "Declared")}
			rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
				w.Header().Set("Content-Length", "5")
				w.Header().Set("ETag", `"x"`)
				w.Header().Set("Cache-Control", "public")
				w.Header().Set("Set-Cookie", "at=")
				if row.err == nil {
					panic(secret)
				}
				return row.err
			}
		}))
	}
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	c := httpxtest.Start(t, cfg, routes).Client(t).As("member")
	for i, row := range rows {
		a := c.Do("GET", fmt.Sprintf("/%d", i), nil)
		a.WantProblem(t, row.status, row.code)
		if strings.Contains(string(a.Body), secret) {
			t.Errorf("%d: the client reads %s", i, a.Body)
		}
		if a.Header.Get("ETag") != "" || a.Header.Get("Set-Cookie") == "" {
			t.Errorf("%d: the handler's headers: %v", i, a.Header)
		}
		record := log.record(t, a.Header.Get("X-Request-Id"))
		if record["status"] != float64(row.status) || record["problem"] != row.code || record["route"] != fmt.Sprintf("GET /%d", i) || record["user"] != userID.String() {
			t.Errorf("%d: %v", i, record)
		}
		hasSecret := row.err == nil || strings.Contains(row.err.Error(), secret)
		if cause, _ := record["cause"].(string); strings.Contains(cause, secret) != hasSecret {
			t.Errorf("%d: cause %q", i, cause)
		}
		level := "INFO"
		switch {
		case row.status == 503:
			level = "WARN"
		case row.status >= 500:
			level = "ERROR"
		}
		if (record["stack"] != nil) != (row.err == nil) || record["level"] != level {
			t.Errorf("%d: level %v, stack %v", i, record["level"], record["stack"])
		}
	}
}

func TestAccessLog_KeepsPathQueryAndCredentialsOut(t *testing.T) {
	t.Parallel()
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	c := httpxtest.Start(t, cfg, []httpx.Route{route("GET /shared/{token}", httpx.Public(), func(rt *httpx.Route) {
		rt.Query = []string{"q"}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error { return say(w, "hello") }
		rt.Responses = []httpx.Response{{Status: 200, Type: "text/plain"}}
	})}).Client(t).As("tokentoken")
	a := c.Do("GET", "/shared/verysecret?q=searched", nil, httpxtest.WithHeader("Cookie", "at=cookiecookie")).Want(t, 200)
	record := log.record(t, a.Header.Get("X-Request-Id"))
	if record["route"] != "GET /shared/{token}" || record["bytes_out"] != 5.0 || record["client"] != "127.0.0.1" || record["method"] != "GET" {
		t.Errorf("%v", record)
	}
	b := c.Do("GET", "/nothing/verysecret", nil).Want(t, 404)
	if log.record(t, b.Header.Get("X-Request-Id"))["route"] != "none" {
		t.Error("a request without a route has one in the log")
	}
	for _, secret := range []string{"verysecret", "searched", "tokentoken", "cookiecookie"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestErrors_AfterTheAnswerBeganBreakTheConnection: half an answer must not
// look like a whole one.
func TestErrors_AfterTheAnswerBeganBreakTheConnection(t *testing.T) {
	t.Parallel()
	begin := func(w http.ResponseWriter) {
		say(w, "half")
		http.NewResponseController(w).Flush()
	}
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	s := httpxtest.Start(t, cfg, []httpx.Route{
		route("GET /error", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error { begin(w); return errors.New("the disk broke") })),
		route("GET /panic", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error { begin(w); panic("the disk broke") })),
		route("GET /abort", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error { begin(w); panic(http.ErrAbortHandler) })),
	})
	for _, path := range []string{"/error", "/panic", "/abort"} {
		response := raw(t, s, "GET /api/v1"+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		text, err := io.ReadAll(response.Body)
		if string(text) != "half" || err == nil {
			t.Errorf("%s: read %q, %v", path, text, err)
		}
		record := log.record(t, response.Header.Get("X-Request-Id"))
		if path != "/abort" && (record["status"] != 200.0 || record["problem"] != "internal" || !strings.Contains(record["cause"].(string), "the disk broke")) {
			t.Errorf("%s: %v", path, record)
		}
		if path == "/abort" && record["status"] != 499.0 {
			t.Errorf("%s: %v", path, record)
		}
	}
}

func TestErrors_OfAClientThatLeftAreNot500(t *testing.T) {
	t.Parallel()
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	arrived := make(chan string)
	s := httpxtest.Start(t, cfg, []httpx.Route{route("GET /slow", httpx.Public(), with(func(w http.ResponseWriter, r *http.Request) error {
		arrived <- httpx.RequestID(r.Context())
		<-r.Context().Done()
		return fmt.Errorf("query: %w", r.Context().Err())
	}))})
	conn := dial(t, s)
	io.WriteString(conn, "GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
	id := <-arrived
	conn.Close()
	if record := log.record(t, id); record["status"] != 499.0 || record["level"] != "INFO" {
		t.Errorf("%v", record)
	}
}

// TestServeContent_RefusesWithOurProblems: the standard library answers 412
// and 416 itself, as text.
func TestServeContent_RefusesWithOurProblems(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("GET /content", httpx.Public(), func(rt *httpx.Route) {
		rt.Responses = []httpx.Response{{Status: 200, Type: "text/plain", Headers: []string{"ETag", "Accept-Ranges", "Last-Modified"}}, {Status: 206, Type: "text/plain", Headers: []string{"ETag", "Accept-Ranges", "Last-Modified", "Content-Range"}}, {Status: 304, Headers: []string{"ETag"}}}
		rt.Problems = []*httpx.Problem{httpx.ErrPreconditionFailed, httpx.ErrRange}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Type", "text/plain")
			http.ServeContent(w, r, "", callers["member"].AuthenticatedAt, strings.NewReader("content"))
			return nil
		}
	})})
	c := s.Client(t)
	c.Do("GET", "/content", nil).Want(t, 200)
	c.Do("GET", "/content", nil, httpxtest.WithHeader("Range", "bytes=1-2")).Want(t, 206)
	c.Do("GET", "/content", nil, httpxtest.WithHeader("If-None-Match", `"v1"`)).Want(t, 304)
	c.Do("GET", "/content", nil, httpxtest.WithHeader("If-Match", `"v2"`)).WantProblem(t, 412, "precondition_failed")
	if a := c.Do("GET", "/content", nil, httpxtest.WithHeader("Range", "bytes=9-")); a.WantProblem(t, 416, "range_not_satisfiable").Status == 416 && a.Header.Get("Content-Range") != "bytes */7" {
		t.Errorf("Content-Range %q", a.Header.Get("Content-Range"))
	}
}

func TestMetrics_CountByPatternAndStatus(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("POST /echo/{id}", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error {
		if got := httpx.ServerOf(r.Context()).Metrics().InFlight; got != 1 {
			t.Errorf("in flight: %d", got)
		}
		_, err := io.ReadAll(r.Body)
		return errors.Join(err, say(w, "hi"))
	}), func(rt *httpx.Route) { rt.Body = 100 })})
	c := s.Client(t)
	c.Do("POST", "/echo/1", "four").Want(t, 200)
	c.Do("POST", "/echo/2", strings.Repeat("x", 101)).WantProblem(t, 413, "body_too_large")
	c.Do("GET", "/nothing", nil).Want(t, 404)
	var m httpx.Metrics
	for m = s.HTTPX.Metrics(); m.InFlight > 0; m = s.HTTPX.Metrics() {
		// The count comes after the answer.
	}
	if len(m.Routes) != 2 || m.Routes[1].Route != "none" || m.Routes[1].Statuses["4xx"] != 1 {
		t.Fatalf("%+v", m)
	}
	echo := m.Routes[0]
	var observed int64
	for _, n := range echo.Durations {
		observed += n
	}
	if echo.Route != "POST /echo/{id}" || echo.Statuses["2xx"] != 1 || echo.Statuses["4xx"] != 1 || echo.BytesIn != 4 || echo.BytesOut < 2 || observed != 2 || echo.Seconds <= 0 {
		t.Errorf("%+v", echo)
	}
}
