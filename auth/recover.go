package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

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

func (a *Auth) recoverRoutes() []httpx.Route {
	accepted := []httpx.Response{{Status: 202}}
	return []httpx.Route{
		{Pattern: "POST /auth/password/forgot", Access: httpx.Public(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: Address{}, Responses: accepted,
			Summary: "Ask for a new password; a token is sent by mail", Problems: []*httpx.Problem{errNoMail}, Handler: a.forgotPassword},
		{Pattern: "POST /auth/password/reset", Access: httpx.Public(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: ResetPassword{}, Responses: noContent,
			Summary:  "Set a new password with a token; all sessions end",
			Problems: []*httpx.Problem{errTokenInvalid, ErrHashingBusy}, Handler: a.resetPassword},
		{Pattern: "POST /auth/email", Access: httpx.SignedIn().Recent(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: Address{}, Responses: accepted,
			Summary: "Change the address; a token is mailed to the new one", Problems: []*httpx.Problem{errNoMail}, Handler: a.changeEmail},
		{Pattern: "POST /auth/email/confirm", Access: httpx.Public(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: ConfirmEmail{}, Responses: noContent,
			Summary:  "Confirm a new address with a token",
			Problems: []*httpx.Problem{errTokenInvalid, errEmailTaken}, Handler: a.confirmEmail},
	}
}

// answerByMail answers 202 whoever has the address in the body: what there is
// to say is said by mail, in the transaction that fn is given together with
// the address and its account, zero if there is none. fn does the same work
// for both.
func (a *Auth) answerByMail(w http.ResponseWriter, r *http.Request, fn func(tx pgx.Tx, email string, known account) error) error {
	in, err := httpx.ReadJSON[Address](w, r)
	if err != nil {
		return err
	}
	var f httpx.Fields
	email := checkEmail(&f, in.Email)
	if err := f.Err(); err != nil {
		return err
	}
	if a.send == nil {
		return errNoMail
	}
	ctx := r.Context()
	if httpx.CallerOf(ctx) != nil {
		if err := a.Still(ctx, ""); err != nil { // a body can take its time
			return err
		}
	}
	known, err := accountByEmail(ctx, a.db, email)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	// Nobody's mailbox is filled from here, nor the table of tokens. Such a
	// request has no right answer, so it stays counted.
	if _, err := a.Guess(r, guessMail, strings.ToLower(email), known.ID); err != nil {
		return err
	}
	if err := a.db.InTx(ctx, func(tx pgx.Tx) error { return fn(tx, email, known) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// mailToken sends a token to the address that it is bound to.
func (a *Auth) mailToken(ctx context.Context, tx pgx.Tx, t oneTime, token, subject, why string) error {
	how := "Open this page:"
	if a.accountURL == "" {
		how = "Enter this token where you are asked for it:"
	}
	return a.send(ctx, tx, t.email, subject, fmt.Sprintf("%s\n\n%s\n\n%s\n\nIt can be used once, until %s UTC.\n"+
		"If you did not expect this, you can ignore it.\n",
		why, how, a.link(t.purpose, token), t.expiresAt.Format("2006-01-02 15:04")))
}

// offer sends the token t to its address, unless that belongs to a user, owner
// ("" if to none): then the owner is told that somebody asked.
func (a *Auth) offer(ctx context.Context, tx pgx.Tx, t oneTime, owner, subject, why, toOwner string) error {
	token, free := "", owner == ""
	err := pretend(ctx, tx, free, func(tx pgx.Tx) (err error) {
		t, token, err = issueToken(ctx, tx, t)
		return err
	})
	switch {
	case err != nil:
		return err
	case free:
		return a.mailToken(ctx, tx, t, token, subject, why)
	default:
		return a.send(ctx, tx, owner, "You already have an account", toOwner+"\n")
	}
}

// forgotPassword serves POST /auth/password/forgot. Earlier tokens stay good,
// so that nobody can spoil a user's link by asking for the next.
func (a *Auth) forgotPassword(w http.ResponseWriter, r *http.Request) error {
	return a.answerByMail(w, r, func(tx pgx.Tx, email string, known account) error {
		ctx := r.Context()
		t := oneTime{purpose: purposeReset, user: known.ID, email: cmp.Or(known.Email, email)}
		err := pretend(ctx, tx, known.Status == statusActive, func(tx pgx.Tx) error {
			t, token, err := issueToken(ctx, tx, t)
			if err != nil {
				return err
			}
			return a.mailToken(ctx, tx, t, token, "Set a new password", "Somebody, probably you, asked for a new password at "+a.public.Host+".")
		})
		if err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, audit.Event{Action: audit.PasswordForgotten, Target: known.ID,
			Details: map[string]string{"address": a.audit.Blind(email)}})
	})
}

// resetPassword serves POST /auth/password/reset. It signs nobody in: who has
// TOTP on still needs the code.
func (a *Auth) resetPassword(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[ResetPassword](w, r)
	if err != nil {
		return err
	}
	place, err := a.hasher.enter()
	if err != nil {
		return err
	}
	defer place.leave()
	guess, err := a.Guess(r, guessToken, "", uuid.Nil)
	if err != nil {
		return err
	}
	ctx := r.Context()
	t, err := findToken(ctx, a.db, in.Token, purposeReset)
	if err != nil {
		return err
	}
	if weak := checkPassword(t.email, in.Password); weak != nil {
		var f httpx.Fields
		f.Add("#/password", weak.code, weak.detail)
		return errors.Join(guess.Right(ctx, a.db), f.Err())
	}
	hash, err := place.hash(ctx, in.Password)
	if err != nil {
		return err
	}
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		acc, err := lockAccount(ctx, tx, t.user)
		if errors.Is(err, db.ErrNotFound) || err == nil && (acc.Status != statusActive || acc.Email != t.email) {
			return nothing, errTokenInvalid
		}
		if err != nil {
			return nothing, err
		}
		if err := useToken(ctx, tx, t); err != nil {
			return nothing, err
		}
		if err := guess.Right(ctx, tx); err != nil {
			return nothing, err
		}
		if err := addNotice(ctx, tx, acc.ID, noticePasswordReset, Session{}); err != nil {
			return nothing, err
		}
		return staleUser(acc.ID), a.setPassword(ctx, tx, acc.ID, hash, uuid.Nil)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeEmail serves POST /auth/email. The address changes when its owner
// confirms it; only the last one that was asked for can be. Where it belongs
// to somebody else, that user is told by mail, and the answer is the same.
func (a *Auth) changeEmail(w http.ResponseWriter, r *http.Request) error {
	return a.answerByMail(w, r, func(tx pgx.Tx, email string, known account) error {
		ctx, caller := r.Context(), httpx.CallerOf(r.Context())
		_, err := db.Exec(ctx, tx, `
-- name: auth.ReplaceEmailToken
DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2`, caller.UserID, purposeEmail)
		if err != nil {
			return err
		}
		owner := known.Email
		if known.ID == caller.UserID {
			owner = "" // the same address, perhaps in another case
		}
		err = a.offer(ctx, tx, oneTime{purpose: purposeEmail, user: caller.UserID, email: email}, owner,
			"Confirm your address", "Confirm that this is to be the address of an account at "+a.public.Host+".",
			"Somebody, probably you, wanted to give this address to another account at "+a.public.Host+". It belongs to yours, and stays with it.")
		if err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, audit.Event{Action: audit.EmailChangeAsked, Target: caller.UserID})
	})
}

// confirmEmail serves POST /auth/email/confirm. The old address is told, in
// case it was not its owner who did this.
func (a *Auth) confirmEmail(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[ConfirmEmail](w, r)
	if err != nil {
		return err
	}
	guess, err := a.Guess(r, guessToken, "", uuid.Nil)
	if err != nil {
		return err
	}
	ctx := r.Context()
	t, err := findToken(ctx, a.db, in.Token, purposeEmail)
	if err != nil {
		return err
	}
	err = a.db.InTx(ctx, func(tx pgx.Tx) error {
		acc, err := lockAccount(ctx, tx, t.user)
		if errors.Is(err, db.ErrNotFound) || err == nil && acc.Status != statusActive {
			return errTokenInvalid
		}
		if err != nil {
			return err
		}
		if err := useToken(ctx, tx, t); err != nil {
			return err
		}
		_, err = db.Exec(ctx, tx, `
-- name: auth.SetEmail
UPDATE users SET email = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, acc.ID, t.email)
		if err != nil {
			return err
		}
		if err := killTokens(ctx, tx, acc.ID); err != nil {
			return err
		}
		if err := addNotice(ctx, tx, acc.ID, noticeEmailChanged, Session{}); err != nil {
			return err
		}
		if a.send != nil {
			err := a.send(ctx, tx, acc.Email, "Your address was changed", "The account at "+a.public.Host+
				" that this address belonged to has another one now. If that was not you, tell the operator.\n")
			if err != nil {
				return err
			}
		}
		if err := guess.Right(ctx, tx); err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, audit.Event{Action: audit.EmailChanged, Target: acc.ID, Actor: audit.Actor{User: acc.ID}})
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *Auth) recoverCommands() []db.Command {
	return []db.Command{
		{Name: "user login-link", Args: "EMAIL [--json]", Summary: "print a link that signs a user in once", Run: a.userLoginLink},
		{Name: "user reset-totp", Args: "EMAIL", Summary: "turn a user's TOTP off and end the user's sessions", Run: a.userResetTOTP},
	}
}
