package httpx

import (
	"bytes"
	"net/http"
	"slices"
)

type header struct{ name, value string }

// What answers carry whoever makes them. A handler may set its own Cache-Control,
// Cross-Origin-Resource-Policy, or Vary with all that this one names, instead;
// nothing removes the others.
var (
	everyAnswer = []header{
		{"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-site"},
		{"Vary", "Origin, Cookie, Authorization"},
	}
	madeAnswer = slices.Concat(everyAnswer, []header{
		{"Cache-Control", "no-store"},
		{"Content-Security-Policy", "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"},
	})
	storedAnswer = slices.Concat(everyAnswer, []header{
		{"Cache-Control", "private, no-cache"},
		{"Content-Security-Policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; sandbox"},
	})
)

const requestIDHeader = "X-Request-Id" // every answer carries that too

// Stored says of an answer that it is made of bytes that somebody has stored:
// whatever they are, a browser shows them in a sandbox, and where it keeps them it
// asks each time.
func Stored(w http.ResponseWriter) { w.(*response).carries = storedAnswer }

// completeHeader sets what the handler did not, of an answer that no connection
// carries.
func (w *response) completeHeader() {
	own := w.Header()
	own.Set(requestIDHeader, w.id)
	for _, h := range w.carries {
		if own[h.name] == nil {
			own.Set(h.name, h.value)
		}
	}
}

// appendHead appends the beginning of the answer, as net/http writes it, and after
// its first line what it carries and the handler did not set. Among the handler's
// headers net/http would copy, sort and check that for each answer anew, which is
// a tenth of what a small one costs.
func (w *response) appendHead(to, p []byte) []byte {
	first := bytes.IndexByte(p, '\n') + 1
	to = appendHeader(append(to, p[:first]...), requestIDHeader, w.id)
	for i, h := range w.carries {
		if !w.replaced[i] {
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
