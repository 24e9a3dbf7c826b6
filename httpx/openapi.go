package httpx

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object of the document. encoding/json sorts its members,
// so the same table always gives the same bytes.
type object = map[string]any

// contractVersion is that of the API, not of the program: it grows with what
// is added, and never takes away.
const contractVersion = "1.0.0"

const contractText = `One backend for all frontends: sign-in, files, portfolio content and apps.

Sizes are bytes, times RFC 3339 in UTC, ids UUIDs. Every refusal is a problem document (RFC 9457) with a stable code; new codes, fields, enum values and routes may be added; none is removed. Collections are pages: keep asking with cursor=next_cursor until it is null. 429 is about you, 503 about the server: try again after Retry-After.

Browsers are signed in by cookies on their own site, everything else by a bearer token or an access key.`

// OpenAPI describes a route table as an OpenAPI 3.1 document. What it says about
// bodies comes from the Go types that the handlers read and write, and what it
// says about problems from the lists that the tests' client checks every answer
// against, so it cannot promise what the server does not do.
func OpenAPI(routes []Route) ([]byte, error) {
	c := &contract{schemas: object{"Problem": problemSchema}, refusals: object{}, examples: object{}, values: object{}}
	routes = Whole(routes)
	paths, ids := map[string]object{}, map[string]string{}
	for i := range routes {
		rt := &routes[i]
		method, path := rt.split()
		id := operationID(method, path)
		if other, taken := ids[id]; taken {
			return nil, fmt.Errorf("%q and %q have the same operation id %s", other, rt.Pattern, id)
		}
		ids[id] = rt.Pattern
		template := strings.ReplaceAll(path, "...}", "}")
		if paths[template] == nil {
			paths[template] = object{}
		}
		paths[template][strings.ToLower(method)] = c.operation(rt, id, path)
	}
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Homebase", "version": contractVersion, "description": contractText,
			"license": object{"name": "MIT", "identifier": "MIT"},
		},
		"servers": []object{{"url": Prefix}},
		"paths":   paths,
		"components": object{
			"schemas":   c.schemas,
			"responses": c.refusals,
			"examples":  c.examples,
			"headers": object{
				"RateLimit":        object{"schema": object{"type": "string"}, "description": "What is left of the caller's limit."},
				"RateLimit-Policy": object{"schema": object{"type": "string"}, "description": "The limit."},
			},
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "description": "An access token, valid for ten minutes, or an access key (hb_…)."},
				"cookie": object{"type": "apiKey", "in": "cookie", "name": "__Host-at", "description": "Set by signing in; works only on the API's own site."},
			},
		},
	})
}

// contract collects what the operations share while they are described; values
// holds an example for each schema.
type contract struct{ schemas, refusals, examples, values object }

func (rt *Route) split() (method, path string) {
	method, path, _ = strings.Cut(rt.Pattern, " ")
	return method, path
}

// operationID is the method and the words of the path: getFilesItemsByIdContent.
func operationID(method, path string) string {
	var id strings.Builder
	id.WriteString(strings.ToLower(method))
	for word := range strings.FieldsFuncSeq(path, func(c rune) bool { return strings.ContainsRune("/_-.}", c) }) {
		if name, ok := strings.CutPrefix(word, "{"); ok {
			word = "by" + title(name)
		}
		id.WriteString(title(word))
	}
	return id.String()
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

func (c *contract) operation(rt *Route, id, path string) object {
	op := object{
		"operationId": id,
		"tags":        []string{strings.Split(path, "/")[1]},
		"summary":     rt.Summary,
		"description": "Access: " + rt.Access.String() + ".",
		"security":    rt.Access.security(),
		"responses":   c.responses(rt),
	}
	if parameters := c.parameters(rt, path); len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if rt.Body != 0 {
		op["requestBody"] = c.requestBody(rt)
	}
	return op
}

// security lists the credentials of which each lets a caller in by itself; it is
// empty where none are needed.
func (a Access) security() []object {
	each := []object{{"cookie": []string{}}, {"bearer": []string{}}}
	switch a.level {
	case public:
		return []object{}
	case recognised:
		return append([]object{{}}, each...)
	}
	return each
}

func (c *contract) parameters(rt *Route, path string) (list []object) {
	add := func(name, in string, t reflect.Type) object {
		schema, example := c.schema(t, false, "parameter", name)
		list = append(list, object{"name": name, "in": in, "schema": schema, "example": example})
		return list[len(list)-1]
	}
	text := reflect.TypeFor[string]()
	for part := range strings.SplitSeq(path, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			continue
		}
		name, rest := strings.CutSuffix(strings.TrimSuffix(name, "}"), "...")
		p := add(name, "path", text)
		p["required"] = true
		if rest {
			p["description"] = "A path of any depth; its slashes are sent as they are."
		}
	}
	for _, name := range rt.Query {
		if name != "limit" && name != "size" {
			add(name, "query", text)
			continue
		}
		schema := add(name, "query", reflect.TypeFor[int]())["schema"].(object)
		schema["minimum"] = 1
		if name == "limit" {
			schema["default"] = defaultLimit
		}
	}
	for _, name := range RequestHeaders(rt) {
		add(name, "header", text)
	}
	return list
}

