package files_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/cli"
	"homebase/httpx/httpxtest"
)

// command runs one of the storage's commands as a process of its own would,
// beside the worker.
func (h *house) command(t testing.TB, args ...string) (stdout string, err error) {
	t.Helper()
	serving := h.files
	h.idle = true
	h.Env.Worker(t)
	other := h.files
	h.files, h.idle = serving, false
	i := slices.IndexFunc(other.Commands(), func(c cli.Command) bool { return c.Name == "files "+args[0] })
	if i < 0 {
		t.Fatalf("there is no command %s", args[0])
	}
	var out bytes.Buffer
	err = other.Commands()[i].Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: t.Output()}, args[1:])
	return out.String(), err
}

type report struct {
	New, Moved, Changed, Missing, Returned, Versions int64
	Problems                                         []struct{ Path, Problem string }
	UsedBefore                                       *int64 `json:"used_before"`
	Used                                             *int64
}

// scan runs files scan, which fails when problems remain, and reads the report
// of the only owner.
func (h *house) scan(t testing.TB, args ...string) (r report) {
	t.Helper()
	out, err := h.command(t, append([]string{"scan", "--json"}, args...)...)
	if bad := json.Unmarshal([]byte(out), &r); bad != nil {
		t.Fatalf("scan: %v, %v in %s", err, bad, out)
	}
	if (err != nil) != (len(r.Problems) > 0) {
		t.Fatalf("scan: %v\n%s", err, out)
	}
	return r
}

func (r report) want(t testing.TB, n, moved, changed, missing, returned int64, problems int) {
	t.Helper()
	if r.New != n || r.Moved != moved || r.Changed != changed || r.Missing != missing || r.Returned != returned || len(r.Problems) != problems {
		t.Fatalf("got %+v, want %d new, %d moved, %d changed, %d missing, %d returned, %d problems", r, n, moved, changed, missing, returned, problems)
	}
}

// write puts a file on the disk past the API, as of an hour ago.
func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, name)
}

func age(t testing.TB, name string) {
	t.Helper()
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, past, past); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func shell(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v %s", name, args, err, out)
	}
}

func find(t testing.TB, c *httpxtest.Client, path string) item {
	t.Helper()
	return decode[item](t, c.Do("GET", "/files/lookup?path="+path, nil).Want(t, 200))
}

func put(t testing.TB, c *httpxtest.Client, path, content string) item {
	t.Helper()
	return decode[item](t, c.Do("PUT", "/files/content"+path+"?parents=true", content))
}

func used(t testing.TB, c *httpxtest.Client) int64 {
	t.Helper()
	return decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)).Used
}

func TestScan_TakesInWhatWasCopiedOntoTheDisk(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put(t, c, "/documents/known.txt", "known")
	h.settled(t)
	write(t, h.place(id, "documents", "new.txt"), "from outside")
	write(t, h.place(id, "holiday", "2026", "a.jpg"), "a picture")
	h.scan(t).want(t, 4, 0, 0, 0, 0, 0)

	a := c.Do("GET", "/files/content/documents/new.txt", nil).Want(t, 200)
	wantBytes(t, a.Body, []byte("from outside"))
	if a.Header.Get("ETag") != `"`+sha(a.Body)+`"` || a.Header.Get("Repr-Digest") == "" {
		t.Errorf("got %v", a.Header)
	}
	it := find(t, c, "/holiday/2026/a.jpg")
	if *it.MediaType != "image/jpeg" || *it.SHA256 != sha([]byte("a picture")) {
		t.Errorf("got %+v", it)
	}
	if n := used(t, c); n != int64(len("known")+len("from outside")+len("a picture")) {
		t.Errorf("%d bytes are used", n)
	}
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	// It can be worked with like any other: the old bytes are displaced.
	c.Do("PUT", "/files/content/documents/new.txt", "replaced").Want(t, 200)
	c.Do("DELETE", "/files/items/"+find(t, c, "/holiday").ID, nil).Want(t, 204)
	wantFile(t, h.place(id, "documents", "new.txt"), []byte("replaced"))
	if _, err := os.Lstat(h.place(id, "documents", "new (found).txt")); err == nil {
		t.Error("the adopted file was not known for what it is")
	}
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
}

