package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// doors are routes of another room, which ask the database nothing.
func doors(*authtest.Env) []httpx.Route {
	var routes []httpx.Route
	for path, permission := range map[string]string{"read": auth.FilesRead, "write": auth.FilesWrite, "system": auth.SystemManage} {
		routes = append(routes, httpx.Route{Pattern: "GET /test/" + path, Access: httpx.Needs(permission), Rate: httpx.RateRead,
			Summary: "For tests", Responses: []httpx.Response{{Status: 200}}, Handler: noop})
	}
	return routes
}

// makeKey makes a key for whoever c is.
func makeKey(t *testing.T, c *httpxtest.Client, in object) auth.MadeKey {
	t.Helper()
	var made auth.MadeKey
	in["name"] = "a script"
	a := c.Do("POST", "/auth/keys", in).Want(t, 201)
	a.JSON(t, &made)
	if want := "/api/v1/auth/keys/" + made.ID.String(); a.Header.Get("Location") != want {
		t.Errorf("Location %q", a.Header.Get("Location"))
	}
	return made
}

func TestKey_MayDoItsPartOfWhatItsOwnerMay(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	u := e.User(t, "ada@example.com", "member")
	owner := e.SignIn(t, "ada@example.com")
	made := makeKey(t, owner, object{"permissions": []string{"files:read"}})
	if !strings.HasPrefix(made.Secret, "hb_") || len(made.Secret) != 52 || !strings.HasPrefix(made.Secret, made.Hint) || len(made.Hint) != 8 {
		t.Errorf("the key has %d characters, its hint is %q", len(made.Secret), made.Hint)
	}
	if d := time.Until(made.ExpiresAt); d < 89*24*time.Hour || d > 90*24*time.Hour {
		t.Errorf("expires in %v", d)
	}
	key := e.Client(t).As(made.Secret)
	key.Do("GET", "/test/read", nil).Want(t, 200)
	key.Do("GET", "/test/write", nil).WantProblem(t, 403, "forbidden")
	key.Do("GET", "/test/system", nil).WantProblem(t, 403, "forbidden")
	var m auth.Me
	key.Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &m)
	if m.ID != u.ID || !slices.Equal(m.Permissions, []string{"files:read"}) {
		t.Errorf("the key reads %v of %v", m.Permissions, m.ID)
	}
	// In a cookie it is nothing.
	e.Client(t).Do("GET", "/test/read", nil, httpxtest.WithHeader("Cookie", "__Host-at="+made.Secret)).WantProblem(t, 401, "unauthenticated")

	if n := query(t, e.DB, `SELECT count(*)::text FROM access_keys k WHERE k::text LIKE '%' || $1 || '%'`, made.Secret[3:46])[0]; n != "0" {
		t.Error("the key is in its row")
	}
	got := query(t, e.DB, `SELECT action || ' ' || (target = $1) || ' ' || (details->>'permissions') FROM audit_events WHERE action LIKE 'key.%'`, made.ID)
	if len(got) != 1 || got[0] != "key.created true files:read" {
		t.Errorf("recorded: %v", got)
	}
}

func TestKey_CannotHoldWhatItsOwnerLacks(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	c.Do("POST", "/auth/keys", object{"name": "x", "permissions": []string{"files:read", "users:manage"}}).WantProblem(t, 403, "forbidden")
	year := time.Now().Add(366 * 24 * time.Hour).Format(time.RFC3339)
	for pointer, in := range map[string]object{
		"#/permissions/0": {"name": "x", "permissions": []string{"admin"}},
		"#/permissions":   {"name": "x", "permissions": []string{}},
		"#/name":          {"name": " ", "permissions": []string{"files:read"}},
		"#/expires_at":    {"name": "x", "permissions": []string{"files:read"}, "expires_at": year},
		"#/allow/1":       {"name": "x", "permissions": []string{"files:read"}, "allow": []string{"::1", "10.0.0.0/33"}},
		"#/allow/0":       {"name": "x", "permissions": []string{"files:read"}, "allow": []string{"::ffff:10.0.0.1"}},
	} {
		if p := c.Do("POST", "/auth/keys", in).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != pointer {
			t.Errorf("%v: %+v", in, p.Errors)
		}
	}
	in := object{"name": "x", "permissions": []string{"*"}}
	c.Do("POST", "/auth/keys", in).WantProblem(t, 422, "validation_failed")
	in = object{"name": "x", "permissions": []string{"files:read"}, "expires_at": "2001-01-01T00:00:00Z"}
	c.Do("POST", "/auth/keys", in).WantProblem(t, 422, "validation_failed")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	g := e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	e.Client(t).As(g.AccessToken).Do("POST", "/auth/keys", in).WantProblem(t, 403, "reauthentication_required")
}

