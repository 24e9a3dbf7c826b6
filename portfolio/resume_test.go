package portfolio_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homebase/db"
	"homebase/portfolio"
)

// schema is as much of JSON Schema draft-07 as the resume's schema uses; a
// keyword it does not know fails the test.
type schema struct {
	t    *testing.T
	root object
}

func loadSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("testdata/resume-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := schema{t: t}
	if err := json.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s schema) check(at string, rule object, v any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	for keyword, value := range rule {
		switch keyword {
		case "$schema", "$id", "description", "title", "definitions":
		case "$ref":
			name := strings.TrimPrefix(value.(string), "#/definitions/")
			faults = append(faults, s.check(at, s.root["definitions"].(object)[name].(object), v)...)
		case "type":
			kind := map[string]string{"string": "string", "object": "map[string]interface {}", "array": "[]interface {}", "boolean": "bool"}[value.(string)]
			if kind == "" || reflect.TypeOf(v) == nil || reflect.TypeOf(v).String() != kind {
				fault("is %T, not %v", v, value)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(value.(string)).MatchString(text) {
				fault("%q does not match %v", text, value)
			}
		case "format":
			text, _ := v.(string)
			var err error
			switch value {
			case "email":
				_, err = mail.ParseAddress(text)
			case "uri":
				var u *url.URL
				if u, err = url.Parse(text); err == nil && !u.IsAbs() {
					err = fmt.Errorf("%q is relative", text)
				}
			default:
				err = fmt.Errorf("the format %v is not known", value)
			}
			if err != nil {
				fault("%v", err)
			}
		case "properties":
			for name, rule := range value.(object) {
				if member, ok := v.(object)[name]; ok {
					faults = append(faults, s.check(at+"/"+name, rule.(object), member)...)
				}
			}
		case "items":
			list, _ := v.([]any)
			for i, item := range list {
				faults = append(faults, s.check(fmt.Sprintf("%s/%d", at, i), value.(object), item)...)
			}
		case "additionalProperties":
			if members, ok := v.(object); ok && value == false {
				known, _ := rule["properties"].(object)
				for name := range members {
					if known[name] == nil {
						fault("%q is not allowed", name)
					}
				}
			}
		case "additionalItems":
		default:
			fault("the keyword %q is not known to this test", keyword)
		}
	}
	return faults
}

// valid ends the test unless the text is a JSON Resume.
func (s schema) valid(text []byte) {
	s.t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		s.t.Fatal(err)
	}
	for _, fault := range s.check("#", s.root, v) {
		s.t.Error(fault)
	}
}