func TestScan_FindsRenames(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for _, name := range []string{"id", "inode", "bytes", "rest"} {
		put(t, c, "/documents/"+name, "the content of "+name)
	}
	for i := range 80 {
		put(t, c, fmt.Sprintf("/documents/folder/%d", i), "x")
	}
	h.settled(t)
	before := map[string]string{}
	for _, name := range []string{"id", "inode", "bytes", "folder", "folder/7"} {
		before[name] = find(t, c, "/documents/"+name).ID
	}
	in := func(names ...string) string { return h.place(id, append([]string{"documents"}, names...)...) }
	rename(t, in("id"), h.place(id, "images", "by id"))
	if err := syscall.Removexattr(in("inode"), "user.homebase"); err != nil {
		t.Fatal(err)
	}
	rename(t, in("inode"), in("by inode"))
	shell(t, "cp", "--preserve=mode", in("bytes"), in("by bytes"))
	if err := os.Remove(in("bytes")); err != nil {
		t.Fatal(err)
	}
	age(t, in("by bytes"))
	rename(t, in("folder"), h.place(id, "images", "moved"))
	write(t, h.place(id, "images", "moved", "new"), "in a moved folder")
	h.scan(t).want(t, 1, 4, 0, 0, 0, 0)
	for name, path := range map[string]string{"id": "/images/by%20id", "inode": "/documents/by%20inode", "bytes": "/documents/by%20bytes",
		"folder": "/images/moved", "folder/7": "/images/moved/7"} {
		if got := find(t, c, path).ID; got != before[name] {
			t.Errorf("%s has id %s, want %s", path, got, before[name])
		}
	}
	c.Do("GET", "/files/lookup?path=/documents/id", nil).Want(t, 404)
	wantBytes(t, c.Do("GET", "/files/content/images/moved/new", nil).Want(t, 200).Body, []byte("in a moved folder"))
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
}

func TestScan_TheSameIDTwiceStaysWhereTheRowSays(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	original := put(t, c, "/documents/a/x", "twice")
	folder := find(t, c, "/documents/a")
	h.settled(t)
	shell(t, "cp", "-a", h.place(id, "documents", "a"), h.place(id, "documents", "0 copy"))
	shell(t, "cp", "-a", h.place(id, "documents", "a", "x"), h.place(id, "documents", "a", "y"))
	h.scan(t).want(t, 3, 0, 0, 0, 0, 0)
	if find(t, c, "/documents/a").ID != folder.ID || find(t, c, "/documents/a/x").ID != original.ID {
		t.Error("the original lost its id")
	}
	for _, path := range []string{"/documents/0%20copy", "/documents/0%20copy/x", "/documents/a/y"} {
		if it := find(t, c, path); it.ID == original.ID || it.ID == folder.ID {
			t.Errorf("%s has the original's id", path)
		}
	}
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
}

func TestScan_NamesThatChangedHandsOnTheDisk(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	log := put(t, c, "/documents/log", "old entries")
	a, b := put(t, c, "/documents/a", "first"), put(t, c, "/documents/b", "second")
	deep := put(t, c, "/documents/p/q/deep", "deep")
	for i := range 80 {
		put(t, c, fmt.Sprintf("/backups/%d", i), "x")
	}
	h.settled(t)
	in := func(names ...string) string { return h.place(id, append([]string{"documents"}, names...)...) }
	rename(t, in("log"), in("log.1")) // rotated
	write(t, in("log"), "new entries")
	rename(t, in("a"), in("swap")) // swapped
	rename(t, in("b"), in("a"))
	rename(t, in("swap"), in("b"))
	rename(t, in("p", "q"), in("q")) // turned inside out
	rename(t, in("p"), in("q", "p"))
	for range 3 { // what has to wait for another is found by the next
		h.scan(t)
	}
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	if find(t, c, "/documents/log.1").ID != log.ID || find(t, c, "/documents/q/deep").ID != deep.ID {
		t.Error("an id went astray")
	}
	for _, tt := range []struct{ path, want string }{
		{"/documents/log", "new entries"}, {"/documents/log.1", "old entries"}, {"/documents/a", "second"}, {"/documents/b", "first"}} {
		wantBytes(t, c.Do("GET", "/files/content"+tt.path, nil).Want(t, 200).Body, []byte(tt.want))
	}
	if got := find(t, c, "/documents/a").ID; got != a.ID && got != b.ID {
		t.Errorf("a became %s", got)
	}
	find(t, c, "/documents/q/p")
}

