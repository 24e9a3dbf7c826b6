package auth_test

import (
	"context"
	"io"
	"net/http/httptrace"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// slowly sends a request whose last byte comes after meanwhile has run: the
// server has let the request in by then and reads its body.
func slowly(c *httpxtest.Client, method, path, body string, meanwhile func()) *httpxtest.Answer {
	reads := make(chan struct{})
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { close(reads) }})
	content, rest := io.Pipe()
	go func() {
		rest.Write([]byte(body[:len(body)-1]))
		<-reads
		meanwhile()
		rest.Write([]byte(body[len(body)-1:]))
		rest.Close()
	}()
	return c.Do(method, path, content, httpxtest.WithContext(ctx), httpxtest.WithLength(int64(len(body))),
		httpxtest.WithHeader("Content-Type", "application/json"), httpxtest.WithHeader("Expect", "100-continue"))
}

func TestStill_WhatEndsWhileABodyComesIsOver(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail)
	e.User(t, "root@example.com", "admin")
	boss := e.User(t, "boss@example.com", "admin")
	signOut := func(c *httpxtest.Client) func() {
		return func() { e.Client(t).As(c.Bearer).Do("POST", "/auth/logout", nil).Want(t, 204) }
	}
	for _, ask := range [][3]string{
		{"POST", "/auth/keys", `{"name":"kept","permissions":["files:read"]}`},
		{"POST", "/auth/roles", `{"name":"kept","permissions":[]}`},
		{"PATCH", "/auth/roles/member", `{"permissions":[]}`},
		{"POST", "/auth/invitations", `{"email":"kept@example.com"}`},
		{"PATCH", "/auth/users/" + boss.ID.String(), `{"name":"kept"}`},
		{"PATCH", "/auth/me", `{"name":"kept"}`},
		{"POST", "/auth/users", `{"email":"kept@example.com","password":"` + chosen + `"}`},
		{"POST", "/auth/email", `{"email":"kept@example.com"}`},
		{"POST", "/auth/totp/confirm", `{"code":"123456"}`},
	} {
		c := e.SignIn(t, "boss@example.com")
		slowly(c, ask[0], ask[1], ask[2], signOut(c)).WantProblem(t, 401, "unauthenticated")
	}
	// Only the right has ended: the session lives, and whoever lost it is told so.
	c, root := e.SignIn(t, "boss@example.com"), e.SignIn(t, "root@example.com")
	slowly(c, "POST", "/auth/roles", `{"name":"kept","permissions":[]}`, func() {
		root.Do("PATCH", "/auth/users/"+boss.ID.String(), object{"roles": []string{"member"}}).Want(t, 200)
	}).WantProblem(t, 403, "forbidden")
	c.Do("GET", "/auth/me", nil).Want(t, 200)
	for _, sql := range []string{`SELECT name FROM access_keys`, `SELECT name FROM roles WHERE name = 'kept'`, `SELECT email FROM one_time_tokens`,
		`SELECT email FROM users WHERE email LIKE 'kept%' OR name = 'kept'`} {
		if left := query(t, e.DB, sql); len(left) != 0 {
			t.Errorf("%s: %v", sql, left)
		}
	}
}

