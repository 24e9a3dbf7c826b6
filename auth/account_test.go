package auth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/auth/internal/hashcost"
	"homebase/cli"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestPassword_ChangeEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	here, there := one.Grant(t, "ada@example.com"), one.Grant(t, "ada@example.com")
	me(t, one, there.AccessToken, 200)
	me(t, two, there.AccessToken, 200)
	c := one.Client(t).As(here.AccessToken)
	change := func(current, next string) *httpxtest.Answer {
		return c.Do("POST", "/auth/password", object{"current_password": current, "new_password": next})
	}
	const next = "a quite different one"
	change("wrong wrong wrong", next).WantProblem(t, 403, "wrong_password")
	for password, code := range map[string]string{
		"short": "too_short", strings.Repeat("é", 257): "too_long", "passwordpassword": "too_common", "ada@example.com": "too_common",
	} {
		p := change(authtest.Password, password).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) != 1 || p.Errors[0].Code != code || p.Errors[0].Pointer != "#/new_password" {
			t.Errorf("%q: %+v", password, p.Errors)
		}
	}
	me(t, one, there.AccessToken, 200)

	change(authtest.Password, next).Want(t, 204)
	me(t, one, here.AccessToken, 200)
	me(t, one, there.AccessToken, 401)
	dbtest.Within(t, "the other worker", func() bool {
		return two.Client(t).As(there.AccessToken).Do("GET", "/auth/me", nil).Status == 401
	})
	exchange(t, one, there.RefreshToken, 401)
	exchange(t, one, here.RefreshToken, 200)
	one.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).WantProblem(t, 401, "invalid_credentials")
	one.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", next, "token")).Want(t, 200)
	got := query(t, one.DB, `SELECT action || ' ' || outcome FROM audit_events WHERE action IN ('auth.password_changed', 'auth.reauthenticated') ORDER BY at`)
	if strings.Join(got, ", ") != "auth.reauthenticated denied, auth.password_changed ok" {
		t.Errorf("recorded: %v", got)
	}
}

