package oidc

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	requestLifetime = 10 * time.Minute
	stateLongest    = 2000 // bytes of state, and of nonce
	// maxAgeMost is a year in seconds: nobody's sign-in is that old.
	maxAgeMost = 365 * 24 * 60 * 60
)

// The prompts that mean something here.
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	// promptSelect is kept as promptConsent: who is asked sees the account, and
	// may take another.
	promptSelect = "select_account"
)

var knownPrompts = []string{promptNone, promptLogin, promptConsent, promptSelect}

// The scopes that mean something here; others are ignored.
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopeGroups  = "groups"
	scopeOffline = "offline_access"
)

var knownScopes = []string{scopeOpenID, scopeProfile, scopeEmail, scopeGroups, scopeOffline}

// What is wrong before client and redirect URI are known good: nobody is sent
// anywhere.
var (
	errUnknownClient = httpx.NewProblem(http.StatusBadRequest, "unknown_client", "This program is not known here").
				With("Its client_id is missing or wrong. Whoever runs this server lists the programs under /auth/clients.")
	errRedirect = httpx.NewProblem(http.StatusBadRequest, "redirect_uri_unknown", "This program may not send you there").
			With("redirect_uri is missing, or is none of the program's addresses, which must be equal in every character.")
)

// The errors of OAuth that are told to a client (RFC 6749, sections 4.1.2.1
// and 5.2; OpenID Connect Core, section 3.1.2.6).
const (
	invalidRequest  = "invalid_request"
	accessDenied    = "access_denied"
	loginRequired   = "login_required"
	consentRequired = "consent_required"
)

// oauthRequest is an authorization request whose client and redirect URI are
// known good, as its row keeps it until the account page has asked.
type oauthRequest struct {
	id          uuid.UUID
	client      Client
	logout      bool // it is one to sign out, of which redirectURI and state are all
	redirectURI string
	state       string
	scopes      []string
	prompt      string
	maxAge      *int64 // seconds
	hint        uuid.UUID
	nonce       string
	challenge   string // of PKCE, S256; "": none
	createdAt   time.Time
	expiresAt   time.Time
}

// redirect is where the browser goes with an answer to a request. Every answer
// to an authorization names its issuer (RFC 9207).
func (p *Provider) redirect(q *oauthRequest, answer ...string) string {
	values := url.Values{}
	for i := 0; i < len(answer); i += 2 {
		values.Set(answer[i], answer[i+1])
	}
	if q.state != "" {
		values.Set("state", q.state)
	}
	if !q.logout {
		values.Set("iss", p.issuer)
	} else if len(values) == 0 {
		return q.redirectURI
	}
	return withQuery(q.redirectURI, values)
}

func (p *Provider) authorizeRoutes() []httpx.Route {
	return p.sends("/auth/oidc/authorize", "Where a program sends a browser to sign in; goes on to the account page", []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "id_token_hint", "login_hint",
		"code_challenge", "code_challenge_method", "display", "ui_locales", "claims_locales", "acr_values", "claims", "request", "request_uri", "registration",
	}, p.authorize)
}

// both are a route by GET, with its form's members in the query, and by POST.
func both(path string, post httpx.Route) []httpx.Route {
	get := post
	get.Pattern, post.Pattern = "GET "+path, "POST "+path
	get.Query, get.Form, get.Body = post.Form, nil, 0
	post.Problems = post.Problems.And(httpx.ErrInvalidForm, httpx.ErrUnsupportedType)
	return []httpx.Route{get, post}
}

// sends are the routes of a path to which programs send browsers. handle says
// where the browser goes on to. No cookies are read: from another site none
// would come.
func (p *Provider) sends(path, summary string, form []string, handle func(ctx context.Context, values url.Values) (location string, err error)) []httpx.Route {
	return both(path, httpx.Route{Access: httpx.Public(), Rate: httpx.RateWrite, Lenient: true, Body: 16 << 10, Form: form, Summary: summary,
		Responses: []httpx.Response{{Status: http.StatusSeeOther, Headers: []string{"Location"}}},
		Problems:  httpx.Problems{errOff, errUnknownClient, errRedirect},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			if err := p.on(); err != nil {
				return err
			}
			values, err := r.URL.Query(), error(nil)
			if r.Method == http.MethodPost {
				values, err = httpx.ReadForm(r)
			}
			if err != nil {
				return err
			}
			location, err := handle(r.Context(), values)
			if err != nil {
				return err
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusSeeOther)
			return nil
		}})
}

// only is a parameter's value, "" for one that is missing. Twice is none.
func only(values url.Values, name string) string {
	if list := values[name]; len(list) == 1 {
		return list[0]
	}
	return ""
}

// authorize serves GET and POST /auth/oidc/authorize.
func (p *Provider) authorize(ctx context.Context, values url.Values) (location string, err error) {
	client, err := p.clientByText(ctx, only(values, "client_id"))
	if err != nil {
		return "", auth.NoRow(err, errUnknownClient)
	}
	q := oauthRequest{client: client, redirectURI: only(values, "redirect_uri"), state: only(values, "state")}
	if !registered(client.RedirectURIs, q.redirectURI) {
		return "", errRedirect
	}
	if code, why := p.read(ctx, &q, values); code != "" {
		p.cfg.Log.InfoContext(ctx, "an authorization request was refused", "client", client.ID, "error", code, "why", why, "request_id", httpx.RequestID(ctx))
		return p.redirect(&q, "error", code, "error_description", why), nil
	}
	err = p.keep(ctx, &q)
	return p.cfg.AccountURL + "#action=authorize&request=" + q.id.String(), err
}

