package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"net/http"
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
	program, guest, listener := &program{id: client.ID, secret: client.Secret}, &guest{cookies: map[string]string{}}, &listener{seen: map[string]bool{}}
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
	n.times.note(kindOf(method, path), began, res.StatusCode, codeOf(text))
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
