package portfolio_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
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
	if !slices.Contains(done.Ignored, "#/volunteer") || slices.Contains(done.Ignored, "#/work") {
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
		{Kind: "projects", Action: "updated", Name: "a", Fields: []string{"started_on", "summary", "title"},
			Before: object{"started_on": nil, "summary": "", "title": "A"}, After: object{"started_on": "2019", "summary": "short", "title": "a"}},
		{Kind: "projects", Action: "created", Name: "b", Fields: done.Changes[1].Fields, Before: done.Changes[1].Before, After: done.Changes[1].After},
	}
	if !reflect.DeepEqual(done.Changes, want) || !reflect.DeepEqual(done.Ignored, []string{"#/x-theme"}) {
		t.Errorf("got %+v", done)
	}
	var e portfolio.Project
	rm.owner.Do("GET", "/portfolio/projects/a", nil).Want(t, 200).JSON(t, &e)
	if e.Body != "long" || e.Summary != "short" || e.Status != "draft" || *e.StartedOn != "2019" || len(e.Tags) != 1 {
		t.Errorf("got %+v", e)
	}
}

func TestImport_SaysWhatIsWrongAndChangesNothing(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for at, resume := range map[string]object{
		"#/work/0/url":          {"work": []object{{"name": "O", "url": "ftp://x"}}, "skills": []object{{"name": "kept out"}}},
		"#/projects/1/name":     {"projects": []object{{"name": "x"}, {"description": "no name"}}},
		"#/basics/email":        {"basics": object{"email": "x"}},
		"#/work/0/startDate":    {"work": []object{{"name": "O", "startDate": true}}},
		"#/education/0/endDate": {"education": []object{{"institution": "I", "endDate": "soon"}}},
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

func TestImport_TheOperatorGivesANewcomerAPortfolio(t *testing.T) {
	t.Parallel()
	rm := start(t)
	operator := rm.Operator(t)
	operator.Do("PUT", "/portfolio/resume.json?dry_run=true", sample(t)).Want(t, 200)
	if got := names(t, rm.Client(t), "/portfolio/experience", "organization"); got != "" {
		t.Errorf("the dry run left %q", got)
	}
	operator.Do("PUT", "/portfolio/resume.json", sample(t)).Want(t, 200)
	if got := names(t, rm.Client(t), "/portfolio/experience", "organization"); got != "Pied Piper" {
		t.Errorf("imported are %q", got)
	}
}

// filled makes a value of a rule of the schema in which every text is another
// one, notes each by its pointer, and puts a member that JSON Resume does not
// know into every object.
func (s schema) filled(at string, rule object, texts map[string]string) any {
	if ref, ok := rule["$ref"].(string); ok {
		rule = s.root["definitions"].(object)[strings.TrimPrefix(ref, "#/definitions/")].(object)
	}
	n := len(texts)
	text := fmt.Sprintf("text number %d.", n)
	switch {
	case rule["type"] == "object" || rule["properties"] != nil:
		v := object{"x-" + strconv.Itoa(n): text}
		texts[fmt.Sprintf("%s/x-%d", at, n)] = text
		for name, rule := range rule["properties"].(object) {
			v[name] = s.filled(at+"/"+name, rule.(object), texts)
		}
		return v
	case rule["type"] == "array":
		return []any{s.filled(at+"/0", rule["items"].(object), texts), s.filled(at+"/1", rule["items"].(object), texts)}
	case rule["pattern"] != nil: // years, later ones for ends
		text = strconv.Itoa(1000 + n)
		if strings.HasSuffix(at, "/endDate") {
			text = strconv.Itoa(2000 + n)
		}
	case rule["format"] == "uri":
		text = fmt.Sprintf("https://number-%d.example/", n)
	case rule["format"] == "email":
		text = fmt.Sprintf("number-%d@example.com", n)
	}
	texts[at] = text
	return text
}

func TestImport_KeepsOrNamesEverythingThatAResumeCanSay(t *testing.T) {
	t.Parallel()
	rm, s := start(t), loadSchema(t)
	texts := map[string]string{}
	resume := s.filled("#", s.root, texts)
	var done portfolio.Imported
	rm.owner.Do("PUT", "/portfolio/resume.json", resume).Want(t, 200).JSON(t, &done)
	out := rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body
	s.valid(out)
	kept := 0
	for at, text := range texts {
		named := slices.ContainsFunc(done.Ignored, func(pointer string) bool { return pointer == at || strings.HasPrefix(at, pointer+"/") })
		if is := bytes.Contains(out, []byte(text)); is {
			kept++
		} else if !named && at != "#/$schema" {
			t.Errorf("%s, %q, is neither kept nor named", at, text)
		}
	}
	for _, at := range []string{"#/basics/phone", "#/basics/location/region", "#/basics/location/countryCode", "#/basics/profiles/0/username", "#/projects/1/roles/1"} {
		if slices.Contains(done.Ignored, at) || !bytes.Contains(out, []byte(texts[at])) {
			t.Errorf("%s is not kept", at)
		}
	}
	if len(texts) < 150 || kept < 60 {
		t.Errorf("%d of %d texts are kept", kept, len(texts))
	}
	// Its own export is taken whole.
	rm.owner.Do("PUT", "/portfolio/resume.json", json.RawMessage(out)).Want(t, 200).JSON(t, &done)
	if len(done.Changes) != 0 || len(done.Ignored) != 0 {
		t.Errorf("taking the export back does %+v", done)
	}
}

func TestDates_StayAsPreciseAsTheyAre(t *testing.T) {
	t.Parallel()
	rm := start(t)
	work := func(name, from, to string) object { return object{"name": name, "startDate": from, "endDate": to} }
	given := []object{work("Years", "2009", "2012"), work("Month to year", "2014-05", "2014"), work("Day to month", "2014-05-20", "2014-05"), work("Year to day", "2014", "2014-01-02")}
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"work": given, "projects": []object{{"name": "P", "startDate": "2009"}},
		"education": []object{{"institution": "I", "startDate": "2009", "endDate": "2009"}}}).Want(t, 200)
	var out struct{ Work, Projects, Education []object }
	rm.Client(t).Do("GET", "/portfolio/resume.json", nil).Want(t, 200).JSON(t, &out)
	for i, x := range given {
		if out.Work[i]["startDate"] != x["startDate"] || out.Work[i]["endDate"] != x["endDate"] {
			t.Errorf("%v became %v", x, out.Work[i])
		}
	}
	if out.Projects[0]["startDate"] != "2009" || out.Education[0]["endDate"] != "2009" {
		t.Errorf("got %v, %v", out.Projects, out.Education)
	}
	rm.add(t, "projects", object{"title": "Q", "started_on": "2014-05", "ended_on": "2014"})
	for _, wrong := range [][2]string{{"2015", "2014-12"}, {"2014-06", "2014-05-31"}, {"209", ""}, {"2014-", ""}, {"0999", ""}} {
		rm.owner.Do("PUT", "/portfolio/resume.json", object{"work": []object{work("W", wrong[0], wrong[1])}}).WantProblem(t, 422, "validation_failed")
	}
	// One job, of which one more is known now.
	var done portfolio.Imported
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"work": []object{work("years", "2009-03", "2012")}}).Want(t, 200).JSON(t, &done)
	if len(done.Changes) != 1 || done.Changes[0].Action != "updated" {
		t.Errorf("a more precise date makes %+v", done.Changes)
	}
}

