package httpx

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	patternForm    = regexp.MustCompile(`^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[a-z0-9_.-]+|/\{[a-z_]+\})+(/\{[a-z_]+\.\.\.\})?$`)
	permissionForm = regexp.MustCompile(`^[a-z]+(\.[a-z0-9_-]+)?:[a-z]+$`)
)

// check says what is wrong with a route.
func (rt *Route) check() error {
	method, _ := rt.split()
	reads := method == "GET" || method == "HEAD" || method == "OPTIONS"
	switch {
	case !patternForm.MatchString(rt.Pattern):
		return errors.New("the pattern is not METHOD and a path below " + Prefix)
	case rt.Access.level == undeclared:
		return errors.New("no access is declared")
	case rt.Access.level == permitted && !permissionForm.MatchString(rt.Access.permission):
		return fmt.Errorf("the permission %q is not area:verb", rt.Access.permission)
	case rt.Access.level <= recognised && (rt.Access.noKey || rt.Access.operator), rt.Access.recent && !rt.Access.noKey:
		return fmt.Errorf("the access %q contradicts itself", rt.Access)
	case rt.Cookies && rt.Access.level != public:
		return errors.New("cookies are for public routes; others have them anyway")
	case rt.Beacon && rt.readsCredentials():
		return errors.New("a beacon comes from any page and must not act for a caller")
	case rt.AnyOrigin && rt.readsCredentials():
		return errors.New("pages of any origin must not act for a caller")
	case rt.Form != nil && (rt.Body <= 0 || rt.Request != nil):
		return errors.New("a form needs a body limit, and is no JSON")
	case rt.Override && method != "PATCH" && method != "DELETE":
		return errors.New("only PATCH and DELETE can be overridden to")
	case rt.Rate != RateNone && defaultLimits[rt.Rate] == Limit{}:
		return fmt.Errorf("the rate class %q is not known", rt.Rate)
	case rt.Body < Stream || reads && rt.Body != 0:
		return fmt.Errorf("%s with a body of %d bytes", method, rt.Body)
	case rt.Request != nil && (rt.Body <= 0 || reflect.TypeOf(rt.Request).Kind() != reflect.Struct):
		return errors.New("a request type is a struct and needs a body limit")
	case rt.Request != nil && holdsAny(reflect.TypeOf(rt.Request)):
		return errors.New("a request type must not hold an any; what nobody reads is a json.RawMessage")
	case rt.Do.run != nil:
		return errors.New("a typed handler, and beside it a handler, a request or an answer")
	case rt.Summary == "":
		return errors.New("no summary")
	case rt.Handler == nil:
		return errors.New("no handler")
	case len(rt.Responses) == 0:
		return errors.New("no response is declared")
	}
	for _, answer := range rt.Responses {
		if answer.Status < 200 || answer.Status > 399 || answer.Body != nil && answer.Type != "" {
			return fmt.Errorf("the response %d is no success, or both JSON and %q", answer.Status, answer.Type)
		}
	}
	for _, refusal := range rt.Refusals {
		if refusal.Status < 400 || refusal.Body == nil {
			return fmt.Errorf("the refusal %d is a success, or has no body", refusal.Status)
		}
	}
	for _, problem := range rt.Problems {
		if problem == nil || problem.Status < 400 || problem.Code == "" || problem.Title == "" {
			return errors.New("a problem lacks status, code or title")
		}
	}
	return nil
}

// readsCredentials reports whether the route reads cookies or Authorization.
func (rt *Route) readsCredentials() bool { return rt.Access.level != public || rt.Cookies }

func (rt *Route) takesQuery(name string) bool { return slices.Contains(rt.Query, name) }

// newMux registers every route with a handler that only says which route it is.
func newMux(routes []Route) (mux *http.ServeMux, err error) {
	mux = http.NewServeMux()
	current := ""
	defer func() {
		// ServeMux panics if two patterns conflict, with a text that names both.
		if v := recover(); v != nil {
			err = fmt.Errorf("route %q: %v", current, v)
		}
	}()
	for i := range routes {
		route := routes[i]
		current = route.Pattern
		mux.HandleFunc(strings.Replace(current, " ", " "+Prefix, 1), func(w http.ResponseWriter, _ *http.Request) {
			w.(*verdict).route = &route
		})
	}
	return mux, nil
}

// verdict is what the mux makes of a request: a route, or the status and headers
// of its own answer, of which only Allow is used.
type verdict struct {
	route  *Route
	header http.Header
	status int
}

func (v *verdict) Header() http.Header {
	if v.header == nil {
		v.header = make(http.Header)
	}
	return v.header
}
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }

// match asks the mux for the route; it sets the pattern and the path values of r.
func (s *Server) match(r *http.Request) *verdict {
	v := new(verdict)
	s.mux.ServeHTTP(v, r)
	return v
}

// matchAs asks for the route of another method; r is unchanged.
func (s *Server) matchAs(method string, r *http.Request) *Route {
	other := *r
	other.Method = method
	return s.match(&other).route
}

// findRoute ends with 404 or 405 if there is no route. If the mux wants to
// redirect, the other path has no route either: 404.
func (s *Server) findRoute(x *exchange, r *http.Request) error {
	if wish := r.Header.Get("X-Http-Method-Override"); r.Method == http.MethodPost && wish != "" {
		if route := s.matchAs(wish, r); route != nil && route.Override {
			r.Method = wish
		}
	}
	v := s.match(r)
	if v.route == nil {
		allow := v.header.Get("Allow")
		switch {
		case v.status != http.StatusMethodNotAllowed:
			return ErrNotFound
		case r.Method == http.MethodOptions:
			x.w.Header().Set("Allow", allow+", OPTIONS")
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return errMethodNotAllowed.With("Allowed: "+allow+".").withHeader("Allow", allow)
	}
	x.route = v.route
	s.cors.allowPublic(x.w.Header(), r, x.route)
	return nil
}

// Listing is a route as `homebase routes` shows it.
type Listing struct {
	Method  string `json:"method"`
	Pattern string `json:"pattern"` // with the prefix
	Access  string `json:"access"`  // Access.String, with ", operator" where homebase api may call
	Summary string `json:"summary"`
}

// Listings are the routes in the order of their paths.
func Listings(routes []Route) []Listing {
	list := make([]Listing, 0, len(routes))
	for _, route := range routes {
		method, path := route.split()
		access := route.Access.String()
		if route.Access.operator {
			access += ", operator"
		}
		list = append(list, Listing{Method: method, Pattern: Prefix + path, Access: access, Summary: route.Summary})
	}
	slices.SortFunc(list, func(a, b Listing) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Method, b.Method))
	})
	return list
}
