package crash

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	pageOrigin  = "https://files.example.com"
	accountPage = pageOrigin + "/account.html"
	programAt   = "https://wiki.example.com/callback"
	guarded     = "red.example.com"
)

// noise is one kind of client. step does one thing, and says what must not be;
// an answer that does not come, or 503, is none of that: servers are killed.
type noise struct {
	*soak
	random *rand.Rand
	person *person
	tick   int
}

// makeNoise lets everybody but the tree clients work until ctx ends. They stand
// still while it is looked what is there.
func (s *soak) makeNoise(ctx context.Context, length time.Duration) *sync.WaitGroup {
	s.t.Helper()
	if out, err := s.command(password, "user", "create", "root@example.com", "--role", "admin", "--password-stdin"); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.admin = &person{soak: s, email: "root@example.com"}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	s.operate("POST", "/auth/clients", map[string]any{"name": "Wiki", "redirect_uris": []string{programAt}}, &client)
	s.operate("POST", "/auth/gate/hosts", map[string]any{"host": guarded, "name": "Red"}, nil)

	whole := context.WithoutCancel(ctx)
	var working sync.WaitGroup
	ada, bob := &person{soak: s, email: email(6)}, &person{soak: s, email: email(5)}
	program, guest, listener := &program{id: client.ID, secret: client.Secret}, &guest{}, &listener{seen: map[string]bool{}}
	working.Go(func() { listener.listen(ctx, s, bob) })
	for i, kind := range []struct {
		who   *person
		pause time.Duration
		step  func(n *noise, ctx context.Context) string
	}{
		{ada, 50 * time.Millisecond, (*noise).sendInPieces},
		{ada, 50 * time.Millisecond, (*noise).browse},
		{bob, 20 * time.Millisecond, listener.expect},
		{ada, 50 * time.Millisecond, (*noise).share},
		{ada, 200 * time.Millisecond, (*noise).openTabs},
		{s.admin, time.Second, (*noise).writeToOwner},
		{s.admin, 20 * time.Millisecond, (*noise).visit},
		{ada, 50 * time.Millisecond, program.signIn},
		{ada, 5 * time.Millisecond, guest.pass},
		{bob, min(length/10, 5*time.Second), (*noise).plant},
		{s.admin, min(length/6, 10*time.Minute), (*noise).backUp},
	} {
		n := &noise{soak: s, random: rand.New(rand.NewPCG(7, uint64(i))), person: kind.who}
		working.Go(func() {
			for ctx.Err() == nil {
				s.paused.RLock()
				n.tick++
				s.found.note(kind.step(n, whole))
				s.paused.RUnlock()
				select {
				case <-ctx.Done():
				case <-time.After(kind.pause):
				}
			}
		})
	}
	return &working
}

// operate sends a request as the operator.
func (s *soak) operate(method, path string, body, out any) {
	s.t.Helper()
	text, _ := json.Marshal(body)
	answer, err := s.command("", "api", method, path, string(text))
	if err == nil && out != nil {
		err = json.Unmarshal([]byte(answer), out)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// person has one session, which many tabs keep alive.
type person struct {
	*soak
	email string

	mu      sync.Mutex
	access  string
	refresh string
	at      time.Time
}

type grant struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// get is an access token that lasts for a while.
func (p *person) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.refresh == "" || time.Since(p.at) > 2*time.Minute {
		path, body := "/auth/login", map[string]string{"email": p.email, "password": password, "mode": "token"}
		if p.refresh != "" {
			path, body = "/auth/refresh", map[string]string{"refresh_token": p.refresh}
		}
		var g grant
		status, code, sure := request(context.Background(), p.at1(), "", "POST", path, body, &g)
		switch {
		case status == 200:
			p.access, p.refresh, p.at = g.Access, g.Refresh, time.Now()
		case sure && status < 500:
			p.found.note(fmt.Sprintf("%s by %s: %d %s", path, p.email, status, code))
			return ""
		}
	}
	return p.access
}

// at1 is server 1, which is never ended; either is any of the two.
func (s *soak) at1() *server { return s.server(1) }

func (n *noise) either() *server { return n.server(n.random.IntN(2)) }

// answer is what came back; status 0: nothing did.
type answer struct {
	status int
	header http.Header
	text   []byte
}

// ask sends a request as a browser or a program does: it follows nothing.
func (n *noise) ask(ctx context.Context, s *server, method, path string, body io.Reader, header ...string) answer {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	must(n.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	began := time.Now()
	res, err := caller.Transport.RoundTrip(r)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}
	}
	n.times.note(kindOf(method, path), began, res.StatusCode < 500)
	return answer{res.StatusCode, res.Header, text}
}

