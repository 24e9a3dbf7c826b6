package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"homebase/audit"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

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
		acc, reason = account{passwordHash: pw.nobody()}, "unknown"
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
		return account{}, pw.refuseSignIn(ctx, email, acc.ID, reason)
	}
	if err := pw.db.InTx(ctx, func(tx pgx.Tx) error { return guess.right(ctx, tx) }); err != nil {
		return account{}, err
	}
	if outdated {
		return pw.rehash(ctx, permit, acc, password)
	}
	return acc, nil
}

// refuseSignIn records a failed sign-in. The address of someone unknown is
// kept as a keyed hash: people type passwords into the wrong field.
func (pw *passwords) refuseSignIn(ctx context.Context, email string, user uuid.UUID, reason string) error {
	details := map[string]string{"reason": reason}
	if user == uuid.Nil {
		details["address"] = pw.audit.Blind(email)
	}
	if err := pw.recordRefusal(ctx, audit.LoginFailed, user, details); err != nil {
		return err
	}
	return errInvalidCredentials.Because(errors.New("sign-in refused: " + reason))
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
