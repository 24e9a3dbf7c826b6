package httpx

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RevisionTag is the strong ETag of a resource with revisions.
func RevisionTag(revision int64) string { return fmt.Sprintf(`"r%d"`, revision) }

// ContentTag is a strong ETag made of the bytes of an answer.
func ContentTag(text []byte) string {
	sum := sha256.Sum256(text)
	return fmt.Sprintf(`"%x"`, sum[:16])
}

// IfMatch reports whether a request's If-Match, if any, allows a change of
// what is there now under these tags; none when nothing is. A weak tag of ours
// never matches (RFC 9110, section 13.1.1). A strong one also matches as W/"x":
// a proxy that compresses an answer weakens its tag, and the client can only
// send back what it was given.
func IfMatch(h http.Header, tags ...string) bool {
	list := listed(h, "If-Match")
	return list == "" || names(list, tags, func(asked, tag string) bool { return strings.TrimPrefix(asked, "W/") == tag })
}

// MatchRevision is IfMatch for a resource with revisions: ErrPreconditionFailed
// where it does not allow the change. No header, no precondition. Of a tag that
// goes on after the revision, "r3.…", the revision counts.
func MatchRevision(h http.Header, revision int64) error {
	list := answerHash.ReplaceAllString(listed(h, "If-Match"), `"`)
	if !IfMatch(http.Header{"If-Match": {list}}, RevisionTag(revision)) {
		return ErrPreconditionFailed
	}
	return nil
}

var answerHash = regexp.MustCompile(`\.[0-9a-f]{32}"`)

// IfNoneMatch reports whether a request's If-None-Match names one of the
// tags, weak ones included (section 13.1.2): a read is then answered with
// 304, a change refused.
func IfNoneMatch(h http.Header, tags ...string) bool {
	return names(listed(h, "If-None-Match"), tags, func(asked, tag string) bool {
		return strings.TrimPrefix(asked, "W/") == strings.TrimPrefix(tag, "W/")
	})
}

// CheckRead judges the preconditions of a read of content that was modified
// then, in the order of section 13.2.2: 412 precondition_failed, or unchanged,
// which is to be answered with 304. It takes out of the headers what it has
// judged, so that http.ServeContent has nothing left to judge otherwise.
func CheckRead(h http.Header, tag string, modified time.Time) (unchanged bool, err error) {
	if !slices.ContainsFunc(conditions, func(name string) bool { return h[name] != nil }) {
		return false, nil
	}
	modified = modified.Truncate(time.Second)
	since, sinceErr := http.ParseTime(h.Get("If-Modified-Since"))
	until, untilErr := http.ParseTime(h.Get("If-Unmodified-Since"))
	switch {
	case !IfMatch(h, tag):
		err = ErrPreconditionFailed.With("If-Match names a version other than the stored one.")
	case listed(h, "If-Match") == "" && untilErr == nil && modified.After(until):
		err = ErrPreconditionFailed.With("The content was changed since then.")
	case listed(h, "If-None-Match") != "":
		unchanged = IfNoneMatch(h, tag)
	default:
		unchanged = sinceErr == nil && !modified.After(since)
	}
	for _, name := range conditions {
		h.Del(name)
	}
	return unchanged, err
}

var conditions = []string{"If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"}

// listed is a header's list, whose members may stand on several lines.
func listed(h http.Header, name string) string { return strings.Join(h[name], ",") }

// names reports whether a list of tags names one of ours. It is read exactly
// as net/http reads it: "*" is a member like any other, and the list ends
// where it cannot be understood.
func names(list string, tags []string, same func(asked, tag string) bool) bool {
	for {
		list = strings.TrimLeft(list, ", \t\r\n")
		if strings.HasPrefix(list, "*") {
			return len(tags) > 0
		}
		value, quoted := strings.CutPrefix(strings.TrimPrefix(list, "W/"), `"`)
		inner, rest, closed := strings.Cut(value, `"`)
		if !quoted || !closed || strings.ContainsFunc(inner, func(c rune) bool { return c <= ' ' || c == 0x7F }) {
			return false
		}
		asked := list[:len(list)-len(rest)]
		if slices.ContainsFunc(tags, func(tag string) bool { return same(asked, tag) }) {
			return true
		}
		list = rest
	}
}
