package system_test

import (
	"net/http"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"
)

type wish struct {
	Name  string                  `json:"name"`
	Count *int                    `json:"count,omitempty"`
	Note  httpx.Optional[string]  `json:"note"`
	Parts []wish                  `json:"parts,omitempty"`
	Tags  map[string][]httpx.Rate `json:"tags,omitempty"`
}

func TestContract_DescribesWhatTheTableSays(t *testing.T) {
	t.Parallel()
	full := httpx.NewProblem(409, "cupboard_full", "The cupboard is full")
	routes := system.WithContract([]httpx.Route{{
		Pattern: "PATCH /cups/{id}/marks/{mark...}", Access: httpx.Needs("cups:write").Recent(), Rate: httpx.RateWrite, Body: 1 << 10,
		Summary: "Marks a cup", Query: []string{"limit"}, Request: wish{},
		Responses: []httpx.Response{{Status: 200, Body: httpx.List[wish]{}, Headers: []string{"ETag"}}},
		Problems:  []*httpx.Problem{full},
		Handler:   func(http.ResponseWriter, *http.Request) error { return nil },
	}})
	c := httpxtest.Start(t, httpx.Config{Authenticate: func(*http.Request) (*httpx.Caller, error) { return nil, nil }}, routes).Client(t)
	a := c.Do("GET", "/system/openapi.json", nil).Want(t, 200)
	c.Do("GET", "/system/openapi.json", nil, httpxtest.WithHeader("If-None-Match", a.Header.Get("ETag"))).Want(t, 304)
	text := string(a.Body)
	for _, want := range []string{
		`"openapi":"3.1.0"`,
		`"/cups/{id}/marks/{mark}":{"patch":{"description":"Access: cups:write, recent.","operationId":"patchCupsByIdMarksByMark"`,
		`{"example":50,"in":"query","name":"limit","schema":{"default":50,"minimum":1,"type":"integer"}}`,
		`"security":[{"cookie":[]},{"bearer":[]}],"summary":"Marks a cup"`,
		`"application/merge-patch+json":{"examples":{"typical":{"$ref":"#/components/examples/System_testWishInput"}},"schema":{"$ref":"#/components/schemas/System_testWishInput"}}`,
		`"System_testWishInput":{"additionalProperties":false,"properties":{"count":{"type":["integer","null"]},"name":{"type":"string"},"note":{"type":["string","null"]},"parts":{"items":{"$ref":"#/components/schemas/System_testWishInput"},"type":"array"}`,
		`"required":["name"]`,
		`"System_testWishList":{"properties":{"items":{"items":{"$ref":"#/components/schemas/System_testWish"},"type":"array"},"next_cursor":{"type":["string","null"]}},"required":["items","next_cursor"],"type":"object"}`,
		`"409-3f59bac2":{"content":{"application/problem+json":{"example":{"type":"urn:homebase:problem:cupboard_full","title":"The cupboard is full","status":409,"code":"cupboard_full","request_id":"5f0c1e9a7b3d4c2e"},"schema":{"allOf":[{"$ref":"#/components/schemas/Problem"},{"properties":{"code":{"enum":["cupboard_full"]}}}]}}},"description":"Conflict"}`,
		`"enum":["forbidden","origin_refused","origin_required","reauthentication_required"`,
		`"Retry-After"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %s", want)
		}
	}
	if strings.Contains(text, `"get":{"description":"Access: public.","operationId":"getSystemOpenapiJson","requestBody"`) {
		t.Error("a route without a body asks for one")
	}
	if t.Failed() {
		t.Log(text)
	}
}
