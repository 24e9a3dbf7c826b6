package auth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

// exchange refreshes with a token in the body and wants a status.
func exchange(t *testing.T, e *authtest.Env, token string, status int) auth.Grant {
	t.Helper()
	var g auth.Grant
	a := e.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": token})
	if status != 200 {
		a.WantProblem(t, status, "session_ended")
		return g
	}
	a.Want(t, 200).JSON(t, &g)
	return g
}

func me(t *testing.T, e *authtest.Env, access string, status int) {
	t.Helper()
	e.Client(t).As(access).Do("GET", "/auth/me", nil).Want(t, status)
}

// later makes every session's last refresh that much older.
func later(t *testing.T, e *authtest.Env, d time.Duration) {
	t.Helper()
	dbtest.Exec(t, e.DB, `UPDATE sessions SET refreshed_at = refreshed_at - $1::interval`, d)
}

func TestRefresh_RotatesTheToken(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g1 := e.Grant(t, "ada@example.com")
	g2 := exchange(t, e, g1.RefreshToken, 200)
	if g2.RefreshToken == g1.RefreshToken || g2.Session.ID != g1.Session.ID {
		t.Error("the token is not another one of the same session")
	}
	me(t, e, g2.AccessToken, 200)
	me(t, e, g1.AccessToken, 200) // it says who, and that is still true
	exchange(t, e, g2.RefreshToken, 200)
}

func TestRefresh_TwentyTabsAtOnceStaySignedIn(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	g := one.Grant(t, "ada@example.com")
	for round := range 3 {
		var wg sync.WaitGroup
		grants := make([]auth.Grant, 20)
		for i := range grants {
			wg.Go(func() {
				e := []*authtest.Env{one, two}[i%2]
				a := e.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": g.RefreshToken})
				if a.Status != 200 {
					t.Errorf("tab %d: %d", i, a.Status)
					return
				}
				a.JSON(t, &grants[i])
			})
		}
		wg.Wait()
		for _, other := range grants {
			if other.RefreshToken != grants[0].RefreshToken || other.RefreshToken == g.RefreshToken {
				t.Fatalf("round %d: the tabs do not all have the one next token", round)
			}
		}
		g = grants[0]
	}
	if got := query(t, one.DB, `SELECT counter::text FROM sessions`); len(got) != 1 || got[0] != "4" {
		t.Errorf("counters of the sessions: %v, want one at 4", got)
	}
	me(t, two, g.AccessToken, 200)
}

func TestRefresh_StolenTokenKillsTheSession(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	u := e.User(t, "ada@example.com", "member")
	g1 := e.Grant(t, "ada@example.com")
	other := e.Grant(t, "ada@example.com")
	g2 := exchange(t, e, g1.RefreshToken, 200)
	me(t, e, g2.AccessToken, 200) // the owner has received it
	later(t, e, 31*time.Second)

	exchange(t, e, g1.RefreshToken, 401) // the thief
	exchange(t, e, g2.RefreshToken, 401)
	me(t, e, g1.AccessToken, 401)
	me(t, e, g2.AccessToken, 401)

	me(t, e, other.AccessToken, 200) // the user's other device lives
	next := e.Grant(t, "ada@example.com")
	if len(next.User.Notices) != 1 || next.User.Notices[0].Kind != "refresh_reuse" || next.User.Notices[0].Address != "127.0.0.1" {
		t.Fatalf("the user is told at the next sign-in: %+v", next.User.Notices)
	}
	got := query(t, e.DB, `SELECT outcome || ' ' || actor_user::text || ' ' || target::text FROM audit_events WHERE action = 'auth.refresh_reuse'`)
	if len(got) != 1 || got[0] != "denied "+u.ID.String()+" "+g1.Session.ID.String() {
		t.Errorf("recorded: %v", got)
	}
	c := e.Client(t).As(next.AccessToken)
	dbtest.Exec(t, e.DB, `INSERT INTO notices (id, user_id, kind, created_at) SELECT gen_random_uuid(), user_id, kind, now() - interval '181 days' FROM notices`)
	sweep(t, e)
	if n := len(query(t, e.DB, `SELECT id::text FROM notices`)); n != 1 {
		t.Errorf("%d notices are left, want the one that is new", n)
	}
	c.Do("DELETE", "/auth/notices/"+next.User.Notices[0].ID.String(), nil).Want(t, 204)
	c.Do("DELETE", "/auth/notices/"+next.User.Notices[0].ID.String(), nil).WantProblem(t, 404, "not_found")
}

func TestRefresh_ARotationThatLiesAheadExcusesNoStolenToken(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g1 := e.Grant(t, "ada@example.com")
	g2 := exchange(t, e, g1.RefreshToken, 200)
	me(t, e, g2.AccessToken, 200)
	later(t, e, -time.Hour) // the clock was set back
	exchange(t, e, g1.RefreshToken, 401)
	exchange(t, e, g2.RefreshToken, 401)
}

func TestRefresh_TwoBehindIsTheftEvenAtOnce(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g1 := e.Grant(t, "ada@example.com")
	g2 := exchange(t, e, g1.RefreshToken, 200)
	g3 := exchange(t, e, g2.RefreshToken, 200)
	exchange(t, e, g1.RefreshToken, 401)
	exchange(t, e, g3.RefreshToken, 401)
	me(t, e, g3.AccessToken, 401)
}

