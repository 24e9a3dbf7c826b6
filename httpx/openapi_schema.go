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

// request is the schema of a request body: other members are refused.
func (c *contract) request(zero any) object { return c.schema(reflect.TypeOf(zero), true) }

// response is the schema of an answer: clients pass over what they do not
// know.
func (c *contract) response(zero any) object { return c.schema(reflect.TypeOf(zero), false) }

// schema is that of a type's JSON. Named structs become components.
func (c *contract) schema(t reflect.Type, closed bool) object {
	if t == nil || t.Kind() == reflect.Interface {
		return object{}
	}
	if optional, ok := reflect.Zero(t).Interface().(interface{ Of() reflect.Type }); ok {
		return orNull(c.schema(optional.Of(), closed))
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
		return c.structure(t, closed)
	}
	return object{"type": "integer"}
}

func (c *contract) structure(t reflect.Type, closed bool) object {
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
		if !field.MayLack && !(closed && field.Type.Kind() == reflect.Pointer) {
			required = append(required, field.Name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if closed {
		schema["additionalProperties"] = false
	}
	if name == "" {
		return schema
	}
	c.schemas[name] = schema
	return ref("schemas", name)
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
