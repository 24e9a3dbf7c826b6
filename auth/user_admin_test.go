package auth_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
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

// keep stands for the rooms that keep something of users.
func keep(s auth.Storage) func(e *authtest.Env) []httpx.Route {
	return func(e *authtest.Env) []httpx.Route { e.Auth.Keep(s); return nil }
}

func TestUsers_APageAsksAsMuchHoweverLongItIs(t *testing.T) {
	t.Parallel()
	asked := 0
	e, statements := authtest.StartWatched(t, keep(auth.Storage{
		Quotas: func(context.Context, []uuid.UUID) (map[uuid.UUID]auth.Quota, error) { asked++; return nil, nil },
	}))
	e.User(t, "root@example.com", "admin")
	c := e.SignIn(t, "root@example.com")
	for range 30 {
		e.User(t, uuid.NewString()+"@example.com", "member")
	}
	c.Do("GET", "/auth/me", nil).Want(t, 200) // the session is known from now on
	for _, limit := range []string{"1", "30"} {
		statements.Take()
		asked = 0
		c.Do("GET", "/auth/users?limit="+limit, nil).Want(t, 200)
		if sent := statements.Take(); !slices.Equal(sent, []string{"auth.ManagedUsers"}) || asked != 1 {
			t.Errorf("%s users: %v, and files asked %d times", limit, sent, asked)
		}
	}
}

