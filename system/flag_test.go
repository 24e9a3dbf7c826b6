package system_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

func TestFlags_RulesDecideForWhomAFlagIsOn(t *testing.T) {
	t.Parallel()
	rm := start(t)
	ada, bob := rm.User(t, "ada@example.com", "member"), rm.User(t, "bob@example.com", "member")
	put := func(key string, fields object) {
		rm.admin.Do("PUT", "/system/flags/"+key, fields).Want(t, 201)
	}
	flag := func(rules ...object) object {
		return object{"description": "", "enabled": true, "public": true, "rules": append([]object{}, rules...)}
	}
	put("everyone", flag())
	put("signed-in", object{"enabled": true})
	put("off", object{"enabled": false, "public": true, "rules": []object{{"users": []uuid.UUID{ada.ID}}}})
	put("members", flag(object{"roles": []string{"nobody", "member"}}))
	put("ada", flag(object{"users": []uuid.UUID{ada.ID}}))
	put("admins-or-bob", flag(object{"roles": []string{"admin"}}, object{"users": []uuid.UUID{bob.ID}}))
	put("admin-and-bob", flag(object{"roles": []string{"admin"}, "users": []uuid.UUID{bob.ID}}))
	put("all-percent", flag(object{"percentage": 100}))
	put("no-percent", flag(object{"percentage": 0}))

	for name, test := range map[string]struct {
		c    *httpxtest.Client
		want string
	}{
		"a stranger": {rm.Client(t), "everyone"},
		"ada":        {rm.SignIn(t, "ada@example.com"), "ada all-percent everyone members signed-in"},
		"bob":        {rm.SignIn(t, "bob@example.com"), "admins-or-bob all-percent everyone members signed-in"},
		"the admin":  {rm.admin, "admins-or-bob all-percent everyone signed-in"},
	} {
		on, off := flagsOf(t, test.c)
		if got := strings.Join(on, " "); got != test.want {
			t.Errorf("for %s are on %s, want %s", name, got, test.want)
		}
		if name == "a stranger" && slices.Contains(off, "signed-in") {
			t.Error("a stranger learns of a flag that is not public")
		}
		if name != "a stranger" && len(on)+len(off) != 9 {
			t.Errorf("%s is told %d flags of 9", name, len(on)+len(off))
		}
	}
	// Who is a member no longer is one for the flags at once.
	rm.admin.Do("PATCH", "/auth/users/"+ada.ID.String(), object{"roles": []string{}}).Want(t, 200)
	if on, _ := flagsOf(t, rm.SignIn(t, "ada@example.com")); slices.Contains(on, "members") {
		t.Errorf("without the role are on %v", on)
	}
}

func TestFlags_APercentageIsStableAndGrowsOverTheSamePeople(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.Client(t)
	in := func(key, who string) bool {
		var answer struct{ Value bool }
		c.Do("POST", "/system/flags/ofrep/v1/evaluate/flags/"+key, object{"context": object{"targetingKey": who}}).Want(t, 200).JSON(t, &answer)
		return answer.Value
	}
	count := func(key string) (who []string) {
		for i := range 300 {
			if name := fmt.Sprintf("visitor %d", i); in(key, name) {
				who = append(who, name)
			}
		}
		return who
	}
	put := func(key string, percentage float64) {
		rm.admin.Do("PUT", "/system/flags/"+key, object{"enabled": true, "public": true, "rules": []object{{"percentage": percentage}}})
	}
	put("a", 20)
	few := count("a")
	put("a", 50)
	put("b", 50)
	half, other := count("a"), count("b")
	// Twenty of a hundred give or take five standard deviations.
	if len(few) < 25 || len(few) > 95 || len(half) < 105 || len(half) > 195 {
		t.Errorf("20%% of 300 are %d, 50%% are %d", len(few), len(half))
	}
	for _, who := range few {
		if !slices.Contains(half, who) {
			t.Errorf("%s lost the flag when it grew", who)
		}
	}
	if slices.Equal(half, other) {
		t.Error("two flags choose the same people")
	}
	var answer struct{ Value bool }
	c.Do("POST", "/system/flags/ofrep/v1/evaluate/flags/a", object{}).Want(t, 200).JSON(t, &answer)
	if answer.Value {
		t.Error("who has no name is in a percentage")
	}
}

func TestFlags_AChangeHoldsAtOnceOnEveryWorkerAndIsAudited(t *testing.T) {
	t.Parallel()
	rm := start(t)
	other := rm.worker(t)
	is := func(c *httpxtest.Client) bool { on, _ := flagsOf(t, c); return len(on) == 1 }
	for _, c := range []*httpxtest.Client{rm.Client(t), other.Client(t)} {
		if is(c) {
			t.Fatal("on before it was made")
		}
	}
	rm.admin.Do("PUT", "/system/flags/new", object{"enabled": true, "public": true}).Want(t, 201)
	for i := range 10 {
		enabled := i%2 == 1
		rm.admin.Do("PUT", "/system/flags/new", object{"enabled": enabled, "public": true}).Want(t, 200)
		if is(rm.Client(t)) != enabled {
			t.Fatal("the worker that changed it does not know")
		}
		await(t, "the other worker knows", func() bool { return is(other.Client(t)) == enabled })
	}
	other.admin.Do("DELETE", "/system/flags/new", nil).Want(t, 204)
	await(t, "it is gone here too", func() bool { return !is(rm.Client(t)) })

	got := rm.actions(t)
	if len(got) != 12 || !strings.HasPrefix(got[0], "flag.created ") || !strings.HasPrefix(got[1], "flag.updated ") || !strings.Contains(got[11], `flag.deleted {"key": "new"`) {
		t.Errorf("audited are %q", got)
	}
}

