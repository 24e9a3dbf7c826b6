package portfolio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// maxResume is the largest resume in bytes.
const maxResume = 1 << 20

// ResumeFile is the body of PUT /portfolio/resume.json: a JSON Resume with
// whatever else others have put into it.
type ResumeFile struct{ text []byte }

// UnmarshalJSON keeps the text; an import reads it leniently.
func (f *ResumeFile) UnmarshalJSON(text []byte) error {
	f.text = bytes.Clone(text)
	return nil
}

// Imported says what an import did, or would do.
type Imported struct {
	DryRun    bool     `json:"dry_run"`
	Changes   []Change `json:"changes"`
	Unchanged int      `json:"unchanged"` // entries that were so already
	Ignored   []string `json:"ignored"`   // sections that the portfolio has no place for
}

// Change is one entry that an import makes or changes.
type Change struct {
	Kind   string   `json:"kind"`   // profile, projects, skills, experience, education
	Action string   `json:"action"` // created or updated
	Name   string   `json:"name"`
	Fields []string `json:"fields"` // that get another value
}

// errUndo rolls a change back that is only tried.
var errUndo = errors.New("a change that is only tried")

// importResume takes a resume over. An entry that is there already, by what
// it is called, gets what the resume says and keeps the rest; others are new,
// published, at the end. Nothing is deleted, and doing it twice changes
// nothing more. A dry run does it all and takes it back.
func (p *Portfolio) importResume(ctx context.Context, text []byte, dryRun bool) (Imported, error) {
	var in Resume
	if err := json.Unmarshal(text, &in); err != nil {
		wrong, _ := errors.AsType[*json.UnmarshalTypeError](err) // the text is JSON
		return Imported{}, wrongType(strings.TrimSuffix("#/"+strings.ReplaceAll(wrong.Field, ".", "/"), "/"))
	}
	ours := members(in)
	var out Imported
	err := p.change(ctx, func(tx pgx.Tx, c *content, revision int64) error {
		out = Imported{DryRun: dryRun, Changes: []Change{}, Ignored: []string{}}
		for _, name := range slices.Sorted(maps.Keys(members(json.RawMessage(text)))) {
			if ours[name] == nil {
				out.Ignored = append(out.Ignored, name)
			}
		}
		profile := c.Profile.ProfileFields
		if err := profileOf(in.Basics).apply(&profile); err != nil {
			return err
		}
		if out.count("profile", profile.Name, &c.Profile.ProfileFields, &profile) {
			if _, err := saveProfile(ctx, tx, profile, revision); err != nil {
				return under("#/basics", err)
			}
		}
		if err := errors.Join(
			p.experience.merge(ctx, tx, c, revision, &out, "work", patches[ExperienceFields](in.Work, workNames)),
			p.education.merge(ctx, tx, c, revision, &out, "education", patches[EducationFields](in.Education, educationNames)),
			p.skills.merge(ctx, tx, c, revision, &out, "skills", skillsOf(in.Skills)),
			p.projects.merge(ctx, tx, c, revision, &out, "projects", projectsOf(in.Projects)),
		); err != nil {
			return err
		}
		err := p.Audit.Record(ctx, tx, audit.Event{Action: audit.PortfolioImported, Details: map[string]string{"changes": strconv.Itoa(len(out.Changes))}})
		if err == nil && dryRun {
			return errUndo
		}
		return err
	})
	if err != nil && !errors.Is(err, errUndo) {
		return Imported{}, err
	}
	return out, nil
}

// merge makes or changes an entry for each of wanted. Two of one import never
// meet in the same entry.
func (k *collection[T, F, P]) merge(ctx context.Context, tx db.Querier, c *content, revision int64, out *Imported, section string, wanted []Patch[F]) error {
	met := map[uuid.UUID]bool{}
	for i, patch := range wanted {
		pointer := "#/" + section + "/" + strconv.Itoa(i)
		want, e, before := P(new(T)), k.fresh(c, published), new(F)
		if patch.apply(want.fields()) != nil {
			return wrongType(pointer)
		}
		list := *k.list(c)
		at := slices.IndexFunc(list, func(v T) bool { return P(&v).same() == want.same() && !met[P(&v).entry().ID] })
		if at >= 0 {
			*e = list[at]
			*before = *e.fields()
		}
		met[e.entry().ID] = true
		if err := patch.apply(e.fields()); err != nil {
			return err
		}
		if !out.count(k.kind, strings.Trim(strings.ReplaceAll(want.same(), "\n", ", "), ", "), before, e.fields()) {
			continue
		}
		if err := k.save(ctx, tx, c, e, revision); err != nil {
			return under(pointer, err)
		}
		if at < 0 {
			*k.list(c) = append(list, *e)
		} else {
			list[at] = *e
		}
	}
	return nil
}

// count notes a change and reports whether there is one. What has no status
// before is new.
func (out *Imported) count(kind, name string, before, after any) bool {
	old, next := members(before), members(after)
	change := Change{kind, "updated", name, []string{}}
	if string(old["status"]) == `""` {
		change.Action = "created"
	}
	for field, value := range next {
		if !bytes.Equal(value, old[field]) {
			change.Fields = append(change.Fields, field)
		}
	}
	slices.Sort(change.Fields)
	if len(change.Fields) == 0 {
		out.Unchanged++
		return false
	}
	out.Changes = append(out.Changes, change)
	return true
}

