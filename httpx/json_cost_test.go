package httpx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"homebase/httpx"
)

// shapes are JSON texts of about n bytes, made to be dear to read.
var shapes = map[string]func(n int) string{
	"plain text":         func(n int) string { return `{"name":"` + strings.Repeat("x", n) + `"}` },
	"a name of children": func(n int) string { return inAny(`{"` + strings.Repeat("n", n/2) + `":[` + listed("1", n/4) + `]}`) },
	"a name of names": func(n int) string {
		return inAny(`{"` + strings.Repeat("n", n/2) + `":{` + members(n/24, "%06d") + `}}`)
	},
	"nested names":    func(n int) string { return inAny(nested(n)) },
	"small values":    func(n int) string { return inAny(`[` + listed("1", n/2) + `]`) },
	"small objects":   func(n int) string { return inAny(`[` + listed(`{"a":1}`, n/8) + `]`) },
	"small arrays":    func(n int) string { return inAny(`[` + listed(`[]`, n/3) + `]`) },
	"many names":      func(n int) string { return inAny(`{` + members(n/12, "%06d") + `}`) },
	"long names":      func(n int) string { return inAny(`{` + members(n/1000, strings.Repeat("n", 990)+"%06d") + `}`) },
	"wrong elements":  func(n int) string { return `{"tags":[` + listed("1", n/2) + `]}` },
	"wrong ids":       func(n int) string { return `{"ids":[` + listed("1", n/2) + `]}` },
	"wrong in a name": func(n int) string { return `{"extra":{"` + strings.Repeat("/", n/2) + `":[` + listed("1", n/4) + `]}}` },
	"wrong in names": func(n int) string {
		return `{"extra":{` + strings.ReplaceAll(members(n/1000, strings.Repeat("/", 990)+"%06d"), ":1", ":[]") + `}}`
	},
	"escapes":           func(n int) string { return `{"name":"` + strings.Repeat(`\u0041`, n/6) + `"}` },
	"escaped names":     func(n int) string { return inAny(`{` + members(n/17, `\u0041%06d`) + `}`) },
	"numbers":           func(n int) string { return inAny(`[` + listed("17976931348623157081234567e280", n/31) + `]`) },
	"a number":          func(n int) string { return inAny(strings.Repeat("9", n)) },
	"no grammar":        func(n int) string { return `{"any":[` + listed("1", n/2) },
	"trailing":          func(n int) string { return `{} [` + listed("1", n/2) + `]` },
	"unknown fields":    func(n int) string { return `{` + members(n/12, "%06d") + `}` },
	"numbers below all": func(n int) string { return inAny(`[` + listed("5e-324", n/7) + `]`) },
	"parts":             func(n int) string { return `{"parts":[` + listed(`{}`, n/3) + `]}` },
	"map members":       func(n int) string { return `{"extra":{` + members(n/12, "%06d") + `}}` },
	"deep objects": func(n int) string {
		return inAny(`[` + listed(strings.Repeat(`{"":`, 60)+"0"+strings.Repeat("}", 60), n/302) + `]`)
	},
	"the same name": func(n int) string { return inAny(`{` + listed(`"a":1`, n/6) + `}`) },
}

func inAny(text string) string { return `{"any":` + text + `}` }

func listed(text string, n int) string { return strings.Repeat(text+",", max(n, 1)-1) + text }

func members(n int, name string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"`+name+`":1`, i))
	}
	return strings.Join(all, ",")
}

// nested has 50 objects with long names around many values.
func nested(n int) string {
	name := strings.Repeat("n", n/100)
	return strings.Repeat(`{"`+name+`":`, 50) + `[` + listed("1", n/4) + `]` + strings.Repeat("}", 50)
}

// allocated is how many bytes f takes from the heap, without what else runs.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestReadJSON_CostsByItsLengthAlone runs alone, for it counts what the whole
// process allocates.
func TestReadJSON_CostsByItsLengthAlone(t *testing.T) {
	for name, shape := range shapes {
		cost := func(n int) uint64 {
			text := []byte(shape(n))
			return allocated(func() {
				if httpx.CheckJSON(t.Context(), text, input{}) == nil {
					_ = json.Unmarshal(text, new(input))
				}
			})
		}
		const n = 64 << 10
		once, twice := cost(n), cost(2*n)
		if once > 24*n || twice > 2*once+n {
			t.Errorf("%s: %d bytes for %d, %d for %d", name, once, n, twice, 2*n)
		}
	}
}

// TestReadJSON_TakesNoMoreStepsThanItsLength counts the values walked over.
func TestReadJSON_TakesNoMoreStepsThanItsLength(t *testing.T) {
	t.Parallel()
	for name, shape := range shapes {
		const n = 64 << 10
		if !json.Valid([]byte(shape(n))) {
			continue // refused before the walk
		}
		once, twice := httpx.Steps([]byte(shape(n)), input{}), httpx.Steps([]byte(shape(2*n)), input{})
		if once > n/2+64 || twice > 2*once+64 {
			t.Errorf("%s: %d steps, %d for twice as much", name, once, twice)
		}
	}
	if steps := httpx.Steps([]byte(`{"tags":[`+listed(`""`, 20<<10)+`]}`), input{}); steps > 10 {
		t.Errorf("%d steps to refuse a list of more than 3", steps)
	}
}

func TestReadJSON_StopsWhenTheClientIsGone(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	leave()
	for _, name := range []string{"small values", "plain text"} {
		if err := httpx.CheckJSON(ctx, []byte(shapes[name](64<<10)), input{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The first fault comes behind what was still walked.
	faulty := inAny(`[` + listed("1", 4<<10) + `,{"a":1,"a":1}]`)
	if err := httpx.CheckJSON(ctx, []byte(faulty), input{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it read on: %v", err)
	}
}

func TestReadJSON_ManyFaultsMakeAShortAnswer(t *testing.T) {
	t.Parallel()
	c := jsonServer(t, new(input))
	for _, name := range []string{"wrong in names", "wrong elements", "wrong ids", "wrong in a name", "unknown fields"} {
		a := c.Do("POST", "/thing", shapes[name](60<<10), asJSON)
		if a.Status != 422 && a.Status != 400 || len(a.Body) > 128<<10 {
			t.Errorf("%s: %d with %d bytes", name, a.Status, len(a.Body))
		}
	}
}
