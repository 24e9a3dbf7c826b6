package httpx

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Handler answers a request, or returns the error that one place turns into a
// problem document. Once the answer has begun, an error is only logged.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Route is one operation of the API as data. From the table of all routes
// come the mux, the list `homebase routes`, the OpenAPI document and the
// tests that check every answer against what is declared here.
type Route struct {
	// Pattern is a ServeMux pattern below /api/v1: "GET /auth/me". GET also
	// serves HEAD.
	Pattern string
	// Access says who may call. The zero value is refused at start.
	Access Access
	// Cookies is for a public route that reads or sets cookies by itself, as
	// sign-in does: it gets cross-origin protection too.
	Cookies bool
	// Override lets a client that can only GET and POST reach this PATCH or
	// DELETE by POST with X-HTTP-Method-Override.
	Override bool
	// Uncounted keeps calls out of what one client may have in progress: another
	// server makes one for each of that client's requests, and waits for it.
	Uncounted bool
	// Rate is the class of the limiter that counts calls of this route.
	Rate Rate
	// Body is the largest request body in bytes: 0 refuses any body, Stream
	// leaves the length to the handler.
	Body int64
	// Summary is one line for the operator and for OpenAPI.
	Summary string
	// Endless says that the answer goes on until the client leaves, like a
	// stream of server-sent events: a user and an address can have only so many.
	Endless bool
	// Query names the query parameters; any other is 400 unknown_parameter.
	Query []string
	// Headers names the request headers that this route reads, besides those
	// that its answers imply and those that any request may have.
	Headers []string
	// Request is a zero value of the JSON body's type, nil if the route takes
	// no body or raw bytes.
	Request any
	// Optional says that the whole JSON body may be missing.
	Optional bool
	// Beacon accepts the JSON as text/plain too, the only way in which
	// navigator.sendBeacon sends it to another origin without a preflight. It is
	// for routes that ignore cookies.
	Beacon bool
	// Forgiving accepts any query and any body of any media type: what cannot be
	// read counts as left out. The handler reads the body itself. It is for
	// signing out, which must not fail over a detail of the request.
	Forgiving bool
	// Form names the members of a body that is a form, as OAuth sends it
	// (application/x-www-form-urlencoded); the handler reads it with ReadForm.
	Form []string
	// Lenient ignores query parameters that the route does not declare, which
	// OAuth demands (RFC 6749, section 3.1).
	Lenient bool
	// AnyOrigin lets the pages of all origins read the answer, without
	// credentials. It is for public routes that ignore cookies.
	AnyOrigin bool
	// Responses are the successful answers.
	Responses []Response
	// Refusals are answers of 400 and above in a protocol's own form, where that
	// leaves no room for problem documents: see Problem.Instead.
	Refusals []Response
	// Problems are the problems that this route may answer with, besides those
	// that its access, rate and body imply.
	Problems Problems
	// Do is a typed handler: Request, Responses and, for a page, the parameters
	// and problems come from it. A route that sends or takes anything other than
	// JSON has a Handler instead, and names them itself.
	Do      Typed
	Handler Handler
}

// Sparse says that any member of the JSON body may be left out: in a PUT it is
// then empty, in a merge patch it stays as it was. In other bodies only members
// that can be null or are tagged omitempty may be left out.
func (rt *Route) Sparse() bool {
	if rt.Request == nil {
		return false
	}
	_, patch := optionalOf(reflect.TypeOf(rt.Request))
	return patch || strings.HasPrefix(rt.Pattern, "PUT ") || strings.HasPrefix(rt.Pattern, "PATCH ")
}

// Answers are the successful answers: those that the route lists, and 304 if it is
// a GET whose answer has an ETag, which needs no line in the table.
func (rt *Route) Answers() []Response {
	conditional := func(r Response) bool { return r.Status == http.StatusOK && slices.Contains(r.Headers, "ETag") }
	at := slices.IndexFunc(rt.Responses, conditional)
	if at < 0 || !strings.HasPrefix(rt.Pattern, "GET ") || slices.ContainsFunc(rt.Responses, func(r Response) bool { return r.Status == http.StatusNotModified }) {
		return rt.Responses
	}
	full := rt.Responses[at]
	same := Response{Status: http.StatusNotModified, Headers: []string{"ETag"}, May: slices.Concat(full.Headers, full.May)}
	same.May = slices.DeleteFunc(same.May, func(name string) bool { return name == "ETag" || name == "Content-Encoding" })
	return append(slices.Clone(rt.Responses), same)
}

// Stream as Route.Body means raw bytes whose length the handler checks.
const Stream int64 = -1

// Response is one successful answer of a route.
type Response struct {
	Status int
	// Body is a zero value of the JSON type; nil with no Type means no body.
	Body any
	// Type is the media type when the body is not JSON; "*/*" for any.
	Type string
	// Headers are the names of headers that this answer must carry, May those
	// that it sometimes carries.
	Headers, May []string
}
