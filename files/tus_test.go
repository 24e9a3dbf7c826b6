package files_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"homebase/files"
	"homebase/httpx/httpxtest"
)

const offsetType = "application/offset+octet-stream"

// tus sends a request of the protocol; headers are names and values.
func tus(c *httpxtest.Client, method, at string, body any, headers ...string) *httpxtest.Answer {
	opts := []httpxtest.Option{httpxtest.WithHeader("Tus-Resumable", "1.0.0")}
	for i := 0; i < len(headers); i += 2 {
		opts = append(opts, httpxtest.WithHeader(headers[i], headers[i+1]))
	}
	return c.Do(method, at, body, opts...)
}

// metadata is Upload-Metadata for keys and values.
func metadata(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(list, ",")
}

// begin creates an upload, of a length that is told later when it is
// negative, and returns its path below the prefix.
func begin(t testing.TB, c *httpxtest.Client, length int64, pairs ...string) string {
	t.Helper()
	header, value := "Upload-Length", strconv.FormatInt(length, 10)
	if length < 0 {
		header, value = "Upload-Defer-Length", "1"
	}
	a := tus(c, "POST", "/files/uploads", nil, header, value, "Upload-Metadata", metadata(pairs...)).Want(t, 201)
	at, ok := strings.CutPrefix(a.Header.Get("Location"), "/api/v1")
	if !ok || a.Header.Get("Upload-Expires") == "" && length != 0 {
		t.Fatalf("got %v", a.Header)
	}
	return at
}

// patch sends a chunk.
func patch(c *httpxtest.Client, at string, offset int64, body any, headers ...string) *httpxtest.Answer {
	return tus(c, "PATCH", at, body, append([]string{"Content-Type", offsetType, "Upload-Offset", strconv.FormatInt(offset, 10)}, headers...)...)
}