func (n *noise) bearer() []string { return []string{"Authorization", "Bearer " + n.person.get()} }

func (n *noise) send(ctx context.Context, method, path string, body any, out any) (status int, code string) {
	status, code, sure := request(ctx, n.either(), n.person.get(), method, path, body, out)
	if !sure || status == http.StatusServiceUnavailable {
		status = 0
	}
	return status, code
}

// bad says what was answered instead of one of the statuses; "" where nothing was.
func (a answer) bad(what string, want ...int) string {
	return bad(what, a.status, string(a.text[:min(len(a.text), 300)]), want...)
}

func bad(what string, status int, text string, want ...int) string {
	if status == 0 || status == http.StatusServiceUnavailable {
		return ""
	}
	if slices.Contains(want, status) {
		return ""
	}
	return fmt.Sprintf("%s: got %d %s", what, status, text)
}

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
	// A wake-up that a killed server took along costs fifteen seconds.
	for until := time.Now().Add(45 * time.Second); ; time.Sleep(5 * time.Millisecond) {
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

// openTabs refreshes one session in twenty tabs at once: each of them stays
// signed in.
func (n *noise) openTabs(ctx context.Context) string {
	p := n.person
	p.get()
	p.mu.Lock()
	defer p.mu.Unlock()
	var mu sync.Mutex
	var tabs sync.WaitGroup
	var fresh []grant
	var finding string
	for i := range 20 {
		s := n.server(i % 2)
		tabs.Go(func() {
			var g grant
			status, code, sure := request(ctx, s, "", "POST", "/auth/refresh", map[string]string{"refresh_token": p.refresh}, &g)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status == 200:
				fresh = append(fresh, g)
			case sure && status < 500:
				finding = fmt.Sprintf("a tab of twenty: %d %s", status, code)
			}
		})
	}
	tabs.Wait()
	if len(fresh) > 0 {
		g := fresh[n.random.IntN(len(fresh))]
		p.access, p.refresh, p.at = g.Access, g.Refresh, time.Now()
	}
	return finding
}

// writeToOwner sends a message by the contact form; the owner deletes it.
func (n *noise) writeToOwner(ctx context.Context) string {
	var form struct {
		Token string
		Bits  int `json:"difficulty"`
	}
	got := n.ask(ctx, n.either(), "GET", "/portfolio/contact/challenge", nil)
	if got.status != 200 || json.Unmarshal(got.text, &form) != nil {
		return got.bad("the form", 200)
	}
	nonce := 0
	for ; ; nonce++ {
		h := sha256.Sum256(fmt.Append([]byte(form.Token), nonce))
		if bits.LeadingZeros32(uint32(h[0])<<24|uint32(h[1])<<16|uint32(h[2])<<8|uint32(h[3])) >= 16 {
			break
		}
	}
	time.Sleep(3100 * time.Millisecond)
	letter, _ := json.Marshal(map[string]string{"token": form.Token, "nonce": fmt.Sprint(nonce), "name": "Eve", "email": "eve@example.com", "subject": "Hello", "message": "I liked it."})
	if finding := n.ask(ctx, n.either(), "POST", "/portfolio/contact", bytes.NewReader(letter), "Content-Type", "application/json").bad("a letter", 201, 202, 204); finding != "" {
		return finding
	}
	var inbox struct{ Items []struct{ ID string } }
	for _, state := range []string{"new", "spam"} {
		n.send(ctx, "GET", "/portfolio/contact?state="+state, nil, &inbox)
		for _, m := range inbox.Items {
			if status, code := n.send(ctx, "DELETE", "/portfolio/contact/"+m.ID, nil, nil); status > 204 {
				return bad("delete a letter", status, code, 204, 404)
			}
		}
	}
	return ""
}

