package httpx

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// JSONField is a member of a struct's JSON object.
type JSONField struct {
	Name string
	Type reflect.Type
	// MayLack says that the member is left out when it is empty, or belongs to
	// a merge patch.
	MayLack bool
	bound   bound
}

// bound is how many elements an array of a request may have, or how many members
// a map, and the code of the fault when there are more. A field can have a tag,
// `most:"50"` or `most:"500,count"`; otherwise its bound is anyField.
type bound struct {
	most int
	code string
}

// anyField is the bound of a field without a tag.
var anyField = bound{1000, "too_many"}

func boundOf(tag reflect.StructTag) bound {
	most, code, _ := strings.Cut(tag.Get("most"), ",")
	if n, err := strconv.Atoi(most); err == nil {
		return bound{n, cmp.Or(code, anyField.code)}
	}
	return anyField
}

// JSONFields are the members by which encoding/json knows the struct type t,
// those of embedded structs among them.
func JSONFields(t reflect.Type) (fields []JSONField) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		embedded := field.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case name == "-" && options == "":
		case field.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			fields = append(fields, JSONFields(embedded)...)
		case field.IsExported():
			if name == "" {
				name = field.Name
			}
			_, optional := optionalOf(field.Type)
			fields = append(fields, JSONField{name, field.Type, optional || strings.Contains(options, "omit"), boundOf(field.Tag)})
		}
	}
	return fields
}

var (
	uuidType        = reflect.TypeFor[uuid.UUID]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// form is what a type accepts as JSON. There is one for each type.
type form struct {
	t        reflect.Type // nil: unread
	nullable bool
	opaque   bool
	fields   map[string]member // of a struct
	element  *form             // of a map, a slice or an array; nil for others
}

type member struct {
	*form
	bound
}

var (
	forms  sync.Map                // reflect.Type to *form
	unread = &form{nullable: true} // accepts any value: somebody else will read it
)

func formOf(t reflect.Type) *form {
	if known, ok := forms.Load(t); ok {
		return known.(*form)
	}
	f := newForm(t, map[reflect.Type]*form{})
	forms.Store(t, f)
	return f
}

// newForm makes the form of a type and those of all that it holds. all are the ones
// that are being made, since a type may hold itself.
func newForm(t reflect.Type, all map[reflect.Type]*form) *form {
	if f := all[t]; f != nil {
		return f
	}
	f := &form{t: t}
	for {
		if optional, ok := optionalOf(f.t); ok {
			f.t, f.nullable = optional, true
		} else if f.t.Kind() == reflect.Pointer {
			f.t, f.nullable = f.t.Elem(), true
		} else {
			break
		}
	}
	if f.t == rawType {
		return unread
	}
	all[t] = f
	switch kind := f.t.Kind(); {
	case isOpaque(f.t):
		f.opaque = true
	case kind == reflect.Struct:
		f.fields = make(map[string]member)
		for _, field := range JSONFields(f.t) {
			f.fields[field.Name] = member{newForm(field.Type, all), field.bound}
		}
	case kind == reflect.Map || kind == reflect.Slice || kind == reflect.Array:
		f.element = newForm(f.t.Elem(), all)
	}
	return f
}

// takes reports whether the form is unread, or of one of these kinds.
func (f *form) takes(kinds ...reflect.Kind) bool {
	return f.t == nil || slices.Contains(kinds, f.t.Kind())
}

// exceeds reports whether an array or a map with n elements has no room for
// another. What is not read here has no bound: it is not decoded either.
func (f *form) exceeds(n int, b bound) bool { return f.t != nil && n >= b.most }

// decodes lets the type itself decide about a value.
func (f *form) decodes(text []byte) bool {
	return json.Unmarshal(text, reflect.New(f.t).Interface()) == nil
}

// expected says what the form accepts.
func (f *form) expected() string {
	t := f.t
	switch kind := t.Kind(); {
	case t == uuidType:
		return "an id: 36 characters, such as 0198c0de-0000-7000-8000-000000000000"
	case t.String() == "time.Time":
		return "an RFC 3339 time, such as 2026-01-31T12:00:00Z"
	case f.opaque:
	case kind == reflect.String:
		return "a string"
	case kind == reflect.Bool:
		return "true or false"
	case kind >= reflect.Int && kind <= reflect.Uint64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case kind == reflect.Float32 || kind == reflect.Float64:
		return fmt.Sprintf("a number of %d bits", t.Bits())
	case kind == reflect.Slice || kind == reflect.Array:
		return "an array"
	case kind == reflect.Struct || kind == reflect.Map:
		return "an object"
	}
	return "of a different form"
}

// holdsAny reports whether an any is part of a request's type. encoding/json
// would decode whatever a client sends there, and a number as short as 5e-324
// takes it 50 µs.
func holdsAny(t reflect.Type) bool {
	all := map[reflect.Type]*form{}
	newForm(t, all)
	for _, f := range all {
		if f.t.Kind() == reflect.Interface {
			return true
		}
	}
	return false
}

// isOpaque reports whether t decodes its own JSON, as times and ids do.
func isOpaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshalerType) || p.Implements(textType) || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}
