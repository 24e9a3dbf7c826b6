package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/files"
	"homebase/files/disk"
)

func TestCopy_FileGetsAFreeNameAndBytesOfItsOwn(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(3 << 20)
	first := decode[item](t, c.Do("PUT", "/files/content/images/a.png", want).Want(t, 201))
	at := "/files/items/" + first.ID + "/copy"
	for _, name := range []string{"a (2).png", "a (3).png"} {
		a := c.Do("POST", at, map[string]string{}).Want(t, 201)
		it := decode[item](t, a)
		if it.Name != name || it.Path != "/images/"+name || it.ID == first.ID || *it.SHA256 != sha(want) || *it.MediaType != "image/png" || it.Revision != 1 {
			t.Errorf("got %+v", it)
		}
		if a.Header.Get("Location") != "/api/v1/files/items/"+it.ID {
			t.Errorf("got %v", a.Header)
		}
		wantFile(t, h.place(id, "images", name), want)
	}
	folder := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	if it := decode[item](t, c.Do("POST", at, map[string]string{"parent_id": folder.ID}).Want(t, 201)); it.Path != "/documents/a.png" {
		t.Errorf("got %+v", it)
	}
	c.Do("POST", at, map[string]string{"parent_id": folder.ID, "name": "a.png"}).WantProblem(t, 409, "name_conflict")
	c.Do("POST", at, map[string]string{"parent_id": folder.ID, "name": "b.png"}).Want(t, 201)
	c.Do("POST", at, map[string]string{"name": "../b.png"}).WantProblem(t, 400, "invalid_name")
	c.Do("POST", at, map[string]string{"parent_id": first.ID}).WantProblem(t, 409, "not_a_folder")
	c.Do("POST", at, map[string]string{"parent_id": "01234567-89ab-7def-8123-456789abcdef"}).WantProblem(t, 409, "parent_missing")
	// A copy is not a second name: what replaces the one leaves the other.
	c.Do("PUT", "/files/content/images/a.png", "new").Want(t, 200)
	wantFile(t, h.place(id, "documents", "b.png"), want)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used != 5*int64(len(want))+3 || u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
	h.settled(t)
	if left := h.onDisk(t); len(left) != 6 { // five and what was displaced
		t.Errorf("the disk holds %q", left)
	}
}

func TestCopy_FolderComesWithAllThatIsInIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	contents := map[string][]byte{"a.bin": random(2 << 20), "sub/b.txt": []byte("b"), "sub/deep/c.txt": []byte("c"), "sub/zero": nil}
	for name, b := range contents {
		c.Do("PUT", "/files/content/documents/tree/"+name+"?parents=true", b).Want(t, 201)
	}
	gone := decode[item](t, c.Do("PUT", "/files/content/documents/tree/gone.txt", "x").Want(t, 201))
	c.Do("DELETE", "/files/items/"+gone.ID, nil).Want(t, 204)
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/tree/empty"}).Want(t, 201)
	tree := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/tree", nil).Want(t, 200))
	before := decode[usage](t, c.Do("GET", "/files/usage", nil))

	it := decode[item](t, c.Do("POST", "/files/items/"+tree.ID+"/copy", map[string]string{}).Want(t, 201))
	if it.Path != "/documents/tree (2)" || it.Type != "folder" || it.ID == tree.ID {
		t.Fatalf("got %+v", it)
	}
	for name, b := range contents {
		wantFile(t, h.place(id, "documents", "tree (2)", name), b)
		wantBytes(t, c.Do("GET", "/files/content/documents/tree%20(2)/"+name, nil).Want(t, 200).Body, b)
	}
	h.wantFolder(t, h.place(id, "documents", "tree (2)", "empty"))
	c.Do("GET", "/files/lookup?path=/documents/tree%20(2)/gone.txt", nil).Want(t, 404)
	// Into itself it goes as it was before.
	it = decode[item](t, c.Do("POST", "/files/items/"+tree.ID+"/copy", map[string]string{"parent_id": tree.ID, "name": "me"}).Want(t, 201))
	wantFile(t, h.place(id, "documents", "tree", "me", "sub", "b.txt"), []byte("b"))
	c.Do("GET", "/files/lookup?path=/documents/tree/me/me", nil).Want(t, 404)
	size := int64(2<<20 + 2)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used != before.Used+2*size || u.Reserved != 0 || u.Items != before.Items+16 {
		t.Errorf("got %+v after %+v", u, before)
	}
	c.Do("POST", "/files/items/"+*tree.ParentID+"/copy", map[string]string{"parent_id": tree.ID}).Want(t, 201)
	h.settled(t)
	if staged := h.under(t, "staging"); len(staged) != 0 {
		t.Errorf("staging holds %q", staged)
	}
	root := decode[item](t, c.Do("GET", "/files/items/root", nil).Want(t, 200))
	c.Do("POST", "/files/items/"+root.ID+"/copy", map[string]string{"parent_id": tree.ID}).WantProblem(t, 409, "root_fixed")
}

