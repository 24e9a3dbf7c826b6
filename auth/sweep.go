package auth

import (
	"context"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

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
-- name: auth.SweepChallenges
DELETE FROM passkey_challenges WHERE expires_at < now() OR expires_at > now() + $1::interval`, []any{challengeLifetime}},
	{`
-- name: auth.SweepGuesses
DELETE FROM guesses WHERE last_at < now() - $1::interval`, []any{guessMemory}},
}

// sweep also forgets notices that nobody came for.
func (a *Auth) sweep(ctx context.Context) error {
	for _, s := range swept {
		if _, err := db.Exec(ctx, a.db, s.sql, s.args...); err != nil {
			return err
		}
	}
	for purpose, lifetime := range oneTimeLifetime {
		_, err := db.Exec(ctx, a.db, `
-- name: auth.ShortenTokens
UPDATE one_time_tokens SET expires_at = now() + $2::interval WHERE purpose = $1 AND expires_at > now() + $2::interval`, purpose, lifetime)
		if err != nil {
			return err
		}
	}
	return a.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		gone, err := db.Exec(ctx, tx, `
-- name: auth.SweepNotices
DELETE FROM notices WHERE created_at < now() - $1::interval`, keepNotices)
		if gone == 0 {
			return nothing, err
		}
		return all, err
	})
}
