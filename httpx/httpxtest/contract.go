package httpxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"homebase/httpx"
)

// faults are the ways in which an answer breaks the contract. The route is nil if
// there is none.
func (a *Answer) faults(r *http.Request, route *httpx.Route, limited bool) []string {
	faults := a.commonFaults()
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case a.Status >= 400 && route != nil && route.Refusals != nil && media == "application/json":
		for _, declared := range route.Refusals {
			if declared.Status == a.Status {
				return append(faults, a.responseFaults(r, declared)...)
			}
		}
		return append(faults, "the route does not declare this refusal")
	case a.Status >= 400:
		return append(faults, a.problemFaults(r, route)...)
	case r.Method == http.MethodOptions && route == nil:
		if a.Status != http.StatusNoContent || len(a.Body) > 0 {
			faults = append(faults, "an answer to OPTIONS is 204 without a body")
		}
		return faults
	case route == nil:
		return append(faults, "no route is declared that could answer so")
	case r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		return faults
	}
	if limited && route.Rate != httpx.RateNone {
		for _, name := range []string{"RateLimit", "RateLimit-Policy"} {
			if a.Header.Get(name) == "" {
				faults = append(faults, "lacks "+name)
			}
		}
	}
	faults = append(faults, a.requestFaults(r, route)...)
	faults = append(faults, headerFaults(r.Header, httpx.RequestHeaders(route), anyRequest, "was taken with")...)
	var tried []string
	for _, declared := range route.Answers() {
		if declared.Status != a.Status {
			continue
		}
		wrong := a.responseFaults(r, declared)
		if len(wrong) == 0 {
			return faults
		}
		tried = append(tried, wrong...)
	}
	if tried == nil {
		tried = []string{"the route does not declare this status"}
	}
	return append(faults, tried...)
}

// commonFaults are the faults that any answer can have.
func (a *Answer) commonFaults() []string {
	var faults []string
	for name, value := range map[string]string{
		"X-Request-Id":                 "",
		"Strict-Transport-Security":    "max-age=31536000; includeSubDomains",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cache-Control":                "",
		"Content-Security-Policy":      "",
		"Cross-Origin-Resource-Policy": "",
	} {
		if got := a.Header.Values(name); len(got) != 1 || got[0] == "" || value != "" && got[0] != value {
			faults = append(faults, fmt.Sprintf("has %s %q", name, got))
		}
	}
	vary := strings.ToLower(strings.Join(a.Header.Values("Vary"), ","))
	for _, name := range []string{"origin", "cookie", "authorization"} {
		if !slices.Contains(strings.FieldsFunc(vary, func(c rune) bool { return c == ',' || c == ' ' }), name) {
			faults = append(faults, "Vary lacks "+name)
		}
	}
	slices.Sort(faults)
	return faults
}

// headerFaults are the headers that are neither declared nor allowed in any
// message: nobody could know about them.
func headerFaults(h http.Header, declared, common []string, does string) (faults []string) {
	for name := range h {
		is := func(known string) bool { return strings.EqualFold(known, name) }
		if !slices.ContainsFunc(declared, is) && !slices.ContainsFunc(common, is) {
			faults = append(faults, does+" the header "+name+", which is not declared")
		}
	}
	return faults
}

// anyRequest and anyAnswer are headers of HTTP, of browsers and of proxies,
// which mean the same on all routes.
var (
	anyRequest = []string{
		"Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method", "Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Cookie",
		"Origin", "Sec-Fetch-Site", "User-Agent", "X-Forwarded-For", "X-Http-Method-Override", "X-Real-Ip", "X-Request-Id",
	}
	anyAnswer = []string{
		"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control", "Connection", "Content-Length",
		"Content-Security-Policy", "Content-Type", "Cross-Origin-Resource-Policy", "Date", "RateLimit", "RateLimit-Policy", "Referrer-Policy",
		"Strict-Transport-Security", "Vary", "X-Content-Type-Options", "X-Request-Id",
	}
)

// refusalHeaders are what a refusal must carry.
var refusalHeaders = map[int]string{401: "WWW-Authenticate", 405: "Allow", 416: "Content-Range", 429: "Retry-After", 503: "Retry-After"}

