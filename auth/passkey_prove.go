package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"homebase/audit"
	"homebase/auth/webauthn"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// errPasskey is every answer of a browser that is not good. What is wrong with
// it goes to the log alone.
var errPasskey = errors.New("passkey refused")

var (
	errChallengeSpent = fmt.Errorf("%w: the challenge is unknown, used, too old or another session's", errPasskey)
	errPasskeyUnknown = fmt.Errorf("%w: the key is unknown, or was removed", errPasskey)
)

// usedKey is a passkey as its row and its owner's have it. When it has proved its
// owner, it is to be noted as used in the transaction of what it is used for.
type usedKey struct {
	id        uuid.UUID
	owner     account
	publicKey []byte
	handle    []byte
	counter   int64 // before this use
	eligible  bool  // likewise: for being on several devices
	says      webauthn.Authenticator
}

// assertion is an AuthenticationResponse, decoded.
type assertion struct {
	id, clientData, challenge, hash, authData, signature, handle []byte
}

func assertionOf(in *AuthenticationResponse) (a assertion, err error) {
	a = assertion{id: decoded(in.ID), clientData: decoded(in.Response.ClientDataJSON), authData: decoded(in.Response.AuthenticatorData),
		signature: decoded(in.Response.Signature), handle: decoded(in.Response.UserHandle)}
	a.challenge, a.hash, err = challengeOf(a.clientData)
	return a, err
}

// findPasskey finds a key of a domain by its credential id. In a transaction it
// locks the owner, as every sign-in does, and then the key.
const findPasskey = `
-- name: auth.FindPasskey
SELECT ` + accountColumns + `, u.passkey_handle, k.id, k.public_key, k.counter, k.backup_eligible
  FROM passkeys k JOIN users u ON u.id = k.user_id
 WHERE k.credential_id = $1 AND k.domain = $2
   FOR NO KEY UPDATE OF u, k`

var scanUsedKey = db.RowOf(func(k *usedKey) []any {
	return append(k.owner.columns(), &k.handle, &k.id, &k.publicKey, &k.counter, &k.eligible)
})

// verify holds an answer against the key that it names. user is who the key
// must belong to, or zero for whoever that is: then the answer must name them
// too. With whole the key must have recognised its owner. errPasskey.
func (pk *passkeys) verify(a assertion, k usedKey, user uuid.UUID, whole bool) (usedKey, error) {
	switch {
	case user != uuid.Nil && k.owner.ID != user:
		return k, fmt.Errorf("%w: the key is another user's", errPasskey)
	case (user == uuid.Nil || len(a.handle) > 0) && subtle.ConstantTimeCompare(a.handle, k.handle) == 0:
		return k, fmt.Errorf("%w: the key names another user", errPasskey)
	case k.owner.Status != statusActive:
		return k, fmt.Errorf("%w: the user is disabled", errPasskey)
	}
	ceremony := webauthn.Ceremony{Domain: pk.domain, Origins: pk.origins, Challenge: a.challenge, Verified: whole}
	says, err := ceremony.Assert(k.publicKey, a.clientData, a.authData, a.signature)
	if err != nil {
		err = fmt.Errorf("%w: %w", errPasskey, err)
	}
	k.says = says
	return k, err
}

// confirm proves a user who is known already by a passkey that stands for the
// code, or with whole for the password as well. It is counted as a code.
// errPasskey; errPasskeysOff; what counting a guess says.
func (pk *passkeys) confirm(r *http.Request, in *AuthenticationResponse, user uuid.UUID, whole bool) (usedKey, error) {
	ctx := r.Context()
	if pk.domain == "" {
		return usedKey{}, errPasskeysOff
	}
	guess, err := pk.guesses.count(r, guessCode, user.String(), user)
	if err != nil {
		return usedKey{}, err
	}
	a, err := assertionOf(in)
	if err != nil {
		return usedKey{}, err
	}
	if _, err := pk.spend(ctx, a.hash, uuid.Nil); err != nil {
		return usedKey{}, err
	}
	k, err := db.One(ctx, pk.db, scanUsedKey, findPasskey, a.id, pk.domain)
	if err != nil {
		return usedKey{}, NoRow(err, errPasskeyUnknown)
	}
	if k, err = pk.verify(a, k, user, whole); err == nil {
		err = guess.right(ctx, pk.db)
	}
	return k, err
}

// usePasskey notes what a key has said of itself.
const usePasskey = `
-- name: auth.UsePasskey
UPDATE passkeys SET counter = $2, backup_eligible = $3, backed_up = $4, last_used_at = now() WHERE id = $1`

func (k usedKey) use() []any {
	return []any{k.id, int64(k.says.Counter), k.says.BackupEligible, k.says.BackedUp}
}

// use notes in tx, which has locked the owner, that a key was used in a
// session. errPasskey when it was removed meanwhile.
func (pk *passkeys) use(ctx context.Context, tx pgx.Tx, k usedKey, s Session) (stale, error) {
	if err := db.Touch(ctx, tx, errPasskeyUnknown, usePasskey, k.use()...); err != nil {
		return nothing, err
	}
	return pk.doubt(ctx, tx, k, s)
}

// doubt tells the owner, and the record, when a key's count went back: somebody
// may have copied it. It locks nobody out, for some authenticators count badly.
func (pk *passkeys) doubt(ctx context.Context, q db.Querier, k usedKey, s Session) (stale, error) {
	if k.eligible != k.says.BackupEligible {
		pk.log.Warn("a passkey says otherwise than before whether it may be on several devices", "passkey", k.id)
	}
	if int64(k.says.Counter) >= k.counter {
		return nothing, nil
	}
	if err := addNotice(ctx, q, k.owner.ID, Notice{Kind: noticePasskeyCounter, Device: s.Name, Address: s.Address}); err != nil {
		return nothing, err
	}
	event := passkeyEvent(audit.PasskeyCounter, k.id, k.owner.ID)
	event.Actor = audit.Actor{User: k.owner.ID, Session: s.ID}
	return staleUser(k.owner.ID), pk.audit.Record(ctx, q, event)
}
