package portfolio

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// wanted is an entry as a resume has it.
type wanted struct {
	at     string                    // its pointer
	names  map[string]string         // what our fields are called there
	fields map[string]any            // what it says of them
	links  func(links []Link) []Link // merges its addresses into those that are there; nil: it has none
}

// patch is what the resume makes of the fields old.
func (x wanted) patch(old any) json.RawMessage {
	if x.links == nil {
		return encoded(x.fields)
	}
	var have struct{ Links []Link }
	_ = json.Unmarshal(encoded(old), &have)
	fields := maps.Clone(x.fields)
	fields["links"] = x.links(have.Links)
	return encoded(fields)
}

// resumeIn is a resume as far as the portfolio has a place for it.
type resumeIn struct {
	*reading
	basics                            source
	profile                           wanted
	work, education, skills, projects []wanted
}

func (p *Portfolio) readResume(text []byte) resumeIn {
	in := resumeIn{reading: &reading{}}
	doc := in.object("#", text)
	doc.take("$schema") // the form, and nothing of a person
	meta := in.object("#/meta", doc.take("meta"))
	meta.drop("canonical", p.resumeMeta().Canonical)
	meta.drop("version", p.resumeMeta().Version)
	in.basics = in.object("#/basics", doc.take("basics"))
	in.profile = wantedProfile(in.basics)
	in.work = wantedEntries(doc.objects("work"), workNames)
	in.education = wantedEntries(doc.objects("education"), educationNames)
	in.skills = wantedSkills(doc.objects("skills"))
	in.projects = wantedProjects(doc.objects("projects"))
	return in
}

var basicsNames = map[string]string{"name": "name", "headline": "label", "email": "email", "phone": "phone", "summary": "summary"}

func wantedProfile(basics source) wanted {
	x := wanted{at: basics.at, fields: basics.fields(basicsNames), names: maps.Clone(basicsNames)}
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
	x.links = func(have []Link) []Link { return joined(have, links) }
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

func wantedEntries(list []source, names map[string]string) (all []wanted) {
	for _, s := range list {
		s.modern(before100)
		all = append(all, wanted{at: s.at, fields: s.fields(names), names: names})
	}
	return all
}
