package auth

import (
	"context"
	"net/http"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// idleLifetime ends a session that was not refreshed.
	idleLifetime = 14 * 24 * time.Hour
	// absoluteLifetime ends every session, however much it was used.
	absoluteLifetime = 30 * 24 * time.Hour
	// sessionsMost is how many living sessions a user has; one more sign-in
	// ends the one that was refreshed longest ago.
	sessionsMost = 20
	// endedMost is how many of a user's ended sessions keep their row: whoever
	// has the password can sign in and out all week.
	endedMost = 1000
	// keepEnded is how long the row of an ended session or key is kept.
	keepEnded = 7 * 24 * time.Hour
	// keepNotices is how long a notice waits to be read.
	keepNotices = 180 * 24 * time.Hour
)

// sessions begins, renews and ends what a signed-in device has. It owns the
// rows of sessions: one begins only for someone who was proved. Its row is
// ended on purpose only; one that is not refreshed runs out.
type sessions struct {
	base
	passkeys  *passkeys
	passwords *passwords
}

// Session is one signed-in device.
type Session struct {
	ID              uuid.UUID `json:"id"`
	Name            string    `json:"name"` // "Firefox on Linux"
	Address         string    `json:"address"`
	CreatedAt       time.Time `json:"created_at"`
	LastUsedAt      time.Time `json:"last_used_at"` // to a minute
	AuthenticatedAt time.Time `json:"authenticated_at"`
	ExpiresAt       time.Time `json:"expires_at"` // unless it is refreshed before
	Current         bool      `json:"current"`

	userID       uuid.UUID
	rtKey        []byte
	counter      int64
	seenCounter  int64
	sinceRefresh time.Duration
}

const sessionColumns = `s.id, s.user_agent, coalesce(host(s.address), ''), s.created_at, s.last_used_at, s.authenticated_at,
       s.idle_until, s.user_id, s.rt_key, s.counter, s.seen_counter, now() - s.refreshed_at`

func scanSession(row pgx.Row) (Session, error) {
	var s Session
	var userAgent string
	err := row.Scan(&s.ID, &userAgent, &s.Address, &s.CreatedAt, &s.LastUsedAt, &s.AuthenticatedAt,
		&s.ExpiresAt, &s.userID, &s.rtKey, &s.counter, &s.seenCounter, &s.sinceRefresh)
	s.Name = deviceName(userAgent)
	return s, err
}

// client is what a session remembers of who uses it.
type client struct {
	userAgent string
	address   string // "" if not known
}

func clientOf(r *http.Request) client {
	c := client{userAgent: cleanUserAgent(r.UserAgent())}
	if a := httpx.ClientAddr(r.Context()); a.IsValid() {
		c.address = a.WithZone("").String()
	}
	return c
}

// beginSession begins a session at counter 1.
const beginSession = `
-- name: auth.BeginSession
INSERT INTO sessions AS s (id, user_id, rt_key, user_agent, address, idle_until, absolute_until)
VALUES ($1, $2, $3, $4, nullif($5::text, '')::inet, now() + $6::interval, now() + $7::interval)
RETURNING ` + sessionColumns

// begin is what beginSession takes for a new session of a user.
func (c client) begin(id, user uuid.UUID) []any {
	return []any{id, user, random(32), c.userAgent, c.address, idleLifetime, absoluteLifetime}
}

// living is the condition under which a session s of a user u is one.
const living = `s.revoked_at IS NULL AND s.idle_until > now() AND u.status = 'active'`

// lockLiveSession returns a living session and holds its row until the
// transaction ends; db.ErrNotFound.
func lockLiveSession(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Session, error) {
	return db.One(ctx, tx, scanSession, `
-- name: auth.LockLiveSession
SELECT `+sessionColumns+`
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = $1 AND `+living+`
   FOR UPDATE OF s`, id)
}

// lockCaller locks a user for a change of what signs them in, and then makes
// sure that the session that asks for it still lives: it may have ended while
// this waited for the lock, because a stranger has it. session is zero for the
// operator, who has none. ErrUnauthenticated.
func lockCaller(ctx context.Context, tx pgx.Tx, user, session uuid.UUID) error {
	if _, err := lockAccount(ctx, tx, user); err != nil || session == uuid.Nil {
		return err
	}
	_, err := lockLiveSession(ctx, tx, session)
	return NoRow(err, httpx.ErrUnauthenticated.Because(errEnded))
}

