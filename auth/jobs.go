package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Jobs are the room's housekeeping.
func (a *Auth) Jobs() []db.Job {
	return []db.Job{
		{Name: "auth.sweep", Every: time.Hour, Run: a.sweep},
		{Name: "auth.reseal", Every: time.Hour, Run: a.codes.reseal},
	}
}

// swept are the statements that forget what nobody can use any more: sessions
// and access keys that ended a while ago, guesses, tokens and challenges. What is
// of a time when the clock was ahead lives as long from now on as what is new.
var swept = []struct {
	sql  string
	args []any
}{
	{`
-- name: auth.SweepSessions
DELETE FROM sessions
 WHERE least(idle_until, coalesce(revoked_at, idle_until)) < now() - $1::interval`, []any{keepEnded}},
	{`
-- name: auth.ShortenSessions
UPDATE sessions SET idle_until = least(idle_until, now() + $1::interval), absolute_until = now() + $2::interval
 WHERE absolute_until > now() + $2::interval`, []any{idleLifetime, absoluteLifetime}},
	{`
-- name: auth.SweepKeys
DELETE FROM access_keys WHERE expires_at < now() - $1::interval`, []any{keepEnded}},
	{`
-- name: auth.SweepTokens
DELETE FROM one_time_tokens WHERE expires_at < now()`, nil},
	{`
-- name: auth.ShortenTokens
UPDATE one_time_tokens SET created_at = now(), expires_at = now() + (expires_at - created_at) WHERE created_at > now()`, nil},
	{`
-- name: auth.SweepChallenges
DELETE FROM passkey_challenges WHERE expires_at < now() OR expires_at > now() + $1::interval`, []any{challengeLifetime}},
	{`
-- name: auth.SweepGuesses
DELETE FROM guesses WHERE last_at < now() - $1::interval`, []any{guessMemory}},
}

// sweep also forgets notices that nobody came for.
func (a *Auth) sweep(ctx context.Context) error {
	for _, s := range swept {
		if err := db.Exec(ctx, a.db, s.sql, s.args...); err != nil {
			return err
		}
	}
	return a.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		gone, err := db.Affected(ctx, tx, `
-- name: auth.SweepNotices
DELETE FROM notices WHERE created_at < now() - $1::interval`, keepNotices)
		if gone == 0 {
			return nothing, err
		}
		return all, err
	})
}

// reseal seals TOTP secrets anew that an older secret of the platform has
// sealed. A row that changes meanwhile was sealed under the first secret by that
// change.
func (co *codes) reseal(ctx context.Context) error {
	type sealed struct {
		user   uuid.UUID
		secret []byte
	}
	old, err := db.All(ctx, co.db, db.RowOf(func(s *sealed) []any { return []any{&s.user, &s.secret} }), `
-- name: auth.SealedUnderOldSecret
SELECT user_id, secret FROM totp WHERE substring(secret FOR 4) <> $1`, co.sealer.Current())
	if err != nil {
		return err
	}
	var failed []error
	for _, o := range old {
		plain, err := co.sealer.Open(o.secret, o.user.String())
		if err != nil {
			// Its secret is no longer configured: only a reset helps its user.
			failed = append(failed, fmt.Errorf("TOTP of user %s: %w", o.user, err))
			continue
		}
		err = db.Exec(ctx, co.db, `
-- name: auth.Reseal
UPDATE totp SET secret = $3 WHERE user_id = $1 AND secret = $2`, o.user, o.secret, co.sealer.Seal(plain, o.user.String()))
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}
