package auth_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestForgot_NeverTellsWhetherAnAddressIsKnown(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail)
	e.User(t, "ada@example.com", "member")
	gone := e.User(t, "gone@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE id = $1`, gone.ID)
	known := forgot(t, e, "ADA@example.com")
	for _, email := range []string{"nobody@example.com", "gone@example.com"} {
		if a := forgot(t, e, email); string(a.Body) != string(known.Body) || len(a.Header) != len(known.Header) {
			t.Errorf("the answer for %s differs", email)
		}
		if list := e.Mails(t, email); len(list) != 0 {
			t.Errorf("%d mails to %s", len(list), email)
		}
	}
	if n := query(t, e.DB, `SELECT count(*)::text FROM one_time_tokens`)[0]; n != "1" {
		t.Errorf("%s tokens", n)
	}
	if list := e.Mails(t, "ada@example.com"); len(list) != 1 || !strings.HasPrefix(list[0], "Set a new password") {
		t.Errorf("%d mails to the address as it is known", len(list))
	}
	if got := query(t, e.DB, `SELECT count(*)::text FROM audit_events WHERE action = 'auth.password_forgotten' AND details::text NOT LIKE '%@%'`)[0]; got != "3" {
		t.Errorf("recorded %s times without an address", got)
	}
	none := authtest.Start(t, nil)
	none.Client(t).Do("POST", "/auth/password/forgot", object{"email": "ada@example.com"}).WantProblem(t, 409, "mail_not_configured")
}

// What is asked of PostgreSQL and how often a secret is hashed must not depend
// on whether there is such a user: the time of an answer would tell.
func TestForgot_AnUnknownAddressCostsTheSameWork(t *testing.T) {
	t.Parallel()
	e, statements := authtest.StartWatched(t, nil, withMail, open)
	e.User(t, "ada@example.com", "member")
	gone := e.User(t, "gone@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE id = $1`, gone.ID)
	hashes := func() float64 {
		figures, err := e.Auth.Figures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(figures, func(f httpx.Figure) bool { return f.Name == "homebase_hashes_total" })
		return figures[i].Value
	}
	for _, ask := range []struct {
		path   string
		status int
		hashes float64
	}{{"/auth/password/forgot", 202, 0}, {"/auth/register", 202, 0}, {"/auth/login", 401, 1}} {
		var first []string
		for _, email := range []string{"ada@example.com", "nobody@example.com", "gone@example.com", "b@c"} {
			in := object{"email": email}
			if ask.path == "/auth/login" {
				in = credentials(email, "wrong wrong wrong", "token")
			}
			before := hashes()
			statements.Take()
			e.Client(t).Do("POST", ask.path, in).Want(t, ask.status)
			sent := statements.Take()
			if n := hashes() - before; n != ask.hashes {
				t.Errorf("%s for %s: %v hashes", ask.path, email, n)
			}
			if first == nil {
				first = sent
			}
			if len(sent) < 3 || !slices.Equal(sent, first) {
				t.Errorf("%s for %s asks\n%v, and otherwise\n%v", ask.path, email, sent, first)
			}
		}
	}
}

func TestReset_EndsAllSessionsAndWorksOnce(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail, withPage)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	forgot(t, e, "ada@example.com")
	if list := e.Mails(t, "ada@example.com"); !strings.Contains(list[0], accountURL+"#action=reset&token=") {
		t.Error("the mail has no link to the account page")
	}
	token := mailedToken(t, e, "ada@example.com")
	forgot(t, e, "ada@example.com")
	second := mailedToken(t, e, "ada@example.com")
	reset := func(token, password string) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/password/reset", object{"token": token, "password": password})
	}
	reset(token, "short").WantProblem(t, 422, "validation_failed")
	me(t, e, g.AccessToken, 200)
	// An earlier link works too: nobody spoils it by asking for another.
	statuses := make([]int, 3)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = reset(token, chosen).Status })
	}
	wg.Wait()
	if slices.Sort(statuses); !slices.Equal(statuses, []int{204, 410, 410}) {
		t.Errorf("one token at once: %v", statuses)
	}
	reset(second, chosen).WantProblem(t, 410, "token_invalid") // from before the change
	me(t, e, g.AccessToken, 401)
	exchange(t, e, g.RefreshToken, 401)
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).WantProblem(t, 401, "invalid_credentials")
	var next auth.Grant
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", chosen, "token")).Want(t, 200).JSON(t, &next)
	if len(next.User.Notices) != 1 || next.User.Notices[0].Kind != "password_reset" {
		t.Errorf("notices: %+v", next.User.Notices)
	}
	for _, token := range []string{"", "x", strings.Repeat("A", 26), strings.ToLower(token)} {
		reset(token, chosen).WantProblem(t, 410, "token_invalid")
	}
}

func TestReset_LetsNoDisabledUserInAndAsksForTheCodeAllTheSame(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail)
	g := guard(t, e, "ada@example.com")
	reset := func(token string) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/password/reset", object{"token": token, "password": chosen})
	}
	forgot(t, e, "ada@example.com")
	token := mailedToken(t, e, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled'`)
	reset(token).WantProblem(t, 410, "token_invalid")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'active'`)
	reset(token).Want(t, 204)
	in := credentials("ada@example.com", chosen, "token")
	e.Client(t).Do("POST", "/auth/login", in).WantProblem(t, 401, "totp_required")
	e.Client(t).Do("POST", "/auth/login", with(code(t, g.secret, 1), in)).Want(t, 200)
	forgot(t, e, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE one_time_tokens SET expires_at = now()`)
	reset(mailedToken(t, e, "ada@example.com")).WantProblem(t, 410, "token_invalid")
}

