package auth_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/auth/internal/hashcost"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

// creation are the options of a registration.
func creation(t *testing.T, c *httpxtest.Client) auth.CreationOptions {
	t.Helper()
	var a auth.CreationAnswer
	c.Do("POST", "/auth/passkeys/registration", object{}).Want(t, 200).JSON(t, &a)
	return a.Options
}

// request are the options of a sign-in.
func request(t *testing.T, e *authtest.Env) auth.RequestOptions {
	t.Helper()
	var a auth.RequestAnswer
	e.Client(t).Do("POST", "/auth/passkeys/options", object{}).Want(t, 200).JSON(t, &a)
	return a.Options
}

// add registers the key of an authenticator.
func add(t *testing.T, c *httpxtest.Client, a *authtest.Authenticator) auth.Passkey {
	t.Helper()
	var made auth.Passkey
	c.Do("POST", "/auth/passkeys", object{"response": a.Create(t, creation(t, c))}).Want(t, 201).JSON(t, &made)
	return made
}

// holder is a new user with a passkey.
func holder(t *testing.T, e *authtest.Env, email string) (*httpxtest.Client, *authtest.Authenticator, auth.Passkey) {
	t.Helper()
	e.User(t, email, "member")
	c, a := e.SignIn(t, email), authtest.NewAuthenticator(t)
	return c, a, add(t, c, a)
}

// byPasskey signs in with a passkey alone.
func byPasskey(t *testing.T, e *authtest.Env, a *authtest.Authenticator) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", "/auth/login", object{"passkey": a.Get(t, request(t, e)), "mode": "token"})
}

// withPasskey adds an answer of an authenticator to a body.
func withPasskey(t *testing.T, e *authtest.Env, a *authtest.Authenticator, in object) object {
	t.Helper()
	in["passkey"] = a.Get(t, request(t, e))
	return in
}

// lines keeps what a worker logs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what was logged since it was last asked.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func (l *lines) log(c *auth.Config) { c.Log = slog.New(slog.NewTextHandler(l, nil)) }

func TestPasskey_SignsInAloneAndCountsAsRecent(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c := e.SignIn(t, "ada@example.com")
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	es := authtest.NewAuthenticator(t)
	edDSA, rs256 := authtest.NewAuthenticator(t), authtest.NewAuthenticator(t)
	edDSA.Key, rs256.Key = ed, rs
	for name, a := range map[string]*authtest.Authenticator{"ES256": es, "EdDSA": edDSA, "RS256": rs256} {
		made := add(t, c, a)
		if made.LastUsedAt != nil {
			t.Errorf("%s: used before it was: %v", name, made.LastUsedAt)
		}
		var g auth.Grant
		byPasskey(t, e, a).Want(t, 200).JSON(t, &g)
		if g.User.Email != "ada@example.com" {
			t.Errorf("%s: signed in as %s", name, g.User.Email)
		}
		in := e.Client(t).As(g.AccessToken)
		creation(t, in) // which asks for a recent sign-in
		if by := query(t, e.DB, `SELECT details ->> 'by' FROM audit_events WHERE target = $1 AND action = 'auth.login'`, g.Session.ID); !slices.Equal(by, []string{"passkey"}) {
			t.Errorf("%s: the record says %q", name, by)
		}
	}
	var list struct{ Items []auth.Passkey }
	c.Do("GET", "/auth/passkeys", nil).Want(t, 200).JSON(t, &list)
	for _, k := range list.Items {
		if k.LastUsedAt == nil || k.Name == "" || !slices.Equal(k.Transports, []string{"internal", "hybrid"}) {
			t.Errorf("listed as %+v", k)
		}
	}
}

