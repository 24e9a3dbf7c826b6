package files

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"homebase/httpx"
)

// maxRanges is how many ranges one request may ask for. Each costs a part
// with headers of its own, so a long list is answered with the whole.
const maxRanges = 8

// byteRange is the bytes from one index up to, and without, another.
type byteRange struct{ from, to int64 }

// takeRanges judges a read's Range: the ranges that the answer will hold, none
// for the whole. http.ServeContent must have nothing left to judge otherwise,
// so it finds them in the headers as they were decided, in a form that can be
// read in one way alone.
func takeRanges(h http.Header, tag string, size int64) ([]byteRange, error) {
	asked, condition := h.Get("Range"), h.Get("If-Range")
	h.Del("Range")
	h.Del("If-Range")
	spec, ok := strings.CutPrefix(asked, "bytes=")
	if !ok || condition != "" && (condition != tag || strings.HasPrefix(tag, "W/")) {
		return nil, nil // another unit, or another version
	}
	var ranges []byteRange
	decided := []byte("bytes=")
	count, total := 0, int64(0)
	for part := range strings.SplitSeq(spec, ",") {
		if part = strings.Trim(part, " \t"); part == "" {
			continue
		}
		if count++; count > maxRanges {
			return nil, nil // the whole is less work
		}
		r, ok := parseRange(part, size)
		if !ok {
			return nil, rangeRefusal(size)
		}
		if r.from < r.to { // else it lies outside
			if ranges = append(ranges, r); len(ranges) > 1 {
				decided = append(decided, ',')
			}
			decided = strconv.AppendInt(decided, r.from, 10)
			decided = strconv.AppendInt(append(decided, '-'), r.to-1, 10)
			total += r.to - r.from
		}
	}
	switch {
	case count == 0 || len(ranges) == 0 && size > 0:
		return nil, rangeRefusal(size) // some clients ask for the beginning of an empty content
	case total > size || len(ranges) == 0:
		return nil, nil
	}
	h.Set("Range", string(decided))
	return ranges, nil
}

func rangeRefusal(size int64) error {
	refusal := *httpx.ErrRange.With(fmt.Sprintf("The content has %d bytes.", size))
	refusal.Header = map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", size)}
	return &refusal
}

// parseRange reads one range, cut to the size: an empty one where it lies
// outside, as "-0" does, which is well formed.
func parseRange(part string, size int64) (r byteRange, ok bool) {
	first, last, ok := strings.Cut(part, "-")
	if !ok {
		return r, false
	}
	if first == "" {
		n, ok := parseSize(last)
		return byteRange{max(size-n, 0), size}, ok
	}
	if r.from, ok = parseSize(first); !ok {
		return r, false
	}
	r.to = size
	if last != "" {
		to, ok := parseSize(last)
		if !ok || to < r.from {
			return r, false
		}
		r.to = min(to, size-1) + 1
	}
	return r, true
}

// parseSize reads digits alone: no sign, no space.
func parseSize(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
