package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/httpx/httpxtest"
)

// The key, input and signature of RFC 7515, appendix A.1, which are also those
// of RFC 7519, section 3.1.
const (
	rfcKey       = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfcHeader    = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
	rfcPayload   = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcSignature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

func TestToken_SignatureIsThatOfRFC7515(t *testing.T) {
	t.Parallel()
	key, err := base64.RawURLEncoding.DecodeString(rfcKey)
	if err != nil {
		t.Fatal(err)
	}
	if got := auth.HS256(key, rfcHeader+"."+rfcPayload); got != rfcSignature {
		t.Errorf("got %s, want %s", got, rfcSignature)
	}
	now := time.Unix(1300819370, 0)
	for name, token := range map[string]string{
		// Well signed, but another header, and no audience.
		"RFC 7519 3.1": rfcHeader + "." + rfcPayload + "." + rfcSignature,
		// The unsecured token of RFC 7519, section 6.1.
		"RFC 7519 6.1": "eyJhbGciOiJub25lIn0." + rfcPayload + ".",
	} {
		if _, err := auth.VerifyAccess(token, key, "joe", now); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// forge makes tokens as anyone with the key would, without the code under
// test.
type forge struct {
	key            []byte
	header, claims object
}

func newForge(key []byte, g auth.Grant) forge {
	sum := sha256.Sum256(key)
	now := time.Now().Unix()
	return forge{key: key,
		header: object{"alg": "HS256", "kid": hex.EncodeToString(sum[:4]), "typ": "at+jwt"},
		claims: object{"iss": authtest.PublicURL, "aud": authtest.PublicURL, "sub": g.User.ID.String(),
			"sid": g.Session.ID.String(), "iat": now, "exp": now + 600, "rtc": 1}}
}

func (f forge) with(member string, value any) forge {
	f.claims = maps.Clone(f.claims)
	if f.claims[member] = value; value == nil {
		delete(f.claims, member)
	}
	return f
}

func (f forge) withHeader(member string, value any) forge {
	f.header = maps.Clone(f.header)
	if f.header[member] = value; value == nil {
		delete(f.header, member)
	}
	return f
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func (f forge) token() string {
	part := func(o object) string { b, _ := json.Marshal(o); return b64(string(b)) }
	return f.sign(part(f.header) + "." + part(f.claims))
}

func (f forge) sign(input string) string {
	h := hmac.New(sha256.New, f.key)
	h.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func TestToken_OnlyOurOwnAreAccepted(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	f := newForge(authtest.Keys("access")[0], g)
	good := g.AccessToken
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	now := time.Now().Unix()

	me := func(token string) *httpxtest.Answer { return e.Client(t).As(token).Do("GET", "/auth/me", nil) }
	me(good).Want(t, 200)
	// The forge works: a token with our members in another order is good.
	me(f.sign(header+"."+b64(mustJSON(f.claims)))).Want(t, 200)
	me(f.sign(header+"."+b64(mustJSON(f.with("exp", now-10).with("iat", now-600).claims)))).Want(t, 200)

	signed := func(f forge) string { return f.sign(header + "." + b64(mustJSON(f.claims))) }
	last := signature[len(signature)-1]
	for name, token := range map[string]string{
		"alg none":          f.withHeader("alg", "none").token(),
		"alg None, no sig":  b64(`{"alg":"None","kid":"x","typ":"at+jwt"}`) + "." + payload + ".",
		"alg HS512":         f.withHeader("alg", "HS512").token(),
		"alg RS256":         f.withHeader("alg", "RS256").token(),
		"wrong kid":         f.withHeader("kid", "../../etc/passwd").token(),
		"no kid":            f.withHeader("kid", nil).token(),
		"typ JWT":           f.withHeader("typ", "JWT").token(),
		"typ of a share":    f.withHeader("typ", "share+jwt").token(),
		"jwk in the header": f.withHeader("jwk", object{"kty": "oct", "k": "AAAA"}).token(),
		"crit":              f.withHeader("crit", []string{"x"}).token(),
		"another purpose":   newForge(authtest.Keys("refresh")[0], g).sign(header + "." + payload),
		"expired":           signed(f.with("iat", now-660).with("exp", now-60)),
		"expired and wrong": newForge([]byte("another key"), g).with("exp", now-60).token(),
		"from the future":   signed(f.with("iat", now+120).with("exp", now+600)),
		"lives too long":    signed(f.with("exp", now+901)),
		"ends before begin": signed(f.with("exp", now-1)),
		"no exp":            signed(f.with("exp", nil)),
		"no iat":            signed(f.with("iat", nil)),
		"exp as text":       signed(f.with("exp", "9999999999")),
		"other issuer":      signed(f.with("iss", "https://evil.example")),
		"other audience":    signed(f.with("aud", "https://evil.example")),
		"audience list":     signed(f.with("aud", []string{authtest.PublicURL})),
		"one claim more":    signed(f.with("admin", true)),
		"unknown session":   signed(f.with("sid", g.User.ID.String())),
		"no session":        signed(f.with("sid", "")),
		"other subject":     signed(f.with("sub", g.Session.ID.String())),
		"padding":           good + "=",
		"white space":       "\t" + good,
		"white space after": header + "." + payload + "." + signature + " x",
		"trailing bits":     good[:len(good)-1] + string(last+1),
		"one dot":           header + "." + payload,
		"three dots":        good + ".",
		"leading dot":       "." + good,
		"no dot":            "token",
		"no signature":      header + "." + payload + ".",
		"cut signature":     good[:len(good)-4],
		"5 KB":              f.sign(header + "." + b64(mustJSON(f.with("pad", strings.Repeat("x", 4000)).claims))),
		"many dots":         strings.Repeat(".", 4000),
		"refresh token":     g.RefreshToken,
	} {
		if a := me(token); a.Status != 401 {
			t.Errorf("%s: %d", name, a.Status)
		} else {
			a.WantProblem(t, 401, "unauthenticated")
		}
	}
	me(good).Want(t, 200)
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestToken_HeaderIsReadAsRFC6750Says(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	c := e.Client(t)
	send := func(values ...string) *httpxtest.Answer {
		return c.Do("GET", "/auth/me", nil, httpxtest.WithHeader("Authorization", values...))
	}
	send("bearer "+g.AccessToken).Want(t, 200)
	send("BEARER "+g.AccessToken).Want(t, 200)
	send("Bearer  "+g.AccessToken).Want(t, 200)
	send("Bearer "+g.AccessToken, "Bearer "+g.AccessToken).WantProblem(t, 400, "duplicate_authorization")
	for _, value := range []string{"Bearer", "Bearer ", g.AccessToken, "Basic YWRhOng=", "Bearer\t" + g.AccessToken} {
		send(value).WantProblem(t, 401, "unauthenticated")
	}
	// With the header there, the cookie does not count; nor do other places.
	both := httpxtest.WithHeader("Cookie", "__Host-at="+g.AccessToken)
	c.Do("GET", "/auth/me", nil, both).Want(t, 200)
	c.Do("GET", "/auth/me", nil, both, httpxtest.WithHeader("Authorization", "Bearer x")).WantProblem(t, 401, "unauthenticated")
	// Another scheme is somebody else's, and shadows neither cookie nor token.
	for _, foreign := range []string{"Basic YWRhOng=", "Negotiate YWJj", "Digest username=\"ada\"", g.AccessToken, "x"} {
		c.Do("GET", "/auth/me", nil, both, httpxtest.WithHeader("Authorization", foreign)).Want(t, 200)
		send(foreign, "Bearer "+g.AccessToken).Want(t, 200)
	}
	c.Do("GET", "/auth/me", nil, httpxtest.WithHeader("Cookie", "at="+g.AccessToken)).WantProblem(t, 401, "unauthenticated")
	c.Do("GET", "/auth/me?access_token="+g.AccessToken, nil).WantProblem(t, 401, "unauthenticated")
}

func FuzzAccessToken(f *testing.F) {
	key := authtest.Keys("access")[0]
	sum := sha256.Sum256(key)
	header := b64(fmt.Sprintf(`{"alg":"HS256","kid":"%x","typ":"at+jwt"}`, sum[:4]))
	forge := forge{key: key}
	good := `{"iss":"i","aud":"i","sub":"01890a5d-ac96-774b-bcce-b302099a8057","sid":"01890a5d-ac96-774b-bcce-b302099a8058","iat":1000,"exp":1600,"rtc":1}`
	f.Add(forge.sign(header+"."+b64(good)), good)
	f.Add(rfcHeader+"."+rfcPayload+"."+rfcSignature, `{"iss":"i"}`)
	f.Add("..", `{}{}`)
	f.Fuzz(func(t *testing.T, token, claims string) {
		now := time.Unix(1100, 0)
		if subject, err := auth.VerifyAccess(token, key, "i", now); err == nil && forge.sign(token[:strings.LastIndexByte(token, '.')]) != token {
			t.Errorf("a token of another spelling is accepted for %q", subject)
		}
		// Whatever is signed: no panic, and no claims with an error.
		subject, err := auth.VerifyAccess(forge.sign(header+"."+b64(claims)), key, "i", now)
		if err != nil && subject != "" {
			t.Errorf("claims come with the error %v", err)
		}
	})
}