func (c *contract) requestBody(rt *Route) object {
	if rt.Form != nil {
		members, example := object{}, object{}
		for _, name := range rt.Form {
			members[name], example[name] = c.schema(reflect.TypeFor[string](), false, "form", name)
		}
		content := object{"application/x-www-form-urlencoded": object{"schema": object{"type": "object", "properties": members}, "example": example}}
		return object{"content": content, "description": fmt.Sprintf("A form of at most %d bytes.", rt.Body), "x-max-bytes": rt.Body}
	}
	if rt.Request == nil {
		content := object{"*/*": object{"schema": object{}}}
		if rt.Body == Stream {
			return object{"content": content, "description": "The bytes as they are."}
		}
		return object{"content": content, "description": fmt.Sprintf("The bytes as they are, at most %d.", rt.Body), "x-max-bytes": rt.Body}
	}
	body := c.exampleContent(c.request(rt))
	content := object{"application/json": body}
	if strings.HasPrefix(rt.Pattern, "PATCH ") {
		content["application/merge-patch+json"] = body
	}
	if rt.Beacon {
		content["text/plain"] = body
	}
	return object{"required": !rt.Optional, "content": content, "description": fmt.Sprintf("At most %d bytes.", rt.Body), "x-max-bytes": rt.Body}
}

// responses are the declared answers and refusals, and for each other status of the
// declared and implied problems one with their codes.
func (c *contract) responses(rt *Route) object {
	all, problems := object{}, map[int][]*Problem{}
	for _, p := range slices.Concat(rt.Problems, ImpliedProblems(rt)) {
		problems[p.Status] = append(problems[p.Status], p)
	}
	for _, r := range slices.Concat(rt.Answers(), rt.Refusals) {
		status := strconv.Itoa(r.Status)
		if all[status] == nil {
			all[status] = object{"description": http.StatusText(r.Status), "content": object{}, "headers": object{}}
		}
		content, headers := all[status].(object)["content"].(object), all[status].(object)["headers"].(object)
		if r.Status < 400 && rt.Rate != RateNone {
			headers["RateLimit"], headers["RateLimit-Policy"] = ref("headers", "RateLimit"), ref("headers", "RateLimit-Policy")
		}
		maps.Copy(headers, headersOf(r.Headers, r.May))
		switch {
		case r.Body != nil:
			content["application/json"] = c.exampleContent(c.schema(reflect.TypeOf(r.Body), false, "", ""))
		case r.Type != "":
			raw := object{"schema": object{}}
			if text, ok := exampleTexts[r.Type]; ok {
				raw["example"] = text
			}
			content[r.Type] = raw
		}
		if list := problems[r.Status]; list != nil {
			maps.Copy(content, refusalOf(r.Status, list)["content"].(object))
			delete(problems, r.Status)
		}
	}
	for status, list := range problems {
		all[strconv.Itoa(status)] = c.refusal(status, list)
	}
	for _, answer := range all {
		maps.DeleteFunc(answer.(object), func(_ string, v any) bool { o, ok := v.(object); return ok && len(o) == 0 })
	}
	return all
}

// headersOf describes the headers that an answer always carries, and those that it
// may carry.
func headersOf(always, may []string) object {
	headers := object{}
	for _, name := range may {
		headers[name] = object{"schema": object{"type": "string"}}
	}
	for _, name := range always {
		headers[name] = object{"required": true, "schema": object{"type": "string"}}
	}
	return headers
}

// refusal is a component that all routes with the same codes share. Its name is
// made from the codes, so that it does not change when other routes do.
func (c *contract) refusal(status int, problems []*Problem) object {
	sum := sha256.Sum256([]byte(strings.Join(codesOf(problems), " ")))
	name := fmt.Sprintf("%d-%x", status, sum[:4])
	if c.refusals[name] == nil {
		c.refusals[name] = refusalOf(status, problems)
	}
	return ref("responses", name)
}

func codesOf(problems []*Problem) (codes []string) {
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// refusalOf is the answer of a status that stands for several problems.
func refusalOf(status int, problems []*Problem) object {
	codes := codesOf(problems)
	refusal := object{
		"description": cmp.Or(http.StatusText(status), "Refused"),
		"content": object{"application/problem+json": object{
			"schema":  object{"allOf": []object{ref("schemas", "Problem"), {"properties": object{"code": object{"enum": codes}}}}},
			"example": problems[0].document("5f0c1e9a7b3d4c2e"),
		}},
	}
	var may []string
	for _, p := range problems {
		may = slices.AppendSeq(may, maps.Keys(p.Header))
	}
	may = slices.DeleteFunc(may, func(name string) bool { return name == "Connection" }) // a matter of HTTP/1.1
	if headers := headersOf(refusalHeaders[status], may); len(headers) > 0 {
		refusal["headers"] = headers
	}
	return refusal
}

// refusalHeaders are the headers that a refusal of the status always carries.
var refusalHeaders = map[int][]string{401: {"WWW-Authenticate"}, 405: {"Allow"}, 416: {"Content-Range"}, 429: {"Retry-After"}, 503: {"Retry-After"}}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

var problemSchema = object{
	"type":        "object",
	"description": "A problem document (RFC 9457).",
	"required":    []string{"type", "title", "status", "code", "request_id"},
	"properties": object{
		"type": object{"type": "string", "format": "uri"}, "title": object{"type": "string"},
		"status": object{"type": "integer"}, "detail": object{"type": "string", "description": "For a person; only code is for programs."},
		"code":       object{"type": "string", "description": "Stable; an open list."},
		"request_id": object{"type": "string"},
		"errors": object{"type": "array", "items": object{
			"type": "object", "required": []string{"pointer", "code", "detail"},
			"properties": object{
				"pointer": object{"type": "string", "description": "A JSON Pointer as a fragment: #/email"},
				"code":    object{"type": "string"}, "detail": object{"type": "string"},
			},
		}},
	},
}
