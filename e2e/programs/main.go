// Command programs is a program of the house that signs people in with
// go-oidc, as most programs written in Go do. Its page asks for userinfo each
// time, so that who was signed out elsewhere is signed out here with the next
// request. Its settings are ISSUER, CLIENT_ID, CLIENT_SECRET, URL and LISTEN.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const cookie = "__Host-reader"

// attempt is a sign-in that has begun; a session has its token instead.
type attempt struct{ state, nonce, verifier string }

type program struct {
	provider *oidc.Provider
	config   oauth2.Config
	logout   string // the provider's end_session_endpoint

	mu       sync.Mutex
	attempts map[string]attempt       // by cookie
	tokens   map[string]*oauth2.Token // by cookie
}

func main() {
	ctx, site := context.Background(), os.Getenv("URL")
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	var more struct {
		Logout string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		log.Fatal(err)
	}
	p := &program{provider: provider, logout: more.Logout, attempts: map[string]attempt{}, tokens: map[string]*oauth2.Token{},
		config: oauth2.Config{ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), Endpoint: provider.Endpoint(),
			RedirectURL: site + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess}}}
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}": p.page, "GET /login": p.login, "GET /callback": p.callback, "POST /refresh": p.refresh, "GET /logout": p.leave, "GET /bye": bye,
	} {
		http.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := handle(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
			}
		})
	}
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}

// id is the cookie's value, "" without one.
func id(r *http.Request) string {
	if c, err := r.Cookie(cookie); err == nil {
		return c.Value
	}
	return ""
}

// token is what the browser's session has, nil without one.
func (p *program) token(r *http.Request) *oauth2.Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens[id(r)]
}

// set keeps a session's token; nil ends the session.
func (p *program) set(id string, t *oauth2.Token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delete(p.attempts, id); t == nil {
		delete(p.tokens, id)
	} else {
		p.tokens[id] = t
	}
}

// page tells who is signed in, by userinfo.
func (p *program) page(w http.ResponseWriter, r *http.Request) error {
	token := p.token(r)
	if token == nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return nil
	}
	info, err := p.provider.UserInfo(r.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("no longer signed in: %w", err)
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(claims)
}

func (p *program) login(w http.ResponseWriter, r *http.Request) error {
	key, a := oauth2.GenerateVerifier(), attempt{oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()}
	p.mu.Lock()
	p.attempts[key] = a
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: key, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, p.config.AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusSeeOther)
	return nil
}

func (p *program) callback(w http.ResponseWriter, r *http.Request) error {
	p.mu.Lock()
	a, there := p.attempts[id(r)]
	p.mu.Unlock()
	query := r.URL.Query()
	if !there || query.Get("state") != a.state {
		return errors.New("nobody began to sign in here")
	}
	if query.Get("iss") != os.Getenv("ISSUER") { // RFC 9207
		return errors.New("another issuer answers")
	}
	if refusal := query.Get("error"); refusal != "" {
		return errors.New(refusal)
	}
	token, err := p.config.Exchange(r.Context(), query.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := p.provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(r.Context(), raw)
	if err != nil {
		return err
	}
	if idToken.Nonce != a.nonce {
		return errors.New("the ID token is of another sign-in")
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
		return err
	}
	p.set(id(r), token)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// refresh behaves as if the access token had run out.
func (p *program) refresh(w http.ResponseWriter, r *http.Request) error {
	token := p.token(r)
	if token == nil {
		return errors.New("signed out")
	}
	token, err := p.config.TokenSource(r.Context(), &oauth2.Token{RefreshToken: token.RefreshToken, Expiry: time.Unix(1, 0)}).Token()
	if err == nil {
		p.set(id(r), token)
		_, err = fmt.Fprintln(w, "refreshed")
	}
	return err
}

// leave is RP-initiated logout: here, and then at the provider.
func (p *program) leave(w http.ResponseWriter, r *http.Request) error {
	token := p.token(r)
	if token == nil {
		return errors.New("signed out")
	}
	hint, _ := token.Extra("id_token").(string)
	p.set(id(r), nil)
	http.Redirect(w, r, p.logout+"?"+url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {os.Getenv("URL") + "/bye"}}.Encode(), http.StatusSeeOther)
	return nil
}

func bye(w http.ResponseWriter, _ *http.Request) error {
	_, err := fmt.Fprintln(w, "Goodbye.")
	return err
}
