package auth_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

func unlimited(c *auth.Config) { c.GuessesUnlimited = true }

// attempt is a route that checks a secret: how to ask it wrongly and rightly.
type attempt struct {
	name         string // "", or what of the route is tried
	client       *httpxtest.Client
	wrong, right any // right may be a func() any, for what does not keep
}

func (a attempt) rightly(method, path string) *httpxtest.Answer {
	if made, ok := a.right.(func() any); ok {
		return a.client.Do(method, path, made())
	}
	return a.client.Do(method, path, a.right)
}

// freeze makes every wait one that outlasts the test on a busy machine.
func freeze(t *testing.T, e *authtest.Env) {
	t.Helper()
	dbtest.Exec(t, e.DB, `UPDATE guesses SET last_at = last_at + interval '10 minutes'`)
}

// attempts has every route of the class credentials; a new one fails the test
// until it is here.
func attempts(t *testing.T, e *authtest.Env) map[string][]attempt {
	t.Helper()
	anyone := e.Client(t)
	g := guard(t, e, "ada@example.com")
	e.User(t, "bob@example.com", "member")
	e.User(t, "eve@example.com", "member")
	key, stranger := authtest.NewAuthenticator(t), authtest.NewAuthenticator(t)
	add(t, e.Client(t).As(g.AccessToken), key)
	signedIn := e.SignIn(t, "bob@example.com")
	add(t, signedIn, stranger)
	other := e.SignIn(t, "eve@example.com")
	var begun auth.TOTPSecret
	other.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &begun)
	link, err := run(t, e, "", "user", "login-link", "eve@example.com")
	if err != nil {
		t.Fatal(err)
	}
	forgot(t, e, "bob@example.com")
	return map[string][]attempt{
		"POST /auth/login": {
			{"password", anyone, credentials("bob@example.com", "wrong wrong wrong", "token"), credentials("bob@example.com", authtest.Password, "token")},
			{"unknown address", anyone, credentials("nobody@example.com", authtest.Password, "token"), nil},
			{"code", anyone, with("000000", credentials("ada@example.com", authtest.Password, "token")),
				with(g.recovery[0], credentials("ada@example.com", authtest.Password, "token"))},
			{"passkey", anyone, object{"passkey": object{}, "mode": "token"}, func() any { return withPasskey(t, e, key, object{"mode": "token"}) }},
			{"passkey for a code", anyone, withPasskey(t, e, stranger, credentials("ada@example.com", authtest.Password, "token")),
				func() any { return withPasskey(t, e, key, credentials("ada@example.com", authtest.Password, "token")) }},
			{"link", anyone, object{"link_token": "x", "mode": "token"}, object{"link_token": lastLine(link), "mode": "token"}},
		},
		"POST /auth/reauthenticate": {
			{"", signedIn, object{"password": "wrong wrong wrong"}, object{"password": authtest.Password}},
			{"passkey", signedIn, object{"passkey": object{}}, func() any { return withPasskey(t, e, stranger, object{}) }},
		},
		"POST /auth/password": {{"", other, object{"current_password": "wrong wrong wrong", "new_password": "another one entirely"},
			object{"current_password": authtest.Password, "new_password": "another one entirely"}}},
		"POST /auth/totp/confirm":       {{"", other, object{"code": "000000"}, func() any { return object{"code": code(t, begun.Secret, 0)} }}},
		"POST /auth/password/reset":     {{"", anyone, object{"token": "x", "password": "another one entirely"}, object{"token": mailedToken(t, e, "bob@example.com"), "password": "another one entirely"}}},
		"POST /auth/invitations/accept": {{"", anyone, object{"token": "x", "password": "another one entirely", "mode": "token"}, nil}},
		"POST /auth/email/confirm":      {{"", anyone, object{"token": "x"}, nil}},
		// No secret is guessed here, but mail is sent to whoever is named.
		"POST /auth/password/forgot": {{"", anyone, object{"email": "nobody@example.com"}, object{"email": "nobody@example.com"}}},
		"POST /auth/register":        {{"", anyone, object{"email": "nobody@example.com"}, object{"email": "nobody@example.com"}}},
		"POST /auth/email":           {{"", signedIn, object{"email": "nobody@example.com"}, object{"email": "nobody@example.com"}}},
		// It makes a password and checks none.
		"POST /auth/users": nil,
	}
}

