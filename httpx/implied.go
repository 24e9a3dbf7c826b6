package httpx

// ImpliedProblems are the problems that a route may answer without listing
// them, because its access, rate, body or query imply them; those of a path
// without a route for nil. The OpenAPI document and the tests' client add
// them to Route.Problems.
func ImpliedProblems(rt *Route) []*Problem {
	implied := []*Problem{errInvalidPath, errUntrustedPeer, errInternal, errShuttingDown}
	if rt == nil {
		return append(implied, ErrNotFound, errMethodNotAllowed)
	}
	implied = append(implied, errUnknownParameter, ErrInvalidParameter, ErrBodyTooLarge, ErrBusy, errDatabase, errOutcomeUnknown, errDiskFull)
	if rt.readsCredentials() {
		implied = append(implied, errAuthorizationTwice, ErrCookieTwice, errOriginRequired, errOriginRefused)
	}
	if rt.Access.level != public {
		implied = append(implied, ErrUnauthenticated)
	}
	if rt.Access.level > recognised {
		implied = append(implied, ErrForbidden)
	}
	if rt.Access.recent {
		implied = append(implied, ErrReauthenticate)
	}
	if rt.Rate != RateNone || rt.readsCredentials() {
		implied = append(implied, ErrRateLimited)
	}
	if rt.Body != 0 {
		implied = append(implied, errSlowBody, errBodyBroken)
	}
	if rt.Request != nil {
		implied = append(implied, errInvalidJSON, errTrailingData, errUnknownField, errDuplicateField, ErrUnsupportedType, errValidation)
	}
	return implied
}
