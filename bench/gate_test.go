package bench

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// gateServer is a second worker of homebase, which takes this process for its
// trusted proxy, and what nginx sends it for somebody who is let through.
func gateServer(b *testing.B) (*server, http.Header) {
	b.Helper()
	const host, page = "guarded.example.com", "http://localhost/account.html"
	first, address := homebase(b), freeAddress(b)
	s := &server{name: "homebase", data: first.data, token: first.token, cmd: exec.Command(first.cmd.Path, "serve")}
	s.cmd.Env = append(first.cmd.Env, "HOMEBASE_LISTEN="+address, "HOMEBASE_TRUSTED_PROXIES=127.0.0.1/32", "HOMEBASE_ACCOUNT_URL="+page)
	start(b, s, address)
	s.json(b, "POST", "/auth/gate/hosts", map[string]any{"host": host, "name": "Guarded", "identify": true}, nil)

	asked := http.Header{"Authorization": {""}, "X-Original-Url": {"https://" + host + "/d/7"}, "X-Original-Method": {"GET"}, "Sec-Fetch-Mode": {"navigate"}}
	ask := func(path string) *http.Response {
		r, err := http.NewRequest("GET", s.url+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header = asked.Clone()
		res, err := http.DefaultTransport.RoundTrip(r) // follows nothing
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res
	}
	begun := ask("/auth/gate/check")
	request, ok := strings.CutPrefix(begun.Header.Get("Location"), page+"#action=gate&request=")
	if !ok {
		b.Fatalf("the check answers %s", begun.Status)
	}
	var next struct {
		To string `json:"redirect_to"`
	}
	s.json(b, "POST", "/auth/gate/requests/"+request, map[string]bool{"approve": true}, &next)
	asked.Set("Cookie", begun.Cookies()[0].Name+"="+begun.Cookies()[0].Value)
	_, code, _ := strings.Cut(next.To, "?")
	entered := ask("/auth/gate/callback?" + code)
	if entered.StatusCode != http.StatusSeeOther {
		b.Fatalf("the callback answers %s", entered.Status)
	}
	asked.Add("Cookie", entered.Cookies()[0].Name+"="+entered.Cookies()[0].Value)
	asked.Set("Cookie", strings.Join(asked["Cookie"], "; "))
	return s, asked
}
