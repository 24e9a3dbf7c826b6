package files_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"homebase/files"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

func TestQuota_ManyUploadsAtOnceNeverPassIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size  int
		plain bool
	}{
		"reserved":       {2 << 20, true},
		"small":          {100_000, true},
		"unknown length": {2 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const fit = 10
			h := start(t, func(c *files.Config) { c.DefaultQuota = int64(fit*tt.size + tt.size/2) })
			c, _ := h.member(t, "ann@example.com")
			body := random(tt.size)
			var stored, full atomic.Int32
			var group sync.WaitGroup
			for i := range 50 {
				group.Go(func() {
					length := int64(tt.size)
					if !tt.plain {
						length = -1
					}
					put := func() *httpxtest.Answer {
						return c.Do("PUT", fmt.Sprintf("/files/content/documents/%d.bin", i), bytes.NewReader(body), httpxtest.WithLength(length))
					}
					a := put()
					for a.Status == 503 { // on a slow machine one may wait too long for the others
						a = put()
					}
					switch a.Status {
					case 201:
						stored.Add(1)
					case 507:
						full.Add(1)
					default:
						t.Errorf("got %d: %s", a.Status, a.Body)
					}
				})
			}
			group.Wait()
			u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
			if u.Used != int64(stored.Load())*int64(tt.size) || u.Reserved != 0 || u.Used > u.Quota {
				t.Errorf("%d stored, usage %+v", stored.Load(), u)
			}
			if stored.Load()+full.Load() != 50 || stored.Load() > fit || tt.plain && stored.Load() != fit {
				t.Errorf("%d stored, %d refused", stored.Load(), full.Load())
			}
			h.settled(t)
			if left := h.onDisk(t); len(left) != int(stored.Load()) {
				t.Errorf("the disk holds %q", left)
			}
		})
	}
}

func TestQuota_RefusesBeforeTheBodyIsSent(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 1 << 20 })
	c, _ := h.member(t, "ann@example.com")
	line := raw(t, h, c.Bearer, "PUT /api/v1/files/content/documents/a.bin HTTP/1.1", "Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n", false)
	if line != "HTTP/1.1 507 Insufficient Storage" {
		t.Fatalf("got %q", line)
	}
	c.Do("PUT", "/files/content/documents/a.bin", random(2<<20)).WantProblem(t, 507, "quota_exceeded")
	c.Do("PUT", "/files/content/documents/a.bin", random(1<<20)).Want(t, 201)
	// Replacing needs room for what is added alone.
	c.Do("PUT", "/files/content/documents/a.bin", random(1<<20)).Want(t, 200)
	c.Do("PUT", "/files/content/documents/b.bin", "x").WantProblem(t, 507, "quota_exceeded")
	c.Do("PUT", "/files/content/documents/b.bin", "").Want(t, 201)
}

// freeOf is how many bytes the disk below a folder can take.
func freeOf(t *testing.T, folder string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

func TestMinFree_DeclaredUploadsCountBeforeTheyArrive(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 1 << 60 })
	c, _ := h.member(t, "ann@example.com")
	most := freeOf(t, h.data) / 5 * 3
	begin := func() (net.Conn, string) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "PUT /api/v1/files/content/documents/a.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
			"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", c.Bearer, most)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return conn, strings.TrimSpace(line)
	}
	const goOn, full = "HTTP/1.1 100 Continue", "HTTP/1.1 507 Insufficient Storage"
	first, line := begin()
	if line != goOn {
		t.Fatalf("the first: got %q", line)
	}
	if _, line := begin(); line != full {
		t.Fatalf("the second: got %q", line)
	}
	first.Close()
	await(t, func() bool { _, line := begin(); return line == goOn })
}