func TestRefresh_LostAnswerCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g1 := e.Grant(t, "ada@example.com")
	lost := exchange(t, e, g1.RefreshToken, 200)
	later(t, e, 13*24*time.Hour)
	again := exchange(t, e, g1.RefreshToken, 200)
	if again.RefreshToken != lost.RefreshToken {
		t.Error("the answer is not the one that was lost")
	}
	later(t, e, 2*24*time.Hour)
	exchange(t, e, g1.RefreshToken, 401)
}

func TestRefresh_ReceivedAnswerIsRememberedByEveryWorker(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	g1 := one.Grant(t, "ada@example.com")
	g2 := exchange(t, one, g1.RefreshToken, 200)
	me(t, one, g2.AccessToken, 200)
	if err := one.Auth.WriteUsed(); err != nil {
		t.Fatal(err)
	}
	later(t, one, 31*time.Second)
	exchange(t, two, g1.RefreshToken, 401)
	me(t, two, g2.AccessToken, 401)
}

func TestRefresh_ForgedTokensEndNothing(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	token := g.RefreshToken
	flip := func(i int) string { b := []byte(token); b[i] ^= 3; return string(b) }
	for _, forged := range []string{
		flip(2), flip(10), flip(24), flip(30), flip(60), token[:75], token + "A", token + "=", " " + token[1:],
		strings.Repeat("A", 76), "x", g.AccessToken,
	} {
		exchange(t, e, forged, 401)
	}
	exchange(t, e, token, 200)
}

func TestRefresh_DisabledExpiredAndRestoredAreRefused(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled'`)
	exchange(t, e, g.RefreshToken, 401)
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'active'`)
	g2 := exchange(t, e, g.RefreshToken, 200)
	dbtest.Exec(t, e.DB, `UPDATE sessions SET counter = 1`) // as after a restore
	exchange(t, e, g2.RefreshToken, 401)
	dbtest.Exec(t, e.DB, `UPDATE sessions SET counter = 2, idle_until = now() - interval '1 second'`)
	exchange(t, e, g2.RefreshToken, 401)
}

func TestRefresh_NeverOutlivesTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET absolute_until = now() + interval '1 hour', idle_until = now() + interval '1 hour'`)
	g = exchange(t, e, g.RefreshToken, 200)
	if left := time.Until(g.Session.ExpiresAt); left > time.Hour {
		t.Errorf("the session lives %v more", left)
	}
}

func TestRefresh_ByCookieIsProtectedFromOtherSites(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.Client(t).KeepCookies()
	c.Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "cookie"), browser).Want(t, 200)
	c.Do("POST", "/auth/refresh", nil).WantProblem(t, 403, "origin_required")
	c.Do("POST", "/auth/refresh", nil, httpxtest.WithHeader("Sec-Fetch-Site", "same-site")).WantProblem(t, 403, "origin_refused")
	a := c.Do("POST", "/auth/refresh", nil, browser).Want(t, 200)
	set := strings.Join(a.Header.Values("Set-Cookie"), "\n")
	if !strings.Contains(set, "__Host-at=") || !strings.Contains(set, "__Host-rt=") {
		t.Error("the new tokens are not in cookies")
	}
	var g auth.Grant
	a.JSON(t, &g)
	if g.AccessToken != "" || g.RefreshToken != "" {
		t.Error("tokens are shown to scripts")
	}
	c.Do("GET", "/auth/me", nil).Want(t, 200)
	c.Do("PATCH", "/auth/me", object{"name": "x"}).WantProblem(t, 403, "origin_required")
	// No cookie and no body: nobody.
	e.Client(t).Do("POST", "/auth/refresh", nil, browser).WantProblem(t, 401, "session_ended")
	twice := httpxtest.WithHeader("Cookie", "__Host-rt=x; __Host-rt=y")
	e.Client(t).Do("POST", "/auth/refresh", nil, browser, twice).WantProblem(t, 400, "duplicate_cookie")
	e.Client(t).Do("GET", "/auth/me", nil, httpxtest.WithHeader("Cookie", "__Host-at=x; __Host-at=y")).
		WantProblem(t, 400, "duplicate_cookie")
}

func FuzzRefreshToken(f *testing.F) {
	f.Add(strings.Repeat("A", 76))
	f.Add("AQ" + strings.Repeat("A", 74))
	f.Fuzz(func(t *testing.T, token string) {
		if err := auth.ParseRefreshToken(token); err == nil && len(token) != 76 {
			t.Errorf("a token of %d characters is read", len(token))
		}
	})
}

func FuzzCookies(f *testing.F) {
	f.Add("__Host-at=x; __Host-at=y")
	f.Add(`__Host-at="a b"; at=1;;=`)
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		value, err := auth.CookieValue(r, "__Host-at")
		if n := len(r.CookiesNamed("__Host-at")); (n > 1) != (err != nil) || n == 0 && value != "" {
			t.Errorf("%d cookies: %q, %v", n, value, err)
		}
	})
}