func TestImport_TakesWhatOtherProgramsTake(t *testing.T) {
	t.Parallel()
	rm := start(t)
	var done portfolio.Imported
	// Empty members, names of before 1.0.0, numbers, addresses of several
	// lines, and links without a name.
	rm.owner.Do("PUT", "/portfolio/resume.json", json.RawMessage(`{"basics":{"name":"A","email":" a@example.com ","image":"","url":"a.example","location":{"address":"Street 1\n2nd floor","city":"Bern"},
		"profiles":[{"url":"//b.example/a"},{"network":"C","username":"c"},{"network":"Website","url":"https://a.example"}]},
		"work":[{"company":"O","website":"o.example","startDate":2019,"endDate":"","highlights":null}],"volunteer":[],"awards":null,
		"education":[{"institution":"I","gpa":3.80}],"skills":[{"name":"Go","keywords":[""]}],"projects":[{"name":"P","highlights":["one\nand more","two"]}]}`)).Want(t, 200).JSON(t, &done)
	if want := []string{"#/basics/profiles/1/network", "#/basics/profiles/1/username"}; !reflect.DeepEqual(done.Ignored, want) {
		t.Errorf("ignored are %v", done.Ignored)
	}
	out := rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body
	for _, want := range []string{`"email":"a@example.com"`, `"url":"https://a.example","location":{"city":"Street 1, 2nd floor, Bern"},"profiles":[{"network":"b.example","url":"https://b.example/a"}]`,
		`"startDate":"2019"`, `"url":"https://o.example"`, `"score":"3.80"`, `"highlights":["one\nand more","two"]`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
}

func TestImport_NamesAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	rm := start(t)
	p := rm.owner.Do("PUT", "/portfolio/resume.json", object{"basics": object{"email": "x", "phone": []string{}, "label": object{"a": 1}},
		"work":     []object{{"name": "O", "startDate": "soon"}, {"name": "fine"}, {"position": "without a name"}},
		"skills":   []object{{"name": "S", "keywords": []string{"good", strings.Repeat("x", 300)}}},
		"projects": []object{{"name": "P", "url": "ftp://x", "keywords": []any{"a", false}}}}).WantProblem(t, 422, "validation_failed")
	var at []string
	for _, e := range p.Errors {
		at = append(at, e.Pointer)
	}
	slices.Sort(at)
	want := []string{"#/basics/email", "#/basics/label", "#/projects/0/keywords/1", "#/projects/0/url", "#/skills/0/keywords/1", "#/work/0/startDate", "#/work/2/name"}
	if !slices.Equal(slices.Compact(at), want) {
		t.Errorf("named are %v", at)
	}
}

