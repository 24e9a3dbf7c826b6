package crash

import (
	"testing"
	"time"
)

// TestCrash_AFailedFlushIsFinal lets the flush of a folder fail once. Whoever
// flushed it again would be told that all is well, though the name may never
// reach the disk: the record stays, the server says that it cannot be trusted,
// and the next one puts the change in place again.
func TestCrash_AFailedFlushIsFinal(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.serve(0, "")
	a, b := &account{email: email(0)}, &account{email: email(1)}
	r.signIn(a)
	r.signIn(b)
	put := func(s *server, who *account, name string) (status int) {
		status, _, _ = who.ask(t.Context(), s, "PUT", "/files/content/documents/"+name, []byte(name), nil)
		return status
	}
	if put(r.servers[0], a, "one") != 201 || put(r.servers[0], b, "one") != 201 {
		t.Fatal("the owners have no trees")
	}
	r.serve(1, "flush:1:fail")
	if status := put(r.servers[1], a, "two"); status != 503 {
		t.Fatalf("the put whose folder was not flushed was answered %d", status)
	}
	if r.servers[1].ready() {
		t.Error("a server whose disk failed a flush says that it is ready")
	}
	var got []byte
	if a.ask(t.Context(), r.servers[1], "GET", "/files/content/documents/two", nil, &got); string(got) != "two" {
		t.Errorf("the committed bytes read %q", got)
	}
	if status := put(r.servers[1], b, "two"); status != 201 {
		t.Errorf("another owner's put: %d", status)
	}
	time.Sleep(1500 * time.Millisecond) // in which mend would try again
	if n := r.count("SELECT count(*) FROM file_ops o WHERE o.owner_id = $1", a.id); n != 1 {
		t.Errorf("%d records are left of the put, want its own", n)
	}
	r.servers[1].kill()
	for _, finding := range r.check(nil, nil, true) {
		t.Error(finding)
	}
}

// TestCrash_BytesWhoseFlushFoundNoRoomDoNotCount lets the flush of a resumable
// upload's first 32 MiB find no room, as on a disk that has promised more than it
// has. Whoever flushed them again would be told that all is well, for the system
// tells of lost bytes once.
func TestCrash_BytesWhoseFlushFoundNoRoomDoNotCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.serve(0, "data:1:full")
	a := &account{email: email(0)}
	r.signIn(a)
	var one struct {
		Folder string `json:"parent_id"`
	}
	if status, _, _ := a.ask(t.Context(), r.servers[0], "PUT", "/files/content/documents/one", []byte("one"), &one); status != 201 {
		t.Fatalf("the owner has no tree: %d", status)
	}
	body := resumable{folder: one.Folder, name: "large.bin", bytes: make([]byte, 36<<20)}
	status, code, _ := a.ask(t.Context(), r.servers[0], "POST", "/files/uploads", body, nil)
	if counted := r.count("SELECT max(u.durable_offset) FROM uploads u"); counted != 0 {
		t.Errorf("the upload was answered %d %s, and %d bytes count", status, code, counted)
	}
	if !r.servers[0].ready() {
		t.Error("a server whose disk was full for a moment cannot be used any more")
	}
}
