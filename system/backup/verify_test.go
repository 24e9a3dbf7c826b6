package backup_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homebase/db/dbtest"
)

// fixtureCopy is a backup of a test's own, and the folder of its point.
func fixtureCopy(t *testing.T) (bk, point string) {
	t.Helper()
	bk = filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(bk, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	points, err := filepath.Glob(bk + "/points/*")
	if err != nil || len(points) != 1 {
		t.Fatalf("%v, %v", points, err)
	}
	return bk, points[0]
}

func TestVerify_NamesWhatIsDamagedMissingOrUnlisted(t *testing.T) {
	t.Parallel()
	_, run := commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), dbtest.Schema(t))
	whole, _ := fixtureCopy(t)
	left := filepath.Join(whole, "objects", "00") // by a backup that was killed
	if err := errors.Join(os.MkdirAll(left, 0o700), os.WriteFile(filepath.Join(left, "11"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t.Context(), "backup", "--verify", whole); err != nil || !strings.Contains(out, "is intact") {
		t.Fatalf("%s, %v", out, err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("kept since then"))) // old.txt
	object := filepath.Join("objects", sum[:2], sum[2:])
	if _, err := os.Stat(filepath.Join(whole, object)); err != nil {
		t.Fatal(err)
	}
	cut := func(text []byte) []byte { return text[:len(text)/2] }
	edit := func(text []byte) []byte { return []byte(strings.Replace(string(text), `"rows": 1`, `"rows": 2`, 1)) }
	spoil := func(text []byte) []byte { return append(text[:len(text)-1:len(text)-1], text[len(text)-1]^1) }
	gone := func([]byte) []byte { return nil }
	added := func([]byte) []byte { return []byte("x") }
	for _, row := range []struct {
		path string // below the point, or the backup where it is not there
		how  func([]byte) []byte
		says string
	}{
		{"manifest.json", cut, "manifest.json is damaged"},
		{"manifest.json", edit, "manifest.json is damaged"},
		{"manifest.json", gone, "manifest.json"},
		{"manifest.sum", gone, "manifest.json is damaged"},
		{"manifest.sum", cut, "manifest.json is damaged"},
		{"files.jsonl", cut, "files.jsonl: its bytes"},
		{"loose.jsonl", gone, "loose.jsonl"},
		{"tables/public.users.gz", spoil, "public.users.gz: its bytes"},
		{"tables/public.users.gz", gone, "public.users.gz"},
		{"tables/public.theirs.gz", added, "public.theirs.gz: it is not part"},
		{object, spoil, "old.txt"},
		{object, gone, "old.txt"},
	} {
		bk, point := fixtureCopy(t)
		path := filepath.Join(point, row.path)
		if strings.HasPrefix(row.path, "objects/") {
			path = filepath.Join(bk, row.path)
		}
		text, _ := os.ReadFile(path)
		err := os.RemoveAll(path)
		if text = row.how(text); err == nil && text != nil {
			if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
				err = os.WriteFile(path, text, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := run(t.Context(), "backup", "--verify", bk); err == nil || !strings.Contains(out+err.Error(), row.says) {
			t.Errorf("%s: %s, %v", row.path, out, err)
		}
	}
}

// What was not read because somebody pressed Ctrl-C is not damaged.
func TestVerify_WhenInterruptedCallsNothingDamaged(t *testing.T) {
	t.Parallel()
	_, run := commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), dbtest.Schema(t))
	bk, _ := fixtureCopy(t)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if out, err := run(ctx, "backup", "--verify", bk); out != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", out, err)
	}
}

func TestBackup_AfterAClockThatWasAheadTheNewestIsStillTheLastThatWasMade(t *testing.T) {
	t.Parallel()
	bk, schema := filepath.Join(t.TempDir(), "backup"), dbtest.Schema(t)
	url, data := dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data")
	d, run := commands(t, url, data, schema)
	if err := d.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	points := func() []string {
		list, err := filepath.Glob(bk + "/points/*")
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list
	}
	if out, err := run(t.Context(), "backup", bk); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	ahead := bk + "/points/20990101T000000.000Z"
	if err := os.Rename(points()[0], ahead); err != nil {
		t.Fatal(err)
	}
	_, run = commands(t, url, data, schema) // another process
	if out, err := run(t.Context(), "backup", bk, "--keep", "1"); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	if points()[0] == ahead {
		t.Error("the point that was just made is removed, and the older one kept")
	}
}

func TestBackup_RemovesWhatAnInterruptedOneLeftWhateverItsFolderIsCalled(t *testing.T) {
	t.Parallel()
	bk, schema := filepath.Join(t.TempDir(), "backup [1"), dbtest.Schema(t)
	d, run := commands(t, dbtest.CreateEmpty(t), filepath.Join(t.TempDir(), "data"), schema)
	if err := d.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(bk, "points", "20200101T000000.000Z.unfinished")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t.Context(), "backup", bk); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was left is still there: %v", err)
	}
}
