package files

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"homebase/httpx"
)

// maxRanges is how many ranges one request may ask for. Each costs a part
// with headers of its own, so a long list is answered with the whole.
const maxRanges = 8

// checkRead holds a read's preconditions and range against the content before
// http.ServeContent does, which would refuse without a problem document.
// What it lets pass it leaves in the request for ServeContent.
func checkRead(h http.Header, tag string, modified time.Time, size int64) error {
	strong := tag
	if strings.HasPrefix(tag, "W/") {
		strong = "" // matches nothing but "*"
	}
	if !httpx.IfMatch(h, strong) {
		return httpx.ErrPreconditionFailed.With("If-Match names another version than the stored one.")
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && h.Get("If-Match") == "" && modified.Truncate(time.Second).After(t) {
		return httpx.ErrPreconditionFailed.With("The content was changed since then.")
	}
	if httpx.IfNoneMatch(h, tag) {
		return nil // 304 goes before the range
	}
	spec, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	if !ok || h.Get("If-Range") != "" && h.Get("If-Range") != tag || strings.Count(spec, ",") >= maxRanges {
		// Another unit, another version, or too many: the whole.
		h.Del("Range")
		return nil
	}
	useful := false
	for part := range strings.SplitSeq(spec, ",") {
		wellFormed, within := checkRange(strings.TrimSpace(part), size)
		if !wellFormed {
			useful = false
			break
		}
		useful = useful || within
	}
	if !useful {
		p := *httpx.ErrRange.With(fmt.Sprintf("The content has %d bytes.", size))
		p.Header = map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", size)}
		return &p
	}
	return nil
}

// checkRange reads one range of a bytes range set. "-0" is well formed and
// asks for nothing, so it lies nowhere.
func checkRange(part string, size int64) (wellFormed, within bool) {
	first, last, ok := strings.Cut(part, "-")
	if !ok {
		return false, false
	}
	if first == "" {
		n, ok := parseSize(last)
		return ok, n > 0 && size > 0
	}
	from, ok := parseSize(first)
	if !ok {
		return false, false
	}
	if last != "" {
		if to, ok := parseSize(last); !ok || to < from {
			return false, false
		}
	}
	return true, from < size
}

// sendsFirst reports whether the answer to a read that checkRead has let pass
// will hold byte 0: by its ranges, or because http.ServeContent answers with
// the whole where they overlap to more than that, or where If-Range names a
// weak tag.
func sendsFirst(h http.Header, tag string, size int64) bool {
	spec, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	if !ok || h.Get("If-Range") != "" && strings.HasPrefix(tag, "W/") {
		return true
	}
	sum := int64(0)
	for part := range strings.SplitSeq(spec, ",") {
		first, last, _ := strings.Cut(strings.TrimSpace(part), "-")
		from, _ := parseSize(first)
		to, bounded := parseSize(last)
		switch {
		case first == "":
			from = max(size-to, 0)
			to = size
		case !bounded:
			to = size
		default:
			to = min(to, size-1) + 1
		}
		if from == 0 {
			return true
		}
		sum += max(to-from, 0)
	}
	return sum > size
}

// parseSize reads digits alone: no sign, no space.
func parseSize(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