func TestGuess_EveryCredentialRouteIsThrottledAndTheRightSecretToo(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, withMail, open)
	table := attempts(t, e)
	for _, route := range e.Auth.Routes() {
		if _, listed := table[route.Pattern]; !listed && route.Rate == httpx.RateCredentials {
			t.Errorf("%s is not in the table", route.Pattern)
		}
	}
	for pattern, list := range table {
		method, path, _ := strings.Cut(pattern, " ")
		for _, try := range list {
			dbtest.Exec(t, e.DB, `DELETE FROM guesses`)
			var last *httpxtest.Answer
			tries := 1
			for ; tries <= 30; tries++ {
				if last = try.client.Do(method, path, try.wrong); last.Status == 429 {
					break
				}
			}
			if last.Status != 429 || last.Header.Get("Retry-After") == "" || tries < 6 {
				t.Errorf("%s %s: %d after %d wrong tries, Retry-After %q", pattern, try.name, last.Status, tries, last.Header.Get("Retry-After"))
			}
			if try.right == nil {
				continue
			}
			freeze(t, e)
			if a := try.rightly(method, path); a.Status != 429 {
				t.Errorf("%s %s: the right secret during the block: %d", pattern, try.name, a.Status)
			}
		}
	}
	// Without the block the right ones are taken.
	for _, pattern := range []string{"POST /auth/reauthenticate", "POST /auth/login", "POST /auth/password/reset", "POST /auth/totp/confirm", "POST /auth/password"} {
		for _, try := range table[pattern] {
			dbtest.Exec(t, e.DB, `DELETE FROM guesses`)
			_, path, _ := strings.Cut(pattern, " ")
			if try.right != nil {
				if a := try.rightly("POST", path); a.Status >= 300 {
					t.Errorf("%s %s: the right secret later: %d", pattern, try.name, a.Status)
				}
			}
		}
	}
}

func TestGuess_WaitsGrowAndEnd(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, unlock)
	two := one.Worker(t)
	for range 5 {
		try(t, one, "wrong").WantProblem(t, 403, "forbidden")
	}
	for _, wait := range []int{30, 60, 120, 240, 480, 900, 900} {
		// The other worker knows of them, and asking early costs nothing.
		dbtest.Exec(t, one.DB, `UPDATE guesses SET last_at = clock_timestamp()`)
		for range 3 {
			p := try(t, two, "right")
			p.WantProblem(t, 429, "rate_limited")
			var seconds int
			if _, err := fmt.Sscan(p.Header.Get("Retry-After"), &seconds); err != nil || seconds > wait || seconds < wait-25 {
				t.Errorf("Retry-After %q, want about %d", p.Header.Get("Retry-After"), wait)
			}
		}
		dbtest.Exec(t, one.DB, `UPDATE guesses SET last_at = last_at - $1::interval`, time.Duration(wait)*time.Second)
		try(t, two, "wrong").WantProblem(t, 403, "forbidden")
	}
	dbtest.Exec(t, one.DB, `UPDATE guesses SET last_at = last_at - interval '15 minutes'`)
	try(t, one, "right").Want(t, 204)
	for range 5 { // the right one was the end of it
		try(t, one, "wrong").WantProblem(t, 403, "forbidden")
	}
	try(t, one, "wrong").WantProblem(t, 429, "rate_limited")
	dbtest.Exec(t, one.DB, `UPDATE guesses SET last_at = last_at - interval '1 day'`)
	for range 5 {
		try(t, one, "wrong").WantProblem(t, 403, "forbidden")
	}
}

func TestGuess_TriesAtOnceAreNotAllTheFirst(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	c.Do("POST", "/auth/totp", nil).Want(t, 200)
	var mu sync.Mutex
	var wg sync.WaitGroup
	codes := map[string]int{}
	for range 15 {
		wg.Go(func() {
			var p httpxtest.Problem
			c.Do("POST", "/auth/totp/confirm", object{"code": "000000"}).JSON(t, &p)
			mu.Lock()
			defer mu.Unlock()
			codes[p.Code]++
		})
	}
	wg.Wait()
	if codes["wrong_code"] != 5 || codes["rate_limited"] != 10 {
		t.Errorf("answers to 15 wrong codes at once: %v", codes)
	}
}

func TestGuess_TheRightPasswordDoesNotTakeWrongCodesBack(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	guard(t, e, "ada@example.com")
	for range 5 {
		loginByPassword(t, e, "ada@example.com", "000000").WantProblem(t, 401, "wrong_code")
	}
	freeze(t, e)
	loginByPassword(t, e, "ada@example.com", "").WantProblem(t, 401, "totp_required")
	loginByPassword(t, e, "ada@example.com", "000000").WantProblem(t, 429, "rate_limited")
	login(t, e, "ada@example.com", "000000").WantProblem(t, 429, "rate_limited")
}

