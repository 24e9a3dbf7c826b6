package portfolio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"homebase/httpx"
)

// reading is a resume being read. JSON Resume makes nothing mandatory, and
// people put more into their files than it knows: what is of the wrong type is
// a fault, and what nobody took is ignored and said to be. Nothing is dropped
// in silence.
type reading struct {
	faults httpx.Fields
	opened []source
}

// source is an object of a resume. What is taken out of it is gone from rest.
type source struct {
	*reading
	at   string // its pointer
	rest map[string]json.RawMessage
}

func (r *reading) object(at string, value json.RawMessage) source {
	s := source{reading: r, at: at}
	if !nothing(value) && json.Unmarshal(value, &s.rest) != nil {
		r.wrongType(at)
	}
	r.opened = append(r.opened, s)
	return s
}

// left are the pointers of all that was not taken and says something. Of what
// was not taken only the outermost is named, so that they grow no faster than
// the resume.
func (r *reading) left() []string {
	pointers := []string{}
	for _, s := range r.opened {
		for name, value := range s.rest {
			if !nothing(value) {
				pointers = append(pointers, s.pointer(name))
			}
		}
	}
	slices.Sort(pointers)
	return pointers
}

// nothing reports whether a value says nothing: people fill in forms and leave
// the rest of them empty.
func nothing(value json.RawMessage) bool {
	return len(value) == 0 || slices.Contains([]string{`""`, "null", "[]", "{}"}, string(value))
}

func (r *reading) wrongType(at string) {
	r.faults.Add(at, "invalid_type", "This does not follow JSON Resume 1.0.0.")
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func (s source) pointer(name string) string { return s.at + "/" + pointerEscapes.Replace(name) }

func (s source) take(name string) json.RawMessage {
	value := s.rest[name]
	delete(s.rest, name)
	return value
}

// text takes a text; a number is taken as it is written.
func (s source) text(name string) string { return s.textOf(s.pointer(name), s.take(name)) }

func (s source) textOf(at string, value json.RawMessage) (text string) {
	switch {
	case nothing(value):
	case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
		return string(value)
	case json.Unmarshal(value, &text) != nil:
		s.wrongType(at)
	}
	return text
}

// line takes a text that stands on one line here.
func (s source) line(name string) string {
	return strings.Join(strings.FieldsFunc(s.text(name), func(c rune) bool { return c == '\n' || c == '\r' }), ", ")
}

// url takes an address and completes what people write for one.
func (s source) url(name string) string {
	text := strings.TrimSpace(s.text(name))
	switch {
	case text == "":
	case strings.HasPrefix(text, "//"):
		text = "https:" + text
	case !strings.Contains(text, "://") && !strings.HasPrefix(text, "mailto:"):
		text = "https://" + text
	}
	var f httpx.Fields
	if checkURL(&f, "", text, false); f.Err() != nil {
		checkURL(&s.faults, s.pointer(name), text, false)
		return ""
	}
	return text
}

// list takes a list, no longer than the longest that has room; of a longer one
// no more is read than tells so.
func (s source) list(name string) (values []json.RawMessage) {
	value := s.take(name)
	if nothing(value) {
		return nil
	}
	if value[0] != '[' {
		s.wrongType(s.pointer(name))
		return nil
	}
	elements := json.NewDecoder(bytes.NewReader(value))
	_, _ = elements.Token() // all of it was checked
	for value = nil; elements.More() && elements.Decode(&value) == nil; value = nil {
		if len(values) == maxEntries {
			s.faults.Add(s.pointer(name), "too_many", fmt.Sprintf("At most %d of these.", maxEntries))
			return nil
		}
		values = append(values, value)
	}
	return values
}

func (s source) texts(name string) (texts []string) {
	for i, value := range s.list(name) {
		if text := s.textOf(s.pointer(name)+"/"+strconv.Itoa(i), value); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// objects takes a list of objects.
func (s source) objects(name string) (objects []source) {
	for i, value := range s.list(name) {
		objects = append(objects, s.object(s.pointer(name)+"/"+strconv.Itoa(i), value))
	}
	return objects
}

// fields takes what names lists, under our names and without what is empty.
func (s source) fields(names map[string]string) map[string]any {
	fields := map[string]any{}
	for _, ours := range slices.Sorted(maps.Keys(names)) {
		switch theirs := names[ours]; theirs {
		case "highlights", "keywords", "courses", "roles":
			if texts := s.texts(theirs); len(texts) > 0 {
				fields[ours] = texts
			}
		default:
			text := ""
			switch theirs {
			case "url":
				text = s.url(theirs)
			case "summary", "description":
				text = s.text(theirs)
			default:
				text = s.line(theirs)
			}
			if text != "" {
				fields[ours] = text
			}
		}
	}
	return fields
}

// filled are the texts that say something.
func filled(texts map[string]string) map[string]any {
	fields := map[string]any{}
	for name, text := range texts {
		if text != "" {
			fields[name] = text
		}
	}
	return fields
}

// drop forgets a member that says what we say anyway.
func (s source) drop(name, text string) {
	if string(s.rest[name]) == string(encoded(text)) {
		delete(s.rest, name)
	}
}

// modern gives members the names that they have since JSON Resume 1.0.0,
// unless there is one of that name too.
func (s source) modern(names map[string]string) {
	for before, now := range names {
		if nothing(s.rest[now]) && !nothing(s.rest[before]) {
			s.rest[now] = s.take(before)
		}
	}
}
