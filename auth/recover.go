package auth

import (
	"cmp"
	"context"
	"errors"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Address is the body of what is answered by mail: POST /auth/password/forgot,
// /auth/register and /auth/email.
type Address struct {
	Email string `json:"email"`
}

// ResetPassword is the body of POST /auth/password/reset.
type ResetPassword struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

// ConfirmEmail is the body of POST /auth/email/confirm.
type ConfirmEmail struct {
	Token string `json:"token"`
}

// recovery lets a user back in who has lost the password, and moves an account
// to another address of its user's. It owns nothing: a mailed token, or the
// operator's link, is all the proof there is.
type recovery struct {
	base
	passwords *passwords
	mail      *mail
}

func (rc *recovery) routes() []httpx.Route {
	mailed := httpx.Problems{errNoMail}
	return []httpx.Route{
		{Pattern: "POST /auth/password/forgot", Access: httpx.Public(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Ask for a new password; a token is sent by mail", Do: httpx.Takes(rc.forgotPassword).Accepts(), Problems: mailed},
		{Pattern: "POST /auth/password/reset", Access: httpx.Public(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Set a new password with a token; all sessions end", Do: httpx.Takes(rc.resetPassword),
			Problems: httpx.Problems{errTokenInvalid, ErrHashingBusy}},
		{Pattern: "POST /auth/email", Access: httpx.SignedIn().Recent(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Change the address; a token is mailed to the new one", Do: httpx.Takes(rc.changeEmail).Accepts(), Problems: mailed},
		{Pattern: "POST /auth/email/confirm", Access: httpx.Public(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Confirm a new address with a token", Do: httpx.Takes(rc.confirmEmail),
			Problems: httpx.Problems{errTokenInvalid, errEmailTaken}},
	}
}

// forgotPassword serves POST /auth/password/forgot. Earlier tokens stay good,
// so that nobody can spoil a user's link by asking for the next.
func (rc *recovery) forgotPassword(c *httpx.Call, in Address) error {
	ctx := c.Context()
	return rc.mail.answer(c, in, func(tx pgx.Tx, email string, known account) (audit.Event, error) {
		t := oneTime{purpose: purposeReset, user: known.ID, Invitation: Invitation{Email: cmp.Or(known.Email, email)}}
		err := pretend(ctx, tx, known.Status == statusActive, func(tx pgx.Tx) error {
			t, err := issueToken(ctx, tx, t)
			if err != nil {
				return err
			}
			return rc.mail.sendToken(ctx, tx, t, "Set a new password", "Somebody, probably you, asked for a new password at "+rc.mail.host+".")
		})
		return audit.Event{Action: audit.PasswordForgotten, Target: known.ID,
			Details: map[string]string{"address": rc.audit.Blind(email)}}, err
	})
}

// resetPassword serves POST /auth/password/reset. It signs nobody in: who has
// TOTP on still needs the code.
func (rc *recovery) resetPassword(c *httpx.Call, in ResetPassword) error {
	t, hash, err := rc.passwords.choose(c.Request, new(httpx.Fields), in.Token, in.Password, purposeReset)
	if err != nil {
		return err
	}
	ctx := c.Context()
	return rc.follow(ctx, t, func(tx pgx.Tx, acc account) (stale, audit.Event, error) {
		return setPassword(ctx, tx, acc.ID, hash, uuid.Nil)
	})
}

// follow uses the token t up for a change of the user to whom it is bound, who
// must be active and, unless the token is for another, have the same address.
func (rc *recovery) follow(ctx context.Context, t oneTime, fn func(tx pgx.Tx, acc account) (stale, audit.Event, error)) error {
	return rc.change(ctx, func(tx pgx.Tx) (stale, audit.Event, error) {
		acc, err := lockAccount(ctx, tx, t.user)
		if errors.Is(err, db.ErrNotFound) || err == nil && (acc.Status != statusActive || acc.Email != t.Email && t.purpose != purposeEmail) {
			err = errTokenInvalid
		}
		if err == nil {
			err = useToken(ctx, tx, t)
		}
		if err != nil {
			return nothing, audit.Event{}, err
		}
		return fn(tx, acc)
	})
}

// changeEmail serves POST /auth/email. The address changes when its owner
// confirms it; only the last one that was asked for can be. Where it belongs
// to somebody else, that user is told by mail, and the answer is the same.
func (rc *recovery) changeEmail(c *httpx.Call, in Address) error {
	ctx, caller := c.Context(), c.Caller
	return rc.mail.answer(c, in, func(tx pgx.Tx, email string, known account) (event audit.Event, err error) {
		err = db.Exec(ctx, tx, `
-- name: auth.ReplaceEmailToken
DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2`, caller.UserID, purposeEmail)
		if err != nil {
			return event, err
		}
		owner := known.Email
		if known.ID == caller.UserID {
			owner = "" // the same address, perhaps in another case
		}
		err = rc.mail.offer(ctx, tx, oneTime{purpose: purposeEmail, user: caller.UserID, Invitation: Invitation{Email: email}}, owner,
			"Confirm your address", "Confirm that this is to be the address of an account at "+rc.mail.host+".",
			"Somebody, probably you, wanted to give this address to another account at "+rc.mail.host+". It belongs to yours, and stays with it.")
		return audit.Event{Action: audit.EmailChangeAsked, Target: caller.UserID}, err
	})
}

// confirmEmail serves POST /auth/email/confirm. The old address is told, in
// case it was not its owner who did this.
func (rc *recovery) confirmEmail(c *httpx.Call, in ConfirmEmail) error {
	ctx := c.Context()
	t, err := rc.findToken(c.Request, in.Token, purposeEmail)
	if err != nil {
		return err
	}
	return rc.follow(ctx, t, func(tx pgx.Tx, acc account) (stale, audit.Event, error) {
		err := db.Exec(ctx, tx, `
-- name: auth.SetEmail
UPDATE users SET email = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, acc.ID, t.Email)
		if err == nil {
			err = killTokens(ctx, tx, acc.ID)
		}
		if err == nil {
			err = addNotice(ctx, tx, acc.ID, Notice{Kind: noticeEmailChanged})
		}
		if err == nil && rc.mail.send != nil {
			err = rc.mail.send(ctx, tx, acc.Email, "Your address was changed", "The account at "+rc.mail.host+
				" that this address belonged to has another one now. If that was not you, tell the operator.\n")
		}
		return staleUser(acc.ID), audit.Event{Action: audit.EmailChanged, Target: acc.ID, Actor: audit.Actor{User: acc.ID}}, err
	})
}
