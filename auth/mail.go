package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

// mail proves that an address is somebody's: by a token that can be used once
// and arrives there. It bounds how often an address is written to, and tells
// nobody which addresses are known.
type mail struct {
	base
	// send queues a mail in a transaction; nil where none is configured.
	send       func(ctx context.Context, tx db.Querier, to, subject, text string) error
	accountURL string // of the page that links open; "": mail carries the token
	host       string // of this server, as mail names it
}

// answer is the same whoever has the address in the body: what there is
// to say is said by mail, in the transaction that fn is given together with
// the address and its account, zero if there is none, and that records the event
// of fn. fn does the same work for both.
func (ml *mail) answer(c *httpx.Call, in Address, fn func(tx pgx.Tx, email string, known account) (audit.Event, error)) error {
	var f httpx.Fields
	email := checkEmail(&f, in.Email)
	if err := f.Err(); err != nil {
		return err
	}
	if ml.send == nil {
		return errNoMail
	}
	ctx := c.Context()
	known, err := accountByEmail(ctx, ml.db, email)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	// Nobody's mailbox is filled from here, nor the table of tokens. Such a
	// request has no right answer, so it stays counted.
	if _, err := ml.guesses.count(c.Request, guessMail, strings.ToLower(email), known.ID); err != nil {
		return err
	}
	return ml.recorded(ctx, func(tx pgx.Tx) (audit.Event, error) { return fn(tx, email, known) })
}

// sendToken sends a token to the address that it is bound to.
func (ml *mail) sendToken(ctx context.Context, tx pgx.Tx, t oneTime, token, subject, why string) error {
	how := "Open this page:"
	if ml.accountURL == "" {
		how = "Enter this token where you are asked for it:"
	}
	return ml.send(ctx, tx, t.Email, subject, fmt.Sprintf("%s\n\n%s\n\n%s\n\nIt can be used once, until %s UTC.\n"+
		"If you did not expect this, you can ignore it.\n",
		why, how, ml.link(t.purpose, token), t.ExpiresAt.Format("2006-01-02 15:04")))
}

// offer sends the token t to its address, unless that belongs to a user, owner
// ("" if to none): then the owner is told that somebody asked.
func (ml *mail) offer(ctx context.Context, tx pgx.Tx, t oneTime, owner, subject, why, toOwner string) error {
	token, free := "", owner == ""
	err := pretend(ctx, tx, free, func(tx pgx.Tx) (err error) {
		t, token, err = issueToken(ctx, tx, t)
		return err
	})
	switch {
	case err != nil:
		return err
	case free:
		return ml.sendToken(ctx, tx, t, token, subject, why)
	default:
		return ml.send(ctx, tx, owner, "You already have an account", toOwner+"\n")
	}
}

// link is what opens the account page with a token, or the token alone where
// there is no such page. Behind # it is sent to no server and stands in no log.
func (ml *mail) link(action, token string) string {
	if ml.accountURL == "" {
		return token
	}
	return ml.accountURL + "#action=" + action + "&token=" + token
}
