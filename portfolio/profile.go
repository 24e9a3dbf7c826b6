package portfolio

import (
	"context"
	"net/http"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Profile is who the portfolio is about. There is always one; at first all of
// it is empty.
type Profile struct {
	ProfileFields
	Revision  int64     `json:"revision"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag is the profile's tag.
func (p Profile) ETag() string { return httpx.RevisionTag(p.Revision) }

// ProfileFields is the body of PUT /portfolio/profile. All of it is public.
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
	p.Email = strings.TrimSpace(p.Email)
	if p.Email != "" {
		checkEmail(f, "#/email", p.Email)
	}
	checkLinks(f, &p.Links)
}

func (p *ProfileFields) images() []uuid.UUID {
	if p.ImageID == nil {
		return nil
	}
	return []uuid.UUID{*p.ImageID}
}

func scanProfile(row pgx.Row) (p Profile, err error) {
	err = row.Scan(&p.ProfileFields, &p.Revision, &p.UpdatedAt)
	p.UpdatedAt = p.UpdatedAt.UTC()
	p.check(new(httpx.Fields)) // the stored one may lack its list
	return p, err
}

func loadProfile(ctx context.Context, q db.Querier) (Profile, error) {
	return db.One(ctx, q, scanProfile, `
-- name: portfolio.Profile
SELECT profile, revision, updated_at FROM portfolio`)
}

func saveProfile(ed *edit, in ProfileFields) (Profile, error) {
	var f httpx.Fields
	if in.check(&f); f.Err() != nil {
		return Profile{}, f.Err()
	}
	return db.One(ed.ctx, ed.tx, scanProfile, `
-- name: portfolio.StoreProfile
UPDATE portfolio SET profile = $1, revision = $2, updated_at = now()
RETURNING profile, revision, updated_at`, &in, ed.revision)
}

func (p *Portfolio) getProfile(w http.ResponseWriter, r *http.Request) error {
	return p.read(w, r, func(c *content) (answer, error) {
		return answer{body: c.profile, tag: c.profile.ETag()}, nil
	})
}

// putProfile serves PUT /portfolio/profile, which replaces the whole.
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
