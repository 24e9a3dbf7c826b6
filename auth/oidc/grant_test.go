package oidc_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth/oidc"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// over asks another worker whether all that a program holds has ended.
func over(p program, at *httpxtest.Server, t testing.TB, tokens oidc.Tokens) bool {
	other := p
	other.http = at.Client(t)
	userinfo := other.http.As(tokens.AccessToken).Do("GET", "/auth/oidc/userinfo", nil)
	refresh := other.exchange("grant_type", "refresh_token", "refresh_token", tokens.RefreshToken)
	if userinfo.Status == 401 && refresh.Status == 400 {
		return true
	}
	t.Errorf("userinfo %d, refresh %d", userinfo.Status, refresh.Status)
	return false
}

// Nothing of a grant is in a worker's memory, so it holds with the very next
// request, also at a worker that hears of nothing.
func TestGrant_EndsWithItsSessionOnEveryWorker(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.Worker(t)
	p := register(t, one, nil)
	root := admin(t, one)
	for name, end := range map[string]func(user string, ada *httpxtest.Client){
		"disabled": func(user string, _ *httpxtest.Client) {
			root.Do("PATCH", "/auth/users/"+user, object{"status": "disabled"}).Want(t, 200)
		},
		"signed out": func(_ string, ada *httpxtest.Client) { ada.Do("POST", "/auth/logout", nil).Want(t, 204) },
		"deleted":    func(user string, _ *httpxtest.Client) { root.Do("DELETE", "/auth/users/"+user, nil).Want(t, 204) },
		"withdrawn": func(_ string, ada *httpxtest.Client) {
			var list struct{ Items []oidc.Grant }
			ada.Do("GET", "/auth/grants", nil).Want(t, 200).JSON(t, &list)
			if len(list.Items) != 1 || list.Items[0].Client.Name != "Grafana" {
				t.Fatalf("%+v", list)
			}
			root.Do("DELETE", "/auth/grants/"+list.Items[0].ID.String(), nil).WantProblem(t, 404, "not_found")
			ada.Do("DELETE", "/auth/grants/"+list.Items[0].ID.String(), nil).Want(t, 204)
		},
	} {
		email := strings.ReplaceAll(name, " ", "") + "@example.com"
		user := one.User(t, email, "member")
		ada := one.SignIn(t, email)
		tokens := p.signIn(ada, "scope", "openid offline_access")
		elsewhere := p
		elsewhere.http = two.Client(t)
		elsewhere.userInfo(tokens.AccessToken)
		code := p.code(ada)
		end(user.ID.String(), ada)
		if !over(p, two.Server, t, tokens) {
			t.Error(name)
		}
		if name != "withdrawn" {
			oauthError(t, elsewhere.redeem(code), 400)
		}
	}
	if n := dbtest.Count(t, one.DB, `SELECT count(*) FROM oidc_grants g WHERE NOT EXISTS (SELECT FROM sessions WHERE id = g.session_id)`); n > 0 {
		t.Errorf("%d grants are left of nobody", n)
	}
}

