package files_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/files"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// shared is a share as its owner reads it.
type shared struct {
	ID           string   `json:"id"`
	Token        string   `json:"token"`
	ItemID       string   `json:"item_id"`
	ItemName     string   `json:"item_name"`
	Mode         string   `json:"mode"`
	HasPassword  bool     `json:"has_password"`
	MaxDownloads *int64   `json:"max_downloads"`
	Downloads    int64    `json:"downloads"`
	MaxSize      *int64   `json:"max_size"`
	Notify       bool     `json:"notify"`
	Allow        []string `json:"allow"`
}

func (s shared) at(rest string) string { return "/files/shared/" + s.Token + rest }

// share makes a share of an item; terms are names and values.
func share(t testing.TB, c *httpxtest.Client, item string, terms ...any) shared {
	t.Helper()
	body := map[string]any{"item_id": item}
	for i := 0; i < len(terms); i += 2 {
		body[terms[i].(string)] = terms[i+1]
	}
	return decode[shared](t, c.Do("POST", "/files/shares", body).Want(t, 201))
}

// recorded waits until the audit log has of a target what holds asks for, given
// its actions in order: notes are written in batches.
func (h *house) recorded(t testing.TB, target string, holds func(acts string) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		list, err := db.All(t.Context(), h.DB, db.Value[string], "SELECT action || ' ' || outcome FROM audit_events WHERE target = $1 ORDER BY at, id", target)
		if err != nil {
			t.Fatal(err)
		}
		if acts := strings.Join(list, ", "); holds(acts) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("recorded were %s", acts)
		}
	}
}

func TestShare_IsMadeListedChangedAndEnded(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	other, _ := h.member(t, "bob@example.com")
	guest := h.Client(t)
	it := put(t, c, "/documents/a.txt", "hello")
	s := share(t, c, it.ID, "max_downloads", 3, "allow", []string{"127.0.0.1", "10.1.2.3/8"})
	if len(s.Token) != 43 || s.Mode != "read" || s.HasPassword || s.Downloads != 0 || strings.Join(s.Allow, " ") != "127.0.0.1/32 10.0.0.0/8" {
		t.Fatalf("got %+v", s)
	}
	if n := h.number(t, "SELECT count(*) FROM shares WHERE shares::text LIKE '%' || $1 || '%'", s.Token); n != 0 {
		t.Error("the token lies in the database")
	}
	wantBytes(t, guest.Do("GET", s.at("/content"), nil).Want(t, 200).Body, []byte("hello"))
	for _, bad := range []map[string]any{
		{"item_id": it.ID, "mode": "write"}, {"item_id": it.ID, "max_downloads": 0}, {"item_id": it.ID, "max_size": 5},
		{"item_id": it.ID, "password": ""}, {"item_id": it.ID, "expires_at": "2020-01-01T00:00:00Z"}, {"item_id": it.ID, "allow": []string{"x"}},
		{"item_id": *it.ParentID, "mode": "drop", "max_downloads": 1},
	} {
		c.Do("POST", "/files/shares", bad).WantProblem(t, 422, "validation_failed")
	}
	c.Do("POST", "/files/shares", map[string]any{"item_id": it.ID, "mode": "drop"}).WantProblem(t, 409, "not_a_folder")
	other.Do("POST", "/files/shares", map[string]any{"item_id": it.ID}).WantProblem(t, 404, "not_found")
	other.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"max_downloads": nil}).WantProblem(t, 404, "not_found")
	other.Do("DELETE", "/files/shares/"+s.ID, nil).WantProblem(t, 404, "not_found")

	second := share(t, c, *it.ParentID)
	var list struct{ Items []shared }
	c.Do("GET", "/files/shares", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 2 || list.Items[0].ID != second.ID || list.Items[0].ItemName != "documents" || list.Items[1].ItemName != "a.txt" || list.Items[1].Downloads != 1 || list.Items[0].Token != "" {
		t.Fatalf("got %+v", list.Items)
	}
	c.Do("GET", "/files/shares?item_id="+it.ID, nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != s.ID {
		t.Fatalf("got %+v", list.Items)
	}
	other.Do("GET", "/files/shares", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 0 {
		t.Fatalf("another sees %+v", list.Items)
	}
	changed := decode[shared](t, c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"max_downloads": nil, "allow": nil, "password": "sesame"}).Want(t, 200))
	if changed.MaxDownloads != nil || !changed.HasPassword || len(changed.Allow) != 0 {
		t.Fatalf("got %+v", changed)
	}
	guest.Do("GET", s.at("/content"), nil).WantProblem(t, 401, "share_password_required")
	c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"password": nil}).Want(t, 200)
	guest.Do("GET", s.at("/content"), nil).Want(t, 200)
	c.Do("DELETE", "/files/shares/"+s.ID, nil).Want(t, 204)
	for _, rest := range []string{"", "/content", "/children", "/archive"} {
		guest.Do("GET", s.at(rest), nil).WantProblem(t, 404, "not_found")
	}
	guest.Do("POST", s.at("/unlock"), map[string]string{"password": "x"}).WantProblem(t, 404, "not_found")
	const want = "share.created ok, share.read ok, share.updated ok, share.updated ok, share.read ok, share.ended ok"
	h.recorded(t, s.ID, func(acts string) bool { return acts == want })
}

