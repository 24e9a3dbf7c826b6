package httpx

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"homebase/db"
)

// The general kinds of problems. A route lists those that its access, rate, body
// and query do not imply.
var (
	ErrInvalidParameter   = NewProblem(400, "invalid_parameter", "A query parameter is not valid")
	ErrCookieTwice        = NewProblem(400, "duplicate_cookie", "A cookie was sent more than once").With("Delete the cookies of this site and sign in again.")
	ErrUnauthenticated    = NewProblem(401, "unauthenticated", "Sign in first")
	ErrForbidden          = NewProblem(403, "forbidden", "You may not do this")
	ErrReauthenticate     = NewProblem(403, "reauthentication_required", "Confirm your password").With("This needs a password confirmed within the last ten minutes: POST /api/v1/auth/reauthenticate.")
	ErrNotFound           = NewProblem(404, "not_found", "There is nothing here")
	ErrPreconditionFailed = NewProblem(412, "precondition_failed", "It has changed since you last read it")
	ErrBodyTooLarge       = NewProblem(413, "body_too_large", "The request body is too large")
	ErrUnsupportedType    = NewProblem(415, "unsupported_media_type", "This media type is not accepted here")
	ErrOriginRefused      = NewProblem(403, "origin_refused", "Requests from this origin are refused").With("The page that sent this is not one of HOMEBASE_ORIGINS.")
	ErrRange              = NewProblem(416, "range_not_satisfiable", "The range lies outside of the content")
	ErrRateLimited        = NewProblem(429, "rate_limited", "Too many requests")
	ErrBusy               = NewProblem(503, "busy", "The server is busy").With("Try again in a moment.").RetryAfter(time.Second)
)

var (
	errAuthorizationTwice = NewProblem(400, "duplicate_authorization", "Send only one Authorization header")
	errUnknownParameter   = NewProblem(400, "unknown_parameter", "This query parameter is unknown")
	errOriginRequired     = NewProblem(403, "origin_required", "The request does not say where it comes from").
				With("A request with cookies must carry Origin or Sec-Fetch-Site, as browsers send them. Scripts: sign in with mode token and send Authorization: Bearer.")
	errMethodNotAllowed = NewProblem(405, "method_not_allowed", "This method is not allowed here")
	errSlowBody         = NewProblem(408, "request_timeout", "The request body came too slowly").withHeader("Connection", "close")
	errConflict         = NewProblem(409, "conflict", "This conflicts with what is stored")
	errMissing          = NewProblem(409, "reference_missing", "What this refers to does not exist")
	errValidation       = NewProblem(422, "validation_failed", "Some fields are not valid")
	errInternal         = NewProblem(500, "internal", "Something went wrong on the server").With("This is not your fault. If it keeps happening, tell the operator the request id.")
	errOutcomeUnknown   = NewProblem(503, "outcome_unknown", "It is not known whether this was done").With("The connection to the database was lost at the last step. Check whether it was done before you try again.").RetryAfter(time.Second)
	errDatabase         = NewProblem(503, "database_unavailable", "The database cannot be reached").With("Try again in a moment.").RetryAfter(2 * time.Second)
	errDiskFull         = NewProblem(507, "disk_full", "The database's disk is full").With("Tell the operator: PostgreSQL has no space left.")
	// errGone is only for the log: the client left before the answer.
	errGone = NewProblem(499, "client_gone", "The client went away")
)

// problemOf is the one place where an error becomes what the client reads. An
// error of no known kind is 500, and its text stays in the log.
func problemOf(ctx context.Context, err error) *Problem {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errGone.Because(err)
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit).Because(err)
	}
	// This comes before the deadline: if the database did not answer in time,
	// that is not the fault of the client's body.
	if e, ok := errors.AsType[*db.Error](err); ok {
		return problemOfDB(e).Because(err)
	}
	switch {
	case errors.Is(err, db.ErrNotFound):
		return ErrNotFound.Because(err)
	case errors.Is(err, db.ErrOutcomeUnknown):
		return errOutcomeUnknown.Because(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlowBody.Because(err)
	}
	return errInternal.Because(err)
}

// problemOfDB uses the code of the violated constraint, if it has one: then the
// route declares a problem with that code.
func problemOfDB(e *db.Error) *Problem {
	p := cmp.Or(problemsOfDB[e.Kind], errInternal)
	if e.Code == "" {
		return p
	}
	c := *p
	c.Code, c.Detail = e.Code, e.Detail
	return &c
}

var problemsOfDB = map[db.Kind]*Problem{
	db.Conflict: errConflict, db.Missing: errMissing, db.Invalid: errValidation,
	db.Busy: ErrBusy, db.Full: errDiskFull, db.Unavailable: errDatabase,
}
