package auth

import (
	"context"
	"errors"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Notice is something that a user is to be told, until they dismiss it: what
// happened to the account, or News of another room.
type Notice struct {
	ID        uuid.UUID  `json:"id"`
	Kind      string     `json:"kind"`    // one of those below, or that of News
	Device    string     `json:"device"`  // that it was about, "" if none
	Address   string     `json:"address"` // of that device, "" if not known
	About     *uuid.UUID `json:"about"`   // files_dropped: the folder
	Count     int64      `json:"count"`   // files_dropped: how many
	CreatedAt time.Time  `json:"created_at"`
}

const (
	noticeRefreshReuse   = "refresh_reuse"   // a token was used twice: someone may have copied it
	noticePasswordReset  = "password_reset"  // the operator has set the password, or a token from a mail
	noticeEmailChanged   = "email_changed"   // another address was confirmed
	noticeTOTPReset      = "totp_reset"      // the operator or a manager of users has turned TOTP off
	noticePasskeyCounter = "passkey_counter" // a passkey's count went back: someone may have copied it
)

// addNotice adds to the notice about the same thing that nobody has dismissed
// yet: a new one with the sum of both takes its place, so that who dismisses the
// old one has not dismissed what came since. Count is 1 unless given. Of notices
// that nobody reads the newest mostNotices are kept.
func addNotice(ctx context.Context, q db.Querier, user uuid.UUID, n Notice) error {
	return db.Exec(ctx, q, `
-- name: auth.InsertNotice
WITH old AS (DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE user_id = $2 ORDER BY id DESC OFFSET $8)),
     same AS (DELETE FROM notices WHERE user_id = $2 AND kind = $3 AND about = $6 RETURNING count)
INSERT INTO notices (id, user_id, kind, device, address, about, count)
SELECT $1, $2, $3, $4, nullif($5::text, '')::inet, $6, $7 + coalesce(sum(count), 0)::bigint FROM same`,
		uuid.Must(uuid.NewV7()), user, n.Kind, n.Device, n.Address, n.About, max(1, n.Count), mostNotices-1)
}

// News is what another room has to tell a user: a notice about each thing, and
// one mail of all. It names no file.
type News struct {
	Kind          string
	About         []Counted // the oldest first
	Subject, Text string    // of the mail
}

// Counted is a thing that news are about, and how many there were.
type Counted struct {
	About uuid.UUID
	Count int64
}

// Tell tells a user what take answers, in its transaction: both happen, or
// neither does. It mails where mail is configured. A user who is gone, or
// disabled, is told nothing.
func (a *Auth) Tell(ctx context.Context, user uuid.UUID, take func(tx pgx.Tx) (News, error)) error {
	return a.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		acc, err := lockAccount(ctx, tx, user)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return nothing, err
		}
		news, err := take(tx)
		if err != nil || len(news.About) == 0 || acc.Status != statusActive {
			return nothing, err
		}
		for _, c := range news.About[max(0, len(news.About)-mostNotices):] { // older ones would go at once
			if err := addNotice(ctx, tx, user, Notice{Kind: news.Kind, About: &c.About, Count: c.Count}); err != nil {
				return nothing, err
			}
		}
		if a.mail.send != nil {
			err = a.mail.send(ctx, tx, acc.Email, news.Subject, news.Text+"\n\nThis is about your account at "+a.mail.host+".\n")
		}
		return staleUser(user), err
	})
}

// mostNotices is how many rows of a user there are.
const mostNotices = 100

// noticesShown is the SQL of the newest notices of a user u, as the JSON of a
// list of Notice.
const noticesShown = `coalesce((SELECT json_agg(n ORDER BY n.id DESC)
               FROM (SELECT id, kind, device, coalesce(host(address), '') AS address, about, count, created_at
                       FROM notices WHERE user_id = u.id ORDER BY id DESC LIMIT 20) AS n), '[]')`

// deleteNotice serves DELETE /auth/notices/{id}: the user has read it.
func (us *users) deleteNotice(c *httpx.Call) error {
	ctx, user := c.Context(), c.Caller.UserID
	return us.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		return staleUser(user), db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: auth.DeleteNotice
DELETE FROM notices WHERE id = $1 AND user_id = $2`, c.ID, user)
	})
}
