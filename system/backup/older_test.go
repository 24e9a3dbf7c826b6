package backup_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/files"
	"homebase/system/backup"

	"github.com/jackc/pgx/v5"
)

// make is for a new format alone: what testdata holds was made by an earlier
// release and has to be read for ever.
var makeFixture = flag.Bool("make", false, "make testdata/step6 anew")

const fixture = "testdata/step6"

// firstSteps is the schema as it was when it had n steps.
func firstSteps(t *testing.T, n int) string {
	t.Helper()
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, s := range steps[:n] {
		text.WriteString(s.SQL + "\n\n")
	}
	return text.String()
}

// commands are those of a release that knows the schema, on an empty database.
func commands(t *testing.T, url, data, schema string) (d *db.DB, run func(args ...string) (string, error)) {
	t.Helper()
	d = dbtest.Open(t, url)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	record := audit.New(d, log, authtest.Keys)
	identity := auth.New(auth.Config{DB: d, Audit: record, Log: log, PublicURL: authtest.PublicURL, Keys: authtest.Keys})
	storage := files.New(files.Config{DB: d, Audit: record, Log: log, DataDir: data, DefaultQuota: 1 << 30, UploadExpiry: time.Hour,
		Keys: authtest.Keys, Auth: identity})
	room := backup.New(backup.Config{
		DB: d, Audit: record, Files: storage, Version: "an early release", Schemas: map[string]string{"public": schema},
		Migrate:  func(ctx context.Context) error { return d.Migrate(ctx, schema) },
		Restored: identity.Restored, Fingerprints: identity.Fingerprints, Keys: authtest.Keys,
	})
	return d, func(args ...string) (string, error) {
		for _, c := range append(room.Commands(), storage.Commands()...) {
			if rest, ok := strings.CutPrefix(strings.Join(args, "\x00")+"\x00", strings.ReplaceAll(c.Name, " ", "\x00")+"\x00"); ok {
				var out bytes.Buffer
				sh := &db.Shell{Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard, Connect: func(context.Context, db.Need) error { return nil }}
				err := c.Run(t.Context(), sh, strings.FieldsFunc(rest, func(r rune) bool { return r == 0 }))
				return out.String(), err
			}
		}
		return "", fmt.Errorf("no command %v", args)
	}
}

// older makes the fixture: an installation as a program of six steps left it.
func older(t *testing.T) {
	schema, data := firstSteps(t, 6), t.TempDir()
	d, run := commands(t, dbtest.CreateEmpty(t), data, schema)
	if err := d.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	const owner = "019a0000-0000-7000-8000-000000000001"
	folder := filepath.Join(data, "users", owner, "documents")
	text := []byte("kept since the sixth step\n")
	mtime := time.Date(2026, 11, 1, 12, 0, 0, 123456789, time.UTC)
	for _, err := range []error{os.MkdirAll(folder, 0o700), os.WriteFile(folder+"/old.txt", text, 0o600), os.Chtimes(folder+"/old.txt", mtime, mtime)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	err := d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		for _, sql := range []string{
			`INSERT INTO users (id, email, password_hash) VALUES ('` + owner + `', 'old@example.com', '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')`,
			`INSERT INTO user_roles (user_id, role) VALUES ('` + owner + `', 'admin')`,
			`INSERT INTO sessions (id, user_id, rt_key, user_agent, idle_until, absolute_until)
			 VALUES (gen_random_uuid(), '` + owner + `', decode(repeat('ab', 32), 'hex'), '', now() + interval '9 years', now() + interval '9 years')`,
			`INSERT INTO owners (id, user_id) VALUES ('` + owner + `', '` + owner + `')`,
			`INSERT INTO trees (owner_id, root_id, feed_epoch, seq, used, reserved)
			 VALUES ('` + owner + `', '019a0000-0000-7000-8000-000000000002', gen_random_uuid(), 3, ` + fmt.Sprint(len(text)) + `, 7)`,
			`INSERT INTO items (id, owner_id, kind, name, name_sort, name_folded) VALUES ('019a0000-0000-7000-8000-000000000002', '` + owner + `', 0, '', '', '')`,
			// The child first: rows are found in any order.
			`INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded) VALUES ('019a0000-0000-7000-8000-000000000004', '` + owner + `', '019a0000-0000-7000-8000-000000000002', 0, 'documents', 'documents', 'documents')`,
			`INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded, size, media_type, sha256, mtime)
			 VALUES ('019a0000-0000-7000-8000-000000000003', '` + owner + `', '019a0000-0000-7000-8000-000000000004', 1, 'old.txt', 'old.txt', 'old.txt',
			         ` + fmt.Sprint(len(text)) + `, 'text/plain', sha256('` + string(text) + `'), ` + fmt.Sprint(mtime.UnixNano()) + `)`,
			`INSERT INTO workers (dead_at) VALUES (NULL), (now())`,
			`DELETE FROM workers`,
		} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	if err == nil {
		err = os.RemoveAll(fixture)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run("backup", fixture); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
}

func TestRestore_ABackupOfAnOlderSchemaComesUpToThisOne(t *testing.T) {
	t.Parallel()
	if *makeFixture {
		older(t)
	}
	data, schema := filepath.Join(t.TempDir(), "data"), dbtest.Schema(t)
	d, run := commands(t, dbtest.CreateEmpty(t), data, schema)
	if out, err := run("restore", fixture, "--check"); err != nil || !strings.Contains(out, "can be restored") {
		t.Fatalf("%s: %v", out, err)
	}
	if out, err := run("restore", fixture); err != nil || !strings.Contains(out, "1 files") {
		t.Fatalf("%s: %v", out, err)
	}
	if err := d.Migrated(t.Context(), schema); err != nil {
		t.Error(err)
	}
	if out, err := run("files", "verify"); err != nil {
		t.Errorf("%s: %v", out, err)
	}
	got, err := os.ReadFile(filepath.Join(data, "users/019a0000-0000-7000-8000-000000000001/documents/old.txt"))
	if err != nil || string(got) != "kept since the sixth step\n" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	type row struct{ feedFrom, used, reserved, open int64 }
	r, err := db.One(t.Context(), d, func(row0 pgx.Row) (r row, err error) {
		err = row0.Scan(&r.feedFrom, &r.used, &r.reserved, &r.open)
		return r, err
	}, `SELECT feed_from, used, reserved, (SELECT count(*) FROM sessions WHERE revoked_at IS NULL) FROM trees`)
	if err != nil || r != (row{feedFrom: 3, used: 26}) {
		t.Errorf("%+v, %v", r, err)
	}
	if last, err := db.One(t.Context(), d, db.Value[int64], `SELECT last_value FROM workers_id_seq`); err != nil || last < 3 {
		t.Errorf("the next worker would have the number after %d, which was given before: %v", last, err)
	}
}

func TestRestore_ABackupOfANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, run := commands(t, dbtest.CreateEmpty(t), data, firstSteps(t, 5))
	for _, args := range [][]string{{"restore", fixture}, {"restore", fixture, "--check"}} {
		out, err := run(args...)
		if err == nil || !strings.Contains(err.Error(), "newer than this program") || !strings.Contains(err.Error(), "step 6 (portfolio)") {
			t.Errorf("%s, %v", out, err)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("the data directory was made")
	}
}
