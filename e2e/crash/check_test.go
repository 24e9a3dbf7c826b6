package crash

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// fullEvery is how often everything is looked at anew, by the program's own
// commands too; between that, what changed.
const fullEvery = 25

// row is an item as PostgreSQL has it, and where it must lie on the disk.
type row struct {
	id, owner, parent, name, sum string
	folder, trashed              bool // trashed: the top of what was put into the trash
	size, mtime, ino             int64
	path                         string
}

// rows are all items.
type rows struct {
	byID   map[string]*row
	live   map[string]*row   // by parent and name
	within map[string][]*row // by parent, without what is in the trash
	trash  map[string][]*row // by owner: the tops
	former map[string][]*row // versions by item, oldest first
}

func (r *rows) at(parent, name string) *row    { return r.live[parent+"/"+name] }
func (r *rows) in(parent string) (list []*row) { return r.within[parent] }

// items reads all rows.
func (r *rig) items() *rows {
	r.t.Helper()
	all := &rows{map[string]*row{}, map[string]*row{}, map[string][]*row{}, map[string][]*row{}, r.versions()}
	r.ask(func(conn *pgx.Conn) error {
		found, err := conn.Query(r.t.Context(), `SELECT id::text, owner_id::text, coalesce(parent_id::text, ''), name, coalesce(encode(sha256, 'hex'), ''),
			kind = 0, trashed_at IS NOT NULL, size, coalesce(mtime, 0), coalesce(ino, 0) FROM items`)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(found, func(from pgx.CollectableRow) (*row, error) {
			i := &row{}
			return i, from.Scan(&i.id, &i.owner, &i.parent, &i.name, &i.sum, &i.folder, &i.trashed, &i.size, &i.mtime, &i.ino)
		})
		for _, i := range list {
			all.byID[i.id] = i
			if i.trashed {
				all.trash[i.owner] = append(all.trash[i.owner], i)
			} else {
				all.live[i.parent+"/"+i.name] = i
				all.within[i.parent] = append(all.within[i.parent], i)
			}
		}
		return err
	})
	var place func(i *row) string
	place = func(i *row) string {
		switch {
		case i.path != "":
		case i.trashed:
			i.path = "trash/" + i.owner + "/" + i.id
		case i.parent == "":
			i.path = "users/" + i.owner
			if i.owner[14] == '8' { // a space
				i.path = "spaces/" + i.owner
			}
		default:
			i.path = place(all.byID[i.parent]) + "/" + i.name
		}
		return i.path
	}
	for _, i := range all.byID {
		place(i)
	}
	return all
}

// tree is a client's part of the rows, by path.
func (r *rows) tree(c *client) map[string]entry {
	there := map[string]entry{}
	var list func(folder, path string)
	list = func(folder, path string) {
		for _, i := range r.in(folder) {
			there[path+"/"+i.name] = entry{i.id, i.sum, shortened(sums(r.former[i.id]))}
			list(i.id, path+"/"+i.name)
		}
	}
	list(c.folder, "")
	for _, i := range r.trash[c.owner.id] {
		if c.names(i.name) {
			there["trash/"+i.name] = entry{id: i.id, sum: i.sum}
		}
	}
	return there
}

