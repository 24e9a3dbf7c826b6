package files

import (
	"archive/zip"
	"strconv"
	"strings"
	"testing"
	"time"

	"homebase/db"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ZipLengths foresees the length of an archive of files with these sizes, -1
// for a folder, and lets archive/zip write one.
func ZipLengths(t *testing.T, sizes []int64) (foreseen, written int64) {
	var length zipLength
	var count counter
	z := zip.NewWriter(&count)
	zeros := make([]byte, 1<<20)
	for i, size := range sizes {
		name, it := strconv.Itoa(i)+" ü", item{journal.Item{Kind: journal.File, Size: size, MediaType: new(octetStream)}}
		if size < 0 {
			name, it = name+"/", item{journal.Item{Kind: journal.Folder}}
		}
		length.add(name, &it, max(size, 0))
		w, err := z.CreateHeader(zipHeader(name, &it, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		for left := size; left > 0; left -= int64(len(zeros)) {
			if _, err := w.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return length.total(), int64(count)
}

// ClaimNames claims the names of one folder of an archive, and tells how many
// were tried, with marks and without.
func ClaimNames(names []string) (claimed []string, tries int) {
	var t zipNames
	for _, name := range names {
		claimed = append(claimed, t.claim(name))
	}
	return claimed, t.tries
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// SetBeat makes streams beat, and workers look for changes, more often than
// every fifteen seconds. It is called before Start.
func (f *Files) SetBeat(every time.Duration) { f.fd.hub.beat = every }

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
	explain(itemsByRuns, pgx.QueryExecModeDescribeExec, id, runsOf(strings.Fields(q)), mostSorted+1)
	c := criteria{args: []any{id, 51}}
	if err := f.rd.addWords(t.Context(), &c, id, q); err != nil {
		t.Fatal(err)
	}
	sql, args := c.query()
	explain(sql, args...)
	return plans
}
