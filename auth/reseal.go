package auth

import (
	"context"
	"errors"
	"fmt"

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
