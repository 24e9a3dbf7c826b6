package crash

import (
	"os"
	"testing"
)

// TestCrash_BytesThatAreGoneBehindTheirCommitAreNotAcknowledged takes a staged
// file away between its COMMIT and its rename. The record of it stays, also
// when the owner's next put deletes those of the puts before.
func TestCrash_BytesThatAreGoneBehindTheirCommitAreNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	s := r.serve(0, "")
	a := &account{email: email(0)}
	r.signIn(a)
	put := func(name string) (status int, code string) {
		status, code, _ = a.ask(t.Context(), s, "PUT", "/files/content/documents/"+name, []byte(name), nil)
		return status, code
	}
	if status, _ := put("one"); status != 201 {
		t.Fatalf("the first put: %d", status)
	}
	s = r.serve(1, "committed:1:stop")
	answered := make(chan string, 1)
	go func() {
		status, code := put("two")
		if status != 503 {
			t.Errorf("a put whose bytes are gone was answered %d", status)
		}
		answered <- code
	}()
	await(t, "the second put is committed", s.stopped)
	staged := r.staged()
	if len(staged) != 1 {
		t.Fatalf("%d staged files", len(staged))
	}
	must(t, os.Remove(staged[0]))
	must(t, s.Process.Signal(contSignal))
	if code := <-answered; code != "storage_unavailable" {
		t.Errorf("the code is %s", code)
	}
	if status, _ := put("three"); status != 201 {
		t.Errorf("the put after it: %d", status)
	}
	if n := r.count("SELECT count(*) FROM file_ops o WHERE o.quarantined_at IS NOT NULL"); n != 1 {
		t.Errorf("%d records are set aside, want 1", n)
	}
}