// given is a patch of what fields says, leaving out what is empty.
func given[F any](fields any) Patch[F] {
	m := members(fields)
	maps.DeleteFunc(m, func(_ string, v json.RawMessage) bool {
		return slices.Contains([]string{`""`, "null", "[]", "0", "false"}, string(v))
	})
	return Patch[F]{encoded(m)}
}

func profileOf(b ResumeBasics) Patch[ProfileFields] {
	v := ProfileFields{Name: b.Name, Headline: b.Label, Email: b.Email, Summary: b.Summary}
	if l := b.Location; l != nil {
		parts := []string{l.Address, strings.TrimSpace(l.PostalCode + " " + l.City), l.Region, l.CountryCode}
		v.Location = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
	}
	for _, x := range append([]ResumeProfile{{website, b.URL}}, b.Profiles...) {
		if x.URL != "" {
			v.Links = append(v.Links, Link{x.Network, address(x.URL)})
		}
	}
	return given[ProfileFields](v)
}

// patches are what entries of a resume say of ours. A year is taken for its
// January: our dates have a month.
func patches[F any](entries []Renamed, names map[string]string) (all []Patch[F]) {
	for _, x := range entries {
		m := Renamed{}
		for ours, theirs := range names {
			var text string
			m[ours] = x[theirs]
			if json.Unmarshal(x[theirs], &text) != nil {
				continue
			}
			switch {
			case theirs == "url":
				text = address(text)
			case strings.HasSuffix(theirs, "Date") && len(text) == 4:
				text += "-01"
			}
			m[ours] = encoded(text)
		}
		all = append(all, given[F](m))
	}
	return all
}

func skillsOf(list []ResumeSkill) (all []Patch[SkillFields]) {
	for _, x := range list {
		if len(x.Keywords) == 0 {
			all = append(all, given[SkillFields](SkillFields{Name: x.Name, Level: x.Level}))
		}
		for _, word := range x.Keywords {
			all = append(all, given[SkillFields](SkillFields{Name: word, Level: x.Level, Category: x.Name}))
		}
	}
	return all
}

func projectsOf(list []Renamed) []Patch[ProjectFields] {
	names := maps.Clone(projectNames)
	names["body"], names["links"] = "body", "links"
	for _, x := range list {
		var items []string
		var link string
		delete(x, "body")
		delete(x, "links")
		if json.Unmarshal(x["highlights"], &items) == nil && len(items) > 0 {
			x["body"] = encoded(bullet + strings.Join(items, "\n"+bullet))
		}
		if json.Unmarshal(x["url"], &link) == nil && link != "" {
			x["links"] = encoded([]Link{{website, address(link)}})
		}
	}
	return patches[ProjectFields](list, names)
}

// address completes what people write for one.
func address(text string) string {
	if text == "" || strings.Contains(text, "://") || strings.HasPrefix(text, "mailto:") {
		return text
	}
	return "https://" + text
}

// wrongType refuses what has not the type that JSON Resume says.
func wrongType(pointer string) error {
	var f httpx.Fields
	f.Add(pointer, "invalid_type", "This is not as JSON Resume 1.0.0 has it.")
	return f.Err()
}

// under puts the pointers of a refusal below the part of the resume that it
// is about.
func under(pointer string, err error) error {
	problem, ok := errors.AsType[*httpx.Problem](err)
	if !ok {
		return err
	}
	moved := *problem
	moved.Fields = slices.Clone(problem.Fields)
	for i := range moved.Fields {
		moved.Fields[i].Pointer = pointer + strings.TrimPrefix(moved.Fields[i].Pointer, "#")
	}
	return &moved
}

// putResume serves PUT /portfolio/resume.json.
func (p *Portfolio) putResume(w http.ResponseWriter, r *http.Request) error {
	dryRun := r.URL.Query().Get("dry_run")
	if !slices.Contains([]string{"", "true", "false"}, dryRun) {
		return httpx.ErrInvalidParameter.With("dry_run must be true or false.")
	}
	in, err := httpx.ReadJSON[ResumeFile](w, r)
	if err != nil {
		return err
	}
	done, err := p.importResume(r.Context(), in.text, dryRun == "true")
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, done)
}

// importCommand is `homebase portfolio import`.
func (p *Portfolio) importCommand(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("portfolio import")
	dryRun := flags.Bool("dry-run", false, "only say what would change")
	asJSON := flags.Bool("json", false, "as JSON")
	var path string
	if err := flags.Parse(args, &path); err != nil {
		return err
	}
	in := sh.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxResume+1))
	if err != nil {
		return err
	}
	if len(text) > maxResume || !json.Valid(text) {
		return fmt.Errorf("%s is not JSON of at most %d bytes", path, maxResume)
	}
	done, err := p.importResume(ctx, text, *dryRun)
	if problem, ok := errors.AsType[*httpx.Problem](err); ok {
		for _, f := range problem.Fields {
			fmt.Fprintf(sh.Stderr, "%s: %s\n", f.Pointer, f.Detail)
		}
	}
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(done)
	}
	for _, c := range done.Changes {
		fmt.Fprintf(sh.Stdout, "%s %s: %s (%s)\n", c.Action, c.Kind, c.Name, strings.Join(c.Fields, ", "))
	}
	_, err = fmt.Fprintf(sh.Stdout, "%d changes, %d unchanged, dry run: %t\n", len(done.Changes), done.Unchanged, done.DryRun)
	return err
}