// smallDisk is a data directory on a disk to which nobody else writes, where
// that can be made, and how much of it a test may fill.
func smallDisk(t *testing.T) (folder string, room int64) {
	t.Helper()
	folder = t.TempDir()
	if os.Geteuid() != 0 {
		return folder, 4 << 30
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=160m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder, 96 << 20
}

func TestMinFree_HoldsWhileOthersFillTheDisk(t *testing.T) {
	t.Parallel()
	folder, room := smallDisk(t)
	h := start(t, func(c *files.Config) {
		c.DataDir = folder
		c.MinFree = freeOf(t, folder) - room/2
	})
	c, _ := h.member(t, "ann@example.com")
	c.Do("GET", "/files/usage", nil).Want(t, 200)
	body := &fillingBody{folder: folder, bytes: room, left: 40 << 20}
	c.Do("PUT", "/files/content/documents/a.bin", body, httpxtest.WithLength(40<<20)).WantProblem(t, 507, "insufficient_storage")
	if !body.filled {
		t.Error("it was refused before the disk was full")
	}
}

// fillingBody is a body in the middle of which another process fills the disk.
type fillingBody struct {
	folder string
	bytes  int64
	left   int
	filled bool
}

func (b *fillingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left < 32<<20 && !b.filled {
		b.filled = true
		f, err := os.Create(b.folder + "/ballast")
		if err != nil {
			return 0, err
		}
		if err := errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, b.bytes), f.Close()); err != nil {
			return 0, err
		}
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

func TestMinFree_StopsUploadsAndNothingElse(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.MinFree = 1 << 60 })
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "x").WantProblem(t, 507, "insufficient_storage")
	c.Do("POST", "/files/folders", map[string]string{"path": "/documents/a"}).WantProblem(t, 507, "insufficient_storage")
	c.Do("GET", "/files/items/root/children", nil).Want(t, 200)
	if err := h.files.Ready(t.Context()); err != nil {
		t.Errorf("with a full disk nobody could free anything: %v", err)
	}
	if err := h.files.HasRoom(t.Context()); err == nil {
		t.Error("a disk that lacks the last eighth of the floor has room")
	}
	if left := h.onDisk(t); len(left) > 0 {
		t.Errorf("the disk holds %q", left)
	}
}

func TestPut_WhoseSpaceWasGivenBackMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	h.settled(t)
	before := h.onDisk(t)
	body, writer := io.Pipe()
	sent := make(chan *httpxtest.Answer)
	go func() { sent <- c.Do("PUT", "/files/content/documents/slow.bin", body) }()
	writer.Write(random(2 << 20))
	await(t, func() bool { return h.number(t, "SELECT count(*) FROM uploads WHERE bytes >= $1", 2<<20) == 1 })
	h.exec(t, "DELETE FROM uploads WHERE owner_id = $1", id)
	h.exec(t, "UPDATE trees SET reserved = 0 WHERE owner_id = $1", id)
	writer.Close()
	(<-sent).WantProblem(t, 409, "reservation_expired")
	if after := h.onDisk(t); !slices.Equal(after, before) {
		t.Errorf("left behind: %v, before %v", after, before)
	}
}

func TestReservation_OfAStrangerIsWhatHasCome(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	s := share(t, c, *put(t, c, "/inbox/a", "x").ParentID, "mode", "drop")
	body, writer := io.Pipe()
	sent := make(chan *httpxtest.Answer)
	go func() {
		sent <- h.Client(t).Do("PUT", s.at("/drop/film"), body, httpxtest.WithLength(3<<20))
	}()
	writer.Write(random(600 << 10))
	await(t, func() bool { return h.number(t, "SELECT reserved FROM trees") > 0 })
	if n := h.number(t, "SELECT reserved FROM trees"); n > 1<<20 {
		t.Errorf("600 KiB that came hold %d bytes", n)
	}
	writer.Write(random(3<<20 - 600<<10))
	writer.Close()
	(<-sent).Want(t, 201)
	await(t, func() bool { return h.number(t, "SELECT reserved FROM trees") == 0 })
}

