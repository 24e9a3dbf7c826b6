package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// remove puts a file into the trash and purges it. It asks until it is answered:
// what each kill left behind would be counted as growing.
func (n *noise) remove(ctx context.Context, id string) string {
	for _, path := range []string{"/files/items/" + id, "/files/trash/" + id} {
		status, code := 0, ""
		for until := time.Now().Add(2 * time.Minute); status == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(until) {
				return "nobody answers DELETE " + path
			}
			status, code = n.send(ctx, "DELETE", path, nil, nil)
		}
		if finding := bad("remove what is done: "+path, status, code, 200, 204, 404); finding != "" {
			return finding
		}
	}
	return ""
}

// sendInPieces uploads by tus, each piece to any of the servers; now and then it
// gives up.
func (n *noise) sendInPieces(ctx context.Context) string {
	body := bytesOf(n.random, "pieces", 400_000)
	name := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "pieces-%d", n.tick))
	version := append(n.bearer(), "Tus-Resumable", "1.0.0")
	made := n.ask(ctx, n.either(), "POST", "/files/uploads", nil, append(version, "Upload-Length", fmt.Sprint(len(body)), "Upload-Metadata", "filename "+name)...)
	if made.status != 201 {
		return made.bad("begin an upload", 201)
	}
	_, at, _ := strings.Cut(made.header.Get("Location"), "/api/v1")
	if n.random.IntN(5) == 0 {
		return n.ask(ctx, n.either(), "DELETE", at, nil, version...).bad("give an upload up", 204)
	}
	for offset, failed := 0, 0; offset < len(body); {
		end := min(offset+100_000, len(body))
		sent := n.ask(ctx, n.either(), "PATCH", at, bytes.NewReader(body[offset:end]), append(version, "Content-Type", "application/offset+octet-stream", "Upload-Offset", fmt.Sprint(offset))...)
		if sent.status == 204 {
			if offset = end; offset == len(body) {
				_, id, _ := strings.Cut(sent.header.Get("Content-Location"), "/items/")
				return n.check(ctx, id, body)
			}
			continue
		}
		if finding := sent.bad("a piece", 409, 423, 404); finding != "" {
			return finding
		}
		if failed++; failed > 200 {
			return "an upload gets no further"
		}
		time.Sleep(50 * time.Millisecond)
		head := n.ask(ctx, n.either(), "HEAD", at, nil, version...)
		if head.status == 404 || head.status == 410 {
			return "" // its last answer was lost, and it ended
		}
		if head.status == 200 {
			fmt.Sscan(head.header.Get("Upload-Offset"), &offset)
		}
	}
	return ""
}

// check reads what was acknowledged, and removes it.
func (n *noise) check(ctx context.Context, id string, body []byte) string {
	var got []byte
	status, _ := n.send(ctx, "GET", "/files/items/"+id+"/content", nil, &got)
	if status != 0 && (status != 200 || !bytes.Equal(got, body)) {
		return fmt.Sprintf("what was sent in pieces: got %d, %d bytes of %d", status, len(got), len(body))
	}
	return n.remove(ctx, id)
}

// browse looks about, as the page of somebody does.
func (n *noise) browse(ctx context.Context) string {
	for _, path := range []string{"/files/lookup?path=/", "/files/search?q=p", "/files/usage", "/auth/sessions", "/files/shares", "/system/flags", "/files/spaces", "/audit/me"} {
		status, code := n.send(ctx, "GET", path, nil, nil)
		if finding := bad("GET "+path, status, code, 200); finding != "" {
			return finding
		}
	}
	var me struct{ Notices []struct{ ID string } } // of dropped files: after a quarter of an hour there are many at once
	status, code := n.send(ctx, "GET", "/auth/me", nil, &me)
	if finding := bad("GET /auth/me", status, code, 200); finding != "" {
		return finding
	}
	for _, notice := range me.Notices {
		status, code := n.send(ctx, "DELETE", "/auth/notices/"+notice.ID, nil, nil)
		if finding := bad("dismiss a notice", status, code, 204, 404); finding != "" {
			return finding
		}
	}
	var root itemBody
	if n.send(ctx, "GET", "/files/lookup?path=/", nil, &root); root.ID != "" && n.tick%10 == 0 {
		zip := n.ask(ctx, n.either(), "GET", "/files/items/"+root.ID+"/archive", nil, n.bearer()...)
		return zip.bad("a zip", 200)
	}
	return ""
}

// listener hears what happens to its own files.
type listener struct {
	mu   sync.Mutex
	seen map[string]bool
	open bool
}

// listen keeps a stream of events open at the server that is never ended.
func (l *listener) listen(ctx context.Context, s *soak, who *person) {
	last := ""
	defer func() { // nobody is to wait for more
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open = false
	}()
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, "GET", s.at1().url+"/files/events", nil)
		must(s.t, err)
		r.Header.Set("Authorization", "Bearer "+who.get())
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		res, err := caller.Transport.RoundTrip(r)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.found.note(bad("the stream of events", res.StatusCode, "", 200))
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			l.mu.Lock()
			l.open = true
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				last = id
			}
			if _, id, ok := strings.Cut(lines.Text(), `"item":{"id":"`); ok {
				l.seen[id[:36]] = true
			}
			l.mu.Unlock()
		}
		if res.Body.Close(); ctx.Err() == nil {
			s.t.Logf("after %.0f s: the stream of events ended: %s, %v", time.Since(s.began).Seconds(), res.Status, lines.Err())
		}
	}
}