func TestShare_NobodyOpensByALinkWhatTheyCannotOpenThemselves(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "hello")
	c.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": []string{"files:share"}}).Want(t, 201)
	key := decode[struct{ Key string }](t, c.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": []string{"files:share", "files:read"}}).Want(t, 201))
	reader := h.Client(t).As(key.Key)
	key = decode[struct{ Key string }](t, c.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": []string{"files:share"}}).Want(t, 201))
	h.Client(t).As(key.Key).Do("POST", "/files/shares", map[string]any{"item_id": it.ID}).WantProblem(t, 403, "forbidden")
	reader.Do("POST", "/files/shares", map[string]any{"item_id": *it.ParentID, "mode": "drop"}).WantProblem(t, 403, "forbidden")
	s := share(t, reader, it.ID)
	guest := h.Client(t)
	guest.Do("GET", s.at(""), nil).Want(t, 200)
	for undo, do := range map[string]string{
		"UPDATE users SET status = 'active'":                                         "UPDATE users SET status = 'disabled'",
		"INSERT INTO user_roles (user_id, role) VALUES ('" + id + "', 'member')":     "DELETE FROM user_roles",
		"UPDATE shares SET expires_at = NULL":                                        "UPDATE shares SET expires_at = now()",
		"UPDATE shares SET allow = '{}'":                                             "UPDATE shares SET allow = '{192.0.2.0/24}'",
		"UPDATE shares SET max_downloads = NULL":                                     "UPDATE shares SET max_downloads = downloads",
		"UPDATE items SET trashed_at = NULL WHERE name = 'documents'":                "UPDATE items SET trashed_at = now() WHERE name = 'documents'",
		"UPDATE shares SET token_hash = sha256('" + s.Token + "'::text::bytea)":      "UPDATE shares SET token_hash = sha256('x')",
		"UPDATE shares SET mode = 'read', max_size = NULL, allow = '{127.0.0.1/32}'": "UPDATE shares SET mode = 'drop', max_size = 5",
	} {
		h.exec(t, do)
		got := guest.Do("GET", s.at("/content"), nil).WantProblem(t, 404, "not_found")
		unknown := guest.Do("GET", "/files/shared/unknown/content", nil).WantProblem(t, 404, "not_found")
		if got.Detail != unknown.Detail || got.Title != unknown.Title {
			t.Errorf("%s: got %+v, for a token that never was %+v", do, got, unknown)
		}
		h.exec(t, undo)
		guest.Do("GET", s.at("/content"), nil).Want(t, 200)
	}
}

func TestShare_ChangingItDemandsWhatMakingItDoes(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "hello")
	read, drop := share(t, c, it.ID, "password", "sesame"), share(t, c, *it.ParentID, "mode", "drop", "password", "sesame")
	with := func(permissions ...string) *httpxtest.Client {
		a := c.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": permissions}).Want(t, 201)
		return h.Client(t).As(decode[struct{ Key string }](t, a).Key)
	}
	open := map[string]any{"password": nil}
	with("files:share").Do("PATCH", "/files/shares/"+read.ID, open).WantProblem(t, 403, "forbidden")
	with("files:share", "files:write").Do("PATCH", "/files/shares/"+read.ID, open).WantProblem(t, 403, "forbidden")
	with("files:share", "files:read").Do("PATCH", "/files/shares/"+drop.ID, open).WantProblem(t, 403, "forbidden")
	h.Client(t).Do("GET", read.at("/content"), nil).WantProblem(t, 401, "share_password_required")
	with("files:share", "files:read").Do("PATCH", "/files/shares/"+read.ID, open).Want(t, 200)
	with("files:share", "files:write").Do("PATCH", "/files/shares/"+drop.ID, open).Want(t, 200)
	with("files:share").Do("DELETE", "/files/shares/"+read.ID, nil).Want(t, 204) // closing opens nothing
}

