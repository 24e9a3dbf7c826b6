package system_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"
)

// limitedWorker serves a room with the limiter on, as authtest's does not.
func limitedWorker(t testing.TB, rm *room) *httpxtest.Server {
	t.Helper()
	s := httpxtest.Start(t, httpx.Config{PublicURL: rm.URL, RateLimits: true, Authenticate: rm.Auth.Authenticate, Recheck: rm.Auth.Recheck, Afresh: rm.Auth.Afresh}, rm.sys.Routes())
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go rm.sys.FollowLimits(ctx, s.HTTPX)
	return s
}

func TestLimits_AChangeHoldsOnEveryWorkerAndIsAudited(t *testing.T) {
	t.Parallel()
	shared := func(s *system.Setup) {
		s.SharedLimits = map[httpx.Rate]httpx.Limit{"guesses": {Requests: 5, Per: 3600e9}}
	}
	rm := start(t, shared)
	two := rm.worker(t)
	first, second := limitedWorker(t, rm), limitedWorker(t, two)
	c := first.Client(t).As(rm.admin.Bearer)
	read := func(s *httpxtest.Server) string {
		return s.Client(t).Do("GET", "/system/health", nil).Header.Get("RateLimit-Policy")
	}
	if got := read(first); got != `"read";q=1200;w=60` {
		t.Fatalf("at first %s", got)
	}
	var answer struct {
		Enforced bool
		Items    []system.RateLimit
	}
	a := c.Do("GET", "/system/limits", nil).Want(t, 200)
	a.JSON(t, &answer)
	if !answer.Enforced || len(answer.Items) != 7 || !strings.Contains(string(a.Body), `{"class":"guesses","requests":5,"per_seconds":3600,"scope":"shared","changed":false}`) {
		t.Errorf("the limits are %s", a.Body)
	}
	tag := a.Header.Get("ETag")
	one := object{"items": []object{{"class": "read", "requests": 7, "per_seconds": 30}}}
	a = c.Do("PUT", "/system/limits", one, httpxtest.WithHeader("If-Match", tag)).Want(t, 200)
	if !strings.Contains(string(a.Body), `{"class":"read","requests":7,"per_seconds":30,"scope":"worker","changed":true}`) {
		t.Errorf("after the change %s", a.Body)
	}
	if got := read(first); got != `"read";q=7;w=30` {
		t.Errorf("the worker that changed it has %s", got)
	}
	await(t, "the other worker has it", func() bool { return strings.Contains(read(second), "q=7;") })
	for i := 0; second.Client(t).Do("GET", "/system/health", nil).Status != http.StatusTooManyRequests; i++ {
		if i > 20 {
			t.Fatal("the new limit refuses nobody")
		}
	}
	c.Do("PUT", "/system/limits", object{}, httpxtest.WithHeader("If-Match", tag)).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", "/system/limits", object{"items": []object{}}).Want(t, 200)
	await(t, "the program's own are back", func() bool { return strings.Contains(read(second), "q=1200;") })
	if got := rm.actions(t); len(got) != 2 || got[0] != `limits.updated {"read": "7 in 30s"}` || got[1] != `limits.updated {"read": "1200 in 1m0s"}` {
		t.Errorf("audited are %q", got)
	}
}

func TestLimits_NonsenseIsRefusedAndAMistakeCanBeTakenBack(t *testing.T) {
	t.Parallel()
	rm := start(t)
	s := limitedWorker(t, rm)
	c := s.Client(t).As(rm.admin.Bearer)
	for _, item := range []object{
		{"class": "often", "requests": 1, "per_seconds": 1}, {"class": "none", "requests": 1, "per_seconds": 1}, {"class": "read", "requests": 0, "per_seconds": 1},
		{"class": "read", "requests": 1, "per_seconds": 0.5}, {"class": "read", "requests": 1, "per_seconds": 1e300}, {"class": "read", "requests": 1 << 40, "per_seconds": 1},
	} {
		c.Do("PUT", "/system/limits", object{"items": []object{item}}).WantProblem(t, 422, "validation_failed")
	}
	twice := object{"class": "read", "requests": 1, "per_seconds": 60}
	c.Do("PUT", "/system/limits", object{"items": []object{twice, twice}}).WantProblem(t, 422, "validation_failed")

	var all []object
	for _, class := range []string{"read", "write", "credentials"} {
		all = append(all, object{"class": class, "requests": 1, "per_seconds": 86400})
	}
	c.Do("PUT", "/system/limits", object{"items": all}).Want(t, 200)
	for range 3 {
		c.Do("GET", "/system/version", nil)
	}
	c.Do("GET", "/system/version", nil).WantProblem(t, 429, "rate_limited")
	c.Do("PUT", "/system/limits", object{}).Want(t, 200)
	rm.User(t, "m@example.com", "member")
	member := s.Client(t).As(rm.SignIn(t, "m@example.com").Bearer)
	member.Do("GET", "/system/limits", nil).WantProblem(t, 403, "forbidden")
	member.Do("PUT", "/system/limits", object{}).WantProblem(t, 403, "forbidden")
}
