package files_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
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
		{"本語", []string{"/images/日本語レポート.png"}},
		{"本", []string{"/images/日本語レポート.png"}},
		{"été", []string{"/images/E\u0301te\u0301.jpg"}},
		{"STRASSE", []string{"/images/Straße.jpg"}},
		{"STRAẞE", []string{"/images/Straße.jpg"}},
		{"É", []string{"/images/E\u0301te\u0301.jpg"}},
		{"ete", nil}, // accents are kept
		{"traße", []string{"/images/Straße.jpg"}},
		{"%_s", []string{"/documents/tax/100%_sure.txt"}},
		{"0_0", nil},
		{"___", nil},
		{"ab", []string{"/backups/ab", "/backups/cab"}},
		{"tax/", nil},
		{"%", []string{"/documents/tax/100%_sure.txt"}},
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

func TestSearch_FoldsCasesFully(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for name, queries := range map[string][]string{
		"Οδυσσεύς.txt": {"ΟΔΥΣΣΕΎΣ", "οδυσσεύσ", "ς", "Σ", "σσ", "Υ\u0301"},
		"ΜΆΪΟΣ.txt":    {"μάϊος", "ος."},
		"Maße.txt":     {"MASSE", "masse", "MAẞE", "ss", "ß"},
		"ﬁnale ﬅ.txt":  {"FINALE", "finale ST", "i", "ST"},
		"İzmir.txt":    {"izmir", "IZMIR", "İZMİR", "I\u0307zmir", "ızmır"},
		"Isparta.txt":  {"ısparta", "ISPARTA", "isparta"},
		"ﾊﾛ ＡＢ.txt":    {"ａｂ"},
		"ſtyle.txt":    {"style", "STYLE"},
		"ᾠδή.txt":      {"ὨΙΔΉ", "ω\u0313\u0345δη\u0301"},
		"ǰ.txt":        {"J\u030c", "ǰ"},
		"備份.txt":       {"備", "份", "備份", "份."},
	} {
		it := decode[item](t, c.Do("PUT", "/files/content/"+url.PathEscape(name), "x").Want(t, 201))
		for _, q := range queries {
			if got := searched(t, c, "q", q).paths(); !slices.Contains(got, "/"+name) {
				t.Errorf("%q finds %q, not %q", q, got, name)
			}
		}
		c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	}
	c.Do("PUT", "/files/content/izle.txt", "x").Want(t, 201)
	if got := searched(t, c, "q", "İZLE").paths(); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// TestNames_AreFoundAndSortedHoweverTheyCame: each way to write a name makes
// the same keys of it.
func TestNames_AreFoundAndSortedHoweverTheyCame(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put := func(name string) item {
		return decode[item](t, c.Do("PUT", "/files/content/ways/"+url.PathEscape(name)+"?parents=true", "x").Want(t, 201))
	}
	put("ß 1")
	it := put("other")
	c.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{"name": "SS 02"}).Want(t, 201)
	c.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "Ss 3"}).Want(t, 200)
	a := tus(c, "POST", "/files/uploads", nil, "Upload-Length", "0", "Upload-Metadata", metadata("filename", "sS 10", "path", "/ways")).Want(t, 201)
	if a.Header.Get("Content-Location") == "" {
		t.Errorf("got %v", a.Header)
	}
	trashed := put("ẞ 11")
	c.Do("DELETE", "/files/items/"+trashed.ID, nil).Want(t, 204)
	c.Do("POST", "/files/trash/"+trashed.ID+"/restore", nil).Want(t, 200)
	for _, name := range []string{"ss 12", "moved"} {
		if err := os.WriteFile(filepath.Join(h.place(id, "ways"), name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scan := func() {
		t.Helper()
		c.Do("POST", "/files/scan", map[string]string{"item_id": *it.ParentID}).Want(t, 200)
	}
	scan()
	if err := os.Rename(h.place(id, "ways/moved"), h.place(id, "ways/SS 13")); err != nil {
		t.Fatal(err)
	}
	scan()
	want := []string{"/ways/ß 1", "/ways/SS 02", "/ways/Ss 3", "/ways/sS 10", "/ways/ẞ 11", "/ways/ss 12", "/ways/SS 13"}
	for _, folder := range []string{"/ways", "/ways (2)"} {
		if got := searched(t, c, "q", "ss", "folder_id", decode[item](t, c.Do("GET", "/files/lookup?path="+url.QueryEscape(folder), nil).Want(t, 200)).ID).paths(); !slices.Equal(got, want) {
			t.Errorf("search finds %q, want %q", got, want)
		}
		c.Do("POST", "/files/items/"+*it.ParentID+"/copy", map[string]string{}).Want(t, 201)
		for i := range want {
			want[i] = strings.Replace(want[i], "/ways/", "/ways (2)/", 1)
		}
	}
	folder := decode[item](t, c.Do("POST", "/files/folders", map[string]string{"path": "/STRASSE"}).Want(t, 201))
	if got := searched(t, c, "q", "straße").paths(); !slices.Equal(got, []string{folder.Path}) {
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
		h.exec(t, `INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded, media_type, sha256, mtime)
			SELECT gen_random_uuid(), $1, t.root_id, 1, m.w, m.w, m.w, 'text/plain', '\x00', 0
			  FROM trees t, generate_series(1, $2::int) AS n,
			       LATERAL (SELECT md5(n::text) || CASE WHEN n % 100 = 0 THEN ' rare' ELSE '' END || ' common') AS m (w)
			 WHERE t.owner_id = $1`, id, n)
	}
	c.Do("PUT", "/files/content/"+url.PathEscape("Zq É.txt"), "x").Want(t, 201)
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
		{ann, "common", 50}, {ann, "rare common", 50}, {ann, "c4ca4238a0b923820dcc509a6f75849b", 1}, {ann, "zzzzzz", 0}, {ann, "c4", 50}, {ann, "a", 50}, {ann, "zq", 1}, {ann, "é", 1}, {ann, "ü", 0}, {ann, "r e c", 50},
		{bob, "common", 50}, {bob, "rare", 1}, {bob, "nowhere", 0}, {bob, "zq", 0}, {bob, "a", 50},
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