func TestShare_StrangersWhoGuessShutOutNobodyElse(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	s := share(t, c, put(t, c, "/documents/a.txt", "hello").ID, "password", "sesame")
	behind := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, Authenticate: h.Auth.Authenticate, Recheck: h.Auth.Recheck, Afresh: h.Auth.Afresh,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, h.files.Routes())
	try := func(password, from string) *httpxtest.Answer {
		return behind.Client(t).Do("POST", s.at("/unlock"), map[string]string{"password": password, "mode": "token"}, httpxtest.WithHeader("X-Forwarded-For", from))
	}
	for range 5 {
		try("wrong", "192.0.2.1").WantProblem(t, 401, "share_password_required")
	}
	h.exec(t, "UPDATE guesses SET last_at = last_at + interval '10 minutes'")
	try("sesame", "192.0.2.1").WantProblem(t, 429, "rate_limited")
	try("sesame", "192.0.2.2").Want(t, 200)
	// All together are bounded too.
	h.exec(t, "UPDATE guesses SET excess = excess + 195, last_at = clock_timestamp() + interval '10 minutes'")
	try("wrong", "192.0.2.3").WantProblem(t, 429, "rate_limited")
}

func TestShare_TheTrashEndsSharesAndARestoreBringsNoneBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/photos/2026/a.txt", "hello")
	guest := h.Client(t)
	beside := share(t, c, put(t, c, "/photos2/a.txt", "beside").ID)
	trash := func(id string) {
		t.Helper()
		top := find(t, c, "/photos")
		shares := []shared{share(t, c, top.ID), share(t, c, find(t, c, "/photos/2026").ID), share(t, c, it.ID)}
		sees := func(s shared) *httpxtest.Answer { return guest.Do("GET", s.at("/archive"), nil) }
		for _, s := range shares {
			sees(s).Want(t, 200)
		}
		c.Do("DELETE", "/files/items/"+id, nil).Want(t, 204)
		if id != top.ID {
			sees(shares[0]).Want(t, 200) // above the item it holds
			c.Do("DELETE", "/files/shares/"+shares[0].ID, nil).Want(t, 204)
		}
		// Another of that name is not what was shared, nor is it after a restore.
		other := put(t, c, "/photos/2026/a.txt", "other")
		for _, s := range shares {
			if id == it.ID && s.ID == shares[1].ID {
				continue
			}
			sees(s).WantProblem(t, 404, "not_found")
			h.recorded(t, s.ID, func(acts string) bool { return strings.HasSuffix(acts, "share.ended ok") })
		}
		c.Do("DELETE", "/files/items/"+other.ID, nil).Want(t, 204)
		if id == top.ID {
			c.Do("DELETE", "/files/items/"+find(t, c, "/photos").ID, nil).Want(t, 204)
		}
		c.Do("POST", "/files/trash/"+id+"/restore", nil).Want(t, 200)
		sees(shares[2]).WantProblem(t, 404, "not_found")
		guest.Do("GET", beside.at("/content"), nil).Want(t, 200)
	}
	trash(find(t, c, "/photos").ID)
	trash(it.ID)
}

