package files_test

import (
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/db/dbtest"
	"homebase/files"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

func (h *house) wantFolder(t testing.TB, p string) {
	t.Helper()
	if info, err := os.Lstat(p); err != nil || !info.IsDir() {
		t.Fatalf("%s is no folder: %v", p, err)
	}
}

// killed makes the state that a worker leaves which was killed between the
// commit and the publishing of the file at name: the row is new, the disk is
// old, the bytes are staged, a record remains, and nobody holds its lock.
func (h *house) killed(t *testing.T, owner, name string) (staged string) {
	t.Helper()
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	place := h.place(owner, "documents", name)
	staged = filepath.Join("staging", owner, fmt.Sprintf("01234567-89ab-7def-8123-456789abcdef.%d", worker))
	if err := os.MkdirAll(filepath.Join(h.data, "staging", owner), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(place, filepath.Join(h.data, staged)); err != nil {
		t.Fatal(err)
	}
	n := h.exec(t, `
		WITH t AS (UPDATE trees SET seq = seq + 1 WHERE owner_id = $1 RETURNING seq)
		INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		SELECT $1, t.seq, gen_random_uuid(), $2, 'put', i.id, i.revision, i.ino, $3, $4
		  FROM t, items i WHERE i.owner_id = $1 AND i.name = $5`,
		owner, worker, staged, "users/"+owner+"/documents/"+name, name)
	if n != 1 {
		t.Fatalf("%d records", n)
	}
	return staged
}

func TestKilledBetweenCommitAndPublish_NewFileIsReadAndThenPutInPlace(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	want := random(100_000)
	c.Do("PUT", "/files/content/documents/a.bin", want).Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.bin")

	a := c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200)
	wantBytes(t, a.Body, want)
	if a.Header.Get("ETag") != `"`+sha(want)+`"` {
		t.Errorf("got ETag %s", a.Header.Get("ETag"))
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.bin"), want)
	h.run(t, "files.recover")
	wantBytes(t, c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200).Body, want)
	if left := h.onDisk(t); len(left) != 1 {
		t.Errorf("the disk holds %q", left)
	}
	if n := h.number(t, "SELECT count(*) FROM workers") + h.number(t, "SELECT count(*) FROM file_ops"); n != 1 {
		t.Errorf("%d workers and records are left", n)
	}
}

func TestKilledBetweenCommitAndPublish_ReplacedFileDisplacesTheOldBytes(t *testing.T) {
	t.Parallel()
	for _, top := range []string{"versions", "purge"} {
		t.Run(top, func(t *testing.T) {
			t.Parallel()
			killedAsItDisplaces(t, top)
		})
	}
}

func killedAsItDisplaces(t *testing.T, top string) {
	h := start(t, func(c *files.Config) {
		if top == "purge" {
			c.VersionRetention = 0
		}
	})
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "old").Want(t, 201)
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a.bin", "new bytes").Want(t, 200))
	h.settled(t)
	h.killed(t, id, "a.bin")
	former := h.data + "/purge/" + it.ID + ".1"
	if top == "versions" {
		former = h.data + "/versions/" + id + "/" + it.ID + ".1"
		h.exec(t, "UPDATE file_ops SET keeps = true")
	}
	// The old bytes are still in place.
	if err := os.Rename(former, h.place(id, "documents", "a.bin")); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, c.Do("GET", "/files/content/documents/a.bin", nil).Want(t, 200).Body, []byte("new bytes"))
	if top == "versions" {
		wantBytes(t, c.Do("GET", versionPath(it.ID, 1), nil).Want(t, 200).Body, []byte("old"))
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.bin"), []byte("new bytes"))
	wantFile(t, former, []byte("old"))
	if top == "versions" {
		wantBytes(t, c.Do("GET", versionPath(it.ID, 1), nil).Want(t, 200).Body, []byte("old"))
	}
}

func TestKilledInsideRecovery_EveryStepTwiceDoesNoHarm(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "bytes").Want(t, 201)
	h.settled(t)
	staged := h.killed(t, id, "a.bin")
	// Marked dead and renamed, then killed again before the record went.
	h.exec(t, "UPDATE workers SET dead_at = now() WHERE id = (SELECT worker_id FROM file_ops)")
	if err := os.Rename(filepath.Join(h.data, staged), h.place(id, "documents", "a.bin")); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.bin"), []byte("bytes"))
	if n := h.number(t, "SELECT count(*) FROM file_ops"); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestRecovery_OldRecordsOfAnItemThatWentOnAreDropped(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "one").Want(t, 201)
	c.Do("PUT", "/files/content/documents/a.bin", "two").Want(t, 200)
	h.settled(t)
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	h.exec(t, `
		INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
		SELECT $1, 1000, gen_random_uuid(), $2, 'put', i.id, 1, 1, 'staging/x', $3 FROM items i WHERE i.name = 'a.bin'`,
		id, worker, "users/"+id+"/documents/a.bin")
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.bin"), []byte("two"))
}

