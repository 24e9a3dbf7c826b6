package auth_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func TestLogout_HoldsAtOnceOnEveryWorker(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	g := one.Grant(t, "ada@example.com")
	me(t, one, g.AccessToken, 200)
	me(t, two, g.AccessToken, 200) // in both caches now

	one.Client(t).As(g.AccessToken).Do("POST", "/auth/logout", nil).Want(t, 204)
	me(t, one, g.AccessToken, 401)
	took := dbtest.Within(t, "the other worker", func() bool {
		return two.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Status == 401
	})
	t.Logf("on the other worker after %v", took)
	exchange(t, two, g.RefreshToken, 401)
	if n := query(t, one.DB, `SELECT count(*)::text FROM audit_events WHERE action = 'auth.logout' AND details->>'scope' = 'session'`)[0]; n != "1" {
		t.Errorf("recorded %s times", n)
	}
}

func TestLogout_HoldsOnAWorkerThatHearsNothing(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	g := one.Grant(t, "ada@example.com")
	me(t, two, g.AccessToken, 200)
	defer deafen(t, one)()
	one.Client(t).As(g.AccessToken).Do("POST", "/auth/logout", nil).Want(t, 204)
	took := dbtest.Within(t, "the deaf worker", func() bool {
		return two.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Status == 401
	})
	t.Logf("on the deaf worker after %v", took)
}

func TestLogout_ScopesEndWhatTheySay(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	e.User(t, "bob@example.com", "member")
	bob := e.Grant(t, "bob@example.com")
	a, b, c := e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com")
	for _, g := range []auth.Grant{a, b, c} {
		me(t, e, g.AccessToken, 200)
	}
	out := func(g auth.Grant, scope string) *httpxtest.Answer {
		return e.Client(t).As(g.AccessToken).Do("POST", "/auth/logout?scope="+scope, nil).Want(t, 204)
	}
	out(a, "session")
	me(t, e, a.AccessToken, 401)
	me(t, e, b.AccessToken, 200)
	if set := out(b, "others").Header.Values("Set-Cookie"); len(set) != 0 {
		t.Error("who stays signed in keeps the cookies")
	}
	me(t, e, b.AccessToken, 200)
	me(t, e, c.AccessToken, 401)
	d := e.Grant(t, "ada@example.com")
	out(d, "all")
	me(t, e, b.AccessToken, 401)
	me(t, e, d.AccessToken, 401)
	me(t, e, bob.AccessToken, 200)
}

