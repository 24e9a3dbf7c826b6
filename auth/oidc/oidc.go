// Package oidc is the OpenID provider: people sign in to the other programs of
// the house with their account here (OpenID Connect Core 1.0, the code flow of
// OAuth 2.0, RFC 6749, with PKCE, RFC 7636).
//
// What it promises:
//
//   - A browser is sent to no address except a registered one, byte for byte,
//     and the account page. What is wrong before client and redirect URI are
//     known good is a problem document.
//   - A grant lives in the session in which it was given. When that ends, the
//     user is disabled or the role is lost, userinfo and refresh fail with the
//     next request on every worker: each asks the database, and nothing of a
//     grant is kept in memory.
//   - A code works once, for 60 seconds, for its client, redirect URI and
//     verifier; a second use ends what it bought. A refresh token that comes back
//     after it was replaced ends its grant, except the last one: in the first
//     half minute, for programs ask twice at once, and once later, for an
//     answer can be lost.
//   - Nothing that opens a door is stored: secrets and codes are kept as SHA-256,
//     tokens are signed values, the keys that sign ID tokens are sealed.
//   - A token of the provider is none of the platform's, and the other way
//     round: each has keys and a form of its own.
//
// The authorize and logout routes read no cookies: those are SameSite=Strict,
// and do not come along from another site. They keep the request and send the
// browser to the account page, which signs the person in, asks, and goes on to
// what the server answers there. README.md names the test of each promise.
package oidc

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

// Config is what the room needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Log   *slog.Logger
	// Keys gives the derived keys of a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// PublicURL is the server's address as clients see it.
	PublicURL string
	// AccountURL is the page that signs people in and asks them, with
	// "#action=authorize&request=…" behind it. "": the provider is off.
	AccountURL string
	// CountWrong counts a wrong client secret: auth's.
	CountWrong func(r *http.Request, kind, account string) error
}

// Provider is the room. Make one with New. Safe for concurrent use.
type Provider struct {
	cfg     Config
	issuer  string
	signing *signing
}

// New makes the room; it reads no key and asks no database.
func New(c Config) *Provider {
	return &Provider{cfg: c, issuer: strings.TrimSuffix(c.PublicURL, "/") + httpx.Prefix + "/auth/oidc", signing: newSigning(c.DB, c.Keys)}
}

var errOff = httpx.NewProblem(http.StatusConflict, "provider_off", "Other programs cannot sign in here").
	With("Whoever runs this server has not named the account page: HOMEBASE_ACCOUNT_URL.")

// on refuses where there is no account page to ask on.
func (p *Provider) on() error {
	if p.cfg.AccountURL == "" {
		return errOff
	}
	return nil
}

// Routes are the room's part of the table.
func (p *Provider) Routes() []httpx.Route {
	return slices.Concat(p.discoveryRoutes(), p.authorizeRoutes(), p.requestRoutes(), p.tokenRoutes(), p.userInfoRoutes(),
		p.logoutRoutes(), p.clientRoutes(), p.grantRoutes())
}

// Jobs are the room's housekeeping.
func (p *Provider) Jobs() []db.Job {
	return []db.Job{
		{Name: "oidc.sweep", Every: time.Hour, Run: p.sweep},
		{Name: "oidc.keys", Every: time.Hour, Run: p.signing.tend},
	}
}

// Restored puts away what must not come back with a backup: what people
// allowed then may have been withdrawn since. With lost, the secret that sealed
// the keys is not here, and new ones are made.
func (p *Provider) Restored(ctx context.Context, tx pgx.Tx, lost bool) error {
	return db.Exec(ctx, tx, `
-- name: oidc.ForgetOfBackup
WITH requests AS (DELETE FROM oidc_requests), grants AS (DELETE FROM oidc_grants)
DELETE FROM oidc_keys WHERE $1`, lost)
}

// Discovery is OpenID Connect Discovery 1.0, section 3.
type Discovery struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	Scopes                []string `json:"scopes_supported"`
	Claims                []string `json:"claims_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	IssuerInAnswer        bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
}

func (p *Provider) discoveryRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/oidc/.well-known/openid-configuration", Access: httpx.Public(), Rate: httpx.RateRead, AnyOrigin: true, Lenient: true,
			Summary: "Where an OpenID client finds everything", Do: httpx.Answers(p.getDiscovery), Problems: httpx.Problems{errOff}},
		{Pattern: "GET /auth/oidc/jwks.json", Access: httpx.Public(), Rate: httpx.RateRead, AnyOrigin: true, Lenient: true,
			Summary: "The keys that ID tokens are verified with", Do: httpx.Answers(p.getKeys)},
	}
}

// getDiscovery serves GET /auth/oidc/.well-known/openid-configuration.
func (p *Provider) getDiscovery(*httpx.Call) (Discovery, error) {
	return Discovery{
		Issuer: p.issuer, AuthorizationEndpoint: p.issuer + "/authorize", TokenEndpoint: p.issuer + "/token",
		UserinfoEndpoint: p.issuer + "/userinfo", EndSessionEndpoint: p.issuer + "/logout", JWKSURI: p.issuer + "/jwks.json",
		Scopes:        knownScopes,
		Claims:        []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username", "email", "email_verified", "groups"},
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		SubjectTypes: []string{"public"}, SigningAlgorithms: []string{"RS256"},
		TokenAuthMethods: []string{"client_secret_basic", "client_secret_post", "none"}, ChallengeMethods: []string{"S256"},
		Prompts: knownPrompts, IssuerInAnswer: true,
	}, p.on()
}

// getKeys serves GET /auth/oidc/jwks.json.
func (p *Provider) getKeys(c *httpx.Call) (KeySet, error) {
	keys, err := p.signing.published(c.Context())
	set := KeySet{Keys: make([]PublicKey, len(keys))}
	for i, k := range keys {
		set.Keys[i] = publicKeyOf(&k.private.PublicKey)
	}
	return set, err
}
