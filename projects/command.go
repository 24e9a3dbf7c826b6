package projects

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"homebase/cli"
	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// Commands are the operator's verbs of this room.
func (p *Projects) Commands() []cli.Command {
	return []cli.Command{
		{Name: "app export", Args: "NAME", Summary: "write all data of an app to standard output as JSON lines", Run: p.exportCommand},
		{Name: "app roles", Summary: "print the SQL for the apps' database roles that are missing", Needs: cli.NeedDatabase, Run: p.rolesCommand},
	}
}

func (p *Projects) exportCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	var name string
	if err := sh.Flags("app export").Parse(args, &name); err != nil {
		return err
	}
	h, err := p.find(name)
	if err != nil {
		return fmt.Errorf("there is no app %q; homebase api GET /projects lists them", name)
	}
	out := bufio.NewWriter(sh.Stdout)
	return errors.Join(p.export(ctx, h, out), out.Flush())
}

// export writes the app's tables as of one moment, with a line {"table": …, "row": {…}}
// for each row. Unlogged tables hold what is meant to be forgotten and are left
// out.
func (p *Projects) export(ctx context.Context, h *Host, w io.Writer) error {
	const tables = `-- name: projects.Tables
		SELECT relname::text FROM pg_class
		 WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition
		   AND relpersistence = 'p' AND relname <> 'schema_steps'
		 ORDER BY 1`
	// JSON contains no control characters, so with these as quote and delimiter
	// CSV is plain text, with one line for each row.
	const rows = `COPY (SELECT json_build_object('table', '%s', 'row', t) FROM %s t) TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')`
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET LOCAL statement_timeout = 0"} {
			if err := db.Exec(ctx, tx, sql); err != nil {
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

func (p *Projects) rolesCommand(ctx context.Context, sh *cli.Shell, args []string) error {
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
		// A role may exist without the grant, left by an earlier database.
		const sql = "DO $$ BEGIN CREATE ROLE %s NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\nGRANT %s TO %s;\n"
		fmt.Fprintf(sh.Stdout, sql, role, role, pgx.Identifier{login}.Sanitize())
	}
	return nil
}
