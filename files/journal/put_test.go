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

// journalOf is a worker's journal of one owner with an empty root.
func journalOf(t *testing.T, changed func(uuid.UUID)) (j *Journal, owner, root uuid.UUID) {
	t.Helper()
	d, log, data := dbtest.New(t), slog.New(slog.DiscardHandler), t.TempDir()
	j = New(Config{DB: d, Audit: audit.New(d, log, authtest.Keys), Log: log, Quota: 1 << 20, UploadExpiry: time.Hour,
		Judge: func(context.Context) error { return nil }, Changed: changed})
	owner, root = NewID(), NewID()
	for _, sql := range []string{
		"INSERT INTO users (id, email, password_hash) VALUES ($1, 'ann@example.com', $2::text)",
		"INSERT INTO owners (id, user_id) SELECT $1, $1 WHERE $2 <> ''",
		"INSERT INTO trees (owner_id, root_id, feed_epoch) VALUES ($1, $2::uuid, gen_random_uuid())",
		"INSERT INTO items (owner_id, id, kind, name, name_sort, name_folded) VALUES ($1, $2::uuid, 0, '', '', '')",
	} {
		if err := db.Exec(t.Context(), d, sql, owner, root.String()); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := disk.Open(data)
	if err == nil {
		err = errors.Join(dir.MakeLayout(), dir.Mkdir(disk.OwnerPath(owner, ""), root), j.Start(t.Context(), dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { errors.Join(j.Stop(), dir.Close()) })
	return j, owner, root
}

// queued waits until so many puts of an owner wait for their turn.
func queued(j *Journal, owner uuid.UUID, n int) {
	for waiting := 0; waiting < n; time.Sleep(time.Millisecond) {
		slot := j.slots.of(owner)
		slot.puts.mu.Lock()
		waiting = len(slot.puts.waiting)
		slot.puts.mu.Unlock()
	}
}

// What was staged by the others of a group whose leader panicked may be
// committed: whoever sent it must not take it for undone and remove it.
func TestPut_OfAGroupWhoseLeaderPanickedIsInDoubt(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	j, owner, root := journalOf(t, func(uuid.UUID) {
		if armed.Load() {
			panic("behind the COMMIT")
		}
	})
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
	queued(j, owner, 2)
	leave()
	for range 2 {
		if err, ok := (<-answers).(error); ok && !errors.Is(err, db.ErrOutcomeUnknown) {
			t.Errorf("the other's answer is %v", err)
		}
	}
	if n, err := db.One(t.Context(), j.DB, db.Value[int], "SELECT count(*) FROM file_ops"); err != nil || n != 2 {
		t.Errorf("%d records: %v", n, err)
	}
}

// A group puts back what has another's record in its way. Nobody leads for a
// client that has left meanwhile, so its put must end by itself, and not be
// carried out when the next file comes.
func TestPut_OfAClientThatLeavesWhileItsGroupPutsItBackEnds(t *testing.T) {
	t.Parallel()
	j, owner, root := journalOf(t, func(uuid.UUID) {})
	other, err := db.One(t.Context(), j.DB, db.Value[int32], "INSERT INTO workers DEFAULT VALUES RETURNING id")
	if err != nil {
		t.Fatal(err)
	}
	lock, _, err := j.disk.LockWorker(other) // so it is alive
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := db.Exec(t.Context(), j.DB, `INSERT INTO file_ops (owner_id, worker_id, seq, op_id, kind, item_id, revision, ino, source, target)
		VALUES ($1, $2, 1000, gen_random_uuid(), 'mkdir', gen_random_uuid(), 1, 0, '', $3)`, owner, other, disk.OwnerPath(owner, "/a")); err != nil {
		t.Fatal(err)
	}
	leave, err := j.slots.Take(t.Context(), owner, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ctx, clientLeaves := context.WithCancel(t.Context())
	a, b := staged(t, j, owner, root, "a"), staged(t, j, owner, root, "b")
	b.Check = func(context.Context, *Tx, *Item) error { clientLeaves(); return nil }
	answers := map[string]chan error{"a": make(chan error, 1), "b": make(chan error, 1)}
	go func() { _, err := j.Put(t.Context(), b); answers["b"] <- err }()
	queued(j, owner, 1)
	go func() { _, err := j.Put(ctx, a); answers["a"] <- err }()
	queued(j, owner, 2)
	leave()
	if err := <-answers["b"]; err != nil {
		t.Fatal(err)
	}
	if err := <-answers["a"]; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func staged(t *testing.T, j *Journal, owner, root uuid.UUID, name string) Put {
	t.Helper()
	p := Put{Owner: owner, Op: NewID(), Folder: root, Path: "/" + name, Item: NewID(), SHA256: make([]byte, 32), MediaType: "text/plain",
		Check: func(context.Context, *Tx, *Item) error { return nil },
		Event: func(it Item, _ bool) audit.Event { return audit.Event{Action: audit.FileCreated, Target: it.ID} },
		Told:  func(Item) json.RawMessage { return json.RawMessage("{}") }}
	if err := j.Stage(&p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.File.Close() })
	info, err := p.File.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p.Ino, p.MTime = disk.Inode(info), info.ModTime().UnixNano()
	return p
}

// What was trashed from a folder is redone after that folder was trashed too and
// a file got its name: there is no folder any more to be flushed.
func TestRedo_OfWhatLeftAFolderThatIsAFileByNow(t *testing.T) {
	t.Parallel()
	j, owner, _ := journalOf(t, func(uuid.UUID) {})
	r := record{owner: owner, kind: kindMove, item: NewID(), revision: 2, source: disk.OwnerPath(owner, "/d/a")}
	r.target = disk.TrashPath(owner, r.item)
	trashed, err := j.disk.Create(r.target)
	if err != nil {
		t.Fatal(err)
	}
	defer trashed.Close()
	info, err := trashed.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r.ino = disk.Inode(info)
	if err := j.disk.MakeWay(disk.OwnerPath(owner, "/d")); err != nil {
		t.Fatal(err)
	}
	inTheWay, err := j.disk.Create(disk.OwnerPath(owner, "/d"))
	if err != nil {
		t.Fatal(err)
	}
	defer inTheWay.Close()
	if err := j.publish(t.Context(), r); err != nil {
		t.Error(err)
	}
}