func TestUsers_AreMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	// What files keeps of users, in a table of its own.
	var e *authtest.Env
	kept := auth.Storage{
		Quotas: func(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]auth.Quota, error) {
			quotas := map[uuid.UUID]auth.Quota{}
			_, err := db.All(ctx, e.DB, func(row pgx.Row) (_ struct{}, err error) {
				var user uuid.UUID
				var quota auth.Quota
				err = row.Scan(&user, &quota.Bytes)
				quotas[user] = quota
				return struct{}{}, err
			}, `SELECT id, quota FROM test_quotas WHERE id = ANY($1) AND quota IS NOT NULL`, users)
			return quotas, err
		},
		SetQuota: func(ctx context.Context, tx pgx.Tx, user uuid.UUID, quota *int64) error {
			return db.Exec(ctx, tx, `INSERT INTO test_quotas VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET quota = $2`, user, quota)
		},
		Erase: func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
			return db.Exec(ctx, tx, `DELETE FROM test_quotas WHERE id = $1`, user)
		},
	}
	e = authtest.Start(t, keep(kept))
	err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		for _, sql := range []string{`SET LOCAL ROLE NONE`, `CREATE TABLE test_quotas (id uuid PRIMARY KEY REFERENCES users, quota bigint)`, `GRANT ALL ON test_quotas TO PUBLIC`} {
			if err := db.Exec(t.Context(), tx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e.User(t, "root@example.com", "admin")
	c := e.SignIn(t, "root@example.com")
	in := object{"email": "Ada@example.com", "name": "Ada", "password": authtest.Password, "quota": 1000}
	a := c.Do("POST", "/auth/users", in).Want(t, 201)
	var ada auth.ManagedUser
	a.JSON(t, &ada)
	path := "/auth/users/" + ada.ID.String()
	if ada.Roles[0] != "member" || *ada.Quota != 1000 || ada.Status != "active" || a.Header.Get("Location") != "/api/v1"+path {
		t.Errorf("%+v", ada)
	}
	in["email"] = "ada@EXAMPLE.com"
	c.Do("POST", "/auth/users", in).WantProblem(t, 409, "email_taken")
	for pointer, bad := range map[string]object{
		"#/password": {"email": "x@example.com", "password": "short"},
		"#/email":    {"email": "x", "password": authtest.Password},
		"#/quota":    {"email": "x@example.com", "password": authtest.Password, "quota": -1},
		"#/roles":    {"email": "x@example.com", "password": authtest.Password, "roles": []string{"king"}},
	} {
		if p := c.Do("POST", "/auth/users", bad).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", pointer, p.Errors)
		}
	}
	g := e.Grant(t, "ada@example.com")

	guarded := httpxtest.WithHeader("If-Match", a.Header.Get("ETag"))
	c.Do("PATCH", path, object{"name": "Ada L.", "quota": nil, "roles": []string{"admin", "member"}}, guarded).Want(t, 200).JSON(t, &ada)
	if ada.Name != "Ada L." || ada.Quota != nil || fmt.Sprint(ada.Roles) != "[admin member]" {
		t.Errorf("%+v", ada)
	}
	c.Do("PATCH", path, object{"quota": 5}, guarded).WantProblem(t, 412, "precondition_failed")
	c.Do("DELETE", path, nil, guarded).WantProblem(t, 412, "precondition_failed")
	for _, bad := range []object{{"status": "asleep"}, {"roles": nil}, {"quota": -1}, {"status": nil}, {"name": "a\nb"}} {
		c.Do("PATCH", path, bad).WantProblem(t, 422, "validation_failed")
	}
	for _, field := range []string{"email", "password", "id", "revision"} {
		c.Do("PATCH", path, object{field: "x"}).WantProblem(t, 400, "unknown_field")
	}
	a = c.Do("PATCH", path, object{}).Want(t, 200)
	if got := c.Do("GET", path, nil).Want(t, 200); got.Header.Get("ETag") != a.Header.Get("ETag") || string(got.Body) != string(a.Body) {
		t.Error("an empty patch changed something")
	}

	var list httpx.List[auth.ManagedUser]
	c.Do("GET", "/auth/users?limit=1", nil).Want(t, 200).JSON(t, &list)
	c.Do("GET", "/auth/users?limit=1&cursor="+*list.NextCursor, nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != ada.ID || list.NextCursor != nil {
		t.Errorf("the second page: %+v", list)
	}
	c.Do("GET", "/auth/users?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")

	var sessions httpx.List[auth.Session]
	c.Do("GET", path+"/sessions", nil).Want(t, 200).JSON(t, &sessions)
	if len(sessions.Items) != 1 || sessions.Items[0].ID != g.Session.ID || sessions.Items[0].Current {
		t.Errorf("%+v", sessions)
	}
	c.Do("DELETE", path+"/sessions", nil).Want(t, 204)
	me(t, e, g.AccessToken, 401)
	c.Do("DELETE", path, nil).Want(t, 204)
	for _, gone := range []*httpxtest.Answer{
		c.Do("GET", path, nil), c.Do("PATCH", path, object{}), c.Do("DELETE", path, nil),
		c.Do("GET", path+"/sessions", nil), c.Do("DELETE", path+"/sessions", nil), c.Do("GET", "/auth/users/me", nil),
	} {
		gone.WantProblem(t, 404, "not_found")
	}
	got := query(t, e.DB, `SELECT action || coalesce(' ' || (details->>'role'), ' ' || (details->>'field'), '') FROM audit_events WHERE target = $1 AND actor_user <> $1 ORDER BY at`, ada.ID)
	if want := "[user.created role.grant member role.grant admin user.updated name user.updated quota auth.session_revoked user.deleted]"; fmt.Sprint(got) != want {
		t.Errorf("recorded: %v", got)
	}
}

func TestUsers_OnlyAnAdminChangesAnAdmin(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	admin := e.User(t, "ada@example.com", "admin").ID.String()
	member := e.User(t, "bob@example.com", "member").ID.String()
	root := e.SignIn(t, "root@example.com")
	root.Do("POST", "/auth/roles", object{"name": "manager", "permissions": []string{"users:manage", "files:read", "files:write", "files:share"}}).Want(t, 201)
	e.User(t, "max@example.com", "manager")
	manager := e.SignIn(t, "max@example.com")
	for _, change := range []object{{"status": "disabled"}, {"roles": []string{"member"}}, {"name": "Nobody"}, {"quota": 0}} {
		manager.Do("PATCH", "/auth/users/"+admin, change).WantProblem(t, 403, "forbidden")
	}
	manager.Do("DELETE", "/auth/users/"+admin+"/sessions", nil).WantProblem(t, 403, "forbidden")
	manager.Do("DELETE", "/auth/users/"+admin, nil).WantProblem(t, 403, "forbidden")
	manager.Do("PATCH", "/auth/users/"+member, object{"status": "disabled"}).Want(t, 200)
	manager.Do("DELETE", "/auth/users/"+member+"/sessions", nil).Want(t, 204)
	root.Do("PATCH", "/auth/users/"+admin, object{"status": "disabled"}).Want(t, 200)
	root.Do("DELETE", "/auth/users/"+admin, nil).Want(t, 204)
}

func TestUsers_WritesNeedARecentPassword(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	c := e.SignIn(t, "root@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	for _, route := range httpx.Listings(e.Auth.Routes()) {
		managing := strings.HasPrefix(route.Pattern, "/api/v1/auth/users") || strings.HasPrefix(route.Pattern, "/api/v1/auth/roles")
		managing = managing || route.Pattern == "/api/v1/auth/invitations" // which may make an admin
		if managing && route.Method != "GET" {
			c.DoAt(route.Method, concrete(route.Pattern), nil).WantProblem(t, 403, "reauthentication_required")
		}
	}
	c.Do("DELETE", "/auth/me", nil).WantProblem(t, 403, "reauthentication_required")
}

func TestMe_ClosingTheAccountLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	e.User(t, "ada@example.com", "member")
	c := e.Client(t).KeepCookies()
	c.Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "cookie"), browser).Want(t, 200)
	other := e.Grant(t, "ada@example.com")
	key := makeKey(t, e.SignIn(t, "ada@example.com"), object{"permissions": []string{"files:read"}})
	set := c.Do("DELETE", "/auth/me", nil, browser).Want(t, 204).Header.Values("Set-Cookie")
	if len(set) != 2 || !strings.Contains(set[0], "Max-Age=0") {
		t.Errorf("the cookies stay: %d", len(set))
	}
	me(t, e, other.AccessToken, 401)
	exchange(t, e, other.RefreshToken, 401)
	e.Client(t).As(key.Secret).Do("GET", "/test/read", nil).WantProblem(t, 401, "unauthenticated")
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).WantProblem(t, 401, "invalid_credentials")
	if n := query(t, e.DB, `SELECT count(*)::text FROM (SELECT id FROM users UNION ALL SELECT id FROM sessions UNION ALL SELECT id FROM access_keys) AS left_behind`)[0]; n != "0" {
		t.Errorf("%s rows are left", n)
	}
}

