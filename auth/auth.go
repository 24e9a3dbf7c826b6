// Package auth knows who sends a request and what that user may do: users,
// roles, passwords, sessions, and the tokens and cookies that stand for them.
//
// What it promises:
//
//   - A session ends on purpose only. Tabs that refresh at once and answers
//     that were lost do not sign anyone out; a refresh token that is used a
//     second time after it was replaced ends its session, is recorded, and
//     the user is told.
//   - What ends a session, disables a user or changes a role holds at once on
//     the worker that did it, within milliseconds on every other that
//     PostgreSQL reaches, and within three seconds on one that it does not.
//   - Knowing a session costs no query: see cache.
//   - Nobody learns from a failed sign-in whether the address is known, from
//     the answer or from the time it takes; and a flood of them takes neither
//     the memory nor the processors from those who are signed in.
//   - Nothing that opens a door is stored: passwords are hashed, refresh
//     tokens are made from a key of the row and one outside of the database.
//   - Nobody grants what they lack: a role, a key or another user never may do
//     more than who made it, and a key never more than its owner may at that
//     time. One admin always stays.
//
// Invariants: an access token says who, never what; permissions come from the
// roles at the time of the request. Every act here is recorded by audit in
// its own transaction. The lock order is roles, then users, then sessions,
// then the rest. README.md names the test of each promise.
package auth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"

	"homebase/audit"
	"homebase/auth/internal/hashcost"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The purposes for which keys are derived.
const (
	accessPurpose      = "access"      // MAC of access tokens
	refreshPurpose     = "refresh"     // MAC of refresh tokens, with the session's rt_key
	devicePurpose      = "device"      // MAC of the marks of known devices
	guessPurpose       = "guess"       // names the rows that count guesses
	fingerprintPurpose = "fingerprint" // recognises the secret, see Start
)

// Config is what the room needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Log   *slog.Logger
	// PublicURL is the server's address as clients see it, the issuer of
	// its tokens: "https://api.example.com".
	PublicURL string
	// Keys gives the 32-byte keys of a purpose, one for each configured
	// secret: the first signs, all verify. It is not called by New.
	Keys func(purpose string) [][]byte
	// PasskeyDomain is the RP ID, the domain that passkeys belong to; "": there
	// are none. PasskeyOrigins are those of the pages that may ask for one.
	PasskeyDomain  string
	PasskeyOrigins []string
	// Registration says who may join: "closed", "invite" or "open".
	Registration string
	// AccountURL is the page of a frontend that links in mail open, with
	// "#action=reset&token=…" behind it. "": mail carries the token as text.
	AccountURL string
	// Send queues a mail in a transaction; nil where no mail is configured.
	Send func(ctx context.Context, tx db.Querier, to, subject, text string) error
	// HashCost is the work of a password hash; zero is hashcost.Standard.
	HashCost hashcost.Cost
	// GuessesUnlimited switches the throttling of guesses off, for tests and
	// benchmarks.
	GuessesUnlimited bool
	// Permissions are those of the apps, "projects.<app>:<verb>".
	Permissions []Permission
}

// Auth is the room: it makes its parts, in an order in which each knows only
// those before it, starts them, and names their routes, jobs and commands.
// Make one per process with New. Safe for concurrent use.
type Auth struct {
	db *db.DB

	// What other rooms call are methods of these.
	*tokens
	*callers
	*passwords
	*passkeys
	*users

	guesses     *guesses
	codes       *codes
	sessions    *sessions
	roles       *roles
	accessKeys  *accessKeys
	mail        *mail
	recovery    *recovery
	invitations *invitations
}

// base is what every part of the room has that does something for somebody:
// where it is kept and recorded, who asks, and how often.
type base struct {
	db      *db.DB
	audit   *audit.Log
	log     *slog.Logger
	tokens  *tokens
	callers *callers
	guesses *guesses
}

// recorded runs fn in a transaction, in which the event that fn answers is
// recorded too.
func (b base) recorded(ctx context.Context, fn func(tx pgx.Tx) (audit.Event, error)) error {
	return Recorded(ctx, b.db, b.audit, fn)
}

// change is recorded for what must hold everywhere at once, see callers.change.
// Without an event nothing has changed.
func (b base) change(ctx context.Context, fn func(tx pgx.Tx) (stale, audit.Event, error)) error {
	return b.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		what, event, err := fn(tx)
		if err != nil || event.Action == "" {
			return nothing, err
		}
		return what, b.audit.Record(ctx, tx, event)
	})
}

// refuse records that somebody was not let do what they asked for, and is the
// refusal once that is done. The address of someone unknown is kept as a keyed
// hash: people type passwords into the wrong field.
func (b base) refuse(ctx context.Context, action audit.Action, user uuid.UUID, address, reason string, refusal error) error {
	details := map[string]string{"reason": reason}
	if user == uuid.Nil {
		details["address"] = b.audit.Blind(address)
	}
	return cmp.Or(b.recorded(ctx, func(pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: action, Outcome: audit.Denied, Target: user, Details: details}, nil
	}), refusal)
}

