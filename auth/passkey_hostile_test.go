package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"
)

// hostile is a try that must fail: its answer, and a part of the reason that
// must be in the log.
type hostile struct {
	answer object
	reason string
}

// response changes a member of what an authenticator has answered.
func response(answer map[string]any, name string, value any) map[string]any {
	answer["response"].(map[string]any)[name] = value
	return answer
}

// state is all that a sign-in or a registration could leave.
func state(t *testing.T, e *authtest.Env) string {
	t.Helper()
	return strings.Join(query(t, e.DB, `
		SELECT (SELECT count(*) FROM sessions) || ' sessions, ' || (SELECT count(*) FROM notices) || ' notices, '
		    || coalesce((SELECT string_agg(k::text, ' ' ORDER BY id) FROM passkeys k), '')`), "")
}

func TestPasskey_HostileSignInsAreRefusedWithTheReasonInTheLogAlone(t *testing.T) {
	t.Parallel()
	var log lines
	e := authtest.Start(t, nil, unlimited, log.log)
	c, a, _ := holder(t, e, "ada@example.com")
	gone, deleted, made := holder(t, e, "bob@example.com")
	gone.Do("DELETE", "/auth/passkeys/"+made.ID.String(), nil).Want(t, 204)
	_, disabled, _ := holder(t, e, "eve@example.com")
	dbtest.Exec(t, e.DB, `UPDATE users SET status = 'disabled' WHERE email = 'eve@example.com'`)
	_, other, _ := holder(t, e, "joe@example.com")

	get := func(change func(a *authtest.Authenticator)) map[string]any {
		liar := *a
		change(&liar)
		return liar.Get(t, request(t, e))
	}
	client := func(name string, value any) map[string]any {
		return get(func(a *authtest.Authenticator) { a.Client = map[string]any{name: value} })
	}
	replayed := a.Get(t, request(t, e))
	e.Client(t).Do("POST", "/auth/login", object{"passkey": replayed, "mode": "token"}).Want(t, 200)
	expired := a.Get(t, request(t, e))
	dbtest.Exec(t, e.DB, `UPDATE passkey_challenges SET expires_at = now()`)
	// The challenge of a registration is of no use for a sign-in.
	registration := a.Get(t, auth.RequestOptions{Challenge: creation(t, c).Challenge})
	unsigned := a.Get(t, request(t, e))

	for name, h := range map[string]hostile{
		"a replay":                                {replayed, "challenge is unknown, used"},
		"a challenge of its own":                  {client("challenge", strings.Repeat("A", 43)), "challenge is unknown, used"},
		"an old challenge":                        {expired, "too old"},
		"a registration's challenge":              {registration, "another session's"},
		"a challenge that is not text":            {client("challenge", 7), "malformed"},
		"another's page":                          {client("origin", "https://home.example.com.evil.example"), "origin"},
		"a page of the domain that is not listed": {client("origin", "https://other.example.com"), "origin"},
		"a frame in another's page":               {client("crossOrigin", true), "another site's page"},
		"a frame below another's page":            {client("topOrigin", "https://evil.example"), "another site's page"},
		"a registration as sign-in":               {client("type", "webauthn.create"), "another ceremony"},
		"another domain":                          {get(func(a *authtest.Authenticator) { a.Domain = "evil.example" }), "another domain"},
		"nobody there":                            {get(func(a *authtest.Authenticator) { a.Flags = authtest.UserVerified }), "nobody was there"},
		"nobody recognised":                       {get(func(a *authtest.Authenticator) { a.Flags = authtest.UserPresent }), "not verified"},
		"another's key with the id":               {get(func(a *authtest.Authenticator) { a.Key = other.Key }), "signature"},
		"the id of another's key":                 {get(func(a *authtest.Authenticator) { a.ID = other.ID }), "another user"},
		"the id and the name of another's":        {get(func(a *authtest.Authenticator) { a.ID, a.Handle = other.ID, other.Handle }), "signature"},
		"another user's name":                     {get(func(a *authtest.Authenticator) { a.Handle = other.Handle }), "names another user"},
		"nobody's name":                           {get(func(a *authtest.Authenticator) { a.Handle = nil }), "names another user"},
		"an unknown key":                          {get(func(a *authtest.Authenticator) { a.ID = []byte("unknown") }), "unknown, or was removed"},
		"an id of 1,024 bytes":                    {get(func(a *authtest.Authenticator) { a.ID = make([]byte, 1024) }), "unknown, or was removed"},
		"no id":                                   {get(func(a *authtest.Authenticator) { a.ID = nil }), "unknown, or was removed"},
		"a removed key":                           {deleted.Get(t, request(t, e)), "unknown, or was removed"},
		"a disabled user":                         {disabled.Get(t, request(t, e)), "disabled"},
		"no signature":                            {response(unsigned, "signature", ""), "signature"},
		"authenticator data of junk":              {response(a.Get(t, request(t, e)), "authenticatorData", "AAAA"), "authenticator data"},
		"authenticator data of no base64url":      {response(a.Get(t, request(t, e)), "authenticatorData", "+/+/=="), "authenticator data"},
		"client data of junk":                     {response(a.Get(t, request(t, e)), "clientDataJSON", "AAAA"), "client data"},
		"client data of a nesting bomb":           {response(a.Get(t, request(t, e)), "clientDataJSON", strings.Repeat("W1tb", 2000)), "client data"},
		"nothing":                                 {object{}, "client data"},
	} {
		before := state(t, e)
		log.take()
		got := e.Client(t).Do("POST", "/auth/login", object{"passkey": h.answer, "mode": "token"})
		p := got.WantProblem(t, 401, "invalid_credentials")
		if strings.Contains(p.Detail, h.reason) {
			t.Errorf("%s: the answer tells why: %s", name, p.Detail)
		}
		if said := log.take(); !strings.Contains(said, h.reason) {
			t.Errorf("%s: the log lacks %q: %s", name, h.reason, said)
		}
		if after := state(t, e); after != before {
			t.Errorf("%s left something:\n%s\n%s", name, before, after)
		}
	}
	// A failure has used its challenge up.
	e.Client(t).Do("POST", "/auth/login", object{"passkey": unsigned, "mode": "token"})
	if !strings.Contains(log.take(), "challenge is unknown, used") {
		t.Error("a challenge can be tried twice")
	}
	if denied := query(t, e.DB, `SELECT count(*)::text FROM audit_events WHERE action = 'auth.login_failed' AND details ->> 'reason' = 'passkey'`); denied[0] != "30" {
		t.Errorf("%s refusals are on record", denied[0])
	}
	byPasskey(t, e, a).Want(t, 200)
}

