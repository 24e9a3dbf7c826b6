package httpx

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxPath is the longest path in bytes, still encoded.
const maxPath = 8 << 10

var errInvalidPath = NewProblem(400, "invalid_path", "The path is not valid")

// checkPath refuses every path that could be read in two ways. It comes before the
// mux, which would clean such a path and redirect.
func checkPath(_ *exchange, r *http.Request) error {
	path := r.URL.EscapedPath()
	if len(path) > maxPath {
		return errInvalidPath.With("The path is longer than 8192 bytes.")
	}
	if !strings.HasPrefix(path, "/") {
		return errInvalidPath.With("The path must begin with a slash.")
	}
	if path == "/" {
		return nil
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if reason := refuseSegment(segment); reason != "" {
			return errInvalidPath.With(reason)
		}
	}
	return nil
}

// refuseSegment says what is wrong with an encoded segment, "" if nothing is.
func refuseSegment(encoded string) string {
	segment, err := url.PathUnescape(encoded)
	switch {
	case err != nil:
		return "The path is not percent-encoded correctly."
	case segment == "":
		return "The path has an empty segment; leave out the double or trailing slash."
	case segment == "." || segment == "..":
		return `The path has a "." or ".." segment; send the path without it.`
	case strings.ContainsAny(segment, `/\`):
		return "A segment of the path holds an encoded slash or a backslash."
	case strings.ContainsRune(segment, 0):
		return "The path holds a NUL."
	case !utf8.ValidString(segment):
		return "The path is not UTF-8."
	}
	return ""
}

// PathSegments are the segments that the wildcard {name...} matched, each decoded
// once. The path check has made sure that none is empty, "." or "..", and that
// none contains a slash, a backslash or NUL.
func PathSegments(r *http.Request, name string) []string {
	return strings.Split(r.PathValue(name), "/")
}

// PathID is the id that the wildcard {name} matched: ErrNotFound unless it is a
// UUID in the usual form, 36 characters in lower case.
func PathID(r *http.Request, name string) (uuid.UUID, error) {
	text := r.PathValue(name)
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return uuid.UUID{}, ErrNotFound
	}
	return id, nil
}

// cleanText reports whether PostgreSQL can store s.
func cleanText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// clip shortens what a client sent, to quote it in an answer.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
