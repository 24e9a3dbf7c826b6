package crash

import (
	"fmt"
	"slices"
	"testing"
)

// operation is one kind of change, tried from a state of its own.
type operation struct {
	name   string
	points []string // where the server that carries it out is killed
	setup  []act
	act    act
	path   string // below the operation's folder: where the outcome is seen
	before string // what stands there when nothing happened: "", "folder", or bytes
	after  string
}

// act is a request; target is the path of the item that it names.
type act struct {
	verb   string
	target string
	body   string
}

var (
	putPoints  = []string{"reserved", "staged", "committed", "rename", "published"}
	movePoints = []string{"committed", "rename", "published"}
)

// uncommitted are the points before a commit: nothing happened.
var uncommitted = []string{"reserved", "synced", "saved", "staged", "copied"}

var operations = []operation{
	{"upload", append([]string{"linked"}, putPoints...), nil, act{"put", "new", "first"}, "new", "", "first"},
	{"replace", putPoints, []act{{"put", "a", "first"}}, act{"put", "a", "second"}, "a", "first", "second"},
	{"tus", append([]string{"synced", "saved"}, putPoints...), nil, act{"tus", "new", "first"}, "new", "", "first"},
	{"copy", append([]string{"copied"}, movePoints...), []act{{"put", "a", "x"}}, act{"copy", "a", "b"}, "b", "", "x"},
	{"mkdir", []string{"committed", "mkdir", "published"}, nil, act{"mkdir", "new", ""}, "new", "", "folder"},
	{"rename", append([]string{"linked"}, movePoints...), []act{{"put", "a", "x"}}, act{"rename", "a", "b"}, "b", "", "x"},
	{"move", movePoints, []act{{"mkdir", "f", ""}, {"mkdir", "g", ""}, {"put", "f/a", "x"}}, act{"move", "f", "g"}, "g/f/a", "", "x"},
	{"trash", movePoints, []act{{"mkdir", "f", ""}, {"put", "f/a", "x"}}, act{"trash", "f", ""}, "f/a", "x", ""},
	{"restore", movePoints, []act{{"mkdir", "f", ""}, {"put", "f/a", "x"}, {"trash", "f", ""}}, act{"restore", "f", ""}, "f/a", "", "x"},
	{"purge", append([]string{"linked"}, movePoints...), []act{{"put", "a", "x"}, {"trash", "a", ""}}, act{"purge", "a", ""}, "a", "", ""},
}

// TestCrash_AtEveryPointOfEveryOperation kills a server at each place that an
// operation passes, beside one that lives on; for one that was committed, also
// in the recovery. The living one then shows the change whole where it was
// committed, and as if never asked where it was not.
func TestCrash_AtEveryPointOfEveryOperation(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.launch(0, "")
	await(t, "the server is ready", r.servers[0].ready)
	a := &account{email: email(0)}
	r.signIn(a)
	for _, op := range operations {
		for _, point := range op.points {
			c := &try{rig: r, account: a, folder: fmt.Sprintf("/%s-%s", op.name, point), ids: map[string]string{}}
			c.must(t, act{"mkdir", "", ""})
			for _, s := range op.setup {
				c.must(t, s)
			}
			c.kill(t, op, point)
			want := op.after
			if slices.Contains(uncommitted, point) {
				want = op.before
			}
			for _, finding := range r.disagreements() {
				t.Errorf("%s killed at %s: %s", op.name, point, finding)
			}
			if got := c.at(t, op.path); got != want {
				t.Errorf("%s killed at %s: %s is %q, want %q", op.name, point, op.path, got, want)
			}
		}
	}
	r.servers[0].kill()
	r.launch(0, "")
	await(t, "the server is ready", r.servers[0].ready)
	r.launch(1, "")
	for _, finding := range r.check(nil, nil, true) {
		t.Error(finding)
	}
}

// try is one operation killed at one point.
type try struct {
	rig     *rig
	account *account
	folder  string
	ids     map[string]string // by path
}

// kill lets a second server carry the operation out until its failpoint; where
// it was committed, a third dies while it recovers the second.
func (c *try) kill(t *testing.T, op operation, point string) {
	t.Helper()
	ablate := ""
	if point == "linked" { // which only a file system without RENAME_NOREPLACE passes
		ablate = "noreplace"
	}
	s := c.rig.launch(1, point, "ABLATE="+ablate)
	await(t, "the second server is ready", s.ready)
	if status, code, sure := c.do(t, s, op.act); sure {
		t.Fatalf("%s at %s: answered %d %s", op.name, point, status, code)
	}
	await(t, "the second server is dead", func() bool { return !s.running() })
	if point != "committed" || slices.Contains([]string{"rename", "restore", "tus", "copy"}, op.name) {
		return // these are moves and puts like the others
	}
	for _, again := range []string{"fenced", "rename", "redone"} {
		if op.name == "mkdir" && again == "rename" {
			again = "mkdir"
		}
		s := c.rig.launch(1, again)
		// The one that lives may have been the first to recover.
		await(t, "the third server is dead or ready", func() bool { return !s.running() || s.ready() })
		s.kill()
	}
}

func (c *try) must(t *testing.T, a act) {
	t.Helper()
	if status, code, _ := c.do(t, c.rig.servers[0], a); status/100 != 2 {
		t.Fatalf("%s%s: %s: %d %s", c.folder, a.target, a.verb, status, code)
	}
}

func (c *try) do(t *testing.T, s *server, a act) (status int, code string, sure bool) {
	t.Helper()
	path := c.folder
	if a.target != "" {
		path += "/" + a.target
	}
	var it itemBody
	send := func(method, at string, body any) {
		var out any = &it
		if method == "DELETE" {
			out = nil
		}
		status, code, sure = request(t.Context(), s, c.account.token, method, at, body, out)
	}
	switch id := c.ids[a.target]; a.verb {
	case "put":
		// Larger than what goes without a reservation.
		send("PUT", "/files/content"+path, append([]byte(a.body), make([]byte, 2<<20)...))
	case "tus":
		send("POST", "/files/uploads", resumable{c.ids[""], a.target, append([]byte(a.body), make([]byte, 2<<20)...)})
	case "copy":
		send("POST", "/files/items/"+id+"/copy", map[string]string{"name": a.body})
	case "mkdir":
		send("POST", "/files/folders", map[string]string{"path": path})
	case "rename":
		send("PATCH", "/files/items/"+id, map[string]string{"name": a.body})
	case "move":
		send("PATCH", "/files/items/"+id, map[string]string{"parent_id": c.ids[a.body]})
	case "trash":
		send("DELETE", "/files/items/"+id, nil)
	case "restore":
		send("POST", "/files/trash/"+id+"/restore", nil)
	case "purge":
		send("DELETE", "/files/trash/"+id, nil)
	}
	if it.ID != "" {
		c.ids[a.target] = it.ID
	}
	return status, code, sure
}

// at says what the living server shows at a path.
func (c *try) at(t *testing.T, path string) string {
	t.Helper()
	var it itemBody
	switch status, code, _ := request(t.Context(), c.rig.servers[0], c.account.token, "GET", "/files/lookup?path="+c.folder+"/"+path, nil, &it); {
	case status == 404:
		return ""
	case status != 200:
		t.Fatalf("look for %s: %d %s", path, status, code)
	case it.Type == "folder":
		return it.Type
	}
	var body []byte
	if status, code, _ := request(t.Context(), c.rig.servers[0], c.account.token, "GET", "/files/items/"+it.ID+"/content", nil, &body); status != 200 {
		t.Fatalf("read %s: %d %s", path, status, code)
	}
	return string(body[:len(body)-2<<20])
}
