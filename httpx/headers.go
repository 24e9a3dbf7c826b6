package httpx

import "bytes"

// everyAnswer is what every answer carries. A handler that serves bytes for
// browsers sets its own Cache-Control or Content-Security-Policy; nothing removes
// the others.
var everyAnswer = []struct{ name, value string }{
	{"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "no-referrer"},
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Resource-Policy", "same-site"},
	{"Vary", "Origin, Cookie, Authorization"},
}

const requestIDHeader = "X-Request-Id" // every answer carries that too

// completeHeader sets what the handler did not, of an answer that no connection
// carries.
func (w *response) completeHeader() {
	own := w.Header()
	own.Set(requestIDHeader, w.id)
	for _, h := range everyAnswer {
		if own[h.name] == nil {
			own.Set(h.name, h.value)
		}
	}
}

// appendHead appends the beginning of the answer, as net/http writes it, and after
// its first line what every answer carries and the handler did not set. Among the
// handler's headers net/http would copy, sort and check that for each answer anew,
// which is a tenth of what a small one costs.
func (w *response) appendHead(to, p []byte) []byte {
	own, first := w.Header(), bytes.IndexByte(p, '\n')+1
	to = appendHeader(append(to, p[:first]...), requestIDHeader, w.id)
	for _, h := range everyAnswer {
		if own[h.name] == nil {
			to = appendHeader(to, h.name, h.value)
		}
	}
	return append(to, p[first:]...)
}

func appendHeader(to []byte, name, value string) []byte {
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, value...)
	return append(to, "\r\n"...)
}
