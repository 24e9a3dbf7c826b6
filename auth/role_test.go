package auth_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestRole_IsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, func(c *auth.Config) {
		c.Permissions = []auth.Permission{{Name: "projects.analytics:read", Description: "See the numbers of visitors."}}
	})
	e.User(t, "root@example.com", "admin")
	c := e.SignIn(t, "root@example.com")
	in := object{"name": "editor", "description": "Writes the portfolio.", "permissions": []string{"portfolio:write", "projects.analytics:read", "portfolio:write"}}
	a := c.Do("POST", "/auth/roles", in).Want(t, 201)
	var role auth.Role
	a.JSON(t, &role)
	if fmt.Sprint(role.Permissions) != "[portfolio:write projects.analytics:read]" || role.Builtin || a.Header.Get("Location") != "/api/v1/auth/roles/editor" {
		t.Errorf("%+v at %s", role, a.Header.Get("Location"))
	}
	c.Do("POST", "/auth/roles", in).WantProblem(t, 409, "role_taken")
	for pointer, bad := range map[string]object{
		"#/name":          {"name": "Editor"},
		"#/permissions/0": {"name": "x", "permissions": []string{"*"}},
		"#/permissions/1": {"name": "x", "permissions": []string{"files:read", "files:eat"}},
		"#/description":   {"name": "x", "description": strings.Repeat("x", 501)},
	} {
		if p := c.Do("POST", "/auth/roles", bad).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != pointer {
			t.Errorf("%v: %+v", bad, p.Errors)
		}
	}
	first := a.Header.Get("ETag")
	guarded := httpxtest.WithHeader("If-Match", first)
	a = c.Do("PATCH", "/auth/roles/editor", object{"permissions": []string{"inbox:read"}}, guarded).Want(t, 200)
	if a.JSON(t, &role); fmt.Sprint(role.Permissions) != "[inbox:read]" || role.Description == "" || a.Header.Get("ETag") == first {
		t.Errorf("%+v", role)
	}
	c.Do("PATCH", "/auth/roles/editor", object{"permissions": nil}, guarded).WantProblem(t, 412, "precondition_failed")
	c.Do("DELETE", "/auth/roles/editor", nil, guarded).WantProblem(t, 412, "precondition_failed")
	c.Do("GET", "/auth/roles/editor", nil).Want(t, 200).JSON(t, &role)
	c.Do("PATCH", "/auth/roles/editor", object{"permissions": nil}).Want(t, 200).JSON(t, &role)
	if len(role.Permissions) != 0 {
		t.Errorf("null leaves %v", role.Permissions)
	}
	c.Do("PATCH", "/auth/roles/editor", object{"permissions": []string{"inbox:read"}}).Want(t, 200)

	names := func(query string) (names []string) {
		var list httpx.List[auth.Role]
		c.Do("GET", "/auth/roles"+query, nil).Want(t, 200).JSON(t, &list)
		for _, r := range list.Items {
			names = append(names, r.Name)
			if r.Name == "admin" && !slices.Contains(r.Permissions, "projects.analytics:read") {
				t.Errorf("admin lacks what the apps brought: %v", r.Permissions)
			}
		}
		if list.NextCursor != nil {
			names = append(names, *list.NextCursor)
		}
		return names
	}
	page := names("?limit=2")
	if got := append(page[:2], names("?limit=2&cursor="+page[2])...); fmt.Sprint(got) != "[admin editor member]" {
		t.Errorf("listed: %v", got)
	}
	u := e.User(t, "ada@example.com", "editor")
	c.Do("DELETE", "/auth/roles/editor", nil).WantProblem(t, 409, "role_in_use")
	c.Do("PATCH", "/auth/users/"+u.ID.String(), object{"roles": []string{}}).Want(t, 200)
	c.Do("DELETE", "/auth/roles/editor", nil).Want(t, 204)
	c.Do("DELETE", "/auth/roles/editor", nil).WantProblem(t, 404, "not_found")
	c.Do("GET", "/auth/roles/editor", nil).WantProblem(t, 404, "not_found")
	got := query(t, e.DB, `SELECT action || ':' || (details->>'added') || ':' || (details->>'removed') FROM audit_events WHERE details ? 'added' ORDER BY at`)
	if fmt.Sprint(got) != "[role.created:portfolio:write projects.analytics:read: role.updated:inbox:read:portfolio:write projects.analytics:read role.updated::inbox:read role.updated:inbox:read: role.deleted::inbox:read]" {
		t.Errorf("recorded: %v", got)
	}
}

func TestRole_BuiltInsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	c := e.SignIn(t, "root@example.com")
	for _, role := range []string{"admin", "member"} {
		c.Do("PATCH", "/auth/roles/"+role, object{"permissions": []string{"files:read"}}).WantProblem(t, 409, "role_builtin")
		c.Do("DELETE", "/auth/roles/"+role, nil).WantProblem(t, 409, "role_builtin")
	}
}

