package contract_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

const (
	callback = "https://feeds.example.com/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// program is another program of the house, in which an admin is signed in.
type program struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Access  string `json:"-"`
	Refresh string `json:"-"`
}

// letIn makes a program, and signs the admin in to it.
func (s *server) letIn(t *testing.T, admin *httpxtest.Client, public bool) (p program) {
	t.Helper()
	admin.Do("POST", "/auth/clients", map[string]any{"name": "Feeds", "redirect_uris": []string{callback}, "public": public}).Want(t, 201).JSON(t, &p)
	asked := s.Client(t).Do("GET", "/auth/oidc/authorize?"+url.Values{
		"client_id": {p.ID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile email groups offline_access"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode(), nil).Want(t, 303).Header.Get("Location")
	_, request, _ := strings.Cut(asked, "request=")
	var next struct {
		RedirectTo string `json:"redirect_to"`
	}
	admin.Do("POST", "/auth/oidc/requests/"+request, map[string]any{"approve": true}).Want(t, 200).JSON(t, &next)
	back, err := url.Parse(next.RedirectTo)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}, "client_id": {p.ID}}
	if !public {
		form.Set("client_secret", p.Secret)
	}
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	s.Client(t).Do("POST", "/auth/oidc/token", form.Encode(), httpxtest.WithHeader("Content-Type", "application/x-www-form-urlencoded")).Want(t, 200).JSON(t, &tokens)
	p.Access, p.Refresh = tokens.AccessToken, tokens.RefreshToken
	s.Client(t).As(p.Access).Do("GET", "/auth/oidc/userinfo", nil).Want(t, 200)
	return p
}

// TestContract_ProgramsAreNobodyAtEveryRoute: what a program holds of a person
// opens userinfo, and its secret the token route. Everywhere else it is worth
// as much as a token that means nothing, or none.
func TestContract_ProgramsAreNobodyAtEveryRoute(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_REGISTRATION=open", "HOMEBASE_ACCOUNT_URL=https://home.example.com/account.html")
	admin := s.signIn(t, "operator@example.com")
	confidential, public := s.letIn(t, admin, false), s.letIn(t, admin, true)
	bearer := func(token string) httpxtest.Option {
		return httpxtest.WithHeader("Authorization", "Bearer "+token)
	}
	basic := httpxtest.WithHeader("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(confidential.ID+":"+confidential.Secret)))
	nobody, nothing := bearer("nobody"), func(*http.Request) {}
	principals := []struct {
		name    string
		with    httpxtest.Option
		asMuch  httpxtest.Option
		opens   string
		refused int // there, nevertheless, for the form is empty
	}{
		{"a program's access token", bearer(confidential.Access), nobody, "/auth/oidc/userinfo", 200},
		{"a public program's access token", bearer(public.Access), nobody, "/auth/oidc/userinfo", 200},
		{"a program's refresh token", bearer(confidential.Refresh), nobody, "", 0},
		{"a public program's refresh token", bearer(public.Refresh), nobody, "", 0},
		{"a program's secret", basic, nothing, "/auth/oidc/token", 400},
	}
	code := regexp.MustCompile(`"(?:code|error)":"[a-z_]+"`)
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	for _, rt := range table(t) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		path := parameter.ReplaceAllString(pattern, uuid.NewString())
		answer := func(who httpxtest.Option) (int, string) {
			a := s.Client(t).Do(method, path, nil, who)
			if a.Status >= 200 && a.Status < 300 {
				return a.Status, "" // a public one, whose answer may tell the time
			}
			return a.Status, code.FindString(string(a.Body))
		}
		for _, p := range principals {
			status, why := answer(p.with)
			if pattern == p.opens {
				if status != p.refused && method != http.MethodOptions {
					t.Errorf("%s with %s: %d %s", rt.Pattern, p.name, status, why)
				}
				continue
			}
			if otherStatus, other := answer(p.asMuch); status != otherStatus || why != other {
				t.Errorf("%s with %s: %d %s, otherwise %d %s", rt.Pattern, p.name, status, why, otherStatus, other)
			}
		}
	}
}
