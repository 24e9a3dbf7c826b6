package portfolio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	Ignored   []string `json:"ignored"`   // JSON pointers of what the portfolio has no place for
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
// nothing more. A dry run does it all and takes it back. One value that cannot
// be kept refuses the whole, and all such values are named: half a resume
// would be worse.
func (p *Portfolio) importResume(ctx context.Context, text []byte, dryRun bool) (Imported, error) {
	in := p.readResume(text)
	var out Imported
	err := p.change(ctx, func(tx pgx.Tx, c *content, revision int64) error {
		faults := in.faults
		out = Imported{DryRun: dryRun, Changes: []Change{}}
		profile := c.Profile.ProfileFields
		if err := in.profile.applyTo(&profile); err != nil {
			return err
		}
		if out.count("profile", profile.Name, &c.Profile.ProfileFields, &profile) {
			_, err := saveProfile(ctx, tx, profile, revision)
			if err := gather(&faults, err, in.profile.at, in.profile.names); err != nil {
				return err
			}
		}
		err := p.experience.merge(ctx, tx, c, revision, &out, &faults, in.work)
		if err == nil {
			err = p.education.merge(ctx, tx, c, revision, &out, &faults, in.education)
		}
		if err == nil {
			err = p.skills.merge(ctx, tx, c, revision, &out, &faults, in.skills)
		}
		if err == nil {
			err = p.projects.merge(ctx, tx, c, revision, &out, &faults, in.projects)
		}
		if err == nil {
			err = faults.Err()
		}
		if err != nil {
			return err
		}
		in.basics.drop("image", p.imageURL(c.Profile))
		out.Ignored = in.left()
		err = p.Audit.Record(ctx, tx, audit.Event{Action: audit.PortfolioImported, Details: map[string]string{"changes": strconv.Itoa(len(out.Changes))}})
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
func (k *collection[T, F, P]) merge(ctx context.Context, tx db.Querier, c *content, revision int64, out *Imported, faults *httpx.Fields, all []wanted[F]) error {
	if len(all) > maxEntries {
		return errFull // each has an entry of its own
	}
	met := map[uuid.UUID]bool{}
	for _, x := range all {
		want, e, before := P(new(T)), k.fresh(c, published), new(F)
		if err := x.applyTo(want.fields()); err != nil {
			return err
		}
		list := *k.list(c)
		at := k.likest(list, want, met)
		if at >= 0 {
			*e = list[at]
			*before = *e.fields()
		}
		met[e.entry().ID] = true
		if err := x.applyTo(e.fields()); err != nil {
			return err
		}
		key, from := want.same()
		if !out.count(k.kind, strings.ToLower(strings.Trim(strings.ReplaceAll(key+"\n"+from, "\n", ", "), ", ")), before, e.fields()) {
			continue
		}
		if err := k.save(ctx, tx, c, e, revision); err != nil {
			if err := gather(faults, err, x.at, x.names); err != nil {
				return err
			}
			continue
		}
		if at < 0 {
			*k.list(c) = append(list, *e)
		} else {
			list[at] = *e
		}
	}
	return nil
}

// likest is the entry that an import takes for the wanted one: one that begins
// when that does, or else one that begins so as far as both say when; -1 for
// none.
func (k *collection[T, F, P]) likest(list []T, want P, met map[uuid.UUID]bool) int {
	key, from := want.same()
	key = folded(key)
	about := -1
	for i := range list {
		e := P(&list[i])
		theirs, began := e.same()
		if met[e.entry().ID] || folded(theirs) != key {
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

// gather adds the fields of a refusal to faults, with the names that they have
// in the resume. What is no refusal of fields is returned.
func gather(faults *httpx.Fields, err error, at string, names map[string]string) error {
	problem, ok := errors.AsType[*httpx.Problem](err)
	if !ok || len(problem.Fields) == 0 {
		return err
	}
	for _, f := range problem.Fields {
		ours, rest, deeper := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")
		pointer := at + "/" + cmp.Or(names[ours], ours)
		if deeper {
			pointer += "/" + rest
		}
		faults.Add(pointer, f.Code, f.Detail)
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
	dryRun := flags.Bool("dry-run", false, "only show what would change")
	asJSON := flags.Bool("json", false, "print JSON")
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
	for _, pointer := range done.Ignored {
		fmt.Fprintf(sh.Stdout, "ignored %s: the portfolio has no place for it\n", pointer)
	}
	_, err = fmt.Fprintf(sh.Stdout, "%d changes, %d unchanged, dry run: %t\n", len(done.Changes), done.Unchanged, done.DryRun)
	return err
}