func inode(t *testing.T, path string) int64 {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Lstat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return int64(stat.Ino)
}

const leftRecord = `
	WITH t AS (UPDATE trees SET seq = seq + 1 WHERE owner_id = $1 RETURNING seq)
	INSERT INTO file_ops (owner_id, seq, op_id, worker_id, kind, item_id, revision, ino, source, target)
	SELECT $1, t.seq, gen_random_uuid(), $2, $3, i.id, i.revision, $7, $4, $5
	  FROM t, items i WHERE i.owner_id = $1 AND i.name = $6`

// Records of what is in place may be left by a kill, or come back by a power cut. The
// folder was carried elsewhere since, and back by a move that is not in place, so
// that the rows are where the records say and the disk is not.
func TestRecovery_WhoseFolderIsOnItsWayBackIsNotPutInPlaceAgain(t *testing.T) {
	for _, what := range []string{"put", "put of another worker", "put that kept its staged name", "mkdir"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := start(t, silent)
			c, id := h.member(t, "ann@example.com")
			c.Do("PUT", "/files/content/documents/a.bin", "bytes").Want(t, 201)
			c.Do("POST", "/files/folders", map[string]string{"path": "/documents/f"}).Want(t, 201)
			h.settled(t)
			first := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
			last := first
			documents, staged := h.place(id, "documents"), fmt.Sprintf("staging/new/%s.%d", uuid.NewString(), first)
			switch what {
			case "put of another worker":
				last = h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
			case "put that kept its staged name":
				if err := os.Link(documents+"/a.bin", filepath.Join(h.data, staged)); err != nil {
					t.Fatal(err)
				}
			}
			if what == "mkdir" {
				h.exec(t, leftRecord, id, first, "mkdir", "", "users/"+id+"/documents/f", "f", 0)
			} else {
				h.exec(t, leftRecord, id, first, "put", staged, "users/"+id+"/documents/a.bin", "a.bin", inode(t, documents+"/a.bin"))
			}
			h.exec(t, leftRecord, id, last, "move", "users/"+id+"/elsewhere", "users/"+id+"/documents", "documents", inode(t, documents))
			if err := os.Rename(documents, h.place(id, "elsewhere")); err != nil {
				t.Fatal(err)
			}
			h.run(t, "files.recover")
			wantFile(t, h.place(id, "documents", "a.bin"), []byte("bytes"))
			h.scan(t).want(t, 0, 0, 0, 0, 0, 0)
			if n := h.number(t, "SELECT count(*) FROM file_ops"); n != 0 {
				t.Errorf("%d records are left", n)
			}
		})
	}
}

// A writer that meets a dead worker's record holds its owner's slot, which the
// release of that worker's reservations needs.
func TestRecovery_AWriterDoesNotWaitForTheReservationsOfADeadWorker(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "x").Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.bin")
	worker := h.number(t, "SELECT max(id) FROM workers")
	for range 7 { // each would wait for five seconds
		h.exec(t, "INSERT INTO uploads (op_id, owner_id, worker_id, bytes, expires_at) VALUES (gen_random_uuid(), $1, $2, 1, now() + interval '1 hour')", id, worker)
	}
	h.exec(t, "UPDATE trees SET reserved = 7")
	c.Do("PUT", "/files/content/documents/a.bin", "y").Want(t, 200)
	await(t, func() bool {
		return h.number(t, "SELECT (SELECT count(*) FROM uploads) + (SELECT reserved FROM trees) + (SELECT count(*) FROM workers WHERE id = $1)", worker) == 0
	})
}

