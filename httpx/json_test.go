package httpx_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

type part struct {
	Label string `json:"label"`
}

type common struct {
	Role string `json:"role,omitempty"`
}

type input struct {
	common
	Name   string                     `json:"name,omitempty"`
	Count  int                        `json:"count,omitempty"`
	Small  uint8                      `json:"small,omitempty"`
	Ratio  float64                    `json:"ratio,omitempty"`
	OK     bool                       `json:"ok,omitempty"`
	Tags   []string                   `json:"tags,omitempty" most:"3,count"`
	Parts  []part                     `json:"parts,omitempty"`
	Extra  map[string]int             `json:"extra,omitempty"`
	Any    json.RawMessage            `json:"any,omitempty"`
	Note   *string                    `json:"note,omitempty"`
	ID     uuid.UUID                  `json:"id,omitempty"`
	IDs    []uuid.UUID                `json:"ids,omitempty"`
	At     time.Time                  `json:"at,omitzero"`
	Parent httpx.Optional[uuid.UUID]  `json:"parent,omitzero"`
	Title  httpx.Optional[string]     `json:"title,omitzero"`
	Where  httpx.Optional[*time.Time] `json:"where,omitzero"`
	Data   []byte                     `json:"data,omitempty"`
	Hidden string                     `json:"-"`
}

// jsonServer echoes what it has read, as Go prints it.
func jsonServer(t *testing.T, got *input) *httpxtest.Client {
	read := func(rt *httpx.Route) {
		rt.Body, rt.Request = 64<<10, input{}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			v, err := httpx.ReadJSON[input](r)
			if err != nil {
				return err
			}
			*got = v
			return done(w, r)
		}
	}
	return httpxtest.Start(t, config(), []httpx.Route{route("POST /thing", httpx.Public(), read), route("PATCH /thing", httpx.Public(), read)}).Client(t)
}

var asJSON = httpxtest.WithHeader("Content-Type", "application/json")

func TestReadJSON_ReadsWhatTheTypeSays(t *testing.T) {
	t.Parallel()
	var got input
	c := jsonServer(t, &got)
	c.Do("POST", "/thing", `{"name":"ä \ud83d\ude00","role":"r","count":-9007199254740993,"small":255,"ratio":1e3,"ok":true,"tags":["a"],"parts":[{"label":"l"}],
		"extra":{"x":1},"any":{"y":[null,1e308]},"note":null,"id":"0198c0de-0000-7000-8000-000000000001","at":"2026-01-31T12:00:00Z","parent":null,"title":"t","data":"aGk="}`, asJSON).Want(t, 204)
	if got.Name != "ä 😀" || got.Role != "r" || got.Count != -9007199254740993 || got.Small != 255 || got.Ratio != 1000 || got.ID != userID || string(got.Data) != "hi" {
		t.Errorf("%+v", got)
	}
	if !got.Parent.Set || !got.Parent.Null || !got.Title.Set || got.Title.Null || got.Title.Value != "t" || got.Where.Set {
		t.Errorf("%+v %+v %+v", got.Parent, got.Title, got.Where)
	}
	c.Do("PATCH", "/thing", `{}`, httpxtest.WithHeader("Content-Type", "application/merge-patch+json")).Want(t, 204)
	c.Do("POST", "/thing", " {} \n", httpxtest.WithHeader("Content-Type", `Application/JSON; charset="UTF-8"`)).Want(t, 204)
	c.Do("POST", "/thing", bytes.NewBufferString(`{}`), asJSON, httpxtest.WithLength(-1)).Want(t, 204)
}

