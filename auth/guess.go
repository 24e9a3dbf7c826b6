package auth

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What is guessed at. Each kind is counted apart for an account; the count of
// an address is one for all of them.
const (
	guessPassword = "password"
	guessCode     = "code"  // of an authenticator, or a recovery code
	guessToken    = "token" // of a link; no account is named
	guessMail     = "mail"  // no secret: requests that send mail to an address
)

// How many wrong guesses are free before each further one has to wait: 30
// seconds, doubled with every one up to 15 minutes. An hour without a try
// forgives one, for an address in daily use never has a day of rest; a day
// after the last, all is forgotten.
const (
	guessesOfAccount = 5
	guessesOfAddress = 20
	guessesOfSecret  = 200 // that many people know, from everywhere
	guessMemory      = 24 * time.Hour
	guessLongest     = 15 * time.Minute
)

// SharedLimits are the free guesses as limits, which hold for all workers
// together.
func SharedLimits() map[httpx.Rate]httpx.Limit {
	return map[httpx.Rate]httpx.Limit{
		"guesses_of_account": {Requests: guessesOfAccount, Per: guessMemory},
		"guesses_of_address": {Requests: guessesOfAddress, Per: guessMemory},
		"guesses_of_secret":  {Requests: guessesOfSecret, Per: guessMemory},
	}
}

// guessWait is how long after its last one a row g makes the next guess wait.
const guessWait = `least(interval '30 seconds' * power(2, least(g.excess, 9)), interval '15 minutes')`

// guesses counts tries at secrets for all workers together, and makes whoever
// tries too often wait. It owns the rows that count them and knows nothing of
// the secrets.
type guesses struct {
	db        *db.DB
	tokens    *tokens
	unlimited bool
}

// attempt is one try at a secret. It was counted as a wrong one before anything
// was compared, so that tries at the same moment cannot all be the first;
// right takes that back.
type attempt struct {
	keys    [][]byte // of the rows that count it, in the order in which they are locked
	free    []int    // how many tries each of them has for nothing
	account []byte   // the first of them, which a right secret forgets; nil: none
}

func (g *attempt) add(key []byte, free int) {
	g.keys, g.free = append(g.keys, key), append(g.free, free)
}

// count counts a try at a secret of some kind, before the secret is looked at.
// account names whose secret it is, "" when nobody is named, and user is the
// user it belongs to, zero when there is none. While the account or the
// client's address has to wait the error is 429 with Retry-After, and the
// right secret is refused too: whoever waits learns nothing.
//
// A device that is already trusted, because it is signed in as user or carries
// the mark of an earlier sign-in, is counted apart from everyone else: nobody
// can shut a user out of it. Codes, which come after the password, are counted
// for all of these devices together. Unknown addresses are not counted, nor is a
// trusted proxy's own.
func (gs *guesses) count(r *http.Request, kind, account string, user uuid.UUID) (attempt, error) {
	var g attempt
	device := gs.trustedDevice(r, user)
	if account != "" {
		apart := device
		if kind == guessCode && device != "" {
			// Marks can be collected with the password alone, before TOTP is
			// turned on: five tries for each would find six digits soon.
			apart = "known"
		}
		g.account = gs.key(kind, account, apart)
		g.add(g.account, guessesOfAccount)
	}
	if device == "" {
		gs.addAddress(&g, r)
	}
	return gs.counted(r.Context(), g)
}

// countShared counts a try at a secret that many people know, such as a
// share's. No device is trusted with one, so each network is counted apart, or
// any stranger could shut out everyone who knows it. The count of all together
// is wider: it bounds what many networks try, and delays everyone only then.
func (gs *guesses) countShared(r *http.Request, kind, account string) (attempt, error) {
	var g attempt
	for _, network := range httpx.ClientNetworks(r.Context()) {
		g.add(gs.key(kind, account, network.String()), httpx.Share(guessesOfAccount, network))
	}
	if len(g.keys) > 0 {
		g.account = g.keys[0]
	}
	g.add(gs.key(kind, account, ""), guessesOfSecret)
	gs.addAddress(&g, r)
	return gs.counted(r.Context(), g)
}

// addAddress adds the rows that count the guesses from a request's address.
func (gs *guesses) addAddress(g *attempt, r *http.Request) {
	for _, network := range httpx.ClientNetworks(r.Context()) {
		g.add(gs.key("address", network.String(), ""), httpx.Share(guessesOfAddress, network))
	}
}

