package httpx_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"homebase/cli"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

const (
	trustedOrigin = "https://files.example.com"
	publicOrigin  = "https://www.example.org"
)

var (
	userID    = uuid.MustParse("0198c0de-0000-7000-8000-000000000001")
	sessionID = uuid.MustParse("0198c0de-0000-7000-8000-000000000002")
	keyID     = uuid.MustParse("0198c0de-0000-7000-8000-000000000003")
)

// callers are the credentials that authenticate knows, as Bearer token or as
// the cookie "at".
var callers = map[string]httpx.Caller{
	"member": {UserID: userID, SessionID: sessionID, Permissions: []string{"files:read"}, AuthenticatedAt: time.Now().Add(-time.Hour)},
	"fresh":  {UserID: userID, SessionID: sessionID, Permissions: []string{"files:read"}, AuthenticatedAt: time.Now()},
	"ahead":  {UserID: userID, SessionID: sessionID, Permissions: []string{"files:read"}, AuthenticatedAt: time.Now().Add(time.Hour)}, // of a clock that was set back
	"key":    {UserID: userID, KeyID: keyID, Permissions: []string{"files:read"}},
}

func authenticate(r *http.Request) (*httpx.Caller, error) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if cookie, err := r.Cookie("at"); !bearer && err == nil {
		token = cookie.Value
	}
	caller, ok := callers[token]
	if !ok {
		return nil, httpx.ErrUnauthenticated
	}
	caller.Cookie = !bearer
	return &caller, nil
}

func config() httpx.Config {
	return httpx.Config{
		Origins:       []string{trustedOrigin},
		PublicOrigins: []string{publicOrigin},
		Authenticate:  authenticate,
		Recheck:       func(_ context.Context, c *httpx.Caller) (*httpx.Caller, error) { return c, nil },
		Afresh:        func(_ context.Context, c *httpx.Caller) (*httpx.Caller, error) { return c, nil },
	}
}

