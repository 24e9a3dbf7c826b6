package files

import (
	"strings"
	"testing"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SetBeat makes streams beat, and workers look for changes, more often than
// every fifteen seconds. It is called before Start.
func (f *Files) SetBeat(every time.Duration) { f.hub.beat = every }

// ExplainSearch carries the statements of a search out and tells their plans.
func (f *Files) ExplainSearch(t testing.TB, owner, q string) (plans []map[string]any) {
	t.Helper()
	explain := func(sql string, args ...any) {
		t.Helper()
		plan, err := db.One(t.Context(), f.db, db.Value[[]struct{ Plan map[string]any }], "EXPLAIN (ANALYZE, FORMAT JSON) "+sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan[0].Plan)
	}
	id := uuid.MustParse(owner)
	if keys := searchKeys(id, strings.Fields(q)); len(keys) > 0 {
		explain(itemsByKeys, pgx.QueryExecModeDescribeExec, keys, mostSorted+1)
	}
	c := criteria{args: []any{id, 51}}
	if err := f.addWords(t.Context(), &c, id, q); err != nil {
		t.Fatal(err)
	}
	sql, args := c.query()
	explain(sql, args...)
	return plans
}
