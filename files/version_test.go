package files_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/files"
	"homebase/httpx/httpxtest"
)

// version is a version as a client reads it.
type version struct {
	Revision  int64     `json:"revision"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	MediaType string    `json:"media_type"`
	Modified  time.Time `json:"modified_at"`
	Replaced  time.Time `json:"replaced_at"`
}

// versionsOf are a file's versions, newest first.
func versionsOf(t testing.TB, c *httpxtest.Client, id string) []version {
	t.Helper()
	list := decode[struct {
		Items      []version `json:"items"`
		NextCursor *string   `json:"next_cursor"`
	}](t, c.Do("GET", "/files/items/"+id+"/versions?limit=100", nil).Want(t, 200))
	return list.Items
}

func versionPath(id string, revision int64) string {
	return fmt.Sprintf("/files/items/%s/versions/%d/content", id, revision)
}

// wantSum fails unless what an owner uses is the sum of the files and versions.
func (h *house) wantSum(t testing.TB, owner string) {
	t.Helper()
	const sql = `SELECT count(*) FROM trees t
		WHERE t.owner_id = $1
		  AND (t.used, t.versions) = (SELECT i.size + v.size, v.size
		       FROM (SELECT coalesce(sum(size), 0) AS size FROM items WHERE owner_id = $1) i, (SELECT coalesce(sum(size), 0) AS size FROM versions WHERE owner_id = $1) v)`
	if h.number(t, sql, owner) != 1 {
		t.Fatal("what is used is not the sum of the files and versions")
	}
}

func TestVersions_HoldWhatAPutDisplaced(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	contents := [][]byte{[]byte("one"), random(300 << 10), []byte("three"), {}}
	var it item
	for i, b := range contents {
		want := 200
		if i == 0 {
			want = 201
		}
		it = decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", b, httpxtest.WithHeader("X-OC-Mtime", fmt.Sprint(1_500_000_000+i))).Want(t, want))
	}
	list := versionsOf(t, c, it.ID)
	if len(list) != 3 {
		t.Fatalf("got %+v", list)
	}
	for i, v := range list {
		b := contents[2-i]
		if v.Revision != int64(3-i) || v.SHA256 != sha(b) || v.Size != int64(len(b)) || v.Modified.Unix() != 1_500_000_000+2-int64(i) || time.Since(v.Replaced) > time.Minute {
			t.Fatalf("got %+v", v)
		}
		a := c.Do("GET", versionPath(it.ID, v.Revision), nil).Want(t, 200)
		wantBytes(t, a.Body, b)
		if a.Header.Get("ETag") != `"`+sha(b)+`"` || a.Header.Get("Repr-Digest") == "" || a.Header.Get("Content-Security-Policy") == "" {
			t.Fatalf("got %v", a.Header)
		}
		c.Do("HEAD", versionPath(it.ID, v.Revision), nil).Want(t, 200)
		c.Do("GET", versionPath(it.ID, v.Revision), nil, httpxtest.WithHeader("If-None-Match", a.Header.Get("ETag"))).Want(t, 304)
		c.Do("GET", versionPath(it.ID, v.Revision), nil, httpxtest.WithHeader("If-Match", `"other"`)).WantProblem(t, 412, "precondition_failed")
		wantFile(t, fmt.Sprintf("%s/versions/%s/%s.%d", h.data, id, it.ID, v.Revision), b)
	}
	wantBytes(t, c.Do("GET", versionPath(it.ID, 2), nil, httpxtest.WithHeader("Range", "bytes=1000-1999")).Want(t, 206).Body, contents[1][1000:2000])
	c.Do("GET", versionPath(it.ID, 2), nil, httpxtest.WithHeader("Range", "bytes=9999999-")).WantProblem(t, 416, "range_not_satisfiable")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used != 8+300<<10 || u.Versions != 8+300<<10 {
		t.Fatalf("got %+v", u)
	}
	h.settled(t)
	h.wantSum(t, id)
	await(t, func() bool {
		return h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.download' AND details ->> 'version' = '2'") > 0
	})
}

// A file that another process has a lease on cannot be opened, as one on a storage
// that does not answer.
func TestVersions_WhatCannotBeReadIsNotReplaced(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "old")
	h.settled(t)
	f, err := os.OpenFile(h.place(id, "documents", "a.txt"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lease := func(kind uintptr) {
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_SETLEASE, kind); errno != 0 {
			t.Fatal(errno)
		}
	}
	lease(syscall.F_WRLCK)
	c.Do("PUT", "/files/content/documents/a.txt", "new").WantProblem(t, 503, "storage_unavailable")
	lease(syscall.F_UNLCK)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("old"))
	c.Do("PUT", "/files/content/documents/a.txt", "new").Want(t, 200)
	if list := versionsOf(t, c, it.ID); len(list) != 1 {
		t.Errorf("%d versions", len(list))
	}
}

func TestVersions_AreMadeOfOtherBytesAlone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 201))
	c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 200)
	if list := versionsOf(t, c, it.ID); len(list) != 0 {
		t.Fatalf("the same bytes made %+v", list)
	}
	c.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "b.txt"}).Want(t, 200)
	c.Do("PUT", "/files/items/"+it.ID+"/content", "two").Want(t, 200)
	list := versionsOf(t, c, it.ID)
	if len(list) != 1 || list[0].Revision != 3 || list[0].SHA256 != sha([]byte("one")) {
		t.Fatalf("got %+v", list)
	}
	h.settled(t)
	h.wantSum(t, id)
}

func TestVersions_AreNotFoundByOthers(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 201))
	c.Do("PUT", "/files/items/"+it.ID+"/content", "two").Want(t, 200)
	at := "/files/items/" + it.ID + "/versions"
	other.Do("GET", at, nil).WantProblem(t, 404, "not_found")
	other.Do("GET", at+"/1/content", nil).WantProblem(t, 404, "not_found")
	for _, revision := range []string{"2", "0", "-1", "01", "x", "99999999999999999999"} {
		c.Do("GET", at+"/"+revision+"/content", nil).WantProblem(t, 404, "not_found")
	}
	folder := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	c.Do("GET", "/files/items/"+folder.ID+"/versions", nil).WantProblem(t, 409, "not_a_file")
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	c.Do("GET", at, nil).WantProblem(t, 404, "not_found")
	c.Do("GET", at+"/1/content", nil).WantProblem(t, 404, "not_found")
	c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
	wantBytes(t, c.Do("GET", at+"/1/content", nil).Want(t, 200).Body, []byte("one"))
}

// revisions are those of a file's versions, newest first.
func revisions(t testing.TB, c *httpxtest.Client, id string) (list []int64) {
	t.Helper()
	for _, v := range versionsOf(t, c, id) {
		list = append(list, v.Revision)
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// under lists what lies below one of the data directory's folders.
func (h *house) under(t testing.TB, top string) []string {
	t.Helper()
	return slices.DeleteFunc(h.onDisk(t), func(p string) bool { return !strings.HasPrefix(p, top+"/") })
}

func TestVersions_AreRestoredAsAReplacement(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	first, second := random(100_000), random(2_000_000)
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.bin", first, httpxtest.WithHeader("X-OC-Mtime", "1500000000")).Want(t, 201))
	now := decode[item](t, c.Do("PUT", "/files/items/"+it.ID+"/content", second).Want(t, 200))
	at := "/files/items/" + it.ID + "/versions/"
	c.Do("POST", at+"1/restore", nil, httpxtest.WithHeader("If-Match", `"other"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("POST", at+"2/restore", nil).WantProblem(t, 404, "not_found")
	c.Do("POST", at+"x/restore", nil).WantProblem(t, 404, "not_found")
	back := decode[item](t, c.Do("POST", at+"1/restore", nil, httpxtest.WithHeader("If-Match", `"`+*now.SHA256+`"`)).Want(t, 200))
	if back.ID != it.ID || *back.SHA256 != sha(first) || back.Revision != 3 || back.Modified.Unix() != 1_500_000_000 {
		t.Fatalf("got %+v", back)
	}
	wantBytes(t, c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body, first)
	if got := revisions(t, c, it.ID); !slices.Equal(got, []int64{2, 1}) {
		t.Fatalf("the versions are %v", got)
	}
	wantBytes(t, c.Do("GET", versionPath(it.ID, 2), nil).Want(t, 200).Body, second)
	h.settled(t)
	h.wantSum(t, id)
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.replaced' AND details->>'version' = '1'"); n != 1 {
		t.Fatalf("%d events tell of it", n)
	}

	// Whoever edits the file in place does not edit the version.
	must(t, os.WriteFile(h.place(id, "documents", "a.bin"), []byte("edited"), 0o600))
	wantBytes(t, c.Do("GET", versionPath(it.ID, 1), nil).Want(t, 200).Body, first)

	// What the disk has spoiled is not put in place of what is sound.
	spoiled := fmt.Sprintf("%s/versions/%s/%s.1", h.data, id, it.ID)
	info, err := os.Stat(spoiled)
	must(t, err)
	must(t, os.WriteFile(spoiled, random(len(first)), 0o600))
	must(t, os.Chtimes(spoiled, info.ModTime(), info.ModTime()))
	// Where the file system shares blocks nothing is read, nor seen.
	if a := c.Do("POST", at+"1/restore", nil); a.Status != 200 {
		a.WantProblem(t, 409, "content_damaged")
	}
	must(t, os.Remove(spoiled))
	c.Do("POST", at+"1/restore", nil).WantProblem(t, 404, "content_missing")
	c.Do("GET", at+"1/content", nil).WantProblem(t, 404, "content_missing")
	folder := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	c.Do("POST", "/files/items/"+folder.ID+"/versions/1/restore", nil).WantProblem(t, 409, "not_a_file")
}