func TestPasskey_HostileRegistrationsAreRefusedWithTheReasonInTheLogAlone(t *testing.T) {
	t.Parallel()
	var log lines
	e := authtest.Start(t, nil, unlimited, log.log)
	c, known, _ := holder(t, e, "ada@example.com")
	other, _, _ := holder(t, e, "bob@example.com")
	second := e.SignIn(t, "ada@example.com")

	create := func(change func(a *authtest.Authenticator)) object {
		a := authtest.NewAuthenticator(t)
		change(a)
		return a.Create(t, creation(t, c))
	}
	client := func(name string, value any) object {
		return create(func(a *authtest.Authenticator) { a.Client = map[string]any{name: value} })
	}
	plain := func(c *httpxtest.Client) object { return authtest.NewAuthenticator(t).Create(t, creation(t, c)) }
	replayed := plain(c)
	c.Do("POST", "/auth/passkeys", object{"response": replayed}).Want(t, 201)
	expired := plain(c)
	dbtest.Exec(t, e.DB, `UPDATE passkey_challenges SET expires_at = now()`)
	object64 := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

	for name, h := range map[string]hostile{
		"a replay":                  {replayed, "challenge is unknown, used"},
		"an old challenge":          {expired, "too old"},
		"another user's challenge":  {plain(other), "another session's"},
		"one's other session's":     {plain(second), "another session's"},
		"a sign-in's challenge":     {client("challenge", request(t, e).Challenge), "another session's"},
		"a sign-in as registration": {client("type", "webauthn.get"), "another ceremony"},
		"another's page":            {client("origin", "https://evil.example"), "origin"},
		"a frame in another's page": {client("crossOrigin", true), "another site's page"},
		"another domain":            {create(func(a *authtest.Authenticator) { a.Domain = "evil.example" }), "another domain"},
		"nobody there":              {create(func(a *authtest.Authenticator) { a.Flags = authtest.UserVerified }), "nobody was there"},
		"backed up, not eligible":   {create(func(a *authtest.Authenticator) { a.Flags |= authtest.BackedUp }), "backed up"},
		"an id of 1,024 bytes":      {create(func(a *authtest.Authenticator) { a.ID = make([]byte, 1024) }), "authenticator data"},
		"no id":                     {create(func(a *authtest.Authenticator) { a.ID = nil }), "authenticator data"},
		"a nesting bomb":            {response(plain(c), "attestationObject", object64("\xa1\x61x"+strings.Repeat("\x81", 30_000))), "nested"},
		"a length bomb":             {response(plain(c), "attestationObject", object64("\xa1\x68authData\x5b\x7f\xff\xff\xff\xff\xff\xff\xff")), "CBOR"},
		"a bomb of members":         {response(plain(c), "attestationObject", object64("\xbb\xff\xff\xff\xff\xff\xff\xff\xff")), "CBOR"},
		"bytes behind":              {response(plain(c), "attestationObject", object64("\xa0\x00")), "attestation object"},
		"an answer to a sign-in":    {known.Get(t, request(t, e)), "another session's"},
		"an attestation of nothing": {response(plain(c), "attestationObject", ""), "CBOR"},
		"nothing":                   {object{}, "client data"},
	} {
		before := state(t, e)
		log.take()
		p := c.Do("POST", "/auth/passkeys", object{"response": h.answer}).WantProblem(t, 422, "passkey_invalid")
		if strings.Contains(p.Detail, h.reason) {
			t.Errorf("%s: the answer tells why: %s", name, p.Detail)
		}
		if said := log.take(); !strings.Contains(said, h.reason) {
			t.Errorf("%s: the log lacks %q: %s", name, h.reason, said)
		}
		if after := state(t, e); after != before {
			t.Errorf("%s left something:\n%s\n%s", name, before, after)
		}
	}
	// The longest id there may be is no trouble.
	a := authtest.NewAuthenticator(t)
	a.ID = make([]byte, 1023)
	add(t, c, a)
	byPasskey(t, e, a).Want(t, 200)
	c.Do("POST", "/auth/passkeys", object{"response": object{}, "name": strings.Repeat("x", 70_000)}).WantProblem(t, 413, "body_too_large")
}

// A flood of bad answers is work for nothing. It shuts nobody out of a device
// that they have signed in at before.
func TestPasskey_FailedSignInsAreThrottledByAddress(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	_, a, _ := holder(t, e, "ada@example.com")
	_, other, _ := holder(t, e, "bob@example.com")
	device := e.Client(t).KeepCookies()
	device.Do("POST", "/auth/login", object{"passkey": a.Get(t, request(t, e))}, browser).Want(t, 200)
	for range 20 {
		e.Client(t).Do("POST", "/auth/login", object{"passkey": object{}, "mode": "token"}).WantProblem(t, 401, "invalid_credentials")
	}
	byPasskey(t, e, a).WantProblem(t, 429, "rate_limited")
	device.Do("POST", "/auth/login", object{"passkey": a.Get(t, request(t, e))}, browser).Want(t, 200)
	device.Do("POST", "/auth/login", object{"passkey": other.Get(t, request(t, e))}, browser).WantProblem(t, 429, "rate_limited")
	dbtest.Exec(t, e.DB, `DELETE FROM guesses`)
	for range 25 { // right ones count for nothing
		byPasskey(t, e, a).Want(t, 200)
	}
}
