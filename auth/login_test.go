package auth_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/argon2"
)

type object map[string]any

var browser = httpxtest.WithHeader("Sec-Fetch-Site", "same-origin")

func credentials(email, password, mode string) object {
	return object{"email": email, "password": password, "mode": mode}
}

func TestLogin_TokenModeAnswersTokensAndSetsNoCookie(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	u := e.User(t, "Ada@example.com", "member")
	a := e.Client(t).Do("POST", "/auth/login", credentials("ada@EXAMPLE.com", authtest.Password, "token"),
		httpxtest.WithHeader("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).Want(t, 200)
	if c := a.Header.Values("Set-Cookie"); len(c) != 0 {
		t.Errorf("cookies were set: %d", len(c))
	}
	var g auth.Grant
	a.JSON(t, &g)
	if g.TokenType != "Bearer" || g.ExpiresIn != 600 || g.User.ID != u.ID || g.User.Email != "Ada@example.com" {
		t.Errorf("answer: %+v", g.User)
	}
	if g.Session.Name != "Firefox on Linux" || !g.Session.Current || g.Session.Address != "127.0.0.1" {
		t.Errorf("session: %+v", g.Session)
	}
	if got := strings.Join(g.User.Permissions, " "); got != "files:read files:share files:write" {
		t.Errorf("permissions of a member: %s", got)
	}
	var me auth.Me
	e.Client(t).As(g.AccessToken).Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &me)
	if me.ID != u.ID || me.Roles[0] != "member" {
		t.Errorf("me: %+v", me)
	}
}

func TestLogin_CookiesHaveExactlyTheirAttributes(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "admin")
	a := e.Client(t).Do("POST", "/auth/login", object{"email": "ada@example.com", "password": authtest.Password}, browser).Want(t, 200)
	var g auth.Grant
	a.JSON(t, &g)
	if g.AccessToken != "" || g.RefreshToken != "" || g.TokenType != "" {
		t.Error("a sign-in by cookie shows tokens to scripts")
	}
	want := map[string]string{"__Host-at": "600", "__Host-rt": "1209600", "__Host-dv": "15552000"}
	for _, line := range a.Header.Values("Set-Cookie") {
		pair, attributes, _ := strings.Cut(line, "; ")
		name, value, _ := strings.Cut(pair, "=")
		if got := "Path=/; Max-Age=" + want[name] + "; HttpOnly; Secure; SameSite=Strict"; attributes != got || value == "" {
			t.Errorf("%s: %s", name, attributes)
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("not set: %v", want)
	}
}

func TestLogin_KnownDeviceKeepsItsMark(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	e.User(t, "bob@example.com", "member")
	c := e.Client(t).KeepCookies()
	login := func(email string) bool {
		a := c.Do("POST", "/auth/login", credentials(email, authtest.Password, "cookie"), browser).Want(t, 200)
		return strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "__Host-dv=")
	}
	if !login("ada@example.com") || login("ada@example.com") || !login("bob@example.com") {
		t.Error("the mark is set at the first sign-in of a user on a device, and only then")
	}
}

func TestLogin_ADeviceIsKnownToItsLastFourUsers(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c := e.Client(t).KeepCookies()
	known := func(email string) bool {
		a := c.Do("POST", "/auth/login", credentials(email, authtest.Password, "cookie"), browser).Want(t, 200)
		return !strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "__Host-dv=")
	}
	family := []string{"ada@example.com", "bob@example.com", "cid@example.com", "dan@example.com", "eve@example.com"}
	for _, email := range family {
		e.User(t, email, "member")
		known(email)
	}
	for _, email := range family[1:] {
		if !known(email) {
			t.Errorf("the device does not know %s any more", email)
		}
	}
	if known(family[0]) {
		t.Error("the device has five marks")
	}
}

func TestLogin_AMarkIsGoodForHalfAYear(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	user := e.User(t, "ada@example.com", "member").ID
	for days, good := range map[int]bool{0: true, 179: true, 181: false} {
		made := uuid.Must(uuid.NewV7())
		at := binary.BigEndian.AppendUint64(nil, uint64(time.Now().AddDate(0, 0, -days).UnixMilli())<<16)
		copy(made[:6], at)
		mark := auth.Sign(authtest.Keys("device"), slices.Concat([]byte{2}, user[:], made[:]))
		a := e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "cookie"), browser, httpxtest.WithHeader("Cookie", "__Host-dv="+mark)).Want(t, 200)
		if given := strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "__Host-dv="); given == good {
			t.Errorf("after %d days a new mark is given: %t", days, given)
		}
	}
}

