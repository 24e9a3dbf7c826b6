package files_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

func TestGet_RangesAndConditions(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	body := "0123456789"
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", body).Want(t, 201))
	tag := `"` + *it.SHA256 + `"`
	for _, tt := range []struct {
		header, value string
		status        int
		want          string
	}{
		{"Range", "bytes=0-3", 206, "0123"},
		{"Range", "bytes=4-", 206, "456789"},
		{"Range", "bytes=-3", 206, "789"},
		{"Range", "bytes=-99", 206, body},
		{"Range", "bytes=8-99", 206, "89"},
		{"Range", "lines=1-2", 200, body},
		{"Range", "bytes=9-1", 416, ""},
		{"Range", "bytes=10-", 416, ""},
		{"Range", "bytes=-0", 416, ""},
		{"Range", "bytes=0-9999999999999999999", 416, ""},
		{"Range", "bytes=", 416, ""},
		{"Range", "bytes=a-b", 416, ""},
		{"Range", "bytes=+1-2", 416, ""},
		{"Range", "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8", 200, body},
		{"Range", "bytes=0-9,0-9,0-9", 200, body},
		{"If-None-Match", tag, 304, ""},
		{"If-None-Match", `"x", W/` + tag, 304, ""},
		{"If-None-Match", "*", 304, ""},
		{"If-None-Match", `"x"`, 200, body},
		{"If-None-Match", `x, *`, 200, body},
		{"Range", "bytes=0-1,,", 206, "01"},
		{"If-Match", tag, 200, body},
		{"If-Match", "*", 200, body},
		{"If-Match", `"x"`, 412, ""},
		{"If-Match", "W/" + tag, 200, body}, // a proxy compressed it
		{"If-Match", `x, *`, 412, ""},
		{"If-Modified-Since", time.Now().Add(time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 304, ""},
		{"If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 412, ""},
	} {
		for _, at := range []string{"/files/content/documents/a.txt", "/files/items/" + it.ID + "/content"} {
			a := c.Do("GET", at, nil, httpxtest.WithHeader(tt.header, tt.value))
			if a.Status != tt.status || tt.status < 300 && string(a.Body) != tt.want {
				t.Errorf("%s: %s: got %d %q, want %d %q", tt.header, tt.value, a.Status, a.Body, tt.status, tt.want)
			}
			if tt.status == 416 && a.Header.Get("Content-Range") != "bytes */10" {
				t.Errorf("%s: got Content-Range %q", tt.value, a.Header.Get("Content-Range"))
			}
			if head := c.Do("HEAD", at, nil, httpxtest.WithHeader(tt.header, tt.value)); head.Status != tt.status {
				t.Errorf("HEAD %s: %s: got %d, want %d", tt.header, tt.value, head.Status, tt.status)
			}
		}
	}
	old := c.Do("GET", "/files/items/"+it.ID+"/content", nil, httpxtest.WithHeader("Range", "bytes=0-1"), httpxtest.WithHeader("If-Range", `"old"`)).Want(t, 200)
	wantBytes(t, old.Body, []byte(body))
	c.Do("GET", "/files/items/"+it.ID+"/content", nil, httpxtest.WithHeader("Range", "bytes=0-1"), httpxtest.WithHeader("If-Range", tag)).Want(t, 206)

	several := c.Do("GET", "/files/items/"+it.ID+"/content", nil, httpxtest.WithHeader("Range", "bytes=0-1,8-9")).Want(t, 206)
	_, params, err := mime.ParseMediaType(several.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(strings.NewReader(string(several.Body)), params["boundary"])
	for _, want := range []string{"01", "89"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(part); err != nil || string(got) != want {
			t.Fatalf("got part %q, %v, want %q", got, err, want)
		}
	}
}

func TestGet_SaysWhatTheBytesAreAndKeepsBrowsersFromRunningThem(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for _, tt := range []struct{ name, disposition, mediaType string }{
		{"photo.png", `inline; filename="photo.png"`, "image/png"},
		{"page.html", `attachment; filename="page.html"`, "text/html; charset=utf-8"},
		{"image.svg", `attachment; filename="image.svg"`, "image/svg+xml"},
		{"notes.txt", `inline; filename="notes.txt"`, "text/plain; charset=utf-8"},
		{`na"ïve 100%.pdf`, `inline; filename="na__ve 100_.pdf"; filename*=UTF-8''na%22%C3%AFve%20100%25.pdf`, "application/pdf"},
		{"data", `attachment; filename="data"`, "application/octet-stream"},
	} {
		at := "/files/content/images/" + url.PathEscape(tt.name)
		c.Do("PUT", at, "x").Want(t, 201)
		a := c.Do("HEAD", at, nil).Want(t, 200)
		if got := a.Header.Get("Content-Disposition"); got != tt.disposition {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.disposition)
		}
		if got := a.Header.Get("Content-Type"); got != tt.mediaType {
			t.Errorf("%s: got type %s, want %s", tt.name, got, tt.mediaType)
		}
		if got := a.Header.Get("Content-Security-Policy"); !strings.Contains(got, "sandbox") || !strings.Contains(got, "default-src 'none'") {
			t.Errorf("%s: got policy %s", tt.name, got)
		}
		if got := a.Header.Get("Cache-Control"); got != "private, no-cache" {
			t.Errorf("%s: got Cache-Control %s", tt.name, got)
		}
		if a.Header.Get("Repr-Digest") == "" || a.Header.Get("Content-Length") != "1" {
			t.Errorf("%s: got %v", tt.name, a.Header)
		}
	}
	c.Do("GET", "/files/content/images", nil).WantProblem(t, 409, "not_a_file")
}

func TestGet_NeverFollowsOrOpensWhatIsNoFile(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	canary := t.TempDir() + "/secret"
	if err := os.WriteFile(canary, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(p string) error{
		"absolute link": func(p string) error { return os.Symlink(canary, p) },
		"relative link": func(p string) error { return os.Symlink("other.bin", p) },
		"upward link":   func(p string) error { return os.Symlink("../../../.homebase", p) },
		"fifo":          func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"device":        func(p string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o600, 1<<8|5) },
		"folder":        func(p string) error { return os.Mkdir(p, 0o700) },
		"nothing":       func(p string) error { return nil },
	} {
		at := "/files/content/documents/" + url.PathEscape(name)
		c.Do("PUT", "/files/content/documents/other.bin", "other")
		c.Do("PUT", at, "mine!").Want(t, 201)
		p := h.place(id, "documents", name)
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := plant(p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.Do("GET", at, nil).WantProblem(t, 404, "content_missing")
		// Writing over it leaves what was there under another name.
		c.Do("PUT", at, "again").Want(t, 200)
		wantBytes(t, c.Do("GET", at, nil).Want(t, 200).Body, []byte("again"))
		if _, err := os.Lstat(p + " (found)"); name != "nothing" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := os.ReadFile(canary); err != nil || string(got) != "canary" {
		t.Fatalf("the link's target: %q, %v", got, err)
	}
	// A link in place of a folder.
	c.Do("PUT", "/files/content/documents/sub/a.txt?parents=true", "x").Want(t, 201)
	if err := os.Rename(h.place(id, "documents", "sub"), h.place(id, "documents", "gone")); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.WriteFile(outside+"/a.txt", []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, h.place(id, "documents", "sub")); err != nil {
		t.Fatal(err)
	}
	c.Do("GET", "/files/content/documents/sub/a.txt", nil).WantProblem(t, 404, "content_missing")
}

func TestGet_ChangedFromOutsideIsServedWithoutPromises(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "before").Want(t, 201)
	if err := os.WriteFile(h.place(id, "documents", "a.txt"), []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
	wantBytes(t, a.Body, []byte("edited"))
	if tag := a.Header.Get("ETag"); !strings.HasPrefix(tag, `W/"`) || a.Header.Get("Repr-Digest") != "" {
		t.Fatalf("got ETag %s, Repr-Digest %q", tag, a.Header.Get("Repr-Digest"))
	}
	c.Do("GET", "/files/content/documents/a.txt", nil, httpxtest.WithHeader("If-Match", a.Header.Get("ETag"))).WantProblem(t, 412, "precondition_failed")
	c.Do("GET", "/files/content/documents/a.txt", nil, httpxtest.WithHeader("If-None-Match", a.Header.Get("ETag"))).Want(t, 304)
}

func TestGet_IsNeverModifiedAheadOfItsDate(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "letter").Want(t, 201)
	ahead := time.Now().Add(48 * time.Hour) // a camera's clock, or one that was set back
	if err := os.Chtimes(h.place(id, "documents", "a.txt"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	a := c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
	modified, err := http.ParseTime(a.Header.Get("Last-Modified"))
	if date, _ := http.ParseTime(a.Header.Get("Date")); err != nil || modified.After(date) {
		t.Errorf("modified at %v, sent at %v: %v", modified, date, err)
	}
	later := httpxtest.WithHeader("If-Modified-Since", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	c.Do("GET", "/files/content/documents/a.txt", nil, later).Want(t, 200)
}

func TestGet_ReadersOfAFileBeingReplacedSeeOneVersion(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	const at = "/files/content/documents/a.bin"
	sums := map[string]bool{}
	var versions [][]byte
	for i := range 12 {
		v := random(200_000)
		copy(v, fmt.Sprintf("version %d ", i))
		versions = append(versions, v)
		sums[sha(v)] = true
	}
	c.Do("PUT", at, versions[0]).Want(t, 201)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, v := range versions[1:] {
			if a := c.Do("PUT", at, v); a.Status != 200 {
				t.Errorf("got %d", a.Status)
			}
		}
	}()
	reads := 0
	for ended := false; !ended; reads++ {
		select {
		case <-done:
			ended = true
		default:
		}
		a := c.Do("GET", at, nil)
		if a.Status != 200 || !sums[sha(a.Body)] {
			t.Fatalf("read %d: got %d and %d bytes of no version", reads, a.Status, len(a.Body))
		}
		if tag := a.Header.Get("ETag"); tag != `"`+sha(a.Body)+`"` {
			t.Fatalf("read %d: the tag %s is not that of the bytes", reads, tag)
		}
	}
}

// What is counted and recorded follows what is sent, however a client asks.
func TestGet_NothingIsSentUncounted(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "0123456789")
	tag := `"` + *it.SHA256 + `"`
	conditions := []string{"", `x, *`, `x, ` + tag, `"x"x, *`, `W/ "x", *`, `"a b", *`, "\"x\"\t,*", `"x" *`, `,`, `*`, tag, `W/` + tag, `"x",` + tag}
	ranges := []string{"", "bytes=0-0", "bytes=-99", "bytes=3-", "bytes=0-0,2-2", "bytes=1-9,1-9", "bytes=99-",
		"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8", "bytes=0-0,,,,,,,,,,2-2", "bytes= 1-2 ,\t0-1", "bytes=1-2,x"}
	own, link := "/files/items/"+it.ID+"/content", share(t, c, it.ID)
	guest := h.Client(t)
	sent := int64(0)
	for _, condition := range conditions {
		for _, r := range ranges {
			for _, ifRange := range []string{"", tag, `"old"`} {
				if ifRange != "" && condition != "" {
					continue
				}
				opts := []httpxtest.Option{httpxtest.WithHeader("If-None-Match", condition), httpxtest.WithHeader("Range", r), httpxtest.WithHeader("If-Range", ifRange)}
				a := guest.Do("GET", link.at("/content"), nil, opts...)
				if b := c.Do("GET", own, nil, opts...); b.Status != a.Status {
					t.Errorf("%q %q %q: the owner gets %d, a guest %d", condition, r, ifRange, b.Status, a.Status)
				}
				for _, client := range []struct {
					*httpxtest.Client
					at string
				}{{guest, link.at("/content")}, {c, own}} {
					if head := client.Do("HEAD", client.at, nil, opts...); head.Status != a.Status {
						t.Errorf("%q %q %q: HEAD gets %d, GET %d", condition, r, ifRange, head.Status, a.Status)
					}
				}
				if a.Status < 300 {
					sent++
				}
				if strings.Count(a.Header.Get("Content-Type"), "multipart") > 0 && strings.Count(string(a.Body), "Content-Range") > 8 {
					t.Errorf("%q: more than 8 parts", r)
				}
			}
		}
	}
	var counted, recorded int64
	for range 100 { // notes are written in batches
		counted = h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'share.read' AND details->>'what' = 'content'")
		recorded = h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.download'")
		if counted == sent && recorded == sent {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if counted != sent || recorded != sent {
		t.Errorf("%d answers with bytes: %d are recorded for the guest, %d for the owner", sent, counted, recorded)
	}
	h.exec(t, "UPDATE shares SET max_downloads = downloads")
	for _, condition := range conditions[1:] {
		if a := guest.Do("GET", link.at("/content"), nil, httpxtest.WithHeader("If-None-Match", condition)); a.Status == 200 || strings.Contains(string(a.Body), "0123") {
			t.Errorf("a used-up share sends the bytes for If-None-Match %q: %d", condition, a.Status)
		}
	}
}