// offsetOf asks how far an upload is.
func offsetOf(t testing.TB, c *httpxtest.Client, at string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(tus(c, "HEAD", at, nil).Want(t, 200).Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantOffset(t testing.TB, a *httpxtest.Answer, want int) *httpxtest.Answer {
	t.Helper()
	if got := a.Header.Get("Upload-Offset"); got != strconv.Itoa(want) {
		t.Fatalf("got Upload-Offset %q, want %d", got, want)
	}
	return a
}

func (h *house) stagedUpload(owner, at string) string {
	return filepath.Join(h.data, "staging", owner, path.Base(at)+".tus")
}

func TestTus_OptionsSayWhatIsOffered(t *testing.T) {
	t.Parallel()
	h := start(t)
	a := h.Client(t).Do("OPTIONS", "/files/uploads", nil).Want(t, 204)
	if got := a.Header.Get("Tus-Extension"); got != "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination" {
		t.Errorf("got %q", got)
	}
	if a.Header.Get("Tus-Version") != "1.0.0" || !strings.Contains(a.Header.Get("Tus-Checksum-Algorithm"), "sha1") {
		t.Errorf("got %v", a.Header)
	}
}

func TestTus_ChunksBecomeAFileAsIfItHadBeenPut(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(700_000)
	meta := []string{"filename", "holiday.png", "filetype", "image/png", "path", "/images", "relativePath", "null"}
	at := begin(t, c, int64(len(want)), meta...)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != int64(len(want)) || u.Used != 0 {
		t.Errorf("got %+v", u)
	}
	for from := 0; from < len(want); from += 300_000 {
		a := tus(c, "HEAD", at, nil).Want(t, 200)
		wantOffset(t, a, from)
		if a.Header.Get("Upload-Length") != "700000" || a.Header.Get("Upload-Metadata") != metadata(meta...) || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %v", a.Header)
		}
		to := min(from+300_000, len(want))
		a = wantOffset(t, patch(c, at, int64(from), want[from:to]).Want(t, 204), to)
		if done := a.Header.Get("Content-Location") != ""; done != (to == len(want)) || done == (a.Header.Get("Upload-Expires") != "") {
			t.Errorf("at %d: got %v", to, a.Header)
		}
	}
	wantFile(t, h.place(id, "images", "holiday.png"), want)
	it := decode[item](t, c.Do("GET", "/files/lookup?path=/images/holiday.png", nil).Want(t, 200))
	if *it.SHA256 != sha(want) || *it.MediaType != "image/png" || it.Revision != 1 {
		t.Errorf("got %+v", it)
	}
	// The last answer may have been lost: everything can be asked again.
	for _, a := range []*httpxtest.Answer{
		tus(c, "HEAD", at, nil).Want(t, 200), patch(c, at, 600_000, want[600_000:]).Want(t, 204), patch(c, at, 700_000, "").Want(t, 204),
	} {
		if wantOffset(t, a, 700_000); a.Header.Get("Content-Location") != "/api/v1/files/items/"+it.ID {
			t.Errorf("got %v", a.Header)
		}
	}
	patch(c, at, 0, want[:10]).WantProblem(t, 409, "upload_offset_mismatch")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != 0 || u.Used != int64(len(want)) {
		t.Errorf("got %+v", u)
	}
	tus(c, "DELETE", at, nil).Want(t, 204)
	tus(c, "HEAD", at, nil).Want(t, 404)
	wantFile(t, h.place(id, "images", "holiday.png"), want)
	h.settled(t)
	if left := h.onDisk(t); len(left) != 1 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestTus_GoesToAFolderByItsIdAndReplacesWhatIsThere(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	first := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "old").Want(t, 201))
	at := begin(t, c, 9, "filename", "a.txt", "parent_id", *first.ParentID)
	patch(c, at, 0, "new bytes").Want(t, 204)
	it := decode[item](t, c.Do("GET", "/files/items/"+first.ID, nil).Want(t, 200))
	if it.Revision != 2 || *it.SHA256 != sha([]byte("new bytes")) {
		t.Errorf("got %+v", it)
	}
	wantFile(t, h.data+"/versions/"+id+"/"+first.ID+".1", []byte("old"))
	patch(c, begin(t, c, 3, "filename", "top.txt"), 0, "top").Want(t, 204)
	wantFile(t, h.place(id, "top.txt"), []byte("top"))
	for _, pairs := range [][]string{
		{"filename", "b.txt", "parent_id", "01234567-89ab-7def-8123-456789abcdef"},
		{"filename", "b.txt", "path", "/documents/none"},
	} {
		tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata(pairs...)).WantProblem(t, 409, "parent_missing")
	}
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata("filename", "b", "parent_id", first.ID)).WantProblem(t, 409, "not_a_folder")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata("filename", "documents")).WantProblem(t, 409, "name_conflict")
}

func TestTus_ZeroBytesAreDoneAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 0, "filename", "empty.txt", "path", "documents")
	wantFile(t, h.place(id, "documents", "empty.txt"), nil)
	if a := wantOffset(t, tus(c, "HEAD", at, nil).Want(t, 200), 0); a.Header.Get("Content-Location") == "" || a.Header.Get("Upload-Length") != "0" {
		t.Errorf("got %v", a.Header)
	}
	at = begin(t, c, -1, "filename", "empty too.txt", "path", "documents")
	patch(c, at, 0, "", "Upload-Length", "0").Want(t, 204)
	wantFile(t, h.place(id, "documents", "empty too.txt"), nil)
}

