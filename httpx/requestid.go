package httpx

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
)

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// requestID keeps the id that a client or proxy gave, so that its log and ours can
// be matched, as long as the id is harmless in both.
func requestID(r *http.Request) string {
	given := r.Header[requestIDHeader]
	if len(given) == 1 && requestIDForm.MatchString(given[0]) {
		return given[0]
	}
	return strconv.FormatUint(rand.Uint64()|1<<63, 32) + strconv.FormatUint(rand.Uint64()|1<<63, 32) // of one length
}
