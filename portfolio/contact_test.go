package portfolio_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/portfolio"
)

// solve does the work that a form does in the browser.
func solve(token string, zeros int) string {
	text := []byte(token)
	for n := int64(0); ; n++ {
		text = strconv.AppendInt(text[:len(token)], n, 10)
		sum := sha256.Sum256(text)
		if bits.LeadingZeros32(uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8|uint32(sum[3])) >= zeros {
			return string(text[len(token):])
		}
	}
}

// letter is a message with a token of its own that is old enough.
func (rm *room) letter(more object) object {
	token := rm.p.ChallengeOf(time.Now().Add(-10 * time.Second))
	m := object{"token": token, "nonce": solve(token, 16), "name": "Eve", "email": "eve@example.com", "subject": "Hello", "message": "I liked your work."}
	maps.Copy(m, more)
	return m
}

// proxied is a server that believes its peer who the client is, so that a
// test can come from many addresses.
func (rm *room) proxied(t testing.TB) *httpxtest.Server {
	t.Helper()
	return httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: rm.Auth.Authenticate,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, rm.p.Routes())
}

func from(address string) httpxtest.Option { return httpxtest.WithHeader("X-Real-IP", address) }

type inbox struct {
	Items  []portfolio.Message
	Counts map[string]int
}

func (rm *room) inbox(t testing.TB, query string) (in inbox) {
	t.Helper()
	rm.owner.Do("GET", "/portfolio/contact"+query, nil).Want(t, 200).JSON(t, &in)
	return in
}

func TestContact_AFormSendsAMessageAfterItsWorkAndItsWait(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.owner.Do("PUT", "/portfolio/profile", object{"email": "owner@example.com"}).Want(t, 200)
	c := rm.Client(t)
	var form portfolio.Challenge
	c.Do("GET", "/portfolio/contact/challenge", nil).Want(t, 200).JSON(t, &form)
	m := rm.letter(object{"token": form.Token, "nonce": solve(form.Token, form.Bits)})
	if a := c.Do("POST", "/portfolio/contact", m); a.Header.Get("Retry-After") == "" {
		t.Error("a young token is not told when to come back")
	} else {
		a.WantProblem(t, 422, "challenge_too_early")
	}
	m = rm.letter(nil) // with a token that has waited
	c.Do("POST", "/portfolio/contact", m).Want(t, 202)
	in := rm.inbox(t, "")
	if len(in.Items) != 1 || in.Items[0].Message != "I liked your work." || in.Items[0].State != "new" || in.Counts["new"] != 1 {
		t.Errorf("the inbox is %+v", in)
	}
	if mails := rm.mailed(); len(mails) != 1 || !strings.HasPrefix(mails[0], "owner@example.com|New message: Hello|Eve <eve@example.com> wrote") {
		t.Errorf("mailed was %q", mails)
	}
	c.Do("POST", "/portfolio/contact", m).WantProblem(t, 422, "challenge_invalid") // a token works once
}

func TestContact_TokensThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.Client(t)
	old, ahead := rm.p.ChallengeOf(time.Now().Add(-3*time.Hour)), rm.p.ChallengeOf(time.Now().Add(time.Hour))
	good := rm.letter(nil)
	other := good["token"].(string)
	for name, more := range map[string]object{
		"none": {"token": ""}, "old": {"token": old, "nonce": solve(old, 16)}, "from ahead": {"token": ahead, "nonce": solve(ahead, 16)}, "changed": {"token": other[1:] + other[:1]},
		"no work": {"nonce": "x"}, "respelled": {"token": other + "="},
	} {
		m := rm.letter(nil)
		m["token"], m["nonce"] = other, good["nonce"]
		maps.Copy(m, more)
		if a := c.Do("POST", "/portfolio/contact", m); a.Status != 422 || a.Header.Get("Retry-After") != "" {
			t.Errorf("%s: %d, %q", name, a.Status, a.Header.Get("Retry-After"))
		}
	}
	// Twenty at once with one token: one message.
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { rm.Client(t).Do("POST", "/portfolio/contact", good) })
	}
	group.Wait()
	if in := rm.inbox(t, ""); in.Counts["new"] != 1 {
		t.Errorf("one token sent %d messages", in.Counts["new"])
	}
}