// counted counts an attempt, unless nothing limits it.
func (gs *guesses) counted(ctx context.Context, g attempt) (attempt, error) {
	if gs.unlimited || len(g.keys) == 0 {
		return attempt{}, nil
	}
	return g, gs.db.InTx(ctx, func(tx pgx.Tx) error { return countGuess(ctx, tx, g) })
}

// countGuess counts in all rows or, when one of them has to wait, in none: a
// refused try makes no wait longer. A last try that lies ahead is of a clock
// that was set back, and nobody waits for it. excess is how many guesses the
// row has beyond the free ones, so it begins below zero.
func countGuess(ctx context.Context, tx pgx.Tx, g attempt) error {
	counted, err := db.Affected(ctx, tx, `
-- name: auth.CountGuess
INSERT INTO guesses AS g (key, excess, last_at)
SELECT n.key, 1 - n.free, clock_timestamp()
  FROM unnest($1::bytea[], $2::integer[]) WITH ORDINALITY AS n (key, free, ord)
 ORDER BY n.ord
    ON CONFLICT (key) DO UPDATE
   SET excess = CASE WHEN g.last_at > clock_timestamp() - $3::interval
                     THEN greatest(excluded.excess, g.excess + 1 - greatest(0, floor(extract(epoch FROM clock_timestamp() - g.last_at) / 3600))::integer)
                     ELSE excluded.excess END,
       last_at = clock_timestamp()
 WHERE g.excess < 0 OR g.last_at + `+guessWait+` <= clock_timestamp() OR g.last_at > clock_timestamp() + $4::interval`, g.keys, g.free, guessMemory, guessLongest)
	if err != nil || counted == int64(len(g.keys)) {
		return err
	}
	wait, err := db.One(ctx, tx, db.Value[time.Duration], guessWaiting, g.keys, guessLongest)
	if err != nil {
		return err
	}
	return tooManyGuesses(wait)
}

// guessWaiting is how long the next guess that some rows count has to wait; 0
// or less: it need not.
const guessWaiting = `
-- name: auth.GuessWait
SELECT coalesce(max(g.last_at + ` + guessWait + `) - clock_timestamp(), '0')
  FROM guesses g WHERE g.key = ANY($1) AND g.excess >= 0 AND g.last_at <= clock_timestamp() + $2::interval`

func tooManyGuesses(wait time.Duration) error {
	wait = max(wait, time.Second)
	return httpx.ErrRateLimited.With(fmt.Sprintf("There were too many failed attempts. Try again in %d seconds.",
		int64(wait.Round(time.Second)/time.Second))).RetryAfter(wait)
}

// right takes a counted try back because the secret was right: the account
// begins anew, and each network has one guess less, for others may share it.
func (g attempt) right(ctx context.Context, q db.Querier) error {
	if len(g.keys) == 0 {
		return nil
	}
	// The time goes back too, or a right secret would begin another wait.
	return db.Exec(ctx, q, `
-- name: auth.TakeGuessBack
WITH counted AS MATERIALIZED (
    SELECT g.key
      FROM unnest($1::bytea[]) WITH ORDINALITY AS n (key, ord) JOIN guesses g ON g.key = n.key
     ORDER BY n.ord FOR UPDATE OF g),
     forgotten AS (DELETE FROM guesses g USING counted c WHERE g.key = c.key AND g.key = $2)
UPDATE guesses g SET excess = g.excess - 1, last_at = g.last_at - $3::interval
  FROM counted c WHERE g.key = c.key AND g.key IS DISTINCT FROM $2`, g.keys, g.account, guessLongest)
}

// trustedDevice names the device of a request that has proved to be user's
// before, "" for any other.
func (gs *guesses) trustedDevice(r *http.Request, user uuid.UUID) string {
	if user == uuid.Nil {
		return ""
	}
	if caller := httpx.CallerOf(r.Context()); caller != nil && caller.UserID == user {
		return caller.SessionID.String()
	}
	return gs.tokens.markOf(r, user)
}

// key names a row without giving away what it counts: strangers'
// addresses do not lie in the database in clear.
func (gs *guesses) key(parts ...string) []byte {
	var text []byte
	for _, part := range parts {
		text = fmt.Appendf(text, "%d %s", len(part), part)
	}
	return MAC(gs.tokens.keys(guessPurpose)[0], text)
}