func TestShare_FiftyAtOnceGetExactlyTenDownloads(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	s := share(t, c, put(t, c, "/documents/a.txt", "hello").ID, "max_downloads", 10)
	var got, refused atomic.Int32
	var group sync.WaitGroup
	guest := h.Client(t)
	for range 50 {
		group.Go(func() {
			switch a := guest.Do("GET", s.at("/content"), nil); a.Status {
			case 200:
				got.Add(1)
			case 404:
				refused.Add(1)
			}
		})
	}
	group.Wait()
	if got.Load() != 10 || refused.Load() != 40 {
		t.Fatalf("%d got it and %d were refused, want 10 and 40", got.Load(), refused.Load())
	}
	for _, rest := range []string{"", "/archive"} {
		guest.Do("GET", s.at(rest), nil).WantProblem(t, 404, "not_found")
	}
}

func TestShare_ADownloadThatIsResumedCountsOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a.txt", "0123456789")
	other := put(t, c, "/documents/b.txt", "0123456789")
	folder := share(t, c, *it.ParentID, "max_downloads", 1, "password", "sesame")
	guest := h.Client(t)
	unlock := func() {
		a := guest.Do("POST", folder.at("/unlock"), map[string]string{"password": "sesame", "mode": "token"}).Want(t, 200)
		guest.Bearer = decode[struct {
			AccessToken string `json:"access_token"`
		}](t, a).AccessToken
	}
	unlock()
	read := func(id, ranges string, opts ...httpxtest.Option) *httpxtest.Answer {
		if ranges != "" {
			opts = append(opts, httpxtest.WithHeader("Range", "bytes="+ranges))
		}
		return guest.Do("GET", folder.at("/content?item_id="+id), nil, opts...)
	}
	guest.Do("HEAD", folder.at("/content?item_id="+it.ID), nil).Want(t, 200)
	read(it.ID, "", httpxtest.WithHeader("If-None-Match", `"`+*it.SHA256+`"`)).Want(t, 304)
	read(it.ID, "20-").Want(t, 416)
	read(it.ID, "", httpxtest.WithHeader("If-Match", `"x"`)).Want(t, 412)
	if n := h.number(t, "SELECT downloads FROM shares"); n != 0 {
		t.Fatalf("%d downloads were counted before a byte was sent", n)
	}
	read(it.ID, "0-3").Want(t, 206)
	wantBytes(t, read(it.ID, "4-").Want(t, 206).Body, []byte("456789"))
	unlock() // an hour later
	wantBytes(t, read(it.ID, "-2").Want(t, 206).Body, []byte("89"))
	for _, whole := range []string{"", "0-", "-10", "-99", "5-6,0-0", "1-9,1-9"} {
		read(it.ID, whole).WantProblem(t, 404, "not_found")
	}
	read(other.ID, "4-").WantProblem(t, 404, "not_found")
	guest.Do("GET", folder.at(""), nil).WantProblem(t, 404, "not_found")
	h.exec(t, "UPDATE share_downloads SET free_until = now()")
	read(it.ID, "4-").WantProblem(t, 404, "not_found")
	h.run(t, "files.shares")
	if n := h.number(t, "SELECT count(*) FROM share_downloads"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	// Without a beginning that was counted, a range counts itself.
	h.exec(t, "UPDATE shares SET max_downloads = 2")
	read(it.ID, "4-").Want(t, 206)
	if n := h.number(t, "SELECT downloads FROM shares"); n != 2 {
		t.Errorf("%d downloads were counted, want 2", n)
	}
}