func TestTus_TheLengthMayComeLate(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 10 << 20 })
	c, id := h.member(t, "ann@example.com")
	want := random(3 << 20)
	at := begin(t, c, -1, "filename", "a.bin", "path", "documents")
	if a := tus(c, "HEAD", at, nil).Want(t, 200); a.Header.Get("Upload-Defer-Length") != "1" || a.Header.Get("Upload-Length") != "" {
		t.Errorf("got %v", a.Header)
	}
	wantOffset(t, patch(c, at, 0, want[:2<<20]).Want(t, 204), 2<<20)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved < 2<<20 {
		t.Errorf("%d bytes are reserved for 2 MiB", u.Reserved)
	}
	patch(c, at, 2<<20, want[2<<20:], "Upload-Length", "5").WantProblem(t, 400, "invalid_upload_length")
	patch(c, at, 2<<20, want[2<<20:], "Upload-Length", "1e7").WantProblem(t, 400, "invalid_upload_length")
	patch(c, at, 2<<20, want[2<<20:], "Upload-Length", "11000000").WantProblem(t, 507, "quota_exceeded")
	patch(c, at, 2<<20, want[2<<20:2<<20+5], "Upload-Length", strconv.Itoa(len(want))).Want(t, 204)
	patch(c, at, 2<<20+5, want[2<<20+5:], "Upload-Length", strconv.Itoa(len(want)+1)).WantProblem(t, 400, "invalid_upload_length")
	patch(c, at, 2<<20+5, want[2<<20+5:]).Want(t, 204)
	wantFile(t, h.place(id, "documents", "a.bin"), want)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != 0 || u.Used != int64(len(want)) {
		t.Errorf("got %+v", u)
	}
	// What cannot be reserved is not taken, and what was is kept.
	at = begin(t, c, -1, "filename", "b.bin", "path", "documents")
	patch(c, at, 0, random(8<<20)).WantProblem(t, 507, "quota_exceeded")
	if n := offsetOf(t, c, at); n <= 0 || n > 7<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestTus_TheFirstChunkMayComeWithTheCreation(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	post := func(length int, body any, contentType string, more ...string) *httpxtest.Answer {
		return tus(c, "POST", "/files/uploads", body, append([]string{"Upload-Length", strconv.Itoa(length), "Content-Type", contentType,
			"Upload-Metadata", metadata("filename", "a.txt", "path", "documents")}, more...)...)
	}
	a := wantOffset(t, post(10, "01234", offsetType).Want(t, 201), 5)
	patch(c, strings.TrimPrefix(a.Header.Get("Location"), "/api/v1"), 5, "56789").Want(t, 204)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("0123456789"))
	if a = wantOffset(t, post(5, "whole", offsetType).Want(t, 201), 5); a.Header.Get("Content-Location") == "" {
		t.Errorf("got %v", a.Header)
	}
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("whole"))
	wantOffset(t, post(5, "other", "text/plain").Want(t, 201), 0)
	h.exec(t, "UPDATE uploads SET expires_at = now() - interval '1 s'")
	h.run(t, "files.expire")
	post(5, "too long", offsetType).WantProblem(t, 413, "body_too_large")
	post(5, strings.NewReader("wrong"), offsetType, "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(make([]byte, 20))).WantProblem(t, 460, "checksum_mismatch")
	post(5, io.MultiReader(strings.NewReader("too long")), offsetType).WantProblem(t, 413, "body_too_large")
	h.run(t, "files.expire")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != 0 || u.Used-u.Versions != 5 {
		t.Errorf("got %+v", u)
	}
	h.settled(t)
	if left := h.onDisk(t); len(left) != 2 { // in place, and what it displaced
		t.Errorf("the disk holds %q", left)
	}
}

