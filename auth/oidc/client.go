package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const clientsMost = 200

// Client is a program that people sign in to with their account here.
type Client struct {
	ID                     uuid.UUID `json:"client_id"`
	Name                   string    `json:"name"`
	RedirectURIs           []string  `json:"redirect_uris"`
	PostLogoutRedirectURIs []string  `json:"post_logout_redirect_uris"`
	Public                 bool      `json:"public"`  // it runs where it can keep no secret
	Roles                  []string  `json:"roles"`   // who may sign in to it; empty: everybody
	Consent                bool      `json:"consent"` // people are asked before it is let in
	Revision               int64     `json:"revision"`
	CreatedAt              time.Time `json:"created_at"`
	UpdatedAt              time.Time `json:"updated_at"`

	secretHash []byte // nil: public
}

// ETag is for httpx.
func (c Client) ETag() string { return httpx.RevisionTag(c.Revision) }

func (c Client) key() uuid.UUID { return c.ID }

const clientColumns = `c.id, c.name, c.secret_hash, c.redirect_uris, c.post_logout_redirect_uris, c.roles, c.consent, c.revision, c.created_at, c.updated_at`

func scanClient(row pgx.Row) (c Client, err error) {
	err = row.Scan(&c.ID, &c.Name, &c.secretHash, &c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.Roles, &c.Consent, &c.Revision, &c.CreatedAt, &c.UpdatedAt)
	c.Public = c.secretHash == nil
	return c, err
}

// MadeClient answers POST /auth/clients, the one time that the secret is shown.
type MadeClient struct {
	Client
	Secret string `json:"client_secret,omitempty"` // a public client has none
}

// Secret answers POST /auth/clients/{client_id}/secret.
type Secret struct {
	Secret string `json:"client_secret"`
}

// NewClient is the body of POST /auth/clients.
type NewClient struct {
	Name                   string   `json:"name"`
	RedirectURIs           []string `json:"redirect_uris" most:"20"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty" most:"20"`
	Public                 bool     `json:"public,omitempty"`
	Roles                  []string `json:"roles,omitempty" most:"100"`
	Consent                bool     `json:"consent,omitempty"`
}

// ClientPatch is the body of PATCH /auth/clients/{client_id}, a merge patch.
type ClientPatch struct {
	Name                   httpx.Optional[string]   `json:"name"`
	RedirectURIs           httpx.Optional[[]string] `json:"redirect_uris" most:"20"`
	PostLogoutRedirectURIs httpx.Optional[[]string] `json:"post_logout_redirect_uris" most:"20"`
	Roles                  httpx.Optional[[]string] `json:"roles" most:"100"`
	Consent                httpx.Optional[bool]     `json:"consent"`
}

var (
	errTooManyClients = httpx.NewProblem(409, "too_many_clients", "There are too many clients").
				With(fmt.Sprintf("There can be %d; delete one that is no longer used.", clientsMost))
	errClientPublic = httpx.NewProblem(409, "client_public", "A public client has no secret").
			With("It could not keep one. Make another client if the program runs on a server.")
)

