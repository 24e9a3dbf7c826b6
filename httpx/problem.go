package httpx

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// Problem is both an error and an answer of RFC 9457. Declare each kind once with
// NewProblem, list it in the routes that may answer with it, and return it from
// the handler; With adds the details of the case:
//
//	var errQuota = httpx.NewProblem(507, "quota_exceeded", "Your storage is full")
//	return errQuota.With("The file has 12 bytes; 3 are left.")
type Problem struct {
	Status int
	Code   string // stable, snake_case: part of the API
	Title  string // the same for every case of this code
	Detail string // this case; a sentence that says what to do
	Fields []FieldError
	Header map[string]string // further response headers, such as Retry-After
	// Members are further members of the document (RFC 9457, section 3.2).
	Members map[string]string
	// Instead is the JSON that is sent in place of a problem document, where a
	// protocol demands its own: then the route lists it in Refusals.
	Instead any
	cause   error // for the log only
}

// FieldError is one invalid field of a request body.
type FieldError struct {
	Pointer string `json:"pointer"` // JSON Pointer in a fragment: "#/name"
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Problems are kinds of problems, such as a group that several routes share.
type Problems []*Problem

// And returns the group with more kinds added; the group itself is unchanged.
func (ps Problems) And(more ...*Problem) Problems { return slices.Concat(ps, more) }

// NewProblem declares a kind of problem.
func NewProblem(status int, code, title string) *Problem {
	return &Problem{Status: status, Code: code, Title: title}
}

// With is a copy of p with the detail of this case.
func (p *Problem) With(detail string) *Problem { c := *p; c.Detail = detail; return &c }

// Because is a copy of p that carries the cause for the log. The client
// never sees it.
func (p *Problem) Because(err error) *Problem { c := *p; c.cause = err; return &c }

// RetryAfter is a copy of p that says when to ask again, in whole seconds
// rounded up, at least one.
func (p *Problem) RetryAfter(wait time.Duration) *Problem {
	return p.withHeader("Retry-After", strconv.FormatInt(seconds(wait), 10))
}

func seconds(wait time.Duration) int64 {
	return max(1, int64((wait+time.Second-1)/time.Second))
}

func (p *Problem) withHeader(name, value string) *Problem {
	c := *p
	c.Header = map[string]string{}
	maps.Copy(c.Header, p.Header)
	c.Header[name] = value
	return &c
}

func (p *Problem) Error() string {
	s := p.Code
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	if p.cause != nil {
		s += ": " + p.cause.Error()
	}
	return s
}

func (p *Problem) Unwrap() error { return p.cause }

// Is makes errors.Is(err, kind) true for every case of a kind.
func (p *Problem) Is(target error) bool {
	t, ok := target.(*Problem)
	return ok && t.Code == p.Code
}
