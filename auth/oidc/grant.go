package oidc

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	accessLifetime = time.Hour
	// grantsMost is how many grants of one client a session keeps: programs
	// that sign in anew every few minutes leave no more behind.
	grantsMost = 20

	accessPurpose  = "oidc access"
	refreshPurpose = "oidc refresh"
	// accessPrefix keeps an access token from looking like one of the
	// platform's, and from looking like its own refresh token.
	accessPrefix  = "hbo_"
	refreshPrefix = "hbor_"
)

// The conditions under which a grant g of a session s of a user u is one: its
// code was used, or is still good.
const (
	livingSession = auth.LivingSession
	livingGrant   = livingSession + ` AND (g.redeemed_at IS NOT NULL OR g.created_at > now() - interval '60 seconds')`
)

// grant is what a person has let a client do, with the person as they are now.
type grant struct {
	id            uuid.UUID
	session       uuid.UUID
	client        uuid.UUID
	scopes        []string
	redirectURI   string
	nonce         string
	challenge     string
	authenticated time.Time
	redeemed      bool
	refreshed     int64 // the number of the refresh token that is good
	lastUsed      bool  // the one before it was excused already
	fresh         bool  // it is less than 30 seconds old

	user        uuid.UUID
	email, name string
	roles       []string // of the user
}

var scanGrant = db.RowOf(func(g *grant) []any {
	return []any{&g.id, &g.session, &g.client, &g.scopes, &g.redirectURI, &g.nonce, &g.challenge, &g.authenticated,
		&g.redeemed, &g.refreshed, &g.lastUsed, &g.fresh, &g.user, &g.email, &g.name, &g.roles}
})

// livingByID is a grant whose session lives and whose person has a role that
// the client asks for, at this moment; db.ErrNotFound.
func livingByID(ctx context.Context, q db.Querier, id uuid.UUID) (grant, error) {
	return db.One(ctx, q, scanGrant, `
-- name: oidc.Grant
SELECT g.id, g.session_id, g.client_id, g.scopes, g.redirect_uri, g.nonce, g.challenge, g.authenticated_at,
       g.redeemed_at IS NOT NULL, g.refreshed, g.last_excused, g.last_used_at > now() - interval '30 seconds', u.id, u.email, u.name, `+auth.RolesOfUser+`
  FROM oidc_grants g JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id JOIN oidc_clients c ON c.id = g.client_id
 WHERE g.id = $1 AND `+livingGrant+` AND (c.roles = '{}' OR EXISTS (SELECT FROM user_roles ur WHERE ur.user_id = u.id AND ur.role = ANY(c.roles)))`, id)
}

// lockByID is livingByID, and holds the grant. A statement that waits for a row
// sees everything else as it was before, and a session can end meanwhile; so the
// grant is read when it is held.
func lockByID(ctx context.Context, tx pgx.Tx, id uuid.UUID) (grant, error) {
	if err := db.Touch(ctx, tx, db.ErrNotFound, `
-- name: oidc.LockGrant
SELECT FROM oidc_grants WHERE id = $1 FOR UPDATE`, id); err != nil {
		return grant{}, err
	}
	return livingByID(ctx, tx, id)
}

// endGrant ends all that a grant has bought.
func endGrant(ctx context.Context, q db.Querier, id uuid.UUID) error {
	return db.Exec(ctx, q, `
-- name: oidc.EndGrant
DELETE FROM oidc_grants WHERE id = $1`, id)
}

// token is a signed value of a grant and a number: of an access token when it
// expires, of a refresh token which one it is.
func (p *Provider) token(prefix, purpose string, id uuid.UUID, number int64) string {
	value := binary.BigEndian.AppendUint64(append(make([]byte, 0, 24), id[:]...), uint64(number))
	return prefix + auth.Sign(p.cfg.Keys(purpose), value)
}

// openToken is the other way round.
func (p *Provider) openToken(prefix, purpose, text string) (id uuid.UUID, number int64, ok bool) {
	text, ours := strings.CutPrefix(text, prefix)
	value, ok := auth.Signed(p.cfg.Keys(purpose), text, 24)
	if !ours || !ok {
		return id, 0, false
	}
	return uuid.UUID(value[:16]), int64(binary.BigEndian.Uint64(value[16:])), true
}

// Grant is a program that a person has let in, with all that it was allowed.
type Grant struct {
	ID         uuid.UUID  `json:"id"`
	Client     ClientName `json:"client"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt time.Time  `json:"last_used_at"` // when it last got a token
}

func (p *Provider) grantRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/grants", Access: httpx.SignedIn(), Rate: httpx.RateRead,
			Summary: "The programs that you have let in", Do: httpx.Answers(p.listGrants)},
		{Pattern: "DELETE /auth/grants/{id}", Access: httpx.SignedIn(), Rate: httpx.RateWrite,
			Summary: "Shut a program out of your account", Do: httpx.Acts(p.deleteGrant), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// listGrants serves GET /auth/grants: one entry a program, whichever of the
// person's devices it was let in from, with its newest grant. There are no
// more than clients.
func (p *Provider) listGrants(c *httpx.Call) (httpx.List[Grant], error) {
	list, err := db.All(c.Context(), p.cfg.DB, db.RowOf(func(g *Grant) []any {
		return []any{&g.ID, &g.Client.ID, &g.Client.Name, &g.Scopes, &g.CreatedAt, &g.LastUsedAt}
	}), `
-- name: oidc.GrantsOfUser
SELECT DISTINCT ON (c.name, c.id) g.id, c.id, c.name, g.scopes, g.created_at, g.last_used_at
  FROM oidc_grants g JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id JOIN oidc_clients c ON c.id = g.client_id
 WHERE s.user_id = $1 AND `+livingGrant+`
 ORDER BY c.name, c.id, g.id DESC`, c.Caller.UserID)
	return httpx.List[Grant]{Items: list}, err
}

// deleteGrant serves DELETE /auth/grants/{id}: the program is shut out of all
// the person's sessions.
func (p *Provider) deleteGrant(c *httpx.Call) error {
	ctx := c.Context()
	return auth.Recorded(ctx, p.cfg.DB, p.cfg.Audit, func(tx pgx.Tx) (audit.Event, error) {
		client, err := db.One(ctx, tx, db.Value[uuid.UUID], `
-- name: oidc.WithdrawGrants
DELETE FROM oidc_grants g USING sessions s
 WHERE s.id = g.session_id AND s.user_id = $1
   AND g.client_id = (SELECT o.client_id FROM oidc_grants o JOIN sessions os ON os.id = o.session_id WHERE o.id = $2 AND os.user_id = $1)
RETURNING g.client_id`, c.Caller.UserID, c.ID)
		return audit.Event{Action: audit.GrantWithdrawn, Target: c.ID, Details: map[string]string{"client": client.String()}}, err
	})
}

// sweep forgets what nobody can use any more. Times that lie ahead are of a clock
// that was set back.
func (p *Provider) sweep(ctx context.Context) error {
	return db.Exec(ctx, p.cfg.DB, `
-- name: oidc.Sweep
WITH requests AS (DELETE FROM oidc_requests WHERE expires_at < now() OR expires_at > now() + interval '10 minutes')
DELETE FROM oidc_grants
 WHERE NOT EXISTS (SELECT FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = session_id AND `+livingSession+`)
    OR redeemed_at IS NULL AND (created_at < now() - interval '60 seconds' OR created_at > now() + interval '60 seconds')`)
}