func TestFlags_PreconditionsAndLimitsHold(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c, path := rm.admin, "/system/flags/x"
	a := c.Do("PUT", path, object{"description": "first", "enabled": true}, httpxtest.WithHeader("If-None-Match", "*")).Want(t, 201)
	if a.Header.Get("ETag") != `"r1"` || a.Header.Get("Location") != "/api/v1"+path {
		t.Errorf("made with %q at %q", a.Header.Get("ETag"), a.Header.Get("Location"))
	}
	c.Do("PUT", path, object{}, httpxtest.WithHeader("If-None-Match", "*")).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", path, object{"enabled": true}, httpxtest.WithHeader("If-Match", `"r1"`)).Want(t, 200)
	c.Do("PUT", path, object{}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", "/system/flags/y", object{}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("DELETE", path, nil, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("GET", path, nil).Want(t, 200)
	c.Do("DELETE", "/system/flags/y", nil).WantProblem(t, 404, "not_found")
	c.Do("GET", "/system/flags/y", nil).WantProblem(t, 404, "not_found")

	bad := c.Do("PUT", "/system/flags/"+strings.Repeat("k", 101), object{"description": strings.Repeat("d", 501), "rules": []object{
		{}, {"percentage": 101}, {"roles": slices.Repeat([]string{"r"}, 501)}, {"roles": []string{}},
	}}).WantProblem(t, 422, "validation_failed")
	if len(bad.Errors) != 6 {
		t.Errorf("refused are %+v", bad.Errors)
	}
	for _, stranger := range []*httpxtest.Client{rm.Client(t), func() *httpxtest.Client {
		rm.User(t, "m@example.com", "member")
		return rm.SignIn(t, "m@example.com")
	}()} {
		for _, method := range []string{"GET", "DELETE"} {
			if a := stranger.Do(method, path, nil); a.Status != 401 && a.Status != 403 {
				t.Errorf("%s by who may not: %d", method, a.Status)
			}
		}
	}
	// Twenty at once make one.
	var made sync.Map
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { made.Store(uuid.New(), c.Do("PUT", "/system/flags/race", object{}).Status) })
	}
	group.Wait()
	created := 0
	made.Range(func(_, status any) bool {
		if status == 201 {
			created++
		} else if status != 200 {
			t.Errorf("one of twenty got %v", status)
		}
		return true
	})
	if created != 1 {
		t.Errorf("%d times made", created)
	}
	if _, err := rm.DB.Exec(t.Context(), `INSERT INTO flags (key, description, enabled, public, rules)
		SELECT 'many' || n, '', false, false, '[]' FROM generate_series(1, 1000) AS n`); err != nil {
		t.Fatal(err)
	}
	c.Do("PUT", "/system/flags/one-more", object{}).WantProblem(t, 409, "too_many_flags")
	c.Do("PUT", "/system/flags/many1", object{}).Want(t, 200)
}

func TestOFREP_AnswersAndRefusesAsTheProtocolSays(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c, all := rm.Client(t), "/system/flags/ofrep/v1/evaluate/flags"
	rm.admin.Do("PUT", "/system/flags/dark", object{"enabled": true, "public": true}).Want(t, 201)
	rm.admin.Do("PUT", "/system/flags/secret", object{"enabled": true}).Want(t, 201)

	a := c.Do("POST", all, object{"context": object{"targetingKey": "u", "age": 7, "tags": []string{"x"}}}).Want(t, 200)
	if got := strings.TrimSpace(string(a.Body)); got != `{"flags":[{"key":"dark","value":true,"variant":"on","reason":"STATIC"}]}` {
		t.Errorf("all flags are %s", got)
	}
	tag := a.Header.Get("ETag")
	c.Do("POST", all, object{}, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 304)
	rm.admin.Do("PUT", "/system/flags/dark", object{"enabled": false, "public": true}).Want(t, 200)
	if a := c.Do("POST", all, object{}, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 200); !strings.Contains(string(a.Body), `"value":false,"variant":"off","reason":"DISABLED"`) {
		t.Errorf("after the change %s", a.Body)
	}
	for body, code := range map[string]string{`{"context":`: "PARSE_ERROR", `{"context":[]}`: "INVALID_CONTEXT", `{"context":{"targetingKey":7}}`: "INVALID_CONTEXT", `{"x":1}`: "PARSE_ERROR"} {
		for _, path := range []string{all, all + "/dark"} {
			var p httpxtest.Problem
			c.Do("POST", path, body, httpxtest.WithHeader("Content-Type", "application/json; charset=utf-8")).Want(t, 400).JSON(t, &p)
			if p.ErrorCode != code || p.ErrorDetails == "" {
				t.Errorf("%s: %+v", body, p)
			}
		}
	}
	for _, key := range []string{"nothing", "secret"} {
		if p := c.Do("POST", all+"/"+key, object{}).WantProblem(t, 404, "not_found"); p.ErrorCode != "FLAG_NOT_FOUND" || p.Key != key {
			t.Errorf("%s: %+v", key, p)
		}
	}
	rm.admin.Do("POST", all+"/secret", object{}).Want(t, 200)
}
