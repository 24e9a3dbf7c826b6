package main

import (
	"bytes"
	"log/slog"
	"os"
	"testing"

	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"
)

const golden = "testdata/openapi.json"

// table is that of all routes.
func table(t *testing.T) []httpx.Route {
	t.Helper()
	cfg, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	return wire(cfg, slog.New(slog.DiscardHandler)).routes()
}

// The document is kept beside the code so that a change of the contract is a
// change that somebody reads.
func TestContract_IsWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got, log bytes.Buffer
	if err := run(t.Context(), &db.Shell{Stdout: &got, Stderr: &log}, nil, []string{"openapi"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the contract changed; if it only grew: bin/homebase openapi > %s, and commit it with the change", golden)
	}
}

func TestContract_ExamplesAreWhatTheServerTakesAndSays(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	httpxtest.CheckExamples(t, document, table(t))
}

// TestContract_EveryAnswerWasSeen judges a whole run of all tests, which
// `make test` gives it in HOMEBASE_TEST_JUDGE: a documented answer that no
// test ever got is either not tested or not true. By itself it only sees that
// an answer which is missing would be missed.
func TestContract_EveryAnswerWasSeen(t *testing.T) {
	t.Parallel()
	routes := table(t)
	if missing := httpxtest.Unseen(routes, ""); len(missing) < len(routes) {
		t.Fatalf("of %d routes that nobody called only %d answers are missed", len(routes), len(missing))
	}
	path := os.Getenv("HOMEBASE_TEST_JUDGE")
	if path == "" {
		return
	}
	lines, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range httpxtest.Unseen(routes, string(lines)) {
		if _, elsewhere := seenElsewhere[line]; !elsewhere {
			t.Errorf("no test got %s", line)
		}
	}
}

// seenElsewhere are answers that are tested without the client that remembers
// them: on a bare connection, or by the one program that may ask for them.
var seenElsewhere = map[string]string{
	"400 invalid_body":       "httpx: a body that breaks the framing of HTTP",
	"403 untrusted_peer":     "httpx: a peer on another machine, given to the handler itself",
	"408 request_timeout":    "httpx: a body that trickles",
	"503 shutting_down":      "httpx: an upload over a bare connection while the server drains",
	"GET /files/events 200":  "files: a stream, which is read as it comes",
	"GET /system/probe 200":  "system: the doctor alone knows the token",
	"POST /system/probe 200": "system: the doctor alone knows the token",
}

// TestServe_OperatorsReadTheRecordTheJobsAndTheDisk on the built program.
func TestServe_OperatorsReadTheRecordTheJobsAndTheDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.signIn(t, "operator@example.com")
	for _, path := range []string{"/audit/events", "/audit/events/export", "/audit/me", "/audit/seals", "/system/jobs", "/system/storage"} {
		if a := admin.Do("GET", path, nil).Want(t, 200); len(a.Body) == 0 {
			t.Errorf("%s says nothing", path)
		}
	}
	for _, path := range []string{"/audit/events", "/audit/me", "/audit/seals"} {
		admin.Do("GET", path+"?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")
	}
	admin.Do("GET", "/audit/events?from=yesterday", nil).WantProblem(t, 400, "invalid_parameter")
}
