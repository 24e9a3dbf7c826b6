package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// passwords proves a person by a password, and hashes and compares what else
// is guarded by one. It owns the hashes of users and the bound on how many
// secrets are hashed at once. Every failure does the same work.
type passwords struct {
	base
	codes    *codes
	passkeys *passkeys
	hasher   *hasher
	// nobody is a hash that no password has, checked where there is no such user
	// so that the answer takes as long as for one who exists.
	nobody phc
}

// HashPassword checks a new password against the policy and hashes it. The
// error is 422 with a sentence for the user where the password is not taken, and
// hashing_busy where too many are being hashed.
func (pw *passwords) HashPassword(ctx context.Context, email, password string) (string, error) {
	var f httpx.Fields
	if checkNewPassword(&f, "#/password", email, password); f.Err() != nil {
		return "", f.Err()
	}
	return pw.HashSecret(ctx, password)
}

// choose finds a token, and hashes the password that whoever has it chooses. One
// that is not taken costs neither the token nor a guess: the error is what f holds
// then. Others are those of findToken, and ErrHashingBusy.
func (pw *passwords) choose(r *http.Request, f *httpx.Fields, token, password string, purposes ...string) (t oneTime, hash string, err error) {
	permit, err := pw.hasher.enter()
	if err != nil {
		return t, "", err
	}
	defer permit.leave()
	if t, err = pw.findToken(r, token, purposes...); err != nil {
		return t, "", err
	}
	if checkNewPassword(f, "#/password", t.Email, password); f.Err() != nil {
		return t, "", errors.Join(t.guess.right(r.Context(), pw.db), f.Err())
	}
	hash, err = permit.hash(r.Context(), password)
	return t, hash, err
}

// setPassword replaces a user's hash inside tx and ends the user's sessions except
// keep. Where that is zero, somebody without a session did it, and the user is
// told.
func setPassword(ctx context.Context, tx pgx.Tx, user uuid.UUID, hash string, keep uuid.UUID) (stale, audit.Event, error) {
	err := updatePasswordHash(ctx, tx, user, hash)
	if err == nil {
		_, err = endSessionsOf(ctx, tx, user, keep, "password_changed")
	}
	if err == nil {
		err = killTokens(ctx, tx, user)
	}
	if err == nil && keep == uuid.Nil {
		err = addNotice(ctx, tx, user, Notice{Kind: noticePasswordReset})
	}
	return staleUser(user), audit.Event{Action: audit.PasswordChanged, Target: user}, err
}