// TestRole_NobodyGrantsWhatTheyLack: a manager of users, without any other
// permission, tries every way to get at more.
func TestRole_NobodyGrantsWhatTheyLack(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "root@example.com", "admin")
	root := e.SignIn(t, "root@example.com")
	root.Do("POST", "/auth/roles", object{"name": "manager", "permissions": []string{"users:manage", "inbox:read"}}).Want(t, 201)
	root.Do("POST", "/auth/roles", object{"name": "reader", "permissions": []string{"inbox:read"}}).Want(t, 201)
	// All that there is by name is still not the role admin, which gains what
	// later releases bring.
	var everything auth.Role
	root.Do("GET", "/auth/roles/admin", nil).Want(t, 200).JSON(t, &everything)
	root.Do("POST", "/auth/roles", object{"name": "almost", "permissions": everything.Permissions}).Want(t, 201)
	manager := e.User(t, "max@example.com", "manager").ID.String()
	other := e.User(t, "ada@example.com", "member").ID.String()
	admin := e.User(t, "eve@example.com", "admin").ID.String()
	almost := e.User(t, "al@example.com", "almost").ID.String()
	root.Do("PATCH", "/auth/users/"+admin, object{"status": "disabled"}).Want(t, 200)

	c := e.SignIn(t, "max@example.com")
	c.Do("PATCH", "/auth/users/"+other, object{"roles": []string{"member", "reader"}}).Want(t, 200)
	for name, try := range map[string]func() *httpxtest.Answer{
		"oneself": func() *httpxtest.Answer {
			return c.Do("PATCH", "/auth/users/"+manager, object{"roles": []string{"admin"}})
		},
		"another": func() *httpxtest.Answer {
			return c.Do("PATCH", "/auth/users/"+other, object{"roles": []string{"member", "manager", "admin"}})
		},
		"a new user": func() *httpxtest.Answer {
			return c.Do("POST", "/auth/users", object{"email": "new@example.com", "password": authtest.Password, "roles": []string{"member"}})
		},
		"a new role": func() *httpxtest.Answer {
			return c.Do("POST", "/auth/roles", object{"name": "king", "permissions": []string{"system:manage"}})
		},
		"own role": func() *httpxtest.Answer {
			return c.Do("PATCH", "/auth/roles/manager", object{"permissions": []string{"users:manage", "audit:read"}})
		},
		"a key": func() *httpxtest.Answer {
			return c.Do("POST", "/auth/keys", object{"name": "x", "permissions": []string{"files:read"}})
		},
		"an enabling": func() *httpxtest.Answer { return c.Do("PATCH", "/auth/users/"+admin, object{"status": "active"}) },
		"almost admin": func() *httpxtest.Answer {
			return e.SignIn(t, "al@example.com").Do("PATCH", "/auth/users/"+almost, object{"roles": []string{"admin"}})
		},
	} {
		t.Run(name, func(t *testing.T) { try().WantProblem(t, 403, "forbidden") })
	}
	c.Do("PATCH", "/auth/users/"+other, object{"roles": []string{"king"}}).WantProblem(t, 422, "validation_failed")
	// Taking away is no granting, and what was there before may stay.
	c.Do("PATCH", "/auth/users/"+other, object{"roles": []string{"member"}}).Want(t, 200)
	e.SignIn(t, "ada@example.com").Do("GET", "/auth/users", nil).WantProblem(t, 403, "forbidden")
}

// TestRole_LastAdminStays: several admins take the role from each other at
// once, on two workers and in every way there is. One is left each time.
func TestRole_LastAdminStays(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	type admin struct {
		auth.User
		token string
	}
	var admins []admin
	for i := range 4 {
		u := one.User(t, fmt.Sprintf("admin%d@example.com", i), "admin")
		admins = append(admins, admin{u, one.Grant(t, u.Email).AccessToken})
	}
	living := func() []string {
		return query(t, one.DB, `SELECT u.id::text FROM users u JOIN user_roles r ON r.user_id = u.id WHERE r.role = 'admin' AND u.status = 'active'`)
	}
	ways := []func(c *httpxtest.Client, id string) *httpxtest.Answer{
		func(c *httpxtest.Client, id string) *httpxtest.Answer {
			return c.Do("PATCH", "/auth/users/"+id, object{"roles": []string{"member"}})
		},
		func(c *httpxtest.Client, id string) *httpxtest.Answer {
			return c.Do("PATCH", "/auth/users/"+id, object{"status": "disabled"})
		},
	}
	for round := range 4 {
		dbtest.Exec(t, one.DB, `UPDATE users SET status = 'active'`)
		dbtest.Exec(t, one.DB, `INSERT INTO user_roles SELECT id, 'admin' FROM users ON CONFLICT DO NOTHING`)
		for i, a := range admins {
			admins[i].token = one.Grant(t, a.Email).AccessToken
		}
		var wg sync.WaitGroup
		for i := range admins {
			wg.Go(func() {
				// Each takes it from the next; the last closes the ring.
				e := []*authtest.Env{one, two}[i%2]
				a := ways[(i+round)%2](e.Client(t).As(admins[i].token), admins[(i+1)%len(admins)].ID.String())
				if a.Status != 200 && a.Status != 401 && a.Status != 403 {
					a.WantProblem(t, 409, "last_admin")
				}
			})
		}
		wg.Wait()
		if len(living()) == 0 {
			t.Fatalf("round %d: no admin is left", round)
		}
	}
	// Alone now, in every way.
	dbtest.Exec(t, one.DB, `UPDATE users SET status = CASE WHEN id = $1 THEN 'active' ELSE 'disabled' END`, admins[0].ID)
	dbtest.Exec(t, one.DB, `INSERT INTO user_roles VALUES ($1, 'admin') ON CONFLICT DO NOTHING`, admins[0].ID)
	id := admins[0].ID.String()
	c := one.SignIn(t, admins[0].Email)
	for _, way := range append(ways, func(c *httpxtest.Client, id string) *httpxtest.Answer { return c.Do("DELETE", "/auth/users/"+id, nil) },
		func(c *httpxtest.Client, _ string) *httpxtest.Answer { return c.Do("DELETE", "/auth/me", nil) }) {
		way(c, id).WantProblem(t, 409, "last_admin")
	}
	for _, change := range []object{{"status": "disabled"}, {"roles": []string{"member"}}} {
		one.Operator(t).Do("PATCH", "/auth/users/"+id, change).WantProblem(t, 409, "last_admin")
	}
	if got := living(); len(got) != 1 || got[0] != id {
		t.Errorf("admins: %v", got)
	}
}
