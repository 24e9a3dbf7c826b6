package auth_test

import (
	"net/http"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
)

// remembered makes a worker know a token by its text, and fails if it does not.
func remembered(t *testing.T, e *authtest.Env, access string) {
	t.Helper()
	_, before := e.Auth.Kept()
	me(t, e, access, 200)
	if _, now := e.Auth.Kept(); now < before+2 { // by its session's id, and by its own text
		t.Fatal("the token is not remembered")
	}
}

func TestToken_WhatIsRememberedEndsWithItsSession(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "root@example.com", "admin")
	root := one.SignIn(t, "root@example.com")
	for name, end := range map[string]func(u auth.User, g auth.Grant){
		"signed-out": func(_ auth.User, g auth.Grant) {
			two.Client(t).Do("POST", "/auth/logout", object{"refresh_token": g.RefreshToken}).Want(t, 204)
		},
		"disabled": func(u auth.User, _ auth.Grant) {
			root.Do("PATCH", "/auth/users/"+u.ID.String(), object{"status": "disabled"}).Want(t, 200)
		},
		"enabled-again": func(u auth.User, _ auth.Grant) {
			root.Do("PATCH", "/auth/users/"+u.ID.String(), object{"status": "disabled"}).Want(t, 200)
			root.Do("PATCH", "/auth/users/"+u.ID.String(), object{"status": "active"}).Want(t, 200)
		},
		"deleted": func(u auth.User, _ auth.Grant) { root.Do("DELETE", "/auth/users/"+u.ID.String(), nil).Want(t, 204) },
		"robbed": func(_ auth.User, g auth.Grant) {
			exchange(t, one, exchange(t, one, g.RefreshToken, 200).RefreshToken, 200)
			exchange(t, one, g.RefreshToken, 401)
		},
	} {
		u := one.User(t, name+"@example.com", "member")
		g := one.Grant(t, u.Email)
		remembered(t, one, g.AccessToken)
		remembered(t, two, g.AccessToken)
		end(u, g)
		for i, e := range []*authtest.Env{one, two} {
			dbtest.Within(t, name, func() bool { return e.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Status == 401 })
			for range 2 {
				me(t, e, g.AccessToken, 401)
			}
			t.Logf("%s: refused by worker %d", name, i+1)
		}
	}
}

func TestToken_WhatIsRememberedEndsWithItsTime(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	f := newForge(authtest.Keys("access")[0], g)
	now := time.Now().Unix()
	// Clocks may be 30 seconds apart: it ends in five.
	token := f.with("iat", now-600).with("exp", now-25).token()
	remembered(t, e, token)
	dbtest.Within(t, "the end of the token", func() bool { return e.Client(t).As(token).Do("GET", "/auth/me", nil).Status == 401 })
	me(t, e, g.AccessToken, 200)
}

func TestToken_WhatIsRememberedIsForgottenWithTheSecret(t *testing.T) {
	t.Parallel()
	keys := authtest.Keys
	one := authtest.Start(t, nil, func(c *auth.Config) { c.Keys = keys })
	one.User(t, "ada@example.com", "member")
	g := one.Grant(t, "ada@example.com")
	remembered(t, one, g.AccessToken)
	keys = func(purpose string) [][]byte { return append(newKeys(purpose), authtest.Keys(purpose)...) }
	both := one.Worker(t)
	remembered(t, both, g.AccessToken)
	next := exchange(t, both, g.RefreshToken, 200)
	keys = newKeys
	for _, e := range []*authtest.Env{one.Worker(t), one.Worker(t)} {
		me(t, e, g.AccessToken, 401)
		remembered(t, e, next.AccessToken)
		me(t, e, g.AccessToken, 401)
	}
	me(t, one, next.AccessToken, 401)
	me(t, one, g.AccessToken, 200)
	me(t, one, next.AccessToken, 401)
}

func TestToken_WhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	remembered(t, e, g.AccessToken)
	kept, keys := e.Auth.Kept()
	for range 10 {
		g = exchange(t, e, g.RefreshToken, 200)
		me(t, e, g.AccessToken, 200)
	}
	if entries, now := e.Auth.Kept(); entries != kept || now != keys {
		t.Errorf("a session that is refreshed is kept %d times and found by %d keys; before it was %d and %d", entries, now, kept, keys)
	}
	e.Auth.KeepSessions(20_000)
	if entries, keys := e.Auth.Kept(); entries != 10_000 || keys != 20_000 {
		t.Errorf("%d entries and %d keys are kept", entries, keys)
	}
	me(t, e, g.AccessToken, 200)
}

// Not parallel: it counts what the process allocates.
func TestToken_IsVerifiedOnce(t *testing.T) {
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	remembered(t, e, g.AccessToken)
	r, err := http.NewRequest("GET", e.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.AccessToken)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := e.Auth.Authenticate(r); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%v allocations", n)
	if n > 5 { // verifying it takes 25
		t.Errorf("knowing a token again takes %v allocations", n)
	}
}
