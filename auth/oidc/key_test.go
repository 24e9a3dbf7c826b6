package oidc_test

import (
	"bytes"
	"crypto/rsa"
	"math/big"
	"net/url"
	"strings"
	"testing"

	"homebase/auth/authtest"
	"homebase/auth/oidc"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

func number(t *testing.T, text string) *big.Int {
	t.Helper()
	return new(big.Int).SetBytes(decoded(t, text))
}

// TestKey_ThumbprintIsThatOfRFC7638 of section 3.1.
func TestKey_ThumbprintIsThatOfRFC7638(t *testing.T) {
	t.Parallel()
	key := rsa.PublicKey{E: 65537, N: number(t, "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")}
	if got := oidc.Thumbprint(&key); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(got)
	}
}

// TestPKCE_IsThatOfRFC7636 of appendix B.
func TestPKCE_IsThatOfRFC7636(t *testing.T) {
	t.Parallel()
	if !oidc.Proves(verifier, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM") || oidc.Proves(verifier, "") || oidc.Proves("", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM") || !oidc.Proves("", "") {
		t.Error("another answer")
	}
}

// TestKey_SignatureIsThatOfRFC7515 of appendix A.2.
func TestKey_SignatureIsThatOfRFC7515(t *testing.T) {
	t.Parallel()
	key := rsa.PrivateKey{
		PublicKey: rsa.PublicKey{E: 65537, N: number(t, "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")},
		D:         number(t, "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ"),
	}
	got, err := oidc.RS256(&key, []byte(`{"alg":"RS256"}`), []byte("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"))
	want := "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	if err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
}

func TestKey_NextIsShownADayBeforeItSignsAndTheOldOneRemains(t *testing.T) {
	t.Parallel()
	one := start(t)
	two := one.Worker(t)
	one.User(t, "ada@example.com", "member")
	p := register(t, one, nil)
	ada := one.SignIn(t, "ada@example.com")
	room := provider(one)
	tend := job(t, room, "oidc.keys")
	if err := tend.Run(t.Context()); err != nil || dbtest.Count(t, one.DB, `SELECT count(*) FROM oidc_keys`) != 0 {
		t.Errorf("a key before anybody asks: %v", err)
	}
	first := p.signIn(ada).IDToken
	elsewhere := p
	elsewhere.http = two.Client(t)
	if elsewhere.keys().Keys[0] != p.keys().Keys[0] {
		t.Error("two workers have two keys")
	}
	old := p.keys().Keys[0].ID
	run := func(wantKeys int) {
		t.Helper()
		for range 2 { // the second time there is nothing to do
			if err := tend.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := dbtest.Count(t, one.DB, `SELECT count(*) FROM oidc_keys`); n != wantKeys {
				t.Errorf("%d keys, want %d", n, wantKeys)
			}
		}
	}
	run(1)
	dbtest.Exec(t, one.DB, `UPDATE oidc_keys SET signs_from = now() - interval '89 days 1 minute'`)
	run(2)
	dbtest.Within(t, "the next key on the other worker", func() bool { return len(elsewhere.keys().Keys) == 2 })
	if now, err := room.Now(t.Context()); err != nil || now != old {
		t.Errorf("the next key signs already: %v", err)
	}
	dbtest.Exec(t, one.DB, `UPDATE oidc_keys SET signs_from = signs_from - interval '1 day 1 minute'`)
	room.ForgetKeys()
	if now, err := room.Now(t.Context()); err != nil || now == old {
		t.Errorf("the old key still signs: %v", err)
	}
	p.verified(first) // what it has signed can be verified
	dbtest.Exec(t, one.DB, `UPDATE oidc_keys SET signs_from = signs_from - interval '30 days'`)
	run(2)
	bye := url.Values{"id_token_hint": {first}, "post_logout_redirect_uri": {"https://grafana.example.com/bye"}}
	two.Client(t).Do("GET", "/auth/oidc/logout?"+bye.Encode(), nil).Want(t, 303) // a session of a month ends with it
	dbtest.Exec(t, one.DB, `UPDATE oidc_keys SET signs_from = signs_from - interval '1 day'`)
	run(1)
	dbtest.Within(t, "the end of the old key", func() bool { return len(elsewhere.keys().Keys) == 1 })
	if elsewhere.keys().Keys[0].ID == old {
		t.Error("the wrong key was dropped")
	}
}

func TestKey_IsSealedAndSurvivesAnotherSecret(t *testing.T) {
	t.Parallel()
	secret := func(purpose string) [][]byte { return [][]byte{bytes.Repeat([]byte{byte(len(purpose)), 9}, 16)} }
	var both, another *oidc.Provider
	e := authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		both = newProvider(e, func(purpose string) [][]byte { return append(secret(purpose), authtest.Keys(purpose)...) })
		another = newProvider(e, secret)
		return newProvider(e, authtest.Keys).Routes()
	})
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	ada := e.SignIn(t, "ada@example.com")
	p.signIn(ada)
	if n := dbtest.Count(t, e.DB, `SELECT count(*) FROM oidc_keys WHERE position('\x2a864886f70d010101'::bytea IN sealed) > 0`); n > 0 {
		t.Error("the key lies there in clear")
	}
	old := p.keys().Keys[0].ID
	tend := job(t, both, "oidc.keys")
	if _, err := another.Now(t.Context()); err == nil {
		t.Error("another secret opens it")
	}
	if err := tend.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := another.Now(t.Context()); err != nil || now != old {
		t.Errorf("after it was sealed anew: %s %v", now, err)
	}
}

func TestRestored_NothingThatWasAllowedComesBack(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.User(t, "ada@example.com", "member")
	p := register(t, e, nil)
	tokens := p.signIn(e.SignIn(t, "ada@example.com"))
	p.requestOf(p.ask())
	room, old := provider(e), p.keys().Keys[0].ID
	for _, lost := range []bool{false, true} {
		if err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error { return room.Restored(t.Context(), tx, lost) }); err != nil {
			t.Fatal(err)
		}
		room.ForgetKeys()
		if now, err := room.Now(t.Context()); err != nil || (now == old) == lost {
			t.Errorf("lost %v: %v", lost, err)
		}
	}
	p.http.As(tokens.AccessToken).Do("GET", "/auth/oidc/userinfo", nil).WantProblem(t, 401, "invalid_token")
	left, err := db.One(t.Context(), e.DB, db.Value[string], `SELECT concat_ws(' ', (SELECT count(*) FROM oidc_requests), (SELECT count(*) FROM oidc_grants), (SELECT count(*) FROM oidc_clients))`)
	if err != nil || strings.TrimSpace(left) != "0 0 1" {
		t.Error(left, err)
	}
}
