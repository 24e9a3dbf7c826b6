package httpx

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"time"
)

var (
	timeType          = reflect.TypeFor[time.Time]()
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// request is the schema of a request body.
func (c *contract) request(rt *Route) object {
	t := reflect.TypeOf(rt.Request)
	if optional, ok := optionalOf(t); ok {
		t = optional
	}
	return c.structure(t, true, rt.Sparse())
}

// schema is that of a type's JSON, closed in a request: there other members
// are refused, while clients pass over what they do not know in an answer.
// Named structs become components.
func (c *contract) schema(t reflect.Type, closed bool) object {
	if t == nil || t.Kind() == reflect.Interface {
		return object{}
	}
	if optional, ok := optionalOf(t); ok {
		return orNull(c.schema(optional, closed))
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return orNull(c.schema(t.Elem(), closed))
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == uuidType:
		return object{"type": "string", "format": "uuid"}
	case t.Implements(jsonMarshalerType):
		return object{}
	case t.Implements(textMarshalerType):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": c.schema(t.Elem(), closed)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": c.schema(t.Elem(), closed)}
	case reflect.Struct:
		return c.structure(t, closed, false)
	}
	return object{"type": "integer"}
}

func (c *contract) structure(t reflect.Type, closed, sparse bool) object {
	name := schemaName(t)
	if name != "" && closed {
		name = strings.TrimSuffix(name, "Request") + "Input"
	}
	if name != "" {
		if _, known := c.schemas[name]; known {
			return ref("schemas", name)
		}
		c.schemas[name] = object{} // for a type that holds itself
	}
	properties, required := object{}, []string{}
	for _, field := range JSONFields(t) {
		properties[field.Name] = c.schema(field.Type, closed)
		// In a request, what may be null may also be left out.
		if !field.MayLack && !sparse && !(closed && field.Type.Kind() == reflect.Pointer) {
			required = append(required, field.Name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if closed {
		schema["additionalProperties"] = reflect.PointerTo(t).Implements(unmarshalerType)
	}
	if name == "" {
		return schema
	}
	c.schemas[name] = schema
	return ref("schemas", name)
}

// optionalOf is the type inside of an Optional, or of another type that says
// what it is a merge patch of.
func optionalOf(t reflect.Type) (reflect.Type, bool) {
	optional, ok := reflect.Zero(t).Interface().(interface{ Of() reflect.Type })
	if !ok {
		return nil, false
	}
	return optional.Of(), true
}

// schemaName is the package and the type, without the word that only tells
// them apart from the rows: FilesItem of files.itemBody, FilesItemList of a
// page of those; "" for a type without a name.
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