func sample(t *testing.T) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/sample-resume.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestResume_IsValidByThePublishedSchema(t *testing.T) {
	t.Parallel()
	rm, s := start(t), loadSchema(t)
	s.valid(rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body) // of nothing yet
	picture := upload(t, rm.owner, "ada.jpg", photo(t, 100))
	rm.owner.Do("PUT", "/portfolio/profile", object{"name": "Ada", "headline": "Engineer", "email": "ada@example.com", "location": "Bern", "image_id": picture,
		"links": []object{{"label": "website", "url": "https://ada.example"}, {"label": "Code", "url": "https://code.example/ada"}}}).Want(t, 200)
	rm.add(t, "projects", object{"title": "A", "status": "published", "body": "- one\n- two", "links": []object{{"label": "x", "url": "https://a.example"}}, "started_on": "2024-03"})
	rm.add(t, "experience", object{"organization": "O", "role": "R", "status": "published", "started_on": "2020-01-31", "url": "https://o.example"})
	rm.add(t, "education", object{"institution": "I", "status": "published"})
	rm.add(t, "skills", object{"name": "Go", "category": "Languages", "level": "expert"})
	rm.add(t, "skills", object{"name": "C", "category": "Languages", "level": "expert"})
	rm.add(t, "skills", object{"name": "Cooking"})
	text := rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body
	s.valid(text)
	for _, want := range []string{
		`"url":"https://ada.example"`, `"image":"https://api.example.com/api/v1/portfolio/images/` + picture + `"`, `"highlights":["one","two"]`,
		`{"name":"Languages","level":"expert","keywords":["Go","C"]},{"name":"Cooking","keywords":[]}`, `"startDate":"2020-01-31"`,
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestImport_FillsEverythingOnceAndTheDryRunOnlySaysSo(t *testing.T) {
	t.Parallel()
	rm, s := start(t), loadSchema(t)
	read := func() []byte {
		return rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body
	}
	empty := read()
	var tried, done, again portfolio.Imported
	rm.owner.Do("PUT", "/portfolio/resume.json?dry_run=true", sample(t)).Want(t, 200).JSON(t, &tried)
	if !bytes.Equal(read(), empty) || !tried.DryRun || rm.audited(t, "portfolio.imported") != 0 {
		t.Error("the dry run changed something")
	}
	rm.owner.Do("PUT", "/portfolio/resume.json", sample(t)).Want(t, 200).JSON(t, &done)
	if tried.DryRun = false; !reflect.DeepEqual(tried, done) || len(done.Changes) == 0 {
		t.Errorf("the dry run said %+v, done was %+v", tried, done)
	}
	text := read()
	s.valid(text)
	for _, want := range []string{"Richard Hendriks", "Pied Piper", "University of Oklahoma", "Miss Direction", `"keywords":["HTML","CSS","Javascript"]`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if !slices.Contains(done.Ignored, "volunteer") || slices.Contains(done.Ignored, "work") {
		t.Errorf("ignored are %v", done.Ignored)
	}
	for _, resume := range []json.RawMessage{sample(t), text} {
		rm.owner.Do("PUT", "/portfolio/resume.json", resume).Want(t, 200).JSON(t, &again)
		if len(again.Changes) != 0 || !bytes.Equal(read(), text) {
			t.Errorf("doing it again changed %+v", again.Changes)
		}
	}
}

func TestImport_KeepsWhatAResumeDoesNotSay(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "body": "long", "tags": []string{"go"}})
	var done portfolio.Imported
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"basics": object{}, "x-theme": 1, "projects": []object{
		{"name": "a", "description": "short", "startDate": "2019"}, {"name": "B", "url": "b.example"}}}).Want(t, 200).JSON(t, &done)
	want := []portfolio.Change{
		{Kind: "projects", Action: "updated", Name: "a", Fields: []string{"started_on", "summary", "title"}},
		{Kind: "projects", Action: "created", Name: "b", Fields: done.Changes[1].Fields},
	}
	if !reflect.DeepEqual(done.Changes, want) || !reflect.DeepEqual(done.Ignored, []string{"x-theme"}) {
		t.Errorf("got %+v", done)
	}
	var e portfolio.Project
	rm.owner.Do("GET", "/portfolio/projects/a", nil).Want(t, 200).JSON(t, &e)
	if e.Body != "long" || e.Summary != "short" || e.Status != "draft" || *e.StartedOn != "2019-01" || len(e.Tags) != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestImport_SaysWhatIsWrongAndChangesNothing(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for at, resume := range map[string]object{
		"#/work/0/url":           {"work": []object{{"name": "O", "url": "ftp://x"}}, "skills": []object{{"name": "kept out"}}},
		"#/projects/1/title":     {"projects": []object{{"name": "x"}, {"description": "no name"}}},
		"#/basics/email":         {"basics": object{"email": "x"}},
		"#/work/0":               {"work": []object{{"startDate": 2019}}},
		"#/education/0/ended_on": {"education": []object{{"institution": "I", "endDate": "soon"}}},
	} {
		p := rm.owner.Do("PUT", "/portfolio/resume.json", resume).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) == 0 || p.Errors[0].Pointer != at {
			t.Errorf("want %s in %+v", at, p.Errors)
		}
	}
	if got := names(t, rm.owner, "/portfolio/skills", "name"); got != "" {
		t.Errorf("a refused import left %q", got)
	}
	rm.owner.Do("PUT", "/portfolio/resume.json", []byte(`{`)).Want(t, 415)
	rm.owner.Do("PUT", "/portfolio/resume.json?dry_run=maybe", object{}).WantProblem(t, 400, "invalid_parameter")
}

func TestImportCommand_GivesANewcomerAPortfolio(t *testing.T) {
	t.Parallel()
	rm := start(t)
	path := filepath.Join(t.TempDir(), "resume.json")
	if err := os.WriteFile(path, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out, problems strings.Builder
		err := rm.p.Commands()[0].Run(t.Context(), &db.Shell{Stdin: strings.NewReader(`{"work":[{"name":""}]}`), Stdout: &out, Stderr: &problems}, args)
		return out.String() + problems.String(), err
	}
	if out, err := run(path, "--dry-run"); err != nil || !strings.Contains(out, "created experience: pied piper") || !strings.Contains(out, "dry run: true") {
		t.Errorf("%v: %s", err, out)
	}
	if got := names(t, rm.Client(t), "/portfolio/experience", "organization"); got != "" {
		t.Errorf("the dry run left %q", got)
	}
	if out, err := run("--json", path); err != nil || !json.Valid([]byte(out)) {
		t.Errorf("%v: %s", err, out)
	}
	if got := names(t, rm.Client(t), "/portfolio/experience", "organization"); got != "Pied Piper" {
		t.Errorf("imported are %q", got)
	}
	if out, err := run("-"); err == nil || !strings.Contains(out, "#/work/0/organization") {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{}, {"/nothing"}, {path, path}} {
		if _, err := run(args...); err == nil {
			t.Errorf("%v went well", args)
		}
	}
}
