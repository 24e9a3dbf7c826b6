package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const tokenBody = 16 << 10

// tokenForm are the members of the token route's form.
var tokenForm = []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"}

// Tokens answers POST /auth/oidc/token (RFC 6749, section 5.1).
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"` // "Bearer"
	ExpiresIn    int64  `json:"expires_in"` // seconds
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// Refusal is the error of RFC 6749, section 5.2.
type Refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refuse answers a client in OAuth's own form.
func refuse(status int, code, why string) *httpx.Problem {
	p := &httpx.Problem{Status: status, Code: code, Title: why, Instead: Refusal{code, why}}
	if status == http.StatusUnauthorized {
		p.Header = map[string]string{"WWW-Authenticate": `Basic realm="homebase"`}
	}
	return p
}

var (
	errInvalidGrant = refuse(http.StatusBadRequest, "invalid_grant", "The code or refresh token is wrong, used, too old, another client's, or its session has ended.")
	// errInvalidClient says the same of all that may be wrong with a secret.
	errInvalidClient = refuse(http.StatusUnauthorized, "invalid_client", "The client is unknown, or its secret is wrong or missing.")
)

func (p *Provider) tokenRoutes() []httpx.Route {
	return []httpx.Route{{Pattern: "POST /auth/oidc/token", Access: httpx.Public(), Rate: httpx.RateWrite, Lenient: true, AnyOrigin: true,
		Summary: "Exchange a code or a refresh token for tokens", Body: tokenBody,
		Form:      tokenForm,
		Responses: []httpx.Response{{Status: http.StatusOK, Body: Tokens{}}},
		Refusals: []httpx.Response{{Status: http.StatusBadRequest, Body: Refusal{}},
			{Status: http.StatusUnauthorized, Body: Refusal{}, Headers: []string{"WWW-Authenticate"}}},
		Handler: p.postToken}}
}

// postToken serves POST /auth/oidc/token.
func (p *Provider) postToken(w http.ResponseWriter, r *http.Request) error {
	form, err := httpx.ReadForm(r)
	if problem, ok := errors.AsType[*httpx.Problem](err); ok && (errors.Is(problem, httpx.ErrInvalidForm) || errors.Is(problem, httpx.ErrUnsupportedType)) {
		return refuse(http.StatusBadRequest, invalidRequest, problem.Detail).Because(err)
	}
	if err != nil {
		return err
	}
	for name, values := range form {
		if len(values) > 1 && slices.Contains(tokenForm, name) {
			return refuse(http.StatusBadRequest, invalidRequest, name+" is there twice.")
		}
	}
	client, err := p.authenticated(r, form)
	if err != nil {
		return err
	}
	needed := map[string]string{"": "grant_type", "authorization_code": "code", "refresh_token": "refresh_token"}
	if name := needed[form.Get("grant_type")]; name != "" && form.Get(name) == "" {
		return refuse(http.StatusBadRequest, invalidRequest, name+" is missing.")
	}
	var tokens Tokens
	switch form.Get("grant_type") {
	case "authorization_code":
		tokens, err = p.redeem(r.Context(), client, form)
	case "refresh_token":
		tokens, err = p.refresh(r.Context(), client, form)
	default:
		err = refuse(http.StatusBadRequest, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")
	}
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, tokens)
}

// credentials are what a request says of its client: by client_secret_basic,
// of which both parts are form-encoded (RFC 6749, section 2.3.1), by
// client_secret_post, or the bare id of a public client.
func credentials(r *http.Request, form url.Values) (id, secret string, err error) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return id, secret, nil
	}
	twice := refuse(http.StatusBadRequest, invalidRequest, "Give the secret once: in Authorization or in the body.")
	if len(headers) > 1 || secret != "" {
		return "", "", twice
	}
	name, value, basic := r.BasicAuth()
	name, nameErr := url.QueryUnescape(name)
	value, valueErr := url.QueryUnescape(value)
	if !basic || nameErr != nil || valueErr != nil {
		return "", "", errInvalidClient
	}
	if id != "" && id != name {
		return "", "", twice
	}
	return name, value, nil
}

// authenticated is the client that a request has proved to come from. A wrong
// secret is counted; while that has to wait, a wrong one is 429.
func (p *Provider) authenticated(r *http.Request, form url.Values) (Client, error) {
	id, secret, err := credentials(r, form)
	if err != nil {
		return Client{}, err
	}
	client, err := p.clientByText(r.Context(), id)
	known, account := err == nil, ""
	switch {
	case known && (client.Public && secret == "" || client.hasSecret(secret)):
		return client, nil
	case known:
		account = client.ID.String()
	case !errors.Is(err, db.ErrNotFound):
		return Client{}, err
	}
	if err := p.cfg.CountWrong(r, "client", account); err != nil {
		return Client{}, err
	}
	if known {
		p.cfg.Audit.Note(r.Context(), audit.Event{Action: audit.ClientRefused, Target: client.ID, Outcome: audit.Denied})
	}
	return Client{}, errInvalidClient
}

