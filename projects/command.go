package projects

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// Commands are the operator's verbs of this room.
func (p *Projects) Commands() []db.Command {
	return []db.Command{
		{Name: "app list", Args: "[--json]", Summary: "list the apps and whether they are turned on", Run: p.listCommand},
		{Name: "app disable", Args: "NAME", Summary: "turn an app off on every worker; its data stays", Run: p.turnCommand("app disable", false)},
		{Name: "app enable", Args: "NAME", Summary: "turn an app back on", Run: p.turnCommand("app enable", true)},
		{Name: "app export", Args: "NAME", Summary: "write all data of an app to standard output as JSON lines", Run: p.exportCommand},
		{Name: "app roles", Summary: "print the SQL for the apps' database roles that are missing", Run: p.rolesCommand},
	}
}

func (p *Projects) listCommand(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("app list")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	off, err := p.off.Get(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	list := []Info{}
	for _, h := range p.apps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", h.app.Name, state(!off[h.app.Name]), h.app.Description)
		list = append(list, Info{h.app.Name, h.app.Description, !off[h.app.Name], h.app.Permissions})
	}
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(list)
	}
	return w.Flush()
}

func state(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// named parses the one argument of a command, an app's name.
func (p *Projects) named(sh *db.Shell, command string, args []string) (*Host, error) {
	var name string
	if err := sh.Flags(command).Parse(args, &name); err != nil {
		return nil, err
	}
	h, err := p.find(name)
	if err != nil {
		return nil, fmt.Errorf("there is no app %q; homebase app list shows them", name)
	}
	return h, nil
}

func (p *Projects) turnCommand(command string, on bool) func(context.Context, *db.Shell, []string) error {
	return func(ctx context.Context, sh *db.Shell, args []string) error {
		h, err := p.named(sh, command, args)
		if err != nil {
			return err
		}
		if err := p.turn(ctx, h, on); err != nil {
			return err
		}
		fmt.Fprintf(sh.Stdout, "%s is turned %s.\n", h.app.Name, state(on))
		return nil
	}
}

func (p *Projects) exportCommand(ctx context.Context, sh *db.Shell, args []string) error {
	h, err := p.named(sh, "app export", args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(sh.Stdout)
	return errors.Join(p.export(ctx, h, out), out.Flush())
}

// export writes the app's tables as they are at one moment, a line
// {"table": …, "row": {…}} for each row. Unlogged tables hold what is made to
// be forgotten and are left out.
func (p *Projects) export(ctx context.Context, h *Host, w io.Writer) error {
	const tables = `-- name: projects.Tables
		SELECT relname::text FROM pg_class
		 WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition
		   AND relpersistence = 'p' AND relname <> 'schema_steps'
		 ORDER BY 1`
	// JSON holds no control characters: with these for quote and delimiter
	// CSV is the plain text, a line a row.
	const rows = `COPY (SELECT json_build_object('table', '%s', 'row', t) FROM %s t) TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')`
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET LOCAL statement_timeout = 0"} {
			if _, err := db.Exec(ctx, tx, sql); err != nil {
				return err
			}
		}
		return db.InNamespace(ctx, tx, h.namespace(), func() error {
			names, err := db.All(ctx, tx, db.Value[string], tables, h.namespace())
			for _, name := range names {
				if err == nil {
					_, err = tx.Conn().PgConn().CopyTo(ctx, w, fmt.Sprintf(rows, name, pgx.Identifier{name}.Sanitize()))
				}
			}
			return err
		})
	})
}

func (p *Projects) rolesCommand(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("app roles").Parse(args); err != nil {
		return err
	}
	missing, login, err := p.DB.MissingRoles(ctx, p.Roles())
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		fmt.Fprintln(sh.Stdout, "-- Every app has its role.")
		return nil
	}
	fmt.Fprintln(sh.Stdout, "-- Run this as a superuser, then: homebase migrate")
	for _, role := range missing {
		// A role may be there without the grant: it is left by a database that was here before.
		const sql = "DO $$ BEGIN CREATE ROLE %s NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\nGRANT %s TO %s;\n"
		fmt.Fprintf(sh.Stdout, sql, role, role, pgx.Identifier{login}.Sanitize())
	}
	return nil
}
