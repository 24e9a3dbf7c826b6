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

// resealBatch bounds what the job holds in memory.
const resealBatch = 1000

// reseal seals TOTP secrets anew that an older secret of the platform has
// sealed. It goes on where it was when it is interrupted, and a row that
// changes meanwhile was sealed under the first secret by that change.
func (co *codes) reseal(ctx context.Context) error {
	var failed []error
	for after := uuid.Nil; ; {
		old, err := db.All(ctx, co.db, scanSealed, `
-- name: auth.SealedUnderOldSecret
SELECT user_id, secret FROM totp WHERE substring(secret FOR 4) <> $1 AND user_id > $2 ORDER BY user_id LIMIT $3`, co.sealer.Current(), after, resealBatch)
		if err != nil {
			return err
		}
		for _, o := range old {
			after = o.user
			plain, err := co.sealer.Open(o.secret, o.user.String())
			if err != nil {
				// Its secret is no longer configured: only a reset helps its user.
				failed = append(failed, fmt.Errorf("TOTP of user %s: %w", o.user, err))
				continue
			}
			_, err = db.Exec(ctx, co.db, `
-- name: auth.Reseal
UPDATE totp SET secret = $3 WHERE user_id = $1 AND secret = $2`, o.user, o.secret, co.sealer.Seal(plain, o.user.String()))
			if err != nil {
				return err
			}
		}
		if len(old) < resealBatch {
			return errors.Join(failed...)
		}
	}
}

// sealed is a TOTP secret as it lies in the database.
type sealed struct {
	user   uuid.UUID
	secret []byte
}

func scanSealed(row pgx.Row) (s sealed, err error) { return s, row.Scan(&s.user, &s.secret) }

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
SELECT (SELECT count(*) FROM totp WHERE substring(secret FOR 4) <> $1), secret_since FROM instance`, a.codes.sealer.Current())
}
