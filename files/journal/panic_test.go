package journal

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"homebase/audit"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/files/disk"

	"github.com/google/uuid"
)

// What was staged by the others of a group whose leader panicked may be
// committed: whoever sent it must not take it for undone and remove it.
func TestPut_OfAGroupWhoseLeaderPanickedIsInDoubt(t *testing.T) {
	t.Parallel()
	d, log, data := dbtest.New(t), slog.New(slog.DiscardHandler), t.TempDir()
	var armed atomic.Bool
	j := New(Config{DB: d, Audit: audit.New(d, log, authtest.Keys), Log: log, Quota: 1 << 20, UploadExpiry: time.Hour,
		Judge: func(context.Context) error { return nil },
		Changed: func(uuid.UUID) {
			if armed.Load() {
				panic("behind the COMMIT")
			}
		}})
	owner, root := NewID(), NewID()
	for _, sql := range []string{
		"INSERT INTO users (id, email, password_hash) VALUES ($1, 'ann@example.com', $2::text)",
		"INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2::uuid, gen_random_uuid())",
		"INSERT INTO items (owner_id, id, kind, name, name_sort, name_folded) VALUES ($1, $2::uuid, 0, '', '', '')",
	} {
		if _, err := db.Exec(t.Context(), d, sql, owner, root.String()); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := disk.Open(data)
	if err == nil {
		err = errors.Join(dir.MakeLayout(), dir.Mkdir(disk.UserPath(owner, ""), root), j.Start(t.Context(), dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { errors.Join(j.Stop(), dir.Close()) })
	leave, err := j.slots.Take(t.Context(), owner, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	answers := make(chan any, 2)
	for _, name := range []string{"a", "b"} {
		p := staged(t, j, owner, root, name)
		go func() {
			defer func() {
				if caught := recover(); caught != nil {
					answers <- caught
				}
			}()
			_, err := j.Put(t.Context(), p)
			answers <- err
		}()
	}
	for waiting := 0; waiting < 2; time.Sleep(time.Millisecond) {
		j.queue.mu.Lock()
		waiting = len(j.queue.by[owner])
		j.queue.mu.Unlock()
	}
	leave()
	for range 2 {
		if err, ok := (<-answers).(error); ok && !errors.Is(err, db.ErrOutcomeUnknown) {
			t.Errorf("the other's answer is %v", err)
		}
	}
	if n, err := db.One(t.Context(), d, db.Value[int], "SELECT count(*) FROM file_ops"); err != nil || n != 2 {
		t.Errorf("%d records: %v", n, err)
	}
}

func staged(t *testing.T, j *Journal, owner, root uuid.UUID, name string) Put {
	t.Helper()
	p := Put{Owner: owner, Op: NewID(), Folder: root, Path: "/" + name, Item: NewID(), SHA256: make([]byte, 32), MediaType: "text/plain",
		Check: func(context.Context, *Tx, *Item) error { return nil },
		Event: func(it Item, _ bool) audit.Event { return audit.Event{Action: audit.FileCreated, Target: it.ID} },
		Told:  func(Item) json.RawMessage { return json.RawMessage("{}") }}
	p.Staged = j.StagingPath(owner, p.Op)
	file, err := j.disk.Create(p.Staged)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p.Ino, p.MTime = disk.Inode(info), info.ModTime().UnixNano()
	return p
}
