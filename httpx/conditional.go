package httpx

import (
	"fmt"
	"net/http"
	"strings"
)

// RevisionTag is the strong ETag of a resource with revisions.
func RevisionTag(revision int64) string { return fmt.Sprintf(`"r%d"`, revision) }

// IfMatch reports whether a request's If-Match, if any, allows a change of
// what is there now under these tags; none when nothing is. Weak tags never
// match (RFC 9110, section 13.1.1).
func IfMatch(h http.Header, tags ...string) bool {
	lines := h["If-Match"]
	return len(lines) == 0 || names(lines, "", tags)
}

// IfNoneMatch reports whether a request's If-None-Match names one of the
// tags, weak ones included (section 13.1.2): a read is then answered with
// 304, a change refused.
func IfNoneMatch(h http.Header, tags ...string) bool {
	return names(h["If-None-Match"], "W/", tags)
}

func names(lines []string, ignore string, tags []string) bool {
	for _, line := range lines {
		for asked := range strings.SplitSeq(line, ",") {
			asked = strings.TrimSpace(asked)
			for _, tag := range tags {
				if asked == "*" || asked != "" && strings.TrimPrefix(asked, ignore) == strings.TrimPrefix(tag, ignore) {
					return true
				}
			}
		}
	}
	return false
}