func TestGuess_AStrangerLocksNobodyOutOfAKnownDevice(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	e.User(t, "bob@example.com", "member")
	sign := func(c *httpxtest.Client, email, password string) *httpxtest.Answer {
		return c.Do("POST", "/auth/login", credentials(email, password, "cookie"), browser)
	}
	known, others, session := e.Client(t).KeepCookies(), e.Client(t).KeepCookies(), e.SignIn(t, "ada@example.com")
	sign(known, "ada@example.com", authtest.Password).Want(t, 200)
	sign(known, "bob@example.com", authtest.Password).Want(t, 200) // of the same house: takes nothing away
	sign(others, "bob@example.com", authtest.Password).Want(t, 200)
	for range 6 {
		sign(e.Client(t), "ada@example.com", "wrong wrong wrong")
	}
	freeze(t, e)
	sign(e.Client(t), "ada@example.com", authtest.Password).WantProblem(t, 429, "rate_limited")
	sign(others, "ada@example.com", authtest.Password).WantProblem(t, 429, "rate_limited") // a mark of another user is none
	sign(known, "ada@example.com", authtest.Password).Want(t, 200)
	session.Do("POST", "/auth/reauthenticate", object{"password": authtest.Password}).Want(t, 204)
	for range 5 { // the known device has a count of its own
		sign(known, "ada@example.com", "wrong wrong wrong").WantProblem(t, 401, "invalid_credentials")
	}
	freeze(t, e)
	sign(known, "ada@example.com", authtest.Password).WantProblem(t, 429, "rate_limited")
}

func TestGuess_AddressesAreCountedByNetworkAndProxiesAreNot(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	behind := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: e.Auth.Authenticate, Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, e.Auth.Routes())
	// Links name no account, so only the address is counted.
	refused := func(s *httpxtest.Server, from func(i int) []httpxtest.Option) (n int) {
		for i := range 45 {
			if s.Client(t).Do("POST", "/auth/login", object{"link_token": "x", "mode": "token"}, from(i)...).Status == 429 {
				n++
			}
		}
		return n
	}
	forwarded := func(format string) func(int) []httpxtest.Option {
		return func(i int) []httpxtest.Option {
			return []httpxtest.Option{httpxtest.WithHeader("X-Forwarded-For", strings.Replace(format, "#", strconv.Itoa(i), 1))}
		}
	}
	for name, row := range map[string]struct {
		server *httpxtest.Server
		from   func(i int) []httpxtest.Option
		want   int
	}{
		"one IPv6 network": {behind, forwarded("2001:db8:1:1::#"), 25},
		// Who has a /56 or a /48 is one client with half as much more for each.
		"the /64s of a /56":        {behind, forwarded("2001:db8:2:#::1"), 15},
		"the /56s of a /48":        {behind, forwarded("2001:db8:3:#00::1"), 0},
		"many IPv6 networks":       {behind, forwarded("2001:db9:#::1"), 0},
		"many IPv4 addresses":      {behind, forwarded("192.0.#.9"), 0},
		"the proxy alone":          {behind, func(int) []httpxtest.Option { return nil }, 0},
		"nonsense from the proxy":  {behind, forwarded("unknown#"), 0},
		"a header without a proxy": {e.Server, forwarded("198.51.#.9"), 25},
		"one IPv4 address":         {behind, forwarded("203.0.113.7"), 25},
	} {
		if got := refused(row.server, row.from); got != row.want {
			t.Errorf("%s: %d of 45 refused, want %d", name, got, row.want)
		}
	}
}

func TestGuess_RightSecretsDoNotUseUpAnAddress(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	e.User(t, "bob@example.com", "member")
	for range 19 {
		e.Client(t).Do("POST", "/auth/login", object{"link_token": "x", "mode": "token"}).WantProblem(t, 401, "invalid_credentials")
	}
	for _, email := range []string{"ada@example.com", "bob@example.com", "ada@example.com"} { // an office behind one address
		e.SignIn(t, email)
	}
	if got := query(t, e.DB, `SELECT excess::text FROM guesses`); !slices.Equal(got, []string{"-1"}) {
		t.Errorf("rows: %v", got)
	}
}

