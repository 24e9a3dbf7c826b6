package httpx

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Access is a route's policy. Make one with Public, Recognised, SignedIn or
// Needs; the zero value declares nothing and keeps the server from starting.
type Access struct {
	level      level
	permission string
	recent     bool
	noKey      bool // access keys are refused
	operator   bool // the operator is let in
}

type level int

const (
	undeclared level = iota
	public
	recognised
	signedIn
	permitted
)

// Public is open to all; nobody is authenticated. A route with Cookies reads
// them by itself.
func Public() Access { return Access{level: public} }

// Recognised is open to all like Public, but the handler learns who brings valid
// credentials and may then show more. Invalid credentials in Authorization are
// refused, so that a client learns to renew them; an invalid cookie makes the
// caller a stranger. Pages of a public origin are always strangers.
func Recognised() Access { return Access{level: recognised} }

// SignedIn asks for any signed-in caller with a session. Access keys are
// refused, except by OrKey: what a key may do is named by a permission. The
// operator is refused, except by OrOperator.
func SignedIn() Access { return Access{level: signedIn, noKey: true} }

// Needs asks for a caller who holds the permission, "area:verb". An access key
// that holds it is let in, except by NoKey or Recent. The operator, who holds
// all of them, is refused, except by OrOperator.
func Needs(permission string) Access { return Access{level: permitted, permission: permission} }

// Recent also asks for a password that was given within the last ten minutes;
// no access key has one.
func (a Access) Recent() Access { a.recent, a.noKey = true, true; return a }

// OrKey lets access keys in as well where SignedIn is asked for.
func (a Access) OrKey() Access { a.noKey = false; return a }

// OrOperator lets the operator in. It is not for routes about what belongs to
// the caller, such as files: the operator has none.
func (a Access) OrOperator() Access { a.operator = true; return a }

// NoKey refuses access keys, even those that hold the permission.
func (a Access) NoKey() Access { a.noKey = true; return a }

// recentFor is how long a given password counts as recent.
const recentFor = 10 * time.Minute

// judge checks the caller against the route's access. Whoever would be refused is
// looked up afresh, for another worker may know better.
func judge(x *exchange, r *http.Request) error {
	refusal := x.checkPolicy()
	if refusal == nil || x.caller == nil {
		return refusal
	}
	now, err := x.server.cfg.Afresh(r.Context(), x.caller)
	if err != nil {
		return err
	}
	x.caller = now
	return x.checkPolicy()
}

func (x *exchange) checkPolicy() error {
	access, caller := x.route.Access, x.caller
	switch {
	case access.level == public || access.level == recognised:
		return nil
	case access.level == undeclared: // check has kept the server from starting
		return ErrForbidden
	case caller == nil:
		return ErrUnauthenticated
	case caller.Operator && !access.operator:
		return ErrUnauthenticated.With("This is about the caller's own account or files, and the operator has none. Sign in as the user.")
	case access.level == permitted && !caller.Can(access.permission):
		return ErrForbidden.With(fmt.Sprintf("This needs the permission %q.", access.permission))
	case caller.KeyID != uuid.Nil && access.noKey:
		return ErrForbidden.With("An access key cannot do this; sign in instead.")
	case access.recent && time.Since(caller.AuthenticatedAt).Abs() > recentFor: // a time in the future: the clock was set back
		return ErrReauthenticate
	}
	return nil
}

// judgeAgain looks the caller up and checks the access once more: the session
// may have ended, or a permission been taken away, while the body arrived.
func (x *exchange) judgeAgain(r *http.Request) error {
	if x.caller == nil || x.route.Access.level <= recognised {
		return nil
	}
	now, err := x.server.cfg.Recheck(r.Context(), x.caller)
	if err != nil {
		return err
	}
	x.caller = now
	return judge(x, r)
}

// Permission is the one that is asked for, "" for none.
func (a Access) Permission() string { return a.permission }

// String says who may call: "public", "signed in", "files:read", with " or
// key", ", no key" and ", recent" where they hold. Recent implies no key. The
// operator is left to Listings: it is nobody that a client could be.
func (a Access) String() string {
	s := map[level]string{undeclared: "undeclared", public: "public", recognised: "public, callers recognised", signedIn: "signed in", permitted: a.permission}[a.level]
	switch {
	case a.recent:
		s += ", recent"
	case a.level == signedIn && !a.noKey:
		s += " or key"
	case a.level == permitted && a.noKey:
		s += ", no key"
	}
	return s
}
