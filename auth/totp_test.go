package auth_test

import (
	"encoding/base32"
	"errors"
	"net/url"
	osexec "os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

func TestTOTP_CodesAreThoseOfRFC6238(t *testing.T) {
	t.Parallel()
	// RFC 6238, appendix B, SHA-1.
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := auth.HOTP([]byte("12345678901234567890"), at/30, 8); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
	// RFC 4226, appendix D.
	for counter, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := auth.HOTP([]byte("12345678901234567890"), int64(counter), 6); got != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
}

// code is what an independent authenticator shows, so many steps from now.
func code(t *testing.T, secret string, steps int) string {
	t.Helper()
	return codeAt(t, secret, time.Now().Add(time.Duration(steps)*30*time.Second))
}

func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	out, err := osexec.Command("oathtool", "--totp", "--base32", "--now", at.UTC().Format("2006-01-02 15:04:05 UTC"), secret).CombinedOutput()
	if errors.Is(err, osexec.ErrNotFound) {
		t.Fatal("oathtool is not installed, and this test tries our codes with it: apt-get install oathtool")
	}
	if err != nil {
		t.Fatalf("oathtool: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// guarded is a user with TOTP on, who has used no code yet.
type guarded struct {
	auth.User
	auth.Grant
	secret   string
	recovery []string
}

func guard(t *testing.T, e *authtest.Env, email string) guarded {
	t.Helper()
	g := guarded{User: e.User(t, email, "member")}
	login(t, e, email, "").Want(t, 200).JSON(t, &g.Grant)
	c := e.Client(t).As(g.AccessToken)
	var begun auth.TOTPSecret
	c.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &begun)
	var codes auth.RecoveryCodes
	c.Do("POST", "/auth/totp/confirm", object{"code": code(t, begun.Secret, 0)}).Want(t, 200).JSON(t, &codes)
	dbtest.Exec(t, e.DB, `UPDATE totp SET last_step = 0 WHERE user_id = $1`, g.User.ID)
	g.secret, g.recovery = begun.Secret, codes.RecoveryCodes
	return g
}

func with(code string, in object) object {
	in["code"] = code
	return in
}

// login signs in with a link in place of the password, whose hashing takes
// long, and a code.
func login(t *testing.T, e *authtest.Env, email, code string) *httpxtest.Answer {
	t.Helper()
	link, err := run(t, e, "", "user", "login-link", email)
	if err != nil {
		t.Fatal(err)
	}
	return e.Client(t).Do("POST", "/auth/login", object{"link_token": strings.TrimPrefix(lastLine(link), accountURL+"#action=login&token="), "code": code, "mode": "token"})
}

// loginByPassword is what login stands for.
func loginByPassword(t *testing.T, e *authtest.Env, email, code string) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", "/auth/login", with(code, credentials(email, authtest.Password, "token")))
}

func TestTOTP_IsTurnedOnWithARealAuthenticator(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c, other := e.SignIn(t, "ada@example.com"), e.SignIn(t, "ada@example.com")
	c.Do("POST", "/auth/totp/confirm", object{"code": "123456"}).WantProblem(t, 409, "totp_off")

	var first, begun auth.TOTPSecret
	c.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &first)
	c.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &begun)
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(begun.Secret); err != nil || len(raw) != 20 || first.Secret == begun.Secret {
		t.Errorf("secret %d bytes: %v", len(raw), err)
	}
	u, err := url.Parse(begun.OTPAuthURI)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Homebase:ada@example.com" ||
		u.RawQuery != "secret="+begun.Secret+"&issuer=Homebase&algorithm=SHA1&digits=6&period=30" {
		t.Errorf("URI: %v", err)
	}
	// It guards nothing yet, and the secret of the first try is forgotten.
	login(t, e, "ada@example.com", "").Want(t, 200)
	c.Do("POST", "/auth/totp/confirm", object{"code": code(t, first.Secret, 0)}).WantProblem(t, 403, "wrong_code")
	c.Do("POST", "/auth/totp/confirm", object{"code": strings.Repeat("A", 26)}).WantProblem(t, 403, "wrong_code")

	now := code(t, begun.Secret, 0)
	var codes auth.RecoveryCodes
	c.Do("POST", "/auth/totp/confirm", object{"code": now[:3] + " " + now[3:]}).Want(t, 200).JSON(t, &codes)
	c.Do("POST", "/auth/totp/confirm", object{"code": code(t, begun.Secret, 1)}).WantProblem(t, 409, "totp_on")
	c.Do("POST", "/auth/totp", nil).WantProblem(t, 409, "totp_on")
	if len(codes.RecoveryCodes) != 10 || len(slices.Compact(slices.Sorted(slices.Values(codes.RecoveryCodes)))) != 10 {
		t.Errorf("%d recovery codes", len(codes.RecoveryCodes))
	}
	for _, rc := range codes.RecoveryCodes {
		if !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(rc) { // 130 bits
			t.Errorf("a recovery code of another form: %d characters", len(rc))
		}
	}
	c.Do("GET", "/auth/me", nil).Want(t, 200)
	other.Do("GET", "/auth/me", nil).WantProblem(t, 401, "unauthenticated") // it had asked for no code

	loginByPassword(t, e, "ada@example.com", "").WantProblem(t, 401, "totp_required")
	loginByPassword(t, e, "ada@example.com", now).WantProblem(t, 401, "wrong_code") // used to confirm
	var g auth.Grant
	loginByPassword(t, e, "ada@example.com", code(t, begun.Secret, 1)).Want(t, 200).JSON(t, &g)
	if !g.User.TOTP {
		t.Error("the user does not say that TOTP is on")
	}
	got := query(t, e.DB, `SELECT action || ' ' || outcome || ' ' || coalesce(details->>'reason', '') FROM audit_events WHERE action LIKE 'auth.%' AND action NOT IN ('auth.login', 'auth.login_link_made') ORDER BY at`)
	if strings.Join(got, ", ") != "auth.totp_enabled ok , auth.login_failed denied used_code" {
		t.Errorf("recorded: %v", got)
	}
}