func TestTus_AChunkWithAnotherChecksumIsDiscarded(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(600_000)
	at := begin(t, c, int64(len(want)), "filename", "a.bin")
	sum := func(b []byte) string {
		s := sha256.Sum256(b)
		return "sha256 " + base64.StdEncoding.EncodeToString(s[:])
	}
	patch(c, at, 0, want[:10], "Upload-Checksum", sum(want[:10])).Want(t, 204)
	patch(c, at, 10, want[10:], "Upload-Checksum", sum(want[11:])).WantProblem(t, 460, "checksum_mismatch")
	if info, err := os.Stat(h.stagedUpload(id, at)); err != nil || info.Size() != 10 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	for _, bad := range []string{"md5 " + base64.StdEncoding.EncodeToString(make([]byte, 16)), "sha1", "sha1 !!", "sha1 YWJj", "sha256  " + sum(nil)[7:]} {
		patch(c, at, 10, want[10:], "Upload-Checksum", bad).WantProblem(t, 400, "invalid_checksum")
	}
	if n := offsetOf(t, c, at); n != 10 {
		t.Fatalf("got %d", n)
	}
	s := sha1.Sum(want[10:])
	patch(c, at, 10, want[10:], "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(s[:])).Want(t, 204)
	wantFile(t, h.place(id, "a.bin"), want)
}

func TestTus_RefusesWhatIsNoLength(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	meta := metadata("filename", "a.bin")
	for _, length := range []string{"-1", "9223372036854775808", "1e3", "+5", "5 5", "0x10", "", "5,5", "1.5"} {
		tus(c, "POST", "/files/uploads", nil, "Upload-Length", length, "Upload-Metadata", meta).WantProblem(t, 400, "invalid_upload_length")
	}
	tus(c, "POST", "/files/uploads", nil, "Upload-Metadata", meta).WantProblem(t, 400, "invalid_upload_length")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Defer-Length", "1", "Upload-Metadata", meta).WantProblem(t, 400, "invalid_upload_length")
	tus(c, "POST", "/files/uploads", nil, "Upload-Defer-Length", "2", "Upload-Metadata", meta).WantProblem(t, 400, "invalid_upload_length")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "9223372036854775807", "Upload-Metadata", meta).WantProblem(t, 507, "insufficient_storage")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "2000000000", "Upload-Metadata", meta).WantProblem(t, 507, "quota_exceeded")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Concat", "partial", "Upload-Metadata", meta).WantProblem(t, 400, "concatenation_not_offered")
	c.Do("POST", "/files/uploads", nil, httpxtest.WithHeader("Tus-Resumable", "1.0.0"), httpxtest.WithHeader("Upload-Length", "1", "1")).WantProblem(t, 400, "invalid_upload_length")
	if n := h.number(t, "SELECT count(*) FROM uploads"); n != 0 {
		t.Errorf("%d uploads were made", n)
	}
}

func TestTus_RefusesHostileMetadata(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for meta, code := range map[string]string{
		"":                                                              "invalid_name",
		metadata("name", "a.txt"):                                       "invalid_name",
		metadata("filename", "../../secret"):                            "invalid_name",
		metadata("filename", "a\x00b"):                                  "invalid_name",
		metadata("filename", "\xff\xfe"):                                "invalid_name",
		metadata("filename", "\u202egnp.exe"):                           "invalid_name",
		metadata("filename", strings.Repeat("x", 256)):                  "invalid_name",
		metadata("filename", "a", "path", "/../etc"):                    "invalid_name",
		metadata("filename", "a", "path", "//"):                         "invalid_name",
		metadata("filename", "a", "path", strings.Repeat("a/", 64)+"a"): "path_too_long",
		"filename YWJj,filename YWJj":                                   "invalid_metadata",
		"filename !!":                                                   "invalid_metadata",
		"filename YWI":                                                  "invalid_metadata",
		"filename YWJj, ":                                               "invalid_metadata",
		"file\u00e4 YWJj":                                               "invalid_metadata",
		metadata("filename", "a", "parent_id", "root"):                  "invalid_metadata",
		metadata("filename", "a", "parent_id", "urn:uuid:01234567-89ab-7def-8123-456789abcdef"):              "invalid_metadata",
		metadata("filename", "a", "path", "/documents", "parent_id", "01234567-89ab-7def-8123-456789abcdef"): "invalid_metadata",
		metadata("filename", "a", "x", strings.Repeat("x", 7000)):                                            "invalid_metadata",
	} {
		tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", meta).WantProblem(t, 400, code)
	}
	// A key without a value is a flag; what is not ours is kept as it is.
	a := tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", "is_confidential,"+metadata("filename", "a")).Want(t, 201)
	if got := tus(c, "HEAD", strings.TrimPrefix(a.Header.Get("Location"), "/api/v1"), nil).Want(t, 200).Header.Get("Upload-Metadata"); got != "is_confidential,filename YQ==" {
		t.Errorf("got %q", got)
	}
}