func TestImport_KeepsTheLinksThatAResumeHasNoPlaceFor(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.owner.Do("PUT", "/portfolio/profile", object{"name": "A", "links": []object{{"label": "Blog", "url": "https://a.example"}, {"label": "Code", "url": "https://c.example"}}}).Want(t, 200)
	rm.add(t, "projects", object{"title": "P", "status": "published", "links": []object{{"label": "Code", "url": "https://p.example"}, {"label": "Demo", "url": "https://d.example"}}})
	var done portfolio.Imported
	rm.owner.Do("PUT", "/portfolio/resume.json", json.RawMessage(rm.Client(t).Do("GET", "/portfolio/resume.json", nil, identity).Want(t, 200).Body)).Want(t, 200).JSON(t, &done)
	if len(done.Changes) != 0 {
		t.Errorf("its own export changes %+v", done.Changes)
	}
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"basics": object{"profiles": []object{{"network": "blog", "url": "https://new.example"}, {"network": "More", "url": "https://m.example"}}},
		"projects": []object{{"name": "p", "url": "https://d.example"}}}).Want(t, 200)
	var profile portfolio.Profile
	var project portfolio.Project
	rm.owner.Do("GET", "/portfolio/profile", nil).Want(t, 200).JSON(t, &profile)
	rm.owner.Do("GET", "/portfolio/projects/p", nil).Want(t, 200).JSON(t, &project)
	if got := fmt.Sprint(profile.Links, project.Links); got != "[{blog https://new.example } {Code https://c.example } {More https://m.example }] [{Demo https://d.example } {Code https://p.example }]" {
		t.Errorf("the links are %s", got)
	}
}

// TestImport_CostsNoMoreThanTheSizeOfTheResume runs alone: it counts all bytes
// that are allocated meanwhile.
func TestImport_CostsNoMoreThanTheSizeOfTheResume(t *testing.T) {
	p := portfolio.New(portfolio.Config{DB: db.New(slog.New(slog.DiscardHandler))})
	for name, resume := range map[string]func(n int) string{
		"members": func(n int) string { return `{"basics":{` + strings.Repeat(`"a":1,`, n/6) + `"z":1}}` },
		"names":   func(n int) string { return numbered(`{"basics":{"location":{`, `"name-%d":1,`, `"z":1}}}`, n/16) },
		"a name": func(n int) string {
			return `{"` + strings.Repeat("x", n/2) + `":{` + strings.Repeat(`"a":1,`, n/12) + `"z":1}}`
		},
		"depth":    func(n int) string { return `{"work":` + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) + `}` },
		"entries":  func(n int) string { return `{"projects":[` + strings.Repeat(`{"x":1},`, n/8) + `{}]}` },
		"keywords": func(n int) string { return `{"skills":[{"keywords":[` + strings.Repeat(`"a",`, n/4) + `"b"]}]}` },
		"roles":    func(n int) string { return `{"projects":[{"roles":[` + strings.Repeat(`true,`, n/5) + `"b"]}]}` },
	} {
		cost := func(n int) uint64 {
			text := []byte(resume(n))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p.Ignored(text)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		const size = 8 << 10
		if once, eight := cost(size), cost(8*size); eight > 12*once {
			t.Errorf("%s: %d bytes for %d, %d for eight times as many", name, once, size, eight)
		}
	}
}

func numbered(before, member, after string, n int) string {
	var text strings.Builder
	text.WriteString(before)
	for i := range n {
		fmt.Fprintf(&text, member, i)
	}
	return text.String() + after
}