func TestVersions_AreDeletedForGood(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 201))
	for _, body := range []string{"two", "three"} {
		c.Do("PUT", "/files/items/"+it.ID+"/content", body).Want(t, 200)
	}
	at := "/files/items/" + it.ID + "/versions/"
	other.Do("DELETE", at+"1", nil).WantProblem(t, 404, "not_found")
	other.Do("POST", at+"1/restore", nil).WantProblem(t, 404, "not_found")
	c.Do("DELETE", at+"1", nil).Want(t, 204)
	c.Do("DELETE", at+"1", nil).WantProblem(t, 404, "not_found")
	c.Do("DELETE", at+"01", nil).WantProblem(t, 404, "not_found")
	if got := revisions(t, c, it.ID); !slices.Equal(got, []int64{2}) {
		t.Fatalf("the versions are %v", got)
	}
	h.settled(t)
	h.wantSum(t, id)
	if got := h.under(t, "purge"); !slices.Equal(got, []string{"purge/" + it.ID + ".1"}) {
		t.Fatalf("to be freed are %q", got)
	}
	h.run(t, "files.purge")
	if got := h.under(t, "purge"); len(got) != 0 {
		t.Fatalf("still there are %q", got)
	}
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.version_ended' AND target = $1", it.ID); n != 1 {
		t.Fatalf("%d events tell of it", n)
	}
}

