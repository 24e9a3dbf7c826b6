package portfolio

import "homebase/httpx"

// Skill is one skill.
type Skill struct {
	Entry
	SkillFields
}

// SkillFields is what can be written of a Skill.
type SkillFields struct {
	Placed
	Name     string `json:"name"`
	Level    string `json:"level"`
	Category string `json:"category"`
}

func (s *Skill) fields() *SkillFields { return &s.SkillFields }
func (s *Skill) same() (key, from string) {
	return s.Category + "\n" + s.Name, ""
}

func (s *Skill) check(f *httpx.Fields) {
	checkLine(f, "#/name", s.Name, true)
	checkLine(f, "#/level", s.Level, false)
	checkLine(f, "#/category", s.Category, false)
}

// Period is when something began and ended, as precisely as is known: each is
// a year, a month or a day, and stays what it is.
type Period struct {
	StartedOn *string `json:"started_on"` // YYYY, YYYY-MM or YYYY-MM-DD
	EndedOn   *string `json:"ended_on"`   // null: it goes on
}

// Experience is one station of a working life.
type Experience struct {
	Entry
	ExperienceFields
}

// ExperienceFields is what can be written of an Experience.
type ExperienceFields struct {
	Placed
	Organization string   `json:"organization"`
	Role         string   `json:"role"`
	Description  string   `json:"description"` // of the organization
	Summary      string   `json:"summary"`
	Highlights   []string `json:"highlights" most:"50"`
	Location     string   `json:"location"`
	URL          string   `json:"url"`
	Period
}

func (e *Experience) fields() *ExperienceFields { return &e.ExperienceFields }

func (e *Experience) same() (key, from string) {
	return e.Organization + "\n" + e.Role, text(e.StartedOn)
}

func (e *Experience) check(f *httpx.Fields) {
	checkLine(f, "#/organization", e.Organization, true)
	checkLine(f, "#/role", e.Role, false)
	checkText(f, "#/description", e.Description, maxSummary)
	checkText(f, "#/summary", e.Summary, maxSummary)
	checkList(f, "#/highlights", &e.Highlights, func(at, v string) { checkText(f, at, v, maxSummary) })
	checkLine(f, "#/location", e.Location, false)
	checkURL(f, "#/url", e.URL, false)
	e.Period.check(f)
}

// Education is one school, course of study or training.
type Education struct {
	Entry
	EducationFields
}

// EducationFields is what can be written of an Education.
type EducationFields struct {
	Placed
	Institution string   `json:"institution"`
	Area        string   `json:"area"`
	StudyType   string   `json:"study_type"`
	Score       string   `json:"score"`
	Courses     []string `json:"courses" most:"50"`
	URL         string   `json:"url"`
	Period
}

func (e *Education) fields() *EducationFields { return &e.EducationFields }

func (e *Education) same() (key, from string) {
	return e.Institution + "\n" + e.Area + "\n" + e.StudyType, ""
}

func (e *Education) check(f *httpx.Fields) {
	checkLine(f, "#/institution", e.Institution, true)
	checkLine(f, "#/area", e.Area, false)
	checkLine(f, "#/study_type", e.StudyType, false)
	checkLine(f, "#/score", e.Score, false)
	checkList(f, "#/courses", &e.Courses, func(at, v string) { checkLine(f, at, v, true) })
	checkURL(f, "#/url", e.URL, false)
	e.Period.check(f)
}