func TestLogout_AlwaysSucceedsAndClearsTheCookies(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	for name, cookies := range map[string]string{
		"none": "", "garbage": "__Host-at=x; __Host-rt=y", "tossed": "__Host-at=x; __Host-at=y; __Host-rt=a; __Host-rt=b",
		"only refresh": "__Host-rt=" + g.RefreshToken, "again": "__Host-at=" + g.AccessToken,
	} {
		a := e.Client(t).Do("POST", "/auth/logout", nil, browser, httpxtest.WithHeader("Cookie", cookies)).Want(t, 204)
		want := "__Host-at=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict\n__Host-rt=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
		if got := strings.Join(a.Header.Values("Set-Cookie"), "\n"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	exchange(t, e, g.RefreshToken, 401)
	// Whatever the request looks like, what it carries has ended after.
	mediaType := func(m string) httpxtest.Option { return httpxtest.WithHeader("Content-Type", m) }
	for name, ask := range map[string]struct {
		query, body string
		options     []httpxtest.Option
	}{
		"an empty object": {body: "{}", options: []httpxtest.Option{mediaType("application/json")}},
		"null":            {body: "null", options: []httpxtest.Option{mediaType("application/json")}},
		"a beacon":        {body: `{"a":1,"a":2}`, options: []httpxtest.Option{mediaType("text/plain;charset=UTF-8")}},
		"a form":          {body: "next=%2F", options: []httpxtest.Option{mediaType("application/x-www-form-urlencoded")}},
		"half of JSON":    {body: `{"refresh_token":"`, options: []httpxtest.Option{mediaType("application/json")}},
		"no media type":   {body: "\x00\xff", options: []httpxtest.Option{mediaType("")}},
		"too much":        {body: strings.Repeat("x", 1<<20)},
		"parameters":      {query: "?next=/&next=%ff%00&scope=everything&%zz"},
		"Basic":           {options: []httpxtest.Option{httpxtest.WithHeader("Authorization", "Basic YTpi")}},
		"a foreign token": {options: []httpxtest.Option{httpxtest.WithHeader("Authorization", "Bearer a.b.c", "Bearer x")}},
		"an empty token":  {body: `{"refresh_token":"gone"}`, options: []httpxtest.Option{mediaType("application/json")}},
	} {
		g := e.Grant(t, "ada@example.com")
		kept := httpxtest.WithHeader("Cookie", "__Host-at="+g.AccessToken+"; __Host-rt="+g.RefreshToken)
		a := e.Client(t).Do("POST", "/auth/logout"+ask.query, ask.body, append(ask.options, browser, kept)...).Want(t, 204)
		if len(a.Header.Values("Set-Cookie")) != 2 {
			t.Errorf("%s: the cookies stay", name)
		}
		me(t, e, g.AccessToken, 401)
	}
	// A program's token beside a browser's cookies: both have left.
	mine, kept := e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com")
	e.Client(t).As(mine.AccessToken).Do("POST", "/auth/logout", nil, browser, httpxtest.WithHeader("Cookie", "__Host-rt="+kept.RefreshToken)).Want(t, 204)
	me(t, e, mine.AccessToken, 401)
	me(t, e, kept.AccessToken, 401)
	g = e.Grant(t, "ada@example.com")
	e.Client(t).Do("POST", "/auth/logout", object{"refresh_token": g.RefreshToken}).Want(t, 204)
	me(t, e, g.AccessToken, 401)
	g = e.Grant(t, "ada@example.com")
	cross := httpxtest.WithHeader("Sec-Fetch-Site", "cross-site")
	e.Client(t).Do("POST", "/auth/logout", nil, cross, httpxtest.WithHeader("Cookie", "__Host-rt="+g.RefreshToken)).
		WantProblem(t, 403, "origin_refused")
	me(t, e, g.AccessToken, 200)
}

func TestLogout_ManyCookiesAreNotAsManyQueries(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	cookies := "__Host-rt=" + e.Grant(t, "ada@example.com").RefreshToken
	before := e.DB.Stat().AcquireCount()
	e.Client(t).Do("POST", "/auth/logout", nil, browser, httpxtest.WithHeader("Cookie", cookies+strings.Repeat("; "+cookies, 100))).Want(t, 204)
	if n := e.DB.Stat().AcquireCount() - before; n > 10 {
		t.Errorf("one request without a sign-in took %d connections", n)
	}
}

func TestSession_KnowingOneAsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	// Refused after the policy was looked at, so auth is all that could ask.
	warm := func() { c.Do("DELETE", "/auth/sessions/none", nil).WantProblem(t, 404, "not_found") }
	warm()
	before := e.DB.Stat().AcquireCount()
	for range 100 {
		warm()
	}
	if n := e.DB.Stat().AcquireCount() - before; n != 0 {
		t.Errorf("%d of 100 requests took a connection to the database", n)
	}
}

func TestSession_DevicesAreListedAndEnded(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	e.User(t, "eve@example.com", "admin")
	here, there := e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com")
	me(t, e, there.AccessToken, 200)
	c := e.Client(t).As(here.AccessToken)
	var list httpx.List[auth.Session]
	c.Do("GET", "/auth/sessions", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 2 {
		t.Fatalf("%d sessions", len(list.Items))
	}
	for _, s := range list.Items {
		if s.Current != (s.ID == here.Session.ID) || s.Name != "Go-http-client" || time.Until(s.ExpiresAt) < 13*24*time.Hour {
			t.Errorf("%+v", s)
		}
	}
	e.SignIn(t, "eve@example.com").Do("DELETE", "/auth/sessions/"+there.Session.ID.String(), nil).WantProblem(t, 404, "not_found")
	me(t, e, there.AccessToken, 200)
	c.Do("DELETE", "/auth/sessions/"+there.Session.ID.String(), nil).Want(t, 204)
	c.Do("DELETE", "/auth/sessions/"+there.Session.ID.String(), nil).WantProblem(t, 404, "not_found")
	me(t, e, there.AccessToken, 401)
	me(t, e, here.AccessToken, 200)
}

func TestSession_UseIsWrittenDown(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET last_used_at = now() - interval '1 day'`)
	me(t, e, g.AccessToken, 200)
	if err := e.Auth.WriteUsed(); err != nil {
		t.Fatal(err)
	}
	got := query(t, e.DB, `SELECT (last_used_at > now() - interval '1 hour')::text || seen_counter::text FROM sessions`)[0]
	if got != "true1" {
		t.Errorf("used and seen: %s", got)
	}
}

func TestSession_EndedOnesAreSweptAndLivingOnesAreNot(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	living, ended, expired := e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET revoked_at = now() - interval '8 days', revoked_reason = 'logout' WHERE id = $1`, ended.Session.ID)
	dbtest.Exec(t, e.DB, `UPDATE sessions SET idle_until = now() - interval '8 days' WHERE id = $1`, expired.Session.ID)
	for _, job := range e.Auth.Jobs() {
		if err := job.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, e.DB, `SELECT id::text FROM sessions`); len(got) != 1 || got[0] != living.Session.ID.String() {
		t.Errorf("left: %v", got)
	}
}

// What was made while the clock was ahead, and it is set right since.
func TestSession_AClockThatWasAheadOutlivesAndShutsOutNobody(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	for range 20 {
		e.Grant(t, "ada@example.com")
	}
	dbtest.Exec(t, e.DB, `UPDATE sessions SET refreshed_at = refreshed_at + '1 year'::interval, last_used_at = last_used_at + '1 year'::interval,
		idle_until = idle_until + '1 year'::interval, absolute_until = absolute_until + '1 year'::interval`)
	g := e.Grant(t, "ada@example.com")
	me(t, e, g.AccessToken, 200) // the newest of 21 is not the one that goes
	if _, err := run(t, e, "", "user", "login-link", "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, e.DB, `UPDATE one_time_tokens SET created_at = created_at + '1 year'::interval, expires_at = expires_at + '1 year'::interval`)
	for _, job := range e.Auth.Jobs() {
		if err := job.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, e.DB, `SELECT id::text FROM sessions WHERE idle_until > now() + interval '14 days' OR absolute_until > now() + interval '30 days'
		UNION ALL SELECT id::text FROM one_time_tokens WHERE expires_at > now() + interval '10 minutes'`); len(got) != 0 {
		t.Errorf("%d sessions and links live on from ahead", len(got))
	}
	dbtest.Exec(t, e.DB, `UPDATE sessions SET last_used_at = now() + interval '1 year'`)
	me(t, e, g.AccessToken, 200)
	if err := e.Auth.WriteUsed(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, e.DB, `SELECT (last_used_at <= now())::text FROM sessions WHERE id = $1`, g.Session.ID); got[0] != "true" {
		t.Error("a session that is used now was used ahead of now")
	}
}

func TestSession_NamesOfDevices(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"": "Unknown program", "curl/8.5.0": "curl", "Mozilla/5.0": "Unknown program",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36":                   "Chrome on Android",
	} {
		if got := auth.DeviceName(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}

// What was asked before a session ended, and is answered after, would keep it
// alive in memory. The answer is held back where the query reads the roles.
func TestSession_AnAnswerThatTheEndHasOvertakenIsNotKept(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		for _, sql := range []string{`SET LOCAL ROLE NONE`, `ALTER TABLE roles ENABLE ROW LEVEL SECURITY`,
			`CREATE POLICY held ON roles USING (pg_advisory_xact_lock_shared(1) IS NOT NULL)`} {
			if err := db.Exec(t.Context(), tx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	overtake(t, e, `SELECT pg_advisory_xact_lock(1)`, func() {
		e.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil)
	}, func(pgx.Tx) error {
		e.Client(t).Do("POST", "/auth/logout", object{"refresh_token": g.RefreshToken}).Want(t, 204)
		return nil
	})
	me(t, e, g.AccessToken, 401)
}

// overtake takes a lock, asks for what has to wait for it, and acts before it
// lets go.
func overtake(t *testing.T, e *authtest.Env, lock string, ask func(), act func(tx pgx.Tx) error) {
	t.Helper()
	ctx, done := t.Context(), make(chan struct{})
	err := e.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := db.Exec(ctx, tx, lock); err != nil {
			return err
		}
		go func() {
			defer close(done)
			ask()
		}()
		for {
			// Within a transaction the connections that there are stay as they were.
			if err := db.Exec(ctx, tx, `SELECT pg_stat_clear_snapshot()`); err != nil {
				return err
			}
			waiting, err := db.One(ctx, tx, db.Value[bool], `
				SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
				                WHERE a.datname = current_database() AND NOT l.granted)`)
			if err != nil {
				return err
			}
			if waiting {
				return act(tx)
			}
			select {
			case <-done:
				return errors.New("it did not wait")
			case <-time.After(time.Millisecond):
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	<-done
}

// A copy of a refresh token that was replaced is no key to the other sessions:
// it ends the one that it was copied from, and the user is told.
func TestLogout_AReplacedTokenCountsAsReuse(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	for _, scope := range []string{"session", "others", "all"} {
		other, g := e.Grant(t, "ada@example.com"), e.Grant(t, "ada@example.com")
		second := exchange(t, e, g.RefreshToken, 200)
		third := exchange(t, e, second.RefreshToken, 200)
		e.Client(t).Do("POST", "/auth/logout?scope="+scope, object{"refresh_token": g.RefreshToken}).Want(t, 204)
		me(t, e, other.AccessToken, 200)
		me(t, e, third.AccessToken, 401)
	}
	if got := strings.Join(query(t, e.DB, `SELECT action || ' ' || outcome FROM audit_events WHERE action IN ('auth.logout', 'auth.refresh_reuse')`), "\n"); got != strings.TrimSpace(strings.Repeat("auth.refresh_reuse denied\n", 3)) {
		t.Errorf("recorded:\n%s", got)
	}
	if n := query(t, e.DB, `SELECT count(*)::text FROM notices WHERE kind = 'refresh_reuse'`)[0]; n != "3" {
		t.Errorf("%s notices", n)
	}
	// The token before the current one, of an answer that was lost, is honest.
	g := e.Grant(t, "ada@example.com")
	next := exchange(t, e, g.RefreshToken, 200)
	e.Client(t).Do("POST", "/auth/logout", object{"refresh_token": g.RefreshToken}).Want(t, 204)
	me(t, e, next.AccessToken, 401)
	if n := query(t, e.DB, `SELECT count(*)::text FROM notices WHERE kind = 'refresh_reuse'`)[0]; n != "3" {
		t.Error("an answer that was lost counts as reuse")
	}
}

// People look at the list of their devices to see what is in use, and a session
// may be used through the gate alone.
func TestVisitor_IsAUseOfTheSession(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	session := e.Grant(t, "ada@example.com").Session.ID
	dbtest.Exec(t, e.DB, `UPDATE sessions SET last_used_at = now() - interval '1 hour'`)
	if c, err := e.Auth.Visitor(t.Context(), session); err != nil || !slices.Equal(c.Roles, []string{"member"}) {
		t.Fatal(c, err)
	}
	if err := e.Auth.WriteUsed(); err != nil {
		t.Fatal(err)
	}
	if used := query(t, e.DB, `SELECT id::text FROM sessions WHERE last_used_at > now() - interval '1 minute'`); len(used) != 1 {
		t.Error("the session is not in use")
	}
	if c, err := e.Auth.Visitor(t.Context(), uuid.Nil); c != nil || !errors.Is(err, httpx.ErrUnauthenticated) {
		t.Error(c, err)
	}
}