func TestCopy_RefusesWhatIsTooMuchOrTooDeepAndLeavesNothing(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 5 << 20 })
	c, id := h.member(t, "ann@example.com")
	big := decode[item](t, c.Do("PUT", "/files/content/documents/a/b/c/big.bin?parents=true", random(2<<20)).Want(t, 201))
	a := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/a", nil).Want(t, 200))
	c.Do("POST", "/files/items/"+a.ID+"/copy", map[string]string{}).Want(t, 201)
	for _, id := range []string{a.ID, big.ID} {
		c.Do("POST", "/files/items/"+id+"/copy", map[string]string{}).WantProblem(t, 507, "quota_exceeded")
	}
	deep := "/documents" + strings.Repeat("/x", 62)
	bottom := decode[item](t, c.Do("POST", "/files/folders", map[string]any{"path": deep, "parents": true}).Want(t, 201))
	c.Do("POST", "/files/items/"+a.ID+"/copy", map[string]string{"parent_id": bottom.ID}).WantProblem(t, 400, "path_too_long")
	h.exec(t, `INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded)
		SELECT gen_random_uuid(), $1, $2, 0, 'f' || n, 'f' || n, '' FROM generate_series(1, 10000) AS n`, id, *big.ParentID)
	c.Do("POST", "/files/items/"+a.ID+"/copy", map[string]string{}).WantProblem(t, 409, "copy_too_large")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used != 4<<20 || u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
	h.settled(t)
	if left := h.onDisk(t); len(left) != 2 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestCopy_NeverMultipliesDamage(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/tree/a.txt?parents=true", "sound").Want(t, 201))
	at := h.place(id, "documents", "tree", "a.txt")
	info, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte("rotten"[:5]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(at, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	shared := 0
	// Where the file system shares blocks nothing is read, nor seen.
	if a := c.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{}); a.Status != 201 {
		a.WantProblem(t, 409, "content_damaged")
		folder := decode[copied](t, c.Do("POST", "/files/items/"+*it.ParentID+"/copy", map[string]string{}).Want(t, 201))
		if len(folder.LeftOut) != 1 || folder.LeftOut[0] != (leftOut{it.Path, "content_damaged"}) {
			t.Errorf("got %+v", folder)
		}
	} else {
		shared++
	}
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	c.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{}).WantProblem(t, 404, "content_missing")
	h.settled(t)
	if left := h.onDisk(t); shared == 0 && len(left) != 0 {
		t.Errorf("the disk holds %q", left)
	}
}

type leftOut struct{ Path, Code string }

type copied struct {
	item
	LeftOut []leftOut `json:"left_out"`
}

func TestCopy_OfAFolderLeavesOutWhatCannotBeReadAndNamesIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for _, name := range []string{"a.txt", "sub/gone.txt", "link.txt"} {
		put(t, c, "/tree/"+name, "sound")
	}
	put(t, c, "/whole/a.txt", "sound")
	h.settled(t)
	at := h.place(id, "tree", "link.txt")
	for _, err := range []error{os.Remove(h.place(id, "tree", "sub", "gone.txt")), os.Remove(at), os.Symlink("/etc/passwd", at)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tree, whole := find(t, c, "/tree").ID, find(t, c, "/whole").ID
	want := []leftOut{{"/tree/link.txt", "content_missing"}, {"/tree/sub/gone.txt", "content_missing"}}
	check := func(it copied) {
		t.Helper()
		slices.SortFunc(it.LeftOut, func(a, b leftOut) int { return strings.Compare(a.Path, b.Path) })
		if !slices.Equal(it.LeftOut, want) {
			t.Errorf("got %+v", it)
		}
		wantFile(t, h.place(id, it.Name, "a.txt"), []byte("sound"))
		if below, err := os.ReadDir(h.place(id, it.Name)); err != nil || len(below) != 2 {
			t.Errorf("the copy holds %v, %v", below, err)
		}
	}
	check(decode[copied](t, c.Do("POST", "/files/items/"+tree+"/copy", nil).Want(t, 201)))
	results := decode[struct {
		Results []struct {
			Status  int
			Item    item
			LeftOut []leftOut `json:"left_out"`
		}
	}](t, c.Do("POST", "/files/batch", map[string]any{"operations": []map[string]string{
		{"op": "copy", "id": tree}, {"op": "copy", "id": whole},
	}}).Want(t, 200)).Results
	check(copied{results[0].Item, results[0].LeftOut})
	if results[1].Status != 201 || results[1].LeftOut != nil {
		t.Errorf("got %+v", results[1])
	}
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used != 7*5 || u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
}