func TestShare_PasswordsAreAskedForThrottledAndOpenOneShare(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/secret name.txt", "hello")
	s, second := share(t, c, it.ID, "password", "sesame"), share(t, c, it.ID, "password", "sesame")
	drop := share(t, c, *it.ParentID, "password", "sesame", "mode", "drop")
	guest := h.Client(t)
	for _, rest := range []string{"", "/content", "/archive", "/children", "/content?item_id=" + it.ID} {
		a := guest.Do("GET", s.at(rest), nil)
		a.WantProblem(t, 401, "share_password_required")
		if strings.Contains(string(a.Body), "secret") || strings.Contains(string(a.Body), it.ID) {
			t.Errorf("%s tells %s", rest, a.Body)
		}
	}
	guest.Do("PUT", drop.at("/drop/x"), "x").WantProblem(t, 401, "share_password_required")
	unlock := func(s shared, password, mode string, opts ...httpxtest.Option) *httpxtest.Answer {
		return guest.Do("POST", s.at("/unlock"), map[string]string{"password": password, "mode": mode}, opts...)
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	unlock(s, "sesame", "token").Want(t, 200).JSON(t, &token)
	unlock(s, "\uff53esame", "token").Want(t, 200) // as another system may send it
	opened := guest.As(token.AccessToken)
	wantBytes(t, opened.Do("GET", s.at("/content"), nil).Want(t, 200).Body, []byte("hello"))
	opened.Do("GET", second.at("/content"), nil).WantProblem(t, 401, "share_password_required")
	last := "A"
	if strings.HasSuffix(token.AccessToken, last) {
		last = "B"
	}
	opened.As(token.AccessToken[:len(token.AccessToken)-1]+last).Do("GET", s.at("/content"), nil).WantProblem(t, 401, "share_password_required")
	opened.Do("GET", "/files/items/root", nil).WantProblem(t, 401, "unauthenticated")

	// It ends, as one that was made an hour ago shows.
	hash, err := db.One(t.Context(), h.DB, db.Value[string], `SELECT password_hash FROM shares WHERE id = $1`, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	for end, status := range map[time.Time]int{time.Now().Add(time.Minute): 200, time.Now(): 401, time.Now().Add(24 * time.Hour): 401} {
		raw, _ := base64.RawURLEncoding.DecodeString(token.AccessToken)
		raw = binary.BigEndian.AppendUint64(raw[:17], uint64(end.Unix()))
		mac := hmac.New(sha256.New, authtest.Keys("share unlock")[0])
		mac.Write(append(raw, hash...))
		guest.As(base64.RawURLEncoding.EncodeToString(mac.Sum(raw))).Do("GET", s.at("/content"), nil).Want(t, status)
	}

	unlock(s, "sesame", "").WantProblem(t, 403, "origin_required")
	here := []httpxtest.Option{httpxtest.WithHeader("Origin", authtest.PublicURL), func(r *http.Request) { r.Host = "127.0.0.1" }}
	a := unlock(second, "sesame", "cookie", here...).Want(t, 204)
	cookie := a.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "__Host-sh-") || !strings.HasSuffix(cookie, "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("got the cookie %s", cookie)
	}
	value, _, _ := strings.Cut(cookie, ";")
	guest.Do("GET", second.at("/content"), nil, httpxtest.WithHeader("Cookie", value)).Want(t, 200)
	guest.Do("GET", s.at("/content"), nil, httpxtest.WithHeader("Cookie", value)).WantProblem(t, 401, "share_password_required")
	guest.Do("GET", second.at("/content"), nil, httpxtest.WithHeader("Cookie", value+"; "+value)).WantProblem(t, 400, "duplicate_cookie")
	// What is no unlocking shadows none: a proxy's scheme, a user's own token.
	for _, other := range []string{"Basic dmlzaXRvcjpzZWNyZXQ=", "Bearer x", "Bearer " + token.AccessToken} {
		guest.Do("GET", second.at("/content"), nil, httpxtest.WithHeader("Cookie", value), httpxtest.WithHeader("Authorization", other)).Want(t, 200)
	}
	guest.As("x").Do("GET", second.at("/content"), nil).WantProblem(t, 401, "share_password_required")
	first, _, _ := strings.Cut(unlock(s, "sesame", "cookie", here...).Want(t, 204).Header.Get("Set-Cookie"), ";")
	for _, both := range []shared{s, second} {
		guest.Do("GET", both.at("/content"), nil, httpxtest.WithHeader("Cookie", value+"; "+first)).Want(t, 200)
	}

	limited := 0
	for range 20 {
		if a := unlock(s, "wrong", "token"); a.Status == 429 {
			a.WantProblem(t, 429, "rate_limited")
			limited++
		} else {
			a.WantProblem(t, 401, "share_password_required")
		}
	}
	if limited < 10 {
		t.Errorf("%d of 20 wrong guesses had to wait", limited)
	}
	unlock(s, "sesame", "token").WantProblem(t, 429, "rate_limited")
	h.second(t).Client(t).Do("POST", s.at("/unlock"), map[string]string{"password": "sesame", "mode": "token"}).WantProblem(t, 429, "rate_limited")
	unlock(second, "sesame", "token").Want(t, 200)
	h.exec(t, "UPDATE guesses SET last_at = last_at - interval '1 hour'")
	unlock(s, "sesame", "token").Want(t, 200)
	h.recorded(t, s.ID, func(acts string) bool {
		return strings.Contains(acts, "share.unlocked denied") && strings.Contains(acts, "share.unlocked ok")
	})
	c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"password": "other"}).Want(t, 200)
	opened.Do("GET", s.at("/content"), nil).WantProblem(t, 401, "share_password_required")
}

