package files_test

import (
	"os"
	"testing"
)

func TestRecovery_RecordsOfWhatWasCarriedElsewhereWithItsFolderAreDropped(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put(t, c, "/documents/f/a.txt", "mine")
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/f/g"}).Want(t, 201)
	c.Do("PATCH", "/files/items/"+find(t, c, "/documents/f").ID, map[string]string{"name": "moved"}).Want(t, 200)
	h.settled(t)
	// PostgreSQL was killed before the deletion of these records was durable.
	// Their items have the revision that they speak of, and lie elsewhere.
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	for name, kind := range map[string]string{"a.txt": "put", "g": "mkdir"} {
		h.exec(t, `
			INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
			SELECT $1::uuid, 1000 + i.kind, gen_random_uuid(), $2, $3, i.id, i.revision, coalesce(i.ino, 0), 'staging/none',
			       'users/' || $1::text || '/documents/f/' || i.name
			  FROM items i WHERE i.name = $4`, id, worker, kind, name)
	}
	// Somebody has made a folder of the old name meanwhile.
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/f"})
	h.run(t, "files.recover")
	h.settled(t)
	if n := h.number(t, "SELECT count(*) FROM file_ops WHERE worker_id = $1", worker); n != 0 {
		t.Errorf("%d records are left", n)
	}
	if _, err := os.Lstat(h.place(id, "documents", "f", "g")); err == nil {
		t.Error("a folder was made where none belongs")
	}
	wantFile(t, h.place(id, "documents", "moved", "a.txt"), []byte("mine"))
	h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
}
