package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// invitationsMost is how many wait at once, of all who invite.
const invitationsMost = 1000

// Who may join, as Config.Registration says.
const (
	registrationInvite = "invite" // whoever a manager of users has invited
	registrationOpen   = "open"   // whoever has an address
)

var (
	errRegistrationClosed = httpx.NewProblem(http.StatusForbidden, "registration_closed", "Nobody can join this server this way").
				With("Ask whoever runs this server for an invitation. If that is you: HOMEBASE_REGISTRATION says who may join.")
	errNoMail = httpx.NewProblem(http.StatusConflict, "mail_not_configured", "This server sends no mail").
			With("Ask whoever runs this server, which sends no mail. If that is you: set HOMEBASE_SMTP_URL and HOMEBASE_MAIL_FROM.")
	errTooManyInvitations = httpx.NewProblem(http.StatusConflict, "too_many_invitations", "Too many invitations are pending").
				With(fmt.Sprintf("At most %d can be pending at once; withdraw one that is no longer needed.", invitationsMost))
	errEmailTaken = httpx.NewProblem(http.StatusConflict, "email_taken", "There is already a user with this address")
)

// invitations decides who may join, and lets them: who was invited by a
// manager of users, or has asked to. It owns the offers; who accepts one is
// made by users and signed in by sessions.
type invitations struct {
	base
	passwords    *passwords
	sessions     *sessions
	users        *users
	mail         *mail
	registration string // "closed", "invite" or "open"
}

// Invitation lets the owner of an address join.
type Invitation struct {
	ID        uuid.UUID `json:"id"`
	Email     string    `json:"email"`
	Roles     []string  `json:"roles"`
	Quota     *int64    `json:"quota"` // bytes; null is the server's default
	InvitedBy uuid.UUID `json:"invited_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Token is shown once, where no mail is configured to send it.
	Token string `json:"token,omitempty"`
}

// NewInvitation is the body of POST /auth/invitations.
type NewInvitation struct {
	Email string   `json:"email"`
	Roles []string `json:"roles,omitempty"` // none given: member
	Quota *int64   `json:"quota"`           // bytes; absent or null: the server's default
}

// AcceptInvitation is the body of POST /auth/invitations/accept.
type AcceptInvitation struct {
	Token    string `json:"token"`
	Password string `json:"password"`
	Name     string `json:"name,omitempty"`
	Mode     string `json:"mode,omitempty"` // as for signing in
}

func (i Invitation) key() uuid.UUID { return i.ID }

const invitationColumns = `t.id, t.email, t.roles, t.quota, t.invited_by, t.created_at, t.expires_at`

func (i *Invitation) columns() []any {
	return []any{&i.ID, &i.Email, &i.Roles, &i.Quota, &i.InvitedBy, &i.CreatedAt, &i.ExpiresAt}
}

func (iv *invitations) routes() []httpx.Route {
	manage := httpx.Needs(UsersManage).OrOperator().NoKey()
	return []httpx.Route{
		{Pattern: "GET /auth/invitations", Access: manage, Rate: httpx.RateRead,
			Summary: "Open invitations", Do: httpx.Pages(iv.list, Invitation.key)},
		{Pattern: "POST /auth/invitations", Access: manage.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Invite somebody to join, with roles and quota", Do: httpx.JSON(iv.invite).Creates(),
			Problems: httpx.Problems{errRegistrationClosed, errEmailTaken, errTooManyInvitations}},
		{Pattern: "DELETE /auth/invitations/{id}", Access: manage, Rate: httpx.RateWrite,
			Summary: "Withdraw an invitation", Do: httpx.Acts(iv.deleteInvitation), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "POST /auth/invitations/accept", Access: httpx.Public(), Cookies: true, Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Join with the token of an invitation or registration, and be signed in", Do: httpx.JSON(iv.accept).Creates().May(cookies...),
			Problems: httpx.Problems{errTokenInvalid, errRegistrationClosed, errEmailTaken, ErrHashingBusy, ErrInsecureOrigin, errInvalidCredentials}},
		{Pattern: "POST /auth/register", Access: httpx.Public(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Ask to join; a token is sent by mail", Do: httpx.Takes(iv.register).Accepts(),
			Problems: httpx.Problems{errRegistrationClosed, errNoMail}},
	}
}

// list serves GET /auth/invitations, the newest first.
func (iv *invitations) list(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]Invitation, error) {
	return db.All(c.Context(), iv.db, db.RowOf((*Invitation).columns), `
-- name: auth.ListInvitations
SELECT `+invitationColumns+`
  FROM one_time_tokens t
 WHERE t.purpose = $1 AND t.expires_at > now() AND t.id < $2
 ORDER BY t.id DESC LIMIT $3`, purposeInvitation, p.After(uuid.Max), p.Limit)
}

// invite serves POST /auth/invitations. A second one for an address takes the
// place of the first. Who manages users may know who is one, so an address
// that is taken is told.
func (iv *invitations) invite(c *httpx.Call, in NewInvitation) (made Invitation, err error) {
	if err := iv.mayJoin(purposeInvitation); err != nil {
		return made, err
	}
	var f httpx.Fields
	email := checkEmail(&f, in.Email)
	checkQuota(&f, in.Quota)
	if err := f.Err(); err != nil {
		return made, err
	}
	if len(in.Roles) == 0 {
		in.Roles = []string{RoleMember}
	}
	slices.Sort(in.Roles)
	ctx, caller := c.Context(), c.Caller
	err = iv.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := mayGrantRoles(ctx, tx, caller.UserID, in.Roles); err != nil {
			return event, err
		}
		if _, err := accountByEmail(ctx, tx, email); !errors.Is(err, db.ErrNotFound) {
			return event, cmp.Or(err, error(errEmailTaken))
		}
		err = db.Below(ctx, tx, errTooManyInvitations, invitationsMost, "one_time_tokens",
			`purpose = $1 AND expires_at > now() AND lower(email) <> lower($2 COLLATE "C")`, purposeInvitation, email)
		if err != nil {
			return event, err
		}
		err = db.Exec(ctx, tx, `
-- name: auth.ReplaceInvitation
DELETE FROM one_time_tokens WHERE purpose = $1 AND lower(email) = lower($2 COLLATE "C")`, purposeInvitation, email)
		if err != nil {
			return event, err
		}
		t, err := issueToken(ctx, tx, oneTime{purpose: purposeInvitation, Invitation: Invitation{
			Email: email, Roles: slices.Compact(in.Roles), Quota: in.Quota, InvitedBy: caller.UserID}})
		if err != nil {
			return event, err
		}
		if made = t.Invitation; iv.mail.send != nil {
			made.Token = ""
			err = iv.mail.sendToken(ctx, tx, t, "You are invited", "You are invited to join "+iv.mail.host+".")
		}
		return audit.Event{Action: audit.InvitationCreated, Target: made.ID}, err
	})
	c.Created("/auth/invitations/" + made.ID.String())
	return made, err
}

// deleteInvitation serves DELETE /auth/invitations/{id}.
func (iv *invitations) deleteInvitation(c *httpx.Call) error {
	ctx := c.Context()
	return iv.recorded(ctx, func(tx pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: audit.InvitationDeleted, Target: c.ID}, db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: auth.DeleteInvitation
DELETE FROM one_time_tokens WHERE id = $1 AND purpose = $2`, c.ID, purposeInvitation)
	})
}

