package portfolio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Project is a piece of work with a page of its own.
type Project struct {
	Entry
	ProjectFields
}

// ProjectFields is what can be written of a Project.
type ProjectFields struct {
	Placed
	Slug     string      `json:"slug"` // "" or absent in POST: made of the title
	Title    string      `json:"title"`
	Summary  string      `json:"summary"`
	Body     string      `json:"body"` // Markdown, as it was written
	Tags     []string    `json:"tags" most:"50"`
	Roles    []string    `json:"roles" most:"50"` // what its owner was in it
	Entity   string      `json:"entity"`          // for whom or with whom
	Type     string      `json:"type"`            // such as application or talk
	Links    []Link      `json:"links" most:"50"`
	ImageIDs []uuid.UUID `json:"image_ids" most:"50"` // of files; shown at /portfolio/images/{id}
	Featured bool        `json:"featured"`
	Period
}

func (p *Project) fields() *ProjectFields { return &p.ProjectFields }
func (p *Project) segment() string        { return p.Slug }
func (p *Project) same() (key, from string) {
	return p.Title, ""
}

const (
	maxSlug  = 80
	maxSlugs = 100 // of a project: its present one and those it had
)

var slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (p *Project) check(f *httpx.Fields) {
	// A slug that looks like an id could hide the project of that id.
	if _, err := uuid.Parse(p.Slug); p.Slug != "" && (!slugForm.MatchString(p.Slug) || len(p.Slug) > maxSlug || err == nil) {
		f.Add("#/slug", "invalid", "A slug is at most 80 small letters and digits, in words joined by -, and no id.")
	}
	checkLine(f, "#/title", p.Title, true)
	checkText(f, "#/summary", p.Summary, maxSummary)
	checkText(f, "#/body", p.Body, maxBody)
	checkList(f, "#/tags", &p.Tags, func(at, tag string) { checkLine(f, at, tag, true) })
	checkList(f, "#/roles", &p.Roles, func(at, role string) { checkLine(f, at, role, true) })
	checkLine(f, "#/entity", p.Entity, false)
	checkLine(f, "#/type", p.Type, false)
	checkLinks(f, &p.Links)
	checkList(f, "#/image_ids", &p.ImageIDs, func(string, uuid.UUID) {})
	p.Period.check(f)
}

// matches holds a project against the parameters of a list.
func (p Project) matches(q url.Values) bool {
	return (!q.Has("tag") || slices.Contains(p.Tags, q.Get("tag"))) &&
		(!q.Has("featured") || strconv.FormatBool(p.Featured) == q.Get("featured"))
}

var errSlugTaken = httpx.NewProblem(http.StatusConflict, "slug_taken", "Another project has this slug").
	With("Another project has, or had, this slug; choose another.")

var errTooManySlugs = httpx.NewProblem(http.StatusConflict, "too_many_slugs", "The project has had too many slugs").
	With(fmt.Sprintf("A project has at most %d, for the old ones go on leading to it; choose one that it had.", maxSlugs))

// claimSlug gives a project without a slug one, and refuses one that leads or
// ever led to another project. Changes do not run beside each other, so what
// is free here is free when it is stored.
func (c *content) claimSlug(p *Project) error {
	if p.Slug != "" {
		owner, taken := c.Slugs[p.Slug]
		switch {
		case taken && owner != p.ID:
			return errSlugTaken
		case !taken:
			return c.spareSlug(p)
		}
		return nil
	}
	base := strings.Join(strings.FieldsFunc(strings.ToLower(p.Title), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}), "-")
	base = strings.Trim(base[:min(len(base), maxSlug-10)], "-")
	if _, err := uuid.Parse(base); base == "" || err == nil {
		base = "project"
	}
	p.Slug = base
	for n := 2; c.Slugs[p.Slug] != uuid.Nil && c.Slugs[p.Slug] != p.ID; n++ {
		p.Slug = base + "-" + strconv.Itoa(n)
	}
	if c.Slugs[p.Slug] == p.ID {
		return nil
	}
	return c.spareSlug(p)
}

// spareSlug refuses a slug more for a project that has had too many.
func (c *content) spareSlug(p *Project) error {
	n := 0
	for _, owner := range c.Slugs {
		if owner == p.ID {
			n++
		}
	}
	if n >= maxSlugs {
		return errTooManySlugs
	}
	return nil
}

// keepSlug makes the slug lead to the project for as long as it exists.
func (c *content) keepSlug(ctx context.Context, tx db.Querier, p *Project) error {
	c.Slugs[p.Slug] = p.ID
	_, err := db.Exec(ctx, tx, `
-- name: portfolio.KeepSlug
INSERT INTO portfolio_slugs (slug, project_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING`, p.Slug, p.ID)
	return err
}

func loadSlugs(ctx context.Context, q db.Querier, c *content) error {
	c.Slugs = map[string]uuid.UUID{}
	_, err := db.All(ctx, q, func(row pgx.Row) (slug string, err error) {
		var project uuid.UUID
		err = row.Scan(&slug, &project)
		c.Slugs[slug] = project
		return slug, err
	}, `
-- name: portfolio.Slugs
SELECT slug, project_id FROM portfolio_slugs`)
	return err
}