// advanceSession makes the next refresh token the valid one and puts off the
// idle end, never beyond the absolute one.
func advanceSession(ctx context.Context, tx pgx.Tx, id uuid.UUID, c client) (Session, error) {
	return db.One(ctx, tx, scanSession, `
-- name: auth.AdvanceSession
UPDATE sessions s
   SET counter = counter + 1, refreshed_at = now(), last_used_at = now(), user_agent = $2, address = nullif($3::text, '')::inet,
       idle_until = least(now() + $4::interval, absolute_until)
 WHERE s.id = $1
RETURNING `+sessionColumns, id, c.userAgent, c.address, idleLifetime)
}

// endSession ends a session of a user; httpx.ErrNotFound.
func endSession(ctx context.Context, q db.Querier, user, id uuid.UUID, reason string) error {
	return db.Touch(ctx, q, httpx.ErrNotFound, `
-- name: auth.EndSession
UPDATE sessions SET revoked_at = now(), revoked_reason = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL`, id, user, reason)
}

// endSessionsOf ends all sessions of a user except keep, which may be zero, and
// returns how many.
func endSessionsOf(ctx context.Context, q db.Querier, user, keep uuid.UUID, reason string) (int64, error) {
	return db.Affected(ctx, q, `
-- name: auth.EndSessionsOfUser
UPDATE sessions SET revoked_at = now(), revoked_reason = $3
 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL`, user, keep, reason)
}

// evict forgets a user's ended sessions beyond endedMost, and ends the living
// ones beyond most: first those whose refresh lies ahead, which after a
// clock was set back would outlive every new sign-in, then those refreshed
// longest ago. The user's row is locked, so two sign-ins count one after the
// other.
func (se *sessions) evict(ctx context.Context, q db.Querier, user uuid.UUID, most int) (stale, error) {
	evicted, err := db.All(ctx, q, db.Value[uuid.UUID], `
-- name: auth.EvictSessions
WITH forgotten AS (DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NOT NULL ORDER BY revoked_at DESC, id DESC OFFSET $3))
UPDATE sessions SET revoked_at = now(), revoked_reason = 'too_many'
 WHERE id IN (SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
               WHERE s.user_id = $1 AND `+living+`
               ORDER BY s.refreshed_at > now() + interval '1 minute', s.refreshed_at DESC, s.id DESC OFFSET $2)
RETURNING id`, user, most, endedMost)
	if err != nil || len(evicted) == 0 {
		return nothing, err
	}
	for _, id := range evicted {
		err := se.audit.Record(ctx, q, audit.Event{
			Action: audit.SessionRevoked, Target: id, Actor: audit.Actor{User: user},
			Details: map[string]string{"reason": "too_many"},
		})
		if err != nil {
			return nothing, err
		}
	}
	return staleUser(user), nil
}

func (se *sessions) routes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/sessions", Access: httpx.SignedIn(), Rate: httpx.RateRead,
			Summary: "The devices that are signed in", Do: httpx.Answers(se.listSessions)},
		{Pattern: "DELETE /auth/sessions/{id}", Access: httpx.SignedIn(), Rate: httpx.RateWrite,
			Summary: "Sign out a device", Do: httpx.Acts(se.deleteSession), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// listSessions serves GET /auth/sessions.
func (se *sessions) listSessions(c *httpx.Call) (httpx.List[Session], error) {
	return se.list(c, c.Caller.UserID)
}

// list are a user's living sessions, the last used first.
func (se *sessions) list(c *httpx.Call, user uuid.UUID) (httpx.List[Session], error) {
	list, err := db.All(c.Context(), se.db, scanSession, `
-- name: auth.SessionsOfUser
SELECT `+sessionColumns+`
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.user_id = $1 AND `+living+`
 ORDER BY s.last_used_at DESC, s.id DESC`, user)
	for i := range list {
		list[i].Current = list[i].ID == c.Caller.SessionID
	}
	return httpx.List[Session]{Items: list}, err
}

// deleteSession serves DELETE /auth/sessions/{id}: that device is signed out.
func (se *sessions) deleteSession(c *httpx.Call) error {
	ctx := c.Context()
	return se.change(ctx, func(tx pgx.Tx) (stale, audit.Event, error) {
		event := audit.Event{Action: audit.SessionRevoked, Target: c.ID}
		return staleUser(c.Caller.UserID), event, endSession(ctx, tx, c.Caller.UserID, c.ID, "ended_by_user")
	})
}
