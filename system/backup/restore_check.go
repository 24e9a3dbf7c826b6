package backup

import (
	"context"
	"errors"
	"fmt"

	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

// check restores the tables into temporary PostgreSQL schemas, does not migrate them,
// and rolls the transaction back, so that not even a kill leaves anything. Then it
// compares every file.
func (b *Backup) check(ctx context.Context, sh *db.Shell, st *store, m *Manifest, line *bar) error {
	undo := errors.New("undone")
	scratch := func(schema string) string { return "check_" + schema }
	var others []Table
	var unlisted []string
	err := b.DB.AsOwner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for schema := range m.Steps {
				text, err := b.stepsOf(m, schema)
				if err != nil {
					return err
				}
				// The path does not include the live tables.
				path := pgx.Identifier{scratch(schema)}.Sanitize()
				text = "CREATE SCHEMA " + path + "; SET LOCAL search_path TO " + path + ";" + db.StepTable + ";\n" + text
				if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
					return err
				}
			}
			var err error
			if others, err = st.load(ctx, tx, m, scratch, line); err != nil {
				return err
			}
			if err := st.counted(ctx, tx, m); err != nil {
				return err
			}
			if unlisted, err = st.unlisted(ctx, tx, m); err != nil {
				return err
			}
			return undo
		})
	})
	if !errors.Is(err, undo) {
		return fmt.Errorf("the tables of %s cannot be restored: %w", m.Name, err)
	}
	bad, err := st.compare(ctx, m, line)
	line.End()
	if err != nil {
		return err
	}
	st.sayOthers(sh.Stdout, others)
	bad = append(bad, unlisted...)
	for _, text := range bad {
		fmt.Fprintln(sh.Stdout, text)
	}
	if len(bad) > 0 {
		return fmt.Errorf("the tables of %s can be restored, but %d parts are not what was written", m.Name, len(bad))
	}
	fmt.Fprintf(sh.Stdout, "%s can be restored: %d tables were, and %d files (%s) match their checksums. Nothing was left behind.\n",
		m.Name, len(m.Tables), m.Files.Count, bytesText(m.Files.Bytes))
	return nil
}

// filesAndVersions are the rows with bytes. A point that was made before there
// were versions has none.
func filesAndVersions(ctx context.Context, tx pgx.Tx) (sql string, err error) {
	const items = `SELECT i.id, 0::bigint AS revision, i.size, i.sha256 FROM check_public.items i WHERE i.kind = 1`
	there, err := db.One(ctx, tx, db.Value[bool], `-- name: backup.VersionsExist
		SELECT to_regclass('check_public.versions') IS NOT NULL`)
	if err != nil || !there {
		return items, err
	}
	return items + ` UNION ALL SELECT v.item_id, v.revision, v.size, v.sha256 FROM check_public.versions v`, nil
}

// counted compares what the restored rows say about files with what the manifest says.
func (st *store) counted(ctx context.Context, tx pgx.Tx, m *Manifest) error {
	stored, err := filesAndVersions(ctx, tx)
	if err != nil {
		return err
	}
	sql := `-- name: backup.Counted
		SELECT count(*), coalesce(sum(f.size), 0)::bigint, (SELECT coalesce(sum(t.used), 0)::bigint FROM check_public.trees t)
		  FROM (` + stored + `) f`
	type sums struct{ files, bytes, used int64 }
	rows, err := db.One(ctx, tx, func(row pgx.Row) (s sums, err error) {
		err = row.Scan(&s.files, &s.bytes, &s.used)
		return s, err
	}, sql)
	if err == nil && rows != (sums{m.Files.Count, m.Files.Bytes, m.Files.Bytes}) {
		err = fmt.Errorf("the rows name %d files with %d bytes and count %d as used, the manifest has %d files with %d bytes",
			rows.files, rows.bytes, rows.used, m.Files.Count, m.Files.Bytes)
	}
	return err
}

// unlisted names the files whose row and entry in the point's list have different
// checksums: a restore follows the rows, but the comparison follows the list.
func (st *store) unlisted(ctx context.Context, tx pgx.Tx, m *Manifest) (bad []string, err error) {
	stored, err := filesAndVersions(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := db.All(ctx, tx, func(r pgx.Row) (v files.Stored, err error) {
		err = r.Scan(&v.ID, &v.Revision, &v.SHA256)
		return v, err
	}, `-- name: backup.SumsOfRows
		SELECT f.id, f.revision, encode(f.sha256, 'hex') FROM (`+stored+`) f`)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]string, len(rows))
	for _, r := range rows {
		sums[r.Key()] = r.SHA256
	}
	err = st.eachFile(m, func(f file) error {
		if sums[f.Key()] != f.SHA256 {
			bad = append(bad, fmt.Sprintf("%q: its row and the list of files name different bytes", f.Place))
		}
		delete(sums, f.Key())
		return nil
	})
	for key := range sums {
		bad = append(bad, fmt.Sprintf("%s: a row names this file, and the list of files does not", key))
	}
	return bad, err
}