// exchange gives a client the tokens of a grant, which use notes as used. What
// use does for a refusal, such as ending the grant, stays done.
func (p *Provider) exchange(ctx context.Context, client Client, id uuid.UUID, use func(tx pgx.Tx, g *grant) (refused, err error)) (tokens Tokens, err error) {
	var refused error
	err = p.cfg.DB.InTx(ctx, func(tx pgx.Tx) error {
		g, err := lockByID(ctx, tx, id)
		if errors.Is(err, db.ErrNotFound) || err == nil && g.client != client.ID {
			return errInvalidGrant
		}
		if err != nil {
			return err
		}
		if refused, err = use(tx, &g); err == nil && refused == nil {
			tokens, err = p.issue(ctx, g)
		}
		return err
	})
	if err == nil {
		err = refused
	}
	return tokens, err
}

// redeem changes a code for tokens. Whatever does not fit the code ends it, and
// a second use what the first one bought: somebody has seen it who should not.
func (p *Provider) redeem(ctx context.Context, client Client, form url.Values) (Tokens, error) {
	id, err := db.One(ctx, p.cfg.DB, db.Value[uuid.UUID], `
-- name: oidc.GrantOfCode
SELECT id FROM oidc_grants WHERE code_hash = $1`, auth.Digest(form.Get("code")))
	if err != nil {
		return Tokens{}, auth.NoRow(err, errInvalidGrant)
	}
	return p.exchange(ctx, client, id, func(tx pgx.Tx, g *grant) (refused, err error) {
		switch {
		case g.redeemed:
			return errInvalidGrant.Because(errors.New("the code was used before")), p.reused(ctx, tx, *g)
		case g.redirectURI != form.Get("redirect_uri"), !registered(client.RedirectURIs, g.redirectURI), !proves(form.Get("code_verifier"), g.challenge):
			return errInvalidGrant.Because(errors.New("another redirect URI or verifier")), endGrant(ctx, tx, g.id)
		}
		err = db.Exec(ctx, tx, `
-- name: oidc.Redeem
UPDATE oidc_grants SET redeemed_at = now(), last_used_at = now() WHERE id = $1`, g.id)
		return nil, err
	})
}

// reused ends a grant of which a code or a refresh token came twice.
func (p *Provider) reused(ctx context.Context, tx pgx.Tx, g grant) error {
	if err := endGrant(ctx, tx, g.id); err != nil {
		return err
	}
	return p.cfg.Audit.Record(ctx, tx, audit.Event{Action: audit.GrantReuse, Target: g.id, Outcome: audit.Denied,
		Actor: audit.Actor{User: g.user, Session: g.session}, Details: map[string]string{"client": g.client.String()}})
}

// proves reports whether a verifier is the one whose SHA-256 was sent with the
// request (RFC 7636, section 4.6). Without a challenge there is none.
func proves(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	return subtle.ConstantTimeCompare([]byte(base64url.EncodeToString(auth.Digest(verifier))), []byte(challenge)) == 1
}

// refresh changes a refresh token for new tokens. The token before the last is
// excused once, for the answer may have been lost, and in the first half minute
// each time, for a program may ask for several pages at once; what is older
// ends the grant.
func (p *Provider) refresh(ctx context.Context, client Client, form url.Values) (Tokens, error) {
	id, number, ok := p.openToken(refreshPrefix, refreshPurpose, form.Get("refresh_token"))
	if !ok {
		return Tokens{}, errInvalidGrant
	}
	return p.exchange(ctx, client, id, func(tx pgx.Tx, g *grant) (refused, err error) {
		for scope := range strings.FieldsSeq(form.Get("scope")) {
			if !slices.Contains(g.scopes, scope) {
				return refuse(http.StatusBadRequest, "invalid_scope", "A refresh gives no more than was granted."), nil
			}
		}
		switch {
		case number == g.refreshed:
			g.refreshed, g.lastUsed = g.refreshed+1, false
		case number == g.refreshed-1 && (g.fresh || !g.lastUsed):
			g.lastUsed = true
		default:
			return errInvalidGrant.Because(errors.New("the refresh token was replaced before")), p.reused(ctx, tx, *g)
		}
		g.nonce = "" // only the ID token of the code repeats it
		err = db.Exec(ctx, tx, `
-- name: oidc.Refresh
UPDATE oidc_grants SET refreshed = $2, last_excused = $3, last_used_at = CASE WHEN refreshed = $2 THEN last_used_at ELSE now() END
 WHERE id = $1`, g.id, g.refreshed, g.lastUsed)
		return nil, err
	})
}

// issue makes the tokens of a grant.
func (p *Provider) issue(ctx context.Context, g grant) (t Tokens, err error) {
	now := time.Now()
	t = Tokens{TokenType: "Bearer", ExpiresIn: int64(accessLifetime / time.Second), Scope: strings.Join(g.scopes, " "),
		AccessToken: p.token(accessPrefix, accessPurpose, g.id, now.Add(accessLifetime).Unix())}
	if slices.Contains(g.scopes, scopeOffline) {
		t.RefreshToken = p.token(refreshPrefix, refreshPurpose, g.id, g.refreshed)
	}
	if slices.Contains(g.scopes, scopeOpenID) {
		t.IDToken, err = p.signing.sign(ctx, IDToken{
			UserInfo: g.claims(), Issuer: p.issuer, Audience: g.client.String(), IssuedAt: now.Unix(), Expires: now.Add(accessLifetime).Unix(),
			AuthTime: g.authenticated.Unix(), Nonce: g.nonce, AccessTokenHash: base64url.EncodeToString(auth.Digest(t.AccessToken)[:16]),
		})
	}
	return t, err
}
