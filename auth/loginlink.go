package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"homebase/audit"
	"homebase/cli"
	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// userLoginLink is the command `user login-link`, for who is locked out. The
// link stands for the password; who has TOTP on needs the code all the same,
// or its reset: POST /auth/users/{id}/totp/reset.
func (rc *recovery) userLoginLink(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, given := sh.Flags("user login-link"), ""
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args, &given); err != nil {
		return err
	}
	u, err := userNamed(ctx, rc.db, given)
	if err != nil {
		return err
	}
	if u.Status != statusActive {
		return fmt.Errorf(`%s is disabled; this lets them back in: homebase api PATCH /auth/users/%s '{"status":"active"}'`, u.Email, u.ID)
	}
	var t oneTime
	err = rc.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		t, err = issueToken(ctx, tx, oneTime{purpose: purposeLogin, user: u.ID, Invitation: Invitation{Email: u.Email}})
		return audit.Event{Action: audit.LoginLinkMade, Target: u.ID}, err
	})
	if err != nil {
		return err
	}
	if *asJSON {
		answer := struct {
			Token     string    `json:"token"`
			URL       *string   `json:"url"` // null without HOMEBASE_ACCOUNT_URL
			ExpiresAt time.Time `json:"expires_at"`
		}{Token: t.Token, ExpiresAt: t.ExpiresAt}
		if rc.mail.accountURL != "" {
			answer.URL = new(rc.mail.link(t))
		}
		return json.NewEncoder(sh.Stdout).Encode(answer)
	}
	_, err = fmt.Fprintf(sh.Stdout, "Signs %s in, once, until %s UTC:\n%s\n", u.Email, t.ExpiresAt.Format("15:04"), rc.mail.link(t))
	return err
}

// followLink proves a user by the token of a link. The token is used up with
// the session that it opens.
func (se *sessions) followLink(r *http.Request, token string) (account, proof, error) {
	ctx := r.Context()
	t, err := se.findToken(r, token, purposeLogin)
	var acc account
	if err == nil {
		acc, err = accountByID(ctx, se.db, t.user)
	}
	if errors.Is(err, errTokenInvalid) || errors.Is(err, db.ErrNotFound) || err == nil && (acc.Status != statusActive || acc.Email != t.Email) {
		refusal := errInvalidCredentials.Because(errors.New("sign-in refused: link"))
		return account{}, proof{}, se.refuse(ctx, audit.LoginFailed, acc.ID, "", "link", refusal)
	}
	if err != nil {
		return account{}, proof{}, err
	}
	guess := t.guess
	t.guess = attempt{} // a code that is still asked for is counted by itself
	return acc, proof{method: purposeLogin, link: &t}, guess.right(ctx, se.db)
}
