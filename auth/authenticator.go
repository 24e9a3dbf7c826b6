package auth

import (
	"context"
	"errors"
	"net/http"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	// Signing in answers 401 for a code; for who is signed in that would
	// mean that the session has ended, so there it is 403.
	errSignInNeedsCode = httpx.NewProblem(401, "totp_required", "A code is also needed").
				With("Send the code from your authenticator, or a recovery code, in code.")
	errSignInWrongCode = httpx.NewProblem(401, "wrong_code", "The code is wrong").
				With("Send the code that your authenticator shows now. Each code can be used once.")
	errNeedsCode = httpx.NewProblem(http.StatusForbidden, errSignInNeedsCode.Code, errSignInNeedsCode.Title).With(errSignInNeedsCode.Detail)
	errCodeWrong = httpx.NewProblem(http.StatusForbidden, errSignInWrongCode.Code, errSignInWrongCode.Title).With(errSignInWrongCode.Detail)

	errTOTPOn  = httpx.NewProblem(http.StatusConflict, "totp_on", "TOTP is on").With("Turn it off first: DELETE /api/v1/auth/totp.")
	errTOTPOff = httpx.NewProblem(http.StatusConflict, "totp_off", "TOTP is not on").With("Start with POST /api/v1/auth/totp.")
)

// TOTPSecret is what an authenticator is given, in two spellings. It is shown
// this once.
type TOTPSecret struct {
	Secret     string `json:"secret"` // base32
	OTPAuthURI string `json:"otpauth_uri"`
}

// TOTPCode is the body of POST /auth/totp/confirm.
type TOTPCode struct {
	Code string `json:"code"`
}

// RecoveryCodes each stand for one code of a lost authenticator. They are
// shown this once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

func (co *codes) routes() []httpx.Route {
	own := httpx.SignedIn().Recent()
	off := httpx.Problems{errTOTPOff}
	return []httpx.Route{
		{Pattern: "POST /auth/totp", Access: own, Rate: httpx.RateWrite,
			Summary: "Start setting up TOTP: a secret for the authenticator", Do: httpx.Answers(co.beginTOTP), Problems: httpx.Problems{errTOTPOn}},
		{Pattern: "POST /auth/totp/confirm", Access: own, Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Turn TOTP on with a first code; the other sessions end", Do: httpx.JSON(co.confirmTOTP),
			Problems: httpx.Problems{errTOTPOn, errTOTPOff, errCodeWrong}},
		{Pattern: "DELETE /auth/totp", Access: own, Rate: httpx.RateWrite,
			Summary: "Turn TOTP off; the other sessions end", Do: httpx.Acts(co.deleteTOTP), Problems: off},
		{Pattern: "POST /auth/totp/recovery-codes", Access: own, Rate: httpx.RateWrite,
			Summary: "Replace the recovery codes with ten new ones", Do: httpx.Answers(co.renewRecoveryCodes), Problems: off},
		{Pattern: "POST /auth/users/{id}/totp/reset", Access: httpx.Needs(UsersManage).OrOperator().Recent(), Rate: httpx.RateWrite,
			Summary: "Turn TOTP off for a user who lost the authenticator; the user's sessions end", Do: httpx.Acts(co.resetTOTP),
			Problems: off.And(httpx.ErrNotFound)},
	}
}

// beginTOTP serves POST /auth/totp. The secret guards nothing until a code of
// it is confirmed; asked again, there is another one.
func (co *codes) beginTOTP(c *httpx.Call) (TOTPSecret, error) {
	ctx := c.Context()
	secret := random(totpSecretBytes)
	var acc account
	err := co.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if acc, err = lockAccount(ctx, tx, c.Caller.UserID); err != nil {
			return err
		}
		return db.Touch(ctx, tx, errTOTPOn, `
-- name: auth.BeginTOTP
INSERT INTO totp (user_id, secret) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = 0 WHERE totp.confirmed_at IS NULL`,
			acc.ID, co.sealer.Seal(secret, acc.ID.String()))
	})
	text := base32Text.EncodeToString(secret)
	return TOTPSecret{Secret: text, OTPAuthURI: otpauthURI(text, acc.Email)}, err
}

