package files

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"

	"homebase/cli"
	"homebase/db"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// asWorker runs a command as a worker of its own: it enrols, recovers dead
// workers and retires like a server, so that it can run beside any number of
// them or alone.
func (f *Files) asWorker(ctx context.Context, run func() error) error {
	if err := f.Start(ctx); err != nil {
		return err
	}
	defer f.Stop()
	if s := f.vol.away.Load(); s != nil {
		return errors.New(*s)
	}
	return run()
}

// owner is somebody with files, or a space.
type owner struct {
	id   uuid.UUID
	root uuid.UUID
	name string // the address of a user, the folder of a space
}

// ownersLike are all who have files, and all spaces, or the one with that address
// or id.
func ownersLike(ctx context.Context, q db.Querier, who string) ([]owner, error) {
	const sql = `-- name: files.Owners
		SELECT t.owner_id, t.root_id, coalesce(u.email, 'spaces/' || t.owner_id)
		  FROM trees t LEFT JOIN users u ON u.id = t.owner_id
		 WHERE $1 = '' OR lower(u.email) = lower($1) OR t.owner_id::text = lower($1)
		 ORDER BY u.email, t.owner_id`
	list, err := db.All(ctx, q, db.RowOf(func(o *owner) []any { return []any{&o.id, &o.root, &o.name} }), sql, who)
	if err == nil && len(list) == 0 && who != "" {
		err = fmt.Errorf("no user or space %q has files; homebase files usage lists everyone who does", who)
	}
	return list, err
}

func (f *Files) scanCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, who := sh.Flags("files scan"), ""
	accept := flags.Bool("accept-missing", false, "continue even if many known files are missing from the disk")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.ParseOptional(args, &who); err != nil {
		return err
	}
	type line struct {
		User string `json:"user"`
		*scanReport
		Error string `json:"error,omitempty"`
	}
	return f.asWorker(ctx, func() error {
		list, err := ownersLike(ctx, f.db, who)
		if err != nil {
			return err
		}
		var failed error
		for _, o := range list {
			report := &scanReport{Problems: []scanProblem{}}
			if !*asJSON {
				report.told = func(what, where string) { fmt.Fprintf(sh.Stdout, "%s: %s: %q\n", o.name, what, where) }
			}
			err := f.rc.reconcile(ctx, o.id, placed{item: item{journal.Item{ID: o.root}}}, *accept, report)
			if errors.Is(err, errMassAbsence) {
				err = errors.New("more than 5 % or 100 of the known files are missing, so they were left as they are; everything else was taken over. Is a disk not mounted? If the files are gone for good, add --accept-missing")
			}
			if n := len(report.Problems); err == nil && n > 0 {
				err = fmt.Errorf("%s could not be taken over", cli.Count(n, "entry", "entries"))
			}
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", o.name, err))
			}
			l := line{User: o.name, scanReport: report}
			switch {
			case *asJSON:
				if err != nil {
					l.Error = err.Error()
				}
				if err := json.NewEncoder(sh.Stdout).Encode(l); err != nil {
					return err
				}
			case report.Used != nil:
				fmt.Fprintf(sh.Stdout, "%s: %d new, %d moved, %d changed, %d missing, %d returned, %d problems; %d bytes used, %d on record before.\n",
					o.name, report.New, report.Moved, report.Changed, report.Missing, report.Returned, len(report.Problems), *report.Used, *report.UsedBefore)
			}
			if ctx.Err() != nil {
				break
			}
		}
		return failed
	})
}

func (f *Files) usageCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, who := sh.Flags("files usage"), ""
	asJSON := flags.Bool("json", false, "print JSON lines")
	if err := flags.ParseOptional(args, &who); err != nil {
		return err
	}
	list, err := ownersLike(ctx, f.db, who)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	if !*asJSON {
		fmt.Fprintln(w, "BYTES USED\tIN TRASH\tIN VERSIONS\tRESERVED\tQUOTA\tITEMS\tENTRIES\tENTRY QUOTA\t USER\t")
	}
	for _, o := range list {
		u, err := f.usageOf(ctx, o.id)
		if err != nil {
			return err
		}
		if !*asJSON {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t %s\t\n", u.Used, u.Trash, u.Versions, u.Reserved, u.Quota, u.Items, u.Entries, u.EntryQuota, o.name)
			continue
		}
		err = json.NewEncoder(sh.Stdout).Encode(struct {
			User string `json:"user"`
			usageBody
		}{o.name, u})
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func (f *Files) purgeCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, who := sh.Flags("files purge"), ""
	older := flags.Span("older-than", f.tr.retention, "delete what has been in the trash for longer than this `TIME`, such as 7d or 12h")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.ParseOptional(args, &who); err != nil {
		return err
	}
	given := f.tr.retention > 0
	flags.Visit(func(option *flag.Flag) { given = given || option.Name == "older-than" })
	return f.asWorker(ctx, func() error {
		var only *uuid.UUID
		if who != "" {
			list, err := ownersLike(ctx, f.db, who)
			if err != nil {
				return err
			}
			only = &list[0].id
		}
		purged := 0
		if given {
			var err error
			if purged, err = f.tr.purgeAll(ctx, only, older); err != nil {
				return err
			}
		}
		if err := f.tr.freeDisplaced(ctx); err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(sh.Stdout).Encode(map[string]int{"purged": purged})
		}
		_, err := fmt.Fprintf(sh.Stdout, "%s deleted from the trash for good; the space of replaced content is free.\n", cli.Count(purged, "item", "items"))
		return err
	})
}