// look compares rows and disk, and hashes what was not there like this at the
// last look. changed are the live files among that.
func (r *rig) look(now, last *rows) (changed []*row, findings []string) {
	lies := map[string]bool{}
	for _, i := range now.byID {
		lies[i.path] = true
		info, err := os.Lstat(filepath.Join(r.disk, "data", i.path))
		switch {
		case err != nil && i.parent == "" && os.IsNotExist(err): // a root is made when it is needed
			continue
		case err != nil:
			findings = append(findings, fmt.Sprintf("%s of item %s: %v", i.path, i.id, err))
			continue
		case info.IsDir() != i.folder:
			findings = append(findings, fmt.Sprintf("%s of item %s is of another kind", i.path, i.id))
			continue
		case i.folder:
			continue
		}
		if stat := info.Sys().(*syscall.Stat_t); info.Size() != i.size || info.ModTime().UnixNano() != i.mtime || int64(stat.Ino) != i.ino {
			findings = append(findings, fmt.Sprintf("%s of item %s is another file than the row says: %d bytes, inode %d, not %d bytes, inode %d",
				i.path, i.id, info.Size(), stat.Ino, i.size, i.ino))
			continue
		}
		if last != nil && last.byID[i.id] != nil && *last.byID[i.id] == *i {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.disk, "data", i.path))
		if err != nil || sum(text) != i.sum {
			findings = append(findings, fmt.Sprintf("%s of item %s holds %d bytes %.8s, the row says %d bytes %.8s (%v)", i.path, i.id, len(text), sum(text), i.size, i.sum, err))
		}
		if inTree(i.path) {
			changed = append(changed, i)
		}
	}
	findings = append(findings, r.lookAtVersions(now, last, lies)...)
	for _, top := range []string{"users", "spaces", "trash", "versions"} {
		filepath.WalkDir(filepath.Join(r.disk, "data", top), func(name string, _ fs.DirEntry, err error) error {
			path, _ := filepath.Rel(filepath.Join(r.disk, "data"), name)
			if strings.Count(path, "/") > 1 && !lies[path] {
				findings = append(findings, path+" lies on the disk and no row knows it")
			}
			return nil
		})
	}
	slices.SortFunc(changed, func(a, b *row) int { return cmp.Compare(a.id, b.id) })
	return changed, findings
}

// inTree reports whether something lies in a tree, and not in the trash.
func inTree(path string) bool {
	return strings.HasPrefix(path, "users/") || strings.HasPrefix(path, "spaces/")
}

// read asks a server for bytes. One that reaches its failpoint meanwhile, in a
// job of its own, is brought up and asked again.
func (r *rig) read(of int, a *account, path string) (body []byte, status int, code string) {
	r.answers.reads.Add(1)
	for range 2 {
		r.serving.Lock()
		s := r.servers[of]
		r.serving.Unlock()
		if status, code, _ = a.ask(r.t.Context(), s, "GET", path, nil, &body); status != 0 && code != "unsent" {
			break
		}
		r.reviving.Lock()
		r.bringUp()
		r.reviving.Unlock()
	}
	return body, status, code
}

// fetch asks a server for files and compares what it answers with their rows.
func (r *rig) fetch(accounts []*account, list []*row) (findings []string) {
	var mu sync.Mutex
	var working sync.WaitGroup
	owner := ownersOf(accounts)
	for n := range 4 {
		working.Go(func() {
			for i := n; i < len(list); i += 4 {
				a := owner[list[i].owner]
				if a == nil {
					continue
				}
				body, status, code := r.read(i/4%2, a, "/files/items/"+list[i].id+"/content")
				if status != 200 || sum(body) != list[i].sum {
					mu.Lock()
					findings = append(findings, fmt.Sprintf("%s, item %s, by server %d: got %d %s, %d bytes %.8s, the row says %.8s", list[i].path, list[i].id, i/4%2, status, code, len(body), sum(body), list[i].sum))
					mu.Unlock()
				}
			}
		})
	}
	working.Wait()
	return findings
}

// recovered waits until no server has anything left to do.
func (r *rig) recovered() (finding string) {
	r.t.Helper()
	const left = `SELECT (SELECT count(*) FROM file_ops WHERE quarantined_at IS NULL) + (SELECT count(*) FROM uploads WHERE worker_id IS NOT NULL)
		+ abs((SELECT count(*) FROM workers) - 2)`
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r.bringUp()
		if r.count(left) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			return "records, reservations or dead workers stay behind"
		}
	}
}