// requestFaults compares a request that succeeded with the declared one. If the
// document called a member required that the server does not require, every typed
// client would have to send it.
func (a *Answer) requestFaults(r *http.Request, route *httpx.Route) []string {
	if route.Request == nil || route.Forgiving || a.Status >= 300 || r.Body != nil && r.GetBody == nil {
		return nil // it was refused, or its body is a stream that is gone
	}
	if r.Body == nil {
		if route.Optional {
			return nil
		}
		return []string{"the request was taken, but its body is missing"}
	}
	body, err := r.GetBody()
	if err != nil {
		return []string{err.Error()}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return []string{err.Error()}
	}
	faults := shapeFaults(text, route.Request, route)
	for i := range faults {
		faults[i] = "the request was taken, but its " + faults[i]
	}
	return faults
}

// responseFaults compares a success with one declared response.
func (a *Answer) responseFaults(r *http.Request, declared httpx.Response) []string {
	var faults []string
	for _, name := range declared.Headers {
		if a.Header.Get(name) == "" {
			faults = append(faults, "lacks the header "+name)
		}
	}
	faults = append(faults, headerFaults(a.Header, slices.Concat(declared.Headers, declared.May), anyAnswer, "has")...)
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case declared.Body == nil && declared.Type == "":
		if len(a.Body) > 0 || media != "" {
			faults = append(faults, fmt.Sprintf("has a body of type %q, and none is declared", media))
		}
		return faults
	case declared.Body == nil:
		if declared.Type != "*/*" && media != declared.Type {
			faults = append(faults, fmt.Sprintf("has type %q, declared is %q", media, declared.Type))
		}
		return faults
	case media != "application/json":
		faults = append(faults, fmt.Sprintf("has type %q, not application/json", media))
	}
	if r.Method == http.MethodHead {
		return faults
	}
	return append(faults, shapeFaults(a.Body, declared.Body, nil)...)
}

// problemFaults checks a refusal against RFC 9457 and against the problems that the
// route declares or that its declaration implies.
func (a *Answer) problemFaults(r *http.Request, route *httpx.Route) []string {
	var faults []string
	if media := a.Header.Get("Content-Type"); media != "application/problem+json" {
		faults = append(faults, fmt.Sprintf("has type %q, not application/problem+json", media))
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		faults = append(faults, fmt.Sprintf("is a refusal with Cache-Control %q", got))
	}
	if name := refusalHeaders[a.Status]; name != "" && a.Header.Get(name) == "" {
		faults = append(faults, "lacks the header "+name)
	}
	may := []string{refusalHeaders[a.Status], "Retry-After"}
	if route != nil {
		for _, success := range route.Answers() {
			may = slices.Concat(may, success.Headers, success.May)
		}
		for _, p := range route.Problems {
			may = slices.AppendSeq(may, maps.Keys(p.Header))
		}
	}
	faults = append(faults, headerFaults(a.Header, may, anyAnswer, "is a refusal with")...)
	if r.Method == http.MethodHead {
		return faults
	}
	dec := json.NewDecoder(bytes.NewReader(a.Body))
	dec.DisallowUnknownFields()
	var p Problem
	if err := dec.Decode(&p); err != nil {
		return append(faults, fmt.Sprintf("the problem cannot be read: %v", err))
	}
	if _, err := dec.Token(); err != io.EOF {
		faults = append(faults, "the problem goes on after its end")
	}
	if p.Type == "" || p.Title == "" || p.Code == "" || p.Status != a.Status || p.RequestID != a.Header.Get("X-Request-Id") {
		faults = append(faults, "the problem lacks type, title or code, or contradicts the headers: "+a.excerpt())
	}
	if !a.declared(p, route) {
		faults = append(faults, fmt.Sprintf("the route neither declares nor implies the problem %d %s", p.Status, p.Code))
	}
	return faults
}

func (a *Answer) declared(p Problem, route *httpx.Route) bool {
	is := func(known *httpx.Problem) bool { return known.Status == p.Status && known.Code == p.Code }
	if route == nil {
		return slices.ContainsFunc(httpx.ImpliedProblems(nil), is)
	}
	return slices.ContainsFunc(route.Problems, is) || slices.ContainsFunc(httpx.ImpliedProblems(route), is)
}