func TestShare_AFolderOpensItselfAndNothingAboveIt(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	stranger, _ := h.member(t, "bob@example.com")
	put(t, c, "/photos/2026/a.txt", "inside")
	outside := put(t, c, "/photos-private/b.txt", "outside")
	foreign := put(t, stranger, "/documents/c.txt", "foreign")
	folder, year := find(t, c, "/photos"), find(t, c, "/photos/2026")
	s := share(t, c, folder.ID)
	guest := h.Client(t)
	top := decode[struct{ Item item }](t, guest.Do("GET", s.at(""), nil).Want(t, 200)).Item
	if top.Name != "photos" || top.Path != "/" || top.ParentID != nil {
		t.Errorf("got %+v", top)
	}
	if p := decode[page](t, guest.Do("GET", s.at("/children"), nil).Want(t, 200)); len(p.Items) != 1 || p.Items[0].Path != "/2026" {
		t.Errorf("got %+v", p.Items)
	}
	p := decode[page](t, guest.Do("GET", s.at("/children?item_id="+year.ID), nil).Want(t, 200))
	if len(p.Items) != 1 || p.Items[0].Path != "/2026/a.txt" {
		t.Fatalf("got %+v", p.Items)
	}
	inside := s.at("/content?item_id=" + p.Items[0].ID)
	wantBytes(t, guest.Do("GET", inside, nil).Want(t, 200).Body, []byte("inside"))
	root := find(t, c, "/").ID
	for _, other := range []string{outside.ID, *outside.ParentID, foreign.ID, root, "root", strings.ToUpper(year.ID), "{" + year.ID + "}", ".."} {
		for _, rest := range []string{"/content", "/children", "/archive"} {
			guest.Do("GET", s.at(rest+"?item_id="+other), nil).WantProblem(t, 404, "not_found")
		}
	}
	guest.Do("GET", s.at("/content"), nil).WantProblem(t, 409, "not_a_file")
	guest.Do("GET", s.at("/children?item_id="+p.Items[0].ID), nil).WantProblem(t, 409, "not_a_folder")
	guest.Do("PUT", s.at("/drop/x"), "x").WantProblem(t, 404, "not_found")

	// A link that somebody puts there on the disk does not lead out either.
	if err := os.Rename(h.place(id, "photos", "2026"), h.place(id, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../elsewhere", h.place(id, "photos", "2026")); err != nil {
		t.Fatal(err)
	}
	guest.Do("GET", inside, nil).WantProblem(t, 404, "content_missing")
	if err := os.Remove(h.place(id, "photos", "2026")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.place(id, "elsewhere"), h.place(id, "photos", "2026")); err != nil {
		t.Fatal(err)
	}
	// It follows the folder, and what leaves the folder is not shared any more.
	c.Do("PATCH", "/files/items/"+folder.ID, map[string]any{"name": "pictures", "parent_id": *outside.ParentID}).Want(t, 200)
	guest.Do("GET", inside, nil).Want(t, 200)
	c.Do("PATCH", "/files/items/"+year.ID, map[string]any{"parent_id": root}).Want(t, 200)
	guest.Do("GET", inside, nil).WantProblem(t, 404, "not_found")
}

func TestShare_NothingRunsFromSharedContentEither(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	folder := put(t, c, "/site/x.png", "x").ParentID
	s := share(t, c, *folder)
	guest := h.Client(t)
	for name, want := range map[string]string{"a.html": "attachment", "a.svg": "attachment", "a.xhtml": "attachment", "a.xml": "attachment",
		"a.js": "attachment", "a.mjs": "attachment", "a": "attachment", "x.png": "inline", "a.pdf": "inline", "a.txt": "inline", "a.css": "attachment"} {
		c.Do("PUT", "/files/content/site/"+name, "<script>", httpxtest.WithHeader("Content-Type", "image/png"))
		id := find(t, c, "/site/"+name).ID
		for _, a := range []*httpxtest.Answer{
			guest.Do("GET", s.at("/content?item_id="+id), nil).Want(t, 200),
			c.Do("GET", "/files/items/"+id+"/content", nil).Want(t, 200),
		} {
			policy := a.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(a.Header.Get("Content-Disposition"), want) || !strings.Contains(policy, "sandbox") ||
				!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "allow-scripts") {
				t.Errorf("%s: got %v", name, a.Header)
			}
		}
		for who, at := range map[*httpxtest.Client]string{guest: s.at("/content?download=true&item_id=" + id), c: "/files/items/" + id + "/content?download=true"} {
			if got := who.Do("GET", at, nil).Want(t, 200).Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
				t.Errorf("%s as a download: got %s", name, got)
			}
		}
	}
}