func TestScan_StopsWhenManyAreMissingAndForgetsNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for i := range 20 {
		put(t, c, fmt.Sprintf("/documents/%d", i), fmt.Sprint("the content of ", i))
	}
	h.settled(t)
	write(t, h.place(id, "documents", "new"), "is taken over all the same")
	rename(t, h.place(id, "documents", "3"), filepath.Join(h.data, "aside"))
	rename(t, h.place(id, "documents", "4"), filepath.Join(h.data, "gone"))
	out, err := h.command(t, "scan")
	if err == nil || !strings.Contains(err.Error(), "--accept-missing") {
		t.Fatalf("got %v\n%s", err, out)
	}
	find(t, c, "/documents/new")
	root := find(t, c, "/").ID
	c.Do("POST", "/files/scan", map[string]string{"item_id": root}).WantProblem(t, 409, "mass_absence")
	if n := h.number(t, "SELECT count(*) FROM items WHERE missing_at IS NOT NULL"); n != 0 {
		t.Fatalf("%d are marked", n)
	}
	h.scan(t, "--accept-missing").want(t, 0, 0, 0, 2, 0, 0)
	missing := decode[struct{ Missing bool }](t, c.Do("GET", "/files/lookup?path=/documents/3", nil).Want(t, 200))
	if !missing.Missing {
		t.Error("it is not said to be missing")
	}
	c.Do("GET", "/files/content/documents/3", nil).WantProblem(t, 404, "content_missing")
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0) // what is known to be missing stops nothing
	rename(t, filepath.Join(h.data, "aside"), h.place(id, "documents", "3"))
	h.scan(t).want(t, 0, 0, 0, 0, 1, 0)
	c.Do("GET", "/files/content/documents/3", nil).Want(t, 200)
	// A whole folder that went is said to be missing, and a new upload into it
	// is as good as ever.
	if err := os.RemoveAll(h.place(id, "documents")); err != nil {
		t.Fatal(err)
	}
	h.scan(t, "--accept-missing").want(t, 0, 0, 0, 21, 0, 0)
	put(t, c, "/documents/3", "again")
	h.settled(t)
	wantFile(t, h.place(id, "documents", "3"), []byte("again"))
	h.scan(t).want(t, 0, 0, 0, 0, 1, 0)
}

func TestScan_BelievesWhatTwoLooksSeeEqualWhateverItsTime(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it, gone := put(t, c, "/documents/a.txt", "before"), put(t, c, "/documents/moved", "moved on the disk")
	h.settled(t)
	in := func(name string) string { return h.place(id, "documents", name) }
	write(t, in("a.txt"), "edited in place")
	write(t, in("camera.jpg"), "from next month")
	rename(t, in("moved"), in("moved away"))
	ahead := time.Now().Add(30 * 24 * time.Hour)
	for _, name := range []string{"a.txt", "camera.jpg", "moved away"} {
		if err := os.Chtimes(in(name), ahead, ahead); err != nil {
			t.Fatal(err)
		}
	}
	// One is still copied, with the time that it has to have at the end.
	write(t, in("copied"), "half a co")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				write(t, in("copied"), strings.Repeat("py", i%100))
			}
		}
	}()
	r := h.scan(t)
	close(stop)
	<-ended
	r.want(t, 1, 1, 1, 0, 0, 1)
	if d := r.Problems[0]; d.Path != "/documents/copied" || !strings.Contains(d.Problem, "being written") {
		t.Errorf("got %+v", d)
	}
	got := find(t, c, "/documents/a.txt")
	if got.ID != it.ID || *got.SHA256 != sha([]byte("edited in place")) || got.Revision <= it.Revision {
		t.Errorf("got %+v", got)
	}
	if find(t, c, "/documents/moved%20away").ID != gone.ID {
		t.Error("what was moved got another id")
	}
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.changed_outside' AND target = $1", it.ID); n != 1 {
		t.Errorf("%d events", n)
	}
	h.scan(t).want(t, 1, 0, 0, 0, 0, 0)
	if r := h.scan(t); *r.Used != *r.UsedBefore {
		t.Errorf("%d bytes are used, %d on record", *r.Used, *r.UsedBefore)
	}
}