func TestVersions_AreThinnedOut(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "0").Want(t, 201))
	for i := range 30 {
		c.Do("PUT", "/files/items/"+it.ID+"/content", fmt.Sprint(i+1)).Want(t, 200)
	}
	await(t, func() bool { return len(versionsOf(t, c, it.ID)) == 20 }) // the newest
	if got := revisions(t, c, it.ID); got[0] != 30 || got[19] != 11 {
		t.Fatalf("the versions are %v", got)
	}
	// Of days ago, the last of each day stays, and none that is too old.
	h.exec(t, `UPDATE versions SET replaced_at = CASE
		WHEN revision <= 13 THEN now() - interval '31 days'
		WHEN revision <= 20 THEN date_trunc('day', now(), 'UTC') - interval '9 days' + revision * interval '1 hour'
		WHEN revision <= 23 THEN date_trunc('day', now(), 'UTC') - interval '3 days' + interval '12 hours'
		ELSE now() END`)
	h.run(t, "files.versions")
	if got := revisions(t, c, it.ID); !slices.Equal(got, []int64{30, 29, 28, 27, 26, 25, 24, 23, 20}) {
		t.Fatalf("the versions are %v", got)
	}
	h.settled(t)
	h.wantSum(t, id)
	if got := h.under(t, "versions"); len(got) != 9 {
		t.Fatalf("on the disk are %q", got)
	}
}

