package httpx

import (
	"net/http"
	"slices"
)

// RequestHeaders are the request headers that the route reads: those that it
// lists and those that its answers imply. Headers that any request may carry,
// such as Authorization or Origin, are left out.
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

// ImpliedProblems are the problems that a route may answer with although it does
// not list them, because its access, rate, body or query imply them. For nil
// they are those of a path without a route. The OpenAPI document and the tests'
// client add them to Route.Problems.
func ImpliedProblems(rt *Route) Problems {
	always := Problems{errInvalidPath, errUntrustedPeer, errInternal, errShuttingDown}
	if rt == nil {
		return append(always, ErrNotFound, errMethodNotAllowed)
	}
	method, _ := rt.split()
	changes := method != http.MethodGet && method != http.MethodHead
	credentials, formal := rt.readsCredentials(), !rt.Forgiving
	implied := always.And(ErrBusy, errDatabase, errOutcomeUnknown, errDiskFull)
	for _, of := range []struct {
		when     bool
		problems Problems
	}{
		{formal && !rt.Lenient, Problems{errUnknownParameter}},
		{formal, Problems{ErrInvalidParameter}},
		{formal && rt.Body != Stream, Problems{ErrBodyTooLarge}},
		{formal && credentials, Problems{errAuthorizationTwice, ErrCookieTwice}},
		{formal && rt.Body != 0, Problems{errSlowBody, errBodyBroken}},
		{formal && rt.Request != nil, Problems{errInvalidJSON, errTrailingData, errUnknownField, errDuplicateField, ErrUnsupportedType, errValidation}},
		{credentials && changes, Problems{errOriginRequired, ErrOriginRefused}},
		{rt.Access.level != public, Problems{ErrUnauthenticated}},
		{rt.Access.level == permitted || rt.Access.noKey, Problems{ErrForbidden}},
		{rt.Access.recent, Problems{ErrReauthenticate}},
		{rt.Rate != RateNone || credentials, Problems{ErrRateLimited}},
		{!rt.Uncounted, Problems{errTooManyInFlight}},
		{rt.Endless, Problems{errTooManyStreams}},
	} {
		if of.when {
			implied = append(implied, of.problems...)
		}
	}
	return implied
}