// confirmTOTP serves POST /auth/totp/confirm. The sessions that began without
// a code end, except for the one that asks.
func (co *codes) confirmTOTP(c *httpx.Call, in TOTPCode) (RecoveryCodes, error) {
	ctx, caller := c.Context(), c.Caller
	guess, err := co.guesses.count(c.Request, guessCode, caller.UserID.String(), caller.UserID)
	if err != nil {
		return RecoveryCodes{}, err
	}
	codes, hashes := newRecoveryCodes()
	err = co.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		if err := lockCaller(ctx, tx, caller.UserID, caller.SessionID); err != nil {
			return what, event, err
		}
		t, err := authenticatorOf(ctx, tx, caller.UserID)
		switch {
		case err != nil:
			return what, event, NoRow(err, errTOTPOff)
		case t.confirmed:
			return what, event, errTOTPOn
		}
		digits, _, _ := parseCode(in.Code) // whatever else it is, it is the code of no step
		if err := co.useStep(ctx, tx, caller.UserID, t, digits, hashes); err != nil {
			return what, event, err
		}
		if err := guess.right(ctx, tx); err != nil {
			return what, event, err
		}
		return factorChanged(ctx, tx, audit.TOTPEnabled, caller.UserID, caller.SessionID)
	})
	if _, wrong := errors.AsType[wrongCode](err); wrong {
		err = errCodeWrong.Because(err)
	}
	return RecoveryCodes{codes}, err
}

// deleteTOTP serves DELETE /auth/totp.
func (co *codes) deleteTOTP(c *httpx.Call) error {
	ctx := c.Context()
	return co.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		if err := lockCaller(ctx, tx, c.Caller.UserID, c.Caller.SessionID); err != nil {
			return what, event, err
		}
		if err := dropTOTP(ctx, tx, c.Caller.UserID); err != nil {
			return what, event, err
		}
		return factorChanged(ctx, tx, audit.TOTPDisabled, c.Caller.UserID, c.Caller.SessionID)
	})
}

// renewRecoveryCodes serves POST /auth/totp/recovery-codes: what is left of
// the old ones is worth nothing.
func (co *codes) renewRecoveryCodes(c *httpx.Call) (RecoveryCodes, error) {
	ctx := c.Context()
	codes, hashes := newRecoveryCodes()
	return RecoveryCodes{codes}, co.recorded(ctx, func(tx pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: audit.RecoveryCodesRenewed, Target: c.Caller.UserID}, db.Touch(ctx, tx, errTOTPOff, `
-- name: auth.SetRecoveryCodes
UPDATE totp SET recovery = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL`, c.Caller.UserID, hashes)
	})
}

// resetTOTP serves POST /auth/users/{id}/totp/reset: the user is told. Whoever
// may do less than that user may not weaken the user's sign-in.
func (co *codes) resetTOTP(c *httpx.Call) error {
	ctx := c.Context()
	return co.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		if _, err := lockAccount(ctx, tx, c.ID); err != nil {
			return what, event, err
		}
		theirs, err := db.One(ctx, tx, db.Value[[]string], `
-- name: auth.PermissionsOfUser
SELECT `+held+` FROM users u WHERE u.id = $1`, c.ID)
		if err != nil {
			return what, event, err
		}
		if err := mayGrant(ctx, tx, c.Caller.UserID, append(theirs, UsersManage)); err != nil {
			return what, event, err
		}
		if err := dropTOTP(ctx, tx, c.ID); err != nil {
			return what, event, err
		}
		if err := addNotice(ctx, tx, c.ID, Notice{Kind: noticeTOTPReset}); err != nil {
			return what, event, err
		}
		return factorChanged(ctx, tx, audit.TOTPReset, c.ID, uuid.Nil)
	})
}

// factorChanged is what follows when TOTP was turned on or off: the user's
// sessions end except keep, which may be zero.
func factorChanged(ctx context.Context, tx pgx.Tx, action audit.Action, user, keep uuid.UUID) (stale, audit.Event, error) {
	_, err := endSessionsOf(ctx, tx, user, keep, "totp_changed")
	if err == nil {
		err = db.Exec(ctx, tx, `
-- name: auth.CountRevision
UPDATE users SET revision = revision + 1, updated_at = now() WHERE id = $1`, user)
	}
	return staleUser(user), audit.Event{Action: action, Target: user}, err
}

// dropTOTP forgets the authenticator of a user whose row is locked, as it is for
// every change of how the user signs in.
func dropTOTP(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	return db.Touch(ctx, tx, errTOTPOff, `
-- name: auth.DropTOTP
DELETE FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL`, user)
}
