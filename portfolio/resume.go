package portfolio

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

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

// ResumeBasics is the profile; the link labelled Website is its URL.
type ResumeBasics struct {
	Name     string          `json:"name,omitempty"`
	Label    string          `json:"label,omitempty"`
	Image    string          `json:"image,omitempty"`
	Email    string          `json:"email,omitempty"`
	Phone    string          `json:"phone,omitempty"`
	URL      string          `json:"url,omitempty"`
	Summary  string          `json:"summary,omitempty"`
	Location *ResumeLocation `json:"location,omitempty"`
	Profiles []ResumeProfile `json:"profiles"`
}

// ResumeLocation is a place. Our line stands in City.
type ResumeLocation struct {
	Address     string `json:"address,omitempty"`
	PostalCode  string `json:"postalCode,omitempty"`
	City        string `json:"city,omitempty"`
	Region      string `json:"region,omitempty"`
	CountryCode string `json:"countryCode,omitempty"`
}

// ResumeProfile is a link.
type ResumeProfile struct {
	Network  string `json:"network,omitempty"`
	Username string `json:"username,omitempty"`
	URL      string `json:"url,omitempty"`
}

// Renamed is an entry with those of its fields that JSON Resume has, under the
// names that it has for them.
type Renamed map[string]json.RawMessage

// The names that JSON Resume has for the fields of entries.
var (
	workNames = map[string]string{"organization": "name", "role": "position", "url": "url", "location": "location", "description": "description",
		"started_on": "startDate", "ended_on": "endDate", "summary": "summary", "highlights": "highlights"}
	educationNames = map[string]string{"institution": "institution", "url": "url", "area": "area", "study_type": "studyType",
		"started_on": "startDate", "ended_on": "endDate", "score": "score", "courses": "courses"}
	// A project's url is its first link; its highlights are a body that is
	// nothing but a plain list.
	projectNames = map[string]string{"title": "name", "summary": "description", "tags": "keywords", "roles": "roles", "entity": "entity", "type": "type",
		"started_on": "startDate", "ended_on": "endDate"}
)

func renamed(fields any, names map[string]string) Renamed {
	out := Renamed{}
	for ours, value := range members(fields) {
		if theirs := names[ours]; theirs != "" && !slices.Contains([]string{`""`, "null"}, string(value)) {
			out[theirs] = value
		}
	}
	return out
}

// encoded is a text or a list of texts as JSON, which always works.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}

// ResumeSkill is the skills of one category and level, or one without.
type ResumeSkill struct {
	Name     string   `json:"name,omitempty"`
	Level    string   `json:"level,omitempty"`
	Keywords []string `json:"keywords"`
}

// ResumeMeta is about the document.
type ResumeMeta struct {
	Canonical string `json:"canonical,omitempty"`
	Version   string `json:"version,omitempty"`
}

const (
	resumeSchema = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json"
	website      = "Website"
	bullet       = "- "
	indent       = "  " // of the further lines of an item
)

func (p *Portfolio) resumeMeta() ResumeMeta {
	return ResumeMeta{p.PublicURL + httpx.Prefix + "/portfolio/resume.json", "v1.0.0"}
}

// imageURL is where the picture of a profile is shown, "" when there is none.
func (p *Portfolio) imageURL(profile Profile) string {
	if profile.ImageID == nil {
		return ""
	}
	return p.PublicURL + httpx.Prefix + "/portfolio/images/" + profile.ImageID.String()
}

// getResume serves GET /portfolio/resume.json: what is published, to all.
func (p *Portfolio) getResume(w http.ResponseWriter, r *http.Request) error {
	return p.read(w, r, func(c *content) (answer, error) { return answer{body: p.resume(c)}, nil })
}

func (p *Portfolio) resume(c *content) Resume {
	v := Resume{
		Schema: resumeSchema, Meta: p.resumeMeta(),
		Basics: ResumeBasics{Name: c.Profile.Name, Label: c.Profile.Headline, Image: p.imageURL(c.Profile), Email: c.Profile.Email, Phone: c.Profile.Phone,
			Summary: c.Profile.Summary, Profiles: []ResumeProfile{}},
		Work: []Renamed{}, Education: []Renamed{}, Skills: []ResumeSkill{}, Projects: []Renamed{},
	}
	if place := (ResumeLocation{City: c.Profile.Location, Region: c.Profile.Region, CountryCode: c.Profile.CountryCode}); place != (ResumeLocation{}) {
		v.Basics.Location = &place
	}
	for _, l := range c.Profile.Links {
		if v.Basics.URL == "" && strings.EqualFold(l.Label, website) && l.Username == "" {
			v.Basics.URL = l.URL
		} else {
			v.Basics.Profiles = append(v.Basics.Profiles, ResumeProfile{l.Label, l.Username, l.URL})
		}
	}
	for _, e := range c.Experience {
		v.Work = append(v.Work, renamed(e.fields(), workNames))
	}
	for _, e := range c.Education {
		v.Education = append(v.Education, renamed(e.fields(), educationNames))
	}
	for _, e := range c.Skills {
		at := slices.IndexFunc(v.Skills, func(s ResumeSkill) bool {
			return len(s.Keywords) > 0 && s.Name == e.Category && s.Level == e.Level
		})
		switch {
		case e.Category == "":
			v.Skills = append(v.Skills, ResumeSkill{e.Name, e.Level, []string{}})
		case at < 0:
			v.Skills = append(v.Skills, ResumeSkill{e.Category, e.Level, []string{e.Name}})
		default:
			v.Skills[at].Keywords = append(v.Skills[at].Keywords, e.Name)
		}
	}
	for _, e := range c.Projects {
		x := renamed(e.fields(), projectNames)
		if items := bullets(e.Body); len(items) > 0 {
			x["highlights"] = encoded(items)
		}
		if len(e.Links) > 0 {
			x["url"] = encoded(e.Links[0].URL)
		}
		v.Projects = append(v.Projects, x)
	}
	return v
}

// bullets are the items of a body that is nothing but a plain list.
func bullets(body string) (items []string) {
	for line := range strings.SplitSeq(strings.TrimSpace(body), "\n") {
		if item, ok := strings.CutPrefix(line, bullet); ok {
			items = append(items, strings.TrimSpace(item))
		} else if more, ok := strings.CutPrefix(line, indent); ok && len(items) > 0 {
			items[len(items)-1] += "\n" + more
		} else {
			return nil
		}
	}
	return items
}