// done answers 204.
func done(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// route is a route that answers 204 until it is changed.
func route(pattern string, access httpx.Access, change ...func(*httpx.Route)) httpx.Route {
	rt := httpx.Route{
		Pattern: pattern, Access: access, Rate: httpx.RateRead, Summary: "For a test",
		Responses: []httpx.Response{{Status: http.StatusNoContent}}, Handler: done,
	}
	for _, change := range change {
		change(&rt)
	}
	return rt
}

func with(h httpx.Handler) func(*httpx.Route) { return func(rt *httpx.Route) { rt.Handler = h } }

func text(h httpx.Handler) func(*httpx.Route) {
	return func(rt *httpx.Route) {
		rt.Handler, rt.Responses = h, []httpx.Response{{Status: http.StatusOK, Type: "text/plain"}}
	}
}

func say(w http.ResponseWriter, words string) error {
	w.Header().Set("Content-Type", "text/plain")
	_, err := io.WriteString(w, words)
	return err
}

// journal collects log records as JSON lines.
type journal struct{ httpxtest.Buffer }

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

// record waits for the access log line of the request id: it is written after
// the answer, so the client may be ahead of it.
func (j *journal) record(t *testing.T, id string) map[string]any {
	t.Helper()
	for range 1000 {
		for line := range strings.Lines(j.String()) {
			var record map[string]any
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatal(err)
			}
			if record["request_id"] == id {
				return record
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no log line of request %s in\n%s", id, j.String())
	return nil
}

// raw writes bytes on a connection of its own and reads one answer.
func raw(t *testing.T, s *httpxtest.Server, request string) *http.Response {
	t.Helper()
	conn := dial(t, s)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return answer(t, conn)
}

func dial(t *testing.T, s *httpxtest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Only so that a broken server fails the test instead of hanging it.
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

func answer(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func code(t *testing.T, response *http.Response) string {
	t.Helper()
	var problem httpxtest.Problem
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	return problem.Code
}

func TestBody_ThatSaysNothingIsTakenWhereNoneIs(t *testing.T) {
	t.Parallel()
	c := httpxtest.Start(t, config(), []httpx.Route{route("POST /thing", httpx.Public()), route("DELETE /thing", httpx.Public())}).Client(t)
	for _, method := range []string{"POST", "DELETE"} {
		for _, body := range []string{"", "{}", " {}\n", "null", "\r\n"} {
			c.Do(method, "/thing", body).Want(t, 204)
			c.Do(method, "/thing", io.MultiReader(strings.NewReader(body))).Want(t, 204) // of unknown length
		}
		for _, body := range []string{"{", "x", "[]", `""`, `{"a":1}`, "{}{}", strings.Repeat(" ", 17)} {
			c.Do(method, "/thing", body).WantProblem(t, 413, "body_too_large")
			c.Do(method, "/thing", io.MultiReader(strings.NewReader(body))).WantProblem(t, 413, "body_too_large")
		}
	}
}

// TestWay_LayersComeInTheirOrder sends one request that every layer would
// refuse, and takes away one fault after another.
func TestWay_LayersComeInTheirOrder(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.RateLimits = true
	s := httpxtest.Start(t, cfg, []httpx.Route{route("POST /thing", httpx.Needs("files:write").Recent(), func(rt *httpx.Route) { rt.Rate = httpx.RateWrite }),
		route("POST /mine", httpx.Needs("files:read"))})
	c := s.Client(t)
	cookie := httpxtest.WithHeader("Cookie", "at=member")
	stranger := httpxtest.WithHeader("Cookie", "at=nobody")
	origin := httpxtest.WithHeader("Origin", trustedOrigin)
	const big = "a body that nobody wants"

	c.Do("POST", "/thing/../x?what=1", big, stranger).WantProblem(t, 400, "invalid_path")
	c.Do("POST", "/nothing?what=1", big, stranger).WantProblem(t, 404, "not_found")
	c.Do("PUT", "/thing?what=1", big, stranger).WantProblem(t, 405, "method_not_allowed")
	c.Do("POST", "/thing?what=1", big, stranger, httpxtest.WithHeader("Authorization", "Bearer a", "Bearer b")).WantProblem(t, 400, "duplicate_authorization")
	c.Do("POST", "/thing?what=1", big, stranger).WantProblem(t, 401, "unauthenticated")
	c.Do("POST", "/thing?what=1", big, cookie).WantProblem(t, 403, "origin_required")
	s.HTTPX.SetLimits(map[httpx.Rate]httpx.Limit{httpx.RateWrite: {Requests: 1, Per: time.Hour}})
	c.Do("POST", "/thing?what=1", big, cookie, origin).WantProblem(t, 403, "forbidden")
	c.Do("POST", "/thing?what=1", big, cookie, origin).WantProblem(t, 429, "rate_limited")
	c.Do("POST", "/mine?what=1", big, cookie, origin).WantProblem(t, 400, "unknown_parameter")
	c.Do("POST", "/mine", big, cookie, origin).WantProblem(t, 413, "body_too_large")
	c.Do("POST", "/mine", nil, cookie, origin).Want(t, 204)
}

func TestWay_AddressIsCountedBeforeAnythingIsAuthenticated(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.RateLimits = true
	cfg.Authenticate = func(*http.Request) (*httpx.Caller, error) { return nil, httpx.ErrUnauthenticated }
	s := httpxtest.Start(t, cfg, []httpx.Route{route("GET /thing", httpx.SignedIn()), route("GET /open", httpx.Public())})
	s.HTTPX.SetLimits(map[httpx.Rate]httpx.Limit{httpx.RateAddress: {Requests: 2, Per: time.Hour}})
	c := s.Client(t)
	c.Do("GET", "/thing", nil).WantProblem(t, 401, "unauthenticated")
	c.Do("GET", "/thing", nil).WantProblem(t, 401, "unauthenticated")
	c.Do("GET", "/thing", nil).WantProblem(t, 429, "rate_limited")
	c.Do("GET", "/open", nil).Want(t, 204)
}

func TestPolicy_WhoMayDoWhat(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /public", httpx.Public()),
		route("GET /recognised", httpx.Recognised()),
		route("GET /me", httpx.SignedIn()),
		route("GET /me-or-key", httpx.SignedIn().OrKey()),
		route("GET /read", httpx.Needs("files:read")),
		route("GET /write", httpx.Needs("files:write")),
		route("GET /no-key", httpx.Needs("files:read").NoKey()),
		route("GET /recent", httpx.Needs("files:read").Recent()),
	})
	for _, row := range []struct {
		path, token string
		status      int
		code        string
	}{
		{"/public", "", 204, ""}, {"/public", "wrong", 204, ""},
		{"/recognised", "", 204, ""}, {"/recognised", "member", 204, ""}, {"/recognised", "key", 204, ""}, {"/recognised", "wrong", 401, "unauthenticated"},
		{"/me", "", 401, "unauthenticated"}, {"/me", "wrong", 401, "unauthenticated"}, {"/me", "member", 204, ""}, {"/me", "key", 403, "forbidden"},
		{"/me-or-key", "key", 204, ""}, {"/me-or-key", "", 401, "unauthenticated"},
		{"/read", "member", 204, ""}, {"/read", "key", 204, ""}, {"/read", "", 401, "unauthenticated"},
		{"/write", "member", 403, "forbidden"},
		{"/no-key", "member", 204, ""}, {"/no-key", "key", 403, "forbidden"},
		{"/recent", "member", 403, "reauthentication_required"}, {"/recent", "fresh", 204, ""}, {"/recent", "key", 403, "forbidden"},
		{"/recent", "ahead", 403, "reauthentication_required"},
	} {
		a := s.Client(t).As(row.token).Do("GET", row.path, nil)
		if row.code == "" {
			a.Want(t, row.status)
		} else {
			a.WantProblem(t, row.status, row.code)
		}
	}
}

func TestOperator_MayCallOnlyTheRoutesThatSayIt(t *testing.T) {
	t.Parallel()
	known := func(rt *httpx.Route) {
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			if c := httpx.CallerOf(r.Context()); c == nil || !c.Operator {
				t.Errorf("%s is called by %+v", r.Pattern, c)
			}
			return done(w, r)
		}
	}
	server, err := httpx.New(httpx.Config{RateLimits: true, Operator: &httpx.Caller{Operator: true, Permissions: []string{"users:manage"}, AuthenticatedAt: time.Now()}, Recheck: config().Recheck, Afresh: config().Recheck}, []httpx.Route{
		route("GET /public", httpx.Public()), route("GET /recognised", httpx.Recognised(), known), route("GET /manage", httpx.Needs("users:manage").Recent().OrOperator(), known),
		route("GET /all", httpx.SignedIn().OrOperator(), known),
		route("GET /me", httpx.SignedIn()), route("GET /me-or-key", httpx.SignedIn().OrKey()), route("GET /without-a-word", httpx.Needs("users:manage")),
		route("GET /other", httpx.Needs("files:read").OrOperator()),
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, code := range map[string]string{"public": "", "recognised": "", "manage": "", "/api/v1/all": "", "me": "unauthenticated",
		"/me-or-key": "unauthenticated", "without-a-word": "unauthenticated", "other": "forbidden"} {
		var out, problem bytes.Buffer
		err := server.Carry(t.Context(), &cli.Shell{Stdout: &out, Stderr: &problem}, httpx.ShellCall{Method: "get", Path: path})
		refused := code != ""
		if errors.Is(err, cli.ErrSaid) != refused || strings.Contains(problem.String(), `"code":"`+code+`"`) != refused || out.Len() > 0 {
			t.Errorf("%s: %v: %s%s", path, err, &out, &problem)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	over, end := context.WithCancel(t.Context())
	end()
	if err := server.Serve(over, ln); err == nil {
		t.Error("a server of the operator listens")
	}
}

func TestRecognised_StrangersAreServedAndCallersKnown(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /page", httpx.Recognised(), text(func(w http.ResponseWriter, r *http.Request) error {
			if c := httpx.CallerOf(r.Context()); c != nil {
				return say(w, c.UserID.String())
			}
			return say(w, "stranger")
		})),
	})
	c := s.Client(t)
	for name, row := range map[string]struct {
		want   string
		header []httpxtest.Option
	}{
		"nothing":          {"stranger", nil},
		"token":            {userID.String(), []httpxtest.Option{httpxtest.WithHeader("Authorization", "Bearer member")}},
		"cookie":           {userID.String(), []httpxtest.Option{httpxtest.WithHeader("Cookie", "at=member")}},
		"old cookie":       {"stranger", []httpxtest.Option{httpxtest.WithHeader("Cookie", "at=gone")}},
		"from a frontend":  {userID.String(), []httpxtest.Option{httpxtest.WithHeader("Authorization", "Bearer member"), httpxtest.WithHeader("Origin", trustedOrigin)}},
		"from public page": {"stranger", []httpxtest.Option{httpxtest.WithHeader("Authorization", "Bearer member"), httpxtest.WithHeader("Origin", publicOrigin)}},
	} {
		a := c.Do("GET", "/page", nil, row.header...).Want(t, 200)
		if string(a.Body) != row.want {
			t.Errorf("%s: known as %s, want %s", name, a.Body, row.want)
		}
		if name == "from public page" && (a.Header.Get("Access-Control-Allow-Origin") != publicOrigin || a.Header.Get("Access-Control-Allow-Credentials") != "") {
			t.Errorf("a public origin gets %v", a.Header)
		}
	}
}

func TestQuery_UnknownAndUnstorableParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("GET /thing", httpx.Public(), func(rt *httpx.Route) { rt.Query = []string{"name"} })})
	c := s.Client(t)
	c.Do("GET", "/thing?name=a&name=b", nil).Want(t, 204)
	c.Do("GET", "/thing?Name=a", nil).WantProblem(t, 400, "unknown_parameter")
	c.Do("GET", "/thing?access_token=a", nil).WantProblem(t, 400, "unknown_parameter")
	for _, query := range []string{"name=%00", "name=%FF", "name=%zz", "name=a;b"} {
		c.Do("GET", "/thing?"+query, nil).WantProblem(t, 400, "invalid_parameter")
	}
}

