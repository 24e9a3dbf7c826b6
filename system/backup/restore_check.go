package backup

import (
	"cmp"
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
	var unlisted []string
	err := b.DB.AsOwner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for schema := range m.Steps {
				// The path does not include the live tables.
				path := pgx.Identifier{scratch(schema)}.Sanitize()
				text := "CREATE SCHEMA " + path + "; SET LOCAL search_path TO " + path + ";" + db.StepTable + ";\n" + m.steps[schema]
				if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
					return err
				}
			}
			err := st.load(ctx, tx, m, scratch, line)
			if err == nil {
				unlisted, err = st.compareRows(ctx, tx, m)
			}
			return cmp.Or(err, undo)
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
	st.sayOthers(sh.Stdout, m)
	bad = append(bad, unlisted...)
	printAll(sh.Stdout, bad)
	if len(bad) > 0 {
		return fmt.Errorf("the tables of %s can be restored, but %d parts are not what was written", m.Name, len(bad))
	}
	fmt.Fprintf(sh.Stdout, "%s can be restored: %d tables were, and %d files (%s) match their checksums. Nothing was left behind.\n",
		m.Name, len(m.Tables), m.Files.Count, bytesText(m.Files.Bytes))
	return nil
}

// compareRows compares what the restored rows say about files with the manifest, and
// names the files whose row and entry in the point's list have different checksums: a
// restore follows the rows, but the comparison follows the list. A point that was made
// before there were versions has none.
func (st *store) compareRows(ctx context.Context, tx pgx.Tx, m *Manifest) (bad []string, err error) {
	sql := `-- name: backup.FilesOfRows
		SELECT i.id, 0::bigint, i.size, encode(i.sha256, 'hex') FROM check_public.items i WHERE i.kind = 1`
	versions, err := db.One(ctx, tx, db.Value[bool], `-- name: backup.VersionsExist
		SELECT to_regclass('check_public.versions') IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	if versions {
		sql += ` UNION ALL SELECT v.item_id, v.revision, v.size, encode(v.sha256, 'hex') FROM check_public.versions v`
	}
	var size int64
	sums := map[string]string{}
	_, err = db.All(ctx, tx, func(row pgx.Row) (none struct{}, err error) {
		var f files.Stored
		err = row.Scan(&f.ID, &f.Revision, &f.Size, &f.SHA256)
		size += f.Size
		sums[f.Key()] = f.SHA256
		return none, err
	}, sql)
	if err != nil {
		return nil, err
	}
	used, err := db.One(ctx, tx, db.Value[int64], `-- name: backup.Used
		SELECT coalesce(sum(t.used), 0)::bigint FROM check_public.trees t`)
	if err != nil {
		return nil, err
	}
	if int64(len(sums)) != m.Files.Count || size != m.Files.Bytes || used != size {
		return nil, fmt.Errorf("the rows name %d files with %d bytes and count %d as used, the manifest has %d files with %d bytes",
			len(sums), size, used, m.Files.Count, m.Files.Bytes)
	}
	err = eachLine(st.path(m.Files.Name), func(f file) error {
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
