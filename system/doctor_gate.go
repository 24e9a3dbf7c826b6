package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A guarded host is looked at as a stranger sees it. Whatever the proxy was told,
// the program behind it must not have answered.

// usualPaths are where a proxy has locations of its own most often. Nobody can
// know all that it has.
var usualPaths = []string{"/api/", "/api/v1/", "/ws", "/socket.io/", "/static/x.js", "/assets/x.css", "/favicon.ico", "/robots.txt", "/metrics", "/admin/"}

// guardedWithin is how long an upload to a guarded host may take to be refused.
const guardedWithin = 3 * time.Second

// stranger asks a guarded host.
type stranger struct {
	asker
	host string
}

// examineGate looks at all guarded hosts.
func (s *System) examineGate(ctx context.Context, cfg *Config, f *findings) {
	hosts, err := s.GuardedHosts(ctx)
	switch {
	case err != nil:
		f.add("gate", Warning, "Cannot read which hosts are guarded: "+err.Error())
	case len(hosts) == 0:
		f.add("gate", Sound, "No host is guarded.")
	case cfg.AccountURL == "":
		f.add("gate", Fault, "Hosts are guarded, but HOMEBASE_ACCOUNT_URL names no page to sign in at.")
	default:
		for _, host := range hosts {
			s := &stranger{newAsker(ctx, "https://"+host, &http.Transport{}), host}
			s.examine(cfg.AccountURL, f)
			s.client.CloseIdleConnections()
		}
	}
}

// examine goes on to the details only where the front door is shut.
func (s *stranger) examine(accountURL string, f *findings) {
	res, _, err := s.ask(probeWithin, "GET", "/", nil, header("Sec-Fetch-Mode", "navigate"))
	if err != nil {
		f.add("gate", Fault, fmt.Sprintf("%s cannot be reached: %v", s.host, err))
		return
	}
	sent := strings.HasPrefix(res.Header.Get("Location"), accountURL+"#action=gate&request=")
	begun := strings.HasPrefix(res.Header.Get("Set-Cookie"), "__Host-hb-")
	switch {
	case sent && begun:
		f.add("gate", Sound, s.host+" sends strangers to sign in.")
	case sent:
		f.add("gate", Fault, s.host+" sends strangers to sign in, but nobody gets in: the proxy drops the cookie with which the way in begins.")
	case res.StatusCode == http.StatusUnauthorized:
		f.add("gate", Fault, s.host+" refuses strangers' pages and sends nobody to sign in.")
	case res.StatusCode == http.StatusForbidden:
		f.add("gate", Fault, s.host+" refuses everybody: Homebase does not trust this proxy, or does not understand what it says.")
	case res.StatusCode >= 500:
		f.add("gate", Fault, fmt.Sprintf("%s refuses everybody, with %s: the proxy does not reach Homebase.", s.host, res.Status))
		return
	default:
		f.add("gate.open", Fault, fmt.Sprintf("%s is not guarded: a stranger was answered %s.", s.host, res.Status))
		return
	}
	if around := s.around(); len(around) > 0 {
		f.add("gate.around", Fault, fmt.Sprintf("%s is open at %s.", s.host, strings.Join(around, ", ")))
	}
	if res, text, err := s.ask(probeWithin, "GET", "/.homebase/callback", nil); err != nil || res.StatusCode != http.StatusGone || !strings.Contains(text, `"gate_code_invalid"`) {
		f.add("gate.callback", Fault, s.host+"/.homebase/callback does not lead to Homebase.")
	}
	for range timedTries {
		if _, _, err = s.ask(guardedWithin, "POST", "/", strings.NewReader(strings.Repeat("x", 64<<10))); !errors.Is(err, context.DeadlineExceeded) {
			return
		}
	}
	f.add("gate.body", Fault, fmt.Sprintf("%s does not answer an upload within %v.", s.host, guardedWithin))
}

// around are the usual paths at which a stranger gets an answer of the program.
func (s *stranger) around() (open []string) {
	for _, path := range usualPaths {
		res, _, err := s.ask(probeWithin, "GET", path, nil)
		if err == nil && res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden && res.StatusCode < 500 {
			open = append(open, path)
		}
	}
	return open
}