// What a browser gets is the specification's own form.
func TestPasskey_OptionsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c, a, made := holder(t, e, "ada@example.com")
	o := creation(t, c)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil || len(handle) != 64 || !bytes.Equal(handle, a.Handle) {
		t.Errorf("the user is %q, before %x, %v", o.User.ID, a.Handle, err)
	}
	var algorithms []int
	for _, p := range o.PubKeyCredParams {
		algorithms = append(algorithms, p.Alg)
	}
	if !slices.Equal(algorithms, []int{-8, -7, -257}) || o.RP.ID != "example.com" || o.User.Name != "ada@example.com" || o.User.DisplayName == "" ||
		o.Attestation != "none" || o.AuthenticatorSelection.ResidentKey != "required" || !o.AuthenticatorSelection.RequireResidentKey ||
		o.AuthenticatorSelection.UserVerification != "preferred" || o.Timeout != 300_000 {
		t.Errorf("options: %+v", o)
	}
	if len(o.ExcludeCredentials) != 1 || o.ExcludeCredentials[0].ID != made.CredentialID || o.ExcludeCredentials[0].Type != "public-key" {
		t.Errorf("excluded: %+v", o.ExcludeCredentials)
	}
	answer := e.Client(t).Do("POST", "/auth/passkeys/options", nil).Want(t, 200)
	if bytes.Contains(answer.Body, []byte("allowCredentials")) {
		t.Errorf("the options of a sign-in tell of keys: %s", answer.Body)
	}
	one, two := request(t, e), request(t, e)
	challenge, err := base64.RawURLEncoding.DecodeString(one.Challenge)
	if err != nil || len(challenge) != 32 || one.Challenge == two.Challenge || one.RPID != "example.com" || one.UserVerification != "preferred" {
		t.Errorf("options: %+v and %+v, %v", one, two, err)
	}
	if kept := query(t, e.DB, `SELECT hash::text FROM passkey_challenges WHERE hash = $1`, challenge); len(kept) > 0 {
		t.Error("a challenge is kept as it is")
	}
	c.Do("POST", "/auth/passkeys/registration", object{"mediation": "silent"}).WantProblem(t, 422, "validation_failed")
	e.Client(t).Do("POST", "/auth/passkeys/options", []int{}).WantProblem(t, 422, "validation_failed")
}

