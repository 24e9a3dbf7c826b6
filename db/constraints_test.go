package db_test

import (
	"regexp"
	"slices"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"
)

// What has a meaning is in schema.sql, where every constraint and every unique index has a
// name that says what it is. Those of partitions are their table's.
func TestConstraints_AreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	names, err := db.All(t.Context(), d, db.Value[string], `SELECT c.conname::text
		  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		 WHERE r.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND c.contype IN ('c', 'f', 'u', 'x', 'p')
		UNION
		SELECT i.relname::text
		  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
		 WHERE r.relnamespace = 'public'::regnamespace AND NOT r.relispartition AND x.indisunique`)
	if err != nil {
		t.Fatal(err)
	}
	code, sentence := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), regexp.MustCompile(`^[A-Z].*\.$`)
	for name, c := range db.Constraints() {
		if !slices.Contains(names, name) {
			t.Errorf("%s of constraints.go is not in schema.sql", name)
		}
		if !code.MatchString(c[0]) || !sentence.MatchString(c[1]) {
			t.Errorf("%s: %q is no code or %q no sentence", name, c[0], c[1])
		}
	}
	form := regexp.MustCompile(`_(pkey|key|fkey|check|excl)$`)
	for _, name := range names {
		if !form.MatchString(name) {
			t.Errorf("%s of schema.sql is not named <table>_<what>_<pkey|key|fkey|check>", name)
		}
	}
}
