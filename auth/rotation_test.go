package auth_test

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// rotated is a worker on e's database that was given other secrets.
func rotated(t *testing.T, e *authtest.Env, keys func(purpose string) [][]byte) (*auth.Auth, *httpxtest.Server) {
	t.Helper()
	a := auth.New(auth.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), PublicURL: authtest.PublicURL, Keys: keys})
	if err := a.CheckSecret(); err != nil {
		t.Fatal(err)
	}
	return a, httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: a.Authenticate, Recheck: a.Recheck, Afresh: a.Afresh}, a.Routes())
}

func newKeys(purpose string) [][]byte {
	return [][]byte{bytes.Repeat([]byte{byte(len(purpose)), 7}, 16)}
}

func TestRotation_LogsNobodyOutAndSaysSinceWhenTheNewSecretSigns(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	since := func() string {
		return query(t, e.DB, `SELECT CASE WHEN secret_since > now() - interval '1 hour' THEN 'now' ELSE 'never' END FROM instance`)[0]
	}
	if got := since(); got != "never" {
		t.Errorf("before, the secret was replaced %s", got)
	}
	both, between := rotated(t, e, func(purpose string) [][]byte {
		return append(newKeys(purpose), authtest.Keys(purpose)...)
	})
	if got := since(); got != "now" {
		t.Errorf("the secret was replaced %s", got)
	}
	seal := query(t, e.DB, `SELECT encode(secret, 'hex') FROM totp`)[0]
	between.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Want(t, 200)
	var next auth.Grant
	between.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": g.RefreshToken}).Want(t, 200).JSON(t, &next)
	// A thousand values that nobody can open stand before it.
	dbtest.Exec(t, e.DB, `INSERT INTO users (id, email, password_hash)
		SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'lost' || n || '@example.com', '' FROM generate_series(1, 1000) n`)
	dbtest.Exec(t, e.DB, `INSERT INTO totp (user_id, secret, confirmed_at) SELECT u.id, t.secret, now() FROM users u, totp t WHERE u.email LIKE 'lost%'`)
	reseal := func(a *auth.Auth) error {
		for _, job := range a.Jobs() {
			if job.Name == "auth.reseal" {
				return job.Run(t.Context())
			}
		}
		t.Fatal("there is no job auth.reseal")
		return nil
	}
	if err := reseal(both); err == nil {
		t.Error("nobody is told of those that cannot be opened")
	}
	dbtest.Exec(t, e.DB, `DELETE FROM users WHERE email LIKE 'lost%'`)
	if now := query(t, e.DB, `SELECT encode(secret, 'hex') FROM totp`)[0]; now == seal {
		t.Error("the job has sealed nothing anew")
	}

	alone, after := rotated(t, e, newKeys)
	after.Client(t).As(next.AccessToken).Do("GET", "/auth/me", nil).Want(t, 200)
	after.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Want(t, 401)
	after.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": next.RefreshToken}).Want(t, 200)
	after.Client(t).Do("POST", "/auth/login", with(code(t, g.secret, 1), credentials("ada@example.com", authtest.Password, "token"))).Want(t, 200)

	// What was not sealed anew in time is told, and stays as it is.
	bob := e.User(t, "bob@example.com", "member")
	dbtest.Exec(t, e.DB, `INSERT INTO totp (user_id, secret, confirmed_at) VALUES ($1, $2, now())`,
		bob.ID, auth.NewSealer(authtest.Keys, "totp").Seal([]byte("twenty bytes of it.."), bob.ID.String()))
	stays := query(t, e.DB, `SELECT encode(secret, 'hex') FROM totp ORDER BY secret`)
	if err := reseal(alone); err == nil {
		t.Error("nobody is told of a value that cannot be opened")
	}
	if now := query(t, e.DB, `SELECT encode(secret, 'hex') FROM totp ORDER BY secret`); !slices.Equal(now, stays) {
		t.Errorf("a value that cannot be opened was changed: %q", now)
	}
}
