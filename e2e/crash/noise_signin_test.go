package crash

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// person has one session, which many tabs keep alive.
type person struct {
	*soak
	email string

	mu      sync.Mutex
	access  string
	refresh string
	at      time.Time
}

type grant struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// get is an access token that lasts for a while.
func (p *person) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.refresh == "" || time.Since(p.at) > 2*time.Minute {
		path, body := "/auth/login", map[string]string{"email": p.email, "password": password, "mode": "token"}
		if p.refresh != "" {
			path, body = "/auth/refresh", map[string]string{"refresh_token": p.refresh}
		}
		var g grant
		status, code, sure := request(context.Background(), p.at1(), "", "POST", path, body, &g)
		switch {
		case status == 200:
			p.access, p.refresh, p.at = g.Access, g.Refresh, time.Now()
		case sure && status < 500:
			p.found.note(fmt.Sprintf("%s by %s: %d %s", path, p.email, status, code))
			return ""
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
	return p.access
}

// openTabs refreshes one session in twenty tabs at once: each of them stays
// signed in.
func (n *noise) openTabs(ctx context.Context) string {
	p := n.person
	p.get()
	p.mu.Lock()
	defer p.mu.Unlock()
	var mu sync.Mutex
	var tabs sync.WaitGroup
	var fresh []grant
	var finding string
	for i := range 20 {
		s := n.server(i % 2)
		tabs.Go(func() {
			var g grant
			status, code, sure := request(ctx, s, "", "POST", "/auth/refresh", map[string]string{"refresh_token": p.refresh}, &g)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status == 200:
				fresh = append(fresh, g)
			case sure && status < 500:
				finding = fmt.Sprintf("a tab of twenty: %d %s", status, code)
			}
		})
	}
	tabs.Wait()
	if len(fresh) > 0 {
		g := fresh[n.random.IntN(len(fresh))]
		p.access, p.refresh, p.at = g.Access, g.Refresh, time.Now()
	}
	return finding
}

// program is one that signs people in by OpenID Connect.
type program struct{ id, secret string }

func (p *program) signIn(n *noise, ctx context.Context) string {
	values := url.Values{"client_id": {p.id}, "redirect_uri": {programAt}, "response_type": {"code"}, "scope": {"openid profile offline_access"}, "state": {"s"}, "nonce": {"n"}}
	begun := n.ask(ctx, n.either(), "GET", "/auth/oidc/authorize?"+values.Encode(), nil)
	_, id, ok := strings.Cut(begun.header.Get("Location"), "request=")
	if !ok {
		return begun.bad("authorize")
	}
	var next struct {
		To string `json:"redirect_to"`
	}
	if status, code := n.send(ctx, "POST", "/auth/oidc/requests/"+id, map[string]bool{"approve": true}, &next); status != 200 {
		return bad("allow the program", status, code, 404) // the last answer may have been lost
	}
	to, err := url.Parse(next.To)
	if err != nil || to.Query().Get("code") == "" {
		return "the program gets no code: " + next.To
	}
	var tokens grant
	token := func(form url.Values) string {
		basic := base64.StdEncoding.EncodeToString([]byte(p.id + ":" + p.secret))
		got := n.ask(ctx, n.either(), "POST", "/auth/oidc/token", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic "+basic)
		if got.status == 200 {
			json.Unmarshal(got.text, &tokens)
			return ""
		}
		tokens = grant{}
		return got.bad("token", 200)
	}
	finding := token(url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {programAt}})
	if finding == "" && tokens.Access != "" {
		finding = n.ask(ctx, n.either(), "GET", "/auth/oidc/userinfo", nil, "Authorization", "Bearer "+tokens.Access).bad("userinfo", 200)
	}
	if finding == "" && tokens.Refresh != "" {
		finding = token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}})
	}
	if finding != "" || n.tick%10 != 0 {
		return finding
	}
	var grants struct{ Items []struct{ ID string } }
	n.send(ctx, "GET", "/auth/grants", nil, &grants)
	for _, g := range grants.Items {
		if status, code := n.send(ctx, "DELETE", "/auth/grants/"+g.ID, nil, nil); status > 204 {
			return bad("shut the program out", status, code, 204, 404)
		}
	}
	return ""
}

// guest is somebody before a guarded host, as nginx asks about them.
type guest struct{ cookies map[string]string }

func (g *guest) pass(n *noise, ctx context.Context) string {
	asks := func(path string) answer {
		header := []string{"X-Original-URL", "https://" + guarded + "/d/7", "X-Original-Method", "GET", "Sec-Fetch-Mode", "navigate", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}
		for name, value := range g.cookies {
			header = append(header, "Cookie", name+"="+value)
		}
		return n.ask(ctx, n.either(), "GET", path, nil, header...)
	}
	got := asks("/auth/gate/check")
	if got.status != http.StatusUnauthorized {
		return got.bad("the gate", 200)
	}
	_, id, ok := strings.Cut(got.header.Get("Location"), "request=")
	if !ok {
		return "the gate says 401 and not where to"
	}
	keep := func(a answer) {
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			g.cookies[c.Name] = c.Value
		}
	}
	keep(got)
	var next struct {
		To string `json:"redirect_to"`
	}
	if status, code := n.send(ctx, "POST", "/auth/gate/requests/"+id, map[string]bool{"approve": true}, &next); status != 200 {
		return bad("go through the gate", status, code, 404)
	}
	_, code, _ := strings.Cut(next.To, "?")
	entered := asks("/auth/gate/callback?" + code)
	keep(entered)
	return entered.bad("enter the guarded host", 303, 400, 401, 403)
}
