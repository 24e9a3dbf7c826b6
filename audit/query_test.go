package audit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"homebase/audit"
	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var times = regexp.MustCompile(`"[0-9]{4}-[^"]*"`)

// TestEvents_AreFilteredPagedAndExported reads what three acts of two persons
// left, as an auditor, as one of the persons, and as a stranger.
func TestEvents_AreFilteredPagedAndExported(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	ann, ben, auditing := uuid.New(), uuid.New(), uuid.New()
	for _, e := range []audit.Event{
		{Actor: audit.Actor{User: ann}, Action: audit.Login},
		{Actor: audit.Actor{User: ann}, Action: audit.FileDeleted, Target: uuid.New()},
		{Actor: audit.Actor{User: ben}, Action: audit.UserDisabled, Target: ann},
	} {
		if err := l.Record(t.Context(), d, e); err != nil {
			t.Fatal(err)
		}
	}
	server := httpxtest.Start(t, httpx.Config{Authenticate: func(r *http.Request) (*httpx.Caller, error) {
		switch r.Header.Get("Authorization") {
		case "Bearer ann":
			return &httpx.Caller{UserID: ann, SessionID: uuid.New()}, nil
		case "Bearer auditor":
			return &httpx.Caller{UserID: auditing, SessionID: uuid.New(), Permissions: []string{"audit:read"}}, nil
		}
		return nil, httpx.ErrUnauthenticated
	}, Afresh: func(_ context.Context, c *httpx.Caller) (*httpx.Caller, error) { return c, nil }}, l.Routes())
	auditor, own := server.Client(t).As("auditor"), server.Client(t).As("ann")
	actions := func(page httpx.List[audit.Entry]) string {
		var list []string
		for _, e := range page.Items {
			list = append(list, string(e.Action))
		}
		return strings.Join(list, " ")
	}
	now := time.Now().UTC()
	ago, ahead := now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
	for query, want := range map[string]string{
		"":                              "user.disabled file.delete auth.login",
		"?actor=" + ann.String():        "file.delete auth.login",
		"?target=" + ann.String():       "user.disabled",
		"?action=auth.login":            "auth.login",
		"?action=nothing":               "",
		"?from=" + ago + "&to=" + ahead: "user.disabled file.delete auth.login",
		"?to=" + ago:                    "",
		"?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999999Z":                 "user.disabled file.delete auth.login",
		"?from=9999-12-31T23:59:59Z":                                                   "",
		"?from=" + ahead + "&to=" + ago:                                                "",
		"?actor=" + ben.String() + "&target=" + ann.String() + "&action=user.disabled": "user.disabled",
	} {
		var page httpx.List[audit.Entry]
		auditor.Do("GET", "/audit/events"+query, nil).Want(t, 200).JSON(t, &page)
		if got := actions(page); got != want {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
		var lines []string
		for line := range strings.Lines(string(auditor.Do("GET", "/audit/events/export"+query, nil).Want(t, 200).Body)) {
			var e audit.Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			lines = append([]string{string(e.Action)}, lines...)
		}
		if got := strings.Join(lines, " "); got != want {
			t.Errorf("%q exports %q, want %q", query, got, want)
		}
	}
	var seen []string
	var first string
	for cursor := ""; ; {
		var page httpx.List[audit.Entry]
		auditor.Do("GET", "/audit/events?limit=1"+cursor, nil).Want(t, 200).JSON(t, &page)
		seen = append(seen, actions(page))
		if page.NextCursor == nil {
			break
		}
		first = *page.NextCursor
		cursor = "&cursor=" + first
	}
	if got := strings.Join(seen, " "); got != "user.disabled file.delete auth.login" {
		t.Errorf("page by page: %q", got)
	}
	for _, at := range []string{"9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00+23:59", "x"} {
		b, err := base64.RawURLEncoding.DecodeString(first)
		if err != nil {
			t.Fatal(err)
		}
		forged := base64.RawURLEncoding.EncodeToString(times.ReplaceAll(b, []byte(`"`+at+`"`)))
		if forged == first {
			t.Fatalf("%s was not forged", b)
		}
		if status := auditor.Do("GET", "/audit/events?limit=1&cursor="+forged, nil).Status; status != 200 && status != 400 {
			t.Errorf("a cursor at %s: %d", at, status)
		}
	}
	for _, odd := range []string{"action=%00", "action=%ff", "from=2026-11-24", "to=2026-02-30T00:00:00Z", "from=%00"} {
		if status := auditor.Do("GET", "/audit/events?"+odd, nil).Status; status != 400 && status != 200 {
			t.Errorf("%s: %d", odd, status)
		}
	}
	auditor.Do("GET", "/audit/events?actor=x", nil).WantProblem(t, 400, "invalid_parameter")
	auditor.Do("GET", "/audit/events?from=yesterday", nil).WantProblem(t, 400, "invalid_parameter")

	var mine httpx.List[audit.Entry]
	own.Do("GET", "/audit/me", nil).Want(t, 200).JSON(t, &mine)
	if got := actions(mine); got != "user.disabled auth.login" {
		t.Errorf("one's own history: %q", got)
	}
	for _, path := range []string{"/audit/events", "/audit/events/export", "/audit/seals"} {
		own.Do("GET", path, nil).WantProblem(t, 403, "forbidden")
		server.Client(t).Do("GET", path, nil).WantProblem(t, 401, "unauthenticated")
	}
}

func TestCommands_TailAndExportPrintTheEvents(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	for _, action := range []audit.Action{audit.Login, audit.Logout} {
		if err := l.Record(t.Context(), d, audit.Event{Action: action, Details: map[string]string{"scope": "all"}}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		var out bytes.Buffer
		for _, c := range l.Commands() {
			if c.Name == name {
				if err := c.Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: &out}, args); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		return out.String()
	}
	if out := run("audit tail", "-n", "1"); !strings.Contains(out, "auth.logout") || strings.Contains(out, "auth.login ") || !strings.Contains(out, "scope=all") {
		t.Errorf("the tail is %q", out)
	}
	if out := run("audit tail", "--json"); strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, "{") {
		t.Errorf("the tail is %q", out)
	}
	if out := run("audit export"); strings.Count(out, `"mac":`) != 3 {
		t.Errorf("the export is %q", out)
	}
}

func TestTail_FollowsWhatCommitsLate(t *testing.T) {
	t.Parallel()
	l, d := start(t)
	record := func(q db.Querier, a audit.Action) {
		if err := l.Record(t.Context(), q, audit.Event{Action: a}); err != nil {
			t.Fatal(err)
		}
	}
	record(d, audit.Login)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		for _, c := range l.Commands() {
			if c.Name == "audit tail" {
				done <- c.Run(ctx, &cli.Shell{Stdout: in, Stderr: in}, []string{"-f", "--json"})
			}
		}
		in.Close()
	}()
	lines := json.NewDecoder(out)
	follows := func(want audit.Action) {
		t.Helper()
		var e audit.Entry
		if err := lines.Decode(&e); err != nil || e.Action != want {
			t.Fatalf("the tail goes on with %q, want %q, %v", e.Action, want, err)
		}
	}
	follows(audit.Login)
	err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		record(tx, audit.UserCreated)
		for range 2 { // each in a read of its own
			record(d, audit.Logout)
			follows(audit.Logout)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	follows(audit.UserCreated)
	record(d, audit.Logout)
	follows(audit.Logout)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
