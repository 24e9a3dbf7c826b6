package files_test

import (
	"fmt"
	"testing"
)

// A folder of 2,500 files in 26 folders goes in several changes, each of at
// most 1,000 rows; what was trashed from it by itself stays.
func TestPurge_OfALargeFolderGoesInPieces(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	kept := put(t, c, "/big/sub/kept.txt", "keep me")
	c.Do("DELETE", "/files/items/"+kept.ID, nil).Want(t, 204)
	top := *decode[struct {
		ParentID *string `json:"parent_id"`
	}](t, c.Do("GET", "/files/items/"+*kept.ParentID, nil).Want(t, 200)).ParentID
	h.exec(t, fmt.Sprintf(`
		WITH folder AS (
		    INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded)
		    SELECT gen_random_uuid(), i.owner_id, i.id, 0, 'f' || n, 'f' || n, '' FROM items i, generate_series(1, 25) n WHERE i.id = '%s'
		    RETURNING id, owner_id
		)
		INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, name_folded, size, media_type, sha256, mtime, ino)
		SELECT gen_random_uuid(), f.owner_id, f.id, 1, 'x' || n, 'x' || n, '', 10, 'text/plain', sha256('x'), 1, 1
		  FROM folder f, generate_series(1, 100) n`, top))
	h.exec(t, "UPDATE trees SET used = used + 25000, entries = entries + 2525")
	c.Do("DELETE", "/files/items/"+top, nil).Want(t, 204)
	before := h.number(t, "SELECT seq FROM trees")
	c.Do("DELETE", "/files/trash/"+top, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash/"+top, nil).WantProblem(t, 404, "not_found")
	await(t, func() bool { return h.number(t, "SELECT count(*) FROM items WHERE purging") == 0 })
	if n := h.number(t, "SELECT count(*) FROM items WHERE name LIKE 'x%' OR name LIKE 'f%' OR name = 'big'"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Used != 7 || u.Trash != 7 || u.Entries != 4 {
		t.Errorf("got %+v", u)
	}
	if n := h.number(t, "SELECT count(*) FROM changes WHERE type = 'purged'"); n != 1 {
		t.Errorf("the feed tells of %d purges, want 1 (seq was %d)", n, before)
	}
	h.settled(t)
	c.Do("POST", "/files/trash/"+kept.ID+"/restore", nil).Want(t, 200)
	wantBytes(t, c.Do("GET", "/files/content/kept.txt", nil).Want(t, 200).Body, []byte("keep me"))
}