// mayJoin says whether joining by a token of this purpose is allowed now,
// whatever was when the token was made.
func (iv *invitations) mayJoin(purpose string) error {
	if iv.registration == registrationOpen || iv.registration == registrationInvite && purpose == purposeInvitation {
		return nil
	}
	return errRegistrationClosed
}

// register serves POST /auth/register. Whoever has the mailbox chooses the
// password, with the token that arrives there: so nobody can prepare an
// account for an address that is not theirs. Who is a user already is told
// that by mail, and the answer is the same.
func (iv *invitations) register(c *httpx.Call, in Address) error {
	if err := iv.mayJoin(purposeRegister); err != nil {
		return err
	}
	return iv.mail.answer(c, in, func(tx pgx.Tx, email string, known account) (audit.Event, error) {
		asked := "Somebody, probably you, asked to join " + iv.mail.host + " with this address"
		err := iv.mail.offer(c.Context(), tx, oneTime{purpose: purposeRegister, Invitation: Invitation{Email: email, Roles: []string{RoleMember}}},
			known.Email, "Finish signing up", asked+".",
			asked+", which has an account there. If you forgot the password, ask for a new one.")
		return audit.Event{Action: audit.RegistrationAsked, Target: known.ID,
			Details: map[string]string{"address": iv.audit.Blind(email)}}, err
	})
}

// accept serves POST /auth/invitations/accept, and answers as a
// sign-in does. A password that is not taken does not cost the token.
func (iv *invitations) accept(c *httpx.Call, in AcceptInvitation) (Grant, error) {
	mode, err := iv.sessions.modeOf(c.Request, in.Mode)
	if err != nil {
		return Grant{}, err
	}
	var f httpx.Fields
	checkName(&f, "#/name", in.Name)
	t, hash, err := iv.passwords.choose(c.Request, &f, in.Token, in.Password, purposeInvitation, purposeRegister)
	if err == nil {
		err = iv.mayJoin(t.purpose)
	}
	if err != nil {
		return Grant{}, err
	}
	ctx := c.Context()
	acc := account{passwordHash: hash}
	err = iv.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if err := stillGranted(ctx, tx, t); err != nil {
			return err
		}
		if err := useToken(ctx, tx, t); err != nil {
			return err
		}
		acc.User, err = iv.users.CreateUser(ctx, tx, NewUser{Email: t.Email, Name: in.Name, PasswordHash: hash, Roles: t.Roles, Quota: t.Quota})
		return err
	})
	if err != nil {
		return Grant{}, err
	}
	c.Created("/auth/me")
	return iv.sessions.signIn(c, mode, acc, proof{method: t.purpose})
}

// stillGranted makes sure that whoever invited may still give what the
// invitation promises.
func stillGranted(ctx context.Context, tx pgx.Tx, t oneTime) error {
	if t.InvitedBy == operator {
		return nil
	}
	err := mayGrantRoles(ctx, tx, t.InvitedBy, t.Roles)
	if p, ok := errors.AsType[*httpx.Problem](err); ok {
		return errTokenInvalid.Because(fmt.Errorf("whoever sent the invitation may no longer grant it: %w", p))
	}
	return err
}
