package httpx

import "net/http"

// setSecurityHeaders sets what every answer carries. A handler that serves
// bytes for browsers replaces Cache-Control and Content-Security-Policy with
// its own; nothing removes the others.
func setSecurityHeaders(h http.Header) {
	for _, x := range securityHeaders {
		h[x.name] = x.values
	}
}

// securityHeaders are shared by all answers: a value is replaced, never
// written into.
var securityHeaders = []struct {
	name   string
	values []string
}{
	{"Strict-Transport-Security", []string{"max-age=31536000; includeSubDomains"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cache-Control", []string{"no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"}},
	{"Cross-Origin-Resource-Policy", []string{"same-site"}},
	{"Vary", []string{"Origin, Cookie, Authorization"}},
}
