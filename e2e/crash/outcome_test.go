package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeOutcomes puts them between the marks of a page.
func writeOutcomes(page string, all []outcome) error {
	const begin, end = "<!-- machines -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, after, ok := strings.Cut(string(text), begin)
	_, after, also := strings.Cut(after, end)
	if !ok || !also {
		return fmt.Errorf("%s has no place for the table", page)
	}
	var b strings.Builder
	var acknowledged, unknown int64
	var stale time.Duration
	b.WriteString("| what happens | for | first acknowledged write | longest time without one | both workers serve again |\n| --- | --- | --- | --- | --- |\n")
	for _, o := range all {
		fmt.Fprintf(&b, "| %s | %.0f s | %s | %.1f s | %s |\n", o.name, o.lasts.Seconds(), within(o.first), o.silence.Seconds(), o.served())
		acknowledged, unknown, stale = acknowledged+o.answers[0], unknown+o.answers[1], max(stale, o.stale)
	}
	fmt.Fprintf(&b, "\nOf %d acknowledged changes none was lost, and of %d without an answer all or nothing was there. No worker gave a content that had been replaced for more than %.1f s.\n", acknowledged, unknown, stale.Seconds())
	return os.WriteFile(page, []byte(before+begin+b.String()+end+after), 0o644)
}

// served is from when on both servers answered everything.
func (o outcome) served() string {
	text := within(max(o.serve[0], o.serve[1]))
	switch {
	case min(o.serve[0], o.serve[1]) < 0:
		text = within(-1)
	case o.serve == [2]time.Duration{}:
		text = "never ceased"
	}
	if o.restarts > 0 {
		text += ", started anew"
	}
	return text
}

func within(d time.Duration) string {
	if d < 0 {
		return "not again"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func TestMachines_TheirTimesTakeThePlaceOfTheOldOnesAlone(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/scaling.md")
	must(t, err)
	page := filepath.Join(t.TempDir(), "scaling.md")
	must(t, os.WriteFile(page, text, 0o644))
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	all := []outcome{
		{fault: fault{name: "nothing", lasts: second(5)}, first: second(0.52), silence: second(1), answers: [2]int64{100, 0}},
		{fault: fault{name: "one ends", lasts: second(8)}, first: second(21.5), silence: second(21.5), serve: [2]time.Duration{0, second(26.71)}, restarts: 1, stale: second(0.24), answers: [2]int64{20, 3}},
		{fault: fault{name: "all is lost", lasts: second(8)}, first: -1, silence: second(60), serve: [2]time.Duration{second(4), -1}},
	}
	const want = `<!-- machines -->
| what happens | for | first acknowledged write | longest time without one | both workers serve again |
| --- | --- | --- | --- | --- |
| nothing | 5 s | 0.5 s | 1.0 s | never ceased |
| one ends | 8 s | 21.5 s | 21.5 s | 26.7 s, started anew |
| all is lost | 8 s | not again | 60.0 s | not again |

Of 120 acknowledged changes none was lost, and of 3 without an answer all or nothing was there. No worker gave a content that had been replaced for more than 0.2 s.
<!-- end -->`
	for range 2 { // what it wrote has room for the next
		must(t, writeOutcomes(page, all))
		got, err := os.ReadFile(page)
		must(t, err)
		before, rest, _ := strings.Cut(string(text), "<!-- machines -->")
		_, after, _ := strings.Cut(rest, "<!-- end -->")
		if string(got) != before+want+after {
			t.Fatalf("got %s", got)
		}
	}
	must(t, os.WriteFile(page, []byte("no marks"), 0o644))
	if writeOutcomes(page, all) == nil {
		t.Fatal("a page without a place was written")
	}
}