func TestCopy_AFreeNameCostsAFewQuestionsHoweverManyAreTaken(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/album/a.txt", "a")
	h.exec(t, `INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded)
		SELECT gen_random_uuid(), $1, $2, 0, v.name, v.name, v.name FROM generate_series(2, 1500) n CROSS JOIN LATERAL (SELECT 'a (' || n || ').txt' AS name) v`, id, *it.ParentID)
	statements.Take()
	made := decode[item](t, c.Do("POST", "/files/items/"+it.ID+"/copy", nil).Want(t, 201))
	asked := 0
	for _, name := range statements.Take() {
		if name == "files.NameTaken" {
			asked++
		}
	}
	if made.Name != "a (1501).txt" || asked == 0 || asked > 40 {
		t.Errorf("%d questions for %s", asked, made.Name)
	}
}

func TestCopy_CopiesAtOnceNeverPassTheQuota(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 11 << 20 })
	c, _ := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/tree/a.bin?parents=true", random(2<<20)).Want(t, 201))
	var made atomic.Int32
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			id := it.ID
			if i%2 == 0 {
				id = *it.ParentID
			}
			// A folder that is copied grows by the copies made in it.
			a := c.Do("POST", "/files/items/"+id+"/copy", map[string]string{"parent_id": *it.ParentID, "name": fmt.Sprint(i)})
			if a.Status == 201 {
				made.Add(1)
			} else if a.Status != 507 && a.Status != 503 { // each waits for the others' turn, five seconds at most
				t.Errorf("got %d: %s", a.Status, a.Body)
			}
		})
	}
	group.Wait()
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Used > 11<<20 || u.Reserved != 0 || made.Load() == 0 {
		t.Errorf("%d copies, %+v", made.Load(), u)
	}
}

func TestCopy_KilledBetweenCommitAndRenameIsReadAndThenPutInPlace(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/tree/a.txt?parents=true", "bytes").Want(t, 201))
	c.Do("POST", "/files/items/"+*it.ParentID+"/copy", map[string]string{"name": "copy"}).Want(t, 201)
	h.settled(t)
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	staged := filepath.Join("staging", id, fmt.Sprintf("01234567-89ab-7def-8123-456789abcdef.%d", worker))
	info, err := os.Stat(h.place(id, "documents", "copy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.place(id, "documents", "copy"), filepath.Join(h.data, staged)); err != nil {
		t.Fatal(err)
	}
	h.exec(t, `
		WITH t AS (UPDATE trees SET seq = seq + 1 WHERE owner_id = $1 RETURNING seq)
		INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		SELECT $1, t.seq, gen_random_uuid(), $2, 'move', i.id, i.revision, $3, $4, $5
		  FROM t, items i WHERE i.owner_id = $1 AND i.name = 'copy'`,
		id, worker, disk.Inode(info), staged, "users/"+id+"/documents/copy")
	// And another one that was killed before its commit.
	if err := os.MkdirAll(filepath.Join(h.data, "staging", id, fmt.Sprintf("other.%d", worker), "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, c.Do("GET", "/files/content/documents/copy/a.txt", nil).Want(t, 200).Body, []byte("bytes"))
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "copy", "a.txt"), []byte("bytes"))
	if left, err := os.ReadDir(filepath.Join(h.data, "staging", id)); err != nil || len(left) != 0 {
		t.Errorf("staging holds %v, %v", left, err)
	}
}
