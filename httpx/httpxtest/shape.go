package httpxtest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"homebase/httpx"
)

// shapeFaults checks a JSON text against the type of a zero value, more strictly than
// encoding/json: no member may be unknown, missing or repeated, and only pointers and
// interfaces may be null, so never an array. route is nil for an answer; in a request,
// members that may be null may be missing.
func shapeFaults(text []byte, zero any, route *httpx.Route) []string {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	s := shape{dec: dec, request: route != nil, sparse: route != nil && route.Sparse()}
	s.value(reflect.TypeOf(zero), "#")
	if len(s.faults) == 0 {
		if _, err := dec.Token(); err != io.EOF {
			s.fault("#", "the body goes on after the JSON")
		}
	}
	return s.faults
}

type shape struct {
	dec     *json.Decoder
	request bool
	sparse  bool // at the top
	faults  []string
}

func (s *shape) fault(pointer, format string, args ...any) {
	s.faults = append(s.faults, "body "+pointer+": "+fmt.Sprintf(format, args...))
}

var (
	marshalerType   = reflect.TypeFor[json.Marshaler]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
	textType        = reflect.TypeFor[encoding.TextMarshaler]()
	timeType        = reflect.TypeFor[time.Time]()
)

// value checks the next value against t; nil accepts any.
func (s *shape) value(t reflect.Type, pointer string) {
	nullable := t == nil
	if t != nil {
		if optional, ok := reflect.Zero(t).Interface().(interface{ Of() reflect.Type }); ok {
			t, nullable = optional.Of(), true
		}
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), true
	}
	if t != nil && t.Kind() == reflect.Interface {
		t, nullable = nil, true
	}
	if t == nil || s.request && reflect.PointerTo(t).Implements(unmarshalerType) || t.Implements(marshalerType) || t.Implements(textType) || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		s.opaque(t, pointer, nullable)
		return
	}
	token, err := s.dec.Token()
	if err != nil {
		s.fault(pointer, "%v", err)
		return
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			s.object(t, pointer)
		} else {
			s.array(t, pointer)
		}
	case nil:
		if !nullable {
			s.fault(pointer, "is null, declared is %v", t)
		}
	default:
		s.scalar(token, t, pointer)
	}
}

func (s *shape) scalar(token json.Token, t reflect.Type, pointer string) {
	text, err := json.Marshal(token)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err != nil {
		s.fault(pointer, "is %s, declared is %v", text, t)
	}
}

// opaque is for types that write their own JSON.
func (s *shape) opaque(t reflect.Type, pointer string, nullable bool) {
	var raw json.RawMessage
	if err := s.dec.Decode(&raw); err != nil {
		s.fault(pointer, "%v", err)
		return
	}
	switch {
	case string(raw) == "null":
		if !nullable {
			s.fault(pointer, "is null, declared is %v", t)
		}
	case t == nil:
	case t == timeType && !strings.HasSuffix(string(raw), `Z"`):
		s.fault(pointer, "is %s, a time not in UTC", raw)
	default:
		if err := json.Unmarshal(raw, reflect.New(t).Interface()); err != nil {
			s.fault(pointer, "is %s, declared is %v", raw, t)
		}
	}
}

func (s *shape) object(t reflect.Type, pointer string) {
	var fields []httpx.JSONField
	var element reflect.Type
	switch t.Kind() {
	case reflect.Struct:
		fields = httpx.JSONFields(t)
	case reflect.Map:
		element = t.Elem()
	default:
		s.fault(pointer, "is an object, declared is %v", t)
	}
	var seen []string
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			s.fault(pointer, "%v", err)
			return
		}
		name := token.(string)
		if slices.Contains(seen, name) {
			s.fault(pointer, "has %q twice", name)
		}
		seen = append(seen, name)
		of := element
		if t.Kind() == reflect.Struct {
			i := slices.IndexFunc(fields, func(f httpx.JSONField) bool { return f.Name == name })
			if i < 0 {
				s.fault(pointer, "has %q, which is not declared", name)
			} else {
				of = fields[i].Type
			}
		}
		s.value(of, pointer+"/"+name)
		if len(s.faults) > 20 {
			return
		}
	}
	s.dec.Token()
	for _, field := range fields {
		if s.request && field.Type.Kind() == reflect.Pointer || s.sparse && pointer == "#" {
			continue
		}
		if !field.MayLack && !slices.Contains(seen, field.Name) {
			s.fault(pointer, "lacks %q", field.Name)
		}
	}
}

func (s *shape) array(t reflect.Type, pointer string) {
	var element reflect.Type
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		element = t.Elem()
	} else {
		s.fault(pointer, "is an array, declared is %v", t)
	}
	for i := 0; s.dec.More() && len(s.faults) <= 20; i++ {
		s.value(element, fmt.Sprintf("%s/%d", pointer, i))
	}
	s.dec.Token()
}
