package portfolio

import (
	"encoding/json"
	"net/http"

	"homebase/httpx"
)

// Resume is the portfolio as a JSON Resume, v1.0.0 (https://jsonresume.org),
// as far as that holds what the portfolio holds.
type Resume struct {
	Schema    string        `json:"$schema"`
	Basics    ResumeBasics  `json:"basics"`
	Work      []Renamed     `json:"work"`
	Education []Renamed     `json:"education"`
	Skills    []ResumeSkill `json:"skills"`
	Projects  []Renamed     `json:"projects"`
	Meta      ResumeMeta    `json:"meta"`
}

// Renamed is an entry with the fields that JSON Resume knows, under its names.
type Renamed map[string]json.RawMessage

func renamedAll(list []item, names map[string]string) []Renamed {
	all := []Renamed{}
	for _, it := range list {
		out := Renamed{}
		for ours, value := range members(it.fields()) {
			if theirs := names[ours]; theirs != "" && string(value) != `""` && string(value) != "null" {
				out[theirs] = value
			}
		}
		all = append(all, out)
	}
	return all
}

// ResumeMeta is about the document.
type ResumeMeta struct {
	Canonical string `json:"canonical,omitempty"`
	Version   string `json:"version,omitempty"`
}

const (
	resumeSchema = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json"
	website      = "Website" // the label of the link that becomes the url
)

func (p *Portfolio) resumeMeta() ResumeMeta {
	return ResumeMeta{p.PublicURL + httpx.Prefix + "/portfolio/resume.json", "v1.0.0"}
}

// getResume serves GET /portfolio/resume.json, to everyone: what is published.
func (p *Portfolio) getResume(w http.ResponseWriter, r *http.Request) error {
	return p.read(w, r, func(c *content) (*page, error) { return newPage(p.resume(c)) })
}

func (p *Portfolio) resume(c *content) Resume {
	return Resume{
		Schema: resumeSchema, Basics: p.resumeBasics(c.profile), Meta: p.resumeMeta(),
		Work:      renamedAll(c.entries["experience"], workNames),
		Education: renamedAll(c.entries["education"], educationNames),
		Skills:    resumeSkills(c.entries["skills"]),
		Projects:  resumeProjects(c.entries["projects"]),
	}
}