func TestVersions_GoWithTheItemAndWithTheOwner(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := []string{"/files/content/f/a.txt?parents=true", "/files/content/f/g/b.txt?parents=true", "/files/content/documents/c.txt"}
	for _, body := range []string{"one", "two", "three"} {
		for _, p := range at {
			c.Do("PUT", p, body)
		}
	}
	for i := range 60 { // more than go at once
		c.Do("PUT", fmt.Sprintf("/files/content/f/g/%d", i), random(1)).Want(t, 201)
		c.Do("PUT", fmt.Sprintf("/files/content/f/g/%d", i), "").Want(t, 200)
	}
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Versions != 78 || u.Used != 93 {
		t.Fatalf("got %+v", u)
	}
	f := decode[item](t, c.Do("GET", "/files/lookup?path=/f", nil).Want(t, 200))
	c.Do("DELETE", "/files/items/"+f.ID, nil).Want(t, 204)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Versions != 78 || u.Used != 93 {
		t.Fatalf("got %+v", u)
	}
	c.Do("DELETE", "/files/trash/"+f.ID, nil).Want(t, 204)
	h.settled(t)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Versions != 6 || u.Used != 11 {
		t.Fatalf("got %+v", u)
	}
	h.wantSum(t, id)
	if got := h.under(t, "versions"); len(got) != 2 {
		t.Fatalf("on the disk are %q", got)
	}
	must(t, h.erase(t, h.files, id, nil))
	h.run(t, "files.recover")
	await(t, func() bool { return len(h.under(t, "versions")) == 0 })
	if n := h.number(t, "SELECT count(*) FROM versions"); n != 0 {
		t.Fatalf("%d rows stay", n)
	}
}

func TestVersions_AreGivenUpBeforeAnUploadIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 10 << 20 })
	c, id := h.member(t, "ann@example.com")
	mb := func(n int) []byte { return random(n << 20) }
	given := func() int64 {
		return h.number(t, "SELECT coalesce(sum((details->>'versions')::int), 0)::bigint FROM audit_events WHERE action = 'file.version_given_up'")
	}
	a := decode[item](t, c.Do("PUT", "/files/content/a.bin", mb(2)).Want(t, 201))
	for range 4 {
		c.Do("PUT", "/files/items/"+a.ID+"/content", mb(2)).Want(t, 200)
	}
	if got := revisions(t, c, a.ID); len(got) != 4 || given() != 0 {
		t.Fatalf("the versions are %v, %d were given up", got, given())
	}
	// A replacement takes the room of the oldest.
	c.Do("PUT", "/files/items/"+a.ID+"/content", mb(2)).Want(t, 200)
	if got := revisions(t, c, a.ID); !slices.Equal(got, []int64{5, 4, 3, 2}) || given() != 1 {
		t.Fatalf("the versions are %v, %d were given up", got, given())
	}
	// So does a new file, of known and unknown length, and a copy.
	c.Do("PUT", "/files/content/b.bin", mb(1)).Want(t, 201)
	c.Do("PUT", "/files/content/c.bin", io.MultiReader(bytes.NewReader(mb(1)))).Want(t, 201)
	if got := revisions(t, c, a.ID); !slices.Equal(got, []int64{5, 4, 3}) {
		t.Fatalf("the versions are %v", got)
	}
	c.Do("POST", "/files/items/"+a.ID+"/copy", map[string]string{"name": "d.bin"}).Want(t, 201)
	if got := revisions(t, c, a.ID); !slices.Equal(got, []int64{5, 4}) || given() != 3 {
		t.Fatalf("the versions are %v, %d were given up", got, given())
	}
	// Nobody loses a version for what cannot be stored anyway.
	c.Do("PUT", "/files/content/e.bin", mb(9)).WantProblem(t, 507, "quota_exceeded")
	if got := revisions(t, c, a.ID); len(got) != 2 || given() != 3 {
		t.Fatalf("the versions are %v, %d were given up", got, given())
	}
	// A large file is replaced by one of its size: what it held is given up.
	c.Do("DELETE", "/files/items/"+a.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
	big := decode[item](t, c.Do("PUT", "/files/content/big.bin", mb(6)).Want(t, 201))
	c.Do("PUT", "/files/items/"+big.ID+"/content", mb(6)).Want(t, 200)
	if got := revisions(t, c, big.ID); len(got) != 0 {
		t.Fatalf("the versions are %v", got)
	}
	h.settled(t)
	h.wantSum(t, id)
}

// As many as are needed go in one change, however small they are. The file has no
// more than it may keep, or some would go by themselves meanwhile.
func TestVersions_ALargeUploadTakesTheRoomOfManySmallOnes(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 1 << 20 })
	c, id := h.member(t, "ann@example.com")
	small := decode[item](t, c.Do("PUT", "/files/content/small.bin", random(20_000)).Want(t, 201))
	for range 18 {
		c.Do("PUT", "/files/items/"+small.ID+"/content", random(20_000)).Want(t, 200)
	}
	c.Do("PUT", "/files/content/large.bin", random(1_000_000)).Want(t, 201)
	if got := revisions(t, c, small.ID); len(got) != 1 {
		t.Errorf("the versions are %v", got)
	}
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.version_given_up' AND details->>'versions' = '17'"); n != 1 {
		t.Errorf("%d changes gave up 17 versions", n)
	}
	h.settled(t)
	h.wantSum(t, id)
}

