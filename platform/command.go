package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"homebase/db"
	"homebase/httpx"
)

// migrateAll brings the platform's tables to this version, and then those of the apps.
func (p *Platform) migrateAll(ctx context.Context) error {
	if err := p.db.Migrate(ctx, p.build.Schema); err != nil {
		return err
	}
	return p.projects.Migrate(ctx)
}

func (p *Platform) migrate(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("migrate")
	status := flags.Bool("status", false, "list the steps and when each was applied")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !*status {
		return p.migrateAll(ctx)
	}
	steps, err := p.db.MigrationStatus(ctx, p.build.Schema)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(steps)
	}
	for _, s := range steps {
		applied := "pending"
		if s.AppliedAt != nil {
			applied = s.AppliedAt.Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(sh.Stdout, "%3d  %-20s  %s\n", s.Number, applied, s.Title)
	}
	return nil
}

func (p *Platform) describe(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("openapi").Parse(args); err != nil {
		return err
	}
	text, err := httpx.OpenAPI(p.Routes())
	if err != nil {
		return err
	}
	out := json.NewEncoder(sh.Stdout)
	out.SetIndent("", " ")
	return out.Encode(json.RawMessage(text))
}

func (p *Platform) listRoutes(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("routes")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listed := httpx.Listings(p.Routes())
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(listed)
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range listed {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Method, r.Pattern, r.Access, r.Summary)
	}
	return w.Flush()
}
