package httpxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"homebase/httpx"
)

// Client sends requests to one server as one caller. It is safe for
// concurrent use as long as its fields are not changed.
type Client struct {
	// Bearer is sent as Authorization: Bearer, "" for none.
	Bearer string
	// HTTP may be given another Transport, or a Jar.
	HTTP *http.Client

	t      testing.TB
	server *Server
}

// Client makes a client without credentials and without a cookie jar. It
// follows no redirect.
func (s *Server) Client(t testing.TB) *Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{t: t, server: s, HTTP: &http.Client{
		Transport:     transport,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// As is a copy of the client with another token.
func (c *Client) As(bearer string) *Client {
	other := *c
	other.Bearer = bearer
	return &other
}

// KeepCookies gives the client a cookie jar. Like browsers on localhost, the jar
// trusts the server as if it used https, so that Secure cookies are sent.
func (c *Client) KeepCookies() *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.HTTP.Jar = secureJar{jar}
	return c
}

type secureJar struct{ *cookiejar.Jar }

func asHTTPS(u *url.URL) *url.URL {
	other := *u
	other.Scheme = "https"
	return &other
}

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.Jar.SetCookies(asHTTPS(u), cookies)
}

func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.Jar.Cookies(asHTTPS(u)) }

// Option changes a request before it is sent.
type Option func(*http.Request)

// WithHeader sets a header; with no value it is left out.
func WithHeader(name string, values ...string) Option {
	return func(r *http.Request) {
		r.Header.Del(name)
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
}

// WithLength sets the Content-Length; -1 sends the body in chunks.
func WithLength(length int64) Option {
	return func(r *http.Request) { r.ContentLength = length }
}

// WithContext ends the request when ctx ends.
func WithContext(ctx context.Context) Option {
	return func(r *http.Request) { *r = *r.WithContext(ctx) }
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	request string
}

// Do sends a request to the path below /api/v1 and fails the test if the answer
// breaks the contract. A body of type []byte, string or io.Reader is sent as it
// is; any other, except nil, is sent as JSON.
func (c *Client) Do(method, path string, body any, opts ...Option) *Answer {
	c.t.Helper()
	return c.DoAt(method, httpx.Prefix+path, body, opts...)
}

// DoAt is Do with the whole path.
func (c *Client) DoAt(method, path string, body any, opts ...Option) *Answer {
	c.t.Helper()
	r, err := c.request(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	for _, opt := range opts {
		opt(r)
	}
	response, err := c.HTTP.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s %s: the answer was cut off: %v", method, path, err)
	}
	a := &Answer{Status: response.StatusCode, Header: response.Header, Body: text, request: method + " " + path}
	c.check(r, a)
	return a
}

func (c *Client) request(method, path string, body any) (*http.Request, error) {
	var content io.Reader
	mediaType := ""
	switch body := body.(type) {
	case nil:
	case []byte:
		content = bytes.NewReader(body)
	case string:
		content = strings.NewReader(body)
	case io.Reader:
		content = body
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content, mediaType = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequest(method, c.server.URL+path, content)
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	if c.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.Bearer)
	}
	return r, nil
}

// check compares the answer with the contract.
func (c *Client) check(r *http.Request, a *Answer) {
	c.t.Helper()
	route := c.server.table.route(r)
	if err := a.remember(r, route); err != nil {
		c.t.Error(err)
	}
	faults := a.faults(r, route, c.server.table.limited)
	if c.server.Check != nil {
		faults = append(faults, c.server.Check(a)...)
	}
	for _, fault := range faults {
		c.t.Errorf("%s: %d: %s", a.request, a.Status, fault)
	}
}

// Want ends the test unless the status is the wanted one.
func (a *Answer) Want(t testing.TB, status int) *Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("%s: got %d, want %d\n%s", a.request, a.Status, status, a.excerpt())
	}
	return a
}

// JSON decodes the body into v.
func (a *Answer) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("%s: %v\n%s", a.request, err, a.excerpt())
	}
}

// Problem is a problem document as a client reads it.
type Problem struct {
	Type      string             `json:"type"`
	Title     string             `json:"title"`
	Status    int                `json:"status"`
	Detail    string             `json:"detail"`
	Code      string             `json:"code"`
	RequestID string             `json:"request_id"`
	Errors    []httpx.FieldError `json:"errors"`
	// What OFREP adds.
	Key          string `json:"key"`
	ErrorCode    string `json:"errorCode"`
	ErrorDetails string `json:"errorDetails"`
}

// WantProblem ends the test unless the answer is this problem.
func (a *Answer) WantProblem(t testing.TB, status int, code string) Problem {
	t.Helper()
	a.Want(t, status)
	var p Problem
	a.JSON(t, &p)
	if p.Code != code {
		t.Fatalf("%s: got problem %q, want %q\n%s", a.request, p.Code, code, a.excerpt())
	}
	return p
}

func (a *Answer) excerpt() string {
	const most = 2000
	if len(a.Body) > most {
		return string(a.Body[:most]) + "…"
	}
	return string(a.Body)
}