// Who replaces files at the limit is never refused while there are versions, by
// whichever worker, and none of the room is counted twice.
func TestVersions_MakeRoomForManyAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 6 << 20 })
	c, id := h.member(t, "ann@example.com")
	second := h.second(t).SignIn(t, "ann@example.com")
	var list []item
	for i := range 8 {
		list = append(list, decode[item](t, c.Do("PUT", fmt.Sprintf("/files/content/%d", i), random(400_000)).Want(t, 201)))
	}
	var working sync.WaitGroup
	for i, it := range list {
		working.Go(func() {
			for n := range 8 {
				who := []*httpxtest.Client{c, second}[(i+n)%2]
				if a := who.Do("PUT", "/files/items/"+it.ID+"/content", random(400_000)); a.Status != 200 {
					t.Errorf("%d: %s", a.Status, a.Body)
				}
			}
		})
	}
	working.Wait()
	h.settled(t)
	h.wantSum(t, id)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used > 6<<20 || u.Versions == 0 {
		t.Errorf("got %+v", u)
	}
	if got := h.under(t, "versions"); int64(len(got)) != h.number(t, "SELECT count(*) FROM versions") {
		t.Errorf("on the disk are %d versions", len(got))
	}
}

// What somebody wrote over a file on the disk has no row yet when the next upload
// comes: it gets one first, and both are versions.
func TestVersions_HoldWhatWasEditedOnTheDiskToo(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 201))
	edit := func(text string) { must(t, os.WriteFile(h.place(id, "documents", "a.txt"), []byte(text), 0o600)) }
	edit("edited")
	c.Do("PUT", "/files/items/"+it.ID+"/content", "three").Want(t, 200)
	list := versionsOf(t, c, it.ID)
	if len(list) != 1 || list[0].SHA256 != sha([]byte("edited")) {
		t.Fatalf("the versions are %+v", list)
	}
	wantBytes(t, c.Do("GET", versionPath(it.ID, list[0].Revision), nil).Want(t, 200).Body, []byte("edited"))
	// Who has not seen the edit does not replace it.
	edit("edited again")
	c.Do("PUT", "/files/items/"+it.ID+"/content", "five", httpxtest.WithHeader("If-Match", `"`+sha([]byte("three"))+`"`)).WantProblem(t, 412, "precondition_failed")
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("edited again"))
	h.settled(t)
	h.wantSum(t, id)
}

// Who may only put something into a folder takes nobody's versions for it.
func TestVersions_AreNotGivenUpForAGuest(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 6 << 20 })
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/a.bin", random(2<<20)).Want(t, 201))
	c.Do("PUT", "/files/items/"+it.ID+"/content", random(2<<20)).Want(t, 200)
	inbox := decode[item](t, c.Do("POST", "/files/folders", map[string]string{"path": "/inbox"}).Want(t, 201))
	link := decode[struct{ Token string }](t, c.Do("POST", "/files/shares", map[string]string{"item_id": inbox.ID, "mode": "drop"}).Want(t, 201))
	guest := h.Client(t)
	for name, body := range map[string]any{"large": random(3 << 20), "endless": io.MultiReader(bytes.NewReader(random(3 << 20)))} {
		guest.Do("PUT", "/files/shared/"+link.Token+"/drop/"+name, body).WantProblem(t, 507, "insufficient_storage")
	}
	for i := range 4 { // such small ones reserve nothing
		want := 201
		if i > 1 {
			want = 507
		}
		guest.Do("PUT", fmt.Sprintf("/files/shared/%s/drop/%d", link.Token, i), random(900_000)).Want(t, want)
	}
	if got := revisions(t, c, it.ID); !slices.Equal(got, []int64{1}) {
		t.Fatalf("the versions are %v", got)
	}
	c.Do("PUT", "/files/content/mine.bin", random(1<<20)).Want(t, 201) // for the owner they are
	if got := revisions(t, c, it.ID); len(got) != 0 {
		t.Fatalf("the versions are %v", got)
	}
	h.settled(t)
	h.wantSum(t, id)
}