func TestTOTP_NothingIsToldBeforeTheRightPassword(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	e.User(t, "bob@example.com", "member")
	wrong := func(email, code string) string {
		a := e.Client(t).Do("POST", "/auth/login", with(code, credentials(email, "wrong wrong wrong", "token")))
		a.WantProblem(t, 401, "invalid_credentials")
		return errorBody(t, a)
	}
	if a, b := wrong("ada@example.com", code(t, g.secret, 1)), wrong("bob@example.com", ""); a != b {
		t.Errorf("%s\n%s", a, b)
	}
	// The code was not looked at, so it is not used up.
	loginByPassword(t, e, "ada@example.com", code(t, g.secret, 1)).Want(t, 200)
}

func TestTOTP_ACodeWorksOnceAlsoOnTwoWorkersAtOnce(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	g := guard(t, one, "ada@example.com")
	shown := code(t, g.secret, 0)
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for _, e := range []*authtest.Env{one, two} {
		wg.Go(func() {
			a := loginByPassword(t, e, "ada@example.com", shown)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.Status]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[401] != 1 {
		t.Errorf("two sign-ins with one code: %v", statuses)
	}
	login(t, two, "ada@example.com", code(t, g.secret, 1)).Want(t, 200)
	login(t, one, "ada@example.com", shown).WantProblem(t, 401, "wrong_code") // older than one that was used
}

func TestTOTP_DriftOfOneStepIsLetPass(t *testing.T) {
	t.Parallel()
	// Exactly one step, at both ends of a step.
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, second := range []int64{0, 29} {
		now := time.Unix(1_800_000_000+second, 0)
		for steps := -3; steps <= 3; steps++ {
			shown := codeAt(t, secret, now.Add(time.Duration(steps)*30*time.Second))
			if got := auth.MatchStep([]byte("12345678901234567890"), shown, now); (got != 0) != (-1 <= steps && steps <= 1) {
				t.Errorf("second %d, %d steps: step %d", second, steps, got)
			}
		}
	}
	// And through the door, with steps to spare for a busy machine.
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	for _, row := range [][2]int{{-4, 401}, {6, 401}, {0, 200}, {1, 200}} {
		if a := login(t, e, "ada@example.com", code(t, g.secret, row[0])); a.Status != row[1] {
			t.Errorf("%d steps: %d, want %d", row[0], a.Status, row[1])
		}
	}
}

func TestTOTP_AClockThatWentBackAcceptsNothing(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	// As if codes had been used an hour from now.
	dbtest.Exec(t, e.DB, `UPDATE totp SET last_step = extract(epoch FROM now())::bigint / 30 + 120`)
	for steps := -1; steps <= 1; steps++ {
		login(t, e, "ada@example.com", code(t, g.secret, steps)).WantProblem(t, 401, "wrong_code")
	}
	login(t, e, "ada@example.com", g.recovery[0]).Want(t, 200) // asks no clock
}

func TestTOTP_RecoveryCodesWorkOnceEach(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	login(t, e, "ada@example.com", g.recovery[0]).Want(t, 200)
	login(t, e, "ada@example.com", g.recovery[0]).WantProblem(t, 401, "wrong_code")
	login(t, e, "ada@example.com", strings.ToLower(g.recovery[1][:13]+"-"+g.recovery[1][13:])).Want(t, 200)
	if left := query(t, e.DB, `SELECT cardinality(recovery)::text FROM totp`)[0]; left != "8" {
		t.Errorf("%s codes are left", left)
	}
	if got := query(t, e.DB, `SELECT details->>'left' FROM audit_events WHERE action = 'auth.recovery_code_used' ORDER BY at`); strings.Join(got, " ") != "9 8" {
		t.Errorf("recorded: %v", got)
	}
	c := e.Client(t).As(g.AccessToken)
	var next auth.RecoveryCodes
	c.Do("POST", "/auth/totp/recovery-codes", nil).Want(t, 200).JSON(t, &next)
	login(t, e, "ada@example.com", g.recovery[2]).WantProblem(t, 401, "wrong_code")
	login(t, e, "ada@example.com", next.RecoveryCodes[9]).Want(t, 200)
}

func TestTOTP_NothingReadableLiesInTheDatabase(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(g.secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{string(raw), g.secret, g.recovery[0]} {
		n := query(t, e.DB, `SELECT count(*)::text FROM totp WHERE position($1::bytea in secret) > 0 OR $1::bytea = ANY(recovery)`, []byte(plain))[0]
		if n != "0" {
			t.Error("a secret can be read")
		}
	}
	// A secret copied to another user is useless there.
	bob := e.User(t, "bob@example.com", "member")
	dbtest.Exec(t, e.DB, `INSERT INTO totp SELECT $1, secret, confirmed_at, 0, recovery FROM totp`, bob.ID)
	login(t, e, "bob@example.com", code(t, g.secret, 1)).WantProblem(t, 500, "internal")
}

func TestTOTP_ReauthenticationAsksForACodeToo(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	c := e.Client(t).As(g.AccessToken)
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	if err := db.Notify(t.Context(), e.DB, "auth", "all"); err != nil {
		t.Fatal(err)
	}
	dbtest.Within(t, "an older password", func() bool { return c.Do("POST", "/auth/totp", nil).Status == 403 })
	c.Do("POST", "/auth/totp", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("DELETE", "/auth/totp", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/totp/recovery-codes", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/totp/confirm", object{"code": "123456"}).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/email", object{"email": "new@example.com"}).WantProblem(t, 403, "reauthentication_required")
	again := func(code string) *httpxtest.Answer {
		return c.Do("POST", "/auth/reauthenticate", with(code, object{"password": authtest.Password}))
	}
	// Another password is no way around the code.
	c.Do("POST", "/auth/password", object{"current_password": authtest.Password, "new_password": "another one entirely"}).Want(t, 204)
	c.Do("POST", "/auth/totp/recovery-codes", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/password", object{"current_password": "another one entirely", "new_password": authtest.Password}).Want(t, 204)

	again("").WantProblem(t, 403, "totp_required")
	again("000 00x").WantProblem(t, 403, "wrong_code")
	c.Do("POST", "/auth/totp/recovery-codes", nil).WantProblem(t, 403, "reauthentication_required")
	shown := code(t, g.secret, 1)
	again(shown).Want(t, 204)
	again(shown).WantProblem(t, 403, "wrong_code")
	c.Do("DELETE", "/auth/totp", nil).Want(t, 204)
	c.Do("DELETE", "/auth/totp", nil).WantProblem(t, 409, "totp_off")
	c.Do("POST", "/auth/totp/recovery-codes", nil).WantProblem(t, 409, "totp_off")
	login(t, e, "ada@example.com", "").Want(t, 200)
}

func TestTOTP_IsResetByManagersWhoMayAndByTheOperator(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	g := guard(t, e, "ada@example.com")
	boss := guard(t, e, "boss@example.com")
	dbtest.Exec(t, e.DB, `INSERT INTO user_roles VALUES ($1, 'admin')`, boss.User.ID)
	dbtest.Exec(t, e.DB, `INSERT INTO roles (name, permissions) VALUES ('manager', '{users:manage,files:read,files:write,files:share}')`)
	e.User(t, "manager@example.com", "manager")
	e.User(t, "member@example.com", "member")
	reset := func(id string) string { return "/auth/users/" + id + "/totp/reset" }
	manager := e.SignIn(t, "manager@example.com")
	e.SignIn(t, "member@example.com").Do("POST", reset(g.User.ID.String()), nil).WantProblem(t, 403, "forbidden")
	manager.Do("POST", reset(boss.User.ID.String()), nil).WantProblem(t, 403, "forbidden")
	manager.Do("POST", reset(g.Session.ID.String()), nil).WantProblem(t, 404, "not_found")
	manager.Do("POST", reset(g.User.ID.String()), nil).Want(t, 204)
	manager.Do("POST", reset(g.User.ID.String()), nil).WantProblem(t, 409, "totp_off")
	me(t, e, g.AccessToken, 401)
	var next auth.Grant
	login(t, e, "ada@example.com", "").Want(t, 200).JSON(t, &next)
	if len(next.User.Notices) != 1 || next.User.Notices[0].Kind != "totp_reset" || next.User.TOTP {
		t.Errorf("the user is told: %+v", next.User.Notices)
	}

	operator := e.Operator(t)
	operator.Do("POST", reset(boss.User.ID.String()), nil).Want(t, 204)
	login(t, e, "boss@example.com", "").Want(t, 200)
	operator.Do("POST", reset(boss.User.ID.String()), nil).WantProblem(t, 409, "totp_off")
	got := query(t, e.DB, `SELECT (actor_user IS NULL)::text FROM audit_events WHERE action = 'auth.totp_reset' ORDER BY at`)
	if strings.Join(got, " ") != "false true" {
		t.Errorf("recorded: %v", got)
	}
}

func FuzzCode(f *testing.F) {
	for _, seed := range []string{"123456", "12 34-56", strings.Repeat("A7", 13), strings.Repeat("- ", 26), "123456" + strings.Repeat("-", 60), "12345６", "", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits, recovery, ok := auth.ParseCode(s)
		if !ok {
			return
		}
		if recovery == nil && !regexp.MustCompile(`^[0-9]{6}$`).MatchString(digits) || recovery != nil && (len(recovery) != 32 || digits != "") {
			t.Errorf("%q is taken for a code", s)
		}
		if d, r, ok := auth.ParseCode(" " + strings.ToLower(s) + "-"); len(s) < 50 && (!ok || d != digits || string(r) != string(recovery)) {
			t.Errorf("%q is another code with a space", s)
		}
	})
}
