package bench

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// tableAt names the page whose table is made from this run.
const tableAt = "BENCH_TABLE"

// measured is what the table tells of an operation.
type measured struct {
	name  string
	micro float64 // microseconds of processor time
	ratio float64 // to the bare server
}

var (
	rows []measured
	rest string // a sentence
)

// row notes the last run of a benchmark.
func row(b *testing.B, micro, ratio float64) {
	name := strings.TrimSuffix(strings.TrimPrefix(b.Name(), "Benchmark"), "/homebase")
	if n := len(rows); n > 0 && rows[n-1].name == name {
		rows = rows[:n-1]
	}
	rows = append(rows, measured{name, micro, ratio})
}

// writeTable puts the rows between the marks of a page.
func writeTable(page string) error {
	const begin, end = "<!-- measured -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, after, ok := bytes.Cut(text, []byte(begin))
	_, after, also := bytes.Cut(after, []byte(end))
	if !ok || !also {
		return fmt.Errorf("%s has no place for the table", page)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n| operation | processor time | a core does | times a bare Go server |\n| --- | --- | --- | --- |\n", before, begin)
	for _, r := range rows {
		rate := fmt.Sprintf("%.0f a second", 1e6/r.micro)
		if r.micro > 1e6/10 {
			rate = fmt.Sprintf("%.1f a second", 1e6/r.micro)
		}
		fmt.Fprintf(&b, "| %s | %.0f µs | %s | %.2f |\n", r.name, r.micro, rate, r.ratio)
	}
	fmt.Fprintf(&b, "\n%s\n%s%s", rest, end, after)
	return os.WriteFile(page, []byte(b.String()), 0o644)
}
