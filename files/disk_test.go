package files_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"homebase/db"
	"homebase/files"
	"homebase/httpx/httpxtest"
)

// freeze makes a folder one in which no name can be made, changed or removed,
// as a disk with an error would, until thaw is called. Root needs the
// attribute for it that chattr +i sets, others its mode.
func freeze(t *testing.T, folder string) (thaw func()) {
	t.Helper()
	set := func(frozen bool) error {
		if os.Geteuid() != 0 {
			mode := fs.FileMode(0o700)
			if frozen {
				mode = 0o500
			}
			return os.Chmod(folder, mode)
		}
		const getFlags, setFlags, immutable = 0x80086601, 0x40086602, 0x10
		f, err := os.Open(folder)
		if err != nil {
			return err
		}
		defer f.Close()
		var flags int
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), getFlags, uintptr(unsafe.Pointer(&flags))); errno != 0 {
			return errno
		}
		flags &^= immutable
		if frozen {
			flags |= immutable
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), setFlags, uintptr(unsafe.Pointer(&flags))); errno != 0 {
			return errno
		}
		return nil
	}
	if err := set(true); err != nil {
		t.Fatalf("freeze %s: %v", folder, err)
	}
	thaw = sync.OnceFunc(func() {
		if err := set(false); err != nil {
			t.Errorf("thaw %s: %v", folder, err)
		}
	})
	t.Cleanup(thaw)
	return thaw
}

func silent(c *files.Config) { c.Log = slog.New(slog.DiscardHandler) }

func TestUnpublished_HoldsUpNothingButItsOwnPath(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	a := decode[item](t, c.Do("PUT", "/files/content/images/a.txt", "a").Want(t, 201))
	b := decode[item](t, c.Do("PUT", "/files/content/images/b.txt", "b").Want(t, 201))
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/new"}).WantProblem(t, 503, "storage_unavailable")
	c.Do("DELETE", "/files/items/"+a.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
	c.Do("PATCH", "/files/items/"+b.ID, map[string]string{"name": "c.txt"}).Want(t, 200)
	c.Do("POST", "/files/folders", map[string]string{"path": "/images/x"}).Want(t, 201)
	c.Do("PUT", "/files/content/images/x/d.txt", "d").Want(t, 201)
	c.Do("POST", "/files/items/"+b.ID+"/copy", map[string]string{}).Want(t, 201)
	if err := h.files.Ready(t.Context()); err != nil {
		t.Errorf("one folder of one owner makes the server unready: %v", err)
	}
	// What lies in the way of the folder waits for it.
	docs := decode[item](t, c.Do("GET", "/files/lookup?path=/documents", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+docs.ID, map[string]string{"name": "papers"}).WantProblem(t, 503, "busy")
	thaw()
	h.settled(t)
	h.wantFolder(t, h.place(id, "documents", "new"))
	c.Do("PATCH", "/files/items/"+docs.ID, map[string]string{"name": "papers"}).Want(t, 200)
	h.wantFolder(t, h.place(id, "papers", "new"))
}

func TestPublish_WhatStandsInPlaceOfAFolderGivesWay(t *testing.T) {
	t.Parallel()
	for name, stand := range map[string]func(place string) error{
		"link out of the tree": func(p string) error { return os.Symlink("/etc", p) },
		"link to nowhere":      func(p string) error { return os.Symlink("nowhere", p) },
		"file":                 func(p string) error { return os.WriteFile(p, []byte("mine"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			c, id := h.member(t, "ann@example.com")
			c.Do("POST", "/files/folders", map[string]any{"path": "/documents/deep/er", "parents": true}).Want(t, 201)
			h.settled(t)
			documents := h.place(id, "documents")
			if err := errors.Join(os.Rename(documents, h.place(id, "moved")), stand(documents)); err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					c.Do("PUT", fmt.Sprintf("/files/content/documents/deep/er/%d.txt", i), "x").Want(t, 201)
				})
			}
			group.Wait()
			for i := range 8 {
				wantFile(t, h.place(id, "documents", "deep", "er", fmt.Sprintf("%d.txt", i)), []byte("x"))
			}
			if info, err := os.Lstat(h.place(id, "documents (found)")); err != nil || info.IsDir() {
				t.Errorf("what stood there was not kept: %v", err)
			}
			c.Do("POST", "/files/folders", map[string]any{"path": "/documents/y"}).Want(t, 201)
			h.settled(t)
		})
	}
}

