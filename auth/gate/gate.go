// Package gate stands before programs of the house that have no sign-in of
// their own. nginx asks it about each of their requests (auth_request), and
// passes on only what it lets through.
//
// What it promises:
//
//   - Who is let through has a living session here and a role that the host
//     asks for. When the session ends, the user is disabled, the role is lost or
//     the host is changed, the next request is refused, on every worker.
//   - What it cannot judge, it refuses; and nginx refuses when it hears nothing.
//     No path and no method is an exception.
//   - A browser is sent to the account page, or to a registered host, and to
//     nothing else. No address is built from a header.
//   - What lets a browser through is a cookie of one host, and is worth nothing
//     at another. It is given for a code that works once, for 60 seconds, at its
//     host, in the browser in which the way in began: nobody can sign somebody
//     else in as themselves.
//   - A check costs no query, and meets no limit: a page makes fifty at once.
//
// The API's cookies never reach a guarded host. So a browser without a cookie of
// that host is sent to the account page with a signed request, of which nothing
// is stored; the account page asks for a code, and goes with it to the host's
// /.homebase/callback, which nginx passes to this room. README.md names the test
// of each promise.
package gate

import (
	"context"
	"net/url"
	"slices"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"
)

// Config is what the room needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Auth  *auth.Auth
	// Keys gives the derived keys of a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// AccountURL is the page that signs people in, with
	// "#action=gate&request=…" behind it. "": nobody is let through.
	AccountURL string
	// Own are the addresses of the API and its frontends, which cannot be guarded:
	// their cookies are the ones that sign in.
	Own []string
}

// Gate is the room. Make one with New. Safe for concurrent use.
type Gate struct {
	cfg   Config
	own   []string // host names
	hosts *db.Kept[map[string]*Host]
}

// New makes the room; it reads no key and asks no database. Call it before the
// listener runs.
func New(c Config) *Gate {
	g := &Gate{cfg: c}
	for _, address := range slices.Concat(c.Own, []string{c.AccountURL}) {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			g.own = append(g.own, u.Hostname())
		}
	}
	g.hosts = db.NewKept(c.DB, hostsChannel, g.readHosts)
	return g
}

// Routes are the room's part of the table.
func (g *Gate) Routes() []httpx.Route {
	return slices.Concat(g.hostRoutes(), g.checkRoutes(), g.admissionRoutes())
}

// Hosts are the names of all guarded hosts, sorted.
func (g *Gate) Hosts(ctx context.Context) ([]string, error) {
	return db.All(ctx, g.cfg.DB, db.Value[string], `
-- name: gate.HostNames
SELECT host FROM gate_hosts ORDER BY host`)
}
