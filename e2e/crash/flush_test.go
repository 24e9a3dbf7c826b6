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
	r.launch(0, "")
	await(t, "the server is ready", r.servers[0].ready)
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
	r.launch(1, "flush:1:fail")
	await(t, "the second server is ready", r.servers[1].ready)
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
