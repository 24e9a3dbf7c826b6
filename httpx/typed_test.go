package httpx_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

type asked struct {
	Name string `json:"name"`
}

type thing struct {
	Name string    `json:"name"`
	ID   uuid.UUID `json:"id"`
}

func (th thing) ETag() string { return httpx.RevisionTag(int64(len(th.Name))) }

type numbered struct {
	Number int `json:"number"`
}

func typed(pattern string, do httpx.Typed, change ...func(*httpx.Route)) httpx.Route {
	return route(pattern, httpx.SignedIn(), append([]func(*httpx.Route){func(rt *httpx.Route) {
		rt.Handler, rt.Responses, rt.Do = nil, nil, do
		rt.Problems = httpx.Problems{httpx.ErrNotFound, httpx.ErrPreconditionFailed}
		if !strings.HasPrefix(pattern, "GET ") && !strings.HasPrefix(pattern, "DELETE ") {
			rt.Body = 100
		}
	}}, change...)...)
}

func TestTyped_TheAnswerIsThatOfTheGoTypes(t *testing.T) {
	t.Parallel()
	c := httpxtest.Start(t, config(), []httpx.Route{
		typed("GET /things/{id}", httpx.Answers(func(c *httpx.Call) (thing, error) { return thing{"engine", c.ID}, nil })),
		typed("POST /things", httpx.JSON(func(c *httpx.Call, in asked) (thing, error) {
			made := thing{in.Name, c.Caller.UserID}
			c.Created("/things/" + made.ID.String())
			return made, nil
		}).Creates()),
		typed("PUT /things/{id}", httpx.JSON(func(c *httpx.Call, in asked) (thing, error) {
			if in.Name == "new" {
				c.Created("/things/" + c.ID.String())
			}
			return thing{in.Name, c.ID}, c.Match(3)
		}).MayCreate()),
		typed("POST /things/{id}/later", httpx.Takes(func(*httpx.Call, asked) error { return nil }).Accepts()),
		typed("DELETE /things/{id}", httpx.Acts(func(c *httpx.Call) error { c.Answer().Set("X-Gone", "yes"); return nil }).May("X-Gone")),
	}).Client(t).As("member")
	id := userID.String()
	var got thing
	a := c.Do("GET", "/things/"+id, nil).Want(t, 200)
	if a.JSON(t, &got); got != (thing{"engine", userID}) || a.Header.Get("ETag") != `"r6"` {
		t.Errorf("read %v with the tag %q", got, a.Header.Get("ETag"))
	}
	c.Do("GET", "/things/"+id, nil, httpxtest.WithHeader("If-None-Match", `"r6"`)).Want(t, 304)
	c.Do("GET", "/things/"+strings.ToUpper(id), nil).WantProblem(t, 404, "not_found")
	if a := c.Do("POST", "/things", asked{"engine"}).Want(t, 201); a.Header.Get("Location") != httpx.Prefix+"/things/"+id {
		t.Errorf("made at %q", a.Header.Get("Location"))
	}
	c.Do("POST", "/things", `{"nam":"engine"}`, httpxtest.WithHeader("Content-Type", "application/json")).WantProblem(t, 400, "unknown_field")
	c.Do("PUT", "/things/"+id, asked{"new"}).Want(t, 201)
	c.Do("PUT", "/things/"+id, asked{"old"}, httpxtest.WithHeader("If-Match", `"r3"`)).Want(t, 200)
	refused := c.Do("PUT", "/things/"+id, asked{"new"}, httpxtest.WithHeader("If-Match", `"r2"`)).Want(t, 412)
	if at := refused.Header.Get("Location"); at != "" {
		t.Errorf("a refusal names %q as made", at)
	}
	c.Do("POST", "/things/"+id+"/later", asked{"engine"}).Want(t, 202)
	c.Do("DELETE", "/things/"+id, nil).Want(t, 204)
}

func TestTyped_ACursorIsGoodForItsCollectionItsParametersAndItsCaller(t *testing.T) {
	t.Parallel()
	pages := func(pattern string) httpx.Route {
		return typed(pattern, httpx.Pages(func(c *httpx.Call, p httpx.Keyset[int]) ([]numbered, error) {
			var list []numbered
			for n := p.After(0) + 1; n <= 5 && len(list) < p.Limit; n++ {
				list = append(list, numbered{n})
			}
			return list, nil
		}, func(n numbered) int { return n.Number }), func(rt *httpx.Route) { rt.Query = []string{"sort"} })
	}
	cfg := config()
	other := uuid.New()
	cfg.Authenticate = func(r *http.Request) (*httpx.Caller, error) {
		who := map[string]uuid.UUID{"Bearer ada": userID, "Bearer bob": other}[r.Header.Get("Authorization")]
		return &httpx.Caller{UserID: who, SessionID: sessionID}, nil
	}
	s := httpxtest.Start(t, cfg, []httpx.Route{pages("GET /things"), pages("GET /things/{id}/parts")})
	c := s.Client(t).As("ada")
	var seen []int
	for path := "/things?limit=2"; path != ""; {
		var page httpx.List[numbered]
		c.Do("GET", path, nil).Want(t, 200).JSON(t, &page)
		for _, n := range page.Items {
			seen = append(seen, n.Number)
		}
		if path = ""; page.NextCursor != nil {
			path = "/things?limit=2&cursor=" + *page.NextCursor
		}
	}
	if fmt.Sprint(seen) != "[1 2 3 4 5]" {
		t.Errorf("page by page: %v", seen)
	}
	var page httpx.List[numbered]
	c.Do("GET", "/things/"+userID.String()+"/parts?limit=2&sort=a", nil).Want(t, 200).JSON(t, &page)
	cursor := "&cursor=" + *page.NextCursor
	c.Do("GET", "/things/"+userID.String()+"/parts?limit=1&sort=a"+cursor, nil).Want(t, 200)
	for _, path := range []string{"/things/" + userID.String() + "/parts?sort=b", "/things/" + other.String() + "/parts?sort=a", "/things?sort=a"} {
		c.Do("GET", path+cursor, nil).WantProblem(t, 400, "invalid_cursor")
	}
	s.Client(t).As("bob").Do("GET", "/things/"+userID.String()+"/parts?sort=a"+cursor, nil).WantProblem(t, 400, "invalid_cursor")
	for _, text := range []string{"", "e30", "eyJhIjoiMSJ9", "!"} {
		c.Do("GET", "/things?cursor="+text, nil).WantProblem(t, 400, "invalid_cursor")
	}
}

func TestTyped_WhoeverLosesTheRightWhileTheBodyComesIsRefused(t *testing.T) {
	t.Parallel()
	cfg := config()
	permissions := []string{"files:read"}
	cfg.Recheck = func(_ context.Context, c *httpx.Caller) (*httpx.Caller, error) {
		now := *c
		now.Permissions = permissions
		return &now, nil
	}
	var ran atomic.Int64
	c := httpxtest.Start(t, cfg, []httpx.Route{typed("POST /things", httpx.Takes(func(*httpx.Call, asked) error { ran.Add(1); return nil }),
		func(rt *httpx.Route) { rt.Access = httpx.Needs("files:read") })}).Client(t).As("member")
	c.Do("POST", "/things", asked{"engine"}).Want(t, 204)
	permissions = nil
	c.Do("POST", "/things", asked{"engine"}).WantProblem(t, 403, "forbidden")
	if ran.Load() != 1 {
		t.Errorf("ran %d times", ran.Load())
	}
}
