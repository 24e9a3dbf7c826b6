package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"homebase/auth/authtest"
	"homebase/auth/oidc"
	"homebase/httpx/httpxtest"
)

// alone keeps the pipes of a fuzzing worker, which Go leaves open, out of the
// PostgreSQL that the worker starts: what holds them there holds up the end.
func alone(f *testing.F) *authtest.Env {
	for fd := range 8 {
		if fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return start(f)
}

// fill puts a client that there is in the place of its marks.
func (p program) fill(text string) string {
	return strings.NewReplacer("CLIENT", p.id, "SECRET", p.secret).Replace(text)
}

// FuzzToken: whatever is sent to the token route, it gives nothing, and refuses
// in OAuth's own form.
func FuzzToken(f *testing.F) {
	e := alone(f)
	p := register(f, e, nil)
	for _, body := range []string{
		"grant_type=authorization_code&code=x&client_id=CLIENT&client_secret=SECRET&redirect_uri=http://127.0.0.1/cb", "grant_type=refresh_token&refresh_token=hbor_x",
		"grant_type=refresh_token&refresh_token=hbor_AaIpq79pfGe1Or2PpKP1LgAAAAAAAAAEpiBxD5iaSQEnI3N2BG76NLtJDW_y37UmkWws1eGydYU&scope=openid+x&client_id=CLIENT&client_secret=SECRET",
		"grant_type=&client_id=CLIENT&client_secret=SECRET", "grant_type=password&username=a&password=b&client_id=CLIENT&client_secret=SECRET", "client_id=CLIENT&client_id=CLIENT", "%", "code=%00", "",
	} {
		f.Add(body, "", "application/x-www-form-urlencoded")
		f.Add(body, "CLIENT:SECRET", "application/x-www-form-urlencoded; charset=utf-8")
	}
	f.Add("{}", "%zz:x", "application/json")
	f.Fuzz(func(t *testing.T, body, secret, mediaType string) {
		headers := func(r *http.Request) {
			r.Header.Set("Content-Type", clean(mediaType))
			if secret != "" {
				r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.fill(secret))))
			}
		}
		a := e.Client(t).Do("POST", "/auth/oidc/token", p.fill(body), headers)
		var refusal oidc.Refusal
		if a.Status != 413 && a.Status != 429 && (a.Status != 400 && a.Status != 401 || json.Unmarshal(a.Body, &refusal) != nil || refusal.Error == "" || refusal.Description == "") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	})
}

// FuzzAuthorize: whatever is posted to the authorize route, a browser is sent
// to an address of the client or to the account page, or nowhere. That is held
// against every answer: see astray.
func FuzzAuthorize(f *testing.F) {
	e := alone(f)
	p := register(f, e, nil)
	const good = "client_id=CLIENT&redirect_uri=https%3A%2F%2Fgrafana.example.com%2Flogin%3Ffrom%3Dhome&response_type=code"
	for _, more := range []string{"", "&scope=openid+profile", "&state=%26x%3D1&nonce=%00", "&prompt=none+login", "&max_age=-1", "&max_age=99999999999999999999", "&request=x", "&code_challenge=x",
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256", "&id_token_hint=a.b.c", "&redirect_uri=https://evil.example", "&response_mode=form_post"} {
		f.Add(good+more, "application/x-www-form-urlencoded")
	}
	f.Add("client_id=CLIENT&redirect_uri=app.immich:///oauth-callback&response_type=code", "application/x-www-form-urlencoded")
	f.Add("client_id=CLIENT&redirect_uri=http://127.0.0.1:1@evil.example/cb", "text/html")
	f.Fuzz(func(t *testing.T, body, mediaType string) {
		a := e.Client(t).Do("POST", "/auth/oidc/authorize", p.fill(body), httpxtest.WithHeader("Content-Type", clean(mediaType)))
		if a.Status != http.StatusSeeOther && (a.Status < 400 || a.Status >= 500) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	})
}

// clean is what may stand in a header.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
}
