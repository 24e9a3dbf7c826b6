package gate_test

import (
	"fmt"
	"strings"
	"testing"

	"homebase/auth/gate"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestHost_IsMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w := start(t)
	root := admin(t, w)
	made := root.Do("POST", "/auth/gate/hosts", object{"host": "GRAFANA.Example.com:443", "name": "Graphs"}).Want(t, 201)
	var h gate.Host
	made.JSON(t, &h)
	path := strings.TrimPrefix(made.Header.Get("Location"), httpx.Prefix)
	if path != "/auth/gate/hosts/"+h.ID.String() || h.Host != grafana || h.Identify || h.Roles == nil || len(h.Roles) > 0 {
		t.Errorf("%s %+v", path, h)
	}
	root.Do("GET", path, nil).Want(t, 200)
	root.Do("PATCH", path, object{"name": "Dashboards", "roles": []string{"member"}, "identify": true}, httpxtest.WithHeader("If-Match", `"r1"`)).Want(t, 200)
	root.Do("PATCH", path, object{"name": "Others"}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	var list struct{ Items []gate.Host }
	root.Do("GET", "/auth/gate/hosts", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "Dashboards" || !list.Items[0].Identify || list.Items[0].Roles[0] != "member" {
		t.Errorf("%+v", list)
	}
	root.Do("GET", "/auth/gate/hosts?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")
	root.Do("POST", "/auth/gate/hosts", object{"host": grafana, "name": "x"}).WantProblem(t, 409, "host_taken")
	// Browsers send a host's cookies to all of its ports, so two hosts would take them from each other.
	root.Do("POST", "/auth/gate/hosts", object{"host": grafana + ":8443", "name": "x"}).WantProblem(t, 409, "host_taken")
	root.Do("PATCH", path, object{"host": grafana + ":8443"}).Want(t, 200)
	other := guard(t, w, nodered, nil)
	root.Do("PATCH", "/auth/gate/hosts/"+other.ID.String(), object{"host": grafana}).WantProblem(t, 409, "host_taken")
	for pointer, fields := range map[string]object{"#/name": {"name": " "}, "#/roles/1": {"roles": []string{"member", "nobody"}}, "#/host": {"host": nil}} {
		if p := root.Do("PATCH", path, fields).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", pointer, p.Errors)
		}
	}
	dbtest.Exec(t, w.DB, `INSERT INTO gate_hosts (id, host, name, roles, identify) SELECT gen_random_uuid(), 'h' || i, 'x', '{}', false FROM generate_series(1, 198) i`)
	root.Do("POST", "/auth/gate/hosts", object{"host": "more.example.com", "name": "x"}).WantProblem(t, 409, "too_many_hosts")
	root.Do("DELETE", path, nil).Want(t, 204)
	root.Do("DELETE", path, nil).WantProblem(t, 404, "not_found")
	root.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	root.Do("PATCH", path, object{}).WantProblem(t, 404, "not_found")
	for _, action := range []string{"created", "updated", "deleted"} {
		if dbtest.Count(t, w.DB, `SELECT count(*) FROM audit_events WHERE action = 'gate.host_' || $1 AND target = $2`, action, h.ID) == 0 {
			t.Errorf("%s is not recorded", action)
		}
	}
}

func TestHost_IsANameThatABrowserHasAndNoneOfOurOwn(t *testing.T) {
	t.Parallel()
	w := start(t)
	root := admin(t, w)
	for host, good := range map[string]bool{
		"a.example.com": true, "nas": true, "192.168.1.5:8006": true, "xn--bcher-kva.example": true, "a-1.b.example:65535": true, strings.Repeat("a", 63) + ".example": true,
		"": false, ".": false, "a..example": false, "a.example.": false, "-a.example": false, "a-.example": false, "a_b.example": false, "bücher.example": false,
		"a.\u212aom": false, "*.example.com": false, "https://b.example.com": false, "b.example.com/": false, "b.example.com/x": false, "u@b.example.com": false,
		"b.example.com:0": false, "b.example.com:": false, "b.example.com:65536": false, "b.example.com:08443": false, "b.example.com:x": false, "b.example.com:1:2": false,
		"[::1]": false, "b.example.com?": false, "b.example.com#": false, `b.example.com\`: false, "b example.com": false, "b.example.com\n": false,
		strings.Repeat("a", 64) + ".example": false, strings.Repeat("a.", 127) + "aa": false,
		// The API's, the frontends' and the account page's, at any port.
		"api.example.com": false, "API.example.com": false, "api.example.com:8443": false, "files.example.com": false, "home.example.com": false,
	} {
		a := root.Do("POST", "/auth/gate/hosts", object{"host": host, "name": "x"})
		if good && a.Status != 201 || !good && a.Status != 422 {
			t.Errorf("%q: %d %s", host, a.Status, a.Body)
		}
	}
}

func TestHost_IsForThoseWhoManageUsersWithARecentPassword(t *testing.T) {
	t.Parallel()
	w := start(t)
	h := guard(t, w, grafana, nil)
	w.User(t, "ada@example.com", "member")
	late := admin(t, w)
	dbtest.Exec(t, w.DB, `UPDATE sessions SET authenticated_at = now() - interval '1 hour'`)
	one := fmt.Sprintf("/auth/gate/hosts/%s", h.ID)
	for _, r := range []struct{ method, path string }{{"GET", "/auth/gate/hosts"}, {"POST", "/auth/gate/hosts"}, {"GET", one}, {"PATCH", one}, {"DELETE", one}} {
		w.Client(t).Do(r.method, r.path, nil).WantProblem(t, 401, "unauthenticated")
		w.SignIn(t, "ada@example.com").Do(r.method, r.path, nil).WantProblem(t, 403, "forbidden")
		if r.method != "GET" {
			late.Do(r.method, r.path, nil).WantProblem(t, 403, "reauthentication_required")
		}
	}
	w.Operator(t).Do("GET", one, nil).Want(t, 200)
	w.Operator(t).Do("PATCH", one, object{"name": "x"}).Want(t, 200)
}
