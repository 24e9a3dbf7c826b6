package dbtest

import (
	"testing"
	"time"

	"homebase/db"
)

// Exec runs a statement, for a state that no request brings about.
func Exec(t testing.TB, d *db.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(t.Context(), d, sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Count is the number that a query answers.
func Count(t testing.TB, d *db.DB, sql string, args ...any) int {
	t.Helper()
	n, err := db.One(t.Context(), d, db.Value[int], sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Within waits until done is true and says how long that took. It fails after far
// more than is promised, for a busy machine must not fail the test.
func Within(t testing.TB, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s: not after a minute", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}
