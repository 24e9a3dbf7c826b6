package dbtest_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"
)

func TestNew_EachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			if err := db.Exec(t.Context(), d, `-- name: dbtest_test.Insert
				INSERT INTO jobs (name, next_run_at) VALUES ('test.once', now())`); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOpen_TwiceIsTwoWorkersOnOneDatabase(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	one, two := dbtest.Open(t, url), dbtest.Open(t, url)
	if err := db.Exec(t.Context(), one, `INSERT INTO jobs (name, next_run_at) VALUES ('test.shared', now())`); err != nil {
		t.Fatal(err)
	}
	name, err := db.One(t.Context(), two, db.Value[string], `SELECT name FROM jobs`)
	if err != nil || name != "test.shared" {
		t.Errorf("%q, %v", name, err)
	}
}

// again runs a test of this binary in a process of its own.
func again(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestServer_IsSharedByProcessesAndRemovedAfterTheLast(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			out, err := again(t, "TestNew_EachTestHasItsOwnDatabase", "HOMEBASE_TEST_STATE="+state, "HOMEBASE_TEST_DATABASE_URL=", "CI=1")
			if err != nil || strings.Contains(out, "SKIP") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	for {
		left, err := os.ReadDir(state)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestServer_MissingPostgresFailsInCIAndSkipsLoudlyElsewhere(t *testing.T) {
	t.Parallel()
	// No state folder can be made below a file.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOMEBASE_TEST_STATE=" + filepath.Join(file, "state"), "HOMEBASE_TEST_DATABASE_URL="}
	const test = "TestOpen_TwiceIsTwoWorkersOnOneDatabase"
	if out, err := again(t, test, append(env, "CI=true")...); err == nil || !strings.Contains(out, "no PostgreSQL for the tests") {
		t.Errorf("in CI: %v\n%s", err, out)
	}
	if out, err := again(t, test, append(env, "CI=")...); err != nil || !strings.Contains(out, "SKIPPED, NOTHING WAS TESTED") {
		t.Errorf("elsewhere: %v\n%s", err, out)
	}
}
