package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	errInvalidJSON  = NewProblem(400, "invalid_json", "The request body is not valid JSON")
	errTrailingData = NewProblem(400, "trailing_data", "The request body goes on after the JSON")
)

// ReadJSON reads the request body as a T, which must be the type that the
// route declares as its Request. If an optional body is missing, the T is zero.
// It is stricter than encoding/json: names are matched exactly, and it refuses
// unknown and duplicate names, null where the type does not allow it, text that
// PostgreSQL cannot store, and anything after the value. Every error is a
// Problem, except that of a T that the route does not declare.
func ReadJSON[T any](r *http.Request) (T, error) {
	x := exchangeOf(r.Context())
	if t := reflect.TypeFor[T](); x.route == nil || reflect.TypeOf(x.route.Request) != t {
		return *new(T), fmt.Errorf("ReadJSON of %v, which route %q does not declare as its Request", t, r.Pattern)
	}
	return readJSON[T](r, x.route)
}

func readJSON[T any](r *http.Request, route *Route) (T, error) {
	var v T
	if route.Optional && r.ContentLength == 0 {
		return v, nil
	}
	if err := checkContentType(r, route.Beacon); err != nil {
		return v, err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return v, err
	}
	if err := checkJSON(r.Context(), text, reflect.TypeFor[T]()); err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		// The check passed, but an Unmarshaler that looks at several members
		// at once did not.
		var zero T
		return zero, errInvalidJSON.With("The body does not have the declared form.").Because(err)
	}
	return v, nil
}

// checkContentType demands application/json in UTF-8 without a content coding.
// A PATCH may also have the media type of RFC 7396, and a beacon text/plain.
func checkContentType(r *http.Request, beacon bool) error {
	refuse := ErrUnsupportedType.With("Send Content-Type: application/json.")
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return refuse
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return refuse.Because(err)
	}
	if media != "application/json" && (media != "text/plain" || !beacon) && (media != "application/merge-patch+json" || r.Method != http.MethodPatch) {
		return refuse
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return ErrUnsupportedType.With("JSON is UTF-8; send no other charset.")
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return ErrUnsupportedType.With("Send the body without a Content-Encoding.")
	}
	return nil
}

// checkJSON checks a JSON text against a type. Its time and memory depend on the
// length of the text alone, whatever that holds; it ends when ctx does.
func checkJSON(ctx context.Context, text []byte, t reflect.Type) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errInvalidJSON.With("The body is empty; send a JSON object.")
	}
	if !utf8.Valid(text) {
		return errInvalidJSON.With("The body is not UTF-8.")
	}
	// The grammar comes first, so that the walk can rely on it.
	if !json.Valid(text) {
		return badGrammar(text)
	}
	walk := walker{ctx: ctx, text: text}
	if err := walk.value(formOf(t), anyField); err != nil && err != errFull {
		return err
	}
	if err := walk.fields.Err(); err != nil {
		return err
	}
	return ctx.Err()
}

// badGrammar says where the text is no longer one JSON value.
func badGrammar(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	var whole json.RawMessage
	if err := dec.Decode(&whole); err != nil {
		detail := "The body ends in the middle of the JSON."
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
			detail = fmt.Sprintf("At byte %d: %s.", syntax.Offset, syntax.Error())
		}
		return errInvalidJSON.With(detail).Because(err)
	}
	return errTrailingData.With(fmt.Sprintf("There is more at byte %d; send one JSON value.", dec.InputOffset()))
}

// EncodeJSON is v as it is sent.
func EncodeJSON(v any) ([]byte, error) {
	if own, ok := v.(Appender); ok {
		return append(own.AppendJSON(nil), '\n'), nil
	}
	if list, ok := v.(appenders); ok {
		if text := list.appendJSON(); text != nil {
			return text, nil
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return text.Bytes(), nil
}

// WriteJSON answers with v as JSON. It is encoded before the answer begins,
// so that a failure can still become a problem.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	text, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, err = w.Write(text)
	return err
}

// Optional is a member of a JSON merge patch (RFC 7396): absent, null or a
// value.
type Optional[T any] struct {
	Set   bool // the member is there
	Null  bool // and is null
	Value T
}

// UnmarshalJSON is called only for a member that is there.
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	*o = Optional[T]{Set: true}
	if string(text) == "null" {
		o.Null = true
		return nil
	}
	return json.Unmarshal(text, &o.Value)
}

// Patch carries the member out on what it names; null empties that.
func (o Optional[T]) Patch(to *T) {
	if o.Set {
		*to = o.Value
	}
}

// Of is the type of the value.
func (Optional[T]) Of() reflect.Type { return reflect.TypeFor[T]() }

// maxFieldErrors bounds an answer that otherwise grows with the client's body.
const maxFieldErrors = 50

// Fields collects what is wrong with the fields of a request body, so that the
// client learns all of it at once. The zero value is ready to use.
type Fields struct{ errors []FieldError }

// Add adds an invalid field, named by its JSON Pointer in fragment form:
// "#/email".
func (f *Fields) Add(pointer, code, detail string) {
	if len(f.errors) < maxFieldErrors {
		f.errors = append(f.errors, FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
}

// Invalid is what Fields say of one invalid field.
func Invalid(pointer, code, detail string) error {
	return (&Fields{[]FieldError{{pointer, code, detail}}}).Err()
}

// Err is nil when nothing was added, else 422 validation_failed.
func (f *Fields) Err() error {
	if len(f.errors) == 0 {
		return nil
	}
	p := *errValidation
	p.Fields = f.errors
	return &p
}
