package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"homebase/audit"
	"homebase/auth/webauthn"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	challengeLifetime = 5 * time.Minute
	challengeSize     = 32 // bytes
)

// errPasskey is every answer of a browser that is not good. What is wrong with
// it goes to the log alone.
var errPasskey = errors.New("passkey refused")

var (
	errChallengeSpent  = fmt.Errorf("%w: the challenge is unknown, used, too old or another session's", errPasskey)
	errPasskeyUnknown  = fmt.Errorf("%w: the key is unknown, or was removed", errPasskey)
	errPasskeyOfOther  = fmt.Errorf("%w: the key is another user's", errPasskey)
	errPasskeyHandle   = fmt.Errorf("%w: the key names another user", errPasskey)
	errPasskeyDisabled = fmt.Errorf("%w: the user is disabled", errPasskey)
)

// newChallenge gives out a challenge, for a registration that belongs to
// session, or for a sign-in with session zero.
func newChallenge(ctx context.Context, q db.Querier, session uuid.UUID, unnoticed bool) ([]byte, error) {
	challenge := make([]byte, challengeSize)
	rand.Read(challenge)
	hash := sha256.Sum256(challenge)
	_, err := db.Exec(ctx, q, `
-- name: auth.InsertChallenge
INSERT INTO passkey_challenges (hash, session_id, unnoticed, expires_at)
VALUES ($1, nullif($2, $5::uuid), $3, now() + $4::interval)
    ON CONFLICT (slot) DO UPDATE
   SET hash = excluded.hash, session_id = excluded.session_id, unnoticed = excluded.unnoticed, expires_at = excluded.expires_at`,
		hash[:], session, unnoticed, challengeLifetime, uuid.Nil)
	return challenge, err
}

// spendChallenge uses up the challenge that client data answer, whatever comes
// of them, and returns it. One of another session stays where it is.
// errChallengeSpent.
func spendChallenge(ctx context.Context, q db.Querier, clientData []byte, session uuid.UUID) (challenge []byte, unnoticed bool, err error) {
	challenge, err = webauthn.Challenge(clientData)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", errPasskey, err)
	}
	hash := sha256.Sum256(challenge)
	unnoticed, err = db.One(ctx, q, db.Value[bool], `
-- name: auth.SpendChallenge
DELETE FROM passkey_challenges
 WHERE hash = $1 AND session_id IS NOT DISTINCT FROM nullif($2, $3::uuid) AND expires_at > now()
RETURNING unnoticed`, hash[:], session, uuid.Nil)
	if errors.Is(err, db.ErrNotFound) {
		err = errChallengeSpent
	}
	return challenge, unnoticed, err
}

func sweepChallenges(ctx context.Context, q db.Querier) error {
	_, err := db.Exec(ctx, q, `
-- name: auth.SweepChallenges
DELETE FROM passkey_challenges WHERE expires_at < now() OR expires_at > now() + $1::interval`, challengeLifetime)
	return err
}

// postOptions serves POST /auth/passkeys/options. Which keys there are is not
// told: browsers find those of the domain.
func (pk *passkeys) postOptions(c *httpx.Call, _ struct{}) (RequestAnswer, error) {
	challenge, err := newChallenge(c.Context(), pk.db, uuid.Nil, false)
	return RequestAnswer{RequestOptions{
		Challenge: base64url.EncodeToString(challenge), Timeout: challengeLifetime.Milliseconds(), RPID: pk.domain, UserVerification: "preferred",
	}}, err
}

// usedKey is a passkey that has proved its owner, and is to be noted as used
// in the transaction of what it is used for.
type usedKey struct {
	id    uuid.UUID
	owner account
	says  webauthn.Authenticator
}

// keptKey is a key as proving needs it.
type keptKey struct {
	usedKey
	publicKey, handle []byte
}

func scanKeptKey(row pgx.Row) (k keptKey, err error) {
	k.owner.User, err = scanUserAnd(row, &k.owner.passwordHash, &k.id, &k.publicKey, &k.handle)
	return k, err
}