func TestTus_RefusesWrongRequestsAndKeepsTheOffset(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 10, "filename", "a.txt")
	wantOffset(t, patch(c, at, 0, "0123").Want(t, 204), 4)
	for method, path := range map[string]string{"POST": "/files/uploads", "PATCH": at, "DELETE": at} {
		a := c.Do(method, path, nil)
		if a.WantProblem(t, 412, "unsupported_tus_version"); a.Header.Get("Tus-Version") != "1.0.0" || a.Header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s: got %v", method, a.Header)
		}
	}
	tus(c, "PATCH", at, "4", "Tus-Resumable", "0.2.2").WantProblem(t, 412, "unsupported_tus_version")
	c.Do("HEAD", at, nil, httpxtest.WithHeader("Tus-Resumable", "2.0.0")).Want(t, 412)
	c.Do("HEAD", at, nil).Want(t, 200)
	tus(c, "PATCH", at, "4", "Upload-Offset", "4").WantProblem(t, 415, "unsupported_media_type")
	tus(c, "PATCH", at, "4", "Upload-Offset", "4", "Content-Type", "application/octet-stream").WantProblem(t, 415, "unsupported_media_type")
	patch(c, at, 4, "4", "Content-Encoding", "gzip").WantProblem(t, 415, "unsupported_media_type")
	for _, offset := range []string{"", "-1", "+4", "4 4", "9223372036854775808"} {
		tus(c, "PATCH", at, "4", "Content-Type", offsetType, "Upload-Offset", offset).WantProblem(t, 400, "invalid_upload_offset")
	}
	for _, offset := range []int64{0, 3, 5, 10, 1 << 62} {
		a := patch(c, at, offset, "4")
		a.WantProblem(t, 409, "upload_offset_mismatch")
		wantOffset(t, a, 4)
	}
	patch(c, at, 4, "4567890").WantProblem(t, 413, "body_too_large")
	c.Do("PATCH", at, strings.NewReader("4567890"), httpxtest.WithLength(-1), httpxtest.WithHeader("Tus-Resumable", "1.0.0"),
		httpxtest.WithHeader("Content-Type", offsetType), httpxtest.WithHeader("Upload-Offset", "4")).WantProblem(t, 413, "body_too_large")
	if info, err := os.Stat(h.stagedUpload(id, at)); err != nil || info.Size() != 4 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	patch(c, at, 4, "456789").Want(t, 204)
	wantFile(t, h.place(id, "a.txt"), []byte("0123456789"))
}

func TestTus_DeletedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 1000, "filename", "a.txt")
	patch(c, at, 0, "0123").Want(t, 204)
	// Only clients that cannot send DELETE say it in a POST.
	tus(c, "POST", at, nil, "X-HTTP-Method-Override", "DELETE").Want(t, 204)
	tus(c, "HEAD", at, nil).Want(t, 404)
	patch(c, at, 4, "4").WantProblem(t, 404, "not_found")
	tus(c, "DELETE", at, nil).WantProblem(t, 404, "not_found")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
	if left := h.onDisk(t); len(left) != 0 {
		t.Errorf("the disk holds %q", left)
	}
	at = begin(t, c, 4, "filename", "a.txt")
	tus(c, "POST", at, "0123", "X-HTTP-Method-Override", "PATCH", "Upload-Offset", "0", "Content-Type", offsetType).Want(t, 204)
	wantFile(t, h.place(id, "a.txt"), []byte("0123"))
}

func TestTus_UploadsAtOnceNeverPassTheQuota(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 10_500 })
	c, _ := h.member(t, "ann@example.com")
	c.Do("GET", "/files/usage", nil).Want(t, 200)
	var stored atomic.Int32
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() {
			a := tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1000", "Upload-Metadata", metadata("filename", strconv.Itoa(i)))
			if a.Status == 507 {
				return
			}
			at := strings.TrimPrefix(a.Want(t, 201).Header.Get("Location"), "/api/v1")
			patch(c, at, 0, random(1000)).Want(t, 204)
			stored.Add(1)
		})
	}
	group.Wait()
	u := decode[usage](t, c.Do("GET", "/files/usage", nil))
	if stored.Load() != 10 || u.Used != 10_000 || u.Reserved != 0 {
		t.Errorf("%d were stored: %+v", stored.Load(), u)
	}
}