func TestUsers_DisabledOneIsOutUntilEnabled(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors, withMail)
	e.User(t, "root@example.com", "admin")
	u := e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	forgot(t, e, "ada@example.com")
	key := e.Client(t).As(makeKey(t, e.Client(t).As(g.AccessToken), object{"permissions": []string{"files:read"}}).Secret)
	status := func(s string) {
		e.SignIn(t, "root@example.com").Do("PATCH", "/auth/users/"+u.ID.String(), object{"status": s}).Want(t, 200)
	}
	status("disabled")
	exchange(t, e, g.RefreshToken, 401)
	key.Do("GET", "/test/read", nil).WantProblem(t, 401, "unauthenticated")
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).WantProblem(t, 401, "invalid_credentials")
	status("active")
	me(t, e, g.AccessToken, 401) // sessions ended for good
	exchange(t, e, g.RefreshToken, 401)
	e.Client(t).Do("POST", "/auth/password/reset", object{"token": mailedToken(t, e, "ada@example.com"), "password": chosen}).
		WantProblem(t, 410, "token_invalid") // so did the links
	key.Do("GET", "/test/read", nil).Want(t, 200) // keys had only rested
	e.SignIn(t, "ada@example.com").Do("GET", "/auth/me", nil).Want(t, 200)
}

// act is something that takes a right away, and the request that shows it.
type act struct {
	name   string
	do     func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim)
	path   string // allowed before, refused after
	status int
}

// victim is a user with a session and a key, of a role that only they have.
type victim struct {
	auth.User
	role    string
	grant   auth.Grant
	session *httpxtest.Client // on the worker that is watched
	key     *httpxtest.Client
	keyID   string
}

var acts = []act{
	{"disabling", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		root.Do("PATCH", "/auth/users/"+v.ID.String(), object{"status": "disabled"}).Want(t, 200)
	}, "/test/read", 401},
	{"deletion", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		root.Do("DELETE", "/auth/users/"+v.ID.String(), nil).Want(t, 204)
	}, "/test/read", 401},
	{"closing", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		one.SignIn(t, v.Email).Do("DELETE", "/auth/me", nil).Want(t, 204)
	}, "/test/read", 401},
	{"password", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		one.SignIn(t, v.Email).Do("POST", "/auth/password", object{"current_password": authtest.Password, "new_password": "a quite different one"}).Want(t, 204)
	}, "/test/read", 401},
	{"sessions", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		root.Do("DELETE", "/auth/users/"+v.ID.String()+"/sessions", nil).Want(t, 204)
	}, "/test/read", 401},
	{"role", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		root.Do("PATCH", "/auth/users/"+v.ID.String(), object{"roles": []string{}}).Want(t, 200)
	}, "/test/read", 403},
	{"permission", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		root.Do("PATCH", "/auth/roles/"+v.role, object{"permissions": []string{"inbox:read"}}).Want(t, 200)
	}, "/test/read", 403},
	{"key", func(t *testing.T, one *authtest.Env, root *httpxtest.Client, v victim) {
		one.Client(t).As(v.grant.AccessToken).Do("DELETE", "/auth/keys/"+v.keyID, nil).Want(t, 204)
	}, "", 401},
}