// A link in the place of a folder gives way to the folder: followed, it would
// lead from one path of a file to the same file.
func TestPublish_AFileMovedToWhereALinkToItsOwnFolderStandsArrives(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	b := decode[item](t, c.Do("POST", "/files/folders", map[string]any{"path": "/documents/b"}).Want(t, 201))
	x := decode[item](t, c.Do("PUT", "/files/content/documents/a/x?parents=true", "bytes").Want(t, 201))
	h.settled(t)
	if err := errors.Join(os.Remove(h.place(id, "documents", "b")), os.Symlink("a", h.place(id, "documents", "b"))); err != nil {
		t.Fatal(err)
	}
	c.Do("PATCH", "/files/items/"+x.ID, map[string]string{"parent_id": b.ID}).Want(t, 200)
	if got, err := os.ReadFile(h.place(id, "documents", "b", "x")); err != nil || string(got) != "bytes" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestChanges_OfWhatTheDiskHoldsNoMoreNeedNothingOfIt(t *testing.T) {
	t.Parallel()
	for name, stand := range map[string]func(place string) error{
		"link out of the tree": func(p string) error { return os.Symlink("/etc", p) },
		"file":                 func(p string) error { return os.WriteFile(p, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			c, id := h.member(t, "ann@example.com")
			a := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "a").Want(t, 201))
			h.settled(t)
			if err := errors.Join(os.RemoveAll(h.place(id, "documents")), stand(h.place(id, "documents"))); err != nil {
				t.Fatal(err)
			}
			c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"name": "b.txt"}).Want(t, 200)
			c.Do("DELETE", "/files/items/"+a.ID, nil).Want(t, 204)
			c.Do("DELETE", "/files/trash/"+a.ID, nil).Want(t, 204)
		})
	}
}

// attributes fills the room for extended attributes where the file system has
// little of it, as ext4; else it only leaves some.
func attributes(t *testing.T, name string) {
	t.Helper()
	for size := 3500; size > 0; size /= 2 {
		for n := range 16 {
			if err := syscall.Setxattr(name, fmt.Sprintf("user.room.%d.%d", size, n), make([]byte, size), 0); err != nil {
				break
			}
		}
	}
}

func TestDelete_NeedsNoRoomForAttributes(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	a := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "a").Want(t, 201))
	attributes(t, h.place(id, "documents", "a.txt"))
	c.Do("DELETE", "/files/items/"+a.ID, nil).Want(t, 204)
	c.Do("POST", "/files/trash/"+a.ID+"/restore", nil).Want(t, 200)
	wantFile(t, h.place(id, "documents", "a.txt"), []byte("a"))
}

func TestDelete_ThatIsRefusedWritesNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	a := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "a").Want(t, 201))
	c.Do("DELETE", "/files/items/"+a.ID, nil, httpxtest.WithHeader("If-Match", `"r7"`)).WantProblem(t, 412, "precondition_failed")
	if n, err := syscall.Getxattr(h.place(id, "documents", "a.txt"), "user.homebase.trashed", nil); err == nil {
		t.Errorf("the file carries %d bytes of where it was", n)
	}
}

func TestPurge_OneThatCannotBeRemovedHoldsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for i := range 20 {
		c.Do("PUT", fmt.Sprintf("/files/content/documents/%d/a.txt?parents=true", i), "x").Want(t, 201)
		it := decode[item](t, c.Do("GET", fmt.Sprintf("/files/lookup?path=/documents/%d", i), nil).Want(t, 200))
		c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	}
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
	h.settled(t)
	folder, err := os.Open(h.data + "/purge")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	left, err := folder.Readdirnames(-1)
	if err != nil || len(left) != 20 {
		t.Fatalf("%d entries: %v", len(left), err)
	}
	stuck := filepath.Join(h.data, "purge", left[0]) // the first that the job meets
	thaw := freeze(t, stuck)
	if err := h.job("files.purge").Run(t.Context()); err == nil {
		t.Error("what cannot be removed is not told")
	}
	if files := h.onDisk(t); len(files) != 1 || !strings.HasPrefix(filepath.Join(h.data, files[0]), stuck) {
		t.Errorf("the disk holds %q", files)
	}
	thaw()
	h.run(t, "files.purge")
	if files := h.onDisk(t); len(files) != 0 {
		t.Errorf("the disk holds %q", files)
	}
}

func TestEmptyTrash_OneThatIsInUseHoldsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	stuck := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "a").Want(t, 201))
	free := decode[item](t, c.Do("PUT", "/files/content/images/a.txt", "a").Want(t, 201))
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("DELETE", "/files/items/"+stuck.ID, nil).WantProblem(t, 503, "storage_unavailable")
	c.Do("DELETE", "/files/items/"+free.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash", nil).WantProblem(t, 503, "busy")
	if got := decode[page](t, c.Do("GET", "/files/trash", nil).Want(t, 200)); len(got.Items) != 1 || got.Items[0].ID != stuck.ID {
		t.Errorf("the trash holds %+v", got.Items)
	}
	thaw()
	h.settled(t)
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
}

