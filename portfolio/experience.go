package portfolio

import "homebase/httpx"

// Experience is one position of a career.
type Experience struct {
	Entry
	ExperienceFields
}

// ExperienceFields is the writable part of an Experience.
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

// workNames are JSON Resume's names of the fields.
var workNames = map[string]string{"organization": "name", "role": "position", "url": "url", "location": "location", "description": "description",
	"started_on": "startDate", "ended_on": "endDate", "summary": "summary", "highlights": "highlights"}

func (e *Experience) fields() any { return &e.ExperienceFields }

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