func TestTus_ExpiryEndsTheUploadAndFreesItsSpace(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 10, "filename", "a.txt")
	patch(c, at, 0, "0123").Want(t, 204)
	h.run(t, "files.expire")
	wantFile(t, h.stagedUpload(id, at), []byte("0123"))
	h.exec(t, "UPDATE uploads SET expires_at = now() - interval '1 s'")
	tus(c, "HEAD", at, nil).Want(t, 410)
	h.run(t, "files.expire")
	patch(c, at, 4, "4").WantProblem(t, 410, "upload_expired")
	tus(c, "DELETE", at, nil).WantProblem(t, 410, "upload_expired")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
	if left := h.onDisk(t); len(left) != 0 {
		t.Errorf("the disk holds %q", left)
	}
	// Killed between the row and the file: the next round finds it.
	if err := os.WriteFile(h.stagedUpload(id, at), []byte("0123"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.exec(t, "UPDATE uploads SET expires_at = now() - interval '1 s'")
	h.run(t, "files.expire")
	tus(c, "HEAD", at, nil).Want(t, 404)
	if left := h.onDisk(t); len(left) != 0 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestTus_ExpiryNeverTakesWhatIsJustFinished(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for i := range 30 {
		name := fmt.Sprintf("%d.txt", i)
		at := begin(t, c, 4, "filename", name)
		patch(c, at, 0, "012").Want(t, 204)
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.exec(t, "UPDATE uploads SET expires_at = now() - interval '1 s' WHERE op_id = $1", path.Base(at))
			h.run(t, "files.expire")
		}()
		a := patch(c, at, 3, "3")
		<-done
		switch a.Status {
		case 204:
			wantFile(t, h.place(id, name), []byte("0123"))
		case 400, 410:
			if _, err := os.Lstat(h.place(id, name)); err == nil {
				t.Errorf("%d, and the file is there", a.Status)
			}
		default:
			t.Errorf("got %d: %s", a.Status, a.Body)
		}
	}
	h.settled(t)
	if n, left := h.number(t, "SELECT count(*) FROM items WHERE kind = 1"), h.onDisk(t); int(n) > len(left) {
		t.Errorf("%d items, and the disk holds %d files", n, len(left))
	}
}

func TestTus_GetLooksAndLeavesTheSenderAlone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 600_000, "filename", "a.bin")
	body, writer := io.Pipe()
	sent := make(chan *httpxtest.Answer)
	go func() { sent <- patch(c, at, 0, body) }()
	want := random(600_000)
	writer.Write(want[:300_000])
	await(t, func() bool { info, err := os.Stat(h.stagedUpload(id, at)); return err == nil && info.Size() > 0 })
	var u struct {
		State  string
		Offset int64
		Length int64
		ItemID *string `json:"item_id"`
	}
	if c.Do("GET", at, nil).Want(t, 200).JSON(t, &u); u.State != "open" || u.Length != 600_000 || u.ItemID != nil {
		t.Errorf("got %+v", u)
	}
	writer.Write(want[300_000:])
	writer.Close()
	(<-sent).Want(t, 204)
	if c.Do("GET", at, nil).Want(t, 200).JSON(t, &u); u.State != "finished" || u.ItemID == nil {
		t.Errorf("got %+v", u)
	}
}

func TestTus_ANewerRequestTakesTheUploadOver(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"in the same worker", "in another worker"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			c, id := h.member(t, "ann@example.com")
			oc := c
			if where == "in another worker" {
				oc = h.second(t).Client(t).As(c.Bearer)
			}
			want := random(600_000)
			at := begin(t, c, int64(len(want)), "filename", "a.bin")
			// The client went away, and this connection does not know it.
			body, writer := io.Pipe()
			sent := make(chan *httpxtest.Answer)
			go func() { sent <- patch(c, at, 0, body) }()
			writer.Write(want[:300_000])
			await(t, func() bool { info, err := os.Stat(h.stagedUpload(id, at)); return err == nil && info.Size() > 0 })
			n := offsetOf(t, oc, at)
			if n < 256<<10 || n > 300_000 {
				t.Fatalf("got offset %d of 300,000 bytes sent", n)
			}
			(<-sent).WantProblem(t, 400, "upload_interrupted")
			writer.CloseWithError(io.ErrUnexpectedEOF)
			patch(oc, at, n, want[n:]).Want(t, 204)
			wantFile(t, h.place(id, "a.bin"), want)
		})
	}
}