func TestEmail_ChangesWhenTheNewAddressConfirms(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail)
	e.User(t, "ada@example.com", "member")
	e.User(t, "bob@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	ask := func(email string) *httpxtest.Answer { return c.Do("POST", "/auth/email", object{"email": email}) }
	confirm := func(token string) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/email/confirm", object{"token": token})
	}
	ask("no address").WantProblem(t, 422, "validation_failed")
	ask("first@example.com").Want(t, 202)
	forgot(t, e, "ada@example.com")
	resetToken := mailedToken(t, e, "ada@example.com")
	first := mailedToken(t, e, "first@example.com")
	free := ask("second@example.com").Want(t, 202)
	// Only the last address that was asked for can be confirmed.
	confirm(first).WantProblem(t, 410, "token_invalid")
	if taken := ask("BOB@example.com").Want(t, 202); string(taken.Body) != string(free.Body) {
		t.Error("the answer tells that the address is taken")
	}
	if list := e.Mails(t, "bob@example.com"); len(list) != 1 || !strings.HasPrefix(list[0], "You already have an account") {
		t.Errorf("%d mails to whose address it is", len(list))
	}
	confirm(mailedToken(t, e, "second@example.com")).WantProblem(t, 410, "token_invalid")

	ask("second@example.com").Want(t, 202)
	token := mailedToken(t, e, "second@example.com")
	confirm(token).Want(t, 204)
	confirm(token).WantProblem(t, 410, "token_invalid")
	var m auth.Me
	c.Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &m)
	if m.Email != "second@example.com" || len(m.Notices) != 1 || m.Notices[0].Kind != "email_changed" {
		t.Errorf("%s %+v", m.Email, m.Notices)
	}
	// What was sent to the old address is worth nothing now, and it is told.
	e.Client(t).Do("POST", "/auth/password/reset", object{"token": resetToken, "password": chosen}).WantProblem(t, 410, "token_invalid")
	if list := e.Mails(t, "ada@example.com"); !strings.HasPrefix(list[len(list)-1], "Your address was changed") {
		t.Error("the old address is not told")
	}
	e.Client(t).Do("POST", "/auth/login", credentials("second@example.com", authtest.Password, "token")).Want(t, 200)
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).WantProblem(t, 401, "invalid_credentials")

	// An address that was taken in between stays with who took it.
	ask("third@example.com").Want(t, 202)
	e.User(t, "THIRD@example.com", "member")
	confirm(mailedToken(t, e, "third@example.com")).WantProblem(t, 409, "email_taken")
}

func TestLoginLink_SignsInOnceWithinTenMinutes(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "admin")
	gone := e.User(t, "gone@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE id = $1`, gone.ID)
	link := func(args ...string) string {
		t.Helper()
		out, err := run(t, e, "", append([]string{"user", "login-link", "ada@example.com"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return lastLine(out)
	}
	use := func(token string) *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/login", object{"link_token": token, "mode": "token"})
	}
	token := link()
	statuses := make([]int, 3)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = use(token).Status })
	}
	wg.Wait()
	if slices.Sort(statuses); !slices.Equal(statuses, []int{200, 401, 401}) {
		t.Errorf("one token at once: %v", statuses)
	}
	late := link()
	if left := query(t, e.DB, `SELECT (expires_at - now() BETWEEN interval '9 minutes' AND interval '10 minutes')::text FROM one_time_tokens`)[0]; left != "true" {
		t.Error("it does not end in ten minutes")
	}
	dbtest.Exec(t, e.DB, `UPDATE one_time_tokens SET expires_at = now()`)
	use(late).WantProblem(t, 401, "invalid_credentials")

	var printed struct {
		Token     string    `json:"token"`
		URL       *string   `json:"url"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(link("--json")), &printed); err != nil || printed.URL != nil || time.Until(printed.ExpiresAt) < 9*time.Minute {
		t.Errorf("%v: url %v, %v", err, printed.URL, printed.ExpiresAt)
	}
	both := credentials("ada@example.com", authtest.Password, "token")
	both["link_token"] = printed.Token
	e.Client(t).Do("POST", "/auth/login", both).WantProblem(t, 422, "validation_failed")
	use(printed.Token).Want(t, 200)
	// A changed password makes it worthless.
	token = link()
	if _, err := run(t, e, chosen, "user", "password", "ada@example.com", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	use(token).WantProblem(t, 401, "invalid_credentials")
	for want, email := range map[string]string{"is disabled": "gone@example.com", "there is no user": "eve@example.com"} {
		if _, err := run(t, e, "", "user", "login-link", email); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", email, err)
		}
	}
	got := query(t, e.DB, `SELECT DISTINCT action || ' ' || coalesce(details->>'by', details->>'reason', '') FROM audit_events WHERE action LIKE 'auth.login%' ORDER BY 1`)
	if strings.Join(got, ", ") != "auth.login login, auth.login_failed link, auth.login_link_made " {
		t.Errorf("recorded: %v", got)
	}

	page := authtest.Start(t, nil, withPage)
	g := guard(t, page, "ada@example.com")
	out, err := run(t, page, "", "user", "login-link", "ada@example.com")
	token, ok := strings.CutPrefix(lastLine(out), accountURL+"#action=login&token=")
	if err != nil || !ok {
		t.Fatalf("%v: %v", err, ok)
	}
	// It stands for the password, not for the code, and is not lost by that.
	c := page.Client(t)
	c.Do("POST", "/auth/login", object{"link_token": token, "mode": "token"}).WantProblem(t, 401, "totp_required")
	c.Do("POST", "/auth/login", object{"link_token": token, "mode": "token", "code": g.recovery[3]}).Want(t, 200)
}