func TestKey_ReachesNothingOfAuthButMe(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "admin")
	owner := e.SignIn(t, "ada@example.com")
	var m auth.Me
	owner.Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &m)
	key := e.Client(t).As(makeKey(t, owner, object{"permissions": m.Permissions}).Secret)
	for _, route := range httpx.Listings(e.Auth.Routes()) {
		switch at := route.Method + " " + route.Pattern; {
		case route.Access == "public":
		case at == "GET /api/v1/auth/me":
			key.DoAt(route.Method, route.Pattern, nil).Want(t, 200)
		default:
			key.DoAt(route.Method, concrete(route.Pattern), nil).WantProblem(t, 403, "forbidden")
		}
	}
}

func TestKey_KnowingOneAsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	e.User(t, "ada@example.com", "member")
	made := makeKey(t, e.SignIn(t, "ada@example.com"), object{"permissions": []string{"files:read"}})
	key := e.Client(t).As(made.Secret)
	key.Do("GET", "/test/read", nil).Want(t, 200)
	before := e.DB.Stat().AcquireCount()
	for range 100 {
		key.Do("GET", "/test/read", nil).Want(t, 200)
	}
	// One that is mistyped is refused without asking, too.
	e.Client(t).As(made.Secret[:51]+"!").Do("GET", "/test/read", nil).WantProblem(t, 401, "unauthenticated")
	if n := e.DB.Stat().AcquireCount() - before; n != 0 {
		t.Errorf("%d requests took a connection to the database", n)
	}
}

func TestKey_IsListedWithItsUseAndRevoked(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	e.User(t, "ada@example.com", "member")
	e.User(t, "eve@example.com", "admin")
	owner := e.SignIn(t, "ada@example.com")
	first := makeKey(t, owner, object{"permissions": []string{"files:read"}})
	second := makeKey(t, owner, object{"permissions": []string{"files:read"}, "allow": []string{"127.0.0.1", "2001:db8::1/32"}})
	keys := func(query string) (list httpx.List[auth.Key]) {
		owner.Do("GET", "/auth/keys"+query, nil).Want(t, 200).JSON(t, &list)
		return list
	}
	e.Client(t).As(second.Secret).Do("GET", "/test/read", nil).Want(t, 200)
	if err := e.Auth.WriteUsed(); err != nil {
		t.Fatal(err)
	}
	list := keys("").Items
	if len(list) != 2 || list[0].LastUsedAt != nil || list[1].LastUsedAt == nil || time.Since(*list[1].LastUsedAt) > time.Hour {
		t.Fatalf("%+v", list)
	}
	if got := fmt.Sprint(list[1].Allow); got != "[127.0.0.1/32 2001:db8::/32]" {
		t.Errorf("allowed: %s", got)
	}
	page := keys("?limit=1")
	if len(page.Items) != 1 || page.NextCursor == nil || keys("?limit=1&cursor=" + *page.NextCursor).Items[0].ID != second.ID {
		t.Error("the second page does not follow the first")
	}
	e.SignIn(t, "eve@example.com").Do("DELETE", "/auth/keys/"+second.ID.String(), nil).WantProblem(t, 404, "not_found")
	e.Client(t).As(second.Secret).Do("GET", "/test/read", nil).Want(t, 200)
	owner.Do("DELETE", "/auth/keys/"+second.ID.String(), nil).Want(t, 204)
	e.Client(t).As(second.Secret).Do("GET", "/test/read", nil).WantProblem(t, 401, "unauthenticated")
	owner.Do("DELETE", "/auth/keys/"+second.ID.String(), nil).WantProblem(t, 404, "not_found")
	e.Client(t).As(first.Secret).Do("GET", "/test/read", nil).Want(t, 200)
}