func TestContact_HeaderInjectionAndBadFieldsAreRefused(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for field, value := range map[string]string{
		"name": "x\r\nBcc: v@example.com", "subject": "x\nBcc: v@example.com", "email": "v@example.com\r\nBcc: w@example.com", "message": strings.Repeat("x", 4001),
	} {
		p := rm.Client(t).Do("POST", "/portfolio/contact", rm.letter(object{field: value})).WantProblem(t, 422, "validation_failed")
		if len(p.Errors) == 0 || p.Errors[0].Pointer != "#/"+field {
			t.Errorf("%s: %+v", field, p.Errors)
		}
	}
	for _, email := range []string{"", "x", "a@b, c@d", "Eve <eve@example.com>", `"eve"@example.com`, "ève@example.com"} {
		rm.Client(t).Do("POST", "/portfolio/contact", rm.letter(object{"email": email})).WantProblem(t, 422, "validation_failed")
	}
	if mails := rm.mailed(); len(mails) != 0 {
		t.Errorf("mailed was %q", mails)
	}
}

func TestContact_ThreeAnHourOfOneNetwork(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	for network, senders := range map[string][]string{
		"IPv4": {"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"}, "IPv6": {"2001:db8::1", "2001:db8::2", "2001:db8:0:0:3::", "2001:db8::4"},
	} {
		for i, sender := range senders {
			a := c.Do("POST", "/portfolio/contact", rm.letter(object{"message": network + strings.Repeat("x", i)}), from(sender))
			if i < 3 {
				a.Want(t, 202)
				continue
			}
			a.WantProblem(t, 429, "rate_limited")
			if a.Header.Get("Retry-After") < "35" {
				t.Errorf("%s: Retry-After %q", network, a.Header.Get("Retry-After"))
			}
		}
	}
	c.Do("POST", "/portfolio/contact", rm.letter(object{"message": "another"}), from("192.0.2.2")).Want(t, 202)
	// No address of a stranger is anywhere in the database.
	for _, table := range []string{"portfolio_uses", "portfolio_messages", "audit_events"} {
		rows, err := db.All(t.Context(), rm.DB, db.Value[string], `SELECT x::text FROM `+table+` AS x`)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(rows, "\n"); strings.Contains(text, "192.0.2") || strings.Contains(text, "2001:db8") {
			t.Errorf("%s tells the address", table)
		}
	}
}

// One rule for who is one client, in every room: who has a /56 has half as much
// more, and not 256 times as much.
func TestContact_WiderNetworksAreCountedToo(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	for format, want := range map[string]int{"2001:db8:2:%d::1": 5, "2001:db8:3:%d00::1": 8} {
		taken := 0
		for i := range 10 {
			if c.Do("POST", "/portfolio/contact", rm.letter(object{"message": format + strings.Repeat("x", i)}), from(fmt.Sprintf(format, i))).Status == 202 {
				taken++
			}
		}
		if taken != want {
			t.Errorf("%s: %d messages are taken, want %d", format, taken, want)
		}
	}
}

func TestContact_SpamIsKeptAsideAndCannotTell(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	n := 0
	post := func(more object) *httpxtest.Answer {
		n++
		return c.Do("POST", "/portfolio/contact", rm.letter(more), from(fmt.Sprintf("192.0.2.%d", n))).Want(t, 202)
	}
	ham := post(object{"message": "See https://example.com, it is like yours."})
	for reason, more := range map[string]object{
		"honeypot": {"message": "aa", "website": "https://x"}, "duplicate": {"message": "SEE https://example.com; it is like yours 2!"},
		"links": {"message": "http://a http://b www.c"}, "markup": {"message": `bb <a href="x">`},
	} {
		if a := post(more); string(a.Body) != string(ham.Body) {
			t.Errorf("%s is answered with %s", reason, a.Body)
		}
		if in := rm.inbox(t, "?state=spam&limit=1"); len(in.Items) != 1 || !strings.Contains(strings.Join(in.Items[0].Reasons, " "), reason) {
			t.Errorf("%s is kept as %+v", reason, in.Items)
		}
	}
	if in := rm.inbox(t, ""); len(in.Items) != 1 || in.Counts["spam"] != 4 {
		t.Errorf("the inbox is %+v", in)
	}
}

