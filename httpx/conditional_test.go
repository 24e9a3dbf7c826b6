package httpx_test

import (
	"net/http/httptest"
	"testing"

	"homebase/httpx"
)

func TestConditional_TagsAreComparedAsTheRFCSays(t *testing.T) {
	t.Parallel()
	tag := httpx.RevisionTag(7)
	for _, row := range []struct {
		lines       []string
		match, none bool
	}{
		{nil, true, false},
		{[]string{`"r7"`}, true, true},
		{[]string{`"r6"`}, false, false},
		{[]string{`"r6", "r7"`}, true, true},
		{[]string{`"r6"`, `"r7"`}, true, true},
		{[]string{`W/"r7"`}, false, true},
		{[]string{"*"}, true, true},
		{[]string{"r7"}, false, false},
		{[]string{""}, false, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for _, line := range row.lines {
			r.Header.Add("If-Match", line)
			r.Header.Add("If-None-Match", line)
		}
		if got := httpx.IfMatch(r.Header, tag); got != row.match {
			t.Errorf("If-Match %q: %v", row.lines, got)
		}
		if got := httpx.IfNoneMatch(r.Header, tag); got != row.none {
			t.Errorf("If-None-Match %q: %v", row.lines, got)
		}
	}
}
