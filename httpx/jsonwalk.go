package httpx

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/url"
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
	errUnknownField   = NewProblem(400, "unknown_field", "A field of the request body is not known here")
	errDuplicateField = NewProblem(400, "duplicate_field", "A field of the request body is there twice")

	uuidType        = reflect.TypeFor[uuid.UUID]()
	floatType       = reflect.TypeFor[float64]()
	numberType      = reflect.TypeFor[json.Number]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// maxDepth is far deeper than any request's type.
const maxDepth = 64

// walker goes through a JSON text token by token beside the type that it is
// to become. What has the wrong type is gathered in fields; what must not be
// there at all ends the walk.
type walker struct {
	dec    *json.Decoder
	fields Fields
}

// pointer is where the walk is: a JSON Pointer (RFC 6901) that is written out
// only when something is wrong there. To write it for each value would cost as
// much as the names above times what lies below them.
type pointer struct {
	up    *pointer // nil: the whole
	name  string
	index int // of an array's element, where name is empty and array is set
	array bool
}

// longestPointer is how many bytes of a pointer an answer repeats.
const longestPointer = 1024

// String is the pointer in fragment form, as "#/email".
func (p *pointer) String() string {
	if p.up == nil {
		return "#"
	}
	last := strconv.Itoa(p.index)
	if !p.array {
		last = escapePointer(p.name[:min(len(p.name), longestPointer)])
	}
	whole := p.up.String() + "/" + last
	if len(whole) > longestPointer {
		return strings.ToValidUTF8(whole[:longestPointer], "") + "…"
	}
	return whole
}

// value walks one value. A nil type is one that takes anything.
func (w *walker) value(t reflect.Type, at *pointer, depth int) error {
	if depth > maxDepth {
		return errInvalidJSON.With(fmt.Sprintf("The body is nested more than %d deep.", maxDepth))
	}
	nullable := t == nil
	for t != nil {
		if optional, ok := reflect.Zero(t).Interface().(interface{ Of() reflect.Type }); ok {
			t, nullable = optional.Of(), true
		} else if t.Kind() == reflect.Pointer {
			t, nullable = t.Elem(), true
		} else {
			break
		}
	}
	if t != nil && t.Kind() == reflect.Interface {
		t, nullable = nil, true
	}
	if t != nil && isOpaque(t) {
		return w.opaque(t, at, nullable, depth)
	}
	token, err := w.dec.Token()
	if err != nil {
		return errInvalidJSON.Because(err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return w.object(t, at, depth)
		}
		return w.array(t, at, depth)
	case nil:
		if !nullable {
			w.add(at, "invalid_type", "This must not be null.")
		}
		return nil
	}
	return w.scalar(token, t, at)
}

func (w *walker) scalar(token json.Token, t reflect.Type, at *pointer) error {
	switch token := token.(type) {
	case string:
		if !storable(token) {
			return badText(at)
		}
		if t != nil && t.Kind() != reflect.String {
			w.wrong(t, at)
		}
	case bool:
		if t != nil && t.Kind() != reflect.Bool {
			w.wrong(t, at)
		}
	case json.Number:
		if t == nil {
			t = floatType // what encoding/json makes of a number in an any
		}
		if !fits(token.String(), t) {
			w.wrong(t, at)
		}
	}
	return nil
}

