package oidc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/auth/oidc"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

const (
	page     = "https://home.example.com/account.html"
	callback = "https://grafana.example.com/login?from=home"
	issuer   = authtest.PublicURL + "/api/v1/auth/oidc"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

type object = map[string]any

// made are the providers by their workers.
var made sync.Map

// provider is a worker's, made before its listener runs.
func provider(e *authtest.Env) *oidc.Provider {
	p, _ := made.Load(e)
	return p.(*oidc.Provider)
}

func newProvider(e *authtest.Env, keys func(purpose string) [][]byte) *oidc.Provider {
	return oidc.New(oidc.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), Keys: keys,
		PublicURL: authtest.PublicURL, AccountURL: page, CountWrong: e.Auth.CountWrong})
}

func start(t testing.TB, configure ...func(*auth.Config)) *authtest.Env {
	t.Helper()
	return authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		e.Check = func(a *httpxtest.Answer) []string { return astray(e.DB, a) }
		made.Store(e, newProvider(e, authtest.Keys))
		return provider(e).Routes()
	}, configure...)
}

var loopbackPort = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\])):[0-9]{1,5}`)

// astray says where an answer sends a browser that is neither the account page
// nor an address that some client has registered: by itself, or through the page.
func astray(d *db.DB, a *httpxtest.Answer) []string {
	next := oidc.Next{RedirectTo: a.Header.Get("Location")}
	switch {
	case a.Status == 200 && bytes.Contains(a.Body, []byte(`"redirect_to"`)):
		if err := json.Unmarshal(a.Body, &next); err != nil {
			return []string{err.Error()}
		}
	case a.Status < 300 || a.Status >= 400 || a.Status == 304:
		return nil
	}
	if strings.HasPrefix(next.RedirectTo, page+"#action=") {
		return nil
	}
	uris, err := db.All(context.Background(), d, db.Value[string], `SELECT unnest(redirect_uris || post_logout_redirect_uris) FROM oidc_clients`)
	if err != nil {
		return []string{err.Error()}
	}
	for _, uri := range uris {
		rest, found := strings.CutPrefix(loopbackPort.ReplaceAllString(next.RedirectTo, "$1"), loopbackPort.ReplaceAllString(uri, "$1"))
		if found && (rest == "" || rest[0] == '?' || rest[0] == '&' && strings.Contains(uri, "?")) {
			return nil
		}
	}
	return []string{"sends a browser to " + next.RedirectTo}
}

// program is a client as it is configured somewhere else.
type program struct {
	t      testing.TB
	e      *authtest.Env
	http   *httpxtest.Client
	id     string
	secret string
}

// register makes a client as an admin does.
func register(t testing.TB, e *authtest.Env, fields object) program {
	t.Helper()
	body := object{"name": "Grafana", "redirect_uris": []string{callback, "http://127.0.0.1/cb", "app.immich:///oauth-callback"},
		"post_logout_redirect_uris": []string{"https://grafana.example.com/bye"}}
	maps.Copy(body, fields)
	var made oidc.MadeClient
	admin(t, e).Do("POST", "/auth/clients", body).Want(t, 201).JSON(t, &made)
	return program{t, e, e.Client(t), made.ID.String(), made.Secret}
}

func admin(t testing.TB, e *authtest.Env) *httpxtest.Client {
	t.Helper()
	var there bool
	there, err := db.One(t.Context(), e.DB, db.Value[bool], `SELECT EXISTS (SELECT FROM users WHERE email = 'root@example.com')`)
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		e.User(t, "root@example.com", "admin")
	}
	return e.SignIn(t, "root@example.com")
}

// ask sends a browser to the authorize route, with what every client sends
// unless more says otherwise; "-" leaves a parameter out.
func (p program) ask(more ...string) *httpxtest.Answer {
	return p.http.Do("GET", "/auth/oidc/authorize?"+p.query(more...).Encode(), nil)
}

func (p program) query(more ...string) url.Values {
	values := url.Values{"client_id": {p.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s&=1"}, "nonce": {"n-0S6"}}
	for i := 0; i < len(more); i += 2 {
		if values.Set(more[i], more[i+1]); more[i+1] == "-" {
			values.Del(more[i])
		}
	}
	return values
}

// requestOf is the id of the request that the browser brings to the account
// page; the fragment says nothing else.
func (p program) requestOf(a *httpxtest.Answer) string {
	p.t.Helper()
	to := a.Want(p.t, 303).Header.Get("Location")
	id, ok := strings.CutPrefix(to, page+"#action=authorize&request=")
	if !ok {
		p.t.Fatalf("sent to %s", to)
	}
	return id
}

// refused is the error that the browser brings back to the client.
func (p program) refused(to string) string {
	p.t.Helper()
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, callback+"&") {
		p.t.Fatalf("sent to %s", to)
	}
	if q := u.Query(); q.Get("iss") != issuer || q.Get("state") != "s&=1" || q.Get("code") != "" {
		p.t.Fatalf("sent to %s", to)
	}
	return u.Query().Get("error")
}

// decide is what the account page does for a person.
func (p program) decide(person *httpxtest.Client, request string, approve bool) *httpxtest.Answer {
	return person.Do("POST", "/auth/oidc/requests/"+request, object{"approve": approve})
}

func (p program) next(a *httpxtest.Answer) string {
	p.t.Helper()
	var next oidc.Next
	a.Want(p.t, 200).JSON(p.t, &next)
	return next.RedirectTo
}

// code lets the person in and is what the client gets.
func (p program) code(person *httpxtest.Client, more ...string) string {
	p.t.Helper()
	to := p.next(p.decide(person, p.requestOf(p.ask(more...)), true))
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("code") == "" || u.Query().Get("iss") != issuer {
		p.t.Fatalf("sent to %s", to)
	}
	return u.Query().Get("code")
}

func form() httpxtest.Option {
	return httpxtest.WithHeader("Content-Type", "application/x-www-form-urlencoded")
}

// exchange asks for tokens by client_secret_basic.
func (p program) exchange(values ...string) *httpxtest.Answer {
	body := url.Values{}
	for i := 0; i < len(values); i += 2 {
		body.Set(values[i], values[i+1])
	}
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(p.id) + ":" + url.QueryEscape(p.secret)))
	return p.http.Do("POST", "/auth/oidc/token", body.Encode(), form(), httpxtest.WithHeader("Authorization", "Basic "+basic))
}

func (p program) redeem(code string, more ...string) *httpxtest.Answer {
	return p.exchange(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback}, more...)...)
}

func (p program) tokens(a *httpxtest.Answer) oidc.Tokens {
	p.t.Helper()
	var tokens oidc.Tokens
	a.Want(p.t, 200).JSON(p.t, &tokens)
	if a.Header.Get("Cache-Control") != "no-store" || tokens.TokenType != "Bearer" {
		p.t.Errorf("%v %+v", a.Header, tokens)
	}
	return tokens
}

// signIn is all of it, up to the tokens.
func (p program) signIn(person *httpxtest.Client, more ...string) oidc.Tokens {
	p.t.Helper()
	return p.tokens(p.redeem(p.code(person, more...)))
}

// oauthError is the error of RFC 6749, section 5.2.
func oauthError(t testing.TB, a *httpxtest.Answer, status int) string {
	t.Helper()
	var refusal oidc.Refusal
	a.Want(t, status).JSON(t, &refusal)
	return refusal.Error
}

func (p program) userInfo(token string) oidc.UserInfo {
	p.t.Helper()
	var info oidc.UserInfo
	p.http.As(token).Do("GET", "/auth/oidc/userinfo", nil).Want(p.t, 200).JSON(p.t, &info)
	return info
}

func (p program) keys() oidc.KeySet {
	p.t.Helper()
	var set oidc.KeySet
	p.http.Do("GET", "/auth/oidc/jwks.json", nil).Want(p.t, 200).JSON(p.t, &set)
	return set
}

// verified are the claims of an ID token, by the published keys alone.
func (p program) verified(token string) (claims struct {
	oidc.UserInfo
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	AuthTime int64  `json:"auth_time"`
	Nonce    string `json:"nonce"`
	Hash     string `json:"at_hash"`
}) {
	p.t.Helper()
	parts := strings.Split(token, ".")
	var header struct{ Alg, Kid string }
	if len(parts) != 3 || json.Unmarshal(decoded(p.t, parts[0]), &header) != nil || header.Alg != "RS256" {
		p.t.Fatalf("no ID token: %s", token)
	}
	keys := p.keys().Keys
	at := slices.IndexFunc(keys, func(k oidc.PublicKey) bool { return k.ID == header.Kid })
	if at < 0 {
		p.t.Fatalf("the key %s is not published", header.Kid)
	}
	key := rsa.PublicKey{N: new(big.Int).SetBytes(decoded(p.t, keys[at].N)), E: 65537}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&key, crypto.SHA256, digest[:], decoded(p.t, parts[2])); err != nil || keys[at].E != "AQAB" {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(decoded(p.t, parts[1]), &claims); err != nil {
		p.t.Fatal(err)
	}
	if now := time.Now().Unix(); claims.Issuer != issuer || claims.Audience != p.id || claims.IssuedAt > now+1 || claims.Expires <= now {
		p.t.Fatalf("claims %+v", claims)
	}
	return claims
}

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// job is one of the room's.
func job(t testing.TB, p *oidc.Provider, name string) db.Job {
	t.Helper()
	jobs := p.Jobs()
	return jobs[slices.IndexFunc(jobs, func(j db.Job) bool { return j.Name == name })]
}
