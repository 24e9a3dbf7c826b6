package httpx_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

const formType = "application/x-www-form-urlencoded"

// refusal is in another protocol's form.
type refusal struct {
	Error string `json:"error"`
}

// tokenRoute takes a form and refuses in a form of its own.
func tokenRoute() httpx.Route {
	return route("POST /token", httpx.Public(), func(rt *httpx.Route) {
		rt.Body, rt.Form, rt.Lenient, rt.AnyOrigin = 200, []string{"grant"}, true, true
		rt.Problems = httpx.Problems{httpx.ErrInvalidForm, httpx.ErrUnsupportedType}
		rt.Refusals = []httpx.Response{{Status: 400, Body: refusal{}}}
		rt.Responses = []httpx.Response{{Status: 303, Headers: []string{"Location"}}}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			form, err := httpx.ReadForm(r)
			if err != nil {
				return err
			}
			if form.Get("grant") == "" {
				return &httpx.Problem{Status: 400, Code: "invalid_grant", Instead: refusal{"invalid_grant"}}
			}
			w.Header().Set("Location", "https://example.com/?grant="+form.Get("grant"))
			w.WriteHeader(303)
			return nil
		}
	})
}

func TestForm_IsReadAndRefusedInItsOwnWay(t *testing.T) {
	t.Parallel()
	c := httpxtest.Start(t, config(), []httpx.Route{tokenRoute()}).Client(t)
	post := func(mediaType, body string) *httpxtest.Answer {
		return c.Do("POST", "/token?unknown=1", body, httpxtest.WithHeader("Content-Type", mediaType))
	}
	if to := post(formType+"; charset=UTF-8", "grant=a+%26b&other=1").Want(t, 303).Header.Get("Location"); to != "https://example.com/?grant=a &b" {
		t.Errorf("sent to %q", to)
	}
	var said refusal
	post(formType, "").Want(t, 400).JSON(t, &said)
	if said.Error != "invalid_grant" {
		t.Errorf("said %+v", said)
	}
	for _, body := range []string{"grant=%zz", "grant=%00", "grant=%ff", "a;b"} {
		post(formType, body).WantProblem(t, 400, "invalid_form")
	}
	for _, mediaType := range []string{"application/json", "", formType + "; charset=latin1"} {
		post(mediaType, "grant=a").WantProblem(t, 415, "unsupported_media_type")
	}
	post(formType, strings.Repeat("a", 201)).WantProblem(t, 413, "body_too_large")
	c.Do("POST", "/token?unknown=%ff", "").WantProblem(t, 400, "invalid_parameter")
}

func TestCORS_WhatIsForAnyOriginIsReadWithoutCredentials(t *testing.T) {
	t.Parallel()
	c := httpxtest.Start(t, config(), []httpx.Route{tokenRoute(), route("GET /private", httpx.SignedIn())}).Client(t)
	for origin, want := range map[string]string{"https://stranger.example": "*", publicOrigin: "*", "null": "*", trustedOrigin: trustedOrigin} {
		from := httpxtest.WithHeader("Origin", origin)
		if got := c.Do("POST", "/token", "grant=a", from, func(r *http.Request) { r.Header.Set("Content-Type", formType) }).Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: %q", origin, got)
		}
		asks := func(r *http.Request) { from(r); r.Header.Set("Access-Control-Request-Method", "POST") }
		if got := c.Do("OPTIONS", "/token", nil, asks).Want(t, 204).Header; got.Get("Access-Control-Allow-Origin") != want || (got.Get("Access-Control-Allow-Credentials") != "") != (want != "*") {
			t.Errorf("%s: asked before: %v", origin, got)
		}
	}
	if got := c.Do("GET", "/private", nil, httpxtest.WithHeader("Origin", "https://stranger.example")).Want(t, 401).Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a private route may be read from %q", got)
	}
}

// FuzzForm: a body is a form of clean text that is read as it was written, or a
// problem.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=b", "a=b&a=c", "%", "a=%ff", "a=%00", "a;b=c", "=", "&&", "a=+%2B", strings.Repeat("a=b&", 100)} {
		f.Add(seed, formType)
	}
	f.Fuzz(func(t *testing.T, body, mediaType string) {
		r := &http.Request{Header: http.Header{"Content-Type": {mediaType}}, Body: io.NopCloser(strings.NewReader(body))}
		values, err := httpx.ReadForm(r)
		if _, known := err.(*httpx.Problem); err != nil && (!known || values != nil) {
			t.Fatal(values, err)
		}
		for _, list := range values {
			for _, value := range list {
				if !utf8.ValidString(value) || strings.Contains(value, "\x00") {
					t.Fatalf("%q was read", value)
				}
			}
		}
		r.Header.Set("Content-Type", formType)
		r.Body = io.NopCloser(strings.NewReader(url.Values{"a": {"x" + body}}.Encode()))
		clean := utf8.ValidString(body) && !strings.Contains(body, "\x00")
		if values, err := httpx.ReadForm(r); (err == nil) != clean || clean && values.Get("a") != "x"+body {
			t.Fatalf("%q was read as %q: %v", body, values, err)
		}
	})
}
