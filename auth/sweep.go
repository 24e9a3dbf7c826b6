package auth

import (
	"context"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// sweep forgets sessions and access keys that ended a while ago, notices that
// nobody came for, guesses, tokens and challenges that count no more. Sessions and tokens
// of a time when the clock was ahead live as long as new ones from now on.
func (a *Auth) sweep(ctx context.Context) error {
	_, err := db.Exec(ctx, a.db, `
-- name: auth.SweepSessions
DELETE FROM sessions
 WHERE least(idle_until, coalesce(revoked_at, idle_until)) < now() - $1::interval`, keepEnded)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, a.db, `
-- name: auth.ShortenSessions
UPDATE sessions SET idle_until = least(idle_until, now() + $1::interval), absolute_until = now() + $2::interval
 WHERE absolute_until > now() + $2::interval`, idleLifetime, absoluteLifetime)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, a.db, `
-- name: auth.SweepKeys
DELETE FROM access_keys WHERE expires_at < now() - $1::interval`, keepEnded)
	if err != nil {
		return err
	}
	err = a.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		gone, err := db.Exec(ctx, tx, `
-- name: auth.SweepNotices
DELETE FROM notices WHERE created_at < now() - $1::interval`, keepNotices)
		if gone == 0 {
			return nothing, err
		}
		return all, err
	})
	if err != nil {
		return err
	}
	if err := sweepTokens(ctx, a.db); err != nil {
		return err
	}
	if err := sweepChallenges(ctx, a.db); err != nil {
		return err
	}
	return sweepGuesses(ctx, a.db)
}
