package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"homebase/files/disk"
	"homebase/httpx/httpxtest"
)

func TestMove_RenamesAndMovesRowAndDisk(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201))
	images := decode[item](t, c.Do("GET", "/files/lookup?path=/images", nil).Want(t, 200))
	at := "/files/items/" + it.ID
	got := decode[item](t, c.Do("PATCH", at, map[string]string{"name": "b.txt"}).Want(t, 200))
	if got.Path != "/documents/b.txt" || got.Revision != 2 || got.ID != it.ID {
		t.Fatalf("got %+v", got)
	}
	wantFile(t, h.place(id, "documents", "b.txt"), []byte("x"))
	c.Do("PATCH", at, map[string]string{"name": "c.txt"}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	got = decode[item](t, c.Do("PATCH", at, map[string]string{"parent_id": images.ID, "name": "B.txt"}, httpxtest.WithHeader("If-Match", `"r2"`)).Want(t, 200))
	if got.Path != "/images/B.txt" || got.Revision != 3 {
		t.Fatalf("got %+v", got)
	}
	wantFile(t, h.place(id, "images", "B.txt"), []byte("x"))
	if got := decode[item](t, c.Do("PATCH", at, map[string]string{}).Want(t, 200)); got.Revision != 3 {
		t.Errorf("nothing was asked, and the revision is %d", got.Revision)
	}
	wantBytes(t, c.Do("GET", at+"/content", nil).Want(t, 200).Body, []byte("x"))
	c.Do("PUT", "/files/content/images/taken", "y").Want(t, 201)
	c.Do("PATCH", at, map[string]string{"name": "taken"}).WantProblem(t, 409, "name_conflict")
	c.Do("PATCH", at, map[string]string{"name": "a/b"}).WantProblem(t, 400, "invalid_name")
	c.Do("PATCH", at, map[string]any{"name": nil}).WantProblem(t, 422, "validation_failed")
	c.Do("PATCH", at, map[string]string{"parent_id": it.ID}).WantProblem(t, 409, "not_a_folder")
	c.Do("PATCH", at, map[string]string{"parent_id": "01234567-89ab-7def-8123-456789abcdef"}).WantProblem(t, 409, "parent_missing")
	c.Do("PATCH", "/files/items/"+*images.ParentID, map[string]string{"name": "x"}).WantProblem(t, 409, "root_fixed")
}

func TestMove_FoldersGoWholeAndNeverIntoThemselves(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a/b/c.txt?parents=true", "deep").Want(t, 201)
	a := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/a", nil).Want(t, 200))
	b := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/a/b", nil).Want(t, 200))
	for _, into := range []string{a.ID, b.ID} {
		c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"parent_id": into}).WantProblem(t, 409, "move_into_itself")
	}
	images := decode[item](t, c.Do("GET", "/files/lookup?path=/images", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"parent_id": images.ID}).Want(t, 200)
	wantFile(t, h.place(id, "images", "a", "b", "c.txt"), []byte("deep"))
	wantBytes(t, c.Do("GET", "/files/content/images/a/b/c.txt", nil).Want(t, 200).Body, []byte("deep"))
	c.Do("GET", "/files/content/documents/a/b/c.txt", nil).WantProblem(t, 404, "not_found")

	deep := strings.Repeat("/d", 60)
	c.Do("POST", "/files/folders", map[string]any{"path": deep, "parents": true}).Want(t, 201)
	bottom := decode[item](t, c.Do("GET", "/files/lookup?path="+deep, nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"parent_id": bottom.ID}).Want(t, 200)
	c.Do("POST", "/files/folders", map[string]any{"path": "/images/x/y/z/w", "parents": true}).Want(t, 201)
	x := decode[item](t, c.Do("GET", "/files/lookup?path=/images/x", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+x.ID, map[string]string{"parent_id": bottom.ID}).WantProblem(t, 400, "path_too_long")
}

func TestMove_CrossedMovesAtOnceMakeNoCycle(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for range 5 {
		a := decode[item](t, c.Do("POST", "/files/folders", map[string]any{"path": "/documents/a"}).Want(t, 201))
		b := decode[item](t, c.Do("POST", "/files/folders", map[string]any{"path": "/documents/b"}).Want(t, 201))
		var group sync.WaitGroup
		var statuses [2]int
		for i, pair := range [][2]string{{a.ID, b.ID}, {b.ID, a.ID}} {
			group.Go(func() {
				statuses[i] = c.Do("PATCH", "/files/items/"+pair[0], map[string]string{"parent_id": pair[1]}).Status
			})
		}
		group.Wait()
		if statuses != [2]int{200, 409} && statuses != [2]int{409, 200} {
			t.Fatalf("got %v", statuses)
		}
		top := a.ID
		if statuses[0] == 200 {
			top = b.ID
		}
		c.Do("DELETE", "/files/items/"+top, nil).Want(t, 204)
	}
}