func TestKey_IsRefusedOutsideItsTimeAndPlace(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	e.User(t, "ada@example.com", "member")
	owner := e.SignIn(t, "ada@example.com")
	elsewhere := makeKey(t, owner, object{"permissions": []string{"files:read"}, "allow": []string{"192.0.2.0/24", "::/0"}})
	expired := makeKey(t, owner, object{"permissions": []string{"files:read"}, "expires_at": time.Now().Add(300 * time.Millisecond)})
	e.Client(t).As(elsewhere.Secret).Do("GET", "/test/read", nil).WantProblem(t, 401, "unauthenticated")
	dbtest.Within(t, "the key ends", func() bool {
		return e.Client(t).As(expired.Secret).Do("GET", "/test/read", nil).Status == 401
	})
	dbtest.Exec(t, e.DB, `UPDATE access_keys SET expires_at = now() - interval '8 days' WHERE id = $1`, expired.ID)
	for _, job := range e.Auth.Jobs() {
		if err := job.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, e.DB, `SELECT id::text FROM access_keys`); len(got) != 1 || got[0] != elsewhere.ID.String() {
		t.Errorf("left: %v", got)
	}
}

func TestKey_AUserHasAtMostAHundred(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	dbtest.Exec(t, e.DB, `INSERT INTO access_keys (id, user_id, name, hint, hash, permissions, allow, expires_at)
		SELECT gen_random_uuid(), id, 'x', 'hb_', sha256(n::text::bytea), '{}', '{}', now() FROM users, generate_series(1, 100) AS n`)
	e.SignIn(t, "ada@example.com").Do("POST", "/auth/keys", object{"name": "x", "permissions": []string{"files:read"}}).
		WantProblem(t, 409, "too_many_keys")
}

func TestKey_TheOperatorMakesListsAndRevokesThoseOfUsers(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, doors)
	e.User(t, "ada@example.com", "member")
	out, err := run(t, e, "", "key", "create", "ada@example.com", "backup", "--permissions", "files:read,files:write", "--days", "7", "--allow", "127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	secret := lastLine(out)
	e.Client(t).As(secret).Do("GET", "/test/write", nil).Want(t, 200)
	for want, args := range map[string][]string{
		"do not hold it":     {"key", "create", "ada@example.com", "x", "--permissions", "users:manage"},
		"no such permission": {"key", "create", "ada@example.com", "x", "--permissions", "everything"},
		"no user":            {"key", "create", "eve@example.com", "x", "--permissions", "files:read"},
	} {
		if _, err := run(t, e, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	operator := e.Operator(t)
	var list httpx.List[auth.Key]
	operator.Do("GET", "/auth/keys", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "backup" || strings.Join(list.Items[0].Permissions, ",") != "files:read,files:write" {
		t.Fatalf("listed are %+v", list.Items)
	}
	operator.Do("DELETE", "/auth/keys/0198e5a0-0000-7000-8000-000000000000", nil).WantProblem(t, 404, "not_found")
	operator.Do("DELETE", "/auth/keys/"+list.Items[0].ID.String(), nil).Want(t, 204)
	dbtest.Within(t, "the server", func() bool { return e.Client(t).As(secret).Do("GET", "/test/write", nil).Status == 401 })
	operator.Do("POST", "/auth/keys", object{"name": "x", "permissions": []string{"files:read"}}).WantProblem(t, 401, "unauthenticated")
}

func FuzzAccessKey(f *testing.F) {
	f.Add(auth.GenerateKey(), 5, byte('x'))
	f.Add("hb_"+strings.Repeat("0", 49), 51, byte('z'))
	f.Add("hb_", 0, byte(0))
	f.Fuzz(func(t *testing.T, key string, at int, to byte) {
		if err := auth.ParseKey(key); err == nil && (len(key) != 52 || key[:3] != "hb_") {
			t.Errorf("%q is read", key)
		}
		good := []byte(auth.GenerateKey())
		if err := auth.ParseKey(string(good)); err != nil {
			t.Errorf("%q is not read", good)
		}
		// One wrong character is always seen.
		i := int(uint(at) % uint(len(good)))
		if good[i] == to {
			return
		}
		good[i] = to
		if err := auth.ParseKey(string(good)); err == nil {
			t.Errorf("%q is read", good)
		}
	})
}

// concrete puts something for every wildcard of a pattern.
func concrete(pattern string) string {
	return strings.NewReplacer("{id}", "0198e5a0-0000-7000-8000-000000000000", "{name}", "nobody").Replace(pattern)
}
