package httpx

import (
	"maps"
	"net/http"
)

// setSecurityHeaders sets what every answer carries. A handler that serves
// bytes for browsers replaces Cache-Control and Content-Security-Policy with
// its own; nothing removes the others.
func setSecurityHeaders(h http.Header) {
	maps.Copy(h, securityHeaders)
}

// securityHeaders are shared by all answers: a value is replaced, never
// written into.
var securityHeaders = http.Header{
	"Strict-Transport-Security":    {"max-age=31536000; includeSubDomains"},
	"X-Content-Type-Options":       {"nosniff"},
	"Referrer-Policy":              {"no-referrer"},
	"Cache-Control":                {"no-store"},
	"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"},
	"Cross-Origin-Resource-Policy": {"same-site"},
	"Vary":                         {"Origin, Cookie, Authorization"},
}