func TestMove_KilledBeforeTheRenameIsReadThroughAndRedone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a/c.txt?parents=true", "x").Want(t, 201)
	a := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/a", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"name": "b"}).Want(t, 200)
	h.settled(t)
	// As a worker leaves it that was killed after the commit.
	if err := os.Rename(h.place(id, "documents", "b"), h.place(id, "documents", "a")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(h.place(id, "documents", "a"))
	if err != nil {
		t.Fatal(err)
	}
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	h.exec(t, `INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		VALUES ($1, 1000, gen_random_uuid(), $2, 'move', $3, 2, $4, $5, $6)`, id, worker, a.ID, disk.Inode(info),
		"users/"+id+"/documents/a", "users/"+id+"/documents/b")
	wantBytes(t, c.Do("GET", "/files/content/documents/b/c.txt", nil).Want(t, 200).Body, []byte("x"))
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "b", "c.txt"), []byte("x"))
}

func TestTrash_KeepsRestoresAndPurges(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/sub/a.txt?parents=true", "bytes").Want(t, 201))
	sub := *it.ParentID
	c.Do("DELETE", "/files/items/"+it.ID, nil, httpxtest.WithHeader("If-Match", `"r9"`)).WantProblem(t, 412, "precondition_failed")
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	c.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	c.Do("GET", "/files/content/documents/sub/a.txt", nil).WantProblem(t, 404, "not_found")
	wantFile(t, filepath.Join(h.data, "trash", id, it.ID), []byte("bytes"))
	u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
	if u.Used != 5 || u.Trash != 5 || u.Items != 4 {
		t.Errorf("got %+v", u)
	}
	type trash struct {
		Items []struct {
			item
			OriginalPath string `json:"original_path"`
		}
	}
	list := decode[trash](t, c.Do("GET", "/files/trash", nil).Want(t, 200))
	if len(list.Items) != 1 || list.Items[0].ID != it.ID || list.Items[0].OriginalPath != "/documents/sub/a.txt" {
		t.Fatalf("got %+v", list)
	}
	// The name is taken meanwhile.
	c.Do("PUT", "/files/content/documents/sub/a.txt", "other").Want(t, 201)
	back := decode[item](t, c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200))
	if back.Path != "/documents/sub/a (2).txt" || back.ID != it.ID {
		t.Fatalf("got %+v", back)
	}
	wantFile(t, h.place(id, "documents", "sub", "a (2).txt"), []byte("bytes"))
	c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).WantProblem(t, 404, "not_found")

	// The folder is gone meanwhile.
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/items/"+sub, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash/"+sub, nil).Want(t, 204)
	back = decode[item](t, c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200))
	if back.Path != "/a (2).txt" {
		t.Fatalf("got %+v", back)
	}
	wantFile(t, h.place(id, "a (2).txt"), []byte("bytes"))

	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
	c.Do("DELETE", "/files/trash/"+it.ID, nil).WantProblem(t, 404, "not_found")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used != 0 || u.Trash != 0 || u.Items != 3 {
		t.Errorf("got %+v", u)
	}
	h.settled(t)
	h.run(t, "files.purge")
	if left := h.onDisk(t); len(left) > 0 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestTrash_EndsByItself(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for i := range 3 {
		it := decode[item](t, c.Do("PUT", fmt.Sprintf("/files/content/documents/%d", i), "x").Want(t, 201))
		c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	}
	h.exec(t, "UPDATE items SET trashed_at = now() - interval '2 hours' WHERE name <> '0' AND trashed_at IS NOT NULL")
	h.run(t, "files.trash")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Trash != 1 {
		t.Errorf("got %+v", u)
	}
}

func TestTrash_KilledWhilePurgingIsRedone(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a", "x").Want(t, 201))
	h.settled(t)
	// As a worker leaves it that was killed after the commit of a purge.
	aside := filepath.Join(h.data, "trash", id, it.ID)
	if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.place(id, "documents", "a"), aside); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(aside)
	if err != nil {
		t.Fatal(err)
	}
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	h.exec(t, "DELETE FROM items WHERE id = $1", it.ID)
	h.exec(t, `INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		VALUES ($1, 1000, gen_random_uuid(), $2, 'purge', $3, 2, $4, $5, $6)`, id, worker, it.ID, disk.Inode(info),
		"trash/"+id+"/"+it.ID, "purge/"+it.ID+".2")
	h.run(t, "files.recover")
	h.run(t, "files.purge")
	if left := h.onDisk(t); len(left) > 0 {
		t.Errorf("the disk holds %q", left)
	}
}