// check looks after the recovery at what changed since the last cycle, or at
// everything.
func (r *rig) check(accounts []*account, c *crowd, full bool) (findings []string) {
	r.t.Helper()
	if finding := r.recovered(); finding != "" {
		return []string{finding}
	}
	all := slices.Clone(accounts)
	if c != nil {
		all = append(all, c.owner)
	}
	for _, pair := range r.pairs {
		all = append(all, pair.owner)
	}
	for _, a := range all {
		r.signIn(a)
	}
	now := r.items()
	for _, a := range accounts {
		for _, c := range a.clients {
			there := now.tree(c)
			if full {
				there = map[string]entry{}
				c.list(r.t, r.servers[0], c.folder, "", there)
			}
			if finding := c.settle(there); finding != "" {
				findings = append(findings, finding)
			}
		}
	}
	if c != nil {
		findings = append(findings, c.settle(r.t, now)...)
	}
	for _, pair := range r.pairs {
		findings = append(findings, pair.settle(r.t, now)...)
	}
	if full {
		r.seen = nil
	}
	changed, wrong := r.look(now, r.seen)
	findings = append(findings, wrong...)
	findings = append(findings, r.fetchVersions(all, now, r.seen)...)
	findings = append(findings, r.fetch(all, changed)...)
	r.seen, r.looked = now, len(changed)
	if n := r.count("SELECT count(*) FROM file_ops WHERE quarantined_at IS NOT NULL"); n > 0 {
		findings = append(findings, fmt.Sprintf("%d records were kept aside: their bytes are nowhere", n))
	}
	if n := r.count(`SELECT count(*) FROM trees t WHERE t.reserved <> (SELECT coalesce(sum(u.bytes), 0) FROM uploads u WHERE u.owner_id = t.owner_id)`); n > 0 {
		findings = append(findings, fmt.Sprintf("%d users have more or less reserved than their uploads under way", n))
	}
	if n := r.count(`SELECT count(*) FROM trees t
		WHERE (t.used - t.versions, t.entries) <> (SELECT coalesce(sum(i.size), 0), count(i.parent_id) FROM items i WHERE i.owner_id = t.owner_id)
		   OR t.versions <> (SELECT coalesce(sum(v.size), 0) FROM versions v WHERE v.owner_id = t.owner_id)`); n > 0 {
		findings = append(findings, fmt.Sprintf("what %d users use is not the sum of their files and versions", n))
	}
	if full {
		if out, err := r.command("", "files", "verify"); err != nil {
			findings = append(findings, "verify: "+out)
		}
		findings = append(findings, r.disagreements()...)
	}
	left := r.orphans()
	if len(left) > 0 { // or the job has not come yet that removes what ended
		r.runJob("files.expire")
		left = r.orphans()
	}
	if len(left) > 0 {
		findings = append(findings, fmt.Sprintf("staging holds %q", left))
	}
	return findings
}

// disagreements are what a scan finds where nobody touched the disk: nothing.
// The command is a worker, so it first recovers those that are dead.
func (r *rig) disagreements() (findings []string) {
	out, err := r.command("", "files", "scan", "--json")
	if err != nil {
		findings = append(findings, "scan: "+out)
	}
	for line := range strings.Lines(out) {
		var got map[string]any
		if json.Unmarshal([]byte(line), &got) != nil {
			continue
		}
		if list, ok := got["problems"].([]any); !ok || len(list) > 0 {
			findings = append(findings, "the scan has problems: "+line)
		}
		for _, what := range []string{"new", "moved", "changed", "missing", "returned", "versions"} {
			if n, ok := got[what].(float64); !ok || n != 0 {
				findings = append(findings, "disk and rows do not agree: "+line)
			}
		}
		if got["used"] != got["used_before"] {
			findings = append(findings, "what is used is not the sum: "+line)
		}
	}
	return findings
}

// orphans are the files in staging that belong to no upload that can go on, and that
// no living worker has made ahead.
func (r *rig) orphans() (orphans []string) {
	left, err := filepath.Glob(r.disk + "/data/staging/*/*")
	must(r.t, err)
	var held []string
	r.ask(func(conn *pgx.Conn) error {
		rows, err := conn.Query(r.t.Context(), "SELECT op_id || '.tus' FROM uploads WHERE state = 'open' UNION ALL SELECT '.' || id FROM workers")
		if err == nil {
			held, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	for _, name := range left {
		info, err := os.Stat(name)
		ahead := err == nil && info.Size() == 0 && slices.Contains(held, filepath.Ext(name))
		if !ahead && !slices.Contains(held, filepath.Base(name)) {
			orphans = append(orphans, name)
		}
	}
	return orphans
}
