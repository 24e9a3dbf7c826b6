package backup

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

// ours is the SQL condition for the PostgreSQL schemas of the platform and of all apps,
// even of those that this program no longer has.
const ours = `(n.nspname = 'public' OR n.nspname LIKE 'app\_%')
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`

// plain makes PostgreSQL write values as text that any later version can read.
const plain = `-- name: backup.PlainText
	SELECT set_config('datestyle', 'ISO', false), set_config('intervalstyle', 'postgres', false),
	       set_config('timezone', 'UTC', false), set_config('bytea_output', 'hex', false),
	       set_config('search_path', 'pg_catalog', false)`

// dump writes all rows of the snapshot and a draft of files.jsonl, and then closes the
// snapshot of the rows.
func (b *Backup) dump(ctx context.Context, st *store, s *files.Snapshot, m *Manifest, line *bar) error {
	if err := db.Exec(ctx, s, plain); err != nil {
		return err
	}
	if err := m.describe(ctx, s.Conn); err != nil {
		return err
	}
	for i := range m.Tables {
		if err := st.dumpTable(ctx, s.Conn, &m.Tables[i]); err != nil {
			return fmt.Errorf("table %s: %w", m.Tables[i].Table, err)
		}
		line.Show("table %d of %d", i+1, len(m.Tables))
	}
	if err := db.Exec(ctx, s, `SET search_path TO public`); err != nil {
		return err
	}
	_, err := st.write(draftName, func(out io.Writer) error {
		to := json.NewEncoder(out)
		return files.EachStored(ctx, s.Conn, false, func(page []files.Stored) error {
			for _, f := range page {
				if err := to.Encode(file{Stored: f}); err != nil {
					return err
				}
				m.Files.Count++
				m.Files.Bytes += f.Size
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	m.Files.Problems = []file{}
	return s.CloseRows(ctx)
}

// describe fills the manifest from the catalogue of the snapshot.
func (m *Manifest) describe(ctx context.Context, conn *pgx.Conn) error {
	const tables = `-- name: backup.Tables
		SELECT c.oid, n.nspname, c.relname, coalesce(p.relname, ''), coalesce(pg_get_expr(c.relpartbound, c.oid), ''),
		       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
		         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
		       (SELECT coalesce(array_agg(DISTINCT f.confrelid), '{}') FROM pg_constraint f
		         WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid)
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
		 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND ` + ours + `
		 ORDER BY n.nspname <> 'public', n.nspname, c.relname`
	scan := db.RowOf(func(t *Table) []any {
		return []any{&t.oid, &t.Schema, &t.Table, &t.PartitionOf, &t.Bound, &t.Columns, &t.needs}
	})
	list, err := db.All(ctx, conn, scan, tables)
	if err != nil {
		return err
	}
	// What a row refers to comes first. The platform's schema has no cycles, and in
	// other cycles any order will do.
	var move func(at int)
	move = func(at int) {
		t := list[at]
		list = slices.Delete(list, at, at+1)
		for _, needed := range t.needs {
			if at := slices.IndexFunc(list, func(t Table) bool { return t.oid == needed }); at >= 0 {
				move(at)
			}
		}
		m.Tables = append(m.Tables, t)
	}
	for len(list) > 0 {
		move(0)
	}
	m.Steps = map[string][]Step{}
	for _, t := range m.Tables {
		if t.Table != "schema_steps" {
			continue
		}
		scan := db.RowOf(func(s *Step) []any { return []any{&s.Number, &s.Title, &s.Hash} })
		m.Steps[t.Schema], err = db.All(ctx, conn, scan, `SELECT number, title, hash FROM `+name(t)+` ORDER BY number`)
		if err != nil {
			return err
		}
	}
	m.Sequences, err = db.All(ctx, conn, db.RowOf(func(s *Sequence) []any { return []any{&s.Schema, &s.Name, &s.Last} }), `-- name: backup.Sequences
		SELECT q.schemaname, q.sequencename, q.last_value FROM pg_sequences q
		 WHERE q.last_value IS NOT NULL AND (q.schemaname = 'public' OR q.schemaname LIKE 'app\_%') ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	m.Fingerprint, err = db.One(ctx, conn, db.Value[[]byte], `-- name: backup.Fingerprint
		SELECT secret_fingerprint FROM public.instance`)
	return err
}

func name(t Table) string { return pgx.Identifier{t.Schema, t.Table}.Sanitize() }

func columns(t Table) string {
	quoted := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// dumpTable writes a table in COPY's text format, which no version of PostgreSQL has
// changed, and counts its rows.
func (st *store) dumpTable(ctx context.Context, conn *pgx.Conn, t *Table) (err error) {
	t.Part, err = st.write("tables/"+t.Schema+"."+t.Table+".gz", func(out io.Writer) error {
		zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
		if err != nil {
			return err
		}
		tag, err := conn.PgConn().CopyTo(ctx, zip, "COPY "+name(*t)+" ("+columns(*t)+") TO STDOUT")
		t.Rows = tag.RowsAffected()
		return errors.Join(err, zip.Close())
	})
	return err
}

// bound is how PostgreSQL writes the bound of a partition by time. Nothing else from a
// manifest is ever run as SQL.
var bound = regexp.MustCompile(`^FOR VALUES FROM \('[0-9 :+.-]+'\) TO \('[0-9 :+.-]+'\)$`)

// load fills the tables that the steps have created, in PostgreSQL schemas whose names
// begin with prefix. Rows that the steps themselves inserted are removed first. Tables that no
// step creates, foreign ones or a detached month, stay in the point.
func (st *store) load(ctx context.Context, tx pgx.Tx, m *Manifest, prefix string, line *bar) error {
	if err := db.Exec(ctx, tx, plain); err != nil {
		return err
	}
	var all []string
	var made []Table
	for _, t := range m.Tables {
		from := t
		t.Schema = prefix + t.Schema
		parent := name(Table{Schema: t.Schema, Table: cmp.Or(t.PartitionOf, t.Table)})
		exists, err := db.One(ctx, tx, db.Value[bool], `-- name: backup.TableExists
			SELECT to_regclass($1) IS NOT NULL`, parent)
		if err != nil {
			return err
		}
		if !exists {
			m.others = append(m.others, from)
			continue
		}
		if t.PartitionOf != "" {
			if !bound.MatchString(t.Bound) {
				return fmt.Errorf("the manifest gives %s an invalid bound", t.Table)
			}
			if err := db.Exec(ctx, tx, "CREATE TABLE "+name(t)+" PARTITION OF "+parent+" "+t.Bound); err != nil {
				return err
			}
		}
		all, made = append(all, name(t)), append(made, t)
	}
	if err := db.Exec(ctx, tx, "TRUNCATE "+strings.Join(all, ", ")); err != nil {
		return err
	}
	for i, t := range made {
		if err := st.loadTable(ctx, tx, t); err != nil {
			return fmt.Errorf("table %s: %w", t.Table, err)
		}
		line.Show("table %d of %d", i+1, len(made))
	}
	for _, s := range m.Sequences {
		err := db.Exec(ctx, tx, `-- name: backup.SetSequence
			SELECT setval(to_regclass($1), $2)`, pgx.Identifier{prefix + s.Schema, s.Name}.Sanitize(), s.Last)
		if err != nil {
			return err
		}
	}
	return nil
}

// sayOthers names the tables that load left out.
func (st *store) sayOthers(w io.Writer, m *Manifest) {
	for _, t := range m.others {
		fmt.Fprintf(w, "%s is not a table of this platform and is left out; its %d rows are in %s\n", name(t), t.Rows, st.path(t.Part.Name))
	}
}

func (st *store) loadTable(ctx context.Context, tx pgx.Tx, t Table) error {
	f, err := os.Open(st.path(t.Part.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(&summed{ctx, f, sha256.New(), t.Part.SHA256})
	if err != nil {
		return err
	}
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, io.Reader(zip), "COPY "+name(t)+" ("+columns(t)+") FROM STDIN")
	if err == nil && tag.RowsAffected() != t.Rows {
		err = fmt.Errorf("%d rows came in of %d", tag.RowsAffected(), t.Rows)
	}
	return err
}
