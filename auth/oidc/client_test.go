package oidc_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/auth/oidc"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestClient_IsMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	e := start(t)
	root := admin(t, e)
	made := root.Do("POST", "/auth/clients", object{"name": "Grafana", "redirect_uris": []string{callback}}).Want(t, 201)
	var c oidc.MadeClient
	made.JSON(t, &c)
	path := strings.TrimPrefix(made.Header.Get("Location"), httpx.Prefix)
	if path != "/auth/clients/"+c.ID.String() || len(c.Secret) != 43 || c.Public || c.Consent || len(c.Roles) > 0 {
		t.Errorf("%s %+v", path, c)
	}
	read := root.Do("GET", path, nil).Want(t, 200)
	if strings.Contains(string(read.Body), c.Secret) || strings.Contains(string(read.Body), "secret") {
		t.Errorf("the secret is shown again: %s", read.Body)
	}
	root.Do("PATCH", path, object{"name": "Graphs", "consent": true}, httpxtest.WithHeader("If-Match", `"r1"`)).Want(t, 200)
	root.Do("PATCH", path, object{"name": "Others"}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	var list struct{ Items []oidc.Client }
	root.Do("GET", "/auth/clients", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "Graphs" || !list.Items[0].Consent || list.Items[0].RedirectURIs[0] != callback {
		t.Errorf("%+v", list)
	}
	root.Do("GET", "/auth/clients?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")
	for pointer, body := range map[string]object{
		"#/name": {"name": " "}, "#/redirect_uris": {"redirect_uris": []string{}}, "#/roles/0": {"roles": []string{"nobody"}},
		"#/redirect_uris/1":             {"redirect_uris": []string{callback, "http://grafana.example.com/"}},
		"#/post_logout_redirect_uris/0": {"post_logout_redirect_uris": []string{"javascript:alert(1)"}},
	} {
		if p := root.Do("PATCH", path, body).WantProblem(t, 422, "validation_failed"); p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", pointer, p.Errors)
		}
	}
	var public oidc.MadeClient
	root.Do("POST", "/auth/clients", object{"name": "App", "redirect_uris": []string{"http://127.0.0.1/"}, "public": true}).Want(t, 201).JSON(t, &public)
	if public.Secret != "" || !public.Public {
		t.Errorf("%+v", public)
	}
	root.Do("POST", "/auth/clients/"+public.ID.String()+"/secret", nil).WantProblem(t, 409, "client_public")
	dbtest.Exec(t, e.DB, `INSERT INTO oidc_clients (id, name, redirect_uris, post_logout_redirect_uris, roles, consent) SELECT gen_random_uuid(), 'x', '{}', '{}', '{}', false FROM generate_series(1, 198)`)
	root.Do("POST", "/auth/clients", object{"name": "Grafana", "redirect_uris": []string{callback}}).WantProblem(t, 409, "too_many_clients")
	root.Do("DELETE", path, nil).Want(t, 204)
	root.Do("DELETE", path, nil).WantProblem(t, 404, "not_found")
	for _, action := range []string{"client.created", "client.updated", "client.deleted"} {
		if dbtest.Count(t, e.DB, `SELECT count(*) FROM audit_events WHERE action = $1`, action) == 0 {
			t.Errorf("%s is not recorded", action)
		}
	}
}

