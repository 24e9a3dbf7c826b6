package httpx

import (
	"cmp"
	"encoding"
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
)

var (
	timeType          = reflect.TypeFor[time.Time]()
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// request is the schema of a request body, with an example.
func (c *contract) request(rt *Route) (object, any) {
	t := reflect.TypeOf(rt.Request)
	if optional, ok := optionalOf(t); ok {
		t = optional
	}
	return c.structure(t, true, rt.Sparse(), "")
}

// schema describes a type's JSON. In a request it is closed, because other members
// are refused; in an answer clients ignore members that they do not know. Named
// structs become components. The example is one of exampleWords if the member has
// one, otherwise what its form demands, otherwise the member's name.
func (c *contract) schema(t reflect.Type, closed bool, component, member string) (schema object, example any) {
	schema, example = c.plain(t, closed, component, member)
	kinds, _ := schema["type"].([]string)
	if kind, ok := schema["type"].(string); ok {
		kinds = []string{kind}
	}
	for _, key := range []string{component + "." + member, member} {
		word, ok := exampleWords[key]
		of, _ := c.plain(reflect.TypeOf(word), false, "", "")
		kind, _ := of["type"].(string)
		if ok && (slices.Contains(kinds, cmp.Or(kind, "null")) || kind == "integer" && slices.Contains(kinds, "number")) {
			return schema, word
		}
	}
	return schema, example
}

// plain is schema with an example that ignores exampleWords.
func (c *contract) plain(t reflect.Type, closed bool, component, member string) (schema object, example any) {
	if t == nil || t.Kind() == reflect.Interface {
		return object{}, object{}
	}
	optional, nullable := optionalOf(t)
	if t.Kind() == reflect.Pointer {
		optional, nullable = t.Elem(), true
	}
	text := cmp.Or(strings.ReplaceAll(member, "_", " "), "text")
	switch {
	case nullable:
		schema, example = c.schema(optional, closed, component, member)
		return orNull(schema), example
	case t == timeType:
		return object{"type": "string", "format": "date-time"}, "2026-01-31T12:00:00Z"
	case t == uuidType:
		return object{"type": "string", "format": "uuid"}, exampleID
	case t.Implements(jsonMarshalerType):
		return object{}, object{}
	case t.Implements(textMarshalerType):
		return object{"type": "string"}, text
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}, true
	case reflect.String:
		return object{"type": "string"}, text
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}, 1
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}, text
		}
		items, item := c.schema(t.Elem(), closed, component, strings.TrimSuffix(member, "s"))
		list := []any{item}
		if item == nil { // a type that holds itself ends here
			list = []any{}
		}
		return object{"type": "array", "items": items}, list
	case reflect.Map:
		values, _ := c.schema(t.Elem(), closed, component, member)
		return object{"type": "object", "additionalProperties": values}, object{}
	case reflect.Struct:
		return c.structure(t, closed, false, component)
	}
	return object{"type": "integer"}, 1
}

// structure is the schema of a struct within a component. Its example shows all
// members of an answer; of a request it shows those that are required, or all if
// none are.
func (c *contract) structure(t reflect.Type, closed, sparse bool, component string) (schema object, example any) {
	name := schemaName(t)
	if name != "" {
		if closed {
			name = strings.TrimSuffix(name, "Request") + "Input"
		}
		if _, known := c.schemas[name]; known {
			return ref("schemas", name), c.values[name]
		}
		c.schemas[name] = object{} // for a type that holds itself
		component = name
	}
	properties, required, members := object{}, []string{}, object{}
	for _, field := range JSONFields(t) {
		properties[field.Name], members[field.Name] = c.schema(field.Type, closed, component, field.Name)
		// In a request, what may be null may also be left out.
		if !field.MayLack && !sparse && !(closed && field.Type.Kind() == reflect.Pointer) {
			required = append(required, field.Name)
		}
	}
	schema = object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if closed {
		schema["additionalProperties"] = reflect.PointerTo(t).Implements(unmarshalerType)
	}
	maps.DeleteFunc(members, func(member string, _ any) bool {
		word, known := exampleWords[component+"."+member]
		optional := len(required) > 0 && schema["additionalProperties"] == false && !slices.Contains(required, member)
		return known && word == nil || optional
	})
	if name == "" {
		return schema, members
	}
	c.schemas[name], c.values[name] = schema, members
	if word, known := exampleWords[name+"."]; known {
		c.values[name] = word
	}
	return ref("schemas", name), c.values[name]
}

// optionalOf is the type inside an Optional, or inside another type that says what
// it is a merge patch of.
func optionalOf(t reflect.Type) (reflect.Type, bool) {
	optional, ok := reflect.Zero(t).Interface().(interface{ Of() reflect.Type })
	if !ok {
		return nil, false
	}
	return optional.Of(), true
}

// schemaName is the package and the type without the suffix Body: FilesItem for
// files.itemBody, FilesItemList for a page of them; "" for a type without a name.
func schemaName(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	outer, element, generic := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	if !generic {
		return title(path.Base(t.PkgPath())) + title(strings.TrimSuffix(outer, "Body"))
	}
	room, name, named := strings.Cut(path.Base(element), ".")
	if !named {
		room, name = path.Base(t.PkgPath()), element
	}
	return title(room) + title(strings.TrimSuffix(name, "Body")) + outer
}

// orNull lets a value be null too.
func orNull(schema object) object {
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	if len(schema) == 0 {
		return schema
	}
	return object{"anyOf": []object{schema, {"type": "null"}}}
}
