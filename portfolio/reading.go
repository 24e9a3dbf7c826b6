package portfolio

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"homebase/httpx"
)

// wanted is an entry as a resume has it.
type wanted struct {
	at     string                    // its pointer
	names  map[string]string         // the resume's names of our fields
	fields map[string]any            // the values that it gives them
	links  func(links []Link) []Link // merges its addresses into the present links; nil if it has none
}

// patch is what the resume changes in the fields old.
func (x wanted) patch(old any) json.RawMessage {
	if x.links == nil {
		return encoded(x.fields)
	}
	var have struct{ Links []Link }
	_ = json.Unmarshal(encoded(old), &have)
	fields := maps.Clone(x.fields)
	fields["links"] = x.links(have.Links)
	return encoded(fields)
}

// resumeIn is the part of a resume that the portfolio can hold.
type resumeIn struct {
	*reading
	basics                            source
	profile                           wanted
	work, education, skills, projects []wanted
}

func (p *Portfolio) readResume(text []byte) resumeIn {
	in := resumeIn{reading: &reading{}}
	doc := in.object("#", text)
	doc.take("$schema") // says nothing about a person
	meta := in.object("#/meta", doc.take("meta"))
	meta.drop("canonical", p.resumeMeta().Canonical)
	meta.drop("version", p.resumeMeta().Version)
	in.basics = in.object("#/basics", doc.take("basics"))
	in.profile = wantedProfile(in.basics)
	in.work = wantedEntries(doc.objects("work"), workNames)
	in.education = wantedEntries(doc.objects("education"), educationNames)
	in.skills = wantedSkills(doc.objects("skills"))
	in.projects = wantedProjects(doc.objects("projects"))
	return in
}

// Before 1.0.0 some members had other names, which many files still use.
var before100 = map[string]string{"company": "name", "website": "url", "gpa": "score"}

func wantedEntries(list []source, names map[string]string) (all []wanted) {
	for _, s := range list {
		s.modern(before100)
		all = append(all, wanted{at: s.at, fields: s.fields(names), names: names})
	}
	return all
}

// reading is a resume being read. JSON Resume makes nothing mandatory, and people put
// more into their files than it defines. A value of the wrong type is a fault; what
// is not used is reported as ignored. Nothing is dropped silently.
type reading struct {
	faults httpx.Fields
	opened []source
}

// source is an object of a resume. rest holds what was not taken out of it yet.
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

// left are the pointers of everything that was not taken and is not empty. Only the
// outermost are named, so that the list grows no faster than the resume.
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

// nothing reports whether a value is empty: people leave parts of forms empty.
func nothing(value json.RawMessage) bool {
	return len(value) == 0 || slices.Contains([]string{`""`, "null", "[]", "{}"}, string(value))
}

func (r *reading) wrongType(at string) {
	r.faults.Add(at, "invalid_type", "This does not follow JSON Resume 1.0.0.")
}

func (s source) pointer(name string) string { return s.at + "/" + httpx.EscapePointer(name) }

func (s source) take(name string) json.RawMessage {
	value := s.rest[name]
	delete(s.rest, name)
	return value
}

// text takes a text; a number is taken as written.
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

// line takes a text and puts it on one line.
func (s source) line(name string) string {
	return strings.Join(strings.FieldsFunc(s.text(name), func(c rune) bool { return c == '\n' || c == '\r' }), ", ")
}

// url takes an address, completing it in the ways that people shorten it.
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

// list takes a list of at most maxEntries values.
func (s source) list(name string) (values []json.RawMessage) {
	value := s.take(name)
	switch {
	case nothing(value):
	case json.Unmarshal(value, &values) != nil:
		s.wrongType(s.pointer(name))
	case len(values) > maxEntries:
		s.faults.Add(s.pointer(name), "too_many", fmt.Sprintf("At most %d of these.", maxEntries))
		return nil
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

// fields takes the members that names lists, and returns them under our names.
func (s source) fields(names map[string]string) map[string]any {
	fields := map[string]any{}
	for _, ours := range slices.Sorted(maps.Keys(names)) {
		switch theirs := names[ours]; theirs {
		case "highlights", "keywords", "courses", "roles":
			fields[ours] = s.texts(theirs)
		case "url":
			fields[ours] = s.url(theirs)
		case "summary", "description":
			fields[ours] = s.text(theirs)
		default:
			fields[ours] = s.line(theirs)
		}
	}
	return filled(fields)
}

// filled are the fields that are not empty.
func filled(fields map[string]any) map[string]any {
	maps.DeleteFunc(fields, func(_ string, value any) bool { return nothing(encoded(value)) })
	return fields
}

// drop removes a member whose value is our own.
func (s source) drop(name, text string) {
	if string(s.rest[name]) == string(encoded(text)) {
		delete(s.rest, name)
	}
}

// modern renames members to their names since JSON Resume 1.0.0, unless there is a
// member with the new name too.
func (s source) modern(names map[string]string) {
	for before, now := range names {
		if nothing(s.rest[now]) && !nothing(s.rest[before]) {
			s.rest[now] = s.take(before)
		}
	}
}