// visit is a stranger at the portfolio, who is counted.
func (n *noise) visit(ctx context.Context) string {
	for _, path := range []string{"/portfolio/profile", "/portfolio/projects", "/portfolio/skills"} {
		if finding := n.ask(ctx, n.either(), "GET", path, nil, "Origin", pageOrigin).bad("GET "+path, 200, 404); finding != "" {
			return finding
		}
	}
	view := strings.NewReader(fmt.Sprintf(`{"path":"/page-%d"}`, n.random.IntN(20)))
	return n.ask(ctx, n.either(), "POST", "/projects/analytics/events", view, "Content-Type", "application/json", "Origin", pageOrigin, "User-Agent", "Mozilla/5.0 Firefox/130.0").bad("a view", 204, 202)
}

// program is one that signs people in by OpenID Connect.
type program struct{ id, secret string }

func (p *program) signIn(n *noise, ctx context.Context) string {
	values := url.Values{"client_id": {p.id}, "redirect_uri": {programAt}, "response_type": {"code"}, "scope": {"openid profile offline_access"}, "state": {"s"}, "nonce": {"n"}}
	begun := n.ask(ctx, n.either(), "GET", "/auth/oidc/authorize?"+values.Encode(), nil)
	_, id, ok := strings.Cut(begun.header.Get("Location"), "request=")
	if !ok {
		return begun.bad("authorize")
	}
	var next struct {
		To string `json:"redirect_to"`
	}
	if status, code := n.send(ctx, "POST", "/auth/oidc/requests/"+id, map[string]bool{"approve": true}, &next); status != 200 {
		return bad("allow the program", status, code, 404) // the last answer may have been lost
	}
	to, err := url.Parse(next.To)
	if err != nil || to.Query().Get("code") == "" {
		return "the program gets no code: " + next.To
	}
	var tokens grant
	token := func(form url.Values) string {
		basic := base64.StdEncoding.EncodeToString([]byte(p.id + ":" + p.secret))
		got := n.ask(ctx, n.either(), "POST", "/auth/oidc/token", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic "+basic)
		if got.status == 200 {
			json.Unmarshal(got.text, &tokens)
			return ""
		}
		tokens = grant{}
		return got.bad("token", 200)
	}
	finding := token(url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {programAt}})
	if finding == "" && tokens.Access != "" {
		finding = n.ask(ctx, n.either(), "GET", "/auth/oidc/userinfo", nil, "Authorization", "Bearer "+tokens.Access).bad("userinfo", 200)
	}
	if finding == "" && tokens.Refresh != "" {
		finding = token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}})
	}
	if finding != "" || n.tick%10 != 0 {
		return finding
	}
	var grants struct{ Items []struct{ ID string } }
	n.send(ctx, "GET", "/auth/grants", nil, &grants)
	for _, g := range grants.Items {
		if status, code := n.send(ctx, "DELETE", "/auth/grants/"+g.ID, nil, nil); status > 204 {
			return bad("shut the program out", status, code, 204, 404)
		}
	}
	return ""
}

// guest is somebody before a guarded host, as nginx asks about them.
type guest struct{ cookies string }

func (g *guest) pass(n *noise, ctx context.Context) string {
	asks := func(path string) answer {
		header := []string{"X-Original-URL", "https://" + guarded + "/d/7", "X-Original-Method", "GET", "Sec-Fetch-Mode", "navigate", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}
		if g.cookies != "" {
			header = append(header, "Cookie", g.cookies)
		}
		return n.ask(ctx, n.either(), "GET", path, nil, header...)
	}
	got := asks("/auth/gate/check")
	if got.status != http.StatusUnauthorized {
		return got.bad("the gate", 200)
	}
	_, id, ok := strings.Cut(got.header.Get("Location"), "request=")
	if !ok {
		return "the gate says 401 and not where to"
	}
	keep := func(a answer) {
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			g.cookies = strings.TrimPrefix(g.cookies+"; "+c.Name+"="+c.Value, "; ")
		}
	}
	g.cookies = ""
	keep(got)
	var next struct {
		To string `json:"redirect_to"`
	}
	if status, code := n.send(ctx, "POST", "/auth/gate/requests/"+id, map[string]bool{"approve": true}, &next); status != 200 {
		return bad("go through the gate", status, code, 404)
	}
	_, code, _ := strings.Cut(next.To, "?")
	entered := asks("/auth/gate/callback?" + code)
	keep(entered)
	return entered.bad("enter the guarded host", 303, 400, 401, 403)
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
