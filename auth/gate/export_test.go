package gate

import (
	"time"

	"homebase/auth"

	"github.com/google/uuid"
)

// The tests' door to what has no other: values that only the clock makes old.

var Original = original

// Cookie lets a session through to a host until then.
func (g *Gate) Cookie(host *Host, session uuid.UUID, until time.Time) string {
	return auth.Sign(g.cfg.Keys(cookiePurpose), cookieValue(session, until), host.binding())
}

// Request is the id of a request for an address of a host, good until then.
func (g *Gate) Request(host uuid.UUID, browser, address string, until time.Time) string {
	return g.requestID(host, mark(browser), address, until)
}