func TestScan_InASmallLibraryPeopleMayDeleteOnTheDisk(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for i := range 12 {
		put(t, c, fmt.Sprintf("/documents/%d", i), "x")
	}
	h.settled(t)
	if err := os.Remove(h.place(id, "documents", "3")); err != nil {
		t.Fatal(err)
	}
	h.scan(t).want(t, 0, 0, 0, 1, 0, 0)
}

func TestScan_ANameTakenByAnotherKindOfEntry(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put(t, c, "/documents/notes", "was a file")
	put(t, c, "/documents/album/a.jpg", "was in a folder")
	h.settled(t)
	in := func(names ...string) string { return h.place(id, append([]string{"documents"}, names...)...) }
	rename(t, in("album"), h.place(id, "images", "album"))
	if err := os.Remove(in("notes")); err != nil {
		t.Fatal(err)
	}
	write(t, in("notes", "today"), "is a folder")
	write(t, in("album"), "is a file")
	h.scan(t).want(t, 3, 1, 0, 1, 0, 0)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	wantBytes(t, c.Do("GET", "/files/content/documents/notes/today", nil).Want(t, 200).Body, []byte("is a folder"))
	wantBytes(t, c.Do("GET", "/files/content/documents/album", nil).Want(t, 200).Body, []byte("is a file"))
	find(t, c, "/images/album/a.jpg")
	c.Do("GET", "/files/content/documents/notes%20(missing)", nil).WantProblem(t, 404, "content_missing")
	// The other way round, with a folder that is gone for good.
	if err := os.RemoveAll(in("notes")); err != nil {
		t.Fatal(err)
	}
	write(t, in("notes"), "is a file again")
	h.scan(t).want(t, 1, 0, 0, 2, 0, 0)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	wantBytes(t, c.Do("GET", "/files/content/documents/notes", nil).Want(t, 200).Body, []byte("is a file again"))
}

func TestScan_NamesThatWereAllShiftedByOne(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	ids := map[int]string{}
	for i := range 30 {
		ids[i] = put(t, c, fmt.Sprintf("/documents/%02d", i), fmt.Sprint("picture ", i)).ID
	}
	h.settled(t)
	in := func(i int) string { return h.place(id, "documents", fmt.Sprintf("%02d", i)) }
	for i := 29; i >= 0; i-- {
		rename(t, in(i), in(i+1))
	}
	h.scan(t).want(t, 0, 30, 0, 0, 0, 0)
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
	for i := range 30 {
		if got := find(t, c, fmt.Sprintf("/documents/%02d", i+1)).ID; got != ids[i] {
			t.Errorf("picture %d has the id %s", i, got)
		}
		wantBytes(t, c.Do("GET", fmt.Sprintf("/files/content/documents/%02d", i+1), nil).Want(t, 200).Body, fmt.Append(nil, "picture ", i))
	}
}

