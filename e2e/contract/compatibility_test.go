package contract_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The API only grows. Each release leaves its document in testdata/released,
// where it is never edited again, and the present document must offer all
// that those do: a client made for one of them works with this server.
// What a mistake offered is not taken away but marked as deprecated.
func TestContract_TakesNothingAwayThatWasReleased(t *testing.T) {
	t.Parallel()
	released, err := filepath.Glob("testdata/released/*.json")
	if err != nil || len(released) == 0 {
		t.Fatalf("no released documents: %v", err)
	}
	now := readDocument(t, golden)
	for _, path := range released {
		for _, loss := range losses(readDocument(t, path), now) {
			t.Errorf("since %s: %s", filepath.Base(path), loss)
		}
	}
}

func readDocument(t *testing.T, path string) node {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseDocument(t, text)
}

func parseDocument(t *testing.T, text []byte) node {
	t.Helper()
	var n node
	if err := json.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// node is an object of a document; what is missing is empty.
type node map[string]any

func (n node) at(names ...string) node {
	for _, name := range names {
		switch child := n[name].(type) {
		case map[string]any:
			n = child
		default:
			return nil
		}
	}
	return n
}

func (n node) list(name string) []any {
	list, _ := n[name].([]any)
	return list
}

// strings are the texts of a list, or the one text.
func (n node) strings(name string) (texts []string) {
	if text, ok := n[name].(string); ok {
		return []string{text}
	}
	for _, v := range n.list(name) {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// comparison gathers what the document now lacks of was.
type comparison struct {
	was, now node
	lost     []string
	seen     map[string]bool // pairs of schemas under way or done
}

func losses(was, now node) []string {
	c := &comparison{was: was, now: now, seen: map[string]bool{}}
	for _, path := range slices.Sorted(maps.Keys(was.at("paths"))) {
		for _, method := range slices.Sorted(maps.Keys(was.at("paths", path))) {
			where := strings.ToUpper(method) + " " + path
			if op := now.at("paths", path, method); op == nil {
				c.lose(where, "is gone")
			} else {
				c.operation(where, was.at("paths", path, method), op)
			}
		}
	}
	return c.lost
}

func (c *comparison) lose(where, format string, args ...any) {
	c.lost = append(c.lost, where+" "+fmt.Sprintf(format, args...))
}

func (c *comparison) operation(where string, was, now node) {
	if was["operationId"] != now["operationId"] {
		c.lose(where, "is no longer called %v", was["operationId"])
	}
	c.security(where, was, now)
	c.parameters(where, was, now)
	c.requestBody(where+" request", resolve(c.was, was.at("requestBody")), resolve(c.now, now.at("requestBody")))
	for _, status := range slices.Sorted(maps.Keys(was.at("responses"))) {
		old, answer := resolve(c.was, was.at("responses", status)), resolve(c.now, now.at("responses", status))
		at := where + " " + status
		if answer == nil {
			c.lose(at, "is gone")
			continue
		}
		for name, header := range old.at("headers") {
			if answer.at("headers", name) == nil {
				c.lose(at, "lacks the header %s", name)
			} else if old := resolve(c.was, header.(map[string]any)); old["required"] == true && resolve(c.now, answer.at("headers", name))["required"] != true {
				c.lose(at, "does not promise the header %s", name)
			}
		}
		c.content(at, old, answer, false)
	}
}

// security: each way in must still be one; nobody needed is a way too.
func (c *comparison) security(where string, was, now node) {
	ways := func(op node) (ways []string) {
		for _, way := range op.list("security") {
			text, _ := json.Marshal(way)
			ways = append(ways, string(text))
		}
		if len(ways) == 0 {
			return []string{"{}"}
		}
		return ways
	}
	open := slices.Contains(ways(now), "{}")
	for _, way := range ways(was) {
		if !open && !slices.Contains(ways(now), way) {
			c.lose(where, "can no longer be called with %s", way)
		}
	}
}

func (c *comparison) parameters(where string, was, now node) {
	find := func(op node, like node) node {
		for _, p := range op.list("parameters") {
			if p := node(p.(map[string]any)); p["name"] == like["name"] && p["in"] == like["in"] {
				return p
			}
		}
		return nil
	}
	for _, p := range was.list("parameters") {
		old := node(p.(map[string]any))
		at := fmt.Sprintf("%s %s parameter %s", where, old["in"], old["name"])
		if p := find(now, old); p == nil {
			c.lose(at, "is gone")
		} else {
			c.schema(at, old.at("schema"), p.at("schema"), true)
		}
	}
	for _, p := range now.list("parameters") {
		p := node(p.(map[string]any))
		if p["required"] == true && find(was, p)["required"] != true {
			c.lose(where, "now demands the parameter %s", p["name"])
		}
	}
}

func (c *comparison) requestBody(where string, was, now node) {
	if now["required"] == true && was["required"] != true {
		c.lose(where, "now demands a body")
	}
	c.limit(where, was, now, "x-max-bytes", -1)
	c.content(where, was, now, true)
}

func (c *comparison) content(where string, was, now node, request bool) {
	for mediaType := range was.at("content") {
		at := where + " " + mediaType
		if now.at("content", mediaType) == nil {
			c.lose(at, "is gone")
			continue
		}
		c.schema(at, was.at("content", mediaType, "schema"), now.at("content", mediaType, "schema"), request)
	}
}

// schema compares what a request may be, which must not shrink, or what an
// answer may be, which must not grow but by members that clients pass over.
func (c *comparison) schema(where string, was, now node, request bool) {
	if refs := fmt.Sprint(was["$ref"], now["$ref"], request); was["$ref"] != nil && now["$ref"] != nil {
		if c.seen[refs] {
			return
		}
		c.seen[refs] = true
	}
	was, now = flat(c.was, was), flat(c.now, now)
	wider, narrower := now, was
	if !request {
		wider, narrower = was, now
	}
	if types := wider.strings("type"); types != nil {
		more := narrower.strings("type")
		if more == nil || slices.ContainsFunc(more, func(t string) bool {
			return !slices.Contains(types, t) && (t != "integer" || !slices.Contains(types, "number"))
		}) {
			c.lose(where, "is %v, was %v", now["type"], was["type"])
		}
	}
	if wider["format"] != nil && wider["format"] != narrower["format"] {
		c.lose(where, "has format %v, had %v", now["format"], was["format"])
	}
	// Enums are open: an answer may have more values, and none of either goes.
	if was["enum"] != nil || request {
		for _, value := range was.strings("enum") {
			if now["enum"] != nil && !slices.Contains(now.strings("enum"), value) {
				c.lose(where, "is never %s", value)
			}
		}
		if was["enum"] == nil && now["enum"] != nil {
			c.lose(where, "has an enum now")
		}
	}
	if request {
		for _, most := range []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"} {
			c.limit(where, was, now, most, -1)
		}
		for _, least := range []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"} {
			c.limit(where, was, now, least, 1)
		}
		if now["pattern"] != nil && now["pattern"] != was["pattern"] {
			c.lose(where, "has the pattern %v now", now["pattern"])
		}
	}
	c.members(where, was, now, request)
}

// limit: worse is the direction in which a limit gets tighter.
func (c *comparison) limit(where string, was, now node, name string, worse int) {
	before, had := was[name].(float64)
	if after, has := now[name].(float64); has && (!had || cmp.Compare(after, before) == worse) {
		if name == "x-max-bytes" && was == nil {
			return // there was no body at all
		}
		c.lose(where, "has %s %v, had %v", name, now[name], was[name])
	}
}

func (c *comparison) members(where string, was, now node, request bool) {
	for _, name := range slices.Sorted(maps.Keys(was.at("properties"))) {
		if now.at("properties", name) == nil {
			c.lose(where, "lacks %s", name)
			continue
		}
		c.schema(where+"/"+name, was.at("properties", name), now.at("properties", name), request)
	}
	if request {
		for _, name := range now.strings("required") {
			if !slices.Contains(was.strings("required"), name) {
				c.lose(where, "now demands %s", name)
			}
		}
		if now["additionalProperties"] == false && was["additionalProperties"] != false {
			c.lose(where, "takes no further members now")
		}
	} else {
		for _, name := range was.strings("required") {
			if !slices.Contains(now.strings("required"), name) {
				c.lose(where, "does not promise %s", name)
			}
		}
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		if was.at(inner) != nil && now.at(inner) != nil {
			c.schema(where+"/"+inner, was.at(inner), now.at(inner), request)
		}
	}
}

func resolve(document, n node) node {
	for n != nil {
		to, ok := n["$ref"].(string)
		if !ok {
			break
		}
		n = document.at(strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
	}
	return n
}

// flat is a schema without references, with null among its types instead of
// an anyOf, and with the members of an allOf as its own.
func flat(document, n node) node {
	n = maps.Clone(resolve(document, n))
	null := false
	for _, choice := range n.list("anyOf") {
		if choice := node(choice.(map[string]any)); choice["type"] == "null" {
			null = true
		} else {
			n = maps.Clone(resolve(document, choice))
		}
	}
	for _, part := range n.list("allOf") {
		part := flat(document, part.(map[string]any))
		for name, value := range part {
			if more, ok := value.(map[string]any); ok && n.at(name) != nil {
				merged := maps.Clone(n.at(name))
				for member, schema := range more {
					if known := merged.at(member); known != nil {
						known = maps.Clone(known)
						maps.Copy(known, schema.(map[string]any))
						schema = map[string]any(known)
					}
					merged[member] = schema
				}
				value = map[string]any(merged)
			}
			n[name] = value
		}
	}
	if null && n["type"] != nil {
		types := []any{"null"}
		for _, t := range n.strings("type") {
			types = append(types, t)
		}
		n["type"] = types
	}
	return n
}
