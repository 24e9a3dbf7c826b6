package files_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func TestPut_ComesBackWholeAndLiesUnderItsName(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for _, size := range []int{0, 1, 4096, 256<<10 + 1, 3 << 20} {
		want := random(size)
		name := fmt.Sprintf("report %d.bin", size)
		a := c.Do("PUT", fmt.Sprintf("/files/content/documents/report%%20%d.bin", size), want).Want(t, 201)
		it := decode[item](t, a)
		if it.Name != name || it.Path != "/documents/"+name || it.Size != int64(size) || *it.SHA256 != sha(want) || it.Revision != 1 || it.Type != "file" {
			t.Fatalf("got %+v", it)
		}
		if got := a.Header.Get("Location"); got != "/api/v1/files/items/"+it.ID {
			t.Fatalf("got Location %q", got)
		}
		if got := a.Header.Get("ETag"); got != `"`+sha(want)+`"` {
			t.Fatalf("got ETag %q", got)
		}
		wantFile(t, h.place(id, "documents", name), want)
		wantBytes(t, c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body, want)
	}
	h.settled(t)
	if left := h.onDisk(t); len(left) != 5 {
		t.Fatalf("the disk holds %q", left)
	}
}

func TestPut_ReplacesOnlyTheVersionThatWasRead(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	const at = "/files/content/documents/a.txt"
	first := decode[item](t, c.Do("PUT", at, "one").Want(t, 201))
	c.Do("PUT", at, "two", httpxtest.WithHeader("If-None-Match", "*")).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", at, "two", httpxtest.WithHeader("If-Match", `"other"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", at, "two", httpxtest.WithHeader("If-Match", `W/"other"`)).WantProblem(t, 412, "precondition_failed")
	// A proxy that compressed the answer has weakened the tag.
	second := decode[item](t, c.Do("PUT", at, "two", httpxtest.WithHeader("If-Match", `"x", W/"`+*first.SHA256+`"`)).Want(t, 200))
	if second.ID != first.ID || second.Revision != 2 || *second.SHA256 == *first.SHA256 {
		t.Fatalf("got %+v after %+v", second, first)
	}
	c.Do("PUT", at, "three", httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	third := decode[item](t, c.Do("PUT", "/files/items/"+first.ID+"/content", "three", httpxtest.WithHeader("If-Match", `"r2"`)).Want(t, 200))
	if third.ID != first.ID || third.Revision != 3 {
		t.Fatalf("got %+v", third)
	}
	c.Do("PUT", "/files/content/documents/new.txt", "x", httpxtest.WithHeader("If-Match", "*")).WantProblem(t, 412, "precondition_failed")
	c.Do("PUT", "/files/content/documents/new.txt", "x", httpxtest.WithHeader("If-None-Match", "*")).Want(t, 201)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("three"))
	// What was displaced has become versions.
	wantFile(t, h.data+"/versions/"+id+"/"+first.ID+".1", []byte("one"))
	wantFile(t, h.data+"/versions/"+id+"/"+first.ID+".2", []byte("two"))
	if got := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); got.Used != int64(len("onetwo"+"three"+"x")) {
		t.Fatalf("got %+v", got)
	}
}

func TestPut_TwoWritersOnOneNameLeaveOneOfThemWhole(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	const writers = 8
	bodies := make([][]byte, writers)
	created := make([]bool, writers)
	var group sync.WaitGroup
	for i := range writers {
		bodies[i] = random(20_000 + i)
		group.Go(func() {
			a := c.Do("PUT", "/files/content/documents/one.bin", bodies[i])
			if a.Status != 200 && a.Status != 201 {
				t.Errorf("got %d: %s", a.Status, a.Body)
			}
			created[i] = a.Status == 201
		})
	}
	group.Wait()
	news := 0
	for _, made := range created {
		if made {
			news++
		}
	}
	if news != 1 {
		t.Errorf("%d writers were told that they made the file", news)
	}
	got, err := os.ReadFile(h.place(id, "documents", "one.bin"))
	if err != nil {
		t.Fatal(err)
	}
	it := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/one.bin", nil).Want(t, 200))
	if it.Revision != writers || *it.SHA256 != sha(got) {
		t.Fatalf("the row is %+v, the disk has %s", it, sha(got))
	}
	h.settled(t)
	if left := h.onDisk(t); len(left) != writers { // one in place, the others displaced
		t.Errorf("the disk holds %q", left)
	}
}

