package files_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/files"
	"homebase/files/naming"
	"homebase/httpx/httpxtest"
)

// unzip reads an archive whole, so that every checksum is held; a folder's
// content is "/".
func unzip(t testing.TB, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		if _, twice := got[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		if strings.HasSuffix(f.Name, "/") {
			got[f.Name] = "/"
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		got[f.Name] = string(content)
	}
	return got
}

func wantEntries(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, content := range want {
		if c, ok := got[name]; !ok || c != content {
			t.Errorf("%q: got %.40q, %v, want %.40q", name, c, ok, content)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q is there too", name)
		}
	}
}

// begun is the answer to a request of which nothing was read yet.
func begun(t *testing.T, h *house, c *httpxtest.Client, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("GET", h.URL+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Bearer)
	a, err := c.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return a
}

// album is a folder whose first picture is more than sockets hold.
func album(t *testing.T, c *httpxtest.Client) (folder string) {
	t.Helper()
	folder = *put(t, c, "/album/1.png", string(random(16<<20))).ParentID
	put(t, c, "/album/2.png", string(random(1<<20)))
	return folder
}

func TestArchive_HoldsTheFolderUnderNamesThatEverySystemTakes(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := map[string]string{"odd/": "/", "odd/empty/": "/", "odd/sub/": "/", "odd/sub/deeper/": "/"}
	for name, as := range map[string]string{
		"plain.txt": "", "empty.bin": "", "Grüße aus München.txt": "", "日本語.png": "", "emoji 👩‍👩‍👧.jpg": "", "é.txt": "",
		"a:b?.txt": "a_b_.txt", "con": "_con", "NUL.tar.gz": "_NUL.tar.gz", "LPT¹.x": "_LPT¹.x", "COM7": "_COM7", "COM10": "", "console": "",
		"-rf": "", "~": "", "$(id)": "", `"quoted"`: "_quoted_", "<x>|*": "_x___", "CONTACT.txt": "", "sub/deeper/x.txt": "",
		"Case.TXT": "Case.TXT", "case.txt": "case (2).txt", "CASE.txt": "CASE (3).txt", "a_b_": "", "a*b*": "a_b_ (2)", "SUB": "SUB (2)",
	} {
		if as == "" {
			as = name
		}
		body := "the content of " + name
		if name == "empty.bin" {
			body = ""
		}
		segments := strings.Split(name, "/")
		for i := range segments {
			segments[i] = url.PathEscape(segments[i])
		}
		c.Do("PUT", "/files/content/odd/"+strings.Join(segments, "/")+"?parents=true", body).Want(t, 201)
		if strings.EqualFold(name, "case.txt") || name == "a*b*" || name == "a_b_" {
			continue // which of them gets the mark is the order of their ids
		}
		want["odd/"+as] = body
	}
	c.Do("POST", "/files/folders", map[string]any{"path": "/odd/empty"}).Want(t, 201)
	gone := put(t, c, "/odd/trashed.txt", "x")
	c.Do("DELETE", "/files/items/"+gone.ID, nil).Want(t, 204)
	folder := find(t, c, "/odd").ID
	a := c.Do("GET", "/files/items/"+folder+"/archive", nil).Want(t, 200)
	if got := a.Header.Get("Content-Disposition"); got != `attachment; filename="odd.zip"` {
		t.Errorf("got %s", got)
	}
	got := unzip(t, a.Body)
	var cases []string
	for name, content := range got {
		if strings.HasPrefix(strings.ToLower(name), "odd/case") || strings.HasPrefix(name, "odd/a_b_") && !strings.HasSuffix(name, ".txt") {
			cases = append(cases, strings.ToLower(name)+" "+strings.ToLower(content))
			delete(got, name)
		}
	}
	if slices.Sort(cases); len(slices.Compact(cases)) != 5 {
		t.Errorf("got %q", cases)
	}
	wantEntries(t, got, want)

	z, err := zip.NewReader(bytes.NewReader(a.Body), int64(len(a.Body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		method := zip.Store
		if strings.HasSuffix(strings.ToLower(f.Name), ".txt") {
			method = zip.Deflate
		}
		if f.Method != method {
			t.Errorf("%s: got method %d", f.Name, f.Method)
		}
		if _, known := want[f.Name]; !known {
			continue
		}
		if info, err := os.Stat(h.place(id, strings.Split(f.Name, "/")...)); err == nil && !info.IsDir() && !f.Modified.Equal(info.ModTime().Truncate(time.Second)) {
			t.Errorf("%s: got %v, want %v", f.Name, f.Modified, info.ModTime())
		}
	}
}

func TestArchive_OfSeveralItemsOfAShareAndOfTheRoot(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	a, b := put(t, c, "/one/same.txt", "first"), put(t, c, "/two/same.txt", "second")
	two := find(t, c, "/two").ID
	ids := map[string]any{"ids": []string{a.ID, b.ID, two, a.ID}}
	wantEntries(t, unzip(t, c.Do("POST", "/files/archive", ids).Want(t, 200).Body),
		map[string]string{"same.txt": "first", "same (2).txt": "second", "two/": "/", "two/same.txt": "second"})
	other.Do("POST", "/files/archive", ids).WantProblem(t, 404, "not_found")
	other.Do("GET", "/files/items/"+two+"/archive", nil).WantProblem(t, 404, "not_found")
	c.Do("POST", "/files/archive", map[string]any{"ids": []string{}}).WantProblem(t, 422, "validation_failed")
	wantEntries(t, unzip(t, c.Do("GET", "/files/items/root/archive", nil).Want(t, 200).Body), map[string]string{
		"documents/": "/", "images/": "/", "backups/": "/", "one/": "/", "one/same.txt": "first", "two/": "/", "two/same.txt": "second"})

	s := share(t, c, two, "max_downloads", 2)
	guest := h.Client(t)
	wantEntries(t, unzip(t, guest.Do("GET", s.at("/archive"), nil).Want(t, 200).Body), map[string]string{"two/": "/", "two/same.txt": "second"})
	wantEntries(t, unzip(t, guest.Do("GET", s.at("/archive?item_id="+b.ID), nil).Want(t, 200).Body), map[string]string{"same.txt": "second"})
	guest.Do("GET", s.at("/archive"), nil).WantProblem(t, 404, "not_found")
}

func TestArchive_TellsItsLengthWhereNothingIsCompressed(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := map[string]string{"album/": "/"}
	for i := range 510 { // more than a page of a folder
		name := fmt.Sprintf("picture %d.jpg", i)
		want["album/"+name] = string(random(i % 70))
		write(t, h.place(id, "album", name), want["album/"+name])
	}
	c.Do("POST", "/files/scan", map[string]any{"item_id": find(t, c, "/").ID}).Want(t, 200)
	at := "/files/items/" + find(t, c, "/album").ID + "/archive"
	a := c.Do("GET", at, nil).Want(t, 200)
	if a.Header.Get("Content-Length") != strconv.Itoa(len(a.Body)) {
		t.Errorf("got Content-Length %q of %d bytes", a.Header.Get("Content-Length"), len(a.Body))
	}
	wantEntries(t, unzip(t, a.Body), want)
}

func TestArchive_ForeseesTheLengthOfWhatArchiveZipWrites(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][]int64{
		"nothing": nil, "folder": {-1}, "empty": {0}, "some": {1, -1, 70_000, 0},
		"many": make([]int64, 65_535), "almost many": make([]int64, 65_534),
		"large": {1<<32 - 1, 3}, "almost large": {1<<32 - 2, 3}, "far": {1 << 31, 1 << 31, 5, -1},
	} {
		foreseen, got := files.ZipLengths(t, sizes)
		if foreseen != got {
			t.Errorf("%s: foreseen were %d bytes, archive/zip wrote %d", name, foreseen, got)
		}
	}
}

func TestArchive_HEADLooksAtNothingInTheFolder(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	c, _ := h.member(t, "ann@example.com")
	folder := *put(t, c, "/album/a.png", "a").ParentID
	s := share(t, c, folder)
	for at, who := range map[string]*httpxtest.Client{"/files/items/" + folder + "/archive": c, s.at("/archive"): h.Client(t)} {
		statements.Take()
		a := who.Do("HEAD", at, nil).Want(t, 200)
		if got := a.Header.Get("Content-Disposition"); got != `attachment; filename="album.zip"` || a.Header.Get("Content-Type") != "application/zip" {
			t.Errorf("got %v", a.Header)
		}
		if sent := statements.Take(); slices.Contains(sent, "files.Children") || slices.Contains(sent, "files.CountDownload") {
			t.Errorf("the database was asked %v", sent)
		}
	}
}

// Whatever names a folder holds, each mark is tried once.
func TestArchive_NamesThatMeetCostNoMoreThanOthers(t *testing.T) {
	t.Parallel()
	const count = 3000
	long := strings.Repeat("x", 250)
	for kind, name := range map[string]func(i int) string{
		"one name in many cases": func(i int) string {
			b := []byte("abcdefghijkl.txt")
			for bit := range 12 {
				if i>>bit&1 == 1 {
					b[bit] -= 'a' - 'A'
				}
			}
			return string(b)
		},
		"marks that are there": func(i int) string {
			if i%2 == 0 {
				return fmt.Sprintf("a (%d).txt", i)
			}
			return "A" + strings.Repeat("?", i%7) + ".txt"
		},
		"pairs that are cut to one": func(i int) string { return fmt.Sprintf("%s%d%s", long, 1000+i/2, []string{"?", "*"}[i%2]) },
		"sigma and ß in all places": func(i int) string {
			return fmt.Sprintf("%s%d", []string{"ὁδος", "ὁδοσ", "ὈΔΟΣ", "aß", "ass", "Aẞ"}[i%6], i/60)
		},
		"names that meet by their end": func(i int) string { return "a" + strings.Repeat(".", i%200) },
	} {
		names := make([]string, count)
		for i := range names {
			names[i] = name(i)
		}
		claimed, tries := files.ClaimNames(names)
		if tries > 3*count {
			t.Errorf("%s: %d tries", kind, tries)
		}
		seen := map[string]bool{}
		for _, c := range claimed {
			c = naming.Fold(c)
			if seen[c] || len(c) > 256 {
				t.Fatalf("%s: %q is there twice or too long", kind, c)
			}
			seen[c] = true
		}
	}
}

func TestArchive_LeavesOutWhatCannotBeReadAndSaysSo(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for ext, changed := range map[string]string{"bin": "longer than before", "txt": "longer than before"} {
		for _, name := range []string{"a", "changed", "gone", "link", "z"} {
			put(t, c, "/"+ext+"/"+name+"."+ext, "sound")
		}
		h.settled(t)
		at := func(name string) string { return h.place(id, ext, name+"."+ext) }
		for _, err := range []error{os.Remove(at("gone")), os.Remove(at("link")), os.Symlink("/etc/passwd", at("link")), os.WriteFile(at("changed"), []byte(changed), 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		folder := find(t, c, "/"+ext).ID
		s := share(t, c, folder)
		want := map[string]string{ext + "/": "/", ext + "/a." + ext: "sound", ext + "/z." + ext: "sound", ext + "/changed." + ext: changed,
			"INCOMPLETE.txt": "This archive is not complete.\n\n" +
				ext + "/gone." + ext + ": left out: the server could not read its bytes\n" +
				ext + "/link." + ext + ": left out: the server could not read its bytes\n"}
		wantEntries(t, unzip(t, c.Do("GET", "/files/items/"+folder+"/archive", nil).Want(t, 200).Body), want)
		wantEntries(t, unzip(t, h.Client(t).Do("GET", s.at("/archive"), nil).Want(t, 200).Body), want)
		gone := find(t, c, "/"+ext+"/gone."+ext).ID
		c.Do("GET", "/files/items/"+gone+"/archive", nil).WantProblem(t, 404, "content_missing")
		other := put(t, c, "/"+ext+"/Incomplete.txt", "mine")
		got := unzip(t, c.Do("POST", "/files/archive", map[string]any{"ids": []string{gone, other.ID}}).Want(t, 200).Body)
		if got["Incomplete.txt"] != "mine" || !strings.Contains(got["INCOMPLETE (2).txt"], "gone."+ext+": left out") {
			t.Errorf("got %q", got)
		}
	}
}

func TestArchive_OfAToldLengthBreaksOffRatherThanLackWhatVanished(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := "/files/items/" + album(t, c) + "/archive"
	h.settled(t)
	a := begun(t, h, c, at)
	if err := os.Remove(h.place(id, "album", "2.png")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); a.StatusCode != 200 || a.ContentLength < 16<<20 || err == nil {
		t.Errorf("%d of %d bytes came to a good end", a.StatusCode, a.ContentLength)
	}
	if got := unzip(t, c.Do("GET", at, nil).Want(t, 200).Body); len(got) != 3 || got["INCOMPLETE.txt"] == "" {
		t.Errorf("asked again: %d entries", len(got))
	}
}

func TestArchive_OfAToldLengthBreaksOffWhereAFileHasGrown(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	a := begun(t, h, c, "/files/items/"+album(t, c)+"/archive")
	put(t, c, "/album/2.png", string(random(2<<20)))
	if _, err := io.Copy(io.Discard, a.Body); a.ContentLength < 16<<20 || err == nil {
		t.Errorf("%d of %d bytes came to a good end", a.StatusCode, a.ContentLength)
	}
}

func TestArchive_WhileOthersWriteIsWholeOrBreaksOff(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	const count = 40
	versions := func(i, v int) string { return strings.Repeat(fmt.Sprintf("file %d version %d ", i, v), 2000) }
	for i := range count {
		put(t, c, fmt.Sprintf("/busy/%d.txt", i), versions(i, 0))
	}
	folder := find(t, c, "/busy").ID
	stop := make(chan struct{})
	var group sync.WaitGroup
	for w := range 3 {
		group.Go(func() {
			for v := 1; ; v++ {
				select {
				case <-stop:
					return
				default:
				}
				i := (v*7 + w) % count
				c.Do("PUT", fmt.Sprintf("/files/content/busy/%d.txt", i), versions(i, v%9)).Want(t, 200)
				c.Do("PUT", fmt.Sprintf("/files/content/documents/other-%d-%d", w, v), "x").Want(t, 201)
			}
		})
	}
	for range 5 {
		got := unzip(t, c.Do("GET", "/files/items/"+folder+"/archive", nil).Want(t, 200).Body)
		if len(got) != count+1 {
			t.Errorf("%d entries, want %d", len(got), count+1)
		}
		for name, content := range got {
			if name == "busy/" {
				continue
			}
			i, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".txt"))
			if err != nil || !slices.ContainsFunc([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, func(v int) bool { return content == versions(i, v) }) {
				t.Errorf("%s is no version of the file", name)
			}
		}
	}
	close(stop)
	group.Wait()
}

func TestArchive_StopsBetweenFilesWhenTheRightToReadEnds(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	folder := album(t, c)
	s := share(t, c, folder)
	for _, row := range []struct {
		name   string
		client *httpxtest.Client
		at     string
		end    func()
	}{
		{"a share", h.Client(t), s.at("/archive"), func() { c.Do("DELETE", "/files/shares/"+s.ID, nil).Want(t, 204) }},
		{"own", c, "/files/items/" + folder + "/archive", func() { c.Do("POST", "/auth/logout", nil).Want(t, 204) }},
	} {
		a := begun(t, h, row.client, row.at)
		row.end()
		if _, err := io.Copy(io.Discard, a.Body); a.StatusCode != 200 || err == nil {
			t.Errorf("%s: %d, and all of it arrived", row.name, a.StatusCode)
		}
	}
}