// expect puts a file and waits until the stream tells of it.
func (l *listener) expect(n *noise, ctx context.Context) string {
	var made itemBody
	if status, code := n.send(ctx, "PUT", fmt.Sprintf("/files/content/heard-%d", n.tick), bytesOf(n.random, "heard", 100), &made); status == 0 || status > 201 {
		return bad("put what is heard of", status, code, 200, 201)
	}
	// A wake-up that a killed server took along costs fifteen seconds, and more
	// where the machine is busy.
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		heard := l.seen[made.ID] || !l.open
		delete(l.seen, made.ID)
		l.mu.Unlock()
		if heard {
			return n.remove(ctx, made.ID)
		}
		if time.Now().After(until) {
			return "no event tells of " + made.ID
		}
	}
}

// share gives a file to strangers, who fetch it and drop something.
func (n *noise) share(ctx context.Context) string {
	var made, folder itemBody
	body := bytesOf(n.random, "shared", 5000)
	name := fmt.Sprintf("/shared-%d", n.tick)
	if status, code := n.send(ctx, "POST", "/files/folders", map[string]string{"path": name}, &folder); status != 201 {
		return bad("a folder to share", status, code, 201)
	}
	finding := func() string {
		if status, code := n.send(ctx, "PUT", "/files/content"+name+"/it", body, &made); status != 201 {
			return bad("a file to share", status, code, 201)
		}
		for id, mode := range map[string]string{made.ID: "read", folder.ID: "drop"} {
			var share struct{ ID, Token string }
			if status, code := n.send(ctx, "POST", "/files/shares", map[string]string{"item_id": id, "mode": mode}, &share); status != 201 {
				return bad("share by "+mode, status, code, 201)
			}
			if mode == "read" {
				if got := n.ask(ctx, n.either(), "GET", "/files/shared/"+share.Token+"/content", nil); got.status == 200 && !bytes.Equal(got.text, body) || got.bad("", 200) != "" {
					return "what is shared: " + got.bad("other bytes")
				}
			} else if finding := n.ask(ctx, n.either(), "PUT", "/files/shared/"+share.Token+"/drop/gift", bytes.NewReader(body)).bad("drop", 201); finding != "" {
				return finding
			}
			if status, code := n.send(ctx, "DELETE", "/files/shares/"+share.ID, nil, nil); status == 0 || status > 204 {
				return bad("end a share", status, code, 204, 404)
			}
			if got := n.ask(ctx, n.either(), "GET", "/files/shared/"+share.Token, nil); got.bad("", 404) != "" {
				return "an ended share is open: " + got.bad("", 404)
			}
		}
		return ""
	}()
	if finding != "" {
		return finding
	}
	return n.remove(ctx, folder.ID)
}

// plant puts a file on the disk by hand, as a share of the network does, and has
// it taken over.
func (n *noise) plant(ctx context.Context) string {
	var root itemBody
	if status, _ := n.send(ctx, "GET", "/files/lookup?path=/", nil, &root); status != 200 {
		return ""
	}
	folders, _ := filepath.Glob(n.disk + "/data/users/*")
	var home string
	var me struct{ ID string }
	if n.send(ctx, "GET", "/auth/me", nil, &me); me.ID == "" {
		return ""
	}
	for _, f := range folders {
		if filepath.Base(f) == me.ID {
			home = f
		}
	}
	if home == "" {
		return "" // nothing was stored yet
	}
	name := fmt.Sprintf("planted-%d", n.tick)
	body := bytesOf(n.random, name, 2000)
	n.planting.Lock() // a backup says so when it finds what no scan has seen
	defer n.planting.Unlock()
	must(n.t, os.WriteFile(filepath.Join(home, name), body, 0o600))
	for tries := range 20 {
		status, code := n.send(ctx, "POST", "/files/scan", map[string]string{"item_id": root.ID}, nil)
		if finding := bad("scan", status, code, 200, 409); finding != "" {
			return finding
		}
		var it itemBody
		if status, _ := n.send(ctx, "GET", "/files/lookup?path=/"+name, nil, &it); status == 200 {
			return n.check(ctx, it.ID, body)
		}
		time.Sleep(time.Duration(tries) * 50 * time.Millisecond)
	}
	return "a scan does not find " + name
}

// backUp adds a restore point, and looks at it.
func (n *noise) backUp(context.Context) string {
	n.planting.Lock()
	defer n.planting.Unlock()
	for _, args := range [][]string{{"backup", n.dir + "/backup", "--keep", "3"}, {"backup", n.dir + "/backup", "--verify"}} {
		if out, err := n.command("", args...); err != nil {
			return fmt.Sprintf("%v: %v: %s", args, err, out)
		}
	}
	return ""
}