func TestRequestID_AcceptsWhatIsHarmlessOnly(t *testing.T) {
	t.Parallel()
	s := httpxtest.Start(t, config(), []httpx.Route{route("GET /thing", httpx.Public(), text(func(w http.ResponseWriter, r *http.Request) error {
		return say(w, httpx.RequestID(r.Context()))
	}))})
	c := s.Client(t)
	for given, kept := range map[string]bool{
		"0198c0de-0000-7000-8000-000000000001": true, "abc_DEF.123": true,
		"short": false, "with space inside": false, `quote"quote"`: false, strings.Repeat("x", 65): false,
	} {
		a := c.Do("GET", "/thing", nil, httpxtest.WithHeader("X-Request-Id", given)).Want(t, 200)
		if got := a.Header.Get("X-Request-Id"); (got == given) != kept || string(a.Body) != got {
			t.Errorf("given %q, the answer says %q and the handler %q", given, got, a.Body)
		}
	}
	if a := c.Do("GET", "/thing", nil, httpxtest.WithHeader("X-Request-Id", "aaaaaaaaaa", "bbbbbbbbbb")); strings.Contains("aaaaaaaaaa bbbbbbbbbb", a.Header.Get("X-Request-Id")) {
		t.Error("one of two ids was believed")
	}
}
