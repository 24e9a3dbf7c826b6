package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/files"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// erase deletes a user as auth does, in one transaction; the error of last
// ends it.
func (h *house) erase(t testing.TB, f *files.Files, user string, last error) error {
	t.Helper()
	return h.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := f.Erase(t.Context(), tx, uuid.MustParse(user)); err != nil {
			return err
		}
		if err := db.Exec(t.Context(), tx, "DELETE FROM users WHERE id = $1", user); err != nil {
			return err
		}
		return last
	})
}

// exists reports whether something lies at a path below the data directory.
func (h *house) exists(t testing.TB, names ...string) bool {
	t.Helper()
	_, err := os.Lstat(filepath.Join(append([]string{h.data}, names...)...))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestErase_TakesRowsAtOnceAndBytesByRecovery(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other, otherID := h.member(t, "bob@example.com")
	other.Do("PUT", "/files/content/documents/b.txt", "b").Want(t, 201)
	c.Do("PUT", "/files/content/documents/a/b.txt?parents=true", "x").Want(t, 201)
	it := decode[item](t, c.Do("PUT", "/files/content/documents/gone.txt", "x").Want(t, 201))
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	at := begin(t, c, 10, "filename", "half.bin")
	patch(c, at, 0, "0123").Want(t, 204)

	refused := errors.New("refused")
	if err := h.erase(t, h.files, id, refused); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a", "b.txt"), []byte("x"))
	if n := offsetOf(t, c, at); n != 4 {
		t.Errorf("got %d", n)
	}

	if err := h.erase(t, h.files, id, nil); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"items", "trees", "uploads"} {
		if n := h.number(t, "SELECT count(*) FROM "+table+" WHERE owner_id = $1", id); n != 0 {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
	// Killed right after the commit: any worker finds what is left to do.
	h.second(t)
	for _, folder := range []string{"users", "trash", "staging"} {
		if h.exists(t, folder, id) {
			t.Errorf("%s/ still holds the owner's folder", folder)
		}
	}
	h.run(t, "files.recover")
	h.settled(t) // a record goes a moment after the disk has followed
	if n := h.number(t, "SELECT count(*) FROM file_ops") + h.number(t, "SELECT count(*) FROM workers WHERE dead_at IS NOT NULL"); n != 0 {
		t.Errorf("%d records and dead workers are left", n)
	}
	h.run(t, "files.purge")
	if left := h.onDisk(t); len(left) != 1 {
		t.Errorf("the disk holds %q", left)
	}
	wantFile(t, h.place(otherID, "documents", "b.txt"), []byte("b"))
}

func TestErase_EndsAnUploadThatIsUnderWay(t *testing.T) {
	t.Parallel()
	h, c, _, id := cutHouse(t)
	at := begin(t, c, 4, "filename", "a.txt")
	if err := h.erase(t, h.files, id, nil); err != nil {
		t.Fatal(err)
	}
	// The token still holds; the user is gone.
	patch(c, at, 0, "0123").WantProblem(t, 404, "not_found")
	h.run(t, "files.recover")
	h.run(t, "files.purge")
	if left := h.onDisk(t); len(left) != 0 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestErase_WaitsForTheDiskAndIsDoneTwiceWithoutHarm(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.txt")
	if err := h.erase(t, h.files, id, nil); !errors.Is(err, httpx.ErrBusy) {
		t.Fatalf("with a change under way: got %v", err)
	}
	h.run(t, "files.recover")
	// A process that is no worker, as a command is.
	idle := files.New(files.Config{DB: h.DB, Audit: h.Audit, DataDir: h.data})
	if err := h.erase(t, idle, id, nil); err != nil {
		t.Fatal(err)
	}
	// Renamed, freed, and then killed before the records went.
	kept := func(table string) string {
		rows, err := db.One(t.Context(), h.DB, db.Value[string], "SELECT json_agg(r)::text FROM "+table+" r")
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	records, dead := kept("file_ops"), kept("(SELECT w.* FROM workers w WHERE w.dead_at IS NOT NULL)")
	h.run(t, "files.recover")
	h.run(t, "files.purge")
	h.exec(t, "INSERT INTO workers OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::workers, $1)", dead)
	h.exec(t, "INSERT INTO file_ops SELECT * FROM json_populate_recordset(NULL::file_ops, $1)", records)
	h.run(t, "files.recover")
	if n := h.number(t, "SELECT count(*) FROM file_ops"); n != 0 || h.exists(t, "users", id) {
		t.Errorf("%d records are left", n)
	}
	if err := h.erase(t, h.files, id, nil); err != nil {
		t.Errorf("a user without files: %v", err)
	}
}

func TestErase_RefusesWhileTheDiskIsAway(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	elsewhere := files.New(files.Config{DB: h.DB, Audit: h.Audit, DataDir: t.TempDir()})
	if err := h.erase(t, elsewhere, id, nil); err == nil {
		t.Fatal("the user was erased, and the files are elsewhere")
	}
	c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
}

func TestQuota_IsSetForAUserBeforeTheFirstTouch(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	user := uuid.MustParse(id)
	quota := func(set *int64) (got *int64) {
		t.Helper()
		err := h.DB.InTx(t.Context(), func(tx pgx.Tx) error {
			if set == nil {
				return nil
			}
			return h.files.SetQuota(t.Context(), tx, user, set)
		})
		if err != nil {
			t.Fatal(err)
		}
		quotas, err := h.files.Quotas(t.Context(), []uuid.UUID{uuid.New(), user})
		if err != nil {
			t.Fatal(err)
		}
		return quotas[user].Bytes
	}
	if got := quota(nil); got != nil {
		t.Errorf("got %d", *got)
	}
	if got := quota(new(int64(5))); got == nil || *got != 5 {
		t.Errorf("got %v", got)
	}
	c.Do("PUT", "/files/content/documents/a.txt", "123456").WantProblem(t, 507, "quota_exceeded")
	tus(c, "POST", "/files/uploads", nil, "Upload-Length", "6", "Upload-Metadata", metadata("filename", "a")).WantProblem(t, 507, "quota_exceeded")
	c.Do("PUT", "/files/content/documents/a.txt", "12345").Want(t, 201)
	quota(new(int64(2)))
	c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
	c.Do("PUT", "/files/content/documents/a.txt", "1").Want(t, 200)
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.Quota != 2 || u.Used != 1 {
		t.Errorf("got %+v", u)
	}
}

func TestQuota_OfEntriesIsSetByWhoManagesUsers(t *testing.T) {
	t.Parallel()
	h := &house{data: t.TempDir()}
	h.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		routes := h.open(t, e)
		e.Auth.Keep(auth.Storage{Quotas: h.files.Quotas, SetEntryQuota: h.files.SetEntryQuota})
		return routes
	})
	c, id := h.member(t, "ann@example.com")
	h.User(t, "root@example.com", "admin")
	admin := h.SignIn(t, "root@example.com")
	type managed struct {
		Quota      *int64
		EntryQuota *int64 `json:"entry_quota"`
	}
	at := "/auth/users/" + id
	if u := decode[managed](t, admin.Do("GET", at, nil).Want(t, 200)); u.EntryQuota != nil {
		t.Errorf("got %+v", u)
	}
	if u := decode[managed](t, admin.Do("PATCH", at, map[string]any{"entry_quota": 4}).Want(t, 200)); u.EntryQuota == nil || *u.EntryQuota != 4 || u.Quota != nil {
		t.Errorf("got %+v", u)
	}
	put(t, c, "/documents/a.txt", "a") // beside the three first folders
	c.Do("PUT", "/files/content/documents/b.txt", "b").WantProblem(t, 507, "entries_exceeded")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil)); u.EntryQuota != 4 || u.Entries != 4 {
		t.Errorf("got %+v", u)
	}
	admin.Do("PATCH", at, map[string]any{"entry_quota": -1}).WantProblem(t, 422, "validation_failed")
	c.Do("PATCH", at, map[string]any{"entry_quota": 1000}).WantProblem(t, 403, "forbidden")
	admin.Do("PATCH", at, map[string]any{"entry_quota": nil}).Want(t, 200)
	c.Do("PUT", "/files/content/documents/b.txt", "b").Want(t, 201)
}
