package db_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"homebase/db"
	"homebase/db/dbtest"
)

const twoSteps = `-- A schema.

-- step 1: people
CREATE TABLE people (name text CONSTRAINT people_pkey PRIMARY KEY);
INSERT INTO people VALUES ('Ann');

-- step 2: pets
CREATE TABLE pets (name text);
`

func empty(t *testing.T) *db.DB {
	t.Helper()
	return dbtest.Open(t, dbtest.CreateEmpty(t))
}

func TestParseSteps_NumbersCountFromOne(t *testing.T) {
	t.Parallel()
	steps, err := db.ParseSteps(twoSteps)
	if err != nil || len(steps) != 2 || steps[1].Title != "pets" || !strings.HasSuffix(steps[1].SQL, "(name text);") {
		t.Errorf("%+v, %v", steps, err)
	}
	for _, bad := range []string{"", "CREATE TABLE x ();", "-- step 2: two", "-- step 1: one\n-- step 3: three", "-- step 1: one\n-- step 1: one"} {
		if _, err := db.ParseSteps(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestMigrate_EightAtOnceApplyEachStepOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.CreateEmpty(t)
	var wg sync.WaitGroup
	for range 8 {
		d := dbtest.Open(t, url)
		wg.Go(func() {
			if err := d.Migrate(t.Context(), twoSteps); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d := dbtest.Open(t, url)
	if n := value[int](t, owner(t, url), `SELECT count(*) FROM people`); n != 1 {
		t.Errorf("step 1 was applied %d times", n)
	}
	if err := d.Migrated(t.Context(), twoSteps); err != nil {
		t.Errorf("ready: %v", err)
	}
	for _, other := range []string{
		twoSteps + "\n-- step 3: more\nSELECT 1;",
		strings.Replace(twoSteps, "pets (", "cats (", 1),
		strings.Replace(twoSteps, "people (", "persons (", 1),
	} {
		if d.Migrated(t.Context(), other) == nil {
			t.Errorf("a database that lacks a step, or has another, passes for ready: %s", other)
		}
	}
	status, err := d.MigrationStatus(t.Context(), twoSteps)
	if err != nil || len(status) != 2 || status[0].AppliedAt == nil || status[1].AppliedAt == nil || status[1].AppliedAt.Location() != time.UTC || status[0].Problem != "" {
		t.Errorf("%+v, %v", status, err)
	}
}

// What a person asks for while the server starts for the first time.
func TestSameSchema_WaitsForWhoAppliesSteps(t *testing.T) {
	t.Parallel()
	const schema = twoSteps + "\n-- step 3: slow\nSELECT pg_sleep(0.5);"
	d := empty(t)
	ended := make(chan error, 1)
	go func() { ended <- d.Migrate(t.Context(), schema) }()
	for status := []db.StepStatus(nil); len(status) < 3 || status[1].AppliedAt == nil; time.Sleep(time.Millisecond) {
		var err error
		if status, err = d.MigrationStatus(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SameSchema(t.Context(), schema); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMigrate_RefusesAnEditedStepByName(t *testing.T) {
	t.Parallel()
	d := empty(t)
	if err := d.Migrate(t.Context(), twoSteps); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(twoSteps, "(name text);", "(name text, age integer);", 1) + "-- step 3: more\nCREATE TABLE more ();"
	err := d.Migrate(t.Context(), edited)
	if err == nil || !strings.Contains(err.Error(), "step 2 (pets) was edited") {
		t.Errorf("error %v", err)
	}
	status, err := d.MigrationStatus(t.Context(), edited)
	if err != nil || status[0].Problem != "" || status[1].Problem == "" || status[2].AppliedAt != nil {
		t.Errorf("%+v, %v", status, err)
	}
	// Space after the last statement is no edit: the next step moves it.
	if err := d.Migrate(t.Context(), twoSteps+"\n\n-- step 3: more\nCREATE TABLE more ();"); err != nil {
		t.Error(err)
	}
}

func TestMigrate_RefusesADatabaseThatIsNewer(t *testing.T) {
	t.Parallel()
	d := empty(t)
	if err := d.Migrate(t.Context(), twoSteps); err != nil {
		t.Fatal(err)
	}
	older, _, _ := strings.Cut(twoSteps, "-- step 2")
	err := d.Migrate(t.Context(), older)
	if err == nil || !strings.Contains(err.Error(), "newer") || !strings.Contains(err.Error(), "step 2 (pets)") {
		t.Errorf("error %v", err)
	}
	// A server of the release before goes on serving meanwhile; a command does not begin.
	if err := d.Migrated(t.Context(), older); err != nil {
		t.Errorf("ready: %v", err)
	}
	if err := d.SameSchema(t.Context(), older); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a command: %v", err)
	}
	status, err := d.MigrationStatus(t.Context(), older)
	if err != nil || len(status) != 2 || status[1].Problem == "" {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestMigrate_AFailingStepLeavesWholeStepsOnly(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"error":       "CREATE TABLE more ();\nSELECT nonsense;",
		"own COMMIT":  "CREATE TABLE more (); ROLLBACK;",
		"not allowed": "CREATE TABLE more (); CREATE DATABASE inside;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := empty(t)
			err := d.Migrate(t.Context(), twoSteps+"-- step 3: more\n"+bad)
			if err == nil || !strings.Contains(err.Error(), "step 3 (more)") {
				t.Errorf("error %v", err)
			}
			status, err := d.MigrationStatus(t.Context(), twoSteps+"-- step 3: more\n"+bad)
			if err != nil || status[1].AppliedAt == nil || status[2].AppliedAt != nil {
				t.Errorf("%+v, %v", status, err)
			}
			if value[bool](t, d, `SELECT to_regclass('more') IS NOT NULL`) {
				t.Error("half a step was left")
			}
			if err := d.Migrate(t.Context(), twoSteps+"-- step 3: more\nCREATE TABLE more ();"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMigrate_WaitsForALockWithoutHoldingUpOthers(t *testing.T) {
	t.Parallel()
	url := dbtest.CreateEmpty(t)
	d := dbtest.Open(t, url)
	if err := d.Migrate(t.Context(), twoSteps); err != nil {
		t.Fatal(err)
	}
	old := owner(t, url)
	must(t, old, `BEGIN; SELECT name FROM pets`) // a worker of the release before
	done := make(chan error, 1)
	go func() { done <- d.Migrate(t.Context(), twoSteps+"-- step 3: ages\nALTER TABLE pets ADD age integer;") }()
	eventually(t, "the step waits", func() bool {
		return value[bool](t, d, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'pets'::regclass
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	})
	must(t, old, `COMMIT`)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMigrate_RuntimeRoleMayOnlyAddToTheAudit(t *testing.T) {
	t.Parallel()
	d := empty(t)
	const schema = `-- step 1: audit
		CREATE TABLE audit_events (id integer);
		CREATE TABLE audit_seals (id integer);
		CREATE TABLE others (id integer GENERATED ALWAYS AS IDENTITY, n integer);`
	for range 2 { // grants applied anew change nothing
		if err := d.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
	if value[string](t, d, `SELECT current_user::text`) != "homebase_runtime" {
		return // a server without the role: grants are not made there
	}
	try := func(sql string) bool {
		t.Helper()
		err := db.Exec(t.Context(), d, sql)
		if err != nil && !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", sql, err)
		}
		return err == nil
	}
	for sql, want := range map[string]bool{
		`INSERT INTO audit_events VALUES (1)`: true,
		`SELECT id FROM audit_events`:         true,
		`UPDATE audit_events SET id = 2`:      false,
		`DELETE FROM audit_events`:            false,
		`TRUNCATE audit_events`:               false,
		`DROP TABLE audit_events`:             false,
		`INSERT INTO audit_seals VALUES (1)`:  true,
		`DELETE FROM audit_seals`:             false,
		`INSERT INTO others (n) VALUES (1)`:   true,
		`UPDATE others SET n = 2`:             true,
		`DELETE FROM others`:                  true,
		`DROP TABLE others`:                   false,
		`SELECT number FROM schema_steps`:     true,
		`DELETE FROM schema_steps`:            false,
		`CREATE TABLE mine (id integer)`:      false,
	} {
		if got := try(sql); got != want {
			t.Errorf("%s: allowed %v, want %v", sql, got, want)
		}
	}
}

func TestSchema_AppliesToAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	d := empty(t)
	schema := dbtest.Schema(t)
	for range 2 {
		if err := d.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.InTx(t.Context(), func(tx pgx.Tx) error {
		must(t, tx, `SELECT similarity('homebase', 'home')`)
		if n := must(t, tx, `UPDATE instance SET data_dir_id = gen_random_uuid(), secret_fingerprint = '\x00'`); n != 1 {
			t.Errorf("instance has %d rows", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// House rule: an indexed text column sorts by bytes.
	bad, err := db.All(t.Context(), d, db.Value[string], `SELECT DISTINCT r.relname || '.' || a.attname
		  FROM pg_index x JOIN pg_class r ON r.oid = x.indrelid
		  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = ANY (x.indkey)
		 WHERE r.relnamespace = 'public'::regnamespace AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)
		   AND a.attcollation <> '"C"'::regcollation`)
	if err != nil || len(bad) != 0 {
		t.Errorf("indexed without COLLATE \"C\": %v, %v", bad, err)
	}
}
