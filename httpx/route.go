package httpx

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Handler answers one request or returns the error that one place turns into
// a problem document. A handler that has begun its answer returns an error
// only for the log.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Route is one operation of the API as data. From the table of all routes
// come the mux, the list `homebase routes`, the OpenAPI document and the
// tests that hold every answer against what is declared here.
type Route struct {
	// Pattern is a ServeMux pattern below /api/v1: "GET /auth/me". GET also
	// serves HEAD.
	Pattern string
	// Access says who may call. The zero value is refused at start.
	Access Access
	// Cookies marks a public route that reads or sets cookies by itself, as
	// sign-in does: cross-origin protection then holds for it too.
	Cookies bool
	// Override lets a client that can only GET and POST reach this PATCH or
	// DELETE by POST with X-HTTP-Method-Override.
	Override bool
	// Rate is the class of the limiter that counts calls of this route.
	Rate Rate
	// Body is the largest request body in bytes: 0 refuses any body,
	// Stream leaves the length to the handler.
	Body int64
	// Summary is one line for the operator and for OpenAPI.
	Summary string
	// Endless says that the answer goes on until the client leaves, as one of
	// server-sent events: a user and an address have only so many at once.
	Endless bool
	// Query names the query parameters; any other is 400 unknown_parameter.
	Query []string
	// Headers names the request headers that mean something to this route,
	// beside those that its answers imply and those that any request may have.
	Headers []string
	// Request is a zero value of the JSON body's type, nil when the route
	// takes none or raw bytes.
	Request any
	// Optional says that the JSON body may also be missing as a whole.
	Optional bool
	// Beacon takes the JSON also as text/plain, the only way in which
	// navigator.sendBeacon sends it to another origin without asking first.
	// It is for routes to which cookies mean nothing.
	Beacon bool
	// Forgiving takes any query and any body, whatever its media type: what
	// cannot be read of them counts as left out. The handler reads the body
	// itself. It is for signing out, which must not fail for its form.
	Forgiving bool
	// Responses are the successful answers.
	Responses []Response
	// Problems are the problems this route may answer beside those that its
	// access, rate and body imply.
	Problems Problems
	// Do is a typed handler: Request, Responses and, of a page, the parameters
	// and problems come from it. A route that sends or takes other bytes than
	// JSON has a Handler, and names them itself.
	Do      Typed
	Handler Handler
}

// Sparse says that any member of the JSON body may be left out: of a PUT it is
// then empty, of a merge patch it stays as it is. Elsewhere those may that can
// be null or are tagged omitempty.
func (rt *Route) Sparse() bool {
	if rt.Request == nil {
		return false
	}
	_, patch := optionalOf(reflect.TypeOf(rt.Request))
	return patch || strings.HasPrefix(rt.Pattern, "PUT ") || strings.HasPrefix(rt.Pattern, "PATCH ")
}

// Answers are the successful answers: those that the route lists, and 304 where
// a GET answers with an ETag, which needs no line of the table.
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

// Stream as Route.Body: raw bytes of any length, checked by the handler.
const Stream int64 = -1

// Response is one successful answer of a route.
type Response struct {
	Status int
	// Body is a zero value of the JSON type; nil with no Type means no body.
	Body any
	// Type is the media type when the body is not JSON; "*/*" for any.
	Type string
	// Headers are the names that this answer must carry, May those that it
	// sometimes does.
	Headers, May []string
}