// read takes the rest of the parameters, or says which error it is and why.
func (p *Provider) read(ctx context.Context, q *oauthRequest, values url.Values) (code, why string) {
	for name, list := range values {
		if len(list) > 1 && slices.Contains([]string{"response_type", "scope", "state", "nonce", "prompt", "max_age", "code_challenge", "code_challenge_method"}, name) {
			return invalidRequest, name + " is there twice."
		}
	}
	get := values.Get
	q.nonce, q.challenge = get("nonce"), get("code_challenge")
	switch {
	case len(q.state) > stateLongest || len(q.nonce) > stateLongest:
		q.state = ""
		return invalidRequest, "state or nonce is too long."
	case get("request") != "":
		return "request_not_supported", "Send the parameters themselves."
	case get("request_uri") != "":
		return "request_uri_not_supported", "Send the parameters themselves."
	case get("registration") != "":
		return "registration_not_supported", "Clients are made beforehand."
	case get("response_type") == "":
		return invalidRequest, "response_type is missing."
	case get("response_type") != "code":
		return "unsupported_response_type", "response_type must be code."
	case get("response_mode") != "" && get("response_mode") != "query":
		return invalidRequest, "response_mode must be query."
	case q.challenge == "" && q.client.Public:
		return invalidRequest, "A public client needs PKCE: code_challenge is missing."
	case q.challenge == "" && get("code_challenge_method") != "":
		return invalidRequest, "code_challenge is missing."
	case q.challenge != "" && get("code_challenge_method") != "S256":
		return invalidRequest, "code_challenge_method must be S256."
	case q.challenge != "" && !isChallenge(q.challenge):
		return invalidRequest, "code_challenge must be 43 characters of base64url."
	}
	for scope := range strings.FieldsSeq(get("scope")) {
		if slices.Contains(knownScopes, scope) && !slices.Contains(q.scopes, scope) {
			q.scopes = append(q.scopes, scope)
		}
	}
	prompts := strings.Fields(strings.ReplaceAll(get("prompt"), promptSelect, promptConsent))
	for _, prompt := range []string{promptNone, promptLogin, promptConsent} {
		if slices.Contains(prompts, prompt) {
			q.prompt = strings.TrimSpace(q.prompt + " " + prompt)
		}
	}
	if slices.Contains(prompts, promptNone) && len(prompts) > 1 {
		return invalidRequest, "prompt none stands alone."
	}
	if text := get("max_age"); text != "" {
		age, err := strconv.ParseInt(text, 10, 64)
		if err != nil || age < 0 {
			return invalidRequest, "max_age must be a number of seconds."
		}
		q.maxAge = new(min(age, maxAgeMost))
	}
	if hint, err := p.signing.verified(ctx, get("id_token_hint")); err == nil { // another one says nothing
		q.hint = hint.Subject
	}
	return "", ""
}

// isChallenge reports whether text may be a SHA-256 in base64url.
func isChallenge(text string) bool {
	sum, err := base64url.DecodeString(text)
	return err == nil && len(sum) == 32
}

// keep writes a request down. Anyone may send one, so their number is fixed:
// a new one takes the slot of the oldest.
func (p *Provider) keep(ctx context.Context, q *oauthRequest) error {
	q.id = uuid.New()
	return db.Touch(ctx, p.cfg.DB, errUnknownClient, `
-- name: oidc.InsertRequest
INSERT INTO oidc_requests (id, client_id, logout, redirect_uri, state, scopes, prompt, max_age, hint, nonce, challenge, expires_at)
SELECT $1, c.id, $3, $4, $5, $6, $7, $8, nullif($9, $12::uuid), $10, $11, now() + $13::interval
  FROM oidc_clients c WHERE c.id = $2 FOR KEY SHARE
    ON CONFLICT (slot) DO UPDATE
   SET id = excluded.id, client_id = excluded.client_id, logout = excluded.logout, redirect_uri = excluded.redirect_uri, state = excluded.state,
       scopes = excluded.scopes, prompt = excluded.prompt, max_age = excluded.max_age, hint = excluded.hint, nonce = excluded.nonce,
       challenge = excluded.challenge, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		q.id, q.client.ID, q.logout, q.redirectURI, q.state, orEmpty(q.scopes), q.prompt, q.maxAge, q.hint, q.nonce, q.challenge, uuid.Nil, requestLifetime)
}

var scanRequest = db.RowOf(func(q *oauthRequest) []any {
	return []any{&q.id, &q.logout, &q.redirectURI, &q.state, &q.scopes, &q.prompt, &q.maxAge, &q.hint,
		&q.nonce, &q.challenge, &q.createdAt, &q.expiresAt, &q.client.ID}
})

// request is a request that was kept; db.ErrNotFound, also where its address was
// taken from the client since.
func (p *Provider) request(ctx context.Context, id uuid.UUID) (oauthRequest, error) {
	q, err := db.One(ctx, p.cfg.DB, scanRequest, `
-- name: oidc.Request
SELECT id, logout, redirect_uri, state, scopes, prompt, max_age, hint, nonce, challenge, created_at, expires_at, client_id
  FROM oidc_requests WHERE id = $1 AND expires_at > now()`, id)
	if err == nil {
		q.client, err = p.client(ctx, q.client.ID)
	}
	uris := q.client.RedirectURIs
	if q.logout {
		uris = q.client.PostLogoutRedirectURIs
	}
	if err == nil && !registered(uris, q.redirectURI) {
		err = db.ErrNotFound
	}
	return q, err
}

// spend uses a request up; of two who try at once the second finds
// httpx.ErrNotFound.
func spend(ctx context.Context, q db.Querier, id uuid.UUID) error {
	return db.Touch(ctx, q, httpx.ErrNotFound, `
-- name: oidc.SpendRequest
DELETE FROM oidc_requests WHERE id = $1 AND expires_at > now()`, id)
}
