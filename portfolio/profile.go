package portfolio

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Profile is who the portfolio is about. There is always one; at first it is empty.
type Profile struct {
	ProfileFields
	Revision  int64     `json:"revision"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag is the profile's tag.
func (p Profile) ETag() string { return httpx.RevisionTag(p.Revision) }

// ProfileFields is the body of PUT /portfolio/profile. Everything in it is public.
type ProfileFields struct {
	Name        string     `json:"name"`
	Headline    string     `json:"headline"`
	Summary     string     `json:"summary"`
	Location    string     `json:"location"`     // one line
	Region      string     `json:"region"`       // of the location
	CountryCode string     `json:"country_code"` // of the location, ISO 3166-1 alpha-2
	Email       string     `json:"email"`
	Phone       string     `json:"phone"`
	ImageID     *uuid.UUID `json:"image_id"` // of a file
	Links       []Link     `json:"links" most:"50"`
}

func (p *ProfileFields) check(f *httpx.Fields) {
	checkLine(f, "#/name", p.Name, false)
	checkLine(f, "#/headline", p.Headline, false)
	checkText(f, "#/summary", p.Summary, maxSummary)
	checkLine(f, "#/location", p.Location, false)
	checkLine(f, "#/region", p.Region, false)
	checkLine(f, "#/country_code", p.CountryCode, false)
	checkLine(f, "#/phone", p.Phone, false)
	if p.Email = strings.TrimSpace(p.Email); p.Email != "" {
		checkEmail(f, "#/email", &p.Email)
	}
	checkLinks(f, &p.Links)
}

func (p *ProfileFields) images() []uuid.UUID {
	if p.ImageID == nil {
		return nil
	}
	return []uuid.UUID{*p.ImageID}
}

const profileColumns = `profile, revision, updated_at`

func (p *Profile) columns() []any { return []any{&p.ProfileFields, &p.Revision, &p.UpdatedAt} }

func saveProfile(ed *edit, in ProfileFields) (Profile, error) {
	var f httpx.Fields
	if in.check(&f); f.Err() != nil {
		return Profile{}, f.Err()
	}
	return db.One(ed.ctx, ed.tx, db.RowOf((*Profile).columns), `-- name: portfolio.StoreProfile
UPDATE portfolio SET profile = $1, revision = $2, updated_at = now()
RETURNING `+profileColumns, &in, ed.revision)
}

func (p *Portfolio) getProfile(w http.ResponseWriter, r *http.Request) error {
	return p.read(w, r, func(c *content) (*page, error) { return newPage(c.profile) })
}

// putProfile serves PUT /portfolio/profile, which replaces the whole profile.
func (p *Portfolio) putProfile(c *httpx.Call, in ProfileFields) (saved Profile, err error) {
	err = p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		if err := c.Match(ed.profile.Revision); err != nil {
			return e, err
		}
		if err := p.ownImages(ed, "#/image_id", ed.profile.images(), in.images()); err != nil {
			return e, err
		}
		saved, err = saveProfile(ed, in)
		return audit.Event{Action: audit.PortfolioUpdated, Details: map[string]string{"kind": "profile"}}, err
	})
	return saved, err
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

// ResumeLocation is where somebody lives. City holds our one line.
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

// imageURL is the URL of the profile's picture, "" if there is none.
func (p *Portfolio) imageURL(profile Profile) string {
	if profile.ImageID == nil {
		return ""
	}
	return p.PublicURL + httpx.Prefix + "/portfolio/images/" + profile.ImageID.String()
}

func (p *Portfolio) resumeBasics(profile Profile) ResumeBasics {
	b := ResumeBasics{Name: profile.Name, Label: profile.Headline, Image: p.imageURL(profile), Email: profile.Email, Phone: profile.Phone,
		Summary: profile.Summary, Profiles: []ResumeProfile{}}
	if location := (ResumeLocation{City: profile.Location, Region: profile.Region, CountryCode: profile.CountryCode}); location != (ResumeLocation{}) {
		b.Location = &location
	}
	for _, l := range profile.Links {
		if b.URL == "" && strings.EqualFold(l.Label, website) && l.Username == "" {
			b.URL = l.URL
		} else {
			b.Profiles = append(b.Profiles, ResumeProfile{l.Label, l.Username, l.URL})
		}
	}
	return b
}

var basicsNames = map[string]string{"name": "name", "headline": "label", "email": "email", "phone": "phone", "summary": "summary"}

func wantedProfile(basics source) wanted {
	x := wanted{at: basics.at, fields: basics.fields(basicsNames), names: maps.Clone(basicsNames)}
	maps.Copy(x.names, map[string]string{"region": "location/region", "country_code": "location/countryCode", "links": "profiles"})
	location := basics.object(basics.pointer("location"), basics.take("location"))
	parts := []string{location.line("address"), strings.TrimSpace(location.line("postalCode") + " " + location.line("city"))}
	maps.Copy(x.fields, filled(map[string]any{"region": location.line("region"), "country_code": location.line("countryCode"),
		"location": strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")}))
	var links []Link
	if address := basics.url("url"); address != "" {
		links = append(links, Link{Label: website, URL: address})
	}
	for _, s := range basics.objects("profiles") {
		// Without an address there is nothing to link to, and the rest is ignored.
		if address := s.url("url"); address != "" {
			label := s.line("network")
			if u, err := url.Parse(address); label == "" && err == nil {
				label = cmp.Or(u.Hostname(), address)
			}
			links = append(links, Link{label, address, s.line("username")})
		}
	}
	x.links = func(have []Link) []Link { return joined(have, links) }
	return x
}

// joined are the links together with those of a resume. Each of these replaces one
// with its address, or else one with its label, or else is added at the end.
func joined(links, said []Link) []Link {
	all, met := slices.Clone(links), make([]bool, len(links))
	same := []func(a, b Link) bool{
		func(a, b Link) bool { return a.URL == b.URL },
		func(a, b Link) bool { return folded(a.Label) == folded(b.Label) },
	}
	for _, same := range same {
		said = slices.DeleteFunc(slices.Clone(said), func(l Link) bool {
			for i := range links {
				if !met[i] && same(links[i], l) {
					l.Username = cmp.Or(l.Username, links[i].Username)
					all[i], met[i] = l, true
					return true
				}
			}
			return false
		})
	}
	for _, l := range said {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}