func TestDrop_TakesFilesAndTellsNothing(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 10_000 })
	c, _ := h.member(t, "ann@example.com")
	old := put(t, c, "/inbox/letter.txt", "old")
	s := share(t, c, *old.ParentID, "mode", "drop", "max_size", 4000)
	guest := h.Client(t)
	a := guest.Do("GET", s.at(""), nil).Want(t, 200)
	if strings.Contains(string(a.Body), "inbox") || strings.Contains(string(a.Body), *old.ParentID) {
		t.Errorf("the sender sees %s", a.Body)
	}
	for _, rest := range []string{"/content", "/children", "/archive", "/content?item_id=" + old.ID} {
		guest.Do("GET", s.at(rest), nil).WantProblem(t, 404, "not_found")
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			body := fmt.Sprintf("letter %d", i)
			a := guest.Do("PUT", s.at("/drop/letter.txt"), body).Want(t, 201)
			if got := decode[struct{ SHA256 string }](t, a).SHA256; got != sha([]byte(body)) || strings.Contains(string(a.Body), "(") || a.Header.Get("Location") != "" {
				t.Errorf("got %v %s", a.Header, a.Body)
			}
		})
	}
	group.Wait()
	wantBytes(t, c.Do("GET", "/files/content/inbox/letter.txt", nil).Want(t, 200).Body, []byte("old"))
	seen := map[string]bool{}
	list := decode[page](t, c.Do("GET", "/files/items/"+*old.ParentID+"/children", nil).Want(t, 200)).Items
	for _, it := range list {
		seen[string(c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body)] = true
	}
	if len(list) != 21 || len(seen) != 21 {
		t.Errorf("%d files with %d contents, want 21", len(list), len(seen))
	}
	guest.Do("PUT", s.at("/drop/letter.txt"), strings.Repeat("x", 4001)).WantProblem(t, 413, "body_too_large")
	guest.Do("PUT", s.at("/drop/letter.txt"), strings.Repeat("x", 4001), httpxtest.WithLength(-1)).WantProblem(t, 413, "body_too_large")
	guest.Do("PUT", s.at("/drop/letter.txt"), "x", httpxtest.WithHeader("Repr-Digest", "sha-256=:"+strings.Repeat("A", 43)+"=:")).WantProblem(t, 422, "digest_mismatch")
	guest.Do("PUT", s.at("/drop/a%01"), "x").WantProblem(t, 400, "invalid_name")
	for range 2 {
		guest.Do("PUT", s.at("/drop/big"), strings.Repeat("x", 4000)).Want(t, 201)
	}
	guest.Do("PUT", s.at("/drop/big"), strings.Repeat("x", 4000)).WantProblem(t, 507, "insufficient_storage")
	if n := h.number(t, "SELECT count(*) FROM audit_events WHERE action = 'share.dropped' AND details->>'share' = $1", s.ID); n != 22 {
		t.Errorf("%d drops were recorded, want 22", n)
	}
	u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
	if u.Used < 8000 || u.Reserved != 0 {
		t.Errorf("got %+v", u)
	}
}

