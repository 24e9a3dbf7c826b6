package auth_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

func TestPasskey_StandsForTheCodeAndAVerifiedOneForThePasswordToo(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	c, a := e.Client(t).As(g.AccessToken), authtest.NewAuthenticator(t)
	add(t, c, a)
	password := func() object { return credentials("ada@example.com", authtest.Password, "token") }
	signIn := func(in object) *httpxtest.Answer { return e.Client(t).Do("POST", "/auth/login", in) }

	byPasskey(t, e, a).Want(t, 200)
	signIn(password()).WantProblem(t, 401, "totp_required") // a stolen password alone
	a.Flags = authtest.UserPresent
	byPasskey(t, e, a).WantProblem(t, 401, "invalid_credentials")
	var in auth.Grant
	signIn(withPasskey(t, e, a, password())).Want(t, 200).JSON(t, &in)
	if by := query(t, e.DB, `SELECT details::text FROM audit_events WHERE target = $1`, in.Session.ID); !slices.Equal(by, []string{`{"by": "password", "code": "passkey"}`}) {
		t.Errorf("the record says %q", by)
	}
	a.Handle = nil // which a browser need not send where the user is known
	signIn(withPasskey(t, e, a, password())).Want(t, 200)
	a.Flags = 0
	signIn(withPasskey(t, e, a, password())).WantProblem(t, 401, "invalid_credentials")
	a.Flags = authtest.UserPresent
	wrong := withPasskey(t, e, a, credentials("ada@example.com", "wrong wrong wrong", "token"))
	signIn(wrong).WantProblem(t, 401, "invalid_credentials")

	// Another's key stands for nothing, and a code beside a key is one too many.
	_, b, _ := holder(t, e, "bob@example.com")
	signIn(withPasskey(t, e, b, password())).WantProblem(t, 401, "invalid_credentials")
	signIn(withPasskey(t, e, a, with(g.recovery[0], password()))).WantProblem(t, 422, "validation_failed")
	link, err := run(t, e, "", "user", "login-link", "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	signIn(withPasskey(t, e, a, object{"link_token": lastLine(link), "mode": "token"})).Want(t, 200)
}

func TestPasskey_ThePasswordGoesOnWorkingWithoutTOTP(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	_, a, _ := holder(t, e, "ada@example.com")
	password := credentials("ada@example.com", authtest.Password, "token")
	e.Client(t).Do("POST", "/auth/login", password).Want(t, 200)
	a.Flags = authtest.UserPresent
	e.Client(t).Do("POST", "/auth/login", withPasskey(t, e, a, password)).Want(t, 200)
}

func TestPasskey_CookiesAreGivenAsForAPassword(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	_, a, _ := holder(t, e, "ada@example.com")
	c := e.Client(t).KeepCookies()
	c.Do("POST", "/auth/login", object{"passkey": a.Get(t, request(t, e))}, browser).Want(t, 200)
	c.Do("GET", "/auth/me", nil, browser).Want(t, 200)
}

func TestPasskey_ReauthenticatesItsOwner(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	c, a := e.Client(t).As(g.AccessToken), authtest.NewAuthenticator(t)
	add(t, c, a)
	_, b, _ := holder(t, e, "bob@example.com")
	again := func(in object) *httpxtest.Answer {
		t.Helper()
		dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '1 hour'`)
		return c.Do("POST", "/auth/reauthenticate", in)
	}
	recent := func() string {
		return query(t, e.DB, `SELECT (authenticated_at > now() - interval '1 minute')::text FROM sessions WHERE id = $1`, g.Session.ID)[0]
	}
	again(withPasskey(t, e, a, object{})).Want(t, 204)
	if recent() != "true" {
		t.Error("the sign-in did not become a recent one")
	}
	creation(t, c)
	if by := query(t, e.DB, `SELECT details::text FROM audit_events WHERE action = 'auth.reauthenticated'`); !slices.Equal(by, []string{`{"by": "passkey"}`}) {
		t.Errorf("the record says %q", by)
	}
	again(withPasskey(t, e, b, object{})).WantProblem(t, 422, "passkey_invalid")
	again(object{"password": authtest.Password}).WantProblem(t, 403, "totp_required")
	again(withPasskey(t, e, b, object{"password": authtest.Password})).WantProblem(t, 422, "passkey_invalid")
	a.Flags = authtest.UserPresent
	again(withPasskey(t, e, a, object{})).WantProblem(t, 422, "passkey_invalid")
	again(withPasskey(t, e, a, object{"password": "wrong wrong wrong"})).WantProblem(t, 403, "wrong_password")
	if recent() != "false" {
		t.Error("a refusal made the sign-in a recent one")
	}
	again(withPasskey(t, e, a, object{"password": authtest.Password})).Want(t, 204)
	if recent() != "true" {
		t.Error("password and key did not make the sign-in a recent one")
	}
}

// A count that goes back is told and recorded; it locks nobody out.
func TestPasskey_ACountThatGoesBackIsToldAndLocksNobodyOut(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	c, a, made := holder(t, one, "ada@example.com")
	told := func(e *authtest.Env) (kinds []string) {
		t.Helper()
		var me auth.Me
		e.Client(t).As(c.Bearer).Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &me)
		for _, n := range me.Notices {
			kinds = append(kinds, n.Kind)
		}
		return kinds
	}
	for _, count := range []uint32{0, 0, 7, 8, 8} {
		a.Counter = count
		byPasskey(t, one, a).Want(t, 200)
	}
	if kinds := told(two); len(kinds) > 0 {
		t.Errorf("told without a reason: %q", kinds)
	}
	for i, count := range []uint32{3, 0} {
		if a.Counter = count; i == 0 {
			byPasskey(t, one, a).Want(t, 200)
		} else {
			c.Do("POST", "/auth/reauthenticate", object{"passkey": a.Get(t, request(t, one))}).Want(t, 204)
		}
		dbtest.Within(t, "the notice", func() bool { return len(told(two)) == i+1 })
	}
	if kinds := told(one); !slices.Equal(kinds, []string{"passkey_counter", "passkey_counter"}) {
		t.Errorf("told: %q", kinds)
	}
	if acts := query(t, one.DB, `SELECT action FROM audit_events WHERE target = $1 ORDER BY at`, made.ID); !slices.Equal(acts, []string{"passkey.added", "passkey.counter", "passkey.counter"}) {
		t.Errorf("the record says %q", acts)
	}
}

func TestPasskey_TheTwentyFirstSessionEndsTheOldest(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil, unlimited)
	two := one.Worker(t)
	c, a, _ := holder(t, one, "ada@example.com")
	for i := range 21 {
		byPasskey(t, []*authtest.Env{one, two}[i%2], a).Want(t, 200)
	}
	if living := query(t, one.DB, `SELECT count(*)::text FROM sessions WHERE revoked_at IS NULL`)[0]; living != "20" {
		t.Errorf("%s sessions live", living)
	}
	for _, e := range []*authtest.Env{one, two} {
		dbtest.Within(t, "the oldest to end", func() bool { return e.Client(t).As(c.Bearer).Do("GET", "/auth/me", nil).Status == 401 })
	}
	if ended := query(t, one.DB, `SELECT count(*)::text FROM audit_events WHERE action = 'auth.session_revoked' AND details ->> 'reason' = 'too_many'`)[0]; ended != "2" {
		t.Errorf("%s ends are on record", ended)
	}
}

// Managers of keys that move between devices say this and that.
func TestPasskey_WhetherItIsSyncedMayChange(t *testing.T) {
	t.Parallel()
	var log lines
	e := authtest.Start(t, nil, log.log)
	c, a, _ := holder(t, e, "ada@example.com")
	for _, synced := range []bool{true, false} {
		a.Flags = authtest.UserPresent | authtest.UserVerified
		if synced {
			a.Flags |= authtest.BackupEligible | authtest.BackedUp
		}
		log.take()
		byPasskey(t, e, a).Want(t, 200)
		if !strings.Contains(log.take(), "on several devices") {
			t.Errorf("synced %v: it is not in the log", synced)
		}
		var list struct{ Items []auth.Passkey }
		c.Do("GET", "/auth/passkeys", nil).Want(t, 200).JSON(t, &list)
		if list.Items[0].Synced != synced {
			t.Errorf("listed as %+v", list.Items[0])
		}
	}
}

func TestPasskey_OfTwoWorkersWithOneChallengeOneSignsIn(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil, unlimited)
	two := one.Worker(t)
	_, a, _ := holder(t, one, "ada@example.com")
	for range 20 {
		answer := a.Get(t, request(t, one))
		var statuses [2]int
		var both sync.WaitGroup
		for i, e := range []*authtest.Env{one, two} {
			both.Go(func() {
				statuses[i] = e.Client(t).Do("POST", "/auth/login", object{"passkey": answer, "mode": "token"}).Status
			})
		}
		both.Wait()
		slices.Sort(statuses[:])
		if statuses != [2]int{200, 401} {
			t.Fatalf("the two got %v", statuses)
		}
	}
}
