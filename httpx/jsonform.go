package httpx

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// JSONField is a member of a struct's JSON object.
type JSONField struct {
	Name string
	Type reflect.Type
	// MayLack says that the member is left out when empty, or of a merge
	// patch.
	MayLack bool
}

var jsonFields sync.Map // reflect.Type to []JSONField

// JSONFields are the members by which encoding/json knows the struct type t,
// those of embedded structs among them.
func JSONFields(t reflect.Type) []JSONField {
	if known, ok := jsonFields.Load(t); ok {
		return known.([]JSONField)
	}
	fields := []JSONField{}
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
			fields = append(fields, JSONField{name, field.Type, optional || strings.Contains(options, "omit")})
		}
	}
	jsonFields.Store(t, fields)
	return fields
}

var (
	uuidType        = reflect.TypeFor[uuid.UUID]()
	floatType       = reflect.TypeFor[float64]()
	numberType      = reflect.TypeFor[json.Number]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// form is what a type takes as JSON; made once for each.
type form struct {
	t        reflect.Type // nil: anything
	nullable bool
	opaque   bool
	fields   map[string]reflect.Type // of a struct
	element  reflect.Type            // of a map, a slice or an array
}

var (
	forms    sync.Map                // reflect.Type to *form
	anything = &form{nullable: true} // as encoding/json reads it into an any
	unread   = &form{nullable: true} // as somebody else will read it
)

// formOf is the form of a type, of anything for nil.
func formOf(t reflect.Type) *form {
	if t == nil {
		return anything
	}
	if known, ok := forms.Load(t); ok {
		return known.(*form)
	}
	f := newForm(t)
	forms.Store(t, f)
	return f
}

func newForm(t reflect.Type) *form {
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
	switch kind := f.t.Kind(); {
	case kind == reflect.Interface:
		return anything
	case isOpaque(f.t):
		f.opaque = true
	case kind == reflect.Struct:
		f.fields = make(map[string]reflect.Type)
		for _, field := range JSONFields(f.t) {
			f.fields[field.Name] = field.Type
		}
	case kind == reflect.Map || kind == reflect.Slice || kind == reflect.Array:
		f.element = f.t.Elem()
	}
	return f
}

// elements is the form of what is in an array, or in a map.
func (f *form) elements() *form {
	if f.t == nil {
		return f
	}
	return formOf(f.element)
}

// takes reports whether the form is anything, or of one of these kinds.
func (f *form) takes(kinds ...reflect.Kind) bool {
	if f.t == nil {
		return true
	}
	for _, kind := range kinds {
		if f.t.Kind() == kind {
			return true
		}
	}
	return false
}

// takesNumber reports whether the form holds the number without loss of
// digits before the point. In an any it becomes a float64.
func (f *form) takesNumber(number []byte) bool {
	if f == unread {
		return true
	}
	t, err := f.of(), error(nil)
	switch kind := t.Kind(); {
	case t == numberType:
	case kind >= reflect.Int && kind <= reflect.Int64:
		_, err = strconv.ParseInt(string(number), 10, t.Bits())
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		_, err = strconv.ParseUint(string(number), 10, t.Bits())
	case kind == reflect.Float64 && len(number) <= 300 && !bytes.ContainsAny(number, "eE"):
		// It has fewer digits than the largest.
	case kind == reflect.Float32 || kind == reflect.Float64:
		_, err = strconv.ParseFloat(string(number), t.Bits())
	default:
		return false
	}
	return err == nil
}

// of is the type, of a number in an any that which it becomes.
func (f *form) of() reflect.Type {
	if f.t == nil {
		return floatType
	}
	return f.t
}

// expected says what the form takes.
func (f *form) expected() string {
	t := f.of()
	switch kind := t.Kind(); {
	case t == uuidType:
		return "an id: 36 characters, as 0198c0de-0000-7000-8000-000000000000"
	case t.String() == "time.Time":
		return "a time of RFC 3339, as 2026-01-31T12:00:00Z"
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
	return "of another form"
}

// isOpaque reports whether t reads its own JSON, as times and ids do.
func isOpaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshalerType) || p.Implements(textType) || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}