func TestDrop_OneThatOutlivesItsShareIsNotTaken(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	folder := put(t, c, "/inbox/a", "old").ParentID
	for name, end := range map[string]func(s shared){
		"password": func(s shared) { c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"password": "new"}).Want(t, 200) },
		"address": func(s shared) {
			c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"allow": []string{"192.0.2.0/24"}}).Want(t, 200)
		},
		"ended":    func(s shared) { c.Do("DELETE", "/files/shares/"+s.ID, nil).Want(t, 204) },
		"disabled": func(shared) { h.exec(t, "UPDATE users SET status = 'disabled'") },
		"trashed":  func(shared) { h.exec(t, "UPDATE items SET trashed_at = now() WHERE id = $1", *folder) },
	} {
		s := share(t, c, *folder, "mode", "drop")
		body := newGate(written, "the last words")
		answer := make(chan *httpxtest.Answer)
		go func() { answer <- h.Client(t).Do("PUT", s.at("/drop/late"), body) }()
		h.receiving(t)
		end(s)
		close(body.open)
		if a := <-answer; a.Status != 404 {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
		h.exec(t, "UPDATE users SET status = 'active'")
		h.exec(t, "UPDATE items SET trashed_at = NULL")
	}
	if n := h.number(t, "SELECT count(*) FROM items WHERE name LIKE 'late%'"); n != 0 {
		t.Errorf("%d were taken", n)
	}
}

// receiving waits until the server has written bytes of an upload.
func (h *house) receiving(t *testing.T) {
	t.Helper()
	for {
		if staged := h.under(t, "staging"); len(staged) > 0 {
			return
		}
		if !db.Sleep(t.Context(), 5*time.Millisecond) {
			t.Fatal("no bytes are staged")
		}
	}
}

// gate is a body whose rest waits until it is opened.
type gate struct {
	first, rest *strings.Reader
	open        chan struct{}
}

func newGate(first, rest string) *gate {
	return &gate{strings.NewReader(first), strings.NewReader(rest), make(chan struct{})}
}

func (g *gate) Read(p []byte) (int, error) {
	if g.first.Len() > 0 {
		return g.first.Read(p)
	}
	if g.rest.Len() > 0 {
		<-g.open
	}
	return g.rest.Read(p)
}

// written is more than is gathered before bytes are written.
var written = strings.Repeat("slow", 100_000)

func TestShare_AnOwnerHasAThousandAtMostAlsoWhenSeveralAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	it := put(t, c, "/a.txt", "a")
	h.exec(t, `INSERT INTO shares (id, owner_id, item_id, token_hash, mode, allow)
		SELECT gen_random_uuid(), $1, $2::uuid, sha256(n::text::bytea), 'read', '{}' FROM generate_series(1, 995) AS n`, id, it.ID)
	var made, refused atomic.Int32
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			switch a := c.Do("POST", "/files/shares", map[string]any{"item_id": it.ID}); a.Status {
			case 201:
				made.Add(1)
			default:
				a.WantProblem(t, 409, "too_many_shares")
				refused.Add(1)
			}
		})
	}
	group.Wait()
	if made.Load() != 5 || refused.Load() != 7 {
		t.Errorf("%d were made and %d refused", made.Load(), refused.Load())
	}
	list := decode[struct{ Items []shared }](t, c.Do("GET", "/files/shares?limit=1", nil).Want(t, 200))
	c.Do("DELETE", "/files/shares/"+list.Items[0].ID, nil).Want(t, 204)
	share(t, c, it.ID)
}
