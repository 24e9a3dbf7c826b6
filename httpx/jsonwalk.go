package httpx

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

var (
	errUnknownField   = NewProblem(400, "unknown_field", "The request body has an unknown field")
	errDuplicateField = NewProblem(400, "duplicate_field", "The request body has a field twice")
)

const (
	// maxDepth is much deeper than any request's type.
	maxDepth = 64
	// maxPointer bounds a pointer in an answer: the client chose its names.
	maxPointer = 1 << 10
	// checkEvery is how many values are walked between looks at whether the
	// client is still there.
	checkEvery = 1 << 10
)

// errFull ends the walk when no further fault would be reported.
var errFull = errors.New("enough faults are known")

// walker goes through a JSON text and its Go type side by side. Values of the
// wrong type are collected in fields; what must not be there at all ends the
// walk. To keep time and memory in proportion to the text, the position is a
// path that is written as a pointer only for a fault.
type walker struct {
	ctx    context.Context
	text   []byte // valid JSON
	at     int    // the next byte of it
	values int    // walked so far
	path   []step
	names  [][]byte // of the objects that are open, the innermost last
	fields Fields
}

// step is the name of a member, or the index of an element.
type step struct {
	name  []byte // nil: an element
	index int
}

// value walks over one value. An array or a map may be as long as b says.
func (w *walker) value(f *form, b bound) error {
	if w.values++; w.values%checkEvery == 0 && w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if len(w.path) > maxDepth {
		return errInvalidJSON.With(fmt.Sprintf("The body is nested more than %d deep.", maxDepth))
	}
	if len(w.fields.errors) >= maxFieldErrors {
		return errFull
	}
	switch first := w.next(); {
	case first == 'n':
		w.literal()
		if !f.nullable {
			w.fields.Add(w.pointer(), "invalid_type", "This must not be null.")
		}
	case f.opaque:
		return w.opaque(f)
	case first == '{':
		w.want(f, f.takes(reflect.Struct, reflect.Map))
		return w.object(f, b)
	case first == '[':
		w.want(f, f.takes(reflect.Slice, reflect.Array))
		return w.array(f, b)
	case first == '"':
		if _, ok := w.quoted(); !ok {
			return w.badText()
		}
		w.want(f, f.takes(reflect.String))
	default:
		text := w.literal()
		w.want(f, f == unread || f.decodes(text))
	}
	return nil
}

func (w *walker) object(f *form, b bound) error {
	outer := len(w.names)
	w.path = append(w.path, step{})
	for i := 0; w.more('}'); i++ {
		if f.fields == nil && f.exceeds(i, b) {
			return w.tooMany(b)
		}
		name, ok := w.quoted()
		if !ok {
			w.path = w.path[:len(w.path)-1]
			return w.badText()
		}
		w.path[len(w.path)-1].name = name
		if len(w.names) == cap(w.names) {
			w.names = slices.Grow(w.names, len(w.names)+16) // twice: append would grow it by less, and copy more
		}
		w.names = append(w.names, name)
		of, known := f.fields[string(name)]
		if f.fields == nil {
			of = member{cmp.Or(f.element, unread), anyField}
		} else if !known {
			return errUnknownField.With(fmt.Sprintf("%s is not a field of this request; names are matched exactly.", clip(w.pointer())))
		}
		w.next()
		w.at++ // the colon
		if err := w.value(of.form, of.bound); err != nil {
			return err
		}
	}
	if name := repeated(w.names[outer:]); name != nil {
		w.path[len(w.path)-1].name = name
		return errDuplicateField.With(fmt.Sprintf("%s is there twice.", clip(w.pointer())))
	}
	w.path = w.path[:len(w.path)-1]
	w.names = w.names[:outer]
	return nil
}

func (w *walker) array(f *form, b bound) error {
	w.path = append(w.path, step{})
	for i := 0; w.more(']'); i++ {
		if f.exceeds(i, b) {
			return w.tooMany(b)
		}
		w.path[len(w.path)-1].index = i
		if err := w.value(cmp.Or(f.element, unread), anyField); err != nil {
			return err
		}
	}
	w.path = w.path[:len(w.path)-1]
	return nil
}

// tooMany ends the walk at an array or a map that is too long: decoding the rest
// would cost more than refusing it.
func (w *walker) tooMany(b bound) error {
	w.path = w.path[:len(w.path)-1]
	w.fields.Add(w.pointer(), b.code, fmt.Sprintf("At most %d of these.", b.most))
	return errFull
}

// opaque lets the type itself decide, once the text has been checked.
func (w *walker) opaque(f *form) error {
	start := w.at
	if err := w.value(unread, anyField); err != nil {
		return err
	}
	raw := w.text[start:w.at]
	// uuid.Parse takes braces and urn: too.
	w.want(f, f.decodes(raw) && (f.t != uuidType || len(raw) == 38))
	return nil
}

// want records a fault unless the form has taken the value.
func (w *walker) want(f *form, taken bool) {
	if !taken {
		w.fields.Add(w.pointer(), "invalid_type", "This must be "+f.expected()+".")
	}
}

// next skips white space and returns the byte after it.
func (w *walker) next() byte {
	for {
		switch c := w.text[w.at]; c {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return c
		}
	}
}

// more moves to the next member or element, or past the end of them.
func (w *walker) more(end byte) bool {
	if c := w.next(); c == '{' || c == '[' || c == ',' {
		w.at++
	}
	if w.next() != end {
		return true
	}
	w.at++
	return false
}

// quoted moves past a string and returns what it stands for. It is not ok with NUL,
// which PostgreSQL cannot store, or with U+FFFD: encoding/json replaces lone
// surrogates by it, so that two different names would become the same.
func (w *walker) quoted() (text []byte, ok bool) {
	start, escaped := w.at, false
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	if text = w.text[start+1 : w.at-1]; escaped {
		var decoded string
		_ = json.Unmarshal(w.text[start:w.at], &decoded) // it is valid
		text = []byte(decoded)
	}
	return text, bytes.IndexByte(text, 0) < 0 && !bytes.Contains(text, []byte("\uFFFD"))
}

// literal moves past a number, true, false or null and returns it.
func (w *walker) literal() []byte {
	start := w.at
	for w.at < len(w.text) && strings.IndexByte(" \t\r\n,]}", w.text[w.at]) < 0 {
		w.at++
	}
	return w.text[start:w.at]
}

// pointer is the position as a JSON Pointer in a URI fragment (RFC 6901).
func (w *walker) pointer() string {
	at := []byte{'#'}
	for _, step := range w.path {
		at = append(at, '/')
		if step.name == nil {
			at = strconv.AppendInt(at, int64(step.index), 10)
		} else {
			at = append(at, EscapePointer(string(step.name[:min(len(step.name), maxPointer)]))...)
		}
		if len(at) > maxPointer {
			return string(at[:maxPointer]) + "…"
		}
	}
	return string(at)
}

func (w *walker) badText() error {
	return errInvalidJSON.With(fmt.Sprintf("The text at %s holds NUL, U+FFFD or half of a surrogate pair.", clip(w.pointer())))
}

// repeated is a name that is there twice, nil for none. It sorts the names.
func repeated(names [][]byte) []byte {
	slices.SortFunc(names, bytes.Compare)
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i-1], names[i]) {
			return names[i]
		}
	}
	return nil
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// EscapePointer writes a name for a JSON Pointer in a URI fragment.
func EscapePointer(name string) string { return url.PathEscape(pointerEscapes.Replace(name)) }
