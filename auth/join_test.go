package auth_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// withMail lets auth use the outbox, whose server nobody asks.
func withMail(c *auth.Config) {
	c.Send = system.NewMail(c.DB, c.Log, "smtp://127.0.0.1:1", "Homebase <noreply@example.com>", c.Keys).Send
}

func open(c *auth.Config)   { c.Registration = "open" }
func invite(c *auth.Config) { c.Registration = "invite" }

const accountURL = "https://account.example.com/page"

func withPage(c *auth.Config) { c.AccountURL = accountURL }

// mailedToken is the token of the last mail to an address, as text or in a link.
func mailedToken(t *testing.T, e *authtest.Env, email string) string {
	t.Helper()
	list := e.Mails(t, email)
	if len(list) == 0 {
		t.Fatalf("no mail to %s", email)
	}
	m := regexp.MustCompile(`(?m)^(?:https://\S+&token=)?([A-Z2-7]{26})$`).FindStringSubmatch(list[len(list)-1])
	if m == nil {
		t.Fatalf("no token in the mail to %s", email)
	}
	return m[1]
}

func forgot(t *testing.T, e *authtest.Env, email string) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", "/auth/password/forgot", object{"email": email}).Want(t, 202)
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func accept(t *testing.T, e *authtest.Env, token, password string) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", "/auth/invitations/accept", object{"token": token, "password": password, "name": "Bob", "mode": "token"})
}

const chosen = "vivid otter climbs ladders"

func TestInvitation_LetsSomebodyJoinWithRolesAndQuota(t *testing.T) {
	t.Parallel()
	quotas := map[uuid.UUID]int64{}
	e := authtest.Start(t, keep(auth.Storage{
		SetQuota: func(_ context.Context, _ pgx.Tx, user uuid.UUID, quota *int64) error {
			quotas[user] = *quota
			return nil
		},
	}), invite)
	admin := e.User(t, "ada@example.com", "admin")
	c := e.SignIn(t, "ada@example.com")
	var made auth.Invitation
	a := c.Do("POST", "/auth/invitations", object{"email": "bob@example.com", "roles": []string{"member", "admin"}, "quota": 1000}).Want(t, 201)
	a.JSON(t, &made)
	if made.Email != "bob@example.com" || strings.Join(made.Roles, " ") != "admin member" || *made.Quota != 1000 || made.InvitedBy != admin.ID ||
		a.Header.Get("Location") != "/api/v1/auth/invitations/"+made.ID.String() || !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(made.Token) {
		t.Errorf("%+v", made)
	}
	var list httpx.List[auth.Invitation]
	c.Do("GET", "/auth/invitations", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Token != "" || list.Items[0].ID != made.ID {
		t.Errorf("%+v", list)
	}
	if n := query(t, e.DB, `SELECT count(*)::text FROM one_time_tokens WHERE hash = $1::bytea`, []byte(made.Token))[0]; n != "0" {
		t.Error("the token can be read in the database")
	}
	// A password that is not taken does not cost the invitation.
	accept(t, e, made.Token, "short").WantProblem(t, 422, "validation_failed")
	accept(t, e, made.Token, "bob@example.com").WantProblem(t, 422, "validation_failed")
	var g auth.Grant
	accept(t, e, made.Token, chosen).Want(t, 201).JSON(t, &g)
	if g.User.Email != "bob@example.com" || g.User.Name != "Bob" || strings.Join(g.User.Roles, " ") != "admin member" || quotas[g.User.ID] != 1000 {
		t.Errorf("%+v", g.User)
	}
	me(t, e, g.AccessToken, 200)
	accept(t, e, made.Token, chosen).WantProblem(t, 410, "token_invalid")
	e.Client(t).Do("POST", "/auth/login", credentials("bob@example.com", chosen, "token")).Want(t, 200)
	c.Do("POST", "/auth/invitations", object{"email": "BOB@example.com"}).WantProblem(t, 409, "email_taken")
	if got := query(t, e.DB, `SELECT action FROM audit_events WHERE target = $1 OR target = $2 ORDER BY at`, made.ID, g.User.ID); strings.Join(got, " ") !=
		"auth.invitation_created user.created role.grant role.grant" {
		t.Errorf("recorded: %v", got)
	}
}

func TestInvitation_TwoWhoAcceptAtOnceAreOneUser(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, invite)
	e.User(t, "ada@example.com", "admin")
	var made auth.Invitation
	e.SignIn(t, "ada@example.com").Do("POST", "/auth/invitations", object{"email": "bob@example.com"}).Want(t, 201).JSON(t, &made)
	var wg sync.WaitGroup
	statuses := make([]int, 4)
	for i := range statuses {
		wg.Go(func() { statuses[i] = accept(t, e, made.Token, chosen).Status })
	}
	wg.Wait()
	slices.Sort(statuses)
	if !slices.Equal(statuses, []int{201, 410, 410, 410}) {
		t.Errorf("%v", statuses)
	}
}

