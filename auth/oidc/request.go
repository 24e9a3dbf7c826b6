package oidc

import (
	"context"
	"errors"
	"strings"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ClientName is what people are told of a program.
type ClientName struct {
	ID   uuid.UUID `json:"client_id"`
	Name string    `json:"name"`
}

// Request is what the account page is told of a request.
type Request struct {
	// Action is "authorize", or "logout" where a program asks to sign out: then
	// scopes, consent and prompt mean nothing.
	Action string     `json:"action"`
	Client ClientName `json:"client"`
	Scopes []string   `json:"scopes"`
	// ConsentNeeded says that the person is to be asked; otherwise approve without.
	ConsentNeeded bool      `json:"consent_needed"`
	Prompt        string    `json:"prompt"` // "", "none", "login", "consent" or "login consent"
	ExpiresAt     time.Time `json:"expires_at"`
}

// Decision is the body of POST /auth/oidc/requests/{id}.
type Decision struct {
	Approve bool `json:"approve"`
}

// Next is where the page goes, and to nowhere else.
type Next struct {
	RedirectTo string `json:"redirect_to"`
}

func (p *Provider) requestRoutes() []httpx.Route {
	missing := httpx.Problems{httpx.ErrNotFound}
	return []httpx.Route{
		{Pattern: "GET /auth/oidc/requests/{id}", Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary: "What a program asks for, for the account page", Do: httpx.Answers(p.getRequest), Problems: missing},
		{Pattern: "POST /auth/oidc/requests/{id}", Access: httpx.Recognised(), Rate: httpx.RateWrite, Body: 4 << 10,
			Summary: "Let the program in, or not; says where the page goes next", Do: httpx.JSON(p.postRequest), Problems: missing.And(httpx.ErrReauthenticate)},
	}
}

// person is the caller, nil unless it is somebody with a session: neither a
// key nor the operator signs in to a program.
func person(c *httpx.Call) *httpx.Caller {
	if c.Caller == nil || c.Caller.SessionID == uuid.Nil {
		return nil
	}
	return c.Caller
}

// getRequest serves GET /auth/oidc/requests/{id}.
func (p *Provider) getRequest(c *httpx.Call) (Request, error) {
	q, err := p.request(c.Context(), c.ID)
	if err != nil {
		return Request{}, err
	}
	answer := Request{Action: "authorize", Client: ClientName{q.client.ID, q.client.Name}, Scopes: q.scopes, Prompt: q.prompt, ExpiresAt: q.expiresAt}
	if q.logout {
		answer.Action = "logout"
		return answer, nil
	}
	answer.ConsentNeeded, err = p.consentNeeded(c.Context(), &q, person(c))
	return answer, err
}

// consentNeeded reports whether the person is to be asked: where the client
// demands it, until one of the person's living grants covers the scopes.
func (p *Provider) consentNeeded(ctx context.Context, q *oauthRequest, who *httpx.Caller) (bool, error) {
	asked := strings.Contains(q.prompt, promptConsent)
	if asked || !q.client.Consent || who == nil {
		return asked || q.client.Consent, nil
	}
	given, err := db.One(ctx, p.cfg.DB, db.Value[bool], `
-- name: oidc.HasConsent
SELECT EXISTS (SELECT FROM oidc_grants g JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id
                WHERE s.user_id = $1 AND g.client_id = $2 AND g.scopes @> $3 AND `+livingGrant+`)`, who.UserID, q.client.ID, q.scopes)
	return !given, err
}

// postRequest serves POST /auth/oidc/requests/{id}. Where the request is at its
// end, the answer says where the page goes; where the person has to do
// something first, it is 401 or 403, and the request stays.
func (p *Provider) postRequest(c *httpx.Call, in Decision) (Next, error) {
	ctx := c.Context()
	q, err := p.request(ctx, c.ID)
	if err != nil {
		return Next{}, err
	}
	if q.logout {
		return Next{p.redirect(&q)}, spend(ctx, p.cfg.DB, q.id)
	}
	who := person(c)
	if who != nil && stale(&q, who.AuthenticatedAt) {
		who, err = c.Afresh() // another worker may have seen the password
		if err != nil && !errors.Is(err, httpx.ErrUnauthenticated) {
			return Next{}, err
		}
	}
	refusal, err := p.judge(ctx, &q, who, in.Approve)
	if err != nil {
		return Next{}, err
	}
	if refusal != "" {
		return Next{p.redirect(&q, "error", refusal)}, spend(ctx, p.cfg.DB, q.id)
	}
	code, err := p.grant(ctx, &q, who)
	return Next{p.redirect(&q, "code", code)}, err
}

// judge says with which error of OAuth the request ends, "" when it is granted,
// or which problem the person has to solve before.
func (p *Provider) judge(ctx context.Context, q *oauthRequest, who *httpx.Caller, approve bool) (refusal string, err error) {
	silent := q.prompt == promptNone
	if who == nil {
		if silent {
			return loginRequired, nil
		}
		return "", httpx.ErrUnauthenticated
	}
	if !approve {
		return accessDenied, nil
	}
	if q.hint != uuid.Nil && q.hint != who.UserID {
		return loginRequired, nil // the program asks for somebody else
	}
	if stale(q, who.AuthenticatedAt) {
		if silent {
			return loginRequired, nil
		}
		return "", httpx.ErrReauthenticate.With("The program asks you to confirm who you are: POST /api/v1/auth/reauthenticate.")
	}
	if !auth.Admits(q.client.Roles, who.Roles) {
		return accessDenied, nil
	}
	if silent {
		needed, err := p.consentNeeded(ctx, q, who)
		if err != nil || needed {
			return consentRequired, err
		}
	}
	return "", nil
}

// stale reports whether the person must confirm who they are: since the
// request, where it says login, or where the last time is older than it allows.
func stale(q *oauthRequest, authenticated time.Time) bool {
	if !authenticated.Before(q.createdAt) {
		return false
	}
	return strings.Contains(q.prompt, promptLogin) || q.maxAge != nil && time.Since(authenticated) > time.Duration(*q.maxAge)*time.Second
}

// grant uses the request up and gives the client a code. A session that ended
// meanwhile gives none.
func (p *Provider) grant(ctx context.Context, q *oauthRequest, who *httpx.Caller) (code string, err error) {
	code, hash := newSecret()
	return code, auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := spend(ctx, tx, q.id); err != nil {
			return event, err
		}
		id := uuid.Must(uuid.NewV7())
		err = db.Touch(ctx, tx, httpx.ErrUnauthenticated, `
-- name: oidc.InsertGrant
WITH oldest AS (DELETE FROM oidc_grants WHERE id IN (
    SELECT id FROM oidc_grants WHERE session_id = $2 AND client_id = $3 ORDER BY id DESC OFFSET $9))
INSERT INTO oidc_grants (id, session_id, client_id, scopes, redirect_uri, nonce, challenge, authenticated_at, code_hash)
SELECT $1, s.id, c.id, $4, $5, $6, $7, s.authenticated_at, $8
  FROM sessions s JOIN users u ON u.id = s.user_id CROSS JOIN oidc_clients c
 WHERE s.id = $2 AND c.id = $3 AND `+livingSession+`
   FOR KEY SHARE OF s, c`, id, who.SessionID, q.client.ID, q.scopes, q.redirectURI, q.nonce, q.challenge, hash, grantsMost-1)
		return audit.Event{Action: audit.GrantMade, Target: id, Details: map[string]string{
			"client": q.client.ID.String(), "scopes": strings.Join(q.scopes, " ")}}, err
	})
}