func TestTus_WhatHoldsOnIsLockedAndNotGone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 4, "filename", "a.txt")
	// As a worker that was stopped in the middle holds it.
	file, err := os.Open(h.stagedUpload(id, at))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	// Each waits five seconds for the lock.
	answers := make([]*httpxtest.Answer, 3)
	var waiting sync.WaitGroup
	waiting.Go(func() { answers[0] = tus(c, "HEAD", at, nil) })
	waiting.Go(func() { answers[1] = patch(c, at, 0, "0123") })
	waiting.Go(func() { answers[2] = tus(c, "DELETE", at, nil) })
	waiting.Wait()
	if a := answers[0].Want(t, 423); a.Header.Get("Retry-After") == "" || a.Header.Get("Upload-Offset") != "" {
		t.Errorf("got %v", a.Header)
	}
	answers[1].WantProblem(t, 423, "upload_locked")
	answers[2].WantProblem(t, 423, "upload_locked")
	file.Close()
	patch(c, at, 0, "0123").Want(t, 204)
}

func TestTus_TooManyOpenUploadsAreRefused(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	begin(t, c, 4, "filename", "a.txt")
	h.exec(t, `INSERT INTO uploads (op_id, owner_id, bytes, length, expires_at)
		SELECT gen_random_uuid(), $1, 0, 0, now() + interval '1 hour' FROM generate_series(1, 997)`, id)
	var group sync.WaitGroup
	var made atomic.Int32
	for i := range 12 { // also at once
		group.Go(func() {
			a := tus(c, "POST", "/files/uploads", nil, "Upload-Length", "4", "Upload-Metadata", metadata("filename", fmt.Sprint(i)))
			if a.Status == 201 {
				made.Add(1)
			} else {
				a.WantProblem(t, 409, "too_many_uploads")
			}
		})
	}
	if group.Wait(); made.Load() != 2 {
		t.Errorf("%d uploads were begun where two had room", made.Load())
	}
}

func TestTus_ACutConnectionKeepsWhatArrived(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(700_000)
	at := begin(t, c, int64(len(want)), "filename", "a.bin")
	raw(t, h, c.Bearer, "PATCH /api/v1"+at+" HTTP/1.1", "Tus-Resumable: 1.0.0\r\nContent-Type: "+offsetType+
		"\r\nUpload-Offset: 0\r\nContent-Length: 700000\r\n\r\n"+string(want[:500_000]), true)
	n := offsetOf(t, c, at)
	if n != 500_000 {
		t.Errorf("got %d of 500,000 bytes", n)
	}
	patch(c, at, n, want[n:]).Want(t, 204)
	wantFile(t, h.place(id, "a.bin"), want)
}

func TestTus_TwoWorkersTakeTurns(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	clients := []*httpxtest.Client{c, h.second(t).Client(t).As(c.Bearer)}
	want := random(1_000_000)
	at := begin(t, c, int64(len(want)), "filename", "a.bin")
	for i, n := 0, 0; n < len(want); i++ {
		if got := offsetOf(t, clients[(i+1)%2], at); got != int64(n) {
			t.Fatalf("the other worker says %d, not %d", got, n)
		}
		to := min(n+100_001, len(want))
		patch(clients[i%2], at, int64(n), want[n:to]).Want(t, 204)
		n = to
	}
	it := decode[item](t, clients[1].Do("GET", "/files/lookup?path=/a.bin", nil).Want(t, 200))
	if *it.SHA256 != sha(want) {
		t.Error("the sum is another")
	}
	wantFile(t, h.place(id, "a.bin"), want)
}

func TestTus_AnUploadOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(500_000)
	at := begin(t, c, int64(len(want)), "filename", "a.bin")
	patch(c, at, 0, want[:200_000]).Want(t, 204)
	// Killed: bytes behind the offset were written and never counted.
	file, err := os.OpenFile(h.stagedUpload(id, at), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.Write(random(400_000))
	file.Close()
	h.exec(t, "INSERT INTO workers DEFAULT VALUES")
	other := h.second(t)
	other.run(t, "files.recover")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Reserved != int64(len(want)) {
		t.Errorf("got %+v", u)
	}
	oc := other.Client(t).As(c.Bearer)
	if n := offsetOf(t, oc, at); n != 200_000 {
		t.Fatalf("got %d", n)
	}
	patch(oc, at, 200_000, want[200_000:]).Want(t, 204)
	wantFile(t, h.place(id, "a.bin"), want)
}

