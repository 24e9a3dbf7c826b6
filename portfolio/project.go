package portfolio

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"homebase/httpx"

	"github.com/google/uuid"
)

// Project is a piece of work with a page of its own.
type Project struct {
	Entry
	ProjectFields
}

// ProjectFields is the writable part of a Project.
type ProjectFields struct {
	Placed
	Slug     string      `json:"slug"` // "" or absent in POST: made from the title
	Title    string      `json:"title"`
	Summary  string      `json:"summary"`
	Body     string      `json:"body"` // Markdown, as it was written
	Tags     []string    `json:"tags" most:"50"`
	Roles    []string    `json:"roles" most:"50"` // of the owner
	Entity   string      `json:"entity"`          // for whom or with whom
	Type     string      `json:"type"`            // such as application or talk
	Links    []Link      `json:"links" most:"50"`
	ImageIDs []uuid.UUID `json:"image_ids" most:"50"` // of files; shown at /portfolio/images/{id}
	Featured bool        `json:"featured"`
	Period
}

func (p *Project) fields() any              { return &p.ProjectFields }
func (p *Project) segment() string          { return p.Slug }
func (p *Project) images() []uuid.UUID      { return p.ImageIDs }
func (p *Project) same() (key, from string) { return p.Title, "" }

func (p *Project) check(f *httpx.Fields) {
	checkSlug(f, p.Slug)
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

// matches checks a project against ?tag= and ?featured=.
func (p *Project) matches(q url.Values) bool {
	return (!q.Has("tag") || slices.Contains(p.Tags, q.Get("tag"))) &&
		(!q.Has("featured") || strconv.FormatBool(p.Featured) == q.Get("featured"))
}

// projectNames are JSON Resume's names of the fields. The url of a project is its
// first link; its highlights are its body, if that is nothing but a plain list.
var projectNames = map[string]string{"title": "name", "summary": "description", "tags": "keywords", "roles": "roles", "entity": "entity", "type": "type",
	"started_on": "startDate", "ended_on": "endDate"}

const (
	bullet = "- "
	indent = "  " // of an item's later lines
)

func resumeProjects(list []item) []Renamed {
	all := renamedAll(list, projectNames)
	for i, it := range list {
		p := it.(*Project)
		if items := bullets(p.Body); len(items) > 0 {
			all[i]["highlights"] = encoded(items)
		}
		if len(p.Links) > 0 {
			all[i]["url"] = encoded(p.Links[0].URL)
		}
	}
	return all
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

func wantedProjects(list []source) []wanted {
	names := maps.Clone(projectNames)
	names["body"], names["links"] = "highlights", "url"
	all := wantedEntries(list, projectNames)
	for i, s := range list {
		all[i].names = names
		if items := s.texts("highlights"); len(items) > 0 {
			for i, item := range items {
				items[i] = strings.ReplaceAll(item, "\n", "\n"+indent)
			}
			all[i].fields["body"] = bullet + strings.Join(items, "\n"+bullet)
		}
		if link := s.url("url"); link != "" {
			all[i].links = func(links []Link) []Link { return leading(links, link) }
		}
	}
	return all
}

// leading are the links with one to the address put first.
func leading(links []Link, address string) []Link {
	link := Link{Label: website, URL: address}
	if at := slices.IndexFunc(links, func(l Link) bool { return l.URL == address }); at >= 0 {
		link = links[at]
		links = slices.Delete(links, at, at+1)
	} else if len(links) > 0 && strings.EqualFold(links[0].Label, website) {
		links = links[1:]
	}
	return append([]Link{link}, links...)
}

const (
	maxSlug  = 80
	maxSlugs = 100 // of a project: the present one and those that it had
)

var (
	slugForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	errSlugTaken = httpx.NewProblem(http.StatusConflict, "slug_taken", "Another project has this slug").
			With("Another project has, or had, this slug; choose another.")
	errTooManySlugs = httpx.NewProblem(http.StatusConflict, "too_many_slugs", "The project has had too many slugs").
			With(fmt.Sprintf("A project can have at most %d, because old ones keep leading to it; choose one that it already had.", maxSlugs))
)

// checkSlug also refuses a slug that looks like an id, because it could hide the
// project with that id.
func checkSlug(f *httpx.Fields, slug string) {
	if _, err := uuid.Parse(slug); slug != "" && (!slugForm.MatchString(slug) || len(slug) > maxSlug || err == nil) {
		f.Add("#/slug", "invalid", "A slug has at most 80 lower-case letters and digits, in words joined by hyphens, and does not look like an id.")
	}
}

// claimSlug gives a project a slug if it has none, and refuses one that leads or ever
// led to another project. Changes run one at a time, so a slug that is free here is
// still free when it is stored.
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

// freeSlug makes a slug from the title that leads to no other project.
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
