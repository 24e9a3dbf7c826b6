package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"homebase/db"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

type storage struct {
	Disk  struct{ Total, Free int64 }
	Users []struct {
		UserID                       string `json:"user_id"`
		Quota, Used, Reserved, Trash int64
	}
	NextCursor            *string `json:"next_cursor"`
	Staging, Purge, Items int64
}

func TestStorage_FiguresOfEveryoneComePageByPage(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.User(t, "admin@example.com", "admin")
	admin := h.SignIn(t, "admin@example.com")
	var ids []string
	for i, email := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		c, id := h.member(t, email)
		ids = append(ids, id)
		c.Do("PUT", "/files/content/documents/kept", random(1000*(i+1))).Want(t, 201)
		item := decode[struct{ ID string }](t, c.Do("PUT", "/files/content/documents/gone", random(10)).Want(t, 201))
		c.Do("DELETE", "/files/items/"+item.ID, nil).Want(t, 204)
	}
	c, _ := h.member(t, "tus@example.com")
	c.Do("POST", "/files/uploads", nil, httpxtest.WithHeader("Tus-Resumable", "1.0.0"), httpxtest.WithHeader("Upload-Length", "5000000"),
		httpxtest.WithHeader("Upload-Metadata", "filename Zg==")).Want(t, 201)

	var all storage
	seen := map[string]int{}
	for path := "/system/storage?limit=2"; ; {
		page := decode[storage](t, admin.Do("GET", path, nil).Want(t, 200))
		all.Users = append(all.Users, page.Users...)
		if page.Disk.Total < page.Disk.Free || page.Disk.Free <= 0 || page.Staging != 5000000 || page.Items < 6 {
			t.Errorf("the figures are %+v", page)
		}
		if page.NextCursor == nil {
			break
		}
		path = "/system/storage?limit=2&cursor=" + *page.NextCursor
	}
	for _, u := range all.Users {
		seen[u.UserID]++
		for i, id := range ids {
			if u.UserID == id && (u.Used != int64(1000*(i+1)+10) || u.Trash != 10 || u.Quota != 1<<30 || u.Reserved != 0) {
				t.Errorf("user %d has %+v", i, u)
			}
		}
	}
	if len(seen) != len(all.Users) || len(seen) != 4 {
		t.Errorf("the pages show %v", seen)
	}
	c.Do("GET", "/system/storage", nil).WantProblem(t, 403, "forbidden")
	admin.Do("GET", "/system/storage?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")

	if err := errors.Join(h.files.HasRoom(t.Context()), h.files.KeepsUp(t.Context())); err != nil {
		t.Error(err)
	}
	h.exec(t, `INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		SELECT t.owner_id, 1000000 + n, t.root_id, 0, 'move', t.root_id, 1, 1, 'a', 'b' FROM trees t, generate_series(1, 300) n`)
	if h.files.KeepsUp(t.Context()) == nil {
		t.Error("1200 changes that wait are no backlog")
	}
	h.exec(t, `UPDATE trees SET quota = 1100 WHERE owner_id = $1`, ids[0]) // of which 1010 bytes are used
	figures, err := h.files.Figures(t.Context())
	text, _ := json.Marshal(figures)
	if err != nil || len(figures) != 9 || !strings.Contains(string(text), `"homebase_storage_used_bytes","value":6030}`) ||
		!strings.Contains(string(text), `"homebase_storage_nearly_full","value":1}`) {
		t.Errorf("%s, %v", text, err)
	}
}

// Readiness is public and asked every few seconds; metrics are scraped as
// often. A table that is locked shows who reads it.
func TestReady_ReadsNoItems(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.member(t, "many@example.com")
	err := h.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := db.Exec(t.Context(), tx, `LOCK TABLE items IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := h.files.Figures(ctx)
		return errors.Join(err, h.files.Ready(ctx), h.files.HasRoom(ctx), h.files.KeepsUp(ctx))
	})
	if err != nil {
		t.Error(err)
	}
}
