package auth_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// reader is a user who reads GET /auth/me at two workers.
type reader struct {
	auth.User
	grant, other auth.Grant // of two devices
	secret       string     // of the authenticator
	key          *authtest.Authenticator
	one, two     *authtest.Env
	root         *httpxtest.Client
}

// read is what a worker answers, by field. Who was signed out signs in again.
func (r *reader) read(t *testing.T, e *authtest.Env) map[string]any {
	t.Helper()
	a := e.Client(t).As(r.grant.AccessToken).Do("GET", "/auth/me", nil)
	if a.Status == 401 {
		login(t, e, r.Email, "").Want(t, 200).JSON(t, &r.grant)
		a = e.Client(t).As(r.grant.AccessToken).Do("GET", "/auth/me", nil)
	}
	var fields map[string]any
	if err := json.Unmarshal(a.Want(t, 200).Body, &fields); err != nil {
		t.Fatal(err)
	}
	fields["ETag"] = a.Header.Get("ETag")
	return fields
}

// readTwice is read at a worker that has heard of everything, where a tag goes
// on being true.
func (r *reader) readTwice(t *testing.T, e *authtest.Env) map[string]any {
	t.Helper()
	fields := r.read(t, e)
	e.Client(t).As(r.grant.AccessToken).Do("GET", "/auth/me", nil, httpxtest.WithHeader("If-None-Match", fields["ETag"].(string))).Want(t, 304)
	return fields
}

// do asks the first worker as the user.
func (r *reader) do(t *testing.T, method, path string, in any, status int) *httpxtest.Answer {
	t.Helper()
	return r.one.Client(t).As(r.grant.AccessToken).Do(method, path, in).Want(t, status)
}

// byRoot changes the user as somebody who manages users.
func byRoot(change object) func(t *testing.T, r *reader) {
	return func(t *testing.T, r *reader) {
		r.root.Do("PATCH", "/auth/users/"+r.ID.String(), change).Want(t, 200)
	}
}