func updatePasswordHash(ctx context.Context, q db.Querier, user uuid.UUID, hash string) error {
	return db.Exec(ctx, q, `
-- name: auth.UpdatePasswordHash
UPDATE users SET password_hash = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, user, hash)
}

// ChangePassword is the body of POST /auth/password.
type ChangePassword struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
}

var errWrongPassword = httpx.NewProblem(403, "wrong_password", "The password is wrong").
	With("Give the password that you signed in with.")

func (pw *passwords) routes() []httpx.Route {
	proved := httpx.Problems{errWrongPassword, errInvalidCredentials, ErrHashingBusy}
	return []httpx.Route{
		{Pattern: "POST /auth/password", Access: httpx.SignedIn(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Change the password; the other sessions end", Do: httpx.Takes(pw.changePassword), Problems: proved},
		{Pattern: "POST /auth/reauthenticate", Access: httpx.SignedIn(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Confirm the password, or send a passkey, for actions that need a recent one", Do: httpx.Takes(pw.reauthenticate),
			Problems: proved.And(errNeedsCode, errCodeWrong, errPasskeysOff, errPasskeyInvalid)},
	}
}

// changePassword serves POST /auth/password: the session that asks stays, the
// user's others end.
func (pw *passwords) changePassword(c *httpx.Call, in ChangePassword) error {
	ctx := c.Context()
	permit, err := pw.hasher.enter()
	if err != nil {
		return err
	}
	defer permit.leave()
	acc, err := pw.prove(c, permit, in.CurrentPassword)
	if err != nil {
		return err
	}
	var f httpx.Fields
	if checkNewPassword(&f, "#/new_password", acc.Email, in.NewPassword); f.Err() != nil {
		return f.Err()
	}
	hash, err := permit.hash(ctx, in.NewPassword)
	if err == nil {
		err = pw.callers.Still(ctx, "")
	}
	if err != nil {
		return err
	}
	return pw.change(ctx, func(tx pgx.Tx) (stale, audit.Event, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, audit.Event{}, err
		}
		// This does not count as giving a recent password: it asks for no
		// code, and would be the way around it.
		return setPassword(ctx, tx, acc.ID, hash, c.Caller.SessionID)
	})
}

// Reauthenticate is the body of POST /auth/reauthenticate.
type Reauthenticate struct {
	Password string `json:"password,omitempty"`
	Code     string `json:"code,omitempty"` // with TOTP on, as for signing in
	// In place of both, when the key has recognised its owner; or beside the
	// password, in place of the code.
	Passkey *AuthenticationResponse `json:"passkey,omitempty"`
}

// reauthenticate serves POST /auth/reauthenticate: for ten minutes the
// session may do what asks for a recent password.
func (pw *passwords) reauthenticate(c *httpx.Call, in Reauthenticate) error {
	ctx := c.Context()
	acc, key, err := pw.proveAgain(c, in)
	if err == nil {
		err = pw.callers.Still(ctx, "")
	}
	if err != nil {
		return err
	}
	var details map[string]string
	if key != nil {
		details = map[string]string{"by": "passkey"}
	}
	err = pw.complete(c.Request, acc, proof{code: in.Code, key: key}, func(tx pgx.Tx) (Session, stale, error) {
		s, err := db.One(ctx, tx, scanSession, `
-- name: auth.TouchAuthenticated
UPDATE sessions s SET authenticated_at = now() WHERE s.id = $1 RETURNING `+sessionColumns, c.Caller.SessionID)
		if err == nil {
			err = pw.audit.Record(ctx, tx, audit.Event{Action: audit.Reauthenticated, Target: acc.ID, Details: details})
		}
		return s, staleUser(acc.ID), err
	})
	switch wrong, isWrong := errors.AsType[wrongCode](err); {
	case errors.Is(err, errNoCode):
		return errNeedsCode
	case isWrong:
		return pw.refuse(ctx, audit.Reauthenticated, acc.ID, "", string(wrong), errCodeWrong.Because(err))
	case errors.Is(err, errPasskey):
		return errPasskeyInvalid.Because(err)
	}
	return err
}

// proveAgain proves a signed-in caller by the password, a passkey or both. The
// code is left to the caller of this, and is not asked for beside a passkey.
func (pw *passwords) proveAgain(c *httpx.Call, in Reauthenticate) (acc account, key *usedKey, err error) {
	ctx := c.Context()
	if in.Passkey == nil || in.Password != "" {
		permit, err := pw.hasher.enter()
		if err != nil {
			return account{}, nil, err
		}
		defer permit.leave()
		if acc, err = pw.prove(c, permit, in.Password); err != nil || in.Passkey == nil {
			return acc, nil, err
		}
	}
	k, err := pw.passkeys.confirm(c.Request, in.Passkey, c.Caller.UserID, in.Password == "")
	if errors.Is(err, errPasskey) {
		err = pw.refuse(ctx, audit.Reauthenticated, c.Caller.UserID, "", "passkey", errPasskeyInvalid.Because(err))
	}
	return k.owner, &k, err
}

// prove compares a signed-in caller's password. A wrong one is
// recorded and is errWrongPassword: 401 would tell a frontend that the
// session has ended.
func (pw *passwords) prove(c *httpx.Call, permit *permit, password string) (account, error) {
	ctx := c.Context()
	acc, err := accountByID(ctx, pw.db, c.Caller.UserID)
	if err != nil {
		return account{}, err
	}
	guess, err := pw.guesses.count(c.Request, guessPassword, acc.ID.String(), acc.ID)
	if err != nil {
		return account{}, err
	}
	ok, _, err := permit.matches(ctx, password, acc.passwordHash)
	if err != nil {
		return account{}, err
	}
	if ok {
		return acc, guess.right(ctx, pw.db)
	}
	return account{}, pw.refuse(ctx, audit.Reauthenticated, acc.ID, "", "password", errWrongPassword)
}

// sameAccount locks the user's row and makes sure that nothing of what was
// proved with acc has changed since: hashing takes long, and a password that
// was changed or a user who was disabled meanwhile must not count.
func sameAccount(ctx context.Context, tx pgx.Tx, acc account) error {
	now, err := lockAccount(ctx, tx, acc.ID)
	if err != nil {
		return err
	}
	if now.passwordHash != acc.passwordHash || now.Status != statusActive {
		return errInvalidCredentials
	}
	return nil
}

// signIn proves an address and a password. Every failure does the same work:
// one look-up, one hash, one audit event.
func (pw *passwords) signIn(r *http.Request, email, password string) (account, error) {
	ctx := r.Context()
	permit, err := pw.hasher.enter()
	if err != nil {
		return account{}, err
	}
	defer permit.leave()
	reason := ""
	address, _ := ParseEmail(email) // "" for what cannot be one: it is asked for all the same
	acc, err := accountByEmail(ctx, pw.db, address)
	switch {
	case errors.Is(err, db.ErrNotFound):
		acc, reason = account{passwordHash: pw.nobody.String()}, "unknown"
	case err != nil:
		return account{}, err
	}
	who := strings.ToLower(strings.TrimSpace(email))
	if reason == "" {
		who = acc.ID.String()
	}
	guess, err := pw.guesses.count(r, guessPassword, who, acc.ID)
	if err != nil {
		return account{}, err
	}
	ok, outdated, err := permit.matches(ctx, password, acc.passwordHash)
	switch {
	case err != nil:
		return account{}, err
	case reason != "":
	case !ok:
		reason = "password"
	case acc.Status != statusActive:
		reason = "disabled"
	}
	if reason != "" {
		refusal := errInvalidCredentials.Because(errors.New("sign-in refused: " + reason))
		return account{}, pw.refuse(ctx, audit.LoginFailed, acc.ID, email, reason, refusal)
	}
	if err := pw.db.InTx(ctx, func(tx pgx.Tx) error { return guess.right(ctx, tx) }); err != nil {
		return account{}, err
	}
	if outdated {
		return pw.rehash(ctx, permit, acc, password)
	}
	return acc, nil
}

// rehash replaces a hash that was made at another cost, while the password is
// at hand. Whoever signs in at the same time may have done it first: then the
// password is held against what stands there now.
func (pw *passwords) rehash(ctx context.Context, permit *permit, acc account, password string) (account, error) {
	hash, err := permit.hash(ctx, password)
	if err != nil {
		return account{}, err
	}
	err = pw.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, err
		}
		return staleUser(acc.ID), updatePasswordHash(ctx, tx, acc.ID, hash)
	})
	if !errors.Is(err, errInvalidCredentials) {
		acc.passwordHash = hash
		return acc, err
	}
	if acc, err = accountByID(ctx, pw.db, acc.ID); err != nil {
		return account{}, err
	}
	ok, _, err := permit.matches(ctx, password, acc.passwordHash)
	if err == nil && (!ok || acc.Status != statusActive) {
		err = errInvalidCredentials
	}
	return acc, err
}

// HashSecret hashes a secret that is no user's password, such as a share's,
// at the same cost and within the same bound. Which secrets are good enough
// is for the caller to say. ErrHashingBusy when too many are being hashed.
func (pw *passwords) HashSecret(ctx context.Context, secret string) (string, error) {
	permit, err := pw.hasher.enter()
	if err != nil {
		return "", err
	}
	defer permit.leave()
	return permit.hash(ctx, secret)
}

// MatchSecret compares a secret of many people with what HashSecret made. Wrong
// ones are counted, by kind and account for each network apart and for all
// together, and by the client's address like every guess, so beside
// ErrHashingBusy the error may be 429, for the right one too.
func (pw *passwords) MatchSecret(r *http.Request, kind, account, secret, hash string) (ok bool, err error) {
	permit, err := pw.hasher.enter()
	if err != nil {
		return false, err
	}
	defer permit.leave()
	guess, err := pw.guesses.countShared(r, kind, account)
	if err != nil {
		return false, err
	}
	if ok, _, err = permit.matches(r.Context(), secret, hash); err != nil || !ok {
		return false, err
	}
	return true, guess.right(r.Context(), pw.db)
}