func (p *Provider) clientRoutes() []httpx.Route {
	manages := httpx.Needs(auth.UsersManage).OrOperator()
	missing := httpx.Problems{httpx.ErrNotFound}
	return []httpx.Route{
		{Pattern: "GET /auth/clients", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "The programs that sign in here, the oldest first", Do: httpx.Pages(p.listClients, Client.key)},
		{Pattern: "POST /auth/clients", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Let a program sign people in", Do: httpx.JSON(p.postClient).Creates(), Problems: httpx.Problems{errTooManyClients}},
		{Pattern: "GET /auth/clients/{client_id}", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "A program that signs in here", Do: httpx.Answers(p.getClient).Behind(clientID), Problems: missing},
		{Pattern: "PATCH /auth/clients/{client_id}", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change a program's addresses, or who may sign in to it", Do: httpx.JSON(p.patchClient).Behind(clientID), Problems: missing.And(httpx.ErrPreconditionFailed)},
		{Pattern: "DELETE /auth/clients/{client_id}", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Shut a program out, with all that people have allowed it", Do: httpx.Acts(p.deleteClient).Behind(clientID), Problems: missing},
		{Pattern: "POST /auth/clients/{client_id}/secret", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Give a program a new secret; the old one ends", Do: httpx.Answers(p.postSecret).Behind(clientID), Problems: missing.And(errClientPublic)},
	}
}

// clientID reads the wildcard {client_id} as the call's ID.
func clientID(c *httpx.Call) (err error) {
	c.ID, err = httpx.PathID(c.Request, "client_id")
	return err
}

// listClients serves GET /auth/clients.
func (p *Provider) listClients(c *httpx.Call, k httpx.Keyset[uuid.UUID]) ([]Client, error) {
	return db.All(c.Context(), p.cfg.DB, scanClient, `
-- name: oidc.Clients
SELECT `+clientColumns+` FROM oidc_clients c WHERE c.id > $1 ORDER BY c.id LIMIT $2`, k.After(uuid.Nil), k.Limit)
}

// getClient serves GET /auth/clients/{client_id}.
func (p *Provider) getClient(c *httpx.Call) (Client, error) { return p.client(c.Context(), c.ID) }

// client is a client by its id; db.ErrNotFound.
func (p *Provider) client(ctx context.Context, id uuid.UUID) (Client, error) {
	return db.One(ctx, p.cfg.DB, scanClient, `
-- name: oidc.Client
SELECT `+clientColumns+` FROM oidc_clients c WHERE c.id = $1`, id)
}

// clientByText is client for an id as programs send it.
func (p *Provider) clientByText(ctx context.Context, text string) (Client, error) {
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return Client{}, db.ErrNotFound
	}
	return p.client(ctx, id)
}

// check refuses what a client cannot be.
func (c Client) check(ctx context.Context, q db.Querier) error {
	var f httpx.Fields
	if len(c.RedirectURIs) == 0 {
		f.Add("#/redirect_uris", "required", "Name at least one address to which people return.")
	}
	checkURIs(&f, "#/redirect_uris", c.RedirectURIs)
	checkURIs(&f, "#/post_logout_redirect_uris", c.PostLogoutRedirectURIs)
	return errors.Join(auth.CheckProgram(ctx, q, &f, c.Name, c.Roles), f.Err())
}

// newSecret is 32 random bytes and what is kept of them.
func newSecret() (secret string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b)
	secret = base64url.EncodeToString(b)
	return secret, auth.Digest(secret)
}

// hasSecret compares in constant time.
func (c Client) hasSecret(secret string) bool {
	return c.secretHash != nil && subtle.ConstantTimeCompare(auth.Digest(secret), c.secretHash) == 1
}

// orEmpty is a list that is not NULL.
func orEmpty(list []string) []string { return append([]string{}, list...) }

// postClient serves POST /auth/clients.
func (p *Provider) postClient(c *httpx.Call, in NewClient) (made MadeClient, err error) {
	made.Client = Client{Name: in.Name, RedirectURIs: in.RedirectURIs, PostLogoutRedirectURIs: orEmpty(in.PostLogoutRedirectURIs),
		Roles: orEmpty(in.Roles), Consent: in.Consent}
	if !in.Public {
		made.Secret, made.secretHash = newSecret()
	}
	ctx := c.Context()
	err = auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := made.check(ctx, tx); err != nil {
			return event, err
		}
		if err := db.Below(ctx, tx, errTooManyClients, clientsMost, "oidc_clients", "true"); err != nil {
			return event, err
		}
		made.Client, err = db.One(ctx, tx, scanClient, `
-- name: oidc.InsertClient
INSERT INTO oidc_clients AS c (id, name, secret_hash, redirect_uris, post_logout_redirect_uris, roles, consent)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING `+clientColumns, uuid.Must(uuid.NewV7()), made.Name, made.secretHash, made.RedirectURIs, made.PostLogoutRedirectURIs, made.Roles, made.Consent)
		return audit.Event{Action: audit.ClientCreated, Target: made.ID}, err
	})
	c.Created("/auth/clients/" + made.ID.String())
	return made, err
}

// patchClient serves PATCH /auth/clients/{client_id}. If-Match guards against
// a change made meanwhile. A program that was public stays so: its sign-ins
// would have no secret.
func (p *Provider) patchClient(c *httpx.Call, in ClientPatch) (client Client, err error) {
	ctx := c.Context()
	err = auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (event audit.Event, err error) {
		client, err = db.One(ctx, tx, scanClient, `
-- name: oidc.LockClient
SELECT `+clientColumns+` FROM oidc_clients c WHERE c.id = $1 FOR NO KEY UPDATE`, c.ID)
		if err == nil {
			err = c.Match(client.Revision)
		}
		if err != nil {
			return event, err
		}
		in.Name.Patch(&client.Name)
		in.RedirectURIs.Patch(&client.RedirectURIs)
		in.PostLogoutRedirectURIs.Patch(&client.PostLogoutRedirectURIs)
		in.Roles.Patch(&client.Roles)
		in.Consent.Patch(&client.Consent)
		if err := client.check(ctx, tx); err != nil {
			return event, err
		}
		client, err = db.One(ctx, tx, scanClient, `
-- name: oidc.UpdateClient
UPDATE oidc_clients c
   SET name = $2, redirect_uris = $3, post_logout_redirect_uris = $4, roles = $5, consent = $6, revision = revision + 1, updated_at = now()
 WHERE id = $1
RETURNING `+clientColumns, c.ID, client.Name, client.RedirectURIs, orEmpty(client.PostLogoutRedirectURIs), orEmpty(client.Roles), client.Consent)
		return audit.Event{Action: audit.ClientUpdated, Target: c.ID}, err
	})
	return client, err
}

// deleteClient serves DELETE /auth/clients/{client_id}. Its requests and
// grants go with its row.
func (p *Provider) deleteClient(c *httpx.Call) error {
	ctx := c.Context()
	return auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: audit.ClientDeleted, Target: c.ID}, db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: oidc.DeleteClient
DELETE FROM oidc_clients WHERE id = $1`, c.ID)
	})
}

// postSecret serves POST /auth/clients/{client_id}/secret.
func (p *Provider) postSecret(c *httpx.Call) (Secret, error) {
	ctx := c.Context()
	client, err := p.client(ctx, c.ID)
	if err == nil && client.Public {
		err = errClientPublic
	}
	if err != nil {
		return Secret{}, err
	}
	secret, hash := newSecret()
	return Secret{secret}, auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: audit.ClientSecretMade, Target: c.ID}, db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: oidc.SetClientSecret
UPDATE oidc_clients SET secret_hash = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, c.ID, hash)
	})
}
