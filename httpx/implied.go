package httpx

import (
	"net/http"
	"slices"
)

// RequestHeaders are the request headers that mean something to the route:
// those that it lists and those that its answers imply. Headers that any
// request may carry, such as Authorization or Origin, are left out.
func RequestHeaders(rt *Route) []string {
	names := slices.Clone(rt.Headers)
	for _, r := range rt.Answers() {
		switch r.Status {
		case http.StatusPartialContent:
			names = append(names, "If-Modified-Since", "If-Range", "If-Unmodified-Since", "Range")
		case http.StatusNotModified:
			names = append(names, "If-None-Match")
		}
	}
	if slices.Contains(rt.Problems, ErrPreconditionFailed) {
		names = append(names, "If-Match")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ImpliedProblems are the problems that a route may answer without listing
// them, because its access, rate, body or query imply them; those of a path
// without a route for nil. The OpenAPI document and the tests' client add
// them to Route.Problems.
func ImpliedProblems(rt *Route) Problems {
	implied := Problems{errInvalidPath, errUntrustedPeer, errInternal, errShuttingDown}
	if rt == nil {
		return append(implied, ErrNotFound, errMethodNotAllowed)
	}
	implied = append(implied, ErrBusy, errDatabase, errOutcomeUnknown, errDiskFull)
	if !rt.Forgiving {
		implied = append(implied, rt.formProblems()...)
	}
	if rt.readsCredentials() {
		if method, _ := rt.split(); method != http.MethodGet && method != http.MethodHead {
			implied = append(implied, errOriginRequired, ErrOriginRefused)
		}
	}
	if rt.Access.level != public {
		implied = append(implied, ErrUnauthenticated)
	}
	if rt.Access.level == permitted || rt.Access.noKey {
		implied = append(implied, ErrForbidden)
	}
	if rt.Access.recent {
		implied = append(implied, ErrReauthenticate)
	}
	if rt.Rate != RateNone || rt.readsCredentials() {
		implied = append(implied, ErrRateLimited)
	}
	implied = append(implied, errTooManyInFlight)
	if rt.Endless {
		implied = append(implied, errTooManyStreams)
	}
	return implied
}

// formProblems are those of the query, the body and the headers as such.
func (rt *Route) formProblems() Problems {
	implied := Problems{errUnknownParameter, ErrInvalidParameter}
	if rt.Body != Stream {
		implied = append(implied, ErrBodyTooLarge)
	}
	if rt.readsCredentials() {
		implied = append(implied, errAuthorizationTwice, ErrCookieTwice)
	}
	if rt.Body != 0 {
		implied = append(implied, errSlowBody, errBodyBroken)
	}
	if rt.Request != nil {
		implied = append(implied, errInvalidJSON, errTrailingData, errUnknownField, errDuplicateField, ErrUnsupportedType, errValidation)
	}
	return implied
}