func TestPut_HoldsTheBytesAgainstTheirDigest(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	const at = "/files/content/documents/a.txt"
	for i, field := range []string{"Content-Digest", "Repr-Digest"} {
		c.Do("PUT", at, "abc", httpxtest.WithHeader(field, digest("abd"))).WantProblem(t, 422, "digest_mismatch")
		c.Do("PUT", at, "abc", httpxtest.WithHeader(field, digest("abc"))).Want(t, 201-i)
		for _, bad := range []string{"sha-256", "sha-256=abc", "sha-256=:abc:", "sha-256=:!!!!:", "=:YWJj:", "sha-256=:YWJj:;x, ,"} {
			c.Do("PUT", at, "abc", httpxtest.WithHeader(field, bad)).WantProblem(t, 400, "invalid_digest")
		}
	}
	c.Do("PUT", at, "abc", httpxtest.WithHeader("Repr-Digest", "md5=:YWJj:, "+digest("abc"))).Want(t, 200)
	c.Do("PUT", at, "abc", httpxtest.WithHeader("Repr-Digest", "sha-512=:YWJj:")).Want(t, 200)
	c.Do("PUT", at, "abc", httpxtest.WithHeader("Content-Encoding", "gzip")).WantProblem(t, 415, "unsupported_media_type")
	c.Do("PUT", at, "abc", httpxtest.WithHeader("Content-Range", "bytes 0-2/3")).WantProblem(t, 400, "content_range")
}

