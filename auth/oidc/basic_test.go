package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/oidc"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

// basicNames are the modules of the Basic plan of OpenID's conformance suite.
var basicNames = strings.Fields(`Server ResponseTypeMissing IdTokenSignature UserInfoGet UserInfoPostHeader UserInfoPostBody
	EnsureRequestWithoutNonceSucceeds ScopeProfile ScopeEmail ScopeAddress ScopePhone ScopeAll DisplayPage DisplayPopup PromptLogin
	PromptNoneNotLoggedIn PromptNoneLoggedIn MaxAge1 MaxAge10000 EnsureRequestWithUnknownParameterSucceeds IdTokenHint LoginHint UiLocales
	ClaimsLocales AcrValues CodeReuse CodeReuse30seconds EnsureRegisteredRedirectUri EnsurePostRequestSucceeds ServerClientSecretPost
	RequestUriUnsigned UnsignedRequestObject ClaimsEssential RefreshToken ValidPkce`)

// TestBasic has a test for each name of the Basic plan.
func TestBasic(t *testing.T) {
	t.Parallel()
	e := start(t)
	user := e.User(t, "ada@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET name = 'Ada Lovelace' WHERE id = $1`, user.ID)
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	stranger := e.Client(t)
	succeeds := func(more ...string) func(*testing.T, program) {
		return func(t *testing.T, p program) { p.verified(p.signIn(ada, more...).IDToken) }
	}
	scoped := func(scopes, want string) func(*testing.T, program) {
		return func(t *testing.T, p program) {
			tokens := p.signIn(ada, "scope", scopes)
			info := p.userInfo(tokens.AccessToken)
			if got := shown(info); got != want || got != shown(p.verified(tokens.IDToken).UserInfo) || info.Subject != user.ID {
				t.Errorf("userinfo %s, ID token %s, want %s", got, shown(p.verified(tokens.IDToken).UserInfo), want)
			}
		}
	}
	tests := map[string]func(*testing.T, program){
		"Server": func(t *testing.T, p program) {
			tokens := p.signIn(ada)
			claims := p.verified(tokens.IDToken)
			sum := sha256.Sum256([]byte(tokens.AccessToken))
			if claims.Subject != user.ID || claims.Nonce != "n-0S6" || claims.AuthTime == 0 || claims.Hash != base64.RawURLEncoding.EncodeToString(sum[:16]) || tokens.RefreshToken != "" || tokens.Scope != "openid" {
				t.Errorf("%+v %+v", tokens, claims)
			}
			var d oidc.Discovery
			stranger.Do("GET", "/auth/oidc/.well-known/openid-configuration", nil, httpxtest.WithHeader("Origin", "https://any.example")).Want(t, 200).JSON(t, &d)
			if d.Issuer != issuer || d.JWKSURI != issuer+"/jwks.json" || !slices.Contains(d.SigningAlgorithms, "RS256") || d.RequestParameter || d.ClaimsParameter || !d.IssuerInAnswer {
				t.Errorf("%+v", d)
			}
		},
		"ResponseTypeMissing": func(t *testing.T, p program) {
			if got := p.refused(p.ask("response_type", "-").Want(t, 303).Header.Get("Location")); got != "invalid_request" {
				t.Error(got)
			}
			if got := p.refused(p.ask("response_type", "token").Want(t, 303).Header.Get("Location")); got != "unsupported_response_type" {
				t.Error(got)
			}
		},
		"IdTokenSignature": func(t *testing.T, p program) {
			keys := p.keys().Keys
			p.verified(p.signIn(ada).IDToken)
			if len(keys) != 1 || keys[0].Type != "RSA" || keys[0].Use != "sig" || keys[0].Algorithm != "RS256" || len(decoded(t, keys[0].N)) != 256 {
				t.Errorf("%+v", keys)
			}
		},
		"UserInfoGet": func(t *testing.T, p program) {
			if info := p.userInfo(p.signIn(ada).AccessToken); info.Subject != user.ID || info.Email != "" {
				t.Errorf("%+v", info)
			}
		},
		"UserInfoPostHeader": func(t *testing.T, p program) {
			stranger.As(p.signIn(ada).AccessToken).Do("POST", "/auth/oidc/userinfo", nil).Want(t, 200)
		},
		"UserInfoPostBody": func(t *testing.T, p program) {
			token := p.signIn(ada).AccessToken
			stranger.Do("POST", "/auth/oidc/userinfo", "access_token="+token, form()).Want(t, 200)
			stranger.As(token).Do("POST", "/auth/oidc/userinfo", "access_token="+token, form()).WantProblem(t, 400, "token_twice")
			stranger.Do("GET", "/auth/oidc/userinfo?access_token="+token, nil).WantProblem(t, 401, "invalid_token")
		},
		"EnsureRequestWithoutNonceSucceeds": func(t *testing.T, p program) {
			if got := p.verified(p.signIn(ada, "nonce", "-").IDToken).Nonce; got != "" {
				t.Error(got)
			}
		},
		"ScopeProfile": scoped("openid profile", "Ada Lovelace ada@example.com   []"),
		"ScopeEmail":   scoped("openid email", "  ada@example.com true []"),
		"ScopeAddress": scoped("openid address", "    []"),
		"ScopePhone":   scoped("openid phone", "    []"),
		"ScopeAll":     scoped("openid profile email address phone groups", "Ada Lovelace ada@example.com ada@example.com true [member]"),
		"DisplayPage":  succeeds("display", "page"),
		"DisplayPopup": succeeds("display", "popup"),
		"EnsureRequestWithUnknownParameterSucceeds": succeeds("extra", "foobar"),
		"LoginHint":       succeeds("login_hint", "ada@example.com"),
		"UiLocales":       succeeds("ui_locales", "se"),
		"ClaimsLocales":   succeeds("claims_locales", "se"),
		"AcrValues":       succeeds("acr_values", "1 2"),
		"ClaimsEssential": succeeds("claims", `{"userinfo":{"name":{"essential":true}}}`),
		"PromptLogin": func(t *testing.T, p program) {
			before := p.verified(p.signIn(ada).IDToken).AuthTime
			request := p.requestOf(p.ask("prompt", "login"))
			p.decide(ada, request, true).WantProblem(t, 403, "reauthentication_required")
			dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = authenticated_at - interval '1 minute'`) // so that the second is another one
			ada.Do("POST", "/auth/reauthenticate", object{"password": "ten green bottles on a wall"}).Want(t, 204)
			code, _ := url.Parse(p.next(p.decide(ada, request, true)))
			if after := p.verified(p.tokens(p.redeem(code.Query().Get("code"))).IDToken).AuthTime; after < before {
				t.Errorf("auth_time went from %d to %d", before, after)
			}
		},
		"PromptNoneNotLoggedIn": func(t *testing.T, p program) {
			if got := p.refused(p.next(p.decide(stranger, p.requestOf(p.ask("prompt", "none")), true))); got != "login_required" {
				t.Error(got)
			}
			p.decide(stranger, p.requestOf(p.ask()), true).WantProblem(t, 401, "unauthenticated")
		},
		"PromptNoneLoggedIn": func(t *testing.T, p program) {
			first, second := p.verified(p.signIn(ada).IDToken), p.verified(p.signIn(ada, "prompt", "none").IDToken)
			if first.AuthTime != second.AuthTime || first.Subject != second.Subject {
				t.Errorf("%+v, then %+v", first, second)
			}
		},
		"MaxAge1": func(t *testing.T, p program) {
			late := grown(t, p, "1 hour")
			request := p.requestOf(p.ask("max_age", "1"))
			p.decide(late, request, true).WantProblem(t, 403, "reauthentication_required")
			if got := p.refused(p.next(p.decide(late, p.requestOf(p.ask("max_age", "1", "prompt", "none")), true))); got != "login_required" {
				t.Error(got)
			}
			again := grown(t, p, "2 seconds") // another worker, whose word of the password is still on its way
			at := p.requestOf(p.ask("max_age", "1"))
			p.decide(again, at, true).WantProblem(t, 403, "reauthentication_required")
			dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now()`)
			p.next(p.decide(again, at, true))
			dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '1 hour'`)
			late.Do("POST", "/auth/reauthenticate", object{"password": "ten green bottles on a wall"}).Want(t, 204)
			code, _ := url.Parse(p.next(p.decide(late, request, true)))
			if age := time.Now().Unix() - p.verified(p.tokens(p.redeem(code.Query().Get("code"))).IDToken).AuthTime; age > 60 {
				t.Errorf("auth_time is %d s old", age)
			}
		},
		"MaxAge10000": func(t *testing.T, p program) {
			at := p.verified(p.signIn(grown(t, p, "1 hour"), "max_age", "10000").IDToken).AuthTime
			if age := time.Now().Unix() - at; age < 3600 || age > 10000 {
				t.Errorf("auth_time is %d s old", age)
			}
		},
		"IdTokenHint": func(t *testing.T, p program) {
			hint := p.signIn(ada).IDToken
			p.signIn(ada, "prompt", "none", "id_token_hint", hint)
			e.User(t, "bob@example.com", "member")
			bob := e.SignIn(t, "bob@example.com")
			if got := p.refused(p.next(p.decide(bob, p.requestOf(p.ask("prompt", "none", "id_token_hint", hint)), true))); got != "login_required" {
				t.Error(got)
			}
			p.signIn(bob, "id_token_hint", hint[:len(hint)-4]+"AAAA") // no hint of ours says nothing
		},
		"CodeReuse": func(t *testing.T, p program) {
			code := p.code(ada)
			first := p.tokens(p.redeem(code))
			if got := oauthError(t, p.redeem(code), 400); got != "invalid_grant" {
				t.Error(got)
			}
			stranger.As(first.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
		},
		"CodeReuse30seconds": func(t *testing.T, p program) {
			code := p.code(ada, "scope", "openid offline_access")
			first := p.tokens(p.redeem(code))
			dbtest.Exec(t, e.DB, `UPDATE oidc_grants SET created_at = created_at - interval '30 seconds', redeemed_at = redeemed_at - interval '30 seconds'`)
			if got := oauthError(t, p.redeem(code), 400); got != "invalid_grant" {
				t.Error(got)
			}
			stranger.As(first.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
			if got := oauthError(t, p.exchange("grant_type", "refresh_token", "refresh_token", first.RefreshToken), 400); got != "invalid_grant" {
				t.Error(got)
			}
		},
		"EnsureRegisteredRedirectUri": func(t *testing.T, p program) {
			for _, uri := range []string{callback + "x", callback + "/", strings.ToUpper(callback), "https://evil.example/", "-", ""} {
				p.ask("redirect_uri", uri).WantProblem(t, 400, "redirect_uri_unknown")
			}
			p.http.Do("GET", "/auth/oidc/authorize?"+p.query().Encode()+"&redirect_uri=https://evil.example/", nil).WantProblem(t, 400, "redirect_uri_unknown")
			p.ask("client_id", "grafana").WantProblem(t, 400, "unknown_client")
			for registered, want := range map[string]string{"http://127.0.0.1:49152/cb": "http://127.0.0.1:49152/cb?code=", "app.immich:///oauth-callback": "app.immich:///oauth-callback?code="} {
				if to := p.next(p.decide(ada, p.requestOf(p.ask("redirect_uri", registered)), true)); !strings.HasPrefix(to, want) {
					t.Errorf("sent to %s", to)
				}
			}
		},
		"EnsurePostRequestSucceeds": func(t *testing.T, p program) {
			request := p.requestOf(stranger.Do("POST", "/auth/oidc/authorize", p.query().Encode(), form()))
			code, _ := url.Parse(p.next(p.decide(ada, request, true)))
			p.verified(p.tokens(p.redeem(code.Query().Get("code"))).IDToken)
		},
		"ServerClientSecretPost": func(t *testing.T, p program) {
			body := url.Values{"grant_type": {"authorization_code"}, "code": {p.code(ada)}, "redirect_uri": {callback}, "client_id": {p.id}, "client_secret": {p.secret}}
			p.verified(p.tokens(stranger.Do("POST", "/auth/oidc/token", body.Encode(), form())).IDToken)
		},
		"RequestUriUnsigned": func(t *testing.T, p program) {
			if got := p.refused(p.ask("request_uri", "https://grafana.example.com/r").Want(t, 303).Header.Get("Location")); got != "request_uri_not_supported" {
				t.Error(got)
			}
		},
		"UnsignedRequestObject": func(t *testing.T, p program) {
			if got := p.refused(p.ask("request", "eyJhbGciOiJub25lIn0.e30.").Want(t, 303).Header.Get("Location")); got != "request_not_supported" {
				t.Error(got)
			}
		},
		"RefreshToken": func(t *testing.T, p program) {
			first := p.signIn(ada, "scope", "openid offline_access email")
			second := p.tokens(p.exchange("grant_type", "refresh_token", "refresh_token", first.RefreshToken, "scope", "openid"))
			was, is := p.verified(first.IDToken), p.verified(second.IDToken)
			if second.RefreshToken == first.RefreshToken || is.Subject != was.Subject || is.AuthTime != was.AuthTime || is.Email != "ada@example.com" || is.Nonce != "" {
				t.Errorf("%+v, then %+v", was, is)
			}
			p.userInfo(second.AccessToken)
			if got := oauthError(t, p.exchange("grant_type", "refresh_token", "refresh_token", second.RefreshToken, "scope", "groups"), 400); got != "invalid_scope" {
				t.Error(got)
			}
		},
		"ValidPkce": func(t *testing.T, p program) {
			pkce := []string{"code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256"}
			p.verified(p.tokens(p.redeem(p.code(ada, pkce...), "code_verifier", verifier)).IDToken)
			for _, wrong := range []string{"", verifier + "x", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"} {
				code := p.code(ada, pkce...)
				if got := oauthError(t, p.redeem(code, "code_verifier", wrong), 400); got != "invalid_grant" {
					t.Error(got)
				}
				oauthError(t, p.redeem(code, "code_verifier", verifier), 400) // the wrong one has ended it
			}
			oauthError(t, p.redeem(p.code(ada), "code_verifier", verifier), 400) // a challenge that was taken out on the way
			for _, wrong := range [][]string{{"code_challenge", "x", "code_challenge_method", "S256"}, {"code_challenge", pkce[1]}, {"code_challenge", pkce[1], "code_challenge_method", "plain"},
				{"code_challenge_method", "S256"}} {
				if got := p.refused(p.ask(wrong...).Want(t, 303).Header.Get("Location")); got != "invalid_request" {
					t.Error(got)
				}
			}
		},
	}
	for _, name := range basicNames {
		if tests[name] == nil {
			t.Errorf("no test for %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := p
			p.t = t
			tests[name](t, p)
		})
	}
}

func shown(i oidc.UserInfo) string {
	verified := ""
	if i.EmailVerified != nil {
		verified = fmt.Sprint(*i.EmailVerified)
	}
	return fmt.Sprint(i.Name, " ", i.PreferredUsername, " ", i.Email, " ", verified, " ", i.Groups)
}

// grown is somebody who gave the password a while ago.
func grown(t *testing.T, p program, ago string) *httpxtest.Client {
	t.Helper()
	var g auth.Grant = p.e.Grant(t, "ada@example.com")
	dbtest.Exec(t, p.e.DB, `UPDATE sessions SET authenticated_at = now() - $2::interval WHERE id = $1`, g.Session.ID, ago)
	return p.e.Client(t).As(g.AccessToken)
}