func TestClient_IsForThoseWhoManageUsersWithARecentPassword(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := register(t, e, nil)
	e.User(t, "ada@example.com", "member")
	late := admin(t, e)
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '1 hour'`)
	for _, r := range []struct{ method, path string }{
		{"GET", "/auth/clients"}, {"POST", "/auth/clients"}, {"GET", "/auth/clients/" + p.id}, {"PATCH", "/auth/clients/" + p.id},
		{"DELETE", "/auth/clients/" + p.id}, {"POST", "/auth/clients/" + p.id + "/secret"},
	} {
		e.Client(t).Do(r.method, r.path, nil).WantProblem(t, 401, "unauthenticated")
		e.SignIn(t, "ada@example.com").Do(r.method, r.path, nil).WantProblem(t, 403, "forbidden")
		if r.method != "GET" {
			late.Do(r.method, r.path, nil).WantProblem(t, 403, "reauthentication_required")
		}
	}
	e.Operator(t).Do("GET", "/auth/clients/"+p.id, nil).Want(t, 200)
	// The operator and a key sign in to no program: they are nobody's session.
	request := p.requestOf(p.ask())
	p.decide(e.Operator(t), request, true).WantProblem(t, 401, "unauthenticated")
	var key struct{ Key string }
	e.SignIn(t, "ada@example.com").Do("POST", "/auth/keys", object{"name": "k", "permissions": []string{"files:read"}}).Want(t, 201).JSON(t, &key)
	p.decide(e.Client(t).As(key.Key), request, true).WantProblem(t, 401, "unauthenticated")
}

func TestSecret_IsReplacedKeptHashedAndItsGuessingIsThrottled(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada, old := e.SignIn(t, "ada@example.com"), p
	var next oidc.Secret
	admin(t, e).Do("POST", "/auth/clients/"+p.id+"/secret", nil).Want(t, 200).JSON(t, &next)
	p.secret = next.Secret
	code := p.code(ada)
	if got := oauthError(t, old.redeem(code), 401); got != "invalid_client" {
		t.Error(got)
	}
	p.tokens(p.redeem(code))
	if n := dbtest.Count(t, e.DB, `SELECT count(*) FROM oidc_clients c WHERE c::text LIKE '%' || $1 || '%'`, next.Secret); n > 0 {
		t.Error("the secret lies in the database")
	}
	for _, of := range []program{{t, e, e.Client(t), p.id, "wrong"}, {t, e, e.Client(t), "nobody", "wrong"}} {
		dbtest.Exec(t, e.DB, `DELETE FROM guesses`)
		tries := 1
		for ; tries <= 30 && of.redeem("x").Status != 429; tries++ {
		}
		if tries < 5 || tries > 7 {
			t.Errorf("%s: 429 at try %d", of.id, tries)
		}
		of.redeem("x").WantProblem(t, 429, "rate_limited")
	}
	p.tokens(p.redeem(p.code(ada))) // nobody shuts a program out that has its secret
	dbtest.Within(t, "the record of a refusal", func() bool {
		return dbtest.Count(t, e.DB, `SELECT count(*) FROM audit_events WHERE action = 'client.refused' AND outcome = 'denied'`) > 0
	})
}

func TestToken_RefusesInOAuthsOwnWords(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *auth.Config) { c.GuessesUnlimited = true })
	p := register(t, e, nil)
	post := func(body string, options ...httpxtest.Option) *httpxtest.Answer {
		return p.http.Do("POST", "/auth/oidc/token", body, append([]httpxtest.Option{form()}, options...)...)
	}
	basic := func(text string) httpxtest.Option {
		return httpxtest.WithHeader("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(text)))
	}
	right := "client_id=" + p.id + "&client_secret=" + p.secret
	for _, r := range []struct {
		answer *httpxtest.Answer
		status int
		want   string
	}{
		{post(right), 400, "invalid_request"},
		{post(right + "&grant_type=password"), 400, "unsupported_grant_type"},
		{post(right + "&grant_type=authorization_code"), 400, "invalid_request"},
		{post(right + "&grant_type=authorization_code&code=x&code=y"), 400, "invalid_request"},
		{post(right + "&grant_type=refresh_token"), 400, "invalid_request"},
		{post(right + "&grant_type=%zz"), 400, "invalid_request"},
		{post(right+"&grant_type=authorization_code", httpxtest.WithHeader("Content-Type", "application/json")), 400, "invalid_request"},
		{post(right, basic(p.id+":"+p.secret)), 400, "invalid_request"},
		{post("client_id=other", basic(p.id+":"+p.secret)), 400, "invalid_request"},
		{post("client_id=" + p.id), 401, "invalid_client"},
		{post(""), 401, "invalid_client"},
		{post("", basic(p.id)), 401, "invalid_client"},
		{post("", basic(p.id+":%zz")), 401, "invalid_client"},
		{post("", httpxtest.WithHeader("Authorization", "Bearer x")), 401, "invalid_client"},
		{post("grant_type=refresh_token", basic(strings.ToUpper(p.id)+":"+p.secret)), 401, "invalid_client"},
	} {
		if got := oauthError(t, r.answer, r.status); got != r.want {
			t.Errorf("got %s, want %s", got, r.want)
		}
	}
	public := register(t, e, object{"public": true})
	e.User(t, "ada@example.com", "member")
	ada := e.SignIn(t, "ada@example.com")
	if got := public.refused(public.ask().Want(t, 303).Header.Get("Location")); got != "invalid_request" {
		t.Error(got)
	}
	code := public.code(ada, "code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256")
	body := "grant_type=authorization_code&code=" + code + "&redirect_uri=" + url.QueryEscape(callback) + "&client_id=" + public.id
	oauthError(t, post(body+"&client_secret=x&code_verifier="+verifier), 401)
	public.tokens(post(body + "&code_verifier=" + verifier))
}

func TestProvider_IsOffWithoutAnAccountPage(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		return oidc.New(oidc.Config{DB: e.DB, Audit: e.Audit, Keys: authtest.Keys, PublicURL: authtest.PublicURL, CountWrong: e.Auth.CountWrong}).Routes()
	})
	c := e.Client(t)
	for _, path := range []string{"/auth/oidc/authorize", "/auth/oidc/logout"} {
		c.Do("GET", path, nil).WantProblem(t, 409, "provider_off")
		c.Do("POST", path, "x=1", form()).WantProblem(t, 409, "provider_off")
	}
	c.Do("GET", "/auth/oidc/.well-known/openid-configuration", nil).WantProblem(t, 409, "provider_off")
}

func TestForm_ThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	c := e.Client(t)
	for _, path := range []string{"/auth/oidc/authorize", "/auth/oidc/logout", "/auth/oidc/userinfo"} {
		c.Do("POST", path, "a=%zz", form()).WantProblem(t, 400, "invalid_form")
		c.Do("POST", path, "{}", httpxtest.WithHeader("Content-Type", "application/json")).WantProblem(t, 415, "unsupported_media_type")
	}
	for _, path := range []string{"/auth/oidc/authorize", "/auth/oidc/logout", "/auth/oidc/userinfo", "/auth/oidc/jwks.json", "/auth/oidc/.well-known/openid-configuration"} {
		c.Do("GET", path+"?unknown=%ff", nil).WantProblem(t, 400, "invalid_parameter")
	}
	c.Do("POST", "/auth/oidc/userinfo", "a=b", form()).WantProblem(t, 401, "invalid_token")
	c.Do("POST", "/auth/oidc/authorize", "a=b", form()).WantProblem(t, 400, "unknown_client")
	c.Do("POST", "/auth/oidc/logout", "client_id=x&post_logout_redirect_uri=y", form()).WantProblem(t, 400, "unknown_client")
}

// Whatever is made of a registered address, the browser is sent to that host
// or nowhere. The comparison is the one that the routes ask.
func TestRedirect_AHundredThousandMutationsGiveNoForeignLocation(t *testing.T) {
	t.Parallel()
	uris := []string{callback, "http://127.0.0.1/cb", "http://[::1]:8080/cb?x=1", "https://a.example/", "app.immich:///oauth-callback"}
	hosts := map[string]bool{"grafana.example.com": true, "127.0.0.1": true, "::1": true, "a.example": true, "": true}
	pieces := []string{"evil.example", "@", ":", "/", "//", "\\", "#", "?", "%2f", "%40", ".", "..", "\t", "\n", "\x00", "é", "localhost", "127.0.0.1", "[::1]", "http:", "https:", "443", "99999999", "[", "]", " ", "&"}
	random := rand.New(rand.NewPCG(7, 7))
	taken := 0
	for range 100_000 {
		uri := uris[random.IntN(len(uris))]
		for range 1 + random.IntN(3) {
			at, piece := random.IntN(len(uri)+1), pieces[random.IntN(len(pieces))]
			switch end := min(len(uri), at+random.IntN(8)); random.IntN(3) {
			case 0:
				uri = uri[:at] + piece + uri[at:]
			case 1:
				uri = uri[:at] + piece + uri[end:]
			default:
				uri = uri[:at] + uri[end:]
			}
		}
		if !oidc.Registered(uris, uri) {
			continue
		}
		taken++
		if u, err := url.Parse(uri); err != nil || !hosts[u.Hostname()] || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q is taken for registered", uri)
		}
	}
	// A name that only begins like a loopback address is none.
	if oidc.Registered([]string{"http://127.0.0.1.example/", "http://127.0.0.1@a.example/"}, "http://127.0.0.1:80.example/") || oidc.Registered([]string{"http://127.0.0.1@a.example/"}, "http://127.0.0.1:80@a.example/") {
		t.Error("the port of a name is left out of account")
	}
	if taken == 0 {
		t.Error("no other port on loopback was among them")
	}
}

func TestRedirect_TheDoorAgreesWithTheComparison(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := register(t, e, nil)
	for _, uri := range []string{"https://grafana.example.com@evil.example/login?from=home", "https://evil.example/?" + callback, callback + "#", callback + "%00", " " + callback,
		"http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:123456/cb", "http://127.0.0.1.evil.example/cb", "http://localhost/cb", "HTTP://127.0.0.1/cb",
		"//grafana.example.com/login?from=home", `http://127.0.0.1\evil/cb`, "app.immich:///oauth-callback/", "http://127.0.0.1:80/cb/"} {
		a := p.http.Do("GET", "/auth/oidc/authorize?"+p.query("redirect_uri", uri, "response_type", "x").Encode(), nil)
		if a.Header.Get("Location") != "" || a.Status != 400 {
			t.Errorf("%q: %d, sent to %s", uri, a.Status, a.Header.Get("Location"))
		}
	}
	if to := p.ask("redirect_uri", "http://127.0.0.1:49152/cb", "response_type", "x").Want(t, 303).Header.Get("Location"); !strings.HasPrefix(to, "http://127.0.0.1:49152/cb?error=") {
		t.Errorf("sent to %s", to)
	}
	for uri, good := range map[string]bool{
		"https://a.example": true, "https://a.example:8006": true, "http://localhost:3000/x": true, "http://[::1]/": true, "app.immich:///oauth-callback": true,
		"http://a.example/": false, "https:///x": false, "https://a@a.example/": false, "https://a.example/#": false, "javascript:x": false, "data:text/html,x": false,
		"/x": false, "": false, "https://a.example/\u00e9": false, "https://a.example/ x": false, "https://a.example/" + strings.Repeat("x", 2000): false, "myapp://x": false,
	} {
		if why := oidc.URIFault(uri); (why == "") != good {
			t.Errorf("%q: %q", uri, why)
		}
	}
}

