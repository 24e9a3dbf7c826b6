package portfolio

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"homebase/audit"
	"homebase/httpx"

	"github.com/google/uuid"
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

// maxResume is the largest resume in bytes.
const maxResume = 1 << 20

// ResumeFile is the body of PUT /portfolio/resume.json: the text of a JSON Resume, with
// anything else that people put into one. An import reads it leniently.
type ResumeFile struct {
	json.RawMessage `json:"-"`
}

// Imported says what an import did, or would do.
type Imported struct {
	DryRun    bool     `json:"dry_run"`
	Changes   []Change `json:"changes"`
	Unchanged int      `json:"unchanged"` // entries that were the same already
	Ignored   []string `json:"ignored"`   // JSON pointers of what the portfolio cannot hold
}

// Change is one entry that an import makes or changes.
type Change struct {
	Kind   string   `json:"kind"`   // profile, projects, skills, experience, education
	Action string   `json:"action"` // created or updated
	Name   string   `json:"name"`
	Fields []string `json:"fields"` // that get a new value
	// Before and After are the values of these fields; of a new entry, what an
	// empty one has.
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
}

// errUndo rolls back a dry run.
var errUndo = errors.New("a dry run")

// importing is an import in progress.
type importing struct {
	*edit
	out    Imported
	faults httpx.Fields
}

// putResume serves PUT /portfolio/resume.json, an import. An entry that exists already,
// recognised by its name, gets what the resume says and keeps the rest; other entries
// are new and published, at the end. Nothing is deleted, and importing the same resume
// twice changes nothing more. A dry run does everything and rolls it back. If any
// value cannot be stored, nothing is, and all such values are named: half a resume
// would be worse.
func (p *Portfolio) putResume(c *httpx.Call, file ResumeFile) (out Imported, err error) {
	asked := c.URL.Query().Get("dry_run")
	if asked != "" && asked != "true" && asked != "false" {
		return out, httpx.ErrInvalidParameter.With("dry_run must be true or false.")
	}
	in, dryRun := p.readResume(file.RawMessage), asked == "true"
	err = p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		im := importing{ed, Imported{DryRun: dryRun, Changes: []Change{}}, in.faults}
		if err := im.mergeProfile(in.profile); err != nil {
			return e, err
		}
		for _, part := range []struct {
			k   *collection
			all []wanted
		}{{p.experience, in.work}, {p.education, in.education}, {p.skills, in.skills}, {p.projects, in.projects}} {
			if err := im.mergeEntries(part.k, part.all); err != nil {
				return e, err
			}
		}
		if err := im.faults.Err(); err != nil {
			return e, err
		}
		in.basics.drop("image", p.imageURL(ed.profile))
		im.out.Ignored = in.left()
		if out = im.out; dryRun {
			return e, errUndo
		}
		return audit.Event{Action: audit.PortfolioImported, Details: map[string]string{"changes": strconv.Itoa(len(out.Changes))}}, nil
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return out, err
}

func (im *importing) mergeProfile(x wanted) error {
	before := &im.profile.ProfileFields
	var next ProfileFields
	if err := merge(&next, before, x.patch(before)); err != nil {
		return err
	}
	if !im.count("profile", next.Name, before, &next) {
		return nil
	}
	_, err := saveProfile(im.edit, next)
	return im.gather(err, x)
}

// mergeEntries creates or changes an entry for each wanted one. Two of one import
// never become the same entry.
func (im *importing) mergeEntries(k *collection, all []wanted) error {
	if len(all) > maxEntries {
		return errFull // each becomes an entry of its own
	}
	met := map[uuid.UUID]bool{}
	for _, x := range all {
		blank, fresh := k.blank(), k.fresh(im.content, published)
		want, err := k.patched(fresh, x.patch(blank.fields()))
		if err != nil {
			return err
		}
		list := im.entries[k.kind]
		at := likest(list, want, met)
		next, before := want, blank
		if at >= 0 {
			before = list[at]
			if next, err = k.patched(before, x.patch(before.fields())); err != nil {
				return err
			}
		}
		met[next.entry().ID] = true
		key, from := want.same()
		name := strings.ToLower(strings.Trim(strings.ReplaceAll(key+"\n"+from, "\n", ", "), ", "))
		if !im.count(k.kind, name, before.fields(), next.fields()) {
			continue
		}
		if err := k.save(im.edit, next); err != nil {
			if err := im.gather(err, x); err != nil {
				return err
			}
			continue
		}
		if at < 0 {
			im.entries[k.kind] = append(list, next)
		} else {
			list[at] = next
		}
	}
	return nil
}

// likest is the index of the entry that an import takes for the wanted one: one that
// begins at the same time, or else one whose time is the same as far as both are
// precise; -1 if there is none.
func likest(list []item, want item, met map[uuid.UUID]bool) int {
	key, from := want.same()
	key = folded(key)
	about := -1
	for i, it := range list {
		theirs, began := it.same()
		if met[it.entry().ID] || folded(theirs) != key {
			continue
		}
		if began == from {
			return i
		}
		if n := min(len(began), len(from)); about < 0 && n > 0 && began[:n] == from[:n] {
			about = i
		}
	}
	return about
}

// gather collects the fields of a refusal under their names in the resume. Other
// errors are returned.
func (im *importing) gather(err error, x wanted) error {
	problem, ok := errors.AsType[*httpx.Problem](err)
	if !ok || len(problem.Fields) == 0 {
		return err
	}
	for _, f := range problem.Fields {
		ours, rest, deeper := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")
		pointer := x.at + "/" + cmp.Or(x.names[ours], ours)
		if deeper {
			pointer += "/" + rest
		}
		im.faults.Add(pointer, f.Code, f.Detail)
	}
	return nil
}

// count records a change and reports whether there is one. An entry that had no
// status before is new.
func (im *importing) count(kind, name string, before, after any) bool {
	old, next := members(before), members(after)
	change := Change{kind, "updated", name, []string{}, map[string]any{}, map[string]any{}}
	if string(old["status"]) == `""` {
		change.Action = "created"
	}
	for field, value := range next {
		if !bytes.Equal(value, old[field]) {
			change.Fields = append(change.Fields, field)
			change.Before[field], change.After[field] = old[field], value
		}
	}
	slices.Sort(change.Fields)
	if len(change.Fields) == 0 {
		im.out.Unchanged++
		return false
	}
	im.out.Changes = append(im.out.Changes, change)
	return true
}
