package httpx

import "net/http"

// setSecurityHeaders sets what every answer carries. A handler that serves
// bytes for browsers replaces Cache-Control and Content-Security-Policy by
// its own; nothing removes the others.
func setSecurityHeaders(h http.Header) {
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set("Vary", "Origin, Cookie, Authorization")
}
