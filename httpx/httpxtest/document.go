package httpxtest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"homebase/httpx"
)

// media is a body in the document.
type media struct {
	Example  json.RawMessage
	Examples map[string]struct {
		Ref string `json:"$ref"`
	}
}

// CheckExamples checks the examples of an OpenAPI document against the types that the
// handlers read and write, in the same way as Client checks real answers. It is an
// error if a JSON body has none.
func CheckExamples(t testing.TB, document []byte, routes []httpx.Route) {
	t.Helper()
	var d struct {
		Paths map[string]map[string]struct {
			RequestBody struct{ Content map[string]media }
			Responses   map[string]struct{ Content map[string]media }
		}
		Components struct {
			Examples  map[string]struct{ Value json.RawMessage }
			Responses map[string]struct{ Content map[string]media }
		}
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	check := func(m media, zero any, route *httpx.Route, where string) {
		text := m.Example
		for _, shared := range m.Examples {
			text = d.Components.Examples[strings.TrimPrefix(shared.Ref, "#/components/examples/")].Value
		}
		for _, fault := range shapeFaults(text, zero, route) {
			t.Errorf("%s: the example's %s", where, fault)
		}
	}
	for _, route := range httpx.Whole(routes) {
		method, path, _ := strings.Cut(route.Pattern, " ")
		op := d.Paths[strings.ReplaceAll(path, "...}", "}")][strings.ToLower(method)]
		if route.Request != nil {
			for mediaType, m := range op.RequestBody.Content {
				check(m, route.Request, &route, route.Pattern+" "+mediaType)
			}
		}
		for _, declared := range route.Answers() {
			if declared.Body != nil {
				where := fmt.Sprintf("%s %d", route.Pattern, declared.Status)
				check(op.Responses[strconv.Itoa(declared.Status)].Content["application/json"], declared.Body, nil, where)
			}
		}
	}
	for name, refusal := range d.Components.Responses {
		check(refusal.Content["application/problem+json"], httpx.Document{}, nil, name)
	}
}
