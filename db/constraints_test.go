package db_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"
)

// Every name in schema.sql that a statement can violate has a meaning, and
// every meaning a name. The constraints of partitions are those of their
// table.
func TestConstraints_AreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	named := func(sql string) []string {
		t.Helper()
		names, err := db.All(t.Context(), d, db.Value[string], sql)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	needed := named(`SELECT c.conname::text
		  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		 WHERE r.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND c.contype IN ('c', 'f', 'u', 'x')
		UNION
		SELECT i.relname::text
		  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
		 WHERE r.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND x.indisunique AND NOT x.indisprimary
		 ORDER BY 1`)
	keys := named(`SELECT c.conname::text
		  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		 WHERE r.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND c.contype = 'p'`)

	listed := db.Constraints()
	for _, name := range needed {
		if _, ok := listed[name]; !ok {
			t.Errorf("%s of schema.sql is in neither table of constraints.go: a route that refuses such input first makes it one of the defects", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !slices.Contains(needed, name) && !slices.Contains(keys, name) {
			t.Errorf("%s of constraints.go is not in schema.sql", name)
		}
	}
	code, sentence := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), regexp.MustCompile(`^[A-Z].*\.$`)
	for name, c := range listed {
		if c[0] == "" && c[1] == "" {
			continue // a defect
		}
		if !code.MatchString(c[0]) || !sentence.MatchString(c[1]) {
			t.Errorf("%s: %q is no code or %q no sentence", name, c[0], c[1])
		}
	}
	form := regexp.MustCompile(`_(pkey|key|fkey|check|excl)$`)
	for _, name := range append(needed, keys...) {
		if !form.MatchString(name) {
			t.Errorf("%s of schema.sql is not named <table>_<what>_<pkey|key|fkey|check>", name)
		}
	}
}
