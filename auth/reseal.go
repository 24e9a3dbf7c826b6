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

// resealBatch bounds what one run of the job holds in memory.
const resealBatch = 1000

// reseal seals TOTP secrets anew that an older secret of the platform has
// sealed. It goes on where it was when it is interrupted, and a row that
// changes meanwhile was sealed under the first secret by that change.
func (a *Auth) reseal(ctx context.Context) error {
	type row struct {
		user   uuid.UUID
		sealed []byte
	}
	old, err := db.All(ctx, a.db, func(r pgx.Row) (o row, err error) { return o, r.Scan(&o.user, &o.sealed) }, `
-- name: auth.SealedUnderOldSecret
SELECT user_id, secret FROM totp WHERE substring(secret FOR 4) <> $1 ORDER BY user_id LIMIT $2`, a.totpSealer.Current(), resealBatch)
	if err != nil {
		return err
	}
	var failed []error
	for _, o := range old {
		plain, err := a.totpSealer.Open(o.sealed, o.user.String())
		if err != nil {
			// Its secret is no longer configured: only a reset helps its user.
			failed = append(failed, fmt.Errorf("TOTP of user %s: %w", o.user, err))
			continue
		}
		_, err = db.Exec(ctx, a.db, `
-- name: auth.Reseal
UPDATE totp SET secret = $3 WHERE user_id = $1 AND secret = $2`, o.user, o.sealed, a.totpSealer.Seal(plain, o.user.String()))
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// OldSecret is what still needs the secrets behind the first.
type OldSecret struct {
	// Sealed counts the values that the job auth.reseal has yet to seal anew.
	Sealed int64
	// SignedUntil is when the last session that was not refreshed since the
	// first secret came in force has run out: 14 days after. Those that are
	// refreshed have tokens of the new one. The zero time: no secret was
	// ever replaced.
	SignedUntil time.Time
}

// OldSecret says whether the secrets behind the first can be taken out of the
// configuration: when nothing is sealed under them and SignedUntil has passed.
// Taking them out earlier signs people out. Marks of known devices are made
// with them for longer; without the secret such a device counts as a new one.
func (a *Auth) OldSecret(ctx context.Context) (OldSecret, error) {
	return db.One(ctx, a.db, func(row pgx.Row) (o OldSecret, err error) {
		var since *time.Time
		if err = row.Scan(&o.Sealed, &since); since != nil {
			o.SignedUntil = since.Add(idleLifetime).UTC()
		}
		return o, err
	}, `
-- name: auth.OldSecret
SELECT (SELECT count(*) FROM totp WHERE substring(secret FOR 4) <> $1), secret_since FROM instance`, a.totpSealer.Current())
}
