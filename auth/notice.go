package auth

import (
	"context"
	"net/netip"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Notice is something about the account that its owner has not been told yet.
type Notice struct {
	ID        uuid.UUID `json:"id"`
	Kind      string    `json:"kind"`
	Device    string    `json:"device"`  // that it was about, "" if none
	Address   string    `json:"address"` // of that device, "" if not known
	CreatedAt time.Time `json:"created_at"`
}

const (
	noticeRefreshReuse   = "refresh_reuse"   // a token was used twice: someone may have copied it
	noticePasswordReset  = "password_reset"  // the operator has set the password, or a token from a mail
	noticeEmailChanged   = "email_changed"   // another address was confirmed
	noticeTOTPReset      = "totp_reset"      // the operator or a manager of users has turned TOTP off
	noticePasskeyCounter = "passkey_counter" // a passkey's count went back: someone may have copied it
)

func scanNotice(row pgx.Row) (Notice, error) {
	var n Notice
	var address *netip.Addr
	err := row.Scan(&n.ID, &n.Kind, &n.Device, &address, &n.CreatedAt)
	n.CreatedAt = n.CreatedAt.UTC()
	if address != nil {
		n.Address = address.String()
	}
	return n, err
}

// addNotice tells user of something about the session s, which may be zero. Of
// notices that nobody reads the newest noticesMost are kept.
func addNotice(ctx context.Context, q db.Querier, user uuid.UUID, kind string, s Session) error {
	var address *netip.Addr
	if a, err := netip.ParseAddr(s.Address); err == nil {
		address = &a
	}
	_, err := db.Exec(ctx, q, `
-- name: auth.InsertNotice
WITH old AS (DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE user_id = $2 ORDER BY id DESC OFFSET $6))
INSERT INTO notices (id, user_id, kind, device, address) VALUES ($1, $2, $3, $4, $5)`,
		uuid.Must(uuid.NewV7()), user, kind, s.Name, address, noticesMost-1)
	return err
}

// noticesMost bounds a user's rows.
const noticesMost = 100

// noticesLimit bounds what /auth/me carries.
const noticesLimit = 20

func noticesOf(ctx context.Context, q db.Querier, user uuid.UUID) ([]Notice, error) {
	return db.All(ctx, q, scanNotice, `
-- name: auth.NoticesOfUser
SELECT id, kind, device, address, created_at FROM notices WHERE user_id = $1 ORDER BY id DESC LIMIT $2`,
		user, noticesLimit)
}

func (us *users) noticeRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "DELETE /auth/notices/{id}", Access: httpx.SignedIn(), Rate: httpx.RateWrite,
			Summary: "Dismiss a notice", Do: httpx.Acts(us.deleteNotice), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// deleteNotice serves DELETE /auth/notices/{id}: the user has read it.
func (us *users) deleteNotice(c *httpx.Call) error {
	ctx, user := c.Context(), c.Caller.UserID
	return us.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		return staleUser(user), db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: auth.DeleteNotice
DELETE FROM notices WHERE id = $1 AND user_id = $2`, c.ID, user)
	})
}
