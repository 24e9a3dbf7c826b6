package portfolio

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	maxSlug  = 80
	maxSlugs = 100 // of a project: its present one and those it had
)

var (
	slugForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	errSlugTaken = httpx.NewProblem(http.StatusConflict, "slug_taken", "Another project has this slug").
			With("Another project has, or had, this slug; choose another.")
	errTooManySlugs = httpx.NewProblem(http.StatusConflict, "too_many_slugs", "The project has had too many slugs").
			With(fmt.Sprintf("A project has at most %d, for the old ones go on leading to it; choose one that it had.", maxSlugs))
)

// checkSlug refuses one that looks like an id, too: it could hide the project
// of that id.
func checkSlug(f *httpx.Fields, slug string) {
	if _, err := uuid.Parse(slug); slug != "" && (!slugForm.MatchString(slug) || len(slug) > maxSlug || err == nil) {
		f.Add("#/slug", "invalid", "A slug is at most 80 small letters and digits, in words joined by -, and no id.")
	}
}

// claimSlug gives a project without a slug one, and refuses one that leads or
// ever led to another project. Changes do not run beside each other, so what
// is free here is free when it is stored.
func (p *Project) claimSlug(c *content) error {
	if p.Slug == "" {
		p.Slug = c.freeSlug(p)
	}
	owner, taken := c.slugs[p.Slug]
	switch {
	case taken && owner != p.ID:
		return errSlugTaken
	case !taken && c.slugsOf(p.ID) >= maxSlugs:
		return errTooManySlugs
	}
	c.slugs[p.Slug] = p.ID
	return nil
}

// freeSlug makes a slug of the title that leads to no other project.
func (c *content) freeSlug(p *Project) string {
	base := strings.Join(strings.FieldsFunc(strings.ToLower(p.Title), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}), "-")
	base = strings.Trim(base[:min(len(base), maxSlug-10)], "-")
	if _, err := uuid.Parse(base); base == "" || err == nil {
		base = "project"
	}
	slug := base
	for n := 2; c.slugs[slug] != uuid.Nil && c.slugs[slug] != p.ID; n++ {
		slug = base + "-" + strconv.Itoa(n)
	}
	return slug
}

func (c *content) slugsOf(project uuid.UUID) (n int) {
	for _, owner := range c.slugs {
		if owner == project {
			n++
		}
	}
	return n
}

// loadSlugs reads every slug that ever led to a project.
func loadSlugs(ctx context.Context, q db.Querier) (map[string]uuid.UUID, error) {
	slugs := map[string]uuid.UUID{}
	_, err := db.All(ctx, q, func(row pgx.Row) (slug string, err error) {
		var project uuid.UUID
		err = row.Scan(&slug, &project)
		slugs[slug] = project
		return slug, err
	}, `
-- name: portfolio.Slugs
SELECT slug, project_id FROM portfolio_slugs`)
	return slugs, err
}
