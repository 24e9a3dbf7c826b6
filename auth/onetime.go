package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What a one-time token is good for, in the table and in links.
const (
	purposeInvitation = "invitation" // joining, as a manager of users has offered
	purposeRegister   = "register"   // joining, as the person has asked
	purposeReset      = "reset"      // a new password
	purposeEmail      = "email"      // another address, which its owner confirms so
	purposeLogin      = "login"      // signing in without the password
)

// oneTimeLifetime says how long the tokens of a purpose can be used.
var oneTimeLifetime = map[string]time.Duration{
	purposeInvitation: 7 * 24 * time.Hour,
	purposeRegister:   24 * time.Hour,
	purposeReset:      time.Hour,
	purposeEmail:      24 * time.Hour,
	purposeLogin:      10 * time.Minute,
}

// errTokenInvalid is the one answer to a token that is not good, whether it is
// forged, used, too old, or its user or address is another now.
var errTokenInvalid = httpx.NewProblem(http.StatusGone, "token_invalid", "The link is no longer valid").
	With("It works only once and only for a limited time. Ask for a new one.")

// oneTime is a token that can be used once, as its row has it: bound to a
// purpose, an address and, except for joining, a user.
type oneTime struct {
	Invitation // to join; of every other token it is the address, the times and the Token
	purpose    string
	user       uuid.UUID // zero: who does not exist yet
	guess      attempt   // that found it
}

const oneTimeColumns = invitationColumns + `, t.purpose, t.user_id`

var scanOneTime = db.RowOf(func(t *oneTime) []any { return append(t.Invitation.columns(), &t.purpose, &t.user) })

// issueToken writes t and returns it with its Token, of which only the hash is
// kept.
func issueToken(ctx context.Context, q db.Querier, t oneTime) (oneTime, error) {
	token := rand.Text()
	t, err := db.One(ctx, q, scanOneTime, `
-- name: auth.IssueToken
INSERT INTO one_time_tokens AS t (id, hash, purpose, user_id, email, roles, quota, invited_by, expires_at)
VALUES ($1, $2, $3, nullif($4::uuid, $10::uuid), $5, $6, $7, nullif($8::uuid, $10::uuid), now() + $9::interval)
RETURNING `+oneTimeColumns, uuid.Must(uuid.NewV7()), Digest(token), t.purpose, t.user, t.Email,
		append([]string{}, t.Roles...), t.Quota, t.InvitedBy, oneTimeLifetime[t.purpose], uuid.Nil)
	t.Token = token
	return t, err
}

// findToken looks a token up without using it, because a password that is not
// taken must not cost the link, and counts that as a guess. errTokenInvalid.
func (b base) findToken(r *http.Request, token string, purposes ...string) (oneTime, error) {
	guess, err := b.guesses.count(r, guessToken, "", uuid.Nil)
	if err != nil {
		return oneTime{}, err
	}
	t, err := db.One(r.Context(), b.db, scanOneTime, `
-- name: auth.FindToken
SELECT `+oneTimeColumns+` FROM one_time_tokens t WHERE t.hash = $1 AND t.purpose = ANY($2) AND t.expires_at > now()`,
		Digest(token), purposes)
	t.guess = guess
	return t, NoRow(err, errTokenInvalid)
}

// useToken uses a token up in the transaction of what it is used for; of two
// that try at once the second finds errTokenInvalid. The guess was right.
func useToken(ctx context.Context, tx pgx.Tx, t oneTime) error {
	err := db.Touch(ctx, tx, errTokenInvalid, `
-- name: auth.UseToken
DELETE FROM one_time_tokens WHERE id = $1 AND expires_at > now()`, t.ID)
	if err != nil {
		return err
	}
	return t.guess.right(ctx, tx)
}

// killTokens makes every token of a user worthless: a link that was sent
// before the password or the address changed opens nothing after.
func killTokens(ctx context.Context, q db.Querier, user uuid.UUID) error {
	return db.Exec(ctx, q, `
-- name: auth.KillTokens
DELETE FROM one_time_tokens WHERE user_id = $1`, user)
}

// pretend runs fn and, unless real is set, takes back all it has done. Where
// an answer must not tell whether an address is known, it must not take
// another time either: so the same is done in both cases, and the commit that
// follows is the same too.
func pretend(ctx context.Context, tx pgx.Tx, real bool, fn func(tx pgx.Tx) error) error {
	save, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(save); err != nil {
		return err // the transaction ends with it
	}
	if real {
		return save.Commit(ctx)
	}
	return save.Rollback(ctx)
}

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
func (ml *mail) sendToken(ctx context.Context, tx pgx.Tx, t oneTime, subject, why string) error {
	how := "Open this page:"
	if ml.accountURL == "" {
		how = "Enter this token where you are asked for it:"
	}
	return ml.send(ctx, tx, t.Email, subject, fmt.Sprintf("%s\n\n%s\n\n%s\n\nIt can be used once, until %s UTC.\n"+
		"If you did not expect this, you can ignore it.\n",
		why, how, ml.link(t), t.ExpiresAt.Format("2006-01-02 15:04")))
}

// offer sends the token t to its address, unless that belongs to a user, owner
// ("" if to none): then the owner is told that somebody asked.
func (ml *mail) offer(ctx context.Context, tx pgx.Tx, t oneTime, owner, subject, why, toOwner string) error {
	free := owner == ""
	err := pretend(ctx, tx, free, func(tx pgx.Tx) (err error) {
		t, err = issueToken(ctx, tx, t)
		return err
	})
	switch {
	case err != nil:
		return err
	case free:
		return ml.sendToken(ctx, tx, t, subject, why)
	default:
		return ml.send(ctx, tx, owner, "You already have an account", toOwner+"\n")
	}
}

// link is what opens the account page with the token of t, or the token alone where
// there is no such page. Behind # it is sent to no server and stands in no log.
func (ml *mail) link(t oneTime) string {
	if ml.accountURL == "" {
		return t.Token
	}
	return ml.accountURL + "#action=" + t.purpose + "&token=" + t.Token
}
