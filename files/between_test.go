package files_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tree may change between any two statements of a request.

func TestFolder_AMoveBetweenTwoStatementsIsFollowed(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	other := h.second(t) // whose changes wait for the owner's lock alone
	c, _ := h.member(t, "ann@example.com")
	mover := other.Client(t).As(c.Bearer)
	folder := *put(t, c, "/a/kept.txt", "kept").ParentID
	s := share(t, c, folder)
	inside := find(t, c, "/a/kept.txt").ID
	names := []string{"a", "b"}
	moved := 0
	move := func() {
		moved++
		mover.Do("PATCH", "/files/items/"+folder, map[string]string{"name": names[moved%2]}).Want(t, 200)
	}
	for _, row := range []struct {
		name   string
		before string
		does   func() item
	}{
		{"a resumable upload", "files.InFolder", func() item {
			at := begin(t, c, 4, "filename", "sent.txt", "parent_id", folder)
			tus(c, "PATCH", at, "sent", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream").Want(t, 204)
			return find(t, c, "/"+names[moved%2]+"/sent.txt")
		}},
		{"a new folder", "files.Fence", func() item {
			return decode[item](t, c.Do("POST", "/files/folders", map[string]string{"parent_id": folder, "name": "new"}).Want(t, 201))
		}},
		{"a shared file", "files.ReadableItem", func() item {
			h.Client(t).Do("GET", s.at("/content?item_id="+inside), nil).Want(t, 200)
			return find(t, c, "/"+names[moved%2]+"/kept.txt")
		}},
	} {
		before := moved
		statements.Before(row.before, move)
		if it := row.does(); *it.ParentID != folder || it.Path != "/"+names[moved%2]+"/"+it.Name {
			t.Errorf("%s: got %+v", row.name, it)
		}
		if moved == before {
			t.Errorf("%s: nothing was moved meanwhile", row.name)
		}
	}
}

func TestUpload_MakesItsFoldersAgainThatWereMovedMeanwhile(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	c, _ := h.member(t, "ann@example.com")
	mover := h.second(t).Client(t).As(c.Bearer)
	find(t, c, "/")                           // there is a tree
	statements.Before("files.Fence", func() { // of the folders
		statements.Before("files.Fence", func() { // of the file
			mover.Do("PATCH", "/files/items/"+find(t, mover, "/year").ID, map[string]string{"name": "old"}).Want(t, 200)
		})
	})
	it := decode[item](t, c.Do("PUT", "/files/content/year/month/a.txt?parents=true", "a").Want(t, 201))
	if it.Path != "/year/month/a.txt" || find(t, c, "/year/month/a.txt").ID != it.ID {
		t.Errorf("got %+v", it)
	}
	find(t, c, "/old/month")
}

func TestArchive_OfASharedFolderThatIsMovedMeanwhileComesWhole(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	large := put(t, c, "/album/1.png", string(random(16<<20))) // more than sockets hold
	put(t, c, "/album/2.png", "second")
	s := share(t, c, *large.ParentID)
	r, err := http.NewRequest("GET", h.URL+"/api/v1"+s.at("/archive"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Client(t).HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	c.Do("PATCH", "/files/items/"+*large.ParentID, map[string]string{"name": "other"}).Want(t, 200)
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := unzip(t, b); got["album/2.png"] != "second" || len(got) != 3 {
		t.Errorf("%d entries", len(got))
	}
}

func TestArchive_OfASharedFolderShowsNothingOfWhatWasMovedOutOfIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	large := put(t, c, "/album/first/1.png", string(random(16<<20))) // more than sockets hold
	moved := put(t, c, "/album/second/2.txt", "second")              // compressed: no length is told
	s := share(t, c, find(t, c, "/album").ID)
	r, err := http.NewRequest("GET", h.URL+"/api/v1"+s.at("/archive"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Client(t).HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	c.Do("PATCH", "/files/items/"+*moved.ParentID, map[string]string{"parent_id": find(t, c, "/documents").ID}).Want(t, 200)
	put(t, c, "/documents/second/Diagnosis.txt", "private")
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := unzip(t, b)
	if len(got["album/first/1.png"]) != int(large.Size) || !strings.Contains(got["INCOMPLETE.txt"], "album/second") {
		t.Errorf("%d entries, %q", len(got), got["INCOMPLETE.txt"])
	}
	for name, content := range got {
		if strings.Contains(name+content, "Diagnosis") || content == "private" {
			t.Errorf("a guest was told in %s", name)
		}
	}
}

// Whoever writes by the API while a scan looks has changed nothing past it, and
// what two scans find at once is taken over once.
func TestScan_TakesOverNothingThatTheRowsSayByNow(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	c, id := h.member(t, "ann@example.com")
	other := h.second(t).Client(t).As(c.Bearer)
	put(t, c, "/documents/box/below/a.txt", "a")
	put(t, c, "/documents/box/z.txt", "first")
	put(t, c, "/documents/box/gone.txt", "gone")
	h.settled(t)
	box := map[string]string{"item_id": find(t, c, "/documents/box").ID}
	statements.Before("files.ChildrenToCompare", func() { // of the box
		statements.Before("files.ChildrenToCompare", func() { // of what is below; the box's rows are read
			put(t, other, "/documents/box/z.txt", "second")
		})
	})
	decode[report](t, c.Do("POST", "/files/scan", box).Want(t, 200)).want(t, 0, 0, 0, 0, 0, 0)
	if it := find(t, c, "/documents/box/z.txt"); it.Revision != 2 {
		t.Errorf("the file has revision %d", it.Revision)
	}
	here, away := h.place(id, "documents", "box", "gone.txt"), filepath.Join(h.data, "away")
	for _, step := range []struct {
		from, to          string
		missing, returned int64
	}{{here, away, 1, 0}, {away, here, 0, 1}} {
		if err := os.Rename(step.from, step.to); err != nil {
			t.Fatal(err)
		}
		statements.Before("files.Fence", func() { // the first scan has looked
			decode[report](t, other.Do("POST", "/files/scan", box).Want(t, 200)).want(t, 0, 0, 0, step.missing, step.returned, 0)
		})
		decode[report](t, c.Do("POST", "/files/scan", box).Want(t, 200)).want(t, 0, 0, 0, 0, 0, 0)
	}
}