// A proxy that does not tell who is behind it keeps nobody out.
func TestLogin_WorksFromAnAddressThatIsNotKnown(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	behind := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: e.Auth.Authenticate, Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, e.Auth.Routes())
	var g auth.Grant
	behind.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).Want(t, 200).JSON(t, &g)
	behind.Client(t).Do("POST", "/auth/refresh", object{"refresh_token": g.RefreshToken}).Want(t, 200).JSON(t, &g)
	if g.Session.Address != "" {
		t.Errorf("the session has the address %q", g.Session.Address)
	}
}

// errorBody is a problem without what differs from request to request.
func errorBody(t *testing.T, a *httpxtest.Answer) string {
	t.Helper()
	var body object
	a.JSON(t, &body)
	delete(body, "request_id")
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(a.Status, string(text), a.Header.Get("WWW-Authenticate"), a.Header.Values("Set-Cookie"))
}

func TestLogin_FailuresAreAllTheSame(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	gone := e.User(t, "gone@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE id = $1`, gone.ID)

	var first string
	for _, in := range []object{
		credentials("ada@example.com", "wrong wrong wrong", "token"),
		credentials("nobody@example.com", authtest.Password, "token"),
		credentials("gone@example.com", authtest.Password, "token"),
		credentials("gone@example.com", "wrong wrong wrong", "token"),
		credentials("not an address\r\nBcc: x", authtest.Password, "token"),
		credentials("", authtest.Password, "token"),
		credentials(strings.Repeat("a", 400)+"@example.com", authtest.Password, "token"),
		credentials("ada@example.com", strings.Repeat("x", 1025), "token"),
		credentials("ada@example.com", "", "token"),
		credentials("ada@example.com", "              ", "token"),
	} {
		a := e.Client(t).Do("POST", "/auth/login", in)
		a.WantProblem(t, 401, "invalid_credentials")
		if body := errorBody(t, a); first == "" {
			first = body
		} else if body != first {
			t.Errorf("%v\n got %s\nwant %s", in["email"], body, first)
		}
	}
	reasons := strings.Join(query(t, e.DB, `SELECT DISTINCT details->>'reason' FROM audit_events WHERE action = 'auth.login_failed' ORDER BY 1`), " ")
	if reasons != "disabled password unknown" {
		t.Errorf("recorded reasons: %s", reasons)
	}
	if n := query(t, e.DB, `SELECT count(*)::text FROM audit_events WHERE details::text LIKE '%nobody%' OR details::text LIKE '%Bcc%'`)[0]; n != "0" {
		t.Error("the address of someone unknown is kept in clear")
	}
}

func TestLogin_BadBodiesAreRefused(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c := e.Client(t)
	c.Do("POST", "/auth/login", object{"email": "a@b", "password": "x", "role": "admin"}).WantProblem(t, 400, "unknown_field")
	c.Do("POST", "/auth/login", credentials("a@b", "x", "both")).WantProblem(t, 422, "validation_failed")
	c.Do("POST", "/auth/login", `{"email":"a@b"}`, httpxtest.WithHeader("Content-Type", "text/plain")).WantProblem(t, 415, "unsupported_media_type")
	c.Do("POST", "/auth/login", credentials("a@b", strings.Repeat("x", 1<<20), "")).WantProblem(t, 413, "body_too_large")
}

func TestLogin_CookiesNeedAnOriginThatBrowsersKeepThemFor(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	in := credentials("ada@example.com", authtest.Password, "cookie")
	c := e.Client(t)
	c.Do("POST", "/auth/login", in).WantProblem(t, 403, "origin_required")
	c.Do("POST", "/auth/login", in, httpxtest.WithHeader("Origin", "https://evil.example")).WantProblem(t, 403, "origin_refused")
	c.Do("POST", "/auth/login", in, httpxtest.WithHeader("Sec-Fetch-Site", "cross-site")).WantProblem(t, 403, "origin_refused")
	lan := func(r *http.Request) { r.Host = "192.168.1.7:8080" }
	p := c.Do("POST", "/auth/login", in, browser, lan).WantProblem(t, 400, "insecure_origin")
	if !strings.Contains(p.Detail, authtest.PublicURL) {
		t.Errorf("the detail does not say where to go: %s", p.Detail)
	}
	c.Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token"), lan).Want(t, 200)
	if n := query(t, e.DB, `SELECT count(*)::text FROM sessions`)[0]; n != "1" {
		t.Errorf("%s sessions after refused sign-ins", n)
	}
}

func TestLogin_FloodIsBoundedAndTheRestIsTold(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, unlimited)
	e.User(t, "ada@example.com", "member")
	room, release := e.Auth.HoldHashing()
	const flood = 50
	answers := make(chan *httpxtest.Answer, flood)
	for range flood {
		go func() {
			answers <- e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", "wrong wrong wrong", "token"))
		}()
	}
	for range flood - room {
		(<-answers).WantProblem(t, 503, "hashing_busy")
	}
	release()
	for range room {
		(<-answers).WantProblem(t, 401, "invalid_credentials")
	}
	e.SignIn(t, "ada@example.com").Do("GET", "/auth/me", nil).Want(t, 200)
}

