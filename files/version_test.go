package files_test

import (
	"fmt"
	"testing"
	"time"

	"homebase/files"
	"homebase/httpx/httpxtest"
)

// versioned starts a worker that keeps versions.
func versioned(t testing.TB, edits ...func(*files.Config)) *house {
	t.Helper()
	return start(t, append([]func(*files.Config){func(c *files.Config) { c.VersionRetention = 30 * 24 * time.Hour }}, edits...)...)
}

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
	h := versioned(t)
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

func TestVersions_AreMadeOfOtherBytesAlone(t *testing.T) {
	t.Parallel()
	h := versioned(t)
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
	h := versioned(t)
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