func TestTus_KilledAfterTheLastByteIsFinishedByHead(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	at := begin(t, c, 4, "filename", "a.txt")
	patch(c, at, 0, "0123").Want(t, 204)
	h.settled(t)
	// Back to the moment between the offset and the commit.
	if err := os.Rename(h.place(id, "a.txt"), h.stagedUpload(id, at)); err != nil {
		t.Fatal(err)
	}
	s := sha256.New()
	s.Write([]byte("0123"))
	state, err := s.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	h.exec(t, "UPDATE uploads SET state = 'open', item_id = NULL, sum_state = $1", state)
	h.exec(t, "DELETE FROM items WHERE kind = 1")
	if a := wantOffset(t, tus(c, "HEAD", at, nil).Want(t, 200), 4); a.Header.Get("Content-Location") == "" {
		t.Errorf("got %v", a.Header)
	}
	wantFile(t, h.place(id, "a.txt"), []byte("0123"))
}

func TestTus_WhatCannotBePutInPlaceIsNoSuccessAndNotLost(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	folder := decode[item](t, c.Do("POST", "/files/folders", map[string]string{"path": "/documents/new"}).Want(t, 201))
	at := begin(t, c, 4, "filename", "a.txt", "parent_id", folder.ID)
	c.Do("DELETE", "/files/items/"+folder.ID, nil).Want(t, 204)
	patch(c, at, 0, "0123").WantProblem(t, 409, "parent_missing")
	tus(c, "HEAD", at, nil).Want(t, 409)
	c.Do("POST", "/files/trash/"+folder.ID+"/restore", nil).Want(t, 200)
	wantOffset(t, tus(c, "HEAD", at, nil).Want(t, 200), 4)
	wantFile(t, h.place(id, "documents", "new", "a.txt"), []byte("0123"))
}

func TestTus_CommitWhoseAnswerWasLostIsFoundToBeDone(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"before", "after"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h, c, w, id := cutHouse(t)
			at := begin(t, c, 4, "filename", "a.txt")
			patch(c, at, 0, "01").Want(t, 204)
			h.cutCommit(t, w, how, 0)
			patch(c, at, 2, "23").WantProblem(t, 503, "outcome_unknown")
			await(t, func() bool { return tus(c, "HEAD", at, nil).Status == 200 })
			await(t, func() bool {
				got, err := os.ReadFile(h.place(id, "a.txt"))
				return err == nil && bytes.Equal(got, []byte("0123"))
			})
			h.settled(t)
			if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used != 4 || u.Reserved != 0 {
				t.Errorf("got %+v", u)
			}
			if n := h.number(t, "SELECT count(*) FROM items WHERE kind = 1"); n != 1 {
				t.Errorf("%d items were made", n)
			}
		})
	}
}

func TestTus_AnUploadLivesAsLongAsItsSession(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(600_000)
	at := begin(t, c, int64(len(want)), "filename", "a.bin")
	body, writer := io.Pipe()
	sent := make(chan *httpxtest.Answer)
	go func() { sent <- patch(c, at, 0, body) }()
	writer.Write(want[:300_000])
	await(t, func() bool { info, err := os.Stat(h.stagedUpload(id, at)); return err == nil && info.Size() > 0 })
	c.Do("POST", "/auth/logout", nil).Want(t, 204)
	writer.Write(want[300_000:])
	writer.Close()
	(<-sent).WantProblem(t, 401, "unauthenticated")
	if _, err := os.Lstat(h.place(id, "a.bin")); err == nil {
		t.Error("the file was put in place for an ended session")
	}
	// The next session finds everything there.
	c = h.SignIn(t, "ann@example.com")
	wantOffset(t, tus(c, "HEAD", at, nil).Want(t, 200), len(want))
	wantFile(t, h.place(id, "a.bin"), want)
}