func TestTus_DeferredLengthCountsFromTheFirstByte(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	h.exec(t, "UPDATE trees SET quota = 1000 WHERE owner_id = $1", id)
	taken := 0
	for i := range 5 {
		at := begin(t, c, -1, "filename", fmt.Sprint("a", i), "path", "/documents")
		a := patch(c, at, 0, random(300))
		if a.Status == 204 {
			taken++
		} else {
			a.WantProblem(t, 507, "quota_exceeded")
		}
	}
	if taken != 3 {
		t.Errorf("%d uploads of 300 bytes were taken into 1,000", taken)
	}
	if n := h.number(t, "SELECT reserved FROM trees"); n > 1000 {
		t.Errorf("%d bytes are reserved", n)
	}
}

func TestEntries_AreCountedAndBounded(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200) // documents, images, backups
	h.exec(t, "UPDATE trees SET entry_quota = 8 WHERE owner_id = $1", id)
	folder := put(t, c, "/a/b/c.txt", "x").ParentID // 3 more
	c.Do("POST", "/files/items/"+*folder+"/copy", nil).Want(t, 201)
	u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
	if u.Entries != 8 || u.EntryQuota != 8 {
		t.Errorf("got %+v", u)
	}
	c.Do("POST", "/files/folders", map[string]string{"path": "/empty"}).WantProblem(t, 507, "entries_exceeded")
	c.Do("PUT", "/files/content/a/new.txt", "x").WantProblem(t, 507, "entries_exceeded")
	c.Do("POST", "/files/items/"+*folder+"/copy", nil).WantProblem(t, 507, "entries_exceeded")
	begin(t, c, 0, "filename", "c.txt", "path", "/a/b") // replaces: no entry more
	c.Do("PUT", "/files/content/a/b/c.txt", "other").Want(t, 200)
	c.Do("DELETE", "/files/items/"+*folder, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash", nil).Want(t, 204)
	if n := h.number(t, "SELECT entries FROM trees"); n != 6 {
		t.Errorf("%d entries after the purge, want 6", n)
	}
	c.Do("PUT", "/files/content/a/new.txt", "x").Want(t, 201)
}

// holdOwner holds the lock of an owner's changes until release is called.
func (h *house) holdOwner(t *testing.T, id string) (release func()) {
	t.Helper()
	locked, free := make(chan struct{}), make(chan struct{})
	release = sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	go h.DB.AsOwner(context.WithoutCancel(t.Context()), func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), "BEGIN; SELECT FROM trees WHERE owner_id = '"+id+"' FOR UPDATE")
		close(locked)
		<-free
		return errors.Join(err, conn.Close(context.Background()))
	})
	<-locked
	return release
}

// Whoever has many uploads waits for its own turn before it asks the pool for
// a connection: others do not notice.
func TestOwner_WithUploadsBehindALongChangeLeavesThePoolToOthers(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	c.Do("GET", "/files/items/root", nil).Want(t, 200)
	other.Do("GET", "/files/items/root", nil).Want(t, 200)
	release := h.holdOwner(t, id)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() { c.Do("PUT", fmt.Sprintf("/files/content/documents/%d", i), random(2<<20)) })
		group.Go(func() {
			tus(c, "POST", "/files/uploads", nil, "Upload-Length", "10", "Upload-Metadata", metadata("filename", fmt.Sprint("t", i), "path", "/documents"))
		})
	}
	await(t, func() bool { return h.blocked(t) > 0 })
	other.Do("PUT", "/files/content/documents/mine", "x").Want(t, 201)
	if n := h.blocked(t); n != 1 {
		t.Errorf("%d connections wait for one owner, want 1", n)
	}
	release()
	group.Wait()
}

// blocked is how many connections wait for a lock.
func (h *house) blocked(t *testing.T) int64 {
	t.Helper()
	return h.number(t, `SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE a.datname = current_database() AND NOT l.granted`)
}