func TestInvitation_GivesNothingThatTheInviterLacks(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, invite)
	dbtest.Exec(t, e.DB, `INSERT INTO roles (name, permissions) VALUES ('manager', '{users:manage,files:read,files:write,files:share}')`)
	boss := e.User(t, "boss@example.com", "manager")
	e.User(t, "member@example.com", "member")
	c := e.SignIn(t, "boss@example.com")
	c.Do("POST", "/auth/invitations", object{"email": "bob@example.com", "roles": []string{"admin"}}).WantProblem(t, 403, "forbidden")
	c.Do("POST", "/auth/invitations", object{"email": "bob@example.com", "roles": []string{"king"}}).WantProblem(t, 422, "validation_failed")
	c.Do("POST", "/auth/invitations", object{"email": "bob@example.com", "quota": -1}).WantProblem(t, 422, "validation_failed")
	c.Do("POST", "/auth/invitations", object{"email": "bob@@example.com"}).WantProblem(t, 422, "validation_failed")
	member := e.SignIn(t, "member@example.com")
	member.Do("POST", "/auth/invitations", object{"email": "bob@example.com"}).WantProblem(t, 403, "forbidden")
	member.Do("GET", "/auth/invitations", nil).WantProblem(t, 403, "forbidden")

	make := func(email string) (i auth.Invitation) {
		c.Do("POST", "/auth/invitations", object{"email": email, "roles": []string{"member"}}).Want(t, 201).JSON(t, &i)
		return i
	}
	// A second invitation takes the place of the first; one that is withdrawn
	// or too old is worth nothing.
	first, second, withdrawn, old := make("bob@example.com"), make("Bob@example.com"), make("carol@example.com"), make("dan@example.com")
	accept(t, e, first.Token, chosen).WantProblem(t, 410, "token_invalid")
	c.Do("DELETE", "/auth/invitations/"+withdrawn.ID.String(), nil).Want(t, 204)
	c.Do("DELETE", "/auth/invitations/"+withdrawn.ID.String(), nil).WantProblem(t, 404, "not_found")
	accept(t, e, withdrawn.Token, chosen).WantProblem(t, 410, "token_invalid")
	dbtest.Exec(t, e.DB, `UPDATE one_time_tokens SET expires_at = now() WHERE id = $1`, old.ID)
	accept(t, e, old.Token, chosen).WantProblem(t, 410, "token_invalid")
	// Nor is one whose inviter may not give it any more.
	dbtest.Exec(t, e.DB, `UPDATE roles SET permissions = '{users:manage}' WHERE name = 'manager'`)
	accept(t, e, second.Token, chosen).WantProblem(t, 410, "token_invalid")
	dbtest.Exec(t, e.DB, `UPDATE roles SET permissions = '{files:read,files:write,files:share}' WHERE name = 'manager'`)
	accept(t, e, second.Token, chosen).WantProblem(t, 410, "token_invalid")
	dbtest.Exec(t, e.DB, `UPDATE roles SET permissions = '{users:manage,files:read,files:write,files:share}' WHERE name = 'manager'`)
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE id = $1`, boss.ID)
	accept(t, e, second.Token, chosen).WantProblem(t, 410, "token_invalid")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'active' WHERE id = $1`, boss.ID)
	accept(t, e, second.Token, chosen).Want(t, 201)
}

