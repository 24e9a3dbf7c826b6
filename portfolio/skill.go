package portfolio

import (
	"slices"
	"strconv"

	"homebase/httpx"
)

// Skill is one skill.
type Skill struct {
	Entry
	SkillFields
}

// SkillFields is the writable part of a Skill.
type SkillFields struct {
	Placed
	Name     string `json:"name"`
	Level    string `json:"level"`
	Category string `json:"category"`
}

func (s *Skill) fields() any { return &s.SkillFields }

func (s *Skill) same() (key, from string) { return s.Category + "\n" + s.Name, "" }

func (s *Skill) check(f *httpx.Fields) {
	checkLine(f, "#/name", s.Name, true)
	checkLine(f, "#/level", s.Level, false)
	checkLine(f, "#/category", s.Category, false)
}

// ResumeSkill holds the skills of one category and level, or one skill without a
// category.
type ResumeSkill struct {
	Name     string   `json:"name,omitempty"`
	Level    string   `json:"level,omitempty"`
	Keywords []string `json:"keywords"`
}

func resumeSkills(list []item) []ResumeSkill {
	all := []ResumeSkill{}
	for _, it := range list {
		s := it.(*Skill)
		at := slices.IndexFunc(all, func(r ResumeSkill) bool {
			return len(r.Keywords) > 0 && r.Name == s.Category && r.Level == s.Level
		})
		switch {
		case s.Category == "":
			all = append(all, ResumeSkill{s.Name, s.Level, []string{}})
		case at < 0:
			all = append(all, ResumeSkill{s.Category, s.Level, []string{s.Name}})
		default:
			all[at].Keywords = append(all[at].Keywords, s.Name)
		}
	}
	return all
}

// wantedSkills stops after the first skill for which there is no room.
func wantedSkills(list []source) (all []wanted) {
	for _, s := range list {
		if len(all) > maxEntries {
			break
		}
		name, level, words := s.line("name"), s.line("level"), s.texts("keywords")
		if len(words) == 0 {
			all = append(all, wanted{at: s.at, fields: filled(map[string]any{"name": name, "level": level})})
		}
		for i, word := range words {
			all = append(all, wanted{at: s.at, fields: filled(map[string]any{"name": word, "level": level, "category": name}),
				names: map[string]string{"name": "keywords/" + strconv.Itoa(i), "category": "name"}})
		}
	}
	return all
}