func (w *walker) object(t reflect.Type, at *pointer, depth int) error {
	var known []JSONField
	var element reflect.Type
	closed := false
	switch {
	case t == nil:
	case t.Kind() == reflect.Struct:
		known, closed = JSONFields(t), true
	case t.Kind() == reflect.Map:
		element = t.Elem()
	default:
		w.wrong(t, at)
	}
	seen := make(map[string]bool)
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return errInvalidJSON.Because(err)
		}
		name := token.(string)
		if !storable(name) {
			return badText(at)
		}
		below := &pointer{up: at, name: name}
		if seen[name] {
			return errDuplicateField.With(fmt.Sprintf("%s is there twice.", clip(below.String())))
		}
		seen[name] = true
		of := element
		if closed {
			field, ok := fieldNamed(known, name)
			if !ok {
				return errUnknownField.With(fmt.Sprintf("%s is not a field of this request; names are matched exactly.", clip(below.String())))
			}
			of = field.Type
		}
		if err := w.value(of, below, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walker) array(t reflect.Type, at *pointer, depth int) error {
	var element reflect.Type
	switch {
	case t == nil:
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		element = t.Elem()
	default:
		w.wrong(t, at)
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(element, &pointer{up: at, index: i, array: true}, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// isOpaque reports whether t reads its own JSON, as times and ids do.
func isOpaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshalerType) || p.Implements(textType) || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// opaque lets the type itself judge, after the text has been looked at.
func (w *walker) opaque(t reflect.Type, at *pointer, nullable bool, depth int) error {
	var raw json.RawMessage
	if err := w.dec.Decode(&raw); err != nil {
		return errInvalidJSON.Because(err)
	}
	if string(raw) == "null" {
		if !nullable {
			w.add(at, "invalid_type", "This must not be null.")
		}
		return nil
	}
	inner := walker{dec: json.NewDecoder(strings.NewReader(string(raw)))}
	inner.dec.UseNumber()
	if err := inner.value(nil, at, depth); err != nil {
		return err
	}
	v := reflect.New(t)
	// uuid.Parse takes braces and urn: too.
	if err := json.Unmarshal(raw, v.Interface()); err != nil || t == uuidType && len(raw) != 38 {
		w.wrong(t, at)
	}
	return nil
}

// add notes what is wrong at a place.
func (w *walker) add(at *pointer, code, detail string) {
	if len(w.fields.errors) < maxFieldErrors {
		w.fields.Add(at.String(), code, detail)
	}
}

// wrong notes a value that t cannot hold.
func (w *walker) wrong(t reflect.Type, at *pointer) {
	expected := "of another form"
	switch kind := t.Kind(); {
	case t == uuidType:
		expected = "an id: 36 characters, as 0198c0de-0000-7000-8000-000000000000"
	case t.String() == "time.Time":
		expected = "a time of RFC 3339, as 2026-01-31T12:00:00Z"
	case isOpaque(t):
	case kind == reflect.String:
		expected = "a string"
	case kind == reflect.Bool:
		expected = "true or false"
	case kind >= reflect.Int && kind <= reflect.Uint64:
		expected = fmt.Sprintf("a whole number of %d bits", t.Bits())
	case kind == reflect.Float32 || kind == reflect.Float64:
		expected = fmt.Sprintf("a number of %d bits", t.Bits())
	case kind == reflect.Slice || kind == reflect.Array:
		expected = "an array"
	case kind == reflect.Struct || kind == reflect.Map:
		expected = "an object"
	}
	w.add(at, "invalid_type", "This must be "+expected+".")
}

// fits reports whether t holds the number without loss of digits before the
// point.
func fits(number string, t reflect.Type) bool {
	var err error
	switch kind := t.Kind(); {
	case t == numberType:
	case kind >= reflect.Int && kind <= reflect.Int64:
		_, err = strconv.ParseInt(number, 10, t.Bits())
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		_, err = strconv.ParseUint(number, 10, t.Bits())
	case kind == reflect.Float32 || kind == reflect.Float64:
		_, err = strconv.ParseFloat(number, t.Bits())
	default:
		return false
	}
	return err == nil
}

func fieldNamed(fields []JSONField, name string) (JSONField, bool) {
	for _, field := range fields {
		if field.Name == name {
			return field, true
		}
	}
	return JSONField{}, false
}

// storable refuses NUL, which PostgreSQL cannot hold, and U+FFFD: encoding/json
// puts it in the place of a lone surrogate, so that two different names would
// become one.
func storable(s string) bool { return !strings.ContainsAny(s, "\x00\uFFFD") }

func badText(at *pointer) error {
	return errInvalidJSON.With(fmt.Sprintf("The text at %s holds NUL, U+FFFD or half of a surrogate pair.", clip(at.String())))
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer writes a name for a JSON Pointer in a URI fragment (RFC 6901).
func escapePointer(name string) string { return url.PathEscape(pointerEscapes.Replace(name)) }
