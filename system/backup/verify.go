package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"homebase/cli"
	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

// verify reads a restore point and compares everything with its checksum.
func (b *Backup) verify(ctx context.Context, sh *cli.Shell, dir, point string) error {
	st, m, err := b.openPoint(dir, point)
	if err != nil {
		return err
	}
	defer st.close()
	line := newBar(sh.Stderr)
	defer line.End()
	bad, err := st.compare(ctx, m, line)
	line.End()
	if err != nil {
		return err
	}
	printAll(sh.Stdout, bad)
	printAll(sh.Stdout, m.Loose.Problems)
	if len(bad) > 0 {
		return fmt.Errorf("%d parts of the restore point %s are not what was written", len(bad), m.Name)
	}
	fmt.Fprintf(sh.Stdout, "%s is intact: %d tables and %d files (%s) match their checksums.\n", m.Name, len(m.Tables), m.Files.Count, bytesText(m.Files.Bytes))
	if !m.proven {
		fmt.Fprintln(sh.Stdout, "The secret used then is not configured here, so nobody can tell whether somebody edited the point and its checksums.")
	}
	return nil
}

// compare reads every part and every object of a point, and names what is damaged,
// missing, or present although nothing lists it.
func (st *store) compare(ctx context.Context, m *Manifest, line *bar) (bad []string, err error) {
	lists := true
	for _, p := range m.parts() {
		err := checkFile(ctx, st.path(p.Name), p.SHA256)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", p.Name, err))
			lists = lists && p != m.Files.Part && p != m.Loose.Part
		}
	}
	if !lists {
		return append(bad, "Without its lists of files, nothing else in the point can be checked."), nil
	}
	seen := map[[32]byte]bool{}
	var done int64
	err = st.eachObject(m, func(hash, path string, size int64) error {
		done += size
		key := keyOf(hash)
		if hash == "" || seen[key] {
			return nil
		}
		seen[key] = true
		err := checkFile(ctx, st.object(hash), hash)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errRotten) {
			err = fmt.Errorf("%w; remove %s and back up again, while the file is sound", err, st.object(hash))
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("%q: %v", path, err))
		}
		line.show("comparing", done, m.Files.Bytes)
		return nil
	})
	if err != nil {
		return bad, err
	}
	strays, err := st.strays(m)
	return append(bad, strays...), err
}

// strays names the files of the point that its manifest does not list. An object that no
// point names is none: an interrupted backup leaves it, and the next --keep takes it away.
func (st *store) strays(m *Manifest) (bad []string, err error) {
	known := []string{manifestName, sumName}
	for _, p := range m.parts() {
		known = append(known, p.Name)
	}
	err = filepath.WalkDir(st.point, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, st.point+"/")
		if err == nil && !d.IsDir() && !slices.Contains(known, name) {
			bad = append(bad, fmt.Sprintf("%s: it is not part of the point", name))
		}
		return err
	})
	return bad, err
}

// check restores the tables into temporary PostgreSQL schemas, does not migrate them,
// and rolls the transaction back, so that not even a kill leaves anything. Then it
// compares every file.
func (b *Backup) check(ctx context.Context, sh *cli.Shell, st *store, m *Manifest, line *bar) error {
	const scratch = "check_" // before the names of schemas
	undo := errors.New("undone")
	var unlisted []string
	err := b.asOwner(ctx, func(tx pgx.Tx) error {
		for schema := range m.Steps {
			// The path does not include the live tables.
			path := pgx.Identifier{scratch + schema}.Sanitize()
			text := "CREATE SCHEMA " + path + "; SET LOCAL search_path TO " + path + ";" + db.StepTable + ";\n" + m.steps[schema]
			if _, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
				return err
			}
		}
		err := st.load(ctx, tx, m, scratch, line)
		if err == nil {
			unlisted, err = st.compareRows(ctx, tx, m)
		}
		return cmp.Or(err, undo)
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
	if slices.ContainsFunc(m.Tables, func(t Table) bool { return t.Schema == "public" && t.Table == "versions" }) {
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