func TestPut_HoldsTheBytesAgainstADigestThatComesBehindThem(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for i, tt := range []struct{ digest, want string }{
		{"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", " 422 "},
		{"sha-256=abc", " 400 "},
		{"sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:", " 201 "}, // of abc
	} {
		line := raw(t, h, c.Bearer, "PUT /api/v1/files/content/documents/a.txt HTTP/1.1", "Trailer: Content-Digest\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"3\r\nabc\r\n0\r\nContent-Digest: "+tt.digest+"\r\n\r\n", false)
		if !strings.Contains(line, tt.want) {
			t.Errorf("%d: got %q", i, line)
		}
	}
}

func TestPut_NeedsTheFolderOrMakesItWhenAsked(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/2026/may/a.txt", "x").WantProblem(t, 409, "parent_missing")
	c.Do("PUT", "/files/content/documents/2026/may/a.txt?parents=maybe", "x").WantProblem(t, 400, "invalid_parameter")
	c.Do("PUT", "/files/content/documents/2026/may/a.txt?parents=true", "x").Want(t, 201)
	wantFile(t, h.place(id, "documents", "2026", "may", "a.txt"), []byte("x"))
	c.Do("PUT", "/files/content/documents/2026/may/a.txt/b.txt?parents=true", "x").WantProblem(t, 409, "not_a_folder")
	c.Do("PUT", "/files/content/documents/2026", "x").WantProblem(t, 409, "name_conflict")
	c.Do("PUT", "/files/content/top.txt", "x").Want(t, 201)
	wantFile(t, h.place(id, "top.txt"), []byte("x"))
}

// raw sends a request as it is and returns the status line, "" when the
// server only closed the connection. With cut the client goes away after it.
func raw(t *testing.T, h *house, bearer, head, body string, cut bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", head, strings.TrimPrefix(h.URL, "http://"), bearer)
	io.WriteString(conn, body)
	if cut {
		conn.(*net.TCPConn).CloseWrite()
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func TestPut_BrokenBodiesLeaveNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	h.settled(t)
	long := strings.Repeat("x", 3<<20)
	const head = "PUT /api/v1/files/content/documents/a.bin HTTP/1.1"
	for name, body := range map[string]string{
		"short":           "Content-Length: 100\r\n\r\nshort",
		"short, reserved": "Content-Length: 9000000\r\n\r\n" + long,
		"bad chunk":       "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
		"no last chunk":   "Transfer-Encoding: chunked\r\n\r\n300000\r\n" + long[:0x300000] + "\r\n",
	} {
		line := raw(t, h, c.Bearer, head, body, true)
		if line != "" && !strings.Contains(line, " 400 ") {
			t.Errorf("%s: got %q", name, line)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for h.number(t, "SELECT reserved FROM trees") != 0 || len(h.onDisk(t)) != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("left on disk: %q", h.onDisk(t))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := h.number(t, "SELECT count(*) FROM items WHERE kind = 1") + h.number(t, "SELECT count(*) FROM uploads"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	// What is longer than declared belongs to no request.
	if line := raw(t, h, c.Bearer, head, "Content-Length: 3\r\nConnection: close\r\n\r\nabcdef", false); !strings.Contains(line, " 201 ") {
		t.Errorf("got %q", line)
	}
	if got := c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200).Body; string(got) != "abc" {
		t.Errorf("got %q", got)
	}
}

func TestPut_TakesABodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	want := random(5 << 20)
	c.Do("PUT", "/files/content/documents/a.bin", bytes.NewReader(want), httpxtest.WithLength(-1)).Want(t, 201)
	wantBytes(t, c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200).Body, want)
	u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
	if u.Used != int64(len(want)) || u.Reserved != 0 {
		t.Fatalf("got %+v", u)
	}
}

// recording is the beginning of a transport stream of packets of that size,
// whose sync bytes stand at first.
func recording(packets, size, first int) string {
	b := []byte(strings.Repeat("x", packets*size))
	for at := first; at < len(b); at += size {
		b[at] = 0x47
	}
	return string(b)
}

func TestMediaType_IsToldByTheBytesWhereTheNameLeavesItOpen(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	source := "Generator = function* () {}\n" + strings.Repeat("// Good morning.\n", 200)
	const script, film = "text/x-typescript", "video/mp2t"
	tries := []struct{ name, content, want string }{
		{"a.ts", source, script}, {"A.TS", "", script}, {"a.ts", "G", script}, {"a.ts", strings.Repeat("GET(`/a/b`)// Get(`/a/b`)// ...\nG__;\nG__;\nG__;\n", 40), script}, {"a.ts", strings.Repeat("G", 188), script},
		{"a.ts", recording(2, 188, 0), film}, {"a.ts", recording(500, 188, 0), film}, {"a.ts", recording(20, 188, 101), film}, {"a.ts", recording(20, 204, 0), film},
		{"a.mts", recording(20, 192, 4), film}, {"a.mts", source, script}, {"a.m2ts", "x", film},
		{"a.key", "PK\x03\x04 slides", "application/vnd.apple.keynote"}, {"a.key", "-----BEGIN PRIVATE KEY-----", "application/x-pem-file"}, {"a.key", "x", "application/octet-stream"},
		{"a.ogg", "OggS\x00\x02........\x01vorbis", "audio/ogg"}, {"a.ogg", "OggS\x00\x02........\x80theora", "video/ogg"},
	}
	for i, try := range tries {
		folder := fmt.Sprint("/documents/", i)
		for _, declared := range []string{"", "video/mp2t", "text/x-typescript", "audio/ogg", "application/vnd.apple.keynote"} {
			it := decode[item](t, c.Do("PUT", "/files/content"+folder+"/"+try.name+"?parents=true", try.content, httpxtest.WithHeader("Content-Type", declared)))
			if *it.MediaType != try.want {
				t.Errorf("%d, %s declared as %q: got %s, want %s", i, try.name, declared, *it.MediaType, try.want)
			}
		}
		up := tus(c, "POST", "/files/uploads", try.content, "Upload-Length", strconv.Itoa(len(try.content)), "Content-Type", offsetType,
			"Upload-Metadata", metadata("filename", "tus-"+try.name, "path", folder, "filetype", "video/mp2t")).Want(t, 201)
		write(t, h.place(id, folder, "disk-"+try.name), try.content)
		// Sent under a name of no kind, and renamed when it was whole.
		part := decode[item](t, c.Do("PUT", "/files/content"+folder+"/x.part", try.content).Want(t, 201))
		if it := decode[item](t, c.Do("PATCH", "/files/items/"+part.ID, map[string]string{"name": "renamed-" + try.name}).Want(t, 200)); *it.MediaType != try.want {
			t.Errorf("%d, renamed to %s: got %s, want %s", i, try.name, *it.MediaType, try.want)
		}
		if it := decode[item](t, c.Do("GET", strings.TrimPrefix(up.Header.Get("Content-Location"), "/api/v1"), nil).Want(t, 200)); *it.MediaType != try.want {
			t.Errorf("%d, %s by tus: got %s, want %s", i, try.name, *it.MediaType, try.want)
		}
		if it := decode[item](t, c.Do("POST", "/files/items/"+part.ID+"/copy", map[string]string{}).Want(t, 201)); *it.MediaType != try.want {
			t.Errorf("%d, copied %s: got %s, want %s", i, try.name, *it.MediaType, try.want)
		}
	}
	// The same on the disk.
	swap := func(from, to func(name string) string) {
		h.settled(t)
		for i, try := range tries {
			folder := h.place(id, fmt.Sprint("/documents/", i))
			rename(t, folder+"/"+from(try.name), folder+"/"+to(try.name))
		}
		h.scan(t)
	}
	same, part := func(name string) string { return name }, func(string) string { return "b.part" }
	swap(same, part)
	for i := range tries {
		if got := *find(t, c, fmt.Sprintf("/documents/%d/b.part", i)).MediaType; got != "application/octet-stream" {
			t.Errorf("%d, renamed on the disk: got %s", i, got)
		}
	}
	swap(part, same)
	for i, try := range tries {
		for _, name := range []string{"disk-" + try.name, try.name} {
			if it := find(t, c, fmt.Sprintf("/documents/%d/%s", i, name)); *it.MediaType != try.want {
				t.Errorf("%d, %s on the disk: got %s, want %s", i, name, *it.MediaType, try.want)
			}
		}
	}
	if got := c.Do("GET", "/files/content/documents/6/a.ts", nil).Want(t, 200).Header; got.Get("Content-Type") != film || !strings.HasPrefix(got.Get("Content-Disposition"), "inline") {
		t.Errorf("got %v", got)
	}
}

func TestPut_KeepsTheMediaTypeOnlyWhenItFitsTheName(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for _, tt := range []struct{ name, declared, want string }{
		{"a.png", "image/png", "image/png"},
		{"a.png", "text/html", "image/png"},
		{"a.csv", "text/plain; charset=utf-8", "text/plain"},
		{"a.CSV", "", "text/csv"},
		{"a.unknown", "text/html", "application/octet-stream"},
		{"a", "image/png", "application/octet-stream"},
		{"a.html", "nonsense//", "text/html"},
	} {
		it := decode[item](t, c.Do("PUT", "/files/content/images/"+tt.name, "x", httpxtest.WithHeader("Content-Type", tt.declared)))
		if *it.MediaType != tt.want {
			t.Errorf("%s declared as %q: got %s, want %s", tt.name, tt.declared, *it.MediaType, tt.want)
		}
	}
}

func TestFiles_AreNotFoundByAnotherUserOnAnyRoute(t *testing.T) {
	t.Parallel()
	h := start(t)
	ann, annID := h.member(t, "ann@example.com")
	h.User(t, "eve@example.com", "admin")
	eve := h.SignIn(t, "eve@example.com")
	it := decode[item](t, ann.Do("PUT", "/files/content/documents/secret.txt", "secret").Want(t, 201))
	eve.Do("GET", "/files/items/root", nil).Want(t, 200)
	up := path.Base(begin(t, ann, 10, "filename", "later.txt"))
	for _, route := range httpx.Whole(h.files.Routes()) {
		method, pattern, _ := strings.Cut(route.Pattern, " ")
		if !strings.Contains(pattern, "{id}") {
			continue
		}
		var body any
		if route.Request != nil {
			body = map[string]string{}
		}
		refused := func(c *httpxtest.Client, id string) {
			at := strings.Replace(pattern, "{id}", id, 1)
			switch {
			case method == "HEAD":
				c.Do(method, at, body).Want(t, 404)
			case strings.Contains(pattern, "/uploads/"):
				tus(c, method, at, body, "Upload-Offset", "0", "Content-Type", offsetType).WantProblem(t, 404, "not_found")
			default:
				c.Do(method, at, body).WantProblem(t, 404, "not_found")
			}
		}
		for _, id := range []string{it.ID, *it.ParentID, up} {
			refused(eve, id)
		}
		for _, id := range []string{strings.ToUpper(it.ID), "urn:uuid:" + it.ID, "%7B" + it.ID + "%7D", "00000000-0000-0000-0000-000000000000", "x"} {
			refused(ann, id)
		}
	}
	eve.Do("GET", "/files/content/documents/secret.txt", nil).WantProblem(t, 404, "not_found")
	eve.Do("POST", "/files/folders", map[string]string{"parent_id": *it.ParentID, "name": "mine"}).WantProblem(t, 409, "parent_missing")
	h.Client(t).Do("GET", "/files/items/"+it.ID, nil).Want(t, http.StatusUnauthorized)
	wantFile(t, h.place(annID, "documents", "secret.txt"), []byte("secret"))
}

// A folder that was just put into may be moved, renamed, trashed or gone when
// the next file comes: what was known of it must not decide anything.
func TestPut_AFolderThatWasJustPutIntoMayBeElsewhereByNow(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for name, change := range map[string]func(folder string){
		"renamed": func(folder string) {
			c.Do("PATCH", "/files/items/"+folder, map[string]string{"name": "elsewhere"}).Want(t, 200)
		},
		"trashed": func(folder string) { c.Do("DELETE", "/files/items/"+folder, nil).Want(t, 204) },
		"purged": func(folder string) {
			c.Do("DELETE", "/files/items/"+folder, nil).Want(t, 204)
			c.Do("DELETE", "/files/trash/"+folder, nil).Want(t, 204)
		},
		"replaced": func(folder string) {
			c.Do("DELETE", "/files/items/"+folder, nil).Want(t, 204)
			c.Do("PUT", "/files/content/replaced", "a file").Want(t, 201)
		},
	} {
		a := decode[item](t, c.Do("PUT", "/files/content/"+name+"/a?parents=true", "a").Want(t, 201))
		change(*a.ParentID)
		want := "parent_missing"
		if name == "replaced" {
			want = "not_a_folder"
		}
		c.Do("PUT", "/files/content/"+name+"/b", "b").WantProblem(t, 409, want)
		if staged := h.under(t, "staging"); len(staged) > 0 {
			t.Errorf("%s: %d staged files are left", name, len(staged))
		}
	}
	// A name that is taken by now is replaced, or refused, as ever.
	first := decode[item](t, c.Do("PUT", "/files/content/documents/x", "1").Want(t, 201))
	again := decode[item](t, c.Do("PUT", "/files/content/documents/x", "2").Want(t, 200))
	if again.ID != first.ID || again.Revision != 2 {
		t.Errorf("got %+v after %+v", again, first)
	}
	c.Do("PUT", "/files/content/documents/y", "1").Want(t, 201)
	c.Do("PUT", "/files/content/documents/x", "3", httpxtest.WithHeader("If-Match", `"r2"`)).Want(t, 200)
	c.Do("POST", "/files/folders", map[string]any{"path": "/documents/z"}).Want(t, 201)
	c.Do("PUT", "/files/content/documents/z", "1").WantProblem(t, 409, "name_conflict")
	h.settled(t)
}
