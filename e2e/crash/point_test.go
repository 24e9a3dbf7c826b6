package crash

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
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

// The points of an operation. One that the program does not have (see passed)
// is left out.
var (
	putPoints  = []string{"reserved", "staged", "looked-up", "committed", "rename", "renamed", "flushed", "published"}
	movePoints = []string{"committed", "rename", "published"}
)

// uncommitted are the points before a commit: nothing happened.
var uncommitted = []string{"reserved", "synced", "saved", "staged", "looked-up", "copied", "given-up"}

// elsewhere are the points that no operation here passes on its way to an end:
// those of a recovery, and those that the random rounds alone reach.
var elsewhere = []string{"fenced", "redone", "publish", "discarded"}

// former gives a file a version.
var former = []act{{"put", "a", "first"}, {"put", "a", "second"}}

var operations = []operation{
	{"upload", append([]string{"linked"}, putPoints...), nil, act{"put", "new", "first"}, "new", "", "first"},
	{"replace", append([]string{"displaced"}, putPoints...), []act{{"put", "a", "first"}}, act{"put", "a", "second"}, "a", "first", "second"},
	{"tus", append([]string{"synced", "saved"}, putPoints...), nil, act{"tus", "new", "first"}, "new", "", "first"},
	{"copy", append([]string{"copied"}, movePoints...), []act{{"put", "a", "x"}}, act{"copy", "a", "b"}, "b", "", "x"},
	{"mkdir", []string{"committed", "mkdir", "published"}, nil, act{"mkdir", "new", ""}, "new", "", "folder"},
	{"rename", append([]string{"linked"}, movePoints...), []act{{"put", "a", "x"}}, act{"rename", "a", "b"}, "b", "", "x"},
	{"move", movePoints, []act{{"mkdir", "f", ""}, {"mkdir", "g", ""}, {"put", "f/a", "x"}}, act{"move", "f", "g"}, "g/f/a", "", "x"},
	{"trash", movePoints, []act{{"mkdir", "f", ""}, {"put", "f/a", "x"}}, act{"trash", "f", ""}, "f/a", "x", ""},
	{"restore", movePoints, []act{{"mkdir", "f", ""}, {"put", "f/a", "x"}, {"trash", "f", ""}}, act{"restore", "f", ""}, "f/a", "", "x"},
	{"purge", append([]string{"linked"}, movePoints...), []act{{"put", "a", "x"}, {"trash", "a", ""}}, act{"purge", "a", ""}, "a", "", ""},
	{"version-restore", []string{"copied", "staged", "looked-up", "committed", "displaced", "rename", "renamed", "flushed", "published"}, former, act{"back", "a", ""}, "a", "second", "first"},
	{"version-end", append([]string{"linked"}, movePoints...), former, act{"end", "a", ""}, "a", "second", "second"},
	{"purge-with-versions", movePoints, append(former, act{"trash", "a", ""}), act{"purge", "a", ""}, "a", "", ""},
	// The last one: its owners have no room any more.
	{"version-given-up", []string{"given-up"}, append(former, act{"limit", "", ""}), act{"put", "new", "third"}, "new", "", "third"},
}

// TestCrash_AtEveryPointOfEveryOperation kills a server at each place that an
// operation passes, beside one that lives on; for one that was committed, also
// in the recovery. The living one then shows the change whole where it was
// committed, and as if never asked where it was not.
func TestCrash_AtEveryPointOfEveryOperation(t *testing.T) {
	t.Parallel()
	r := newRig(t, "kill")
	r.serve(0, "")
	r.recoverOnlyAtStart()
	// Each point has an owner of its own, so that none waits for another.
	var owners []*account
	for u := range users {
		owners = append(owners, &account{email: email(u)})
		r.signIn(owners[u])
	}
	tried := slices.Clone(elsewhere)
	for _, op := range operations {
		tried = append(tried, op.points...)
		var tries []*try
		for _, point := range op.points {
			if slices.Contains(passed, point) {
				tries = append(tries, &try{rig: r, account: owners[len(tries)], op: op, point: point, folder: fmt.Sprintf("/%s-%s", op.name, point), ids: map[string]string{}})
			}
		}
		killAll(t, r, tries)
		for _, finding := range r.disagreements() {
			t.Errorf("%s killed at %s: %s", op.name, op.points, finding)
		}
		for _, c := range tries {
			want := op.after
			if slices.Contains(uncommitted, c.point) {
				want = op.before
			}
			if got := c.at(t, op.path); got != want {
				t.Errorf("%s killed at %s: %s is %q, want %q", op.name, c.point, op.path, got, want)
			}
		}
	}
	for _, point := range passed {
		if !slices.Contains(tried, point) {
			t.Errorf("no operation is killed at %s", point)
		}
	}
	r.servers[0].kill()
	r.serve(0, "")
	r.launch(1, "")
	for _, finding := range r.check(nil, nil, true) {
		t.Error(finding)
	}
}