// A statement that waits for a row has seen the session before the wait.
func TestGrant_EndsAlsoForWhoWaitedMeanwhile(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	tokens, code := p.signIn(ada, "scope", "openid offline_access"), p.code(ada)
	answers := make(chan *httpxtest.Answer, 2)
	err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := db.Exec(t.Context(), tx, `SELECT FROM oidc_grants FOR UPDATE`); err != nil {
			return err
		}
		go func() { answers <- p.exchange("grant_type", "refresh_token", "refresh_token", tokens.RefreshToken) }()
		go func() { answers <- p.redeem(code) }()
		dbtest.Within(t, "both wait", func() bool {
			return dbtest.Count(t, e.DB, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted`) == 2
		})
		ada.Do("POST", "/auth/logout", nil).Want(t, 204)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := oauthError(t, <-answers, 400); got != "invalid_grant" {
			t.Error(got)
		}
	}
}

func TestGrant_LostRoleEndsItAndGivesNone(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.Worker(t)
	root := admin(t, one)
	root.Do("POST", "/auth/roles", object{"name": "grafana", "permissions": []string{}}).Want(t, 201)
	p := register(t, one, object{"roles": []string{"grafana"}})
	user := one.User(t, "ada@example.com", "member")
	ada := one.SignIn(t, "ada@example.com")
	if got := p.refused(p.next(p.decide(ada, p.requestOf(p.ask()), true))); got != "access_denied" {
		t.Error(got)
	}
	roles := func(names ...string) {
		root.Do("PATCH", "/auth/users/"+user.ID.String(), object{"roles": names}).Want(t, 200)
	}
	roles("member", "grafana")
	tokens := p.signIn(ada, "scope", "openid offline_access groups")
	if info := p.userInfo(tokens.AccessToken); strings.Join(info.Groups, " ") != "grafana member" {
		t.Errorf("%+v", info)
	}
	roles("member")
	over(p, two.Server, t, tokens)
}

func TestRefresh_LastOneIsGoodOnceAndOlderOnesEndTheGrant(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	use := func(token string) *httpxtest.Answer {
		return p.exchange("grant_type", "refresh_token", "refresh_token", token)
	}
	first := p.signIn(ada, "scope", "openid offline_access").RefreshToken
	second := p.tokens(use(first)).RefreshToken
	if again := p.tokens(use(first)).RefreshToken; again != second { // its answer was lost
		t.Error("the last one gave a third")
	}
	third := p.tokens(use(second)).RefreshToken
	if again := p.tokens(use(second)).RefreshToken; again != third {
		t.Error("the last one gave a fourth")
	}
	last := p.tokens(use(third))
	oauthError(t, use(first), 400)
	oauthError(t, use(last.RefreshToken), 400)
	e.Client(t).As(last.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")

	first = p.signIn(ada, "scope", "openid offline_access").RefreshToken
	second = p.tokens(use(first)).RefreshToken
	p.tokens(use(first))
	dbtest.Exec(t, e.DB, `UPDATE oidc_grants SET last_used_at = now() - interval '31 seconds'`)
	oauthError(t, use(first), 400) // once more is once too often
	oauthError(t, use(second), 400)
	if n := dbtest.Count(t, e.DB, `SELECT count(*) FROM audit_events WHERE action = 'grant.reuse'`); n != 2 {
		t.Errorf("recorded %d times", n)
	}
	other := register(t, e, nil)
	mine := p.signIn(ada, "scope", "openid offline_access").RefreshToken
	if got := oauthError(t, other.exchange("grant_type", "refresh_token", "refresh_token", mine), 400); got != "invalid_grant" {
		t.Error(got)
	}
	p.tokens(use(mine))
}

// A page of several parts asks a program for all of them at once, and programs
// without a lock, such as mod_auth_openidc, refresh for each.
func TestRefresh_ManyAtOnceWithOneTokenStaySignedIn(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	p := register(t, one, nil)
	first := p.signIn(one.SignIn(t, "ada@example.com"), "scope", "openid offline_access").RefreshToken
	answers := make([]*httpxtest.Answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		at := p
		if i%2 > 0 {
			at.http = two.Client(t)
		}
		wg.Go(func() { answers[i] = at.exchange("grant_type", "refresh_token", "refresh_token", first) })
	}
	wg.Wait()
	second := p.tokens(answers[0]).RefreshToken
	for _, a := range answers {
		if got := p.tokens(a).RefreshToken; got != second {
			t.Error("another refresh token was given")
		}
	}
	p.tokens(p.exchange("grant_type", "refresh_token", "refresh_token", second))
	oauthError(t, p.exchange("grant_type", "refresh_token", "refresh_token", first), 400) // it is older now
}

func TestCode_WorksOnceOfManyAtOnceAndForItsClientWithinAMinute(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	p, other := register(t, one, nil), register(t, one, nil)
	ada := one.SignIn(t, "ada@example.com")
	code := p.code(ada)
	oauthError(t, other.redeem(code), 400)
	p.tokens(p.redeem(code)) // another client's try has not ended it
	oauthError(t, p.exchange("grant_type", "authorization_code", "code", p.code(ada), "redirect_uri", "http://127.0.0.1/cb"), 400)

	code = p.code(ada)
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for i := range 8 {
		at := p
		if i%2 > 0 {
			at.http = two.Client(t)
		}
		wg.Go(func() {
			a := at.redeem(code)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.Status]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[400] != 7 {
		t.Errorf("%v", statuses)
	}
	code = p.code(ada)
	dbtest.Exec(t, one.DB, `UPDATE oidc_grants SET created_at = created_at - interval '61 seconds' WHERE redeemed_at IS NULL`)
	oauthError(t, p.redeem(code), 400)

	request := p.requestOf(p.ask())
	p.next(p.decide(ada, request, true))
	p.decide(ada, request, true).WantProblem(t, 404, "not_found")
	ada.Do("GET", "/auth/oidc/requests/"+request, nil).WantProblem(t, 404, "not_found")
}

func TestToken_OfTheProviderIsNoneOfThePlatformAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	g := e.Grant(t, "ada@example.com")
	ada := e.Client(t).As(g.AccessToken)
	tokens := p.signIn(ada, "scope", "openid offline_access")
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.IDToken, strings.TrimPrefix(tokens.AccessToken, "hbo_")} {
		e.Client(t).As(token).Do("GET", "/auth/me", nil).WantProblem(t, 401, "unauthenticated")
		e.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": token}).Want(t, 401)
	}
	swapped := "hbo_" + strings.TrimPrefix(tokens.RefreshToken, "hbor_")
	for _, token := range []string{g.AccessToken, g.RefreshToken, tokens.RefreshToken, tokens.IDToken, swapped, tokens.AccessToken + "A", "", "hbo_"} {
		e.Client(t).As(token).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
	}
	for _, token := range []string{g.RefreshToken, tokens.AccessToken, "hbor_" + strings.TrimPrefix(tokens.AccessToken, "hbo_"), ""} {
		oauthError(t, p.exchange("grant_type", "refresh_token", "refresh_token", token), 400)
	}
	id, err := db.One(t.Context(), e.DB, db.Value[uuid.UUID], `SELECT id FROM oidc_grants`)
	if err != nil {
		t.Fatal(err)
	}
	for in, status := range map[time.Duration]int{-time.Minute: 401, 0: 401, 30 * time.Minute: 200, 3 * time.Hour: 401} {
		if got := e.Client(t).As(provider(e).AccessToken(id, time.Now().Add(in))).Do("GET", "/auth/oidc/userinfo", nil).Status; got != status {
			t.Errorf("a token that ends in %v: %d", in, got)
		}
	}
	dbtest.Exec(t, e.DB, `UPDATE oidc_grants SET redeemed_at = NULL`) // a code that was not used has bought nothing
	e.Client(t).As(tokens.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
}

func TestConsent_IsAskedOnceUntilItIsWithdrawn(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, object{"consent": true, "name": "Immich"})
	ada := e.SignIn(t, "ada@example.com")
	needed := func(who *httpxtest.Client, more ...string) bool {
		t.Helper()
		var q oidc.Request
		who.Do("GET", "/auth/oidc/requests/"+p.requestOf(p.ask(more...)), nil).Want(t, 200).JSON(t, &q)
		if q.Action != "authorize" || q.Client.Name != "Immich" || strings.Join(q.Scopes, " ") != "openid" {
			t.Errorf("%+v", q)
		}
		return q.ConsentNeeded
	}
	silently := func() string {
		to := p.next(p.decide(ada, p.requestOf(p.ask("prompt", "none")), true))
		if strings.Contains(to, "code=") {
			return ""
		}
		return p.refused(to)
	}
	if !needed(ada) || !needed(e.Client(t)) || silently() != "consent_required" {
		t.Error("nobody is asked")
	}
	if got := p.refused(p.next(p.decide(ada, p.requestOf(p.ask()), false))); got != "access_denied" {
		t.Error(got)
	}
	p.signIn(ada)
	other := e.SignIn(t, "ada@example.com") // on another device of the same person
	if needed(ada) || needed(other) || !needed(e.Client(t)) || !needed(ada, "prompt", "consent") || silently() != "" {
		t.Error("it is not remembered")
	}
	var list struct{ Items []oidc.Grant }
	other.Do("GET", "/auth/grants", nil).Want(t, 200).JSON(t, &list)
	other.Do("DELETE", "/auth/grants/"+list.Items[0].ID.String(), nil).Want(t, 204)
	if !needed(ada) || silently() != "consent_required" {
		t.Error("it is remembered after its end")
	}
	trusted := register(t, e, object{"name": "Immich"})
	p = trusted
	if needed(ada) || silently() != "" {
		t.Error("a trusted program asks")
	}
	if !needed(ada, "prompt", "select_account") {
		t.Error("nobody is asked with which account")
	}
}

func TestLogout_AsksOnTheAccountPageAndGoesToRegisteredAddressesAlone(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	tokens := p.signIn(ada)
	if to := p.http.Do("GET", "/auth/oidc/logout", nil).Want(t, 303).Header.Get("Location"); to != page+"#action=logout" {
		t.Errorf("sent to %s", to)
	}
	bye := "https://grafana.example.com/bye"
	for _, how := range []url.Values{
		{"client_id": {p.id}, "post_logout_redirect_uri": {bye}, "state": {"x y"}},
		{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {bye}, "state": {"x y"}},
	} {
		to := p.http.Do("POST", "/auth/oidc/logout", how.Encode(), form()).Want(t, 303).Header.Get("Location")
		id, ok := strings.CutPrefix(to, page+"#action=logout&request=")
		var q oidc.Request
		p.http.Do("GET", "/auth/oidc/requests/"+id, nil).Want(t, 200).JSON(t, &q)
		if !ok || q.Action != "logout" || q.Client.Name != "Grafana" {
			t.Errorf("%s %+v", to, q)
		}
		p.userInfo(tokens.AccessToken) // nothing has ended yet
		if next := p.next(p.decide(p.http, id, true)); next != bye+"?state=x+y" {
			t.Errorf("sent to %s", next)
		}
	}
	get := func(values url.Values) *httpxtest.Answer {
		return p.http.Do("GET", "/auth/oidc/logout?"+values.Encode(), nil)
	}
	get(url.Values{"client_id": {p.id}, "post_logout_redirect_uri": {callback}}).WantProblem(t, 400, "redirect_uri_unknown")
	get(url.Values{"post_logout_redirect_uri": {bye}}).WantProblem(t, 400, "unknown_client")
	ada.Do("POST", "/auth/logout", nil).Want(t, 204)
	p.http.As(tokens.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
}

func TestSweep_LeavesWhatIsStillGood(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada, gone := e.SignIn(t, "ada@example.com"), e.SignIn(t, "ada@example.com")
	sweep := job(t, provider(e), "oidc.sweep")
	kept := p.signIn(ada)
	p.signIn(gone)
	waiting := p.requestOf(p.ask())
	p.requestOf(p.ask())
	dbtest.Exec(t, e.DB, `UPDATE oidc_requests SET expires_at = now() WHERE id <> $1`, waiting)
	p.code(ada)
	dbtest.Exec(t, e.DB, `UPDATE oidc_grants SET created_at = now() - interval '2 minutes' WHERE redeemed_at IS NULL`)
	gone.Do("POST", "/auth/logout", nil).Want(t, 204)
	if err := sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, g := dbtest.Count(t, e.DB, `SELECT count(*) FROM oidc_requests`), dbtest.Count(t, e.DB, `SELECT count(*) FROM oidc_grants`); r != 1 || g != 1 {
		t.Errorf("%d requests and %d grants are left", r, g)
	}
	p.userInfo(kept.AccessToken)
	for range 25 {
		p.signIn(ada)
	}
	if g := dbtest.Count(t, e.DB, `SELECT count(*) FROM oidc_grants`); g != 20 {
		t.Errorf("%d grants of one session and client", g)
	}
}
