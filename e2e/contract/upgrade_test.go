package contract_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
)

// lastRelease is schema.sql as the last release has it: its steps, which are
// those of all releases, are never edited. Whose workers may still be running
// is that release.
const lastRelease = "testdata/released/v0.1.0-rc.1.sql"

func releasedSchema(t *testing.T) (string, []db.Step) {
	t.Helper()
	text, err := os.ReadFile(lastRelease)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := db.ParseSteps(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), steps
}

func TestSchema_NoReleasedStepIsEdited(t *testing.T) {
	t.Parallel()
	_, old := releasedSchema(t)
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil || len(steps) < len(old) {
		t.Fatalf("schema.sql has %d steps, %s has %d: %v", len(steps), lastRelease, len(old), err)
	}
	for i, s := range old {
		if steps[i].Hash != s.Hash {
			t.Errorf("step %d (%s) was edited: restore its text and put the change into a new step at the end", s.Number, s.Title)
		}
	}
}

// TestSchema_ExpandsBeforeItContracts: what the workers of the release before
// ask for is there until the next one.
func TestSchema_ExpandsBeforeItContracts(t *testing.T) {
	t.Parallel()
	columns := func(text string) map[string]string {
		t.Helper()
		d := dbtest.Open(t, dbtest.CreateEmpty(t))
		if err := d.Migrate(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		list, err := db.All(t.Context(), d, func(row pgx.Row) (c [3]string, err error) {
			err = row.Scan(&c[0], &c[1], &c[2])
			return c, err
		}, `SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
		           CASE WHEN a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' THEN 'must be given' ELSE '' END
		      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			found[c[0]] = c[1] + " " + c[2]
		}
		return found
	}
	text, _ := releasedSchema(t)
	was, is := columns(text), columns(dbtest.Schema(t))
	tables := map[string]bool{}
	for name, kind := range was {
		table, _, _ := strings.Cut(name, ".")
		tables[table] = true
		if is[name] != kind {
			t.Errorf("%s was %q and is %q: the workers of the release before still use it", name, kind, is[name])
		}
	}
	for name, kind := range is {
		table, _, _ := strings.Cut(name, ".")
		if tables[table] && was[name] == "" && strings.HasSuffix(kind, "must be given") {
			t.Errorf("%s is new and must be given: the workers of the release before do not give it", name)
		}
	}
}

// TestUpgrade_StepsAreAppliedWhileTheOldWorkersServe: a database of the
// released schema with data in it comes up to this one, then to one that is
// newer, while a server works; then that server's release is refused.
func TestUpgrade_StepsAreAppliedWhileTheOldWorkersServe(t *testing.T) {
	t.Parallel()
	text, old := releasedSchema(t)
	url := dbtest.CreateEmpty(t)
	d := dbtest.Open(t, url)
	if err := d.Migrate(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), d, `INSERT INTO flags (key, description, enabled, public, rules) VALUES ('kept', '', true, true, '[]')`); err != nil {
		t.Fatal(err)
	}
	s := start(t, "HOMEBASE_DATABASE_URL="+url, "HOMEBASE_RATE_LIMITS=off")
	c := s.signIn(t, "me@example.com")
	if out := string(c.Do("GET", "/system/flags", nil).Want(t, 200).Body); !strings.Contains(out, "kept") {
		t.Errorf("after step %d: %s", len(old), out)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	written := make(chan struct{})
	writing.Go(func() {
		defer close(written) // also when a write fails
		for i := 0; ; i++ {
			c.Do("PUT", fmt.Sprint("/files/content/documents/", i), "x").Want(t, 201)
			select {
			case <-stop:
				return
			case written <- struct{}{}:
			default:
			}
		}
	})
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	newer := dbtest.Schema(t) + fmt.Sprintf("\n\n-- step %d: newer\nALTER TABLE items ADD COLUMN note text;\nCREATE TABLE notes (id uuid NOT NULL);\n", len(steps)+1)
	if err := d.Migrate(t.Context(), newer); err != nil {
		t.Error(err)
	}
	<-written
	<-written // this one began after the step
	close(stop)
	writing.Wait()
	c.Do("GET", "/system/ready", nil).Want(t, 200)
	if out, err := homebase(append(s.env, "HOMEBASE_LISTEN=127.0.0.1:"+freePort(t)), "serve"); err == nil || !strings.Contains(out, "the database is newer than this program") {
		t.Errorf("an older release on the newer schema: %v\n%s", err, out)
	}
}