func TestScan_ReportsWhatItNeverFollowsOrTakes(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put(t, c, "/documents/a", "x")
	b, other := h.member(t, "bob@example.com")
	put(t, b, "/documents/b", "x")
	h.settled(t)
	in := func(name string) string { return h.place(id, "documents", name) }
	secret := t.TempDir()
	write(t, secret+"/secret", "canary")
	for _, err := range []error{
		os.Symlink(secret, in("link")), os.Symlink("a", in("to a")), os.Link(in("a"), in("second name")),
		os.Link(in("a"), h.place(other, "documents", "another's")),
		syscall.Mkfifo(in("fifo"), 0o600), syscall.Mknod(in("device"), syscall.S_IFCHR|0o600, 1<<8|5),
		syscall.Mknod(in("socket"), syscall.S_IFSOCK|0o600, 0),
		os.Mkdir(in("trailing space "), 0o700), os.WriteFile(in("bad\xff"), nil, 0o600), os.WriteFile(in("line\nbreak"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, in("e\u0301"), "decomposed")
	put(t, c, "/documents/%C3%A9", "composed")
	h.settled(t)
	h.scan(t, "ann@example.com").want(t, 0, 0, 0, 0, 0, 10)
	h.scan(t, "bob@example.com").want(t, 0, 0, 0, 0, 0, 1)
	if out, err := h.command(t, "verify", "--json"); err == nil || strings.Count(out, `"path"`) != 11 || !strings.Contains(out, `"untaken":11`) {
		t.Errorf("verify: %v, %s", err, out)
	}
	if left := h.onDisk(t); len(left) != 13 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestScan_OfAFolderThroughTheAPI(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	bob, _ := h.member(t, "bob@example.com")
	file := put(t, c, "/documents/a", "x")
	h.settled(t)
	write(t, h.place(id, "documents", "new"), "1")
	write(t, h.place(id, "images", "new"), "2")
	documents := find(t, c, "/documents").ID
	r := decode[report](t, c.Do("POST", "/files/scan", map[string]string{"item_id": documents}).Want(t, 200))
	r.want(t, 1, 0, 0, 0, 0, 0)
	if r.Used != nil {
		t.Error("a folder's scan counts nothing anew")
	}
	c.Do("GET", "/files/lookup?path=/images/new", nil).Want(t, 404)
	c.Do("POST", "/files/scan", map[string]string{"item_id": file.ID}).WantProblem(t, 409, "not_a_folder")
	bob.Do("POST", "/files/scan", map[string]string{"item_id": documents}).WantProblem(t, 404, "not_found")
	r = decode[report](t, c.Do("POST", "/files/scan", map[string]string{"item_id": find(t, c, "/").ID}).Want(t, 200))
	r.want(t, 1, 0, 0, 0, 0, 0)
	if r.Used == nil || *r.Used != 3 || *r.UsedBefore != 3 {
		t.Errorf("got %+v", r)
	}
}

func TestScan_CountsWhatIsUsedAnewAndShowsBoth(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	put(t, c, "/documents/a", "12345")
	h.exec(t, "UPDATE trees SET used = 99")
	if r := h.scan(t, "ann@example.com"); *r.UsedBefore != 99 || *r.Used != 5 {
		t.Errorf("got %+v", r)
	}
	if n := used(t, c); n != 5 {
		t.Errorf("%d bytes are used", n)
	}
	if _, err := h.command(t, "scan", "nobody@example.com"); err == nil || !strings.Contains(err.Error(), "nobody@example.com") {
		t.Errorf("got %v", err)
	}
}

func TestScan_BesideWritersFindsNothingThatIsNotThere(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other := h.second(t).Client(t).As(c.Bearer)
	put(t, c, "/documents/box/a", "x")
	var writers sync.WaitGroup
	stop := make(chan struct{})
	ended := sync.OnceFunc(func() { close(stop); writers.Wait() })
	defer ended()
	work := func(c *httpxtest.Client, name string, step func(i int)) {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					step(i)
				}
			}
		})
	}
	box := find(t, c, "/documents/box").ID
	work(c, "uploads", func(i int) { put(t, c, fmt.Sprintf("/documents/box/%d", i%20), fmt.Sprint("content ", i)) })
	work(other, "moves", func(i int) {
		other.Do("PATCH", "/files/items/"+box, map[string]string{"name": fmt.Sprintf("box%d", i%3)})
	})
	work(other, "trash", func(i int) {
		it := put(t, other, fmt.Sprintf("/images/t%d", i), "y")
		other.Do("DELETE", "/files/items/"+it.ID, nil)
		if i%2 == 0 {
			other.Do("POST", "/files/trash/"+it.ID+"/restore", nil)
		}
	})
	for i := range 6 {
		write(t, h.place(id, "backups", fmt.Sprint(i)), "from outside")
		h.scan(t).want(t, 1, 0, 0, 0, 0, 0)
	}
	ended()
	h.settled(t)
	r := h.scan(t)
	r.want(t, 0, 0, 0, 0, 0, 0)
	if *r.Used != *r.UsedBefore {
		t.Errorf("got %d and %d", *r.Used, *r.UsedBefore)
	}
}

func TestGet_OfAFileThatWasChangedFromOutsideMakesItKnown(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "before")
	h.settled(t)
	write(t, h.place(id, "documents", "a.txt"), "edited")
	await(t, func() bool {
		a := c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
		return a.Header.Get("ETag") == `"`+sha([]byte("edited"))+`"`
	})
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'file.changed_outside' AND target = $1", it.ID); n != 1 {
		t.Errorf("%d events", n)
	}
	if got := find(t, c, "/documents/a.txt"); got.ID != it.ID || got.Size != 6 {
		t.Errorf("got %+v", got)
	}
}
