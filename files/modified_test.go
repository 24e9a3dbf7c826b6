package files_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

// taken is when the picture of these tests was taken, in seconds since 1970.
const taken = 1_000_000_000

func takenAt(seconds string) httpxtest.Option { return httpxtest.WithHeader("X-OC-Mtime", seconds) }

func wantModified(t testing.TB, it item, seconds int64) {
	t.Helper()
	if it.Modified == nil || !it.Modified.Equal(time.Unix(seconds, 0)) {
		t.Errorf("%s was modified at %v, want %v", it.Path, it.Modified, time.Unix(seconds, 0).UTC())
	}
}

func TestModifiedAt_StaysWithTheBytesWhateverMovesThem(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	wantDisk := func(path string) {
		t.Helper()
		if info, err := os.Stat(h.place(id, path)); err != nil || info.ModTime().Unix() != taken {
			t.Errorf("%s on the disk: %v, %v", path, info, err)
		}
	}
	a := c.Do("PUT", "/files/content/images/old/a.jpg?parents=true", "picture", takenAt("1000000000")).Want(t, 201)
	if a.Header.Get("X-OC-Mtime") != "accepted" {
		t.Errorf("got %v", a.Header)
	}
	it := decode[item](t, a)
	wantModified(t, it, taken)
	wantDisk("images/old/a.jpg")
	same := func(path string) {
		t.Helper()
		got := find(t, c, path)
		if got.ID != it.ID || !got.Updated.Equal(it.Updated) || got.Revision == it.Revision {
			t.Errorf("got %+v, want it as %+v", got, it)
		}
		wantModified(t, got, taken)
		wantDisk(path)
		it = got
	}
	c.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "b.jpg"}).Want(t, 200)
	same("/images/old/b.jpg")
	c.Do("PATCH", "/files/items/"+it.ID, map[string]string{"parent_id": find(t, c, "/documents").ID}).Want(t, 200)
	same("/documents/b.jpg")
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	wantModified(t, decode[page](t, c.Do("GET", "/files/trash", nil).Want(t, 200)).Items[0], taken)
	c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
	same("/documents/b.jpg")
	h.settled(t)
	rename(t, h.place(id, "documents/b.jpg"), h.place(id, "images/old/c.jpg"))
	h.scan(t).want(t, 0, 1, 0, 0, 0, 0)
	same("/images/old/c.jpg")

	wantModified(t, decode[item](t, c.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{"name": "d.jpg"}).Want(t, 201)), taken)
	wantDisk("images/old/d.jpg")
	c.Do("POST", "/files/items/"+find(t, c, "/images/old").ID+"/copy", map[string]string{"name": "new"}).Want(t, 201)
	wantModified(t, find(t, c, "/images/new/c.jpg"), taken)
	wantDisk("images/new/c.jpg")
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)

	if folder := find(t, c, "/images/old"); folder.Modified != nil {
		t.Errorf("a folder was modified at %v", folder.Modified)
	}
	before := time.Now().Add(-time.Minute)
	a = c.Do("PUT", "/files/content/images/old/c.jpg", "another").Want(t, 200)
	if now := decode[item](t, a); now.Modified.Before(before) || a.Header.Get("X-OC-Mtime") != "" {
		t.Errorf("got %+v, %v", now, a.Header)
	}
	a = c.Do("PUT", "/files/items/"+it.ID+"/content", "a third", takenAt("1000000000")).Want(t, 200)
	wantModified(t, decode[item](t, a), taken)
	if got := c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Header.Get("Last-Modified"); got != "Sun, 09 Sep 2001 01:46:40 GMT" {
		t.Errorf("got Last-Modified %q", got)
	}
}

func TestModifiedAt_MayLieAheadOrBefore1970AndHaveAFraction(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	ahead := time.Now().Add(365 * 24 * time.Hour).Unix()
	for text, want := range map[string]time.Time{"0": time.Unix(0, 0), "-86400": time.Unix(-86400, 0), "-0.5": time.Unix(0, -5e8),
		"1000000000.5": time.Unix(taken, 5e8), "1000000000.1234567891": time.Unix(taken, 123456789), strconv.FormatInt(ahead, 10): time.Unix(ahead, 0)} {
		it := decode[item](t, c.Do("PUT", "/files/content/documents/a", text, takenAt(text)))
		if it.Modified == nil || !it.Modified.Equal(want) {
			t.Errorf("%s: got %v, want %v", text, it.Modified, want)
		}
		wantBytes(t, c.Do("GET", "/files/content/documents/a", nil).Want(t, 200).Body, []byte(text))
		up := tus(c, "POST", "/files/uploads", text, "Upload-Length", strconv.Itoa(len(text)), "Content-Type", offsetType,
			"Upload-Metadata", metadata("filename", "b", "path", "/documents", "mtime", text)).Want(t, 201)
		got := decode[item](t, c.Do("GET", strings.TrimPrefix(up.Header.Get("Content-Location"), "/api/v1"), nil).Want(t, 200))
		info, err := os.Stat(h.place(id, "documents/b"))
		if err != nil || got.Modified == nil || !got.Modified.Equal(want) || !info.ModTime().Equal(want) {
			t.Errorf("%s: the upload has %v, the disk %v, %v", text, got.Modified, info, err)
		}
	}
	h.settled(t)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
}

