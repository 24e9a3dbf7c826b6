package portfolio

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// wanted is an entry as a resume has it.
type wanted[F any] struct {
	at     string            // its pointer
	names  map[string]string // what our fields are called there
	fields map[string]any    // what it says of them
	join   func(fields *F)   // merges its addresses into those that are there
}

// applyTo gives fields what the resume says.
func (x wanted[F]) applyTo(fields *F) error {
	if err := (Patch[F]{encoded(x.fields)}).apply(fields); err != nil {
		return err
	}
	if x.join != nil {
		x.join(fields)
	}
	return nil
}

// resumeIn is a resume as far as the portfolio has a place for it.
type resumeIn struct {
	*reading
	basics    source
	profile   wanted[ProfileFields]
	work      []wanted[ExperienceFields]
	education []wanted[EducationFields]
	skills    []wanted[SkillFields]
	projects  []wanted[ProjectFields]
}

func (p *Portfolio) readResume(text []byte) resumeIn {
	in := resumeIn{reading: &reading{}}
	doc := in.object("#", text)
	doc.take("$schema") // the form, and nothing of a person
	meta := in.object("#/meta", doc.take("meta"))
	meta.drop("canonical", p.resumeMeta().Canonical)
	meta.drop("version", p.resumeMeta().Version)
	in.basics = in.object("#/basics", doc.take("basics"))
	in.profile = profileOf(in.basics)
	in.work = entriesOf[ExperienceFields](doc.objects("work"), workNames)
	in.education = entriesOf[EducationFields](doc.objects("education"), educationNames)
	in.skills = skillsOf(doc.objects("skills"))
	in.projects = projectsOf(doc.objects("projects"))
	return in
}

var basicsNames = map[string]string{"name": "name", "headline": "label", "email": "email", "phone": "phone", "summary": "summary"}

func profileOf(basics source) wanted[ProfileFields] {
	x := wanted[ProfileFields]{at: basics.at, fields: basics.fields(basicsNames), names: maps.Clone(basicsNames)}
	maps.Copy(x.names, map[string]string{"region": "location/region", "country_code": "location/countryCode", "links": "profiles"})
	place := basics.object(basics.pointer("location"), basics.take("location"))
	parts := []string{place.line("address"), strings.TrimSpace(place.line("postalCode") + " " + place.line("city"))}
	maps.Copy(x.fields, filled(map[string]string{"region": place.line("region"), "country_code": place.line("countryCode"),
		"location": strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")}))
	var links []Link
	if address := basics.url("url"); address != "" {
		links = append(links, Link{Label: website, URL: address})
	}
	for _, s := range basics.objects("profiles") {
		// Without an address there is nothing to link to: the rest is ignored.
		if address := s.url("url"); address != "" {
			label := s.line("network")
			if u, err := url.Parse(address); label == "" && err == nil {
				label = cmp.Or(u.Hostname(), address)
			}
			links = append(links, Link{label, address, s.line("username")})
		}
	}
	x.join = func(f *ProfileFields) { f.Links = joined(f.Links, links) }
	return x
}

// joined are links with those that a resume names: each takes the place of one
// with its address, else of one with its label, else comes at the end.
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

// Before 1.0.0 some members had other names, and many files still have those.
var before100 = map[string]string{"company": "name", "website": "url", "gpa": "score"}

func entriesOf[F any](list []source, names map[string]string) (all []wanted[F]) {
	for _, s := range list {
		s.modern(before100)
		all = append(all, wanted[F]{at: s.at, fields: s.fields(names), names: names})
	}
	return all
}

// skillsOf stops behind the first for which there is no room.
func skillsOf(list []source) (all []wanted[SkillFields]) {
	for _, s := range list {
		if len(all) > maxEntries {
			break
		}
		name, level, words := s.line("name"), s.line("level"), s.texts("keywords")
		if len(words) == 0 {
			all = append(all, wanted[SkillFields]{at: s.at, fields: filled(map[string]string{"name": name, "level": level})})
		}
		for i, word := range words {
			all = append(all, wanted[SkillFields]{at: s.at, fields: filled(map[string]string{"name": word, "level": level, "category": name}),
				names: map[string]string{"name": "keywords/" + strconv.Itoa(i), "category": "name"}})
		}
	}
	return all
}

func projectsOf(list []source) []wanted[ProjectFields] {
	names := maps.Clone(projectNames)
	names["body"], names["links"] = "highlights", "url"
	all := entriesOf[ProjectFields](list, projectNames)
	for i, s := range list {
		all[i].names = names
		if items := s.texts("highlights"); len(items) > 0 {
			for i, item := range items {
				items[i] = strings.ReplaceAll(item, "\n", "\n"+indent)
			}
			all[i].fields["body"] = bullet + strings.Join(items, "\n"+bullet)
		}
		if link := s.url("url"); link != "" {
			all[i].join = func(f *ProjectFields) { f.Links = leading(f.Links, link) }
		}
	}
	return all
}

// leading are links of which the first leads to the address.
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