func TestInbox_IsReadMarkedAndDeleted(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for _, text := range []string{"one", "two", "three"} {
		rm.Client(t).Do("POST", "/portfolio/contact", rm.letter(object{"message": text})).Want(t, 202)
	}
	in := rm.inbox(t, "?limit=2")
	if len(in.Items) != 2 || in.Items[0].Message != "three" {
		t.Fatalf("the inbox is %+v", in)
	}
	path := "/portfolio/contact/" + in.Items[0].ID.String()
	var m portfolio.Message
	a := rm.owner.Do("PATCH", path, object{"state": "read"}).Want(t, 200)
	if a.JSON(t, &m); m.State != "read" || a.Header.Get("ETag") != `"r2"` {
		t.Errorf("got %+v with %s", m, a.Header.Get("ETag"))
	}
	rm.owner.Do("PATCH", path, object{"state": "archived"}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	rm.owner.Do("DELETE", path, nil, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	rm.owner.Do("PATCH", path, object{"state": "gone"}).WantProblem(t, 422, "validation_failed")
	rm.owner.Do("PATCH", "/portfolio/contact/"+in.Items[1].ID.String(), object{"state": "spam"}).Want(t, 200)
	if in := rm.inbox(t, "?state=spam"); len(in.Items) != 1 || fmt.Sprint(in.Counts) != "map[archived:0 new:1 read:1 spam:1]" {
		t.Errorf("the inbox is %+v", in)
	}
	rm.owner.Do("DELETE", path, nil).Want(t, 204)
	rm.owner.Do("DELETE", path, nil).WantProblem(t, 404, "not_found")
	rm.owner.Do("GET", "/portfolio/contact?state=lost", nil).WantProblem(t, 400, "invalid_parameter")
	if n, m := rm.audited(t, "inbox.updated"), rm.audited(t, "inbox.deleted"); n != 2 || m != 1 {
		t.Errorf("audited were %d changes and %d deletions", n, m)
	}
}

func TestContact_AClockThatWasSetBackLocksNobodyOut(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	for i := range 3 {
		c.Do("POST", "/portfolio/contact", rm.letter(object{"message": strings.Repeat("x", i+1)}), from("192.0.2.1")).Want(t, 202)
	}
	c.Do("POST", "/portfolio/contact", rm.letter(object{"message": "one too many"}), from("192.0.2.1")).Want(t, 429)
	if err := db.Exec(t.Context(), rm.DB, `UPDATE portfolio_uses SET expires_at = now() + interval '900 days', uses = 1000`); err != nil {
		t.Fatal(err)
	}
	// With a space behind the address, as a telephone leaves it.
	c.Do("POST", "/portfolio/contact", rm.letter(object{"message": "back in time", "email": "eve@example.com "}), from("192.0.2.1")).Want(t, 202)
	if in := rm.inbox(t, "?state=new"); len(in.Items) != 4 || in.Items[0].Message != "back in time" || in.Items[0].Email != "eve@example.com" {
		t.Errorf("the inbox is %+v", in)
	}
}

func TestContact_MessagesWithoutALetterAreNotOneMessage(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	for i, text := range []string{"+49 30 5550101", "👍", "+49 30 5550102", "+49 30 5550101"} {
		c.Do("POST", "/portfolio/contact", rm.letter(object{"message": text}), from(fmt.Sprintf("192.0.2.%d", i))).Want(t, 202)
	}
	if in := rm.inbox(t, ""); in.Counts["new"] != 3 || in.Counts["spam"] != 1 {
		t.Errorf("the inbox is %v", in.Counts)
	}
}

func TestSweep_EndsWhatHasHadItsTime(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.proxied(t).Client(t)
	for i, more := range []object{{"message": "one"}, {"message": "two"}, {"message": "three", "website": "x"}, {"message": "four", "website": "x"}} {
		c.Do("POST", "/portfolio/contact", rm.letter(more), from(fmt.Sprintf("192.0.2.%d", i))).Want(t, 202)
	}
	for _, sql := range []string{
		`UPDATE portfolio_messages SET created_at = now() - interval '366 days' WHERE message = 'one'`,
		`UPDATE portfolio_messages SET created_at = now() - interval '31 days' WHERE message IN ('two', 'three')`,
		`UPDATE portfolio_uses SET expires_at = expires_at - interval '2 hours 2 minutes'`,
	} {
		if err := db.Exec(t.Context(), rm.DB, sql); err != nil {
			t.Fatal(err)
		}
	}
	job := rm.p.Jobs()[0]
	dbtest.Needed(t, job, true)
	if err := rm.DB.RunJob(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	dbtest.Needed(t, job, false)
	left, err := db.All(t.Context(), rm.DB, db.Value[string], `
SELECT message FROM portfolio_messages
UNION ALL SELECT 'count ' || uses FROM portfolio_uses ORDER BY 1`)
	// The count of everyone lasts a day.
	if err != nil || strings.Join(left, ", ") != "count 2, four, two" {
		t.Errorf("left are %q (%v)", left, err)
	}
	if n := rm.audited(t, "inbox.purged"); n != 1 {
		t.Errorf("%d purges were audited", n)
	}
}

// Many senders at once: what a person wrote before is in the inbox, what a
// person writes amid the flood is at least kept, no mail storm comes of it,
// and the database holds a bounded number of rows.
func TestContact_AFloodIsBounded(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.owner.Do("PUT", "/portfolio/profile", object{"email": "owner@example.com"}).Want(t, 200)
	server := rm.proxied(t)
	server.Client(t).Do("POST", "/portfolio/contact", rm.letter(object{"message": "From a person."}), from("198.51.100.1")).Want(t, 202)
	// What a day of it left: all the room that there is for spam.
	if err := db.Exec(t.Context(), rm.DB, `
INSERT INTO portfolio_messages (id, state, name, email, subject, message, score, reasons, digest)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'spam', 'x', 'x@example.com', '', n::text, 5, '{duplicate}', int8send(n) FROM generate_series(1, 1000) AS n`); err != nil {
		t.Fatal(err)
	}
	const senders, posts = 60, 4
	words := func(n int) string { // another text each time
		return strings.Map(func(c rune) rune { return 'a' + c - '0' }, fmt.Sprint(n))
	}
	var group sync.WaitGroup
	refused := make([]int, 6)
	for worker := range refused {
		group.Go(func() {
			c := server.Client(t)
			for n := worker; n < senders*posts; n += len(refused) {
				sender := n / posts
				m := rm.letter(object{"message": "buy " + words(n) + " http://a http://b http://c"})
				if n%2 == 0 {
					m["message"] = "buy " + words(n)
				}
				switch a := c.Do("POST", "/portfolio/contact", m, from(fmt.Sprintf("10.0.%d.%d", sender/250, sender%250))); a.Status {
				case 202:
				case 429:
					refused[worker]++
				default:
					t.Errorf("a post is answered with %d", a.Status)
				}
			}
		})
	}
	group.Wait()
	server.Client(t).Do("POST", "/portfolio/contact", rm.letter(object{"message": "From another person."}), from("198.51.100.2")).Want(t, 202)
	sum := 0
	for _, n := range refused {
		sum += n
	}
	if sum != senders {
		t.Errorf("%d posts were refused, want %d", sum, senders)
	}
	in := rm.inbox(t, "?limit=500")
	found := false
	for _, m := range in.Items {
		found = found || m.Message == "From a person."
	}
	if !found || in.Counts["new"] != 30 || in.Counts["spam"] > 1000+len(refused) {
		t.Errorf("the person's message is there: %v; counts %v", found, in.Counts)
	}
	if in := rm.inbox(t, "?state=spam&limit=1"); in.Items[0].Message != "From another person." || in.Items[0].Reasons[0] != "flood" {
		t.Errorf("the last of the spam is %+v", in.Items[0])
	}
	if n := len(rm.mailed()); n != 30 {
		t.Errorf("%d mails, want 30", n)
	}
	for table, most := range map[string]int{"portfolio_messages": 1030 + len(refused), "portfolio_uses": senders*4 + 5} {
		n, err := db.One(t.Context(), rm.DB, db.Value[int], `SELECT count(*) FROM `+table)
		if err != nil || n > most {
			t.Errorf("%s has %d rows (%v), want at most %d", table, n, err, most)
		}
	}
}
