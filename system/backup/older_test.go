package backup_test

import (
	"bytes"
	"context"
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
	"homebase/cli"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/files"
	"homebase/system/backup"

	"github.com/jackc/pgx/v5"
)

// fixture is the backup of a release, made by its own program: see
// TestUpgrade_TheBackupOfEveryReleaseIsRestored in e2e/contract.
const fixture = "testdata/v0.1.0-rc.1"

// keys are those that a program derives from the secret of the fixture.
func keys(purpose string) [][]byte { return authtest.Keys("homebase " + purpose) }

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
func commands(t *testing.T, url, data, schema string) (d *db.DB, run func(ctx context.Context, args ...string) (string, error)) {
	t.Helper()
	d = dbtest.Open(t, url)
	app, err := os.ReadFile("../../projects/analytics/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	record := audit.New(d, log, keys)
	identity := auth.New(auth.Config{DB: d, Audit: record, Log: log, PublicURL: authtest.PublicURL, Keys: keys})
	storage := files.New(files.Config{DB: d, Audit: record, Log: log, DataDir: data, DefaultQuota: 1 << 30, UploadExpiry: time.Hour,
		Keys: keys, Auth: identity})
	room := &backup.Backup{
		DB: d, Audit: record, Files: storage, Version: "an early release", Schemas: map[string]string{"public": schema, "app_analytics": string(app)},
		Migrate:  func(ctx context.Context) error { return d.Migrate(ctx, schema) },
		Restored: identity.Restored, Fingerprints: identity.Fingerprints, Keys: keys,
	}
	return d, func(ctx context.Context, args ...string) (string, error) {
		for _, c := range append(room.Commands(), storage.Commands()...) {
			if rest, ok := strings.CutPrefix(strings.Join(args, "\x00")+"\x00", strings.ReplaceAll(c.Name, " ", "\x00")+"\x00"); ok {
				var out bytes.Buffer
				sh := &cli.Shell{Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard, Connect: func(context.Context, cli.Need) error { return nil }}
				err := c.Run(ctx, sh, strings.FieldsFunc(rest, func(r rune) bool { return r == 0 }))
				return out.String(), err
			}
		}
		return "", fmt.Errorf("no command %v", args)
	}
}

func TestRestore_ABackupOfAnOlderSchemaComesUpToThisOne(t *testing.T) {
	t.Parallel()
	data, schema := filepath.Join(t.TempDir(), "data"), dbtest.Schema(t)
	steps, err := db.ParseSteps(schema)
	if err != nil {
		t.Fatal(err)
	}
	schema += fmt.Sprintf("\n\n-- step %d: newer\nALTER TABLE trees ADD COLUMN note text NOT NULL DEFAULT 'new';\n", len(steps)+1)
	d, run := commands(t, dbtest.CreateEmpty(t), data, schema)
	if out, err := run(t.Context(), "restore", fixture, "--check"); err != nil || !strings.Contains(out, "can be restored") {
		t.Fatalf("%s: %v", out, err)
	}
	if out, err := run(t.Context(), "restore", fixture); err != nil || !strings.Contains(out, "5 files") {
		t.Fatalf("%s: %v", out, err)
	}
	if err := d.Migrated(t.Context(), schema); err != nil {
		t.Error(err)
	}
	if out, err := run(t.Context(), "files", "verify"); err != nil {
		t.Errorf("%s: %v", out, err)
	}
	type row struct {
		note             string
		trees, open, own int64
	}
	r, err := db.One(t.Context(), d, func(row0 pgx.Row) (r row, err error) {
		err = row0.Scan(&r.note, &r.trees, &r.open, &r.own)
		return r, err
	}, `SELECT min(note), count(*) FILTER (WHERE reserved = 0), (SELECT count(*) FROM sessions WHERE revoked_at IS NULL),
	           (SELECT used FROM trees t JOIN users u ON u.id = t.owner_id) FROM trees`)
	if err != nil || r != (row{"new", 2, 0, 77}) {
		t.Errorf("%+v, %v", r, err)
	}
	if last, err := db.One(t.Context(), d, db.Value[int64], `SELECT last_value FROM workers_id_seq`); err != nil || last < 3 {
		t.Errorf("the next worker would have the number after %d, which was given before: %v", last, err)
	}
}

func TestRestore_ABackupOfANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, run := commands(t, dbtest.CreateEmpty(t), data, firstSteps(t, 18))
	for _, args := range [][]string{{"restore", fixture}, {"restore", fixture, "--check"}} {
		out, err := run(t.Context(), args...)
		if err == nil || !strings.Contains(err.Error(), "newer than this program") || !strings.Contains(err.Error(), "has step 19 (") {
			t.Errorf("%s, %v", out, err)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("the data directory was made")
	}
}