func TestReservations_OneThatCannotBeReleasedHoldsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	for job, prepare := range map[string]func(t *testing.T, h *house) (worker int64, age string){
		"files.expire": func(*testing.T, *house) (int64, string) { return 0, "-1 h" },
		"files.recover": func(t *testing.T, h *house) (int64, string) {
			return h.number(t, "INSERT INTO workers DEFAULT VALUES RETURNING id"), "1 h"
		},
	} {
		t.Run(job, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			ids := []string{}
			for _, email := range []string{"ann@example.com", "bob@example.com", "eve@example.com"} {
				c, id := h.member(t, email)
				c.Do("GET", "/files/usage", nil).Want(t, 200)
				ids = append(ids, id)
			}
			h.settled(t)
			worker, age := prepare(t, h)
			h.exec(t, "UPDATE trees SET reserved = 5000 WHERE owner_id <> $1", ids[1])
			// The ledger of the one in the middle is too low for it.
			for i, id := range ids {
				h.exec(t, `INSERT INTO uploads (op_id, owner_id, worker_id, bytes, expires_at)
					VALUES (gen_random_uuid(), $1, $2, 5000, now() + $3::interval + $4 * interval '1 s')`, id, worker, age, i)
			}
			if err := h.job(job).Run(t.Context()); err == nil {
				t.Error("what cannot be released is not told")
			}
			if n := h.number(t, "SELECT sum(reserved)::bigint FROM trees"); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
		})
	}
}

// job is one of the worker's jobs.
func (h *house) job(name string) db.Job {
	jobs := h.files.Jobs()
	return jobs[slices.IndexFunc(jobs, func(j db.Job) bool { return j.Name == name })]
}

func TestWorker_DeclaredDeadPutsNothingInPlace(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/images/a.txt", "x").Want(t, 201)
	h.settled(t)
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("PUT", "/files/content/documents/a.txt", "x").WantProblem(t, 503, "storage_unavailable")
	h.exec(t, "UPDATE workers SET dead_at = now()")
	c.Do("PUT", "/files/content/images/b.txt", "x").WantProblem(t, 503, "storage_unavailable")
	if h.files.Ready(t.Context()) == nil {
		t.Error("it says that it is ready, and can write nothing until it is started anew")
	}
	thaw()
	time.Sleep(2 * time.Second) // some rounds of what it would do otherwise
	if _, err := os.Lstat(h.place(id, "documents", "a.txt")); err == nil {
		t.Error("it went on with what another recovers by now")
	}
	if n := h.number(t, "SELECT count(*) FROM file_ops"); n != 1 {
		t.Errorf("%d records are left", n)
	}
}

func TestPanic_WhileChangingLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { silent(c); c.Audit = nil })
	c, _ := h.member(t, "ann@example.com")
	for range 2 {
		c.Do("GET", "/files/usage", nil).Want(t, http.StatusInternalServerError)
	}
}

// Not parallel: it takes the whole process's descriptors.
func TestDescriptors_ThatRunOutAreNoLostDisk(t *testing.T) {
	h := start(t, silent)
	c, _ := h.member(t, "ann@example.com")
	a := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201))
	h.settled(t)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	fault := error(nil)
	for deadline := time.Now().Add(3 * time.Second); fault == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		fault = h.files.Ready(t.Context())
	}
	read := c.Do("GET", "/files/items/"+a.ID+"/content", nil)
	moved := c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"name": "b.txt"})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if fault != nil {
		t.Errorf("the disk is taken for lost: %v", fault)
	}
	read.WantProblem(t, 503, "storage_unavailable")
	moved.WantProblem(t, 503, "storage_unavailable")
	c.Do("PATCH", "/files/items/"+a.ID, map[string]string{"name": "b.txt"}).Want(t, 200)
}

func TestSchema_EveryForeignKeyOfTheFilesHasAnIndex(t *testing.T) {
	t.Parallel()
	h := start(t)
	const bare = `
		SELECT count(*) FROM pg_constraint c
		 WHERE c.contype = 'f' AND c.conrelid IN ('items'::regclass, 'uploads'::regclass, 'trees'::regclass)
		   AND NOT EXISTS (SELECT FROM pg_index x
		                    WHERE x.indrelid = c.conrelid AND x.indpred IS NULL AND x.indkey[0] = c.conkey[1])`
	if n := h.number(t, bare); n != 0 {
		t.Errorf("the check of %d foreign keys reads a whole table", n)
	}
}
