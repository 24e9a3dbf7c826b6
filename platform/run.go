package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"homebase/audit"
	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
	"homebase/system"
)

// Run is the program: it reads the configuration, finds the command and runs it.
func Run(ctx context.Context, sh *cli.Shell, build Build, environ, args []string) error {
	cfg, configErr := system.LoadConfig(environ)
	if configErr != nil {
		// Help and version must work whatever the environment holds.
		cfg, _ = system.LoadConfig(nil)
	}
	p := New(build, cfg, sh.Stderr)
	cmd, rest, err := p.Commands().Find(args)
	switch {
	case err != nil:
		return err
	case configErr != nil && cmd.Needs < cli.NeedNothing:
		return fmt.Errorf("the configuration has problems:\n%w", configErr)
	}
	sh.Connect = p.connect
	if cmd.Needs <= cli.NeedSecret {
		if err := cfg.LoadSecret(); err != nil {
			return fmt.Errorf("the secret: %w", err)
		}
	}
	if cmd.Needs <= cli.NeedDatabase {
		err = p.connect(ctx, cmd.Needs)
	}
	if !cmd.Serves {
		ctx = audit.ByOperator(ctx)
	}
	if err == nil {
		err = cmd.Run(ctx, sh, rest)
	}
	return errors.Join(err, p.close())
}

// connect opens the database, starting or joining the private cluster if no URL is
// configured, and checks its schema if that is needed.
func (p *Platform) connect(ctx context.Context, need cli.Need) (err error) {
	url := p.cfg.DatabaseURL
	if url == "" {
		if p.cluster, err = db.StartCluster(ctx, db.ClusterConfig{StateDir: p.cfg.StateDir, Roles: p.projects.Roles(), Log: p.log}); err != nil {
			return err
		}
		url = p.cluster.URL()
	}
	if err = p.db.Connect(ctx, db.Config{URL: url}); err == nil && need == cli.NeedSchema {
		err = p.db.SameSchema(ctx, p.build.Schema)
	}
	return err
}

// close closes the database, then leaves the private cluster, and flushes the log.
func (p *Platform) close() (err error) {
	p.db.Close()
	if p.cluster != nil {
		err = p.cluster.Close()
	}
	return errors.Join(err, p.flushLog())
}

// migrateAll brings the platform's tables to this version, and then those of the apps.
func (p *Platform) migrateAll(ctx context.Context) error {
	if err := p.db.Migrate(ctx, p.build.Schema); err != nil {
		return err
	}
	return p.projects.Migrate(ctx)
}

func (p *Platform) migrate(ctx context.Context, sh *cli.Shell, args []string) error {
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

func (p *Platform) describe(ctx context.Context, sh *cli.Shell, args []string) error {
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

// listRoutes are all routes, for the command that prints them.
func (p *Platform) listRoutes(context.Context, *cli.Shell) (any, func(io.Writer)) {
	listed := httpx.Listings(p.Routes())
	return listed, func(out io.Writer) {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, r := range listed {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Method, r.Pattern, r.Access, r.Summary)
		}
		w.Flush()
	}
}