// watch makes the victim of an act, known to both workers.
func (a act) watch(t *testing.T, one, two *authtest.Env, root *httpxtest.Client) victim {
	t.Helper()
	v := victim{role: "role-" + a.name}
	root.Do("POST", "/auth/roles", object{"name": v.role, "permissions": []string{"files:read"}}).Want(t, 201)
	v.User = one.User(t, a.name+"@example.com", v.role)
	v.grant = one.Grant(t, v.Email)
	made := makeKey(t, one.Client(t).As(v.grant.AccessToken), object{"permissions": []string{"files:read"}})
	v.session, v.key, v.keyID = two.Client(t).As(v.grant.AccessToken), two.Client(t).As(made.Secret), made.ID.String()
	for _, c := range []*httpxtest.Client{v.session, v.key, one.Client(t).As(v.grant.AccessToken), one.Client(t).As(made.Secret)} {
		c.Do("GET", "/test/read", nil).Want(t, 200)
	}
	return v
}

// holds says whether the act has taken hold for what it is about.
func (a act) holds(v victim) bool {
	refused := func(c *httpxtest.Client, status int) bool { return c.Do("GET", "/test/read", nil).Status == status }
	switch a.name {
	case "password", "sessions":
		return refused(v.session, a.status) // keys are not signed in
	case "key":
		return refused(v.key, a.status)
	}
	return refused(v.session, a.status) && refused(v.key, a.status)
}

// on looks at the worker that did the act, where it holds at once.
func (v victim) on(t *testing.T, e *authtest.Env) victim {
	v.session, v.key = e.Client(t).As(v.session.Bearer), e.Client(t).As(v.key.Bearer)
	return v
}

func TestInstant_EveryActHoldsAtOnceOnEveryWorker(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, doors)
	two := one.Worker(t)
	one.User(t, "root@example.com", "admin")
	root := one.SignIn(t, "root@example.com")
	for _, a := range acts {
		v := a.watch(t, one, two, root)
		a.do(t, one, root, v)
		began := time.Now()
		if !a.holds(v.on(t, one)) {
			t.Errorf("%s does not hold on the worker that did it", a.name)
		}
		dbtest.Within(t, a.name+" on the other worker", func() bool { return a.holds(v) })
		t.Logf("%s: on the other worker within %v", a.name, time.Since(began))
	}
}

// TestInstant_EveryActHoldsOnAWorkerThatHearsNothing: the backend that listens
// for the second worker is stopped, so it gets no notification and no answer.
func TestInstant_EveryActHoldsOnAWorkerThatHearsNothing(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, doors)
	two := one.Worker(t)
	one.User(t, "root@example.com", "admin")
	root := one.SignIn(t, "root@example.com")
	victims := make([]victim, len(acts))
	for i, a := range acts {
		victims[i] = a.watch(t, one, two, root)
	}
	defer deafen(t, one)()
	began := time.Now()
	var wg sync.WaitGroup
	for i, a := range acts {
		a.do(t, one, root, victims[i])
		did := time.Now()
		wg.Go(func() {
			dbtest.Within(t, a.name+" on the deaf worker", func() bool { return a.holds(victims[i]) })
			t.Logf("%s: on the deaf worker %v after the act, %v after it went deaf", a.name, time.Since(did), time.Since(began))
		})
	}
	wg.Wait()
}

// deafen stops the newest listening backend, which is that of the last worker
// started, and returns what lets it go on.
func deafen(t *testing.T, e *authtest.Env) (undo func()) {
	t.Helper()
	var pid int
	err := e.DB.InTx(t.Context(), func(tx pgx.Tx) (err error) {
		// Only the owner sees what other backends run.
		if err := db.Exec(t.Context(), tx, `SET LOCAL ROLE NONE`); err != nil {
			return err
		}
		pid, err = db.One(t.Context(), tx, db.Value[int], `
			SELECT pid FROM pg_stat_activity
			 WHERE datname = current_database() AND query = 'SELECT 1' ORDER BY backend_start DESC LIMIT 1`)
		return err
	})
	if err != nil {
		t.Fatalf("find the listening backend: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop the backend %d, which must run on this machine: %v", pid, err)
	}
	return func() { syscall.Kill(pid, syscall.SIGCONT) }
}