func TestPasskey_IsListedNamedAndRemoved(t *testing.T) {
	t.Parallel()
	one := authtest.Start(t, nil)
	two := one.Worker(t)
	c, a, made := holder(t, one, "ada@example.com")
	stranger, _, _ := holder(t, one, "eve@example.com")
	path := "/auth/passkeys/" + made.ID.String()
	stranger.Do("PATCH", path, object{"name": "mine"}).WantProblem(t, 404, "not_found")
	stranger.Do("DELETE", path, nil).WantProblem(t, 404, "not_found")
	for _, name := range []any{"", "  ", nil, strings.Repeat("x", 201), "a\u0000b"} {
		if got := c.Do("PATCH", path, object{"name": name}); got.Status != 422 && got.Status != 400 {
			t.Errorf("named %q: %d", name, got.Status)
		}
	}
	c.Do("PATCH", path, object{}).Want(t, 200)
	c.Do("PATCH", path, object{"name": "the blue one"}).Want(t, 200)
	var list struct{ Items []auth.Passkey }
	c.Do("GET", "/auth/passkeys", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "the blue one" || list.Items[0].Synced || list.Items[0].LastUsedAt != nil {
		t.Errorf("listed: %+v", list.Items)
	}
	byPasskey(t, two, a).Want(t, 200)
	c.Do("DELETE", path, nil).Want(t, 204)
	for _, e := range []*authtest.Env{one, two} {
		byPasskey(t, e, a).WantProblem(t, 401, "invalid_credentials")
	}
	c.Do("DELETE", path, nil).WantProblem(t, 404, "not_found")
	if acts := query(t, one.DB, `SELECT action FROM audit_events WHERE target = $1 ORDER BY at`, made.ID); !slices.Equal(acts, []string{"passkey.added", "passkey.removed"}) {
		t.Errorf("the record says %q", acts)
	}
	// The password goes on working.
	one.SignIn(t, "ada@example.com")
	add(t, c, a)
	byPasskey(t, two, a).Want(t, 200)
}

func TestPasskey_AddingAndRemovingNeedsARecentSignInAndNoKey(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c, a, made := holder(t, e, "ada@example.com")
	o := creation(t, c)
	key := e.Client(t).As(makeKey(t, c, object{"name": "script", "permissions": []string{"files:read"}}).Secret)
	path := "/auth/passkeys/" + made.ID.String()
	for _, ask := range [][2]string{{"GET", "/auth/passkeys"}, {"POST", "/auth/passkeys"}, {"POST", "/auth/passkeys/registration"}, {"PATCH", path}, {"DELETE", path}} {
		key.Do(ask[0], ask[1], nil).WantProblem(t, 403, "forbidden")
	}
	dbtest.Exec(t, e.DB, `UPDATE sessions SET authenticated_at = now() - interval '11 minutes'`)
	late := e.Worker(t).Client(t).As(c.Bearer)
	other := authtest.NewAuthenticator(t)
	late.Do("POST", "/auth/passkeys", object{"response": other.Create(t, o)}).WantProblem(t, 403, "reauthentication_required")
	late.Do("POST", "/auth/passkeys/registration", object{}).WantProblem(t, 403, "reauthentication_required")
	late.Do("DELETE", path, nil).WantProblem(t, 403, "reauthentication_required")
	late.Do("PATCH", path, object{"name": "old"}).Want(t, 200)
	byPasskey(t, e, a).Want(t, 200)
}

func TestPasskey_TenAPersonAndEachOnce(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c, a, _ := holder(t, e, "ada@example.com")
	other, _, _ := holder(t, e, "bob@example.com")
	c.Do("POST", "/auth/passkeys", object{"response": a.Create(t, creation(t, c))}).WantProblem(t, 409, "passkey_exists")
	other.Do("POST", "/auth/passkeys", object{"response": a.Create(t, creation(t, other))}).WantProblem(t, 409, "passkey_exists")
	for range 8 {
		add(t, c, authtest.NewAuthenticator(t))
	}
	first, second := creation(t, c), creation(t, c)
	race(t, e, `SELECT FROM users FOR NO KEY UPDATE`, "passkeys_full", func(n int) *httpxtest.Answer {
		o := []auth.CreationOptions{first, second}[n]
		return c.Do("POST", "/auth/passkeys", object{"response": authtest.NewAuthenticator(t).Create(t, o)})
	})
	c.Do("POST", "/auth/passkeys/registration", object{}).WantProblem(t, 409, "passkeys_full")
}

// A browser may make a key along with a sign-in, when nobody touches anything.
func TestPasskey_MadeAlongWithASignInNeedsNobodyThere(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	c, a := e.SignIn(t, "ada@example.com"), authtest.NewAuthenticator(t)
	a.Flags = 0
	c.Do("POST", "/auth/passkeys", object{"response": a.Create(t, creation(t, c))}).WantProblem(t, 422, "passkey_invalid")
	var o auth.CreationAnswer
	c.Do("POST", "/auth/passkeys/registration", object{"mediation": "conditional"}).Want(t, 200).JSON(t, &o)
	c.Do("POST", "/auth/passkeys", object{"name": "phone", "response": a.Create(t, o.Options)}).Want(t, 201)
	byPasskey(t, e, a).WantProblem(t, 401, "invalid_credentials")
	a.Flags = authtest.UserPresent | authtest.UserVerified
	byPasskey(t, e, a).Want(t, 200)
}

func TestPasskey_OffWhereNoDomainIsNamed(t *testing.T) {
	t.Parallel()
	on := authtest.Start(t, nil)
	_, a, made := holder(t, on, "ada@example.com")
	o := request(t, on)
	answer := a.Get(t, o)
	off := on.Worker(t, func(c *auth.Config) { c.PasskeyDomain = "" })
	c := off.SignIn(t, "ada@example.com")
	path := "/auth/passkeys/" + made.ID.String()
	off.Client(t).Do("POST", "/auth/passkeys/options", object{}).WantProblem(t, 409, "passkeys_off")
	off.Client(t).Do("POST", "/auth/login", object{"passkey": answer, "mode": "token"}).WantProblem(t, 409, "passkeys_off")
	c.Do("POST", "/auth/passkeys/registration", object{}).WantProblem(t, 409, "passkeys_off")
	c.Do("POST", "/auth/passkeys", object{"response": answer}).WantProblem(t, 409, "passkeys_off")
	c.Do("GET", "/auth/passkeys", nil).WantProblem(t, 409, "passkeys_off")
	c.Do("PATCH", path, object{"name": "x"}).WantProblem(t, 409, "passkeys_off")
	c.Do("DELETE", path, nil).WantProblem(t, 409, "passkeys_off")
	c.Do("POST", "/auth/reauthenticate", object{"passkey": answer}).WantProblem(t, 409, "passkeys_off")
	// The operator can give them up, for another domain.
	var list struct{ Items []auth.Passkey }
	off.Operator(t).Do("GET", "/auth/passkeys", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != made.ID {
		t.Errorf("the operator sees %+v", list.Items)
	}
	off.Operator(t).Do("DELETE", path, nil).Want(t, 204)
}

// Nobody would know why their keys are gone.
func TestStart_RefusesAnotherDomainThanThatOfThePasskeys(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.Worker(t, func(c *auth.Config) { c.PasskeyDomain = "example.org" })
	_, _, made := holder(t, e, "ada@example.com")
	other := auth.New(auth.Config{DB: e.DB, Audit: e.Audit, Keys: authtest.Keys, PublicURL: authtest.PublicURL, HashCost: hashcost.OfTests, PasskeyDomain: "example.org"})
	if err := other.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "1 passkey of people here") || !strings.Contains(err.Error(), "example.com") {
		t.Errorf("started: %v", err)
	}
	e.Operator(t).Do("DELETE", "/auth/passkeys/"+made.ID.String(), nil).Want(t, 204)
	if err := other.Start(t.Context()); err != nil {
		t.Errorf("without keys: %v", err)
	}
}

func TestPasskey_ClosingTheAccountTakesTheKeysAlong(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c, a, _ := holder(t, e, "ada@example.com")
	creation(t, c)
	c.Do("DELETE", "/auth/me", nil).Want(t, 204)
	byPasskey(t, e, a).WantProblem(t, 401, "invalid_credentials")
	for _, table := range []string{"passkeys", "passkey_challenges"} {
		if left := query(t, e.DB, `SELECT count(*)::text FROM `+table); left[0] != "0" {
			t.Errorf("%s of %s are left", left[0], table)
		}
	}
}

func TestPasskey_ChallengesAreBoundedAndSwept(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	_, a, _ := holder(t, e, "ada@example.com")
	count := func() string { return query(t, e.DB, `SELECT count(*)::text FROM passkey_challenges`)[0] }
	// After the last slot comes the first: a flood takes the oldest away, and no
	// more room.
	first := a.Get(t, request(t, e))
	dbtest.Exec(t, e.DB, `INSERT INTO passkey_challenges (hash, unnoticed, expires_at)
		SELECT sha256(n::text::bytea), false, now() + interval '5 minutes' FROM generate_series(1, 65535) AS n
		    ON CONFLICT (slot) DO UPDATE SET hash = excluded.hash`)
	last := a.Get(t, request(t, e))
	if n := count(); n != "65536" {
		t.Errorf("%s challenges are kept", n)
	}
	e.Client(t).Do("POST", "/auth/login", object{"passkey": first, "mode": "token"}).WantProblem(t, 401, "invalid_credentials")
	e.Client(t).Do("POST", "/auth/login", object{"passkey": last, "mode": "token"}).Want(t, 200)
	old := a.Get(t, request(t, e))
	dbtest.Exec(t, e.DB, `UPDATE passkey_challenges SET expires_at = CASE slot WHEN 0 THEN now() + interval '1 hour' ELSE now() END`)
	sweep(t, e)
	if n := count(); n != "0" {
		t.Errorf("%s challenges are left", n)
	}
	e.Client(t).Do("POST", "/auth/login", object{"passkey": old, "mode": "token"}).WantProblem(t, 401, "invalid_credentials")
}

func TestPasskey_UnknownMembersArePassedOver(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	c, a, _ := holder(t, e, "ada@example.com")
	answer := a.Get(t, request(t, e))
	answer["newMember"], answer["response"].(map[string]any)["another"] = []int{1}, nil
	e.Client(t).Do("POST", "/auth/login", object{"passkey": answer, "mode": "token"}).Want(t, 200)
	for _, response := range []any{"text", object{"id": 1}, object{"response": []int{}}} {
		c.Do("POST", "/auth/passkeys", object{"response": response}).WantProblem(t, 422, "validation_failed")
		e.Client(t).Do("POST", "/auth/login", object{"passkey": response}).WantProblem(t, 422, "validation_failed")
	}
	made := authtest.NewAuthenticator(t).Create(t, creation(t, c))
	made["response"].(map[string]any)["transports"] = []string{"usb", "usb", "<b>", "", strings.Repeat("x", 33), "a", "b", "c", "d", "e", "f", "g", "h"}
	var k auth.Passkey
	c.Do("POST", "/auth/passkeys", object{"response": made}).Want(t, 201).JSON(t, &k)
	if fmt.Sprint(k.Transports) != "[usb a b c d e f g]" {
		t.Errorf("transports: %q", k.Transports)
	}
}