func TestLogin_OldestSessionGivesWayToTheTwentyFirst(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	first := e.SignIn(t, "ada@example.com")
	first.Do("GET", "/auth/me", nil).Want(t, 200)
	e.SignIn(t, "ada@example.com")
	// Eighteen more devices, without waiting for as many hashes.
	dbtest.Exec(t, e.DB, `INSERT INTO sessions (id, user_id, rt_key, user_agent, idle_until, absolute_until)
		SELECT gen_random_uuid(), user_id, rt_key, user_agent, idle_until, absolute_until
		  FROM sessions, generate_series(1, 9)`)
	first.Do("GET", "/auth/me", nil).Want(t, 200)
	e.SignIn(t, "ada@example.com")
	first.Do("GET", "/auth/me", nil).WantProblem(t, 401, "unauthenticated")
}

func TestLogin_OutdatedHashIsMadeAnewAtTheServersCost(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, authtest.RealCost)
	e.User(t, "ada@example.com", "member")
	// Argon2id of the same password at m=8192, t=1.
	dbtest.Exec(t, e.DB, `UPDATE users SET password_hash = $1`, oldHash())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e.SignIn(t, "ada@example.com")
	if runtime.ReadMemStats(&after); after.NumForcedGC != before.NumForcedGC {
		t.Error("a sign-in forces the collection of the whole heap")
	}
	if got := query(t, e.DB, `SELECT password_hash FROM users`)[0]; !strings.HasPrefix(got, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("the hash still has the old cost")
	}
	e.SignIn(t, "ada@example.com")
}

func TestLogin_ManyAtOnceWhileTheHashIsMadeAnewAllSucceed(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	dbtest.Exec(t, e.DB, `UPDATE users SET password_hash = $1`, oldHash())
	var wg sync.WaitGroup
	for range 3 { // more at once count as guesses
		wg.Go(func() {
			e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "token")).Want(t, 200)
		})
	}
	wg.Wait()
}

func oldHash() string {
	salt := []byte("sixteen bytes...")
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=8192,t=1,p=1$" + b64(salt) + "$" + b64(argon2.IDKey([]byte(authtest.Password), salt, 1, 8192, 1, 32))
}

func query(t *testing.T, d *db.DB, sql string, args ...any) []string {
	t.Helper()
	list, err := db.All(t.Context(), d, func(row pgx.Row) (s string, err error) { return s, row.Scan(&s) }, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Hashing takes long. What was proved with a password is worth nothing when
// the password or the user changed meanwhile.
func TestLogin_WhatChangesWhileThePasswordIsHashedCounts(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	for name, change := range map[string]string{"changed": `password_hash = password_hash || '0'`, "disabled": `status = 'disabled'`} {
		email := name + "@example.com"
		e.User(t, email, "member")
		overtake(t, e, `SELECT FROM users WHERE email = '`+email+`' FOR UPDATE`, func() {
			e.Client(t).Do("POST", "/auth/login", object{"email": email, "password": authtest.Password, "mode": "token"}).
				WantProblem(t, 401, "invalid_credentials")
		}, func(tx pgx.Tx) error {
			return db.Exec(t.Context(), tx, `UPDATE users SET `+change+` WHERE email = '`+email+`'`)
		})
	}
}
