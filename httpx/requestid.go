package httpx

import (
	"crypto/rand"
	"net/http"
)

// requestID keeps an id that a client or proxy has given, so that its log and
// ours can be laid side by side, as long as it is harmless in both.
func requestID(r *http.Request) string {
	given := r.Header.Values("X-Request-Id")
	if len(given) == 1 && wellFormedID(given[0]) {
		return given[0]
	}
	return rand.Text()
}

func wellFormedID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
