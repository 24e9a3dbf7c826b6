package db

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A namespace is a PostgreSQL schema besides public with steps of its own. If there
// is a role of its name that the login may take, that role owns the schema and
// everything in it, and work in the namespace has no rights elsewhere. Otherwise
// only the search path keeps the work inside.

var namespaceForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// inNamespace puts the name into a statement that takes no parameters.
func inNamespace(name, sql string) string {
	if !namespaceForm.MatchString(name) {
		panic(fmt.Sprintf("db: %q is no name of a namespace", name)) // names come from the program's own text
	}
	return strings.ReplaceAll(sql, "NAMESPACE", name)
}

// MigrateIn is Migrate for a namespace. A role that was created since the last time
// becomes the owner of what is there.
func (d *DB) MigrateIn(ctx context.Context, namespace, schema string) error {
	const prepare = `-- name: db.PrepareNamespace
		DO $$
		DECLARE
			t regclass;
		BEGIN
			-- Not IF NOT EXISTS, which asks for the right to make one first.
			IF to_regnamespace('NAMESPACE') IS NULL THEN
				CREATE SCHEMA NAMESPACE;
			END IF;
			PERFORM set_config('search_path', 'NAMESPACE', false);
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'NAMESPACE' AND ` + mayTakeRole + `) THEN
				RETURN;
			END IF;
			ALTER SCHEMA NAMESPACE OWNER TO NAMESPACE;
			FOR t IN
				SELECT c.oid FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
				 WHERE c.relnamespace = 'NAMESPACE'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND r.rolname <> 'NAMESPACE'
			LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO NAMESPACE', t);
			END LOOP;
			PERFORM set_config('role', 'NAMESPACE', false);
		END
		$$`
	const grants = `-- name: db.GrantNamespace
		DO $$
		BEGIN
			IF current_user <> 'NAMESPACE' AND EXISTS (SELECT FROM pg_roles WHERE rolname = '` + runtimeRole + `') THEN
				GRANT USAGE ON SCHEMA NAMESPACE TO ` + runtimeRole + `;
				GRANT ALL ON ALL TABLES IN SCHEMA NAMESPACE TO ` + runtimeRole + `;
				GRANT ALL ON ALL SEQUENCES IN SCHEMA NAMESPACE TO ` + runtimeRole + `;
			END IF;
		END
		$$`
	if err := d.migrate(ctx, namespace, schema, inNamespace(namespace, prepare), inNamespace(namespace, grants)); err != nil {
		return fmt.Errorf("%s: %w", namespace, err)
	}
	return nil
}

// InNamespace runs fn in the transaction with the namespace's role and search path.
// After fn the transaction continues with its own; if fn fails, it must be rolled
// back.
func InNamespace(ctx context.Context, tx pgx.Tx, namespace string, fn func() error) error {
	const enter = `-- name: db.EnterNamespace
		WITH was AS MATERIALIZED (SELECT current_setting('role') AS role, current_setting('search_path') AS path)
		SELECT was.role, was.path, set_config('search_path', $1, true),
		       (SELECT set_config('role', rolname, true) FROM pg_roles WHERE rolname = $1 AND ` + mayTakeRole + `)
		  FROM was`
	const leave = `-- name: db.LeaveNamespace
		SELECT set_config('role', $1, true), set_config('search_path', $2, true)`
	type settings struct{ role, path string }
	was, err := One(ctx, tx, RowOf(func(s *settings) []any { return []any{&s.role, &s.path, nil, nil} }), enter, namespace)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return Exec(ctx, tx, leave, was.role, was.path)
}

// MissingRoles are the names that are not roles which the login may take. The login
// is returned too.
func (d *DB) MissingRoles(ctx context.Context, names []string) (missing []string, login string, err error) {
	const sql = `-- name: db.MissingRoles
		SELECT ARRAY(SELECT n FROM unnest($1::text[]) AS n
		              WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n AND ` + mayTakeRole + `) ORDER BY n), session_user::text`
	missing, err = One(ctx, d, RowOf(func(missing *[]string) []any { return []any{missing, &login} }), sql, names)
	return missing, login, err
}