// try is one operation killed at one point.
type try struct {
	rig     *rig
	account *account
	op      operation
	point   string
	folder  string
	ids     map[string]string // by path
	server  *server
}

// killAll lets a server of its own carry each try out until its failpoint;
// where one was committed, others die while they recover it.
func killAll(t *testing.T, r *rig, tries []*try) {
	t.Helper()
	for i, c := range tries {
		ablate := ""
		if c.point == "linked" { // which only a file system without RENAME_NOREPLACE passes
			ablate = "noreplace"
		}
		c.server = r.launch(2+i, c.point, "ABLATE="+ablate)
	}
	for _, c := range tries {
		c.must(t, act{"mkdir", "", ""})
		for _, s := range c.op.setup {
			c.must(t, s)
		}
		await(t, "the server is ready", c.server.ready)
	}
	// Whoever finds a record of the preparation in its way looks for dead
	// workers after a while, and would end in the recovery of another try.
	await(t, "nothing of the preparation is pending", func() bool { return r.count("SELECT count(*) FROM file_ops") == 0 })
	const unrecovered = "SELECT count(*) FROM workers WHERE dead_at IS NULL"
	before := r.count(unrecovered)
	var working sync.WaitGroup
	for _, c := range tries {
		working.Go(func() {
			if status, code, sure := c.do(t, c.server, c.op.act); sure {
				t.Errorf("%s at %s: answered %d %s", c.op.name, c.point, status, code)
				c.server.kill()
			}
		})
	}
	working.Wait()
	committed := false
	for _, c := range tries {
		await(t, "the server is dead", func() bool { return !c.server.running() })
		committed = committed || c.point == "committed"
	}
	op := tries[0].op.name
	if n := r.count(unrecovered); n != before {
		t.Errorf("%s: %d servers were recovered by one that was to end in its own request", op, before-n)
	}
	if !committed || slices.Contains([]string{"rename", "restore", "tus", "copy"}, op) {
		return // these are moves and puts like the others
	}
	for _, again := range []string{"fenced", "rename", "redone"} {
		if op == "mkdir" && again == "rename" {
			again = "mkdir"
		}
		s := r.launch(1, again)
		await(t, "the server is dead or ready", func() bool { return !s.running() || s.ready() })
		if s.running() {
			t.Errorf("%s: what recovers it does not pass %s", op, again)
			s.kill()
		}
	}
}

// recoverOnlyAtStart holds the lock of the job that looks for dead workers, so
// that those stay for whom the test starts next, as long as the test keeps its
// connection.
func (r *rig) recoverOnlyAtStart() {
	r.t.Helper()
	const lockJobs = 2 // the class of those locks
	await(r.t, "the job is known, and put off", func() bool {
		return r.count("SELECT count(pg_advisory_lock($1, j.id)) FROM jobs j WHERE j.name = 'files.recover'", lockJobs) == 1
	})
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
		status, code, sure = c.account.ask(t.Context(), s, method, at, body, out)
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
	case "back":
		send("POST", "/files/items/"+id+"/versions/1/restore", nil)
	case "end":
		send("DELETE", "/files/items/"+id+"/versions/1", nil)
	case "limit":
		c.rig.ask(func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), "UPDATE trees SET quota = used WHERE owner_id = (SELECT id FROM users WHERE email = $1)", c.account.email)
			return err
		})
		status, sure = 200, true
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
	switch status, code, _ := c.account.ask(t.Context(), c.rig.servers[0], "GET", "/files/lookup?path="+c.folder+"/"+path, nil, &it); {
	case status == 404:
		return ""
	case status != 200:
		t.Fatalf("look for %s: %d %s", path, status, code)
	case it.Type == "folder":
		return it.Type
	}
	var body []byte
	if status, code, _ := c.account.ask(t.Context(), c.rig.servers[0], "GET", "/files/items/"+it.ID+"/content", nil, &body); status != 200 {
		t.Fatalf("read %s: %d %s", path, status, code)
	}
	return string(body[:len(body)-2<<20])
}