func sweep(t *testing.T, e *authtest.Env) {
	t.Helper()
	for _, job := range e.Auth.Jobs() {
		if job.Name == "auth.sweep" {
			if err := job.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// replayed is a notice by a refresh token that comes back.
func replayed(t *testing.T, r *reader, path string, status int) {
	t.Helper()
	exchange(t, r.one, exchange(t, r.one, r.other.RefreshToken, 200).RefreshToken, 200)
	r.one.Client(t).Do("POST", path, object{"refresh_token": r.other.RefreshToken}).Want(t, status)
}

func beginTOTP(t *testing.T, r *reader) {
	t.Helper()
	var begun auth.TOTPSecret
	r.do(t, "POST", "/auth/totp", nil, 200).JSON(t, &begun)
	r.secret = begun.Secret
}

func confirmTOTP(t *testing.T, r *reader) {
	t.Helper()
	r.do(t, "POST", "/auth/totp/confirm", object{"code": code(t, r.secret, 0)}, 200)
}

func turnTOTPOn(t *testing.T, r *reader) {
	t.Helper()
	beginTOTP(t, r)
	confirmTOTP(t, r)
}

const edited = "revision updated_at"

// meChanges are all ways to change what GET /auth/me answers, with the fields
// that each changes.
var meChanges = []struct {
	name, fields string
	before       func(t *testing.T, r *reader) // nil: nothing has to be there
	do           func(t *testing.T, r *reader)
}{
	{name: "own-name", fields: "name " + edited, do: func(t *testing.T, r *reader) {
		r.do(t, "PATCH", "/auth/me", object{"name": "Ada"}, 200)
	}},
	{name: "name", fields: "name " + edited, do: byRoot(object{"name": "Ada"})},
	{name: "name-by-operator", fields: "name " + edited, do: func(t *testing.T, r *reader) {
		r.one.Operator(t).Do("PATCH", "/auth/users/"+r.ID.String(), object{"name": "Ada"}).Want(t, 200)
	}},
	{name: "quota", fields: edited, do: byRoot(object{"quota": 5})},
	{name: "entry-quota", fields: edited, do: byRoot(object{"entry_quota": 5})},
	{name: "status", fields: edited, do: func(t *testing.T, r *reader) {
		byRoot(object{"status": "disabled"})(t, r)
		byRoot(object{"status": "active"})(t, r)
	}},
	{name: "roles", fields: "roles permissions " + edited, do: byRoot(object{"roles": []string{"admin"}})},
	{name: "permissions-of-a-role", fields: "permissions", before: func(t *testing.T, r *reader) {
		r.root.Do("POST", "/auth/roles", object{"name": "reader", "permissions": []string{"files:read"}}).Want(t, 201)
		byRoot(object{"roles": []string{"reader"}})(t, r)
	}, do: func(t *testing.T, r *reader) {
		r.root.Do("PATCH", "/auth/roles/reader", object{"permissions": []string{"inbox:read"}}).Want(t, 200)
	}},
	{name: "email", fields: "email notices " + edited, before: func(t *testing.T, r *reader) {
		r.do(t, "POST", "/auth/email", object{"email": "new@example.com"}, 202)
	}, do: func(t *testing.T, r *reader) {
		token := mailedToken(t, r.one, "new@example.com")
		r.one.Client(t).Do("POST", "/auth/email/confirm", object{"token": token}).Want(t, 204)
		r.Email = "new@example.com"
	}},
	{name: "password", fields: edited, do: func(t *testing.T, r *reader) {
		r.do(t, "POST", "/auth/password", object{"current_password": authtest.Password, "new_password": chosen}, 204)
	}},
	{name: "password-by-command", fields: "notices " + edited, do: func(t *testing.T, r *reader) {
		if _, err := run(t, r.one, chosen+"\n", "user", "password", r.Email, "--password-stdin"); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "password-by-mail", fields: "notices " + edited, before: func(t *testing.T, r *reader) {
		forgot(t, r.one, r.Email)
	}, do: func(t *testing.T, r *reader) {
		in := object{"token": mailedToken(t, r.one, r.Email), "password": chosen}
		r.one.Client(t).Do("POST", "/auth/password/reset", in).Want(t, 204)
	}},
	{name: "password-hashed-anew", fields: edited, before: func(t *testing.T, r *reader) {
		dbtest.Exec(t, r.one.DB, `UPDATE users SET password_hash = $2 WHERE id = $1`, r.ID, oldHash())
	}, do: func(t *testing.T, r *reader) { r.one.Grant(t, r.Email) }},
	{name: "totp-on", fields: "totp " + edited, before: beginTOTP, do: confirmTOTP},
	{name: "totp-off", fields: "totp " + edited, before: turnTOTPOn,
		do: func(t *testing.T, r *reader) { r.do(t, "DELETE", "/auth/totp", nil, 204) }},
	{name: "totp-reset", fields: "totp notices " + edited, before: turnTOTPOn,
		do: func(t *testing.T, r *reader) {
			r.root.Do("POST", "/auth/users/"+r.ID.String()+"/totp/reset", nil).Want(t, 204)
		}},
	{name: "token-replayed", fields: "notices", do: func(t *testing.T, r *reader) { replayed(t, r, "/auth/refresh", 401) }},
	{name: "token-replayed-at-logout", fields: "notices", do: func(t *testing.T, r *reader) { replayed(t, r, "/auth/logout", 204) }},
	{name: "passkey-counter", fields: "notices", before: func(t *testing.T, r *reader) {
		r.key = authtest.NewAuthenticator(t)
		r.key.Counter = 2
		add(t, r.one.Client(t).As(r.grant.AccessToken), r.key)
	}, do: func(t *testing.T, r *reader) {
		r.key.Counter = 1
		byPasskey(t, r.one, r.key).Want(t, 200)
	}},
	{name: "told-by-another-room", fields: "notices", do: func(t *testing.T, r *reader) {
		news := auth.News{Kind: "files_dropped", About: []auth.Counted{{About: r.ID, Count: 3}}}
		if err := r.one.Auth.Tell(t.Context(), r.ID, func(pgx.Tx) (auth.News, error) { return news, nil }); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "notice-read", fields: "notices", before: func(t *testing.T, r *reader) { replayed(t, r, "/auth/refresh", 401) },
		do: func(t *testing.T, r *reader) {
			notice := r.read(t, r.one)["notices"].([]any)[0].(map[string]any)
			r.do(t, "DELETE", "/auth/notices/"+notice["id"].(string), nil, 204)
		}},
	{name: "notice-swept", fields: "notices", before: func(t *testing.T, r *reader) {
		replayed(t, r, "/auth/refresh", 401)
		dbtest.Exec(t, r.one.DB, `UPDATE notices SET created_at = now() - interval '181 days' WHERE user_id = $1`, r.ID)
		byRoot(object{"quota": 5})(t, r) // all have seen its time
	}, do: func(t *testing.T, r *reader) { sweep(t, r.one) }},
}

func TestMe_IsTrueOnEveryWorkerAfterEveryChange(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil, withMail)
	two := one.Worker(t)
	one.User(t, "root@example.com", "admin")
	root := one.SignIn(t, "root@example.com")
	shown := map[string]bool{"id": true, "created_at": true, "status": true} // no change shows: who is disabled reads nothing
	for _, change := range meChanges {
		r := &reader{User: one.User(t, change.name+"@example.com", "member"), one: one, two: two, root: root}
		r.grant, r.other = one.Grant(t, r.Email), one.Grant(t, r.Email)
		if change.before != nil {
			change.before(t, r)
		}
		before := r.readTwice(t, one)
		dbtest.Within(t, change.name+": both workers know the user", func() bool { return reflect.DeepEqual(r.read(t, two), before) })
		change.do(t, r)
		after := r.readTwice(t, one)
		for field := range after {
			changes := field == "ETag" || slices.Contains(strings.Fields(change.fields), field)
			if shown[field] = shown[field] || changes; changes == reflect.DeepEqual(before[field], after[field]) {
				t.Errorf("%s: %s was %v and is %v", change.name, field, before[field], after[field])
			}
		}
		dbtest.Within(t, change.name+" on the other worker", func() bool { return reflect.DeepEqual(r.read(t, two), after) })
		r.readTwice(t, two)
	}
	for field, tried := range shown {
		if !tried {
			t.Errorf("nothing here changes %s", field)
		}
	}
}

func TestMe_AsksTheDatabaseNothingUntilItChanges(t *testing.T) {
	t.Parallel()
	e, statements := authtest.StartWatched(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	c := e.Client(t).As(g.AccessToken)
	key := e.Client(t).As(makeKey(t, c, object{"permissions": []string{"files:read"}}).Secret)
	asked := func() []string {
		statements.Take()
		for range 10 {
			c.Do("GET", "/auth/me", nil).Want(t, 200)
			key.Do("GET", "/auth/me", nil).Want(t, 200)
		}
		return statements.Take()
	}
	for _, name := range []string{"Ada", "Bea"} {
		c.Do("PATCH", "/auth/me", object{"name": name}).Want(t, 200)
		if sent := asked(); len(sent) == 0 || len(sent) > 6 { // the worker hears its own notification too
			t.Errorf("after a change: %v", sent)
		}
		// Nothing is believed either while a busy machine hears its listener late.
		dbtest.Within(t, "ten requests of each that ask nothing", func() bool { return len(asked()) == 0 })
	}
}

// What was asked before a change, and is answered after, is not kept.
func TestMe_AnAnswerThatAChangeHasOvertakenIsNotKept(t *testing.T) {
	t.Parallel()
	e, statements := authtest.StartWatched(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `INSERT INTO notices (id, user_id, kind) SELECT gen_random_uuid(), id, 'x' FROM users, generate_series(1, 2)`)
	notices := query(t, e.DB, `SELECT id::text FROM notices`)
	c.Do("DELETE", "/auth/notices/"+notices[0], nil).Want(t, 204) // nothing is kept now
	statements.Before("auth.Me", func() { c.Do("DELETE", "/auth/notices/"+notices[1], nil).Want(t, 204) })
	c.Do("GET", "/auth/me", nil).Want(t, 200)
	statements.Take()
	var m auth.Me
	if c.Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &m); len(m.Notices) != 0 || !slices.Contains(statements.Take(), "auth.Me") {
		t.Errorf("an answer with %d notices is kept", len(m.Notices))
	}
}