func TestModifiedAt_ThatIsNoTimeIsRefusedBeforeAByteIsTaken(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for _, text := range []string{"", "x", "1e9", "0x10", "+1", "--1", "-", ".5", "1.", "1.x", "1.-5", "1000000000000", "9223372036854775808", "-2147483649", "2001-09-09T01:46:40Z", "NaN"} {
		c.Do("PUT", "/files/content/documents/a", "x", takenAt(text)).WantProblem(t, 400, "invalid_modified_at")
		if text != "" { // a key without a value is a flag
			tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata("filename", "a", "mtime", text)).WantProblem(t, 400, "invalid_metadata")
		}
	}
	c.Do("PUT", "/files/content/documents/a", "x", httpxtest.WithHeader("X-OC-Mtime", "1", "2")).WantProblem(t, 400, "invalid_modified_at")
	if left := h.onDisk(t); len(left) > 0 {
		t.Errorf("left on disk: %q", left)
	}
}

func TestModifiedAt_IsSortedAndSearchedBy(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for name, at := range map[string]string{"a": "300", "b": "-100", "c": "200", "d": "0", "e": "100"} {
		c.Do("PUT", "/files/content/pictures/"+name+"?parents=true", name, takenAt(at)).Want(t, 201)
	}
	c.Do("POST", "/files/folders", map[string]string{"path": "/pictures/x"}).Want(t, 201)
	c.Do("POST", "/files/folders", map[string]string{"path": "/pictures/w"}).Want(t, 201)
	id := find(t, c, "/pictures").ID
	for sort, want := range map[string][]string{"modified_at": {"x", "w", "b", "d", "e", "c", "a"}, "-modified_at": {"w", "x", "a", "c", "e", "d", "b"}} {
		for _, limit := range []string{"1", "3", "50"} {
			var got []string
			for cursor := ""; ; {
				p := decode[page](t, c.Do("GET", "/files/items/"+id+"/children?sort="+sort+"&limit="+limit+cursor, nil).Want(t, 200))
				got = append(got, p.names()...)
				if p.NextCursor == nil {
					break
				}
				cursor = "&cursor=" + *p.NextCursor
			}
			if !slices.Equal(got, want) {
				t.Errorf("sort=%s&limit=%s: got %q, want %q", sort, limit, got, want)
			}
		}
	}
	c.Do("PATCH", "/files/items/"+find(t, c, "/pictures/c").ID, map[string]string{"name": "C"}).Want(t, 200)
	got := searched(t, c, "folder_id", id, "type", "file", "modified_after", "1970-01-01T00:00:00Z", "modified_before", "1970-01-01T00:05:00Z").paths()
	if !slices.Equal(got, []string{"/pictures/C", "/pictures/e"}) {
		t.Errorf("got %q", got)
	}
	if got := searched(t, c, "folder_id", id, "modified_after", "0001-01-01T00:00:00Z", "modified_before", "9999-01-01T00:00:00Z").paths(); len(got) != 7 {
		t.Errorf("got %q", got)
	}
}

// TestGet_TellsVersionsWithOneTimeApart: while the disk has not followed, the
// bytes before lie there with the size and the time of those to come.
func TestGet_TellsVersionsWithOneTimeApart(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "old", takenAt("1000000000")).Want(t, 201))
	wantBytes(t, c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200).Body, []byte("old"))
	h.settled(t)
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("PUT", "/files/content/documents/a.txt", "new", takenAt("1000000000")).WantProblem(t, 503, "storage_unavailable")
	for _, at := range []string{"/files/content/documents/a.txt", "/files/items/" + it.ID + "/content"} {
		a := c.Do("GET", at, nil).Want(t, 200)
		wantBytes(t, a.Body, []byte("new"))
		if a.Header.Get("ETag") != `"`+sha([]byte("new"))+`"` {
			t.Errorf("got ETag %s", a.Header.Get("ETag"))
		}
	}
	thaw()
	h.settled(t)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("new"))
}

// A disk takes a time of which the rows can have no more than the nearest; so
// does whoever reads it.
func TestModifiedAt_OfWhatWasCopiedOntoTheDiskMayBeBeyondAll(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/known", "bytes")
	h.settled(t)
	for name, seconds := range map[string]int64{"far": 1e12, "ahead": 14e9, "known": 13e9} {
		must(t, os.WriteFile(h.place(id, "documents", name), []byte(name), 0o600))
		at := syscall.Timespec{Sec: seconds}
		must(t, syscall.UtimesNano(h.place(id, "documents", name), []syscall.Timespec{at, at}))
	}
	h.scan(t).want(t, 2, 0, 1, 0, 0, 0)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	last := time.Unix(1<<63/1_000_000_000-1, 0)
	for _, name := range []string{"far", "ahead", "known"} {
		got := find(t, c, "/documents/"+name)
		info, err := os.Stat(h.place(id, "documents", name))
		must(t, err)
		want := info.ModTime() // of a disk with a small clock
		if want.After(last) {
			want = last
		}
		wantBytes(t, c.Do("GET", "/files/items/"+got.ID+"/content", nil).Want(t, 200).Body, []byte(name))
		copied := decode[item](t, c.Do("POST", "/files/items/"+got.ID+"/copy", nil).Want(t, 201))
		for _, it := range []item{got, copied} {
			if it.Modified == nil || it.Modified.Unix() != want.Unix() {
				t.Errorf("%s was modified at %v, want %v", it.Name, it.Modified, want)
			}
		}
	}
	c.Do("PUT", "/files/items/"+it.ID+"/content", "new").Want(t, 200)
	list := versionsOf(t, c, it.ID)
	if len(list) != 1 || list[0].Modified.Year() < 2026 {
		t.Fatalf("the versions are %+v", list)
	}
	back := decode[item](t, c.Do("POST", fmt.Sprintf("/files/items/%s/versions/%d/restore", it.ID, list[0].Revision), nil).Want(t, 200))
	if !back.Modified.Equal(list[0].Modified) {
		t.Errorf("restored with %v, want %v", back.Modified, list[0].Modified)
	}
	h.settled(t)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	if out, err := h.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