func TestReadJSON_EachFaultHasItsOwnProblem(t *testing.T) {
	t.Parallel()
	c := jsonServer(t, new(input))
	for _, row := range []struct {
		body, code, says string
	}{
		{``, "invalid_json", "empty"},
		{" \n", "invalid_json", "empty"},
		{`{"name":`, "invalid_json", "middle"},
		{`{"name":"a",}`, "invalid_json", "byte 13"},
		{`{'name':'a'}`, "invalid_json", "byte 2"},
		{`{"ratio":NaN}`, "invalid_json", "byte"},
		{`{"name":"a" "count":1}`, "invalid_json", "byte"},
		{`{"tags":["a" "b"]}`, "invalid_json", "byte"},
		{"{\"name\":\"\xff\"}", "invalid_json", "UTF-8"},
		{`{"name":"\ud800"}`, "invalid_json", "#/name"},
		{`{"name":"\ufffd"}`, "invalid_json", "#/name"},
		{`{"name":"a\u0000b"}`, "invalid_json", "#/name"},
		{`{"any":{"deep":["\udc00"]}}`, "invalid_json", "#/any/deep/0"},
		{`{"extra":{"\u0000":1}}`, "invalid_json", "#/extra"},
		{`{"at":"\u0000"}`, "invalid_json", "#/at"},
		{`{"any":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "invalid_json", "nested"},
		{strings.Repeat("[", 10000) + strings.Repeat("]", 10000), "invalid_json", "nested"},
		{strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "invalid_json", "depth"},
		{`{} {}`, "trailing_data", "byte 2"},
		{`{"name":"a"}x`, "trailing_data", "byte 12"},
		{`{"what":1}`, "unknown_field", "#/what"},
		{`{"Name":"a"}`, "unknown_field", "#/Name"},
		{`{"hidden":"a"}`, "unknown_field", "#/hidden"},
		{`{"Hidden":"a"}`, "unknown_field", "#/Hidden"},
		{`{"common":{}}`, "unknown_field", "#/common"},
		{`{"parts":[{"label":"a"},{"a/b~c":1}]}`, "unknown_field", "#/parts/1/a~1b~0c"},
		{`{"name":"a","name":"b"}`, "duplicate_field", "#/name"},
		{`{"name":"a","na\u006de":"b"}`, "duplicate_field", "#/name"},
		{`{"any":{"x":1,"x":1}}`, "duplicate_field", "#/any/x"},
		{`{"extra":{"x":1,"x":1}}`, "duplicate_field", "#/extra/x"},
	} {
		p := c.Do("POST", "/thing", row.body, asJSON).WantProblem(t, 400, row.code)
		if !strings.Contains(p.Detail, row.says) {
			t.Errorf("%.60s: %q does not say %q", row.body, p.Detail, row.says)
		}
	}
}

// What is too long is refused before it is decoded, whatever it holds.
func TestReadJSON_TooManyElementsAreRefusedByTheirField(t *testing.T) {
	t.Parallel()
	c := jsonServer(t, new(input))
	for _, row := range []struct{ fits, tooLong, pointer, code string }{
		{`{"tags":["","",""]}`, `{"tags":["","","",` + listed("1", 9000) + `]}`, "#/tags", "count"},
		{`{"parts":[` + listed(`{"label":""}`, 1000) + `]}`, `{"parts":[` + listed("{}", 1001) + `]}`, "#/parts", "too_many"},
		{`{"extra":{` + members(1000, "%d") + `}}`, `{"extra":{` + members(1001, "%d") + `}}`, "#/extra", "too_many"},
		{`{"any":[1e400,5e-324]}`, `{"ids":[` + listed(`"0198c0de-0000-7000-8000-000000000001"`, 1001) + `]}`, "#/ids", "too_many"},
		{`{"title":"","any":[` + listed("{}", 9000) + `]}`, `{"any":[],"parts":[` + listed("{}", 9000) + `,{"a":1}]}`, "#/parts", "too_many"},
	} {
		c.Do("POST", "/thing", row.fits, asJSON).Want(t, 204)
		p := c.Do("POST", "/thing", row.tooLong, asJSON).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != row.pointer || p.Errors[0].Code != row.code {
			t.Errorf("%.40s: %+v", row.tooLong, p.Errors)
		}
	}
}

func TestReadJSON_WrongTypesAreToldAllAtOnce(t *testing.T) {
	t.Parallel()
	c := jsonServer(t, new(input))
	body := `{"name":1,"count":1.5,"small":256,"ratio":1e400,"ok":"true","tags":{},"parts":["x",null],"extra":{"x":"y"},"note":2,
		"id":"{0198c0de-0000-7000-8000-000000000001}","at":"yesterday","parent":"x","title":5,"data":"?","role":null,"any":[1e400]}`
	p := c.Do("POST", "/thing", body, asJSON).WantProblem(t, 422, "validation_failed")
	var pointers []string
	for _, e := range p.Errors {
		pointers = append(pointers, e.Pointer)
		if e.Code != "invalid_type" || e.Detail == "" {
			t.Errorf("%+v", e)
		}
	}
	want := "#/name #/count #/small #/ratio #/ok #/tags #/parts/0 #/parts/1 #/extra/x #/note #/id #/at #/parent #/title #/data #/role"
	if got := strings.Join(pointers, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, body := range []string{`[]`, `null`, `"x"`, `1`, `true`} {
		if p := c.Do("POST", "/thing", body, asJSON).WantProblem(t, 422, "validation_failed"); len(p.Errors) != 1 || p.Errors[0].Pointer != "#" {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	if p := c.Do("POST", "/thing", `{"ids":[`+strings.Repeat("1,", 999)+`1]}`, asJSON).WantProblem(t, 422, "validation_failed"); len(p.Errors) != 50 {
		t.Errorf("%d errors for 1000 faults", len(p.Errors))
	}
}

func TestReadJSON_MediaTypeAndSize(t *testing.T) {
	t.Parallel()
	c := jsonServer(t, new(input))
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/json; charset", "application/merge-patch+json", "application/jsonp"} {
		c.Do("POST", "/thing", `{}`, httpxtest.WithHeader("Content-Type", media)).WantProblem(t, 415, "unsupported_media_type")
	}
	c.Do("POST", "/thing", `{}`, httpxtest.WithHeader("Content-Type", "application/json", "application/json")).WantProblem(t, 415, "unsupported_media_type")
	c.Do("POST", "/thing", `{}`, asJSON, httpxtest.WithHeader("Content-Encoding", "gzip")).WantProblem(t, 415, "unsupported_media_type")

	large := `{"name":"` + strings.Repeat("x", 64<<10) + `"}`
	c.Do("POST", "/thing", large, asJSON).WantProblem(t, 413, "body_too_large")
	c.Do("POST", "/thing", large, asJSON, httpxtest.WithLength(-1)).WantProblem(t, 413, "body_too_large")
	full := `{"name":"` + strings.Repeat("x", 64<<10-11) + `"}`
	c.Do("POST", "/thing", full, asJSON, httpxtest.WithLength(-1)).Want(t, 204)
}

func TestReadJSON_OfATypeThatTheRouteDoesNotDeclareIs500(t *testing.T) {
	t.Parallel()
	log := new(journal)
	cfg := config()
	cfg.Log = log.logger()
	c := httpxtest.Start(t, cfg, []httpx.Route{route("POST /thing", httpx.Public(), func(rt *httpx.Route) {
		rt.Body, rt.Request = 100, part{}
		rt.Handler = func(w http.ResponseWriter, r *http.Request) error {
			_, err := httpx.ReadJSON[common](r)
			return err
		}
	})}).Client(t)
	a := c.Do("POST", "/thing", `{}`, asJSON)
	a.WantProblem(t, 500, "internal")
	if cause := log.record(t, a.Header.Get("X-Request-Id"))["cause"]; !strings.Contains(cause.(string), "does not declare") {
		t.Errorf("cause %q", cause)
	}
}

func TestWriteJSON_FailsBeforeTheAnswerBegins(t *testing.T) {
	t.Parallel()
	c := httpxtest.Start(t, config(), []httpx.Route{
		route("GET /bad", httpx.Public(), with(func(w http.ResponseWriter, _ *http.Request) error { return httpx.WriteJSON(w, 200, func() {}) })),
		route("GET /good", httpx.Public(), func(rt *httpx.Route) {
			rt.Responses = []httpx.Response{{Status: 200, Body: part{}}}
			rt.Handler = func(w http.ResponseWriter, _ *http.Request) error { return httpx.WriteJSON(w, 200, part{"<&>"}) }
		}),
	}).Client(t)
	c.Do("GET", "/bad", nil).WantProblem(t, 500, "internal")
	if a := c.Do("GET", "/good", nil).Want(t, 200); string(a.Body) != `{"label":"<&>"}`+"\n" || a.Header.Get("Content-Length") == "" {
		t.Errorf("%s %v", a.Body, a.Header)
	}
	c.Do("HEAD", "/good", nil).Want(t, 200)
}

// FuzzReadJSON: what passes the check must be what encoding/json reads.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{`{"name":"a","tags":["b"],"id":"0198c0de-0000-7000-8000-000000000001"}`, `{"any":[1,{"x":null}]}`, `[`, `{"at":1}`, `{"ratio":1e400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if httpx.CheckJSON(t.Context(), text, input{}) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(new(input)); err != nil {
			t.Errorf("%q passed the check: %v", text, err)
		}
	})
}