func TestRecovery_ReleasesReservationsAndSweepsStaging(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "x").Want(t, 201)
	h.settled(t)
	worker := h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id")
	h.exec(t, "UPDATE trees SET reserved = 5000")
	h.exec(t, "INSERT INTO uploads (op_id, owner_id, worker_id, bytes, expires_at) VALUES (gen_random_uuid(), $1, $2, 5000, now() + interval '1 h')", id, worker)
	if err := os.WriteFile(filepath.Join(h.data, "staging", "new", fmt.Sprintf("op.%d", worker)), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	if n := h.number(t, "SELECT reserved FROM trees"); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
	if left := h.onDisk(t); len(left) != 1 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestExpiry_ReleasesWhatOutlivedItsTime(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("GET", "/files/usage", nil).Want(t, 200)
	h.exec(t, "UPDATE trees SET reserved = 5000")
	h.exec(t, "INSERT INTO uploads (op_id, owner_id, worker_id, bytes, expires_at) VALUES (gen_random_uuid(), $1, 0, 5000, now() - interval '1 s')", id)
	h.run(t, "files.expire")
	if u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
}

func TestRecovery_WhatStandsInTheWayIsKeptUnderAnotherName(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.txt")
	if err := os.WriteFile(h.place(id, "documents", "a.txt"), []byte("copied by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("mine"))
	wantFile(t, h.place(id, "documents", "a (found).txt"), []byte("copied by hand"))
}

func TestRecovery_BytesThatAreNowhereBlockNobody(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	staged := h.killed(t, id, "a.txt")
	if err := os.Remove(filepath.Join(h.data, staged)); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	if n := h.number(t, "SELECT count(*) FROM file_ops WHERE quarantined_at IS NOT NULL"); n != 1 {
		t.Errorf("%d records are kept aside", n)
	}
	c.Do("GET", "/files/content/documents/a.txt", nil).WantProblem(t, 404, "content_missing")
	c.Do("GET", "/files/lookup?path=/documents/a.txt", nil).Want(t, 200)
	c.Do("PUT", "/files/content/documents/a.txt", "again").Want(t, 200)
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/b"}).Want(t, 201)
}

func TestRecovery_MissingFoldersAreMadeAgain(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.txt")
	if err := os.RemoveAll(h.place(id)); err != nil {
		t.Fatal(err)
	}
	h.run(t, "files.recover")
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("mine"))
}

func TestWriters_WaitForADeadWorkersRecordAndFinishIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	h.killed(t, id, "a.txt")
	// What does not concern it runs beside it.
	c.Do("PUT", "/files/content/documents/b.txt", "beside").Want(t, 201)
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/new"}).Want(t, 201)
	docs := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+docs.ID, map[string]string{"name": "papers"}).Want(t, 200)
	wantFile(t, h.place(id, "papers", "a.txt"), []byte("mine"))
	h.wantFolder(t, h.place(id, "papers", "new"))
}

func TestWriters_NeverCarryOutALivingWorkersRecord(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "mine").Want(t, 201)
	h.settled(t)
	other := h.second(t)
	staged := h.killed(t, id, "a.txt")
	// It lives, and was only stopped for a while.
	lock, err := os.Create(filepath.Join(h.data, "workers", filepath.Ext(staged)[1:]))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	oc := other.Client(t).As(c.Bearer)
	docs := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	// Each waits five seconds, on a worker of its own.
	var waiting sync.WaitGroup
	var put, trash *httpxtest.Answer
	waiting.Go(func() { put = c.Do("PUT", "/files/content/documents/a.txt", "next") })
	waiting.Go(func() { trash = oc.Do("DELETE", "/files/items/"+docs.ID, nil) })
	waiting.Wait()
	put.WantProblem(t, 503, "busy")
	trash.WantProblem(t, 503, "busy")
	c.Do("PUT", "/files/content/documents/b.txt", "beside").Want(t, 201)
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/b"}).Want(t, 201)
	if _, err := os.Lstat(filepath.Join(h.data, staged)); err != nil {
		t.Fatal(err)
	}
	// Readers of both workers are not held up.
	wantBytes(t, oc.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200).Body, []byte("mine"))
}

func TestTwoWorkers_ShareOneTree(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other := h.second(t)
	oc := other.Client(t).As(c.Bearer)
	c.Do("PUT", "/files/content/documents/a.txt", "one").Want(t, 201)
	wantBytes(t, oc.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200).Body, []byte("one"))
	oc.Do("PUT", "/files/content/documents/a.txt", "two").Want(t, 200)
	wantBytes(t, c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200).Body, []byte("two"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 30 {
			if a := oc.Do("PUT", fmt.Sprintf("/files/content/documents/b%d", i), "x"); a.Status != 201 {
				t.Errorf("got %d: %s", a.Status, a.Body)
			}
		}
	}()
	for i := range 30 {
		c.Do("POST", "/files/folders", map[string]any{"path": fmt.Sprintf("/images/%d", i)}).Want(t, 201)
	}
	<-done
	h.settled(t)
	if left := h.onDisk(t); len(left) != 32 { // 30, a.txt, and what it displaced
		t.Errorf("the disk holds %d: %q", len(left), left)
	}
	h.wantFolder(t, h.place(id, "images", "29"))
}

