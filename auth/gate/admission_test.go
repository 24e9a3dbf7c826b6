package gate_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/auth/gate"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

// code2 is one more code of the browser for grafana's host.
func (b *browser) code2(person *httpxtest.Client) string {
	fresh := &browser{b.t, b.client, map[string][]*http.Cookie{grafana: b.marks(grafana)}}
	return fresh.code(person, grafana, "/")
}

// marks are the browser's cookies of a host without the one that lets it through.
func (b *browser) marks(host string) []*http.Cookie {
	return slices.DeleteFunc(slices.Clone(b.cookies[host]), func(c *http.Cookie) bool { return c.Name == "__Host-hb-gate" })
}

func TestCode_WorksOnceWithinAMinuteAtItsHostInItsBrowser(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.another(t)
	guard(t, one, grafana, nil)
	guard(t, one, nodered, nil)
	one.User(t, "ada@example.com", "member")
	person, b := one.SignIn(t, "ada@example.com"), one.browser(t)
	b.request(nodered, "/")
	b.request(grafana, "/")

	bad := func(name string, at *browser, host, code string) {
		t.Helper()
		a := at.callback(host, code)
		if a.WantProblem(t, 410, "gate_code_invalid"); len(a.Header.Values("Set-Cookie")) > 0 || a.Header.Get("Location") != "" {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
	// An attacker's code that another person's browser brings signs nobody in as the attacker.
	bad("in another browser", one.browser(t), grafana, b.code2(person))
	stranger := one.browser(t)
	stranger.request(grafana, "/")
	bad("in a browser that began by itself", stranger, grafana, b.code2(person))
	b.cookies[nodered] = slices.Clone(b.cookies[grafana])
	bad("at another host", b, nodered, b.code2(person))
	twice := &browser{t, b.client, map[string][]*http.Cookie{grafana: append(b.marks(grafana), b.marks(grafana)...)}}
	bad("in a browser with two marks", twice, grafana, b.code2(person))
	bad("none", b, grafana, "")
	bad("a guess", b, grafana, strings.Repeat("A", 26))
	late := b.code2(person)
	dbtest.Exec(t, one.DB, `UPDATE gate_codes SET expires_at = now() - interval '1 second'`)
	bad("after a minute", b, grafana, late)
	again := b.code2(person)
	b.callback(grafana, again).Want(t, 303)
	bad("used", b, grafana, again)
	if n := dbtest.Count(t, one.DB, `SELECT count(*) FROM gate_codes WHERE encode(hash, 'escape') LIKE '%' || $1 || '%' OR expires_at < now()`, again); n > 0 {
		t.Error("codes lie in the database, or old ones stay")
	}

	// Of twenty that race with one code on two workers, one is let through.
	code := b.code2(person)
	var let atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		w := []worker{one, two}[i%2]
		wg.Go(func() {
			racer := &browser{t, w.nginx.Client(t), map[string][]*http.Cookie{grafana: b.marks(grafana)}}
			if racer.callback(grafana, code).Status == 303 {
				let.Add(1)
			}
		})
	}
	wg.Wait()
	if let.Load() != 1 {
		t.Errorf("%d were let through by one code", let.Load())
	}

	// A session that ended, and a host that is gone, take their codes along.
	ended := b.code2(person)
	person.Do("POST", "/auth/logout", nil).Want(t, 204)
	bad("of an ended session", b, grafana, ended)
}

func TestRequest_IsJudgedByTheServer(t *testing.T) {
	t.Parallel()
	w := start(t)
	root := admin(t, w)
	host := guard(t, w, grafana, object{"roles": []string{"admin"}})
	w.User(t, "ada@example.com", "member")
	ada, b := w.SignIn(t, "ada@example.com"), w.browser(t)
	request := b.request(grafana, deep)

	w.Client(t).Do("POST", "/auth/gate/requests/"+request, object{"approve": true}).WantProblem(t, 401, "unauthenticated")
	w.Operator(t).Do("POST", "/auth/gate/requests/"+request, object{"approve": true}).WantProblem(t, 401, "unauthenticated")
	var key struct{ Key string }
	root.Do("POST", "/auth/keys", object{"name": "k", "permissions": []string{"users:manage"}}).Want(t, 201).JSON(t, &key)
	approve(w.Client(t).As(key.Key), request).WantProblem(t, 403, "forbidden")
	approve(ada, request).WantProblem(t, 403, "forbidden")
	root.Do("POST", "/auth/gate/requests/"+request, object{"approve": false}).WantProblem(t, 422, "validation_failed")
	if n := dbtest.Count(t, w.DB, `SELECT count(*) FROM gate_codes`); n > 0 {
		t.Errorf("%d codes were given", n)
	}
	// A second answer to one request is a second code: the id is no secret, and opens nothing by itself.
	approve(root, request).Want(t, 200)
	approve(root, request).Want(t, 200)

	hour := time.Now().Add(time.Hour)
	good := w.gate.Request(host.ID, "b", "/", hour)
	approve(root, good).Want(t, 200)
	cut := raw(t, good)
	for name, id := range map[string]string{
		"old":         w.gate.Request(host.ID, "b", "/", time.Now().Add(-time.Second)),
		"of no host":  w.gate.Request(uuid.Must(uuid.NewV7()), "b", "/", hour),
		"no address":  w.gate.Request(host.ID, "b", "", hour),
		"cut short":   good[:len(good)-2],
		"longer":      good + "AA",
		"short":       "AAAA",
		"a few bytes": "A",
		"a cookie":    w.gate.Cookie(&host, uuid.Must(uuid.NewV7()), hour),
		"changed":     base64.RawURLEncoding.EncodeToString(append(cut[:40:40], append([]byte("/evil"), cut[40:]...)...)),
	} {
		w.Client(t).Do("GET", "/auth/gate/requests/"+id, nil).WantProblem(t, 404, "not_found")
		if a := approve(root, id); a.Status != 404 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	root.Do("DELETE", "/auth/gate/hosts/"+host.ID.String(), nil).Want(t, 204)
	approve(root, good).WantProblem(t, 404, "not_found")
}

func TestRequest_RoleThatGoesBeforeTheCallbackOpensNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	host := guard(t, w, grafana, object{"roles": []string{"member"}})
	w.User(t, "ada@example.com", "member")
	b := w.browser(t)
	code := b.code(w.SignIn(t, "ada@example.com"), grafana, "/")
	var changed gate.Host
	admin(t, w).Do("PATCH", "/auth/gate/hosts/"+host.ID.String(), object{"roles": []string{"admin"}}).Want(t, 200).JSON(t, &changed)
	b.callback(grafana, code)
	b.open(grafana, "/").Want(t, 403)
}

// What a worker remembers of a session may have ended a moment ago.
func TestRequest_OfASessionThatEndsMeanwhileGetsNoCode(t *testing.T) {
	t.Parallel()
	w := start(t)
	guard(t, w, grafana, nil)
	w.User(t, "ada@example.com", "member")
	ada, b := w.SignIn(t, "ada@example.com"), w.browser(t)
	request := b.request(grafana, deep)
	approve(ada, request).Want(t, 200)
	dbtest.Exec(t, w.DB, `DELETE FROM gate_codes`)
	dbtest.Exec(t, w.DB, `UPDATE users SET status = 'disabled' WHERE email = 'ada@example.com'`) // and no worker is told
	approve(ada, request).WantProblem(t, 401, "unauthenticated")
	if n := dbtest.Count(t, w.DB, `SELECT count(*) FROM gate_codes`); n > 0 {
		t.Errorf("%d codes were given", n)
	}
}