// What was asked before an address was taken from a client does not lead there
// any more, nor is a code that went there worth anything.
func TestRedirect_AddressThatWasTakenAwayGetsNothingMore(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	code := p.code(ada)
	bye := url.Values{"client_id": {p.id}, "post_logout_redirect_uri": {"https://grafana.example.com/bye"}}
	_, logout, _ := strings.Cut(p.http.Do("GET", "/auth/oidc/logout?"+bye.Encode(), nil).Want(t, 303).Header.Get("Location"), "request=")
	requests := []string{logout, p.requestOf(p.ask()), p.requestOf(p.ask("prompt", "none"))}
	admin(t, e).Do("PATCH", "/auth/clients/"+p.id, object{"redirect_uris": []string{callback + "2"}, "post_logout_redirect_uris": []string{}}).Want(t, 200)
	for _, id := range requests {
		ada.Do("GET", "/auth/oidc/requests/"+id, nil).WantProblem(t, 404, "not_found")
		p.decide(ada, id, true).WantProblem(t, 404, "not_found")
		p.decide(ada, id, false).WantProblem(t, 404, "not_found")
	}
	oauthError(t, p.redeem(code), 400)
}

func TestAuthorize_RefusesWhatContradictsItself(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := register(t, e, nil)
	for _, wrong := range [][]string{{"prompt", "none login"}, {"max_age", "-1"}, {"max_age", "soon"}, {"response_mode", "form_post"}, {"nonce", strings.Repeat("n", 2001)}} {
		to := p.ask(append(wrong, "state", "-")...).Want(t, 303).Header.Get("Location")
		if u, _ := url.Parse(to); u.Query().Get("error") != "invalid_request" {
			t.Errorf("%s: sent to %s", wrong, to)
		}
	}
	if got := p.refused(p.ask("registration", "{}").Want(t, 303).Header.Get("Location")); got != "registration_not_supported" {
		t.Error(got)
	}
	p.requestOf(p.ask("prompt", "create", "scope", "-", "max_age", "99999999999")) // unknown prompts and no scope are survived
	twice := p.http.Do("GET", "/auth/oidc/authorize?"+p.query().Encode()+"&nonce=2", nil).Want(t, 303).Header.Get("Location")
	if got := p.refused(twice); got != "invalid_request" {
		t.Error(got)
	}
	e.User(t, "ada@example.com", "member")
	tokens := p.signIn(e.SignIn(t, "ada@example.com"), "scope", "-")
	if tokens.IDToken != "" || tokens.Scope != "" {
		t.Errorf("%+v", tokens)
	}
	p.userInfo(tokens.AccessToken)
}

// FuzzBasic: whatever stands in Authorization and in the form, it is somebody's
// id and secret in two words, or a refusal of OAuth.
func FuzzBasic(f *testing.F) {
	for _, seed := range []string{"Basic YTpi", "Basic", "basic YTpi", "Basic YQ==", "Basic JTIwOiUyMA==", "Bearer x", "Basic \x00", "Basic " + strings.Repeat("A", 300)} {
		f.Add(seed, "client_id=a&client_secret=b")
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		r := &http.Request{Header: http.Header{"Authorization": {header}}}
		values, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		id, secret, err := oidc.Credentials(r, values)
		if err != nil && id+secret != "" {
			t.Fatal("credentials beside an error")
		}
		if refusal, ok := err.(*httpx.Problem); err != nil && (!ok || refusal.Instead == nil) {
			t.Fatal(err)
		}
		// What a client encodes as it should is read as it was.
		text := url.QueryEscape(header) + ":" + url.QueryEscape(body)
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(text)))
		if id, secret, err := oidc.Credentials(r, url.Values{}); err != nil || id != header || secret != body {
			t.Fatal(fmt.Sprint(id, secret, err))
		}
	})
}