func open(t *testing.T, url, data string) (*files.Files, error) {
	t.Helper()
	d := dbtest.Open(t, url)
	f := files.New(files.Config{DB: d, DataDir: data, DefaultQuota: 1 << 30, UploadExpiry: time.Hour, Log: slog.New(slog.DiscardHandler)})
	err := f.Start(t.Context())
	return f, err
}

func TestStart_RefusesADirectoryThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	url, data := dbtest.Create(t), filepath.Join(t.TempDir(), "data")
	f, err := open(t, url, data)
	if err != nil {
		t.Fatal(err)
	}
	f.Stop()
	if f, err = open(t, url, data); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	f.Stop()
	if _, err := open(t, url, t.TempDir()); err == nil || !strings.Contains(err.Error(), "not mounted") {
		t.Errorf("an empty directory: got %v", err)
	}
	if _, err := open(t, url, filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "not mounted") {
		t.Errorf("no directory: got %v", err)
	}
	foreign := t.TempDir()
	if f, err = open(t, dbtest.Create(t), foreign); err != nil {
		t.Fatal(err)
	}
	f.Stop()
	if _, err := open(t, url, foreign); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("another's directory: got %v", err)
	}
}

func TestStart_DiskWithoutItsRowsServesNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201)
	h.settled(t)
	h.exec(t, "UPDATE instance SET data_dir_id = NULL")
	other := h.second(t)
	other.Client(t).As(c.Bearer).Do("GET", "/files/content/documents/a.txt", nil).WantProblem(t, 503, "storage_unavailable")
	if err := other.files.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "homebase files rebuild") {
		t.Errorf("got %v", err)
	}
}

func TestMountThatGoesAway_AnswersUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201)
	aside := h.data + ".aside"
	if err := os.Rename(h.data, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return h.files.Ready(t.Context()) != nil })
	c.Do("GET", "/files/content/documents/a.txt", nil).WantProblem(t, 503, "storage_unavailable")
	c.Do("PUT", "/files/content/documents/b.txt", "x").WantProblem(t, 503, "storage_unavailable")
	if err := os.Remove(h.data); err != nil { // empty: nothing was written into it
		t.Fatal(err)
	}
	if err := os.Rename(aside, h.data); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return h.files.Ready(t.Context()) == nil })
	c.Do("GET", "/files/content/documents/a.txt", nil).Want(t, 200)
}

func await(t testing.TB, held func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !held(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}

func TestAudit_NamesTheChangesAndTheReads(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/private-name.txt", "x").Want(t, 201))
	c.Do("PUT", "/files/content/documents/private-name.txt", "y").Want(t, 200)
	c.Do("GET", "/files/content/documents/private-name.txt", nil).Want(t, 200)
	fo := decode[item](t, c.Do("POST", "/files/folders", map[string]string{"path": "/documents/private-folder"}).Want(t, 201))
	count := func(action, target string) int64 {
		return h.number(t, "SELECT count(*) FROM audit_events WHERE actor_user = $1 AND action = $2 AND target = $3", id, action, target)
	}
	if count("file.created", it.ID) != 1 || count("file.replaced", it.ID) != 1 || count("folder.created", fo.ID) != 1 {
		t.Error("an event is missing")
	}
	await(t, func() bool { return count("file.download", it.ID) == 1 })
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE details::text LIKE '%private%'"); n != 0 {
		t.Errorf("%d events hold a name", n)
	}
}

// TestStart_SweepsWhatAPowerCutBroughtBack: removing a name is not flushed, so
// it may stand there again when the row that told of it has gone.
func TestStart_SweepsWhatAPowerCutBroughtBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "x").Want(t, 201)
	h.settled(t)
	open := path.Base(begin(t, c, 5, "filename", "a"))
	worker := h.number(t, "SELECT id FROM workers")
	staging := filepath.Join(h.data, "staging", id)
	if err := os.MkdirAll(filepath.Join(staging, "copied.777777", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	kept := []string{fmt.Sprintf("received.%d", worker), open + ".tus", "note"}
	for _, name := range append([]string{"received.777777", "01234567-89ab-7def-8123-456789abcdef.tus"}, kept...) {
		write(t, filepath.Join(staging, name), "half")
	}
	h.second(t)
	await(t, func() bool {
		left, err := os.ReadDir(staging)
		return err == nil && len(left) == len(kept)
	})
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(staging, name)); err != nil {
			t.Error(err)
		}
	}
}
