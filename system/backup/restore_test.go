package backup_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
)

func execute(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	err := d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		for _, sql := range statements {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestore_LeavesWhatOthersHaveInTheDatabase(t *testing.T) {
	t.Parallel()
	data, schema := filepath.Join(t.TempDir(), "data"), dbtest.Schema(t)
	d, run := commands(t, dbtest.CreateEmpty(t), data, schema)
	if err := d.Migrate(t.Context(), schema); err != nil { // a server ran, and nobody had an account
		t.Fatal(err)
	}
	execute(t, d, `CREATE SCHEMA app_theirs`, `CREATE TABLE app_theirs.kept AS SELECT 7 AS n`,
		`CREATE FUNCTION public.theirs() RETURNS int LANGUAGE sql AS 'SELECT 8'`, `CREATE TABLE public.theirs AS SELECT 9 AS n`)
	out, err := run(t.Context(), "restore", fixture)
	if err == nil || !strings.Contains(err.Error(), "not this platform's (theirs)") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused restore made the data directory")
	}
	execute(t, d, `DROP TABLE public.theirs`)
	if out, err := run(t.Context(), "restore", fixture); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	err = d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		n, err := db.One(t.Context(), conn, db.Value[int64], `SELECT n * 10 + public.theirs() FROM app_theirs.kept`)
		if n != 78 {
			t.Errorf("theirs is %d", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRestore_NamesAndLeavesOutTablesThatNoStepMakes(t *testing.T) {
	t.Parallel()
	bk, schema := filepath.Join(t.TempDir(), "backup"), dbtest.Schema(t)
	d, run := commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), schema)
	if err := d.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	// A month that was detached and not dropped, and two of others in a circle.
	execute(t, d, `CREATE TABLE audit_events_2020_01 (LIKE audit_events INCLUDING ALL)`,
		`CREATE TABLE theirs (id serial PRIMARY KEY, other int)`, `INSERT INTO theirs DEFAULT VALUES`,
		`CREATE TABLE too (id int PRIMARY KEY REFERENCES theirs)`, `ALTER TABLE theirs ADD FOREIGN KEY (other) REFERENCES too`)
	if out, err := run(t.Context(), "backup", bk); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	for _, check := range [][]string{{"--check"}, nil} {
		_, run = commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), schema)
		out, err := run(t.Context(), append([]string{"restore", bk}, check...)...)
		if err != nil || strings.Count(out, "is left out") != 3 || !strings.Contains(out, `"public"."theirs" is not a table of this platform and is left out; its 1 rows`) {
			t.Errorf("%v: %s, %v", check, out, err)
		}
	}
}

func TestRestore_BelievesNoTableWithoutItsSum(t *testing.T) {
	t.Parallel()
	bk, schema := filepath.Join(t.TempDir(), "backup"), dbtest.Schema(t)
	if err := os.CopyFS(bk, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(bk + "/points/*/tables/public.users.gz")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	// Other rows in sound compression, and a bit that decompression ignores.
	var other bytes.Buffer
	zip := gzip.NewWriter(&other)
	text, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	from, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var rows bytes.Buffer
	if _, err := rows.ReadFrom(from); err != nil {
		t.Fatal(err)
	}
	if _, err := zip.Write(bytes.Replace(rows.Bytes(), []byte("old@"), []byte("odd@"), 1)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(text)
	flipped[4] ^= 1
	for what, with := range map[string][]byte{"other rows": other.Bytes(), "a flipped bit": flipped} {
		if err := os.WriteFile(list[0], with, 0o600); err != nil {
			t.Fatal(err)
		}
		_, run := commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), schema)
		if out, err := run(t.Context(), "restore", bk); err == nil || !strings.Contains(err.Error(), "table users") || !strings.Contains(err.Error(), "are damaged") {
			t.Errorf("%s: %s, %v", what, out, err)
		}
	}
}
