package files

import (
	"net/http"
	"strings"
	"time"

	"homebase/httpx"
)

// When the bytes of a file were written is what the disk says, in its mtime:
// a client may say it with the bytes, a copy takes it along, and whatever moves
// the file leaves it.

// modifiedHeader is what sync clients send with a PUT, and are answered with.
const modifiedHeader = "X-OC-Mtime"

var errModified = httpx.NewProblem(400, "invalid_modified_at", "The modification time cannot be used")

// parseModified reads seconds since 1970, whole or with a fraction. The bounds
// are those of an inode's smallest clock and of a row's nanoseconds: within
// them a time may lie ahead or before 1970, cameras say so and old letters do.
func parseModified(text string) (time.Time, error) {
	const first, last = -1 << 31, 1<<63/1_000_000_000 - 1
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, fractional := strings.Cut(digits, ".")
	seconds, ok := parseSize(whole)
	nanoseconds := int64(0)
	if fractional {
		fraction = fraction[:min(len(fraction), 9)] // finer is no clock
		n, valid := parseSize(fraction)
		nanoseconds, ok = n, ok && valid
		for range 9 - len(fraction) {
			nanoseconds *= 10
		}
	}
	if negative {
		seconds, nanoseconds = -seconds, -nanoseconds
	}
	if !ok || seconds < first || seconds > last {
		return time.Time{}, errModified.With("Give seconds since 1970, whole or with a fraction, between 1901 and 2262.")
	}
	return time.Unix(seconds, nanoseconds), nil
}

// modifiedOf is what a PUT says of its bytes; zero when it says nothing.
func modifiedOf(h http.Header) (time.Time, error) {
	values := h.Values("X-OC-Mtime")
	if len(values) == 0 {
		return time.Time{}, nil
	}
	if len(values) > 1 {
		return time.Time{}, errModified.With("Send X-OC-Mtime only once.")
	}
	return parseModified(values[0])
}

// acceptModified answers that the time was taken. A disk with a small clock may
// keep another one, and then the client hears nothing.
func acceptModified(w http.ResponseWriter, r *http.Request, it item) {
	if asked, err := modifiedOf(r.Header); err == nil && !asked.IsZero() && asked.Unix() == it.modified().Unix() {
		w.Header().Set(modifiedHeader, "accepted")
	}
}

// modified is when a file's bytes were written.
func (it *item) modified() time.Time { return time.Unix(0, *it.MTime).UTC() }
