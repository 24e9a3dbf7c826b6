package auth

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"homebase/audit"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// passkeySignIn is the transaction of a sign-in by a passkey alone. A sign-in
// is as frequent as a refresh and shall cost no more than half as much again,
// so it has two round trips: what there is to know, and what there is to write.
type passkeySignIn struct {
	se     *sessions
	r      *http.Request
	answer assertion

	wait    time.Duration // for the client's address, after failures
	spent   bool          // the challenge was there
	found   []usedKey     // the key that the answer names, if there is one
	key     usedKey       // the same; its id is zero when there is none
	living  int           // sessions of the owner
	kept    int           // likewise, with those that have ended
	session Session
	stale   stale
	refused error // the challenge is used up all the same
}

// openByPasskey begins a session for whom a passkey proves.
func (se *sessions) openByPasskey(r *http.Request, in *AuthenticationResponse) (Session, error) {
	if se.passkeys.domain == "" {
		return Session{}, errPasskeysOff
	}
	ctx := r.Context()
	si := passkeySignIn{se: se, r: r}
	si.answer, si.refused = assertionOf(in)
	if si.refused == nil {
		err := db.Piped{First: si.ask, Then: si.decide}.Run(ctx, se.db)
		se.callers.cache.forget(si.stale)
		if err != nil {
			return Session{}, err
		}
	}
	if si.refused != nil {
		// It is known to be wrong, so it is counted for good.
		if _, err := se.guesses.count(r, guessToken, "", uuid.Nil); err != nil {
			return Session{}, err
		}
		return Session{}, se.refusePasskey(ctx, si.key.owner.ID, si.refused)
	}
	return si.session, nil
}

// ask queues what has to be known. Each statement sees what those before it
// have waited for.
func (si *passkeySignIn) ask(b *pgx.Batch) {
	si.found, si.key, si.stale, si.refused = nil, usedKey{}, nothing, nil
	var here attempt
	if si.se.guesses.addAddress(&here, si.r); len(here.keys) > 0 && !si.se.guesses.unlimited {
		b.Queue(guessWaiting, here.keys, guessLongest).QueryRow(func(row pgx.Row) error { return row.Scan(&si.wait) })
	}
	b.Queue(spendChallenge, si.answer.hash, uuid.Nil).Exec(func(tag pgconn.CommandTag) error {
		si.spent = tag.RowsAffected() > 0
		return nil
	})
	b.Queue(findPasskey, si.answer.id, si.se.passkeys.domain).Query(db.Into(&si.found, scanUsedKey))
	b.Queue(`
-- name: auth.CountSessionsOfKey
SELECT count(*) FILTER (WHERE revoked_at IS NULL AND idle_until > now()), count(*)
  FROM sessions WHERE user_id = (SELECT user_id FROM passkeys WHERE credential_id = $1)`, si.answer.id).
		QueryRow(func(row pgx.Row) error { return row.Scan(&si.living, &si.kept) })
}

// decide judges the answer, and queues what a sign-in writes.
func (si *passkeySignIn) decide(ctx context.Context, q db.Querier, last *pgx.Batch) error {
	se := si.se
	if len(si.found) > 0 {
		si.key = si.found[0]
	}
	// Others at the same address shut nobody out of a device they have used.
	if si.wait > 0 && se.guesses.trustedDevice(si.r, si.key.owner.ID) == "" {
		return tooManyGuesses(si.wait)
	}
	switch {
	case !si.spent:
		si.refused = errChallengeSpent
	case si.key.id == uuid.Nil:
		si.refused = errPasskeyUnknown
	default:
		si.key, si.refused = se.passkeys.verify(si.answer, si.key, uuid.Nil, true)
	}
	if si.refused != nil {
		return nil
	}
	c, id, owner := clientOf(si.r), uuid.Must(uuid.NewV7()), si.key.owner.ID
	var evicted stale
	var err error
	if si.living >= sessionsMost || si.kept > endedMost {
		if evicted, err = se.evict(ctx, q, owner, sessionsMost-1); err != nil {
			return err
		}
	}
	told, err := se.passkeys.doubt(ctx, q, si.key, Session{ID: id, Name: deviceName(c.userAgent), Address: c.address})
	if err != nil {
		return err
	}
	if si.stale = cmp.Or(evicted, told); si.stale != nothing {
		if err := db.Notify(ctx, q, channel, string(si.stale)); err != nil {
			return err
		}
	}
	last.Queue(usePasskey, si.key.use()...)
	last.Queue(beginSession, c.begin(id, owner)...).QueryRow(func(row pgx.Row) (err error) {
		si.session, err = scanSession(row)
		return err
	})
	return se.audit.Queue(ctx, last, audit.Event{Action: audit.Login, Target: id,
		Actor: audit.Actor{User: owner, Session: id}, Details: map[string]string{"by": "passkey"}}.By(ctx))
}