func TestStill_WhatEndsWhileASecretIsHashedIsOver(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	root := e.SignIn(t, "root@example.com")
	boss := e.User(t, "boss@example.com", "admin")
	hash := query(t, e.DB, `SELECT password_hash FROM users WHERE email = 'boss@example.com'`)[0]
	for name, ask := range map[string]struct {
		path      string
		in        object
		meanwhile func(c *httpxtest.Client)
		status    int
	}{
		"a password after the sign-out": {"/auth/password", object{"current_password": authtest.Password, "new_password": chosen},
			func(c *httpxtest.Client) { e.Client(t).As(c.Bearer).Do("POST", "/auth/logout", nil).Want(t, 204) }, 401},
		"a recent password after the sign-out": {"/auth/reauthenticate", object{"password": authtest.Password},
			func(c *httpxtest.Client) { e.Client(t).As(c.Bearer).Do("POST", "/auth/logout", nil).Want(t, 204) }, 401},
		"a user without rights": {"/auth/users", object{"email": "kept@example.com", "password": chosen, "roles": []string{}},
			func(*httpxtest.Client) {
				root.Do("PATCH", "/auth/users/"+boss.ID.String(), object{"roles": []string{}}).Want(t, 200)
			}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			root.Do("PATCH", "/auth/users/"+boss.ID.String(), object{"roles": []string{"admin"}}).Want(t, 200)
			c := e.SignIn(t, "boss@example.com")
			_, release := e.Auth.HoldHashing()
			answer := make(chan *httpxtest.Answer)
			go func() { answer <- c.Do("POST", ask.path, ask.in) }()
			for e.Auth.Hashing() == 0 {
				time.Sleep(time.Millisecond)
			}
			ask.meanwhile(c)
			release()
			(<-answer).Want(t, ask.status)
		})
	}
	if now := query(t, e.DB, `SELECT password_hash FROM users WHERE email = 'boss@example.com'`)[0]; now != hash {
		t.Error("the password was changed by who was signed out")
	}
	if left := query(t, e.DB, `SELECT email FROM users WHERE email LIKE 'kept%'`); len(left) != 0 {
		t.Errorf("made by who may not: %v", left)
	}
}

// Rights that end while a request waits for a row's lock are over too.
func TestStill_WhoManagesUsersIsAskedUnderTheLock(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	boss, ada := e.User(t, "boss@example.com", "admin"), e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "boss@example.com")
	path := "/auth/users/" + ada.ID.String()
	c.Do("GET", path, nil).Want(t, 200)
	for _, lost := range []string{`UPDATE users SET status = 'disabled' WHERE id = $1`, `DELETE FROM user_roles WHERE user_id = $1`} {
		overtake(t, e, `SELECT FROM users WHERE email = 'ada@example.com' FOR UPDATE`, func() {
			c.Do("PATCH", path, object{"quota": 5}).WantProblem(t, 403, "forbidden")
		}, func(tx pgx.Tx) error {
			return db.Exec(t.Context(), tx, lost, boss.ID)
		})
		dbtest.Exec(t, e.DB, `UPDATE users SET status = 'active'`)
	}
}

// Whoever had the session must not leave a way in behind.
func TestStill_AnEndedSessionChangesNothingThatSignsIn(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	made := authtest.NewAuthenticator(t).Create(t, creation(t, c))
	var begun auth.TOTPSecret
	c.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &begun)
	guarded := guard(t, e, "eve@example.com")
	for name, ask := range map[string]func() *httpxtest.Answer{
		"a passkey": func() *httpxtest.Answer { return c.Do("POST", "/auth/passkeys", object{"response": made}) },
		"an own code": func() *httpxtest.Answer {
			return c.Do("POST", "/auth/totp/confirm", object{"code": code(t, begun.Secret, 0)})
		},
		"no code": func() *httpxtest.Answer { return e.Client(t).As(guarded.AccessToken).Do("DELETE", "/auth/totp", nil) },
		"an access key": func() *httpxtest.Answer {
			return c.Do("POST", "/auth/keys", object{"name": "mine", "permissions": []string{"files:read"}})
		},
	} {
		var got *httpxtest.Answer
		overtake(t, e, `SELECT FROM users FOR NO KEY UPDATE`, func() { got = ask() }, func(tx pgx.Tx) error {
			return db.Exec(t.Context(), tx, `UPDATE sessions SET revoked_at = now(), revoked_reason = 'password_changed'`)
		})
		if got.Status != 401 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		dbtest.Exec(t, e.DB, `UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL`)
	}
	for _, sql := range []string{`SELECT name FROM passkeys`, `SELECT name FROM access_keys`,
		`SELECT email FROM totp JOIN users ON id = user_id WHERE (confirmed_at IS NULL) = (email = 'eve@example.com')`} {
		if left := query(t, e.DB, sql); len(left) != 0 {
			t.Errorf("%s: %v", sql, left)
		}
	}
}
