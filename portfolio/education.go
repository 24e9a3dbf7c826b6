package portfolio

import "homebase/httpx"

// Education is one school, course of study or training.
type Education struct {
	Entry
	EducationFields
}

// EducationFields is the writable part of an Education.
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

// educationNames are JSON Resume's names of the fields.
var educationNames = map[string]string{"institution": "institution", "url": "url", "area": "area", "study_type": "studyType",
	"started_on": "startDate", "ended_on": "endDate", "score": "score", "courses": "courses"}

func (e *Education) fields() any { return &e.EducationFields }

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