// prove verifies an answer to a challenge, which it uses up. user is who it
// must be, or zero for whoever the key belongs to: then the key must have
// recognised its owner, and name them. errPasskey for whatever is wrong; then
// the owner is known as far as the key is.
func (pk *passkeys) prove(ctx context.Context, in *AuthenticationResponse, user uuid.UUID, whole bool) (usedKey, error) {
	clientData, handle := decoded(in.Response.ClientDataJSON), decoded(in.Response.UserHandle)
	challenge, _, err := spendChallenge(ctx, pk.db, clientData, uuid.Nil)
	if err != nil {
		return usedKey{}, err
	}
	k, err := db.One(ctx, pk.db, scanKeptKey, `
-- name: auth.KeptPasskey
SELECT `+userColumns+`, u.password_hash, k.id, k.public_key, u.passkey_handle
  FROM passkeys k JOIN users u ON u.id = k.user_id
 WHERE k.credential_id = $1 AND k.domain = $2`, decoded(in.ID), pk.domain)
	if errors.Is(err, db.ErrNotFound) {
		err = errPasskeyUnknown
	}
	if err != nil {
		return usedKey{}, err
	}
	known := usedKey{owner: k.owner}
	switch {
	case user != uuid.Nil && k.owner.ID != user:
		return known, errPasskeyOfOther
	case (user == uuid.Nil || len(handle) > 0) && subtle.ConstantTimeCompare(handle, k.handle) == 0:
		return known, errPasskeyHandle
	case k.owner.Status != statusActive:
		return known, errPasskeyDisabled
	}
	ceremony := webauthn.Ceremony{Domain: pk.domain, Origins: pk.origins, Challenge: challenge, Verified: whole}
	k.says, err = ceremony.Assert(k.publicKey, clientData, decoded(in.Response.AuthenticatorData), decoded(in.Response.Signature))
	if err != nil {
		return known, fmt.Errorf("%w: %w", errPasskey, err)
	}
	return k.usedKey, nil
}

// alone proves somebody by a passkey and nothing else.
func (pk *passkeys) alone(r *http.Request, in *AuthenticationResponse) (usedKey, error) {
	return pk.counted(r, guessToken, "", uuid.Nil, in, true)
}

// confirmed proves a user who is known already, by a key that stands for the
// code, or with whole for the password as well.
func (pk *passkeys) confirmed(r *http.Request, in *AuthenticationResponse, user uuid.UUID, whole bool) (usedKey, error) {
	return pk.counted(r, guessCode, user.String(), user, in, whole)
}

func (pk *passkeys) counted(r *http.Request, kind, account string, user uuid.UUID, in *AuthenticationResponse, whole bool) (usedKey, error) {
	if pk.domain == "" {
		return usedKey{}, errPasskeysOff
	}
	guess, err := pk.guesses.count(r, kind, account, user)
	if err != nil {
		return usedKey{}, err
	}
	k, err := pk.prove(r.Context(), in, user, whole)
	if err == nil {
		err = guess.right(r.Context(), pk.db)
	}
	return k, err
}

// use notes in tx, which has locked the owner, that a key was used for the
// session s. A count that goes back may mean that somebody has copied the key,
// so the owner is told; it locks nobody out, for some authenticators count
// badly. errPasskey when the key was removed meanwhile.
func (pk *passkeys) use(ctx context.Context, tx pgx.Tx, k usedKey, s Session) (stale, error) {
	type before struct {
		counter  int64
		eligible bool
	}
	was, err := db.One(ctx, tx, func(row pgx.Row) (b before, err error) {
		err = row.Scan(&b.counter, &b.eligible)
		return b, err
	}, `
-- name: auth.UsePasskey
WITH was AS (SELECT id, counter, backup_eligible FROM passkeys WHERE id = $1 FOR UPDATE)
UPDATE passkeys k SET counter = $2, backup_eligible = $3, backed_up = $4, last_used_at = now()
  FROM was WHERE k.id = was.id
RETURNING was.counter, was.backup_eligible`, k.id, int64(k.says.Counter), k.says.BackupEligible, k.says.BackedUp)
	if errors.Is(err, db.ErrNotFound) {
		err = errPasskeyUnknown
	}
	if err != nil {
		return nothing, err
	}
	if was.eligible != k.says.BackupEligible {
		pk.log.Warn("a passkey says otherwise than before whether it may be on several devices", "passkey", k.id)
	}
	if int64(k.says.Counter) >= was.counter {
		return nothing, nil
	}
	if err := addNotice(ctx, tx, k.owner.ID, noticePasskeyCounter, s); err != nil {
		return nothing, err
	}
	return staleUser(k.owner.ID), pk.audit.Record(ctx, tx, audit.Event{Action: audit.PasskeyCounter, Target: k.id,
		Actor: audit.Actor{User: k.owner.ID, Session: s.ID}, Details: map[string]string{"owner": k.owner.ID.String()}})
}