func TestGuess_AnAddressInDailyUseIsForgivenToo(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	wrong := func() *httpxtest.Answer {
		return e.Client(t).Do("POST", "/auth/login", object{"link_token": "x", "mode": "token"})
	}
	for range 19 {
		wrong().WantProblem(t, 401, "invalid_credentials")
	}
	for range 3 { // never a day without somebody who signs in
		dbtest.Exec(t, e.DB, `UPDATE guesses SET last_at = last_at - interval '12 hours'`)
		login(t, e, "ada@example.com", "").Want(t, 200)
	}
	for range 5 {
		wrong().WantProblem(t, 401, "invalid_credentials")
	}
	login(t, e, "ada@example.com", "").Want(t, 200)
}

// TestGuess_CollectedMarksAreNoMoreTriesAtACode: whoever has the password
// signs in many times before its owner turns TOTP on.
func TestGuess_CollectedMarksAreNoMoreTriesAtACode(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	var marked []*httpxtest.Client
	for range 2 {
		c := e.Client(t).KeepCookies()
		c.Do("POST", "/auth/login", credentials("ada@example.com", authtest.Password, "cookie"), browser).Want(t, 200)
		marked = append(marked, c)
	}
	c := e.SignIn(t, "ada@example.com")
	var begun auth.TOTPSecret
	c.Do("POST", "/auth/totp", nil).Want(t, 200).JSON(t, &begun)
	c.Do("POST", "/auth/totp/confirm", object{"code": code(t, begun.Secret, 0)}).Want(t, 200)
	guess := func(i int) *httpxtest.Answer {
		in := with("000000", credentials("ada@example.com", authtest.Password, "cookie"))
		return marked[i%2].Do("POST", "/auth/login", in, browser)
	}
	for i := range 5 {
		guess(i).WantProblem(t, 401, "wrong_code")
	}
	freeze(t, e)
	guess(0).WantProblem(t, 429, "rate_limited")
	guess(1).WantProblem(t, 429, "rate_limited")
}

func TestGuess_NamesNobodyAndIsSwept(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	for _, email := range []string{"ada@example.com", "stranger@example.com"} {
		e.Client(t).Do("POST", "/auth/login", credentials(email, "wrong wrong wrong", "token")).WantProblem(t, 401, "invalid_credentials")
	}
	if got := query(t, e.DB, `SELECT count(*) || ' ' || min(length(key)) || ' ' || max(length(key)) FROM guesses`); got[0] != "3 32 32" {
		t.Errorf("rows: %v", got)
	}
	sweep := func() {
		t.Helper()
		for _, job := range e.Auth.Jobs() {
			if err := job.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep()
	if got := query(t, e.DB, `SELECT count(*)::text FROM guesses`); got[0] != "3" {
		t.Errorf("%s rows after a first sweep", got[0])
	}
	dbtest.Exec(t, e.DB, `UPDATE guesses SET last_at = last_at - interval '25 hours'`)
	sweep()
	if got := query(t, e.DB, `SELECT count(*)::text FROM guesses`); got[0] != "0" {
		t.Errorf("%s rows are kept", got[0])
	}
}

// unlock is a room with a secret of its own, as the password of a share.
func unlock(e *authtest.Env) []httpx.Route {
	return []httpx.Route{{Pattern: "POST /test/unlock", Access: httpx.Public(), Rate: httpx.RateCredentials, Summary: "For tests", Headers: []string{"X-Secret"},
		Responses: []httpx.Response{{Status: 204}}, Problems: []*httpx.Problem{httpx.ErrForbidden},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			guess, err := e.Auth.Guess(r, "share", "the share", uuid.Nil)
			if err != nil {
				return err
			}
			if r.Header.Get("X-Secret") != "right" {
				return httpx.ErrForbidden
			}
			w.WriteHeader(http.StatusNoContent)
			return guess.Right(r.Context(), e.DB)
		}}}
}

func try(t *testing.T, e *authtest.Env, secret string) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", "/test/unlock", nil, httpxtest.WithHeader("X-Secret", secret))
}

func TestGuess_IsSwitchedOffForBenchmarks(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, unlock, unlimited)
	for range 30 {
		try(t, e, "wrong").WantProblem(t, 403, "forbidden")
	}
}

func TestGuess_AClockThatWasPutBackLocksNobodyOut(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	for range 6 {
		e.Client(t).Do("POST", "/auth/login", credentials("ada@example.com", "wrong wrong wrong", "token"))
	}
	dbtest.Exec(t, e.DB, `UPDATE guesses SET last_at = now() + interval '1 year'`)
	e.SignIn(t, "ada@example.com")
}