// New makes the room; it reads no key and asks no database. PublicURL must be
// an absolute URL: a wrong one signs nobody in by cookie.
func New(c Config) *Auth {
	described, all := catalogue(c.Permissions)
	a := &Auth{db: c.DB}
	a.tokens = newTokens(c.Keys, c.PublicURL)
	a.callers = &callers{db: c.DB, log: c.Log, tokens: a.tokens, permissions: all, cache: newCache()}
	a.guesses = &guesses{db: c.DB, tokens: a.tokens, unlimited: c.GuessesUnlimited}
	b := base{db: c.DB, audit: c.Audit, log: c.Log, tokens: a.tokens, callers: a.callers, guesses: a.guesses}
	a.codes = &codes{base: b, sealer: NewSealer(c.Keys, totpPurpose)}
	a.passkeys = &passkeys{base: b, domain: c.PasskeyDomain, origins: c.PasskeyOrigins}
	cost := cmp.Or(c.HashCost, hashcost.Standard)
	a.passwords = &passwords{base: b, codes: a.codes, passkeys: a.passkeys, hasher: newHasher(cost),
		nobody: phc{cost: cost, salt: random(saltBytes), hash: random(hashBytes)}}
	a.sessions = &sessions{base: b, passkeys: a.passkeys, passwords: a.passwords}
	a.users = &users{base: b, passwords: a.passwords, sessions: a.sessions}
	a.roles = &roles{base: b, described: described}
	a.accessKeys = &accessKeys{b}
	a.mail = &mail{base: b, send: c.Send, accountURL: c.AccountURL, host: a.tokens.public.Host}
	a.recovery = &recovery{base: b, passwords: a.passwords, mail: a.mail}
	a.invitations = &invitations{base: b, passwords: a.passwords, sessions: a.sessions, users: a.users, mail: a.mail, registration: c.Registration}
	return a
}

// Start makes this process ready to serve, until ctx ends. It must be called
// before the listener runs. It refuses a secret that is not the database's:
// every token and sealed value would be taken for forged. Likewise a cost of
// hashes that is too low, and another domain than that of the passkeys.
func (a *Auth) Start(ctx context.Context) error {
	if err := a.passwords.hasher.cost.Check(); err != nil {
		return err
	}
	if err := a.checkSecret(ctx); err != nil {
		return err
	}
	if err := a.passkeys.checkDomain(ctx); err != nil {
		return err
	}
	l := a.db.Listener()
	l.On(channel, func(payload string) { a.callers.cache.forget(stale(payload)) })
	l.OnMissed(func() { a.callers.cache.forget(all) })
	go a.callers.recordUse(ctx)
	return nil
}

// checkSecret holds the configured secrets against the fingerprint that the
// first start wrote. With several, any may match; the first's fingerprint is
// kept then, which is how a secret is replaced.
func (a *Auth) checkSecret(ctx context.Context) error {
	prints := a.Fingerprints()
	return db.Touch(ctx, a.db, errors.New("HOMEBASE_SECRET is not the secret that this database was set up with: "+
		"give the old one, or both separated by a comma, the new one first; or start over with an empty database "+
		"(for a private PostgreSQL stop Homebase and delete the folder that its log names as data)"), `
-- name: auth.KeepSecretFingerprint
UPDATE instance
   SET secret_fingerprint = $1,
       secret_since = CASE WHEN secret_fingerprint = $1 THEN secret_since WHEN secret_fingerprint IS NOT NULL THEN now() END
 WHERE secret_fingerprint IS NULL OR secret_fingerprint = ANY($2)`, prints[0], prints)
}

// Fingerprints recognise the configured secrets and tell nothing about them;
// the first is the one that signs.
func (a *Auth) Fingerprints() (prints [][]byte) {
	for _, k := range a.tokens.keys(fingerprintPurpose) {
		prints = append(prints, Digest(k))
	}
	return prints
}

// Restored puts away what must not come back with a backup: sessions, which
// may have been ended since, and links that were used since. With lost, the
// secret of then is not here, and the next start takes its own.
func (a *Auth) Restored(ctx context.Context, tx pgx.Tx, lost bool) error {
	return db.Exec(ctx, tx, `
-- name: auth.ForgetOfBackup
WITH ended AS (UPDATE sessions SET revoked_at = now(), revoked_reason = 'restored' WHERE revoked_at IS NULL),
     tokens AS (DELETE FROM one_time_tokens WHERE purpose <> 'invitation'),
     challenges AS (DELETE FROM passkey_challenges)
UPDATE instance SET secret_fingerprint = NULL, secret_since = NULL WHERE $1`, lost)
}

// credentialsBody bounds a body with passwords: 1024 bytes, each of which
// JSON may write as six.
const credentialsBody = 16 << 10

// Routes are the room's part of the table; each concept has its own.
func (a *Auth) Routes() []httpx.Route {
	return slices.Concat(a.sessions.signInRoutes(), a.users.meRoutes(), a.passwords.routes(), a.sessions.routes(),
		a.passkeys.routes(), a.accessKeys.routes(), a.roles.routes(), a.users.routes(), a.codes.routes(), a.invitations.routes(), a.recovery.routes())
}

// cookies are what signs a browser in or out.
var cookies = []string{"Set-Cookie"}

// Figures are what there is to tell of sessions and their cache.
func (a *Auth) Figures(ctx context.Context) ([]httpx.Figure, error) {
	sessions, err := db.One(ctx, a.db, db.Value[int64], `
-- name: auth.CountSessions
SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE `+living)
	if err != nil {
		return nil, err
	}
	cache := a.callers.cache
	cache.mu.Lock()
	defer cache.mu.Unlock()
	return []httpx.Figure{
		{Name: "homebase_sessions", Help: "Live sessions of all users.", Value: float64(sessions)},
		{Name: "homebase_session_cache_entries", Help: "Sessions, access keys and users cached in memory.", Value: float64(cache.order.Len())},
		{Name: "homebase_session_cache_hits_total", Help: "Sessions, keys and users that were asked for and in memory.", Value: float64(cache.hits)},
		{Name: "homebase_session_cache_misses_total", Help: "Sessions, keys and users that were asked for and not in memory.", Value: float64(cache.misses)},
		{Name: "homebase_hashes_total", Help: "Passwords and other secrets hashed.", Value: float64(a.passwords.hasher.done.Load())},
	}, nil
}