// TestOperator_ManagesUsersWithoutBeingOne: what holds for an admin's request
// holds for one that `homebase api` carries out in another process.
func TestOperator_ManagesUsersWithoutBeingOne(t *testing.T) {
	t.Parallel()
	var quota *int64
	e := authtest.Start(t, keep(auth.Storage{
		SetQuota: func(_ context.Context, _ pgx.Tx, _ uuid.UUID, q *int64) error { quota = q; return nil },
	}), func(c *auth.Config) { c.Registration = "invite" })
	ada := "/auth/users/" + e.User(t, "ada@example.com", "member").ID.String()
	operator := e.Operator(t)
	ended := func(g auth.Grant) {
		t.Helper()
		dbtest.Within(t, "the server", func() bool { return e.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Status == 401 })
	}
	g := e.Grant(t, "ada@example.com")
	var sessions httpx.List[auth.Session]
	operator.Do("GET", ada+"/sessions", nil).Want(t, 200).JSON(t, &sessions)
	if len(sessions.Items) != 1 || sessions.Items[0].ID != g.Session.ID || !strings.Contains(sessions.Items[0].Name, "Go-http-client") {
		t.Errorf("sessions are %+v", sessions.Items)
	}
	operator.Do("DELETE", ada+"/sessions", nil).Want(t, 204)
	ended(g)
	g = e.Grant(t, "ada@example.com")
	operator.Do("PATCH", ada, object{"status": "disabled"}).Want(t, 200)
	ended(g)
	operator.Do("PATCH", ada, object{"status": "active"}).Want(t, 200)
	operator.Do("PATCH", ada, object{"roles": []string{"admin", "member"}}).Want(t, 200)
	e.SignIn(t, "ada@example.com").Do("GET", "/auth/roles", nil).Want(t, 200)
	operator.Do("PATCH", ada, object{"quota": 2 << 30}).Want(t, 200)
	if quota == nil || *quota != 2<<30 {
		t.Errorf("quota %v", quota)
	}
	operator.Do("PATCH", ada, object{"quota": nil}).Want(t, 200)
	if quota != nil {
		t.Errorf("quota %d", *quota)
	}
	operator.Do("PATCH", ada, object{"quota": -1}).WantProblem(t, 422, "validation_failed")
	operator.Do("PATCH", ada, object{"roles": []string{"admin", "king"}}).WantProblem(t, 422, "validation_failed")
	operator.Do("PATCH", "/auth/users/"+uuid.NewString(), object{"status": "disabled"}).WantProblem(t, 404, "not_found")
	operator.Do("POST", "/auth/invitations", object{"email": "bob@example.com", "roles": []string{"admin"}}).Want(t, 201)
	made := operator.Do("POST", "/auth/roles", object{"name": "reader", "permissions": []string{"files:read"}}).Want(t, 201)
	operator.Do("DELETE", strings.TrimPrefix(made.Header.Get("Location"), httpx.Prefix), nil).Want(t, 204)
	for _, route := range httpx.Listings(e.Auth.Routes()) {
		theirs := slices.ContainsFunc([]string{"keys", "passkeys", "permissions"}, func(open string) bool { return strings.HasPrefix(route.Pattern, "/api/v1/auth/"+open) })
		if strings.HasPrefix(route.Access, "signed in") && !theirs {
			operator.DoAt(route.Method, concrete(route.Pattern), nil).WantProblem(t, 401, "unauthenticated")
		}
	}
	for _, who := range query(t, e.DB, `SELECT DISTINCT coalesce(actor_user::text, 'none') FROM audit_events WHERE action IN ('user.updated', 'role.grant', 'role.created', 'invitation.created')`) {
		if who != "none" {
			t.Errorf("recorded as the act of %s", who)
		}
	}
}

func TestCommand_UserCreateFirstMakesOneUserOnly(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	var wg sync.WaitGroup
	outs := make([]string, 2)
	for i := range outs {
		wg.Go(func() {
			var err error
			if outs[i], err = run(t, e, "", "user", "create", fmt.Sprintf("admin%d@example.com", i), "--role", "admin", "--first"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made, not := outs[0], outs[1]
	if !strings.Contains(made, "password") {
		made, not = not, made
	}
	email, _, _ := strings.Cut(made, " ")
	_, rest, _ := strings.Cut(made, "The password is ")
	password, _, _ := strings.Cut(rest, " ")
	if not != "There are users already; none was created.\n" {
		t.Errorf("the other says: %s", not)
	}
	var g auth.Grant
	e.Client(t).Do("POST", "/auth/login", credentials(email, password, "token")).Want(t, 200).JSON(t, &g)
	if len(g.User.Roles) != 1 || g.User.Roles[0] != "admin" {
		t.Errorf("roles: %v", g.User.Roles)
	}
}
