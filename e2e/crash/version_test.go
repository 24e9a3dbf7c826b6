package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// mostFormer is how many versions a client lets a file have: of more the server
// ends some, at a moment that nobody tells.
const mostFormer = 18

// replace gives a file other bytes, or those of one of its versions, or ends one.
func (c *client) replace(ctx context.Context, s *server, files []int, name string) (finding string) {
	files = slices.DeleteFunc(slices.Clone(files), func(k int) bool { return len(c.nodes[k].former) >= mostFormer })
	if len(files) == 0 {
		return ""
	}
	key := files[c.rand.IntN(len(files))]
	n, how := c.nodes[key], c.rand.IntN(6)
	at := "/files/items/" + n.id
	if how < 4 || len(n.former) == 0 {
		body := c.bytes(name)
		return c.send(ctx, s, key, "PUT", at+"/content", body, func(m model, _ string) {
			m.edit(key, func(n *node) { n.displace(sum(body)); n.size = len(body) })
		})
	}
	var list struct{ Items []formerBody }
	status, code, sure := c.owner.ask(ctx, s, "GET", at+"/versions?limit=200", nil, &list)
	if !sure || status == 503 || c.owner.shutOut(s, code) {
		return ""
	}
	if status != 200 || len(list.Items) != len(n.former) {
		return fmt.Sprintf("%s: %s has %d versions (%d %s), and must have %d%s", c.name, n.id, len(list.Items), status, code, len(n.former), c.historyOf(key, n.id))
	}
	i := c.rand.IntN(len(n.former))
	v := list.Items[len(n.former)-1-i]
	if v.SHA256 != n.former[i] {
		return fmt.Sprintf("%s: version %d of %s is %.8s, and must be %.8s%s", c.name, v.Revision, n.id, v.SHA256, n.former[i], c.historyOf(key, n.id))
	}
	at = fmt.Sprintf("%s/versions/%d", at, v.Revision)
	if how == 4 {
		return c.send(ctx, s, key, "DELETE", at, nil, func(m model, _ string) {
			m.edit(key, func(n *node) { n.former = slices.Delete(slices.Clone(n.former), i, i+1) })
		})
	}
	return c.send(ctx, s, key, "POST", at+"/restore", nil, func(m model, _ string) {
		m.edit(key, func(n *node) { n.displace(v.SHA256); n.size = int(v.Size) })
	})
}

// formerBody is a version as a server tells it.
type formerBody struct {
	Revision int64
	Size     int64
	SHA256   string
}

// displace makes a version of what other bytes take the place of.
func (n *node) displace(by string) {
	if by != n.sum {
		n.former = append(slices.Clone(n.former), n.sum)
	}
	n.sum = by
}

// shortened is a list of sums as they are compared and told.
func shortened(sums []string) string {
	var b strings.Builder
	for _, sum := range sums {
		fmt.Fprintf(&b, "%.12s ", sum)
	}
	return b.String()
}

// listVersions asks the server for the versions of a file.
func (c *client) listVersions(t testing.TB, s *server, it itemBody) string {
	t.Helper()
	if it.Type == "folder" {
		return ""
	}
	var list struct{ Items []formerBody }
	if status, code, _ := c.owner.ask(t.Context(), s, "GET", "/files/items/"+it.ID+"/versions?limit=200", nil, &list); status != 200 {
		t.Fatalf("versions of %s: %d %s", it.ID, status, code)
	}
	var former []string
	for _, v := range slices.Backward(list.Items) {
		former = append(former, v.SHA256)
	}
	return shortened(former)
}

// versions reads the rows of versions; a row's name is the revision.
func (r *rig) versions() map[string][]*row {
	r.t.Helper()
	former := map[string][]*row{}
	r.ask(func(conn *pgx.Conn) error {
		found, err := conn.Query(r.t.Context(), `SELECT item_id::text, owner_id::text, revision::text, encode(sha256, 'hex'), size, mtime, coalesce(ino, 0)
			FROM versions v ORDER BY v.item_id, v.revision`)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(found, func(from pgx.CollectableRow) (*row, error) {
			v := &row{}
			err := from.Scan(&v.id, &v.owner, &v.name, &v.sum, &v.size, &v.mtime, &v.ino)
			v.path = "versions/" + v.owner + "/" + v.id + "." + v.name
			former[v.id] = append(former[v.id], v)
			return v, err
		})
		return err
	})
	return former
}

func sums(list []*row) (sums []string) {
	for _, v := range list {
		sums = append(sums, v.sum)
	}
	return sums
}

// fresh are the versions that the last look did not see like this.
func (r *rows) fresh(last *rows) (list []*row) {
	for item, versions := range r.former {
		for _, v := range versions {
			if last == nil || !slices.ContainsFunc(last.former[item], func(was *row) bool { return *was == *v }) {
				list = append(list, v)
			}
		}
	}
	return list
}

// lookAtVersions compares the rows of versions with the disk, and hashes what was
// not there at the last look.
func (r *rig) lookAtVersions(now, last *rows, lies map[string]bool) (findings []string) {
	for _, versions := range now.former {
		for _, v := range versions {
			lies[v.path] = true
			info, err := os.Lstat(filepath.Join(r.disk, "data", v.path))
			if os.IsNotExist(err) && r.ended(v) {
				v.sum = ""
			} else if err != nil {
				findings = append(findings, fmt.Sprintf("%s: %v", v.path, err))
			} else if stat := info.Sys().(*syscall.Stat_t); info.Size() != v.size || info.ModTime().UnixNano() != v.mtime || int64(stat.Ino) != v.ino {
				findings = append(findings, fmt.Sprintf("%s is another file than the row says: %d bytes, inode %d, not %d bytes, inode %d", v.path, info.Size(), stat.Ino, v.size, v.ino))
			}
		}
	}
	for _, v := range now.fresh(last) {
		if v.sum == "" {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(r.disk, "data", v.path)); err != nil && r.ended(v) {
			v.sum = ""
		} else if err != nil || sum(text) != v.sum {
			findings = append(findings, fmt.Sprintf("%s holds %d bytes %.8s, the row says %d bytes %.8s (%v)", v.path, len(text), sum(text), v.size, v.sum, err))
		}
	}
	return findings
}

// ended reports whether a version has gone since its row was read: what all
// contend for has too many.
func (r *rig) ended(v *row) bool {
	return r.count(fmt.Sprintf("SELECT count(*) FROM versions WHERE item_id = '%s' AND revision = %s", v.id, v.name)) == 0
}

// fetchVersions asks a server for the new versions of what is not in the trash.
func (r *rig) fetchVersions(accounts []*account, now, last *rows) (findings []string) {
	owner := ownersOf(accounts)
	for _, v := range now.fresh(last) {
		a, item := owner[v.owner], now.byID[v.id]
		if a == nil || item == nil || !inTree(item.path) {
			continue
		}
		body, status, code := r.read(0, a, "/files/items/"+v.id+"/versions/"+v.name+"/content")
		if status == 404 && code == "not_found" {
			continue // too many of what all contend for: ended meanwhile
		}
		if status != 200 || sum(body) != v.sum {
			findings = append(findings, fmt.Sprintf("%s: got %d %s, %d bytes %.8s, the row says %.8s", v.path, status, code, len(body), sum(body), v.sum))
		}
	}
	return findings
}
