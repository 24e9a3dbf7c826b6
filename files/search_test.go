package files_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

func searched(t testing.TB, c *httpxtest.Client, query ...string) page {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	return decode[page](t, c.Do("GET", "/files/search?"+v.Encode(), nil).Want(t, 200))
}

func (p page) paths() []string {
	list := make([]string, len(p.Items))
	for i, it := range p.Items {
		list[i] = it.Path
	}
	return list
}

func TestSearch_FindsNamesAnywhereInTheTreeAndNowhereElse(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	for _, name := range []string{"documents/Report 2024.pdf", "documents/tax/Annual REPORT.txt", "documents/tax/100%_sure.txt",
		"images/Straße.jpg", "images/Книга отчётов.jpg", "images/日本語レポート.png", "images/E\u0301te\u0301.jpg", "backups/ab", "backups/cab"} {
		c.Do("PUT", "/files/content/"+(&url.URL{Path: name}).EscapedPath()+"?parents=true", name).Want(t, 201)
	}
	other.Do("PUT", "/files/content/documents/report.pdf", "theirs").Want(t, 201)
	for _, try := range []struct {
		q    string
		want []string
	}{
		{"report", []string{"/documents/tax/Annual REPORT.txt", "/documents/Report 2024.pdf"}},
		{"2024 REP", []string{"/documents/Report 2024.pdf"}},
		{"report 2", []string{"/documents/Report 2024.pdf"}},
		{"книг", []string{"/images/Книга отчётов.jpg"}},
		{"レポート", []string{"/images/日本語レポート.png"}},
		{"日本", []string{"/images/日本語レポート.png"}},
		{"本語", nil}, // short words begin a name
		{"été", []string{"/images/E\u0301te\u0301.jpg"}},
		{"STRASSE", nil},
		{"traße", []string{"/images/Straße.jpg"}},
		{"%_s", []string{"/documents/tax/100%_sure.txt"}},
		{"0_0", nil},
		{"___", nil},
		{"ab", []string{"/backups/ab"}},
		{"a rt", []string{"/documents/tax/Annual REPORT.txt"}},
		{"nothing", nil},
	} {
		if got := searched(t, c, "q", try.q).paths(); !slices.Equal(got, try.want) && len(got)+len(try.want) > 0 {
			t.Errorf("%q finds %q, want %q", try.q, got, try.want)
		}
	}
	// Not what lies in the trash, by itself or below.
	tax := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/tax", nil).Want(t, 200))
	c.Do("DELETE", "/files/items/"+tax.ID, nil).Want(t, 204)
	if got := searched(t, c, "q", "report").paths(); !slices.Equal(got, []string{"/documents/Report 2024.pdf"}) {
		t.Errorf("got %q", got)
	}
	if got := searched(t, c, "q", "tax").paths(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestSearch_FiltersAndPages(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	var want []string
	for i := range 12 {
		path := fmt.Sprintf("/documents/a/note %02d.txt", i)
		c.Do("PUT", "/files/content"+strings.ReplaceAll(path, " ", "%20")+"?parents=true", strings.Repeat("x", i)).Want(t, 201)
		want = append(want, path)
	}
	c.Do("PUT", "/files/content/images/note.png", "x").Want(t, 201)
	c.Do("POST", "/files/folders", map[string]string{"path": "/images/notes"}).Want(t, 201)
	a := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200)).ID
	var got []string
	for query := []string{"q", "note", "folder_id", a, "limit", "5"}; ; {
		page := searched(t, c, query...)
		got = append(got, page.paths()...)
		if page.NextCursor == nil {
			break
		}
		query = append(query[:6:6], "cursor", *page.NextCursor)
		c.Do("GET", "/files/search?q=other&cursor="+*page.NextCursor, nil).WantProblem(t, 400, "invalid_cursor")
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages hold %q", got)
	}
	for _, try := range []struct {
		query []string
		want  []string
	}{
		{[]string{"q", "note", "type", "folder"}, []string{"/images/notes"}},
		{[]string{"q", "note", "media_type", "image/*"}, []string{"/images/note.png"}},
		{[]string{"q", "note", "media_type", "image/png"}, []string{"/images/note.png"}},
		{[]string{"min_size", "10"}, want[10:]},
		{[]string{"min_size", "3", "max_size", "4"}, want[3:5]},
		{[]string{"q", "note", "modified_before", "2020-01-01T00:00:00Z"}, nil},
		{[]string{"q", "note.", "modified_after", "2020-01-01T00:00:00Z"}, []string{"/images/note.png"}},
	} {
		if got := searched(t, c, try.query...).paths(); !slices.Equal(got, try.want) && len(got)+len(try.want) > 0 {
			t.Errorf("%q finds %q, want %q", try.query, got, try.want)
		}
	}
	for _, bad := range []string{"type=x", "min_size=x", "modified_after=x", "folder_id=x", "q=" + strings.Repeat("x", 1001)} {
		c.Do("GET", "/files/search?"+bad, nil).WantProblem(t, 400, "invalid_parameter")
	}
	c.Do("GET", "/files/search?folder_id=01234567-89ab-7def-8123-456789abcdef", nil).WantProblem(t, 404, "not_found")
}

func TestSearch_ReadsLittleOfALargeTable(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, ann := h.member(t, "ann@example.com")
	small, bob := h.member(t, "bob@example.com")
	for _, client := range []*httpxtest.Client{c, small} {
		client.Do("GET", "/files/items/root", nil).Want(t, 200)
	}
	for id, n := range map[string]int{ann: 20_000, bob: 100} {
		h.exec(t, `INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, media_type, sha256, mtime)
			SELECT gen_random_uuid(), $1, t.root_id, 1, m.w, m.w, 'text/plain', '\x00', 0
			  FROM trees t, generate_series(1, $2::int) AS n,
			       LATERAL (SELECT md5(n::text) || CASE WHEN n % 100 = 0 THEN ' rare' ELSE '' END || ' common') AS m (w)
			 WHERE t.owner_id = $1`, id, n)
	}
	// As autovacuum does it, which may only the tables' owner.
	err := h.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SET LOCAL ROLE none")
		for _, sql := range []string{"ANALYZE items", "SELECT gin_clean_pending_list('items_search_idx')"} {
			if err == nil {
				_, err = tx.Exec(t.Context(), sql)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		owner string
		q     string
		found int
	}{
		{ann, "common", 50}, {ann, "rare common", 50}, {ann, "c4ca4238a0b923820dcc509a6f75849b", 1}, {ann, "zzzzzz", 0}, {ann, "c4", 50},
		{bob, "common", 50}, {bob, "rare", 1}, {bob, "nowhere", 0},
	} {
		client := c
		if try.owner == bob {
			client = small
		}
		if got := searched(t, client, "q", try.q); len(got.Items) != try.found {
			t.Errorf("%q finds %d, want %d", try.q, len(got.Items), try.found)
		}
		for _, plan := range h.files.ExplainSearch(t, try.owner, try.q) {
			if read := rowsRead(plan); read > 6_000 || plan == nil {
				t.Errorf("%q reads %v rows of items by a %v", try.q, read, plan["Plans"].([]any)[0].(map[string]any)["Node Type"])
			}
		}
	}
}

// rowsRead counts what the scans of items below a node of a plan have read.
func rowsRead(node map[string]any) (rows float64) {
	number := func(name string) float64 { n, _ := node[name].(float64); return n }
	if node["Relation Name"] == "items" {
		rows = number("Actual Loops") * (number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck"))
	}
	plans, _ := node["Plans"].([]any)
	for _, p := range plans {
		rows += rowsRead(p.(map[string]any))
	}
	return rows
}
