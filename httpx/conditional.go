package httpx

import (
	"fmt"
	"net/http"
	"strings"
)

// RevisionTag is the strong ETag of a resource with revisions.
func RevisionTag(revision int64) string { return fmt.Sprintf(`"r%d"`, revision) }

// IfMatch reports whether the request's If-Match, if any, allows a change of
// what is there now under this tag. Weak tags never match (RFC 9110, section
// 13.1.1).
func IfMatch(r *http.Request, tag string) bool {
	lines := r.Header.Values("If-Match")
	return len(lines) == 0 || names(lines, tag, "")
}

// IfNoneMatch reports whether the request's If-None-Match names the tag, a
// weak one included (section 13.1.2): a read is then answered with 304.
func IfNoneMatch(r *http.Request, tag string) bool {
	return names(r.Header["If-None-Match"], tag, "W/")
}

func names(lines []string, tag, ignore string) bool {
	for _, line := range lines {
		for have := range strings.SplitSeq(line, ",") {
			if have = strings.TrimSpace(have); have == "*" || strings.TrimPrefix(have, ignore) == tag {
				return true
			}
		}
	}
	return false
}
