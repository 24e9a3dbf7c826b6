package auth

import (
	"context"
	"fmt"
	"time"

	"homebase/auth/webauthn"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	challengeLifetime = 5 * time.Minute
	challengeSize     = 32 // bytes
)

// newChallenge gives out a challenge, for a registration that belongs to
// session, or for a sign-in with session zero.
func newChallenge(ctx context.Context, q db.Querier, session uuid.UUID, unnoticed bool) ([]byte, error) {
	challenge := random(challengeSize)
	err := db.Exec(ctx, q, `
-- name: auth.InsertChallenge
INSERT INTO passkey_challenges (hash, session_id, unnoticed, expires_at)
VALUES ($1, nullif($2, $5::uuid), $3, now() + $4::interval)
    ON CONFLICT (slot) DO UPDATE
   SET hash = excluded.hash, session_id = excluded.session_id, unnoticed = excluded.unnoticed, expires_at = excluded.expires_at`,
		Digest(challenge), session, unnoticed, challengeLifetime, uuid.Nil)
	return challenge, err
}

// spendChallenge uses a challenge up by its hash, for a session or for zero.
// One of another session stays where it is.
const spendChallenge = `
-- name: auth.SpendChallenge
DELETE FROM passkey_challenges
 WHERE hash = $1 AND session_id IS NOT DISTINCT FROM nullif($2, '00000000-0000-0000-0000-000000000000'::uuid) AND expires_at > now()
RETURNING unnoticed`

// challengeOf is the challenge that client data answer, with its hash.
func challengeOf(clientData []byte) (challenge, hash []byte, err error) {
	challenge, err = webauthn.Challenge(clientData)
	if err != nil {
		err = fmt.Errorf("%w: %w", errPasskey, err)
	}
	return challenge, Digest(challenge), err
}

// spend uses up a challenge that client data answer, whatever comes of them.
// errChallengeSpent.
func (pk *passkeys) spend(ctx context.Context, hash []byte, session uuid.UUID) (unnoticed bool, err error) {
	unnoticed, err = db.One(ctx, pk.db, db.Value[bool], spendChallenge, hash, session)
	return unnoticed, NoRow(err, errChallengeSpent)
}

// postOptions serves POST /auth/passkeys/options. Which keys there are is not
// told: browsers find those of the domain.
func (pk *passkeys) postOptions(c *httpx.Call, _ struct{}) (RequestAnswer, error) {
	challenge, err := newChallenge(c.Context(), pk.db, uuid.Nil, false)
	return RequestAnswer{RequestOptions{
		Challenge: base64url.EncodeToString(challenge), Timeout: challengeLifetime.Milliseconds(), RPID: pk.domain, UserVerification: "preferred",
	}}, err
}