func TestRegistration_ClosedInviteAndOpenSayWhoMayJoin(t *testing.T) {
	t.Parallel()
	ask := func(e *authtest.Env) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/register", object{"email": "bob@example.com"})
	}
	closed := authtest.Start(t, nil, withMail)
	closed.User(t, "ada@example.com", "admin")
	ask(closed).WantProblem(t, 403, "registration_closed")
	closed.SignIn(t, "ada@example.com").Do("POST", "/auth/invitations", object{"email": "bob@example.com"}).WantProblem(t, 403, "registration_closed")
	ask(authtest.Start(t, nil, withMail, invite)).WantProblem(t, 403, "registration_closed")
	ask(authtest.Start(t, nil, open)).WantProblem(t, 409, "mail_not_configured")
	ask(authtest.Start(t, nil, open, withMail)).Want(t, 202)
}

func TestRegistration_NeverTellsWhetherAnAddressIsKnown(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail, withPage, open)
	e.User(t, "ada@example.com", "member")
	ask := func(email string) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/register", object{"email": email})
	}
	known, unknown := ask("ADA@example.com").Want(t, 202), ask("bob@example.com").Want(t, 202)
	if string(known.Body) != string(unknown.Body) || len(known.Header) != len(unknown.Header) {
		t.Error("the answers differ")
	}
	ask("no address").WantProblem(t, 422, "validation_failed")
	e.Client(t).Do("POST", "/auth/register", object{"email": "b@example.com", "roles": []string{"admin"}}).WantProblem(t, 400, "unknown_field")
	if list := e.Mails(t, "ada@example.com"); len(list) != 1 || !strings.HasPrefix(list[0], "You already have an account") || strings.Contains(list[0], "token") {
		t.Errorf("%d mails to who is known", len(list))
	}
	if list := e.Mails(t, "bob@example.com"); len(list) != 1 || !strings.Contains(list[0], accountURL+"#action=register&token=") {
		t.Errorf("%d mails to who is new", len(list))
	}
	if n := query(t, e.DB, `SELECT count(*)::text FROM one_time_tokens`)[0]; n != "1" {
		t.Errorf("%s tokens", n)
	}
	var g auth.Grant
	accept(t, e, mailedToken(t, e, "bob@example.com"), chosen).Want(t, 201).JSON(t, &g)
	if strings.Join(g.User.Roles, " ") != "member" {
		t.Errorf("roles: %v", g.User.Roles)
	}
}

func TestInvitation_AcceptingInABrowserSetsTheCookies(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail, invite)
	e.User(t, "ada@example.com", "admin")
	var made auth.Invitation
	e.SignIn(t, "ada@example.com").Do("POST", "/auth/invitations", object{"email": "bob@example.com"}).Want(t, 201).JSON(t, &made)
	if made.Token != "" {
		t.Error("the token is shown although it was sent by mail")
	}
	in := object{"token": mailedToken(t, e, "bob@example.com"), "password": chosen}
	c := e.Client(t).KeepCookies()
	c.Do("POST", "/auth/invitations/accept", in).WantProblem(t, 403, "origin_required")
	if a := c.Do("POST", "/auth/invitations/accept", in, browser).Want(t, 201); len(a.Header.Values("Set-Cookie")) != 3 {
		t.Errorf("%d cookies", len(a.Header.Values("Set-Cookie")))
	}
	c.Do("GET", "/auth/me", nil).Want(t, 200)
}