func TestPassword_PolicyRefusesOnlyTheGuessable(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		"correct horse battery":                 "too_common", // each of them is on every list
		"vivid otter climbs 9 ladders":          "",
		"ten green bottles on a wall":           "",
		"Zx8!kfQ0p-mW":                          "",
		"пароль из четырёх слов":                "",
		"  leading and trailing  ":              "",
		"elevenchars":                           "too_short",
		"twelve chars":                          "",
		"            ":                          "too_common",
		"123456789012":                          "too_common",
		"qwertyuiop123":                         "too_common",
		"1qaz2wsx3edc":                          "too_common",
		"Password1234":                          "too_common",
		"P@ssw0rd123!":                          "too_common",
		"iloveyou1234":                          "too_common",
		"aaaaaaaaaaaaaaaa":                      "too_common",
		"abcabcabcabc":                          "too_common",
		"adalovelace2":                          "too_common",
		"adalovelace@example.com":               "too_common",
		"homebase12345":                         "too_common",
		"zyxwvutsrqponm":                        "too_common",
		"bad\xff utf-8 bytes":                   "invalid",
		strings.Repeat("long ", 60):             "too_long",
		strings.Repeat("a1!Z", 64):              "too_common",
		strings.Repeat("漢字かな交", 20):             "too_common",
		"correct Horse battery Staple":          "too_common",
		strings.Repeat("e\u0301", 6):            "too_short", // six letters, however they were typed
		strings.Repeat("\uFDFA", 11):            "too_short",
		strings.Repeat("vivid é\uFDFA ", 28):    "",
		"\uff50assword\uff11\uff12\uff13\uff14": "too_common",
	} {
		if got := auth.CheckPassword("AdaLovelace@example.com", password); got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

// The letters of a password are the same letters on every system, wherever it
// is given: composed, decomposed, or wide.
func TestPassword_IsTheSameHoweverItsLettersAreEncoded(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail)
	e.User(t, "root@example.com", "admin")
	root := e.SignIn(t, "root@example.com")
	const composed, decomposed, wide = "cr\u00e8me br\u00fbl\u00e9e \u00e0 midi", "cre\u0300me bru\u0302le\u0301e a\u0300 midi", "\uff43r\u00e8me br\u00fbl\u00e9e\u00a0\u00e0 midi"
	everyForm := func(email string) (c *httpxtest.Client) {
		t.Helper()
		for _, form := range []string{composed, decomposed, wide} {
			var g auth.Grant
			e.Client(t).Do("POST", "/auth/login", credentials(email, form, "token")).Want(t, 200).JSON(t, &g)
			c = e.Client(t).As(g.AccessToken)
		}
		return c
	}
	root.Do("POST", "/auth/users", object{"email": "made@example.com", "password": decomposed}).Want(t, 201)
	c := everyForm("made@example.com")
	for _, form := range []string{composed, decomposed, wide} {
		c.Do("POST", "/auth/reauthenticate", object{"password": form}).Want(t, 204)
		c.Do("POST", "/auth/password", object{"current_password": composed, "new_password": form}).Want(t, 204)
		c = everyForm("made@example.com")
	}
	forgot(t, e, "made@example.com")
	e.Client(t).Do("POST", "/auth/password/reset", object{"token": mailedToken(t, e, "made@example.com"), "password": wide}).Want(t, 204)
	everyForm("made@example.com")
	if _, err := run(t, e, decomposed+"\n", "user", "create", "shell@example.com", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	everyForm("shell@example.com")
	if _, err := run(t, e, wide+"\n", "user", "password", "shell@example.com", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	everyForm("shell@example.com")
	hash, err := e.Auth.HashSecret(t.Context(), decomposed)
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, e.DB, `UPDATE users SET password_hash = $1 WHERE email = 'shell@example.com'`, hash) // as shares hash theirs
	everyForm("shell@example.com")
}

func noop(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
}

func TestReauthenticate_MakesThePasswordRecent(t *testing.T) {
	t.Parallel()
	recent := httpx.Route{Pattern: "POST /test/recent", Access: httpx.SignedIn().Recent(), Rate: httpx.RateWrite,
		Summary: "For tests", Responses: []httpx.Response{{Status: 200}}, Handler: noop}
	one := authtest.Start(t, func(*authtest.Env) []httpx.Route { return []httpx.Route{recent} })
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	g := one.Grant(t, "ada@example.com")
	dbtest.Exec(t, one.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	c, other := one.Client(t).As(g.AccessToken), two.Client(t).As(g.AccessToken)
	c.Do("POST", "/test/recent", nil).WantProblem(t, 403, "reauthentication_required")
	other.Do("POST", "/test/recent", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/reauthenticate", object{"password": "wrong wrong wrong"}).WantProblem(t, 403, "wrong_password")
	c.Do("POST", "/test/recent", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("POST", "/auth/reauthenticate", object{"password": authtest.Password}).Want(t, 204)
	c.Do("POST", "/test/recent", nil).Want(t, 200)
	other.Do("POST", "/test/recent", nil).Want(t, 200)
}

func TestRefusal_IsNeverByWhatAWorkerHasNotHeardOfYet(t *testing.T) {
	t.Parallel()
	recent := httpx.Route{Pattern: "POST /test/recent", Access: httpx.SignedIn().Recent(), Rate: httpx.RateWrite,
		Summary: "For tests", Responses: []httpx.Response{{Status: 200}}, Handler: noop}
	e := authtest.Start(t, func(*authtest.Env) []httpx.Route { return []httpx.Route{recent} })
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	c.Do("POST", "/test/recent", nil).WantProblem(t, 403, "reauthentication_required")
	c.Do("GET", "/auth/users", nil).WantProblem(t, 403, "forbidden")
	// As if another worker had done it and its notification were on its way.
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now()`)
	c.Do("POST", "/test/recent", nil).Want(t, 200)
	dbtest.Exec(t, e.DB, `INSERT INTO user_roles (user_id, role) SELECT id, 'admin' FROM users WHERE email = 'ada@example.com'`)
	c.Do("GET", "/auth/users", nil).Want(t, 200)
}

func TestMe_NameIsChangedByMergePatch(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	first := c.Do("GET", "/auth/me", nil).Want(t, 200).Header.Get("ETag")
	if !strings.HasPrefix(first, `"r1.`) {
		t.Errorf("ETag %s", first)
	}
	var m auth.Me
	c.Do("PATCH", "/auth/me", object{"name": "Ada Lovelace"}, httpxtest.WithHeader("If-Match", first)).Want(t, 200).JSON(t, &m)
	if m.Name != "Ada Lovelace" || m.Revision != 2 {
		t.Errorf("%+v", m.User)
	}
	c.Do("PATCH", "/auth/me", object{"name": "Eve"}, httpxtest.WithHeader("If-Match", first)).WantProblem(t, 412, "precondition_failed")
	for _, tag := range []string{`"r1"`, `"r22"`, `"r2.` + strings.Repeat("0", 31) + `"`} {
		c.Do("PATCH", "/auth/me", object{"name": "Eve"}, httpxtest.WithHeader("If-Match", tag)).WantProblem(t, 412, "precondition_failed")
	}
	c.Do("PATCH", "/auth/me", object{}, httpxtest.WithHeader("If-Match", `"other", "r2"`)).Want(t, 200)
	c.Do("PATCH", "/auth/me", object{}).Want(t, 200).JSON(t, &m)
	if m.Name != "Ada Lovelace" || m.Revision != 2 {
		t.Errorf("an empty patch changed %+v", m.User)
	}
	c.Do("PATCH", "/auth/me", object{"name": nil}).Want(t, 200).JSON(t, &m)
	if m.Name != "" {
		t.Errorf("null left %q", m.Name)
	}
	c.Do("PATCH", "/auth/me", object{"name": strings.Repeat("x", 201)}).WantProblem(t, 422, "validation_failed")
	c.Do("PATCH", "/auth/me", object{"name": "a\r\nb"}).WantProblem(t, 422, "validation_failed")
	for _, field := range []string{"role", "roles", "id", "status", "email", "Name"} {
		c.Do("PATCH", "/auth/me", object{field: "admin"}).WantProblem(t, 400, "unknown_field")
	}
}

func TestRoutes_StrangersGet401WhereNotPublic(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	for _, route := range httpx.Listings(e.Auth.Routes()) {
		if route.Access == "public" {
			continue
		}
		e.Client(t).DoAt(route.Method, concrete(route.Pattern), nil).WantProblem(t, 401, "unauthenticated")
	}
}

func TestRole_ChangeHoldsAtOnceOnEveryWorker(t *testing.T) {
	t.Parallel()
	admin := httpx.Route{Pattern: "GET /test/admin", Access: httpx.Needs(auth.SystemManage), Rate: httpx.RateRead,
		Summary: "For tests", Responses: []httpx.Response{{Status: 200}}, Handler: noop}
	one := authtest.Start(t, func(*authtest.Env) []httpx.Route { return []httpx.Route{admin} })
	two := one.Worker(t)
	u := one.User(t, "ada@example.com", "admin")
	g := one.Grant(t, "ada@example.com")
	other := two.Client(t).As(g.AccessToken)
	other.Do("GET", "/test/admin", nil).Want(t, 200)
	dbtest.Exec(t, one.DB, `DELETE FROM user_roles`)
	if err := db.Notify(t.Context(), one.DB, "auth", "user "+u.ID.String()); err != nil {
		t.Fatal(err)
	}
	dbtest.Within(t, "the other worker", func() bool { return other.Do("GET", "/test/admin", nil).Status == 403 })
}

// run runs a command of auth with standard input.
func run(t *testing.T, e *authtest.Env, stdin string, args ...string) (string, error) {
	t.Helper()
	var out, messages bytes.Buffer
	sh := &cli.Shell{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &messages}
	for _, c := range e.Auth.Commands() {
		if words := strings.Fields(c.Name); len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.Name {
			err := c.Run(t.Context(), sh, args[len(words):])
			return out.String(), err
		}
	}
	t.Fatalf("there is no command %v", args)
	return "", nil
}

func TestCommand_UserCreateAndPassword(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	const first, second = "vivid otter climbs ladders", "another otter swims alone"
	if _, err := run(t, e, first+"\n", "user", "create", "ada@example.com", "--role", "admin", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"There is already a user":   {"user", "create", "--password-stdin", "ADA@example.com"},
		"There is no such role":     {"user", "create", "bob@example.com", "--role", "king", "--password-stdin"},
		"is not an address":         {"user", "create", "bob@@example.com", "--password-stdin"},
		"an argument is missing":    {"user", "create", "--password-stdin"},
		"not a terminal":            {"user", "create", "bob@example.com"},
		`no user "eve@example.com"`: {"user", "password", "eve@example.com", "--password-stdin"},
	} {
		if _, err := run(t, e, first, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := run(t, e, "tooshort\n", "user", "create", "bob@example.com", "--password-stdin"); err == nil || !strings.Contains(err.Error(), "at least 12") {
		t.Errorf("a short password: %v", err)
	}
	var list httpx.List[auth.ManagedUser]
	e.Operator(t).Do("GET", "/auth/users", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Email != "ada@example.com" || list.Items[0].Roles[0] != "admin" || list.Items[0].Status != "active" {
		t.Errorf("listed are %+v", list.Items)
	}
	var g auth.Grant
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", first, "token")).Want(t, 200).JSON(t, &g)
	if _, err := run(t, e, second+"\r\n", "user", "password", "ada@example.com", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	me(t, e, g.AccessToken, 401)
	e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", second, "token")).Want(t, 200).JSON(t, &g)
	if len(g.User.Notices) != 1 || g.User.Notices[0].Kind != "password_reset" {
		t.Errorf("notices: %+v", g.User.Notices)
	}
	got := query(t, e.DB, `SELECT action FROM audit_events WHERE actor_user IS NULL ORDER BY at`)
	if strings.Join(got, " ") != "user.created role.grant auth.password_changed" {
		t.Errorf("recorded: %v", got)
	}
}

func TestStart_RefusesAnotherSecret(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	start := func(keys ...[]byte) error {
		a := auth.New(auth.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), PublicURL: authtest.PublicURL,
			Keys: func(string) [][]byte { return keys }})
		return a.CheckSecret()
	}
	first := authtest.Keys("fingerprint")[0]
	if err := start(key(1)); err == nil || !strings.Contains(err.Error(), "HOMEBASE_SECRET") || !strings.Contains(err.Error(), "delete the folder") {
		t.Errorf("another secret: %v", err)
	}
	for i, keys := range [][][]byte{{first}, {key(1), first}, {key(1)}, {first, key(1)}, {first}} {
		if err := start(keys...); err != nil {
			t.Errorf("start %d: %v", i, err)
		}
	}
	if err := start(key(1)); err == nil {
		t.Error("the secret that was replaced is accepted")
	}
}

func TestStart_RefusesHashesThatAreCheaperThanTheStandard(t *testing.T) {
	t.Parallel()
	for _, c := range []hashcost.Cost{
		{Memory: 19455, Passes: 2, Threads: 1}, {Memory: 19456, Passes: 1, Threads: 1}, {Memory: 19456, Passes: 2},
		{Memory: 1 << 20, Passes: 2, Threads: 1}, {Memory: 64, Passes: 16, Threads: 1},
	} {
		a := auth.New(auth.Config{PublicURL: authtest.PublicURL, Keys: authtest.Keys, HashCost: c})
		if err := a.Start(t.Context()); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	for _, c := range []hashcost.Cost{hashcost.Standard, {Memory: 47104, Passes: 1, Threads: 1}} {
		if err := c.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestUser_AddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "a", "@", "a@", "@b", "a@b@c", "a@b,c@d", `"a b"@x`, "a b@x", "a@b\r\nBcc: c@d", "a@b\x00", "ä@example.com",
		"a@exämple.com", "a@.b", "a@b.", "a@b..c", ".a@b", "a.@b", "a..a@b", "<a@b>", strings.Repeat("a", 65) + "@b", "a@" + strings.Repeat("b", 253),
	} {
		if _, err := auth.ParseEmail(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
	for _, good := range []string{"a@b", "ada.lovelace+home@mail.example.com", "o'neil@example.com", "a@b ", "\ta@b\n"} {
		if got, err := auth.ParseEmail(good); err != nil {
			t.Errorf("%q is refused", good)
		} else if got != strings.TrimSpace(good) {
			t.Errorf("%q is kept as %q", good, got)
		}
	}
}

func TestPassword_StoredHashesAreReadStrictly(t *testing.T) {
	t.Parallel()
	good := oldHash()
	if got, err := auth.ParsePHC(good); err != nil || got != good {
		t.Errorf("%s: %v", got, err)
	}
	for _, bad := range []string{
		"", "x", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=8192", "m=8388608", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=1000", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1), good + "=", good[:len(good)-1], good + "$x",
	} {
		if _, err := auth.ParsePHC(bad); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
