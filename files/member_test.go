package files_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// slowly sends a request of which the server has the head, and with it who may
// do it, and not yet the body.
func slowly(c *httpxtest.Client, method, path, text string) (send func() *httpxtest.Answer) {
	body, done, begun := newGate(text[:5], text[5:]), make(chan *httpxtest.Answer, 1), make(chan struct{})
	go func() {
		done <- c.Do(method, path, &beginning{body, begun}, httpxtest.WithHeader("Content-Type", "application/json"))
	}()
	<-begun
	return func() *httpxtest.Answer { close(body.open); return <-done }
}

// beginning closes begun when the rest of a body is asked for.
type beginning struct {
	*gate
	begun chan struct{}
}

func (b *beginning) Read(p []byte) (int, error) {
	if b.first.Len() == 0 && b.rest.Len() > 0 {
		close(b.begun)
	}
	return b.gate.Read(p)
}

// Who was just taken out is told of no tree.
func TestSpace_WhoWasTakenOutWhileMovingIsToldOfNothing(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	x := newTeam(t, h)
	home := find(t, x.editor, "/documents")
	folder := decode[item](t, x.editor.Do("POST", x.in("/files/folders"), map[string]string{"path": "/f"}).Want(t, 201))
	for _, to := range []string{folder.ID, home.ID} {
		it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/"+to), "a").Want(t, 201))
		statements.Take()
		send := slowly(x.editor, "PATCH", "/files/items/"+it.ID, `{"parent_id": "`+to+`"}`)
		await(t, func() bool { return slices.Contains(statements.Take(), "files.TreeOfItem") })
		x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
		send().WantProblem(t, 404, "not_found")
		x.put(t, "editor", "editor")
	}
}

// An id that was purged comes back on the disk of another tree, with the
// attribute that the file carries: it belongs there, at every worker, whatever
// these knew of it.
func TestSpace_AnIDThatComesBackInAnotherTreeBelongsThere(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	second := x.second(t)
	there := second.Client(t).As(x.editor.Bearer)
	it := put(t, x.editor, "/documents/a", "a")
	x.settled(t)
	for _, c := range []*httpxtest.Client{x.editor, there} {
		c.Do("GET", "/files/items/"+it.ID, nil).Want(t, 200)
	}
	x.viewer.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	kept := filepath.Join(x.data, "kept")
	must(t, os.Rename(x.place(x.ids["editor"], "documents", "a"), kept))
	x.editor.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	x.editor.Do("DELETE", "/files/trash/"+it.ID, nil).Want(t, 204)
	must(t, os.Rename(kept, x.onDisk("a")))
	x.scan(t, x.ID).want(t, 1, 0, 0, 0, 0, 0)
	for _, c := range []*httpxtest.Client{x.editor, x.viewer, there} {
		var got item
		await(t, func() bool {
			a := c.Do("GET", "/files/items/"+it.ID, nil)
			if a.Status == 200 {
				got = decode[item](t, a)
			}
			return a.Status == 200
		})
		if got.SpaceID == nil || *got.SpaceID != x.ID {
			t.Errorf("it is %+v", got)
		}
	}
}

// A copy reads on for as long as it takes: what it brings home is judged by the
// role at its end.
func TestSpace_ACopyHomeEndsWithTheRole(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	x := newTeam(t, h)
	home := find(t, x.viewer, "/documents")
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/f/a?parents=true"), "a").Want(t, 201))
	x.editor.Do("PUT", x.in("/files/content/f/b"), "b").Want(t, 201)
	for _, id := range []string{it.ID, *it.ParentID} {
		statements.Before("files.ReadableItem", func() { x.manager.Do("DELETE", x.members("viewer"), nil).Want(t, 204) })
		x.viewer.Do("POST", "/files/items/"+id+"/copy", map[string]string{"parent_id": home.ID}).WantProblem(t, 404, "not_found")
		if got := decode[page](t, x.viewer.Do("GET", "/files/items/"+home.ID+"/children", nil).Want(t, 200)); len(got.Items) > 0 {
			t.Errorf("copied %q", got.names())
		}
		x.put(t, "viewer", "viewer")
	}
	await(t, func() bool { return len(x.under(t, "staging")) == 0 })
	if n := x.number(t, "SELECT count(*) FROM uploads"); n != 0 {
		t.Errorf("%d reservations are left", n)
	}
}

// A key that only reads takes nobody out, its owner neither.
func TestSpace_AKeyThatReadsLeavesNoSpace(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	key := func(permissions ...string) *httpxtest.Client {
		made := x.editor.Do("POST", "/auth/keys", map[string]any{"name": "k", "permissions": permissions}).Want(t, 201)
		return x.Client(t).As(decode[struct{ Key string }](t, made).Key)
	}
	key("files:read").Do("DELETE", x.members("editor"), nil).WantProblem(t, 403, "forbidden")
	key("files:read", "files:write").Do("DELETE", x.members("editor"), nil).WantProblem(t, 403, "forbidden")
	x.editor.Do("GET", x.in("/files/usage"), nil).Want(t, 200)
	key("files:read", "files:share").Do("DELETE", x.members("editor"), nil).Want(t, 204)
	x.editor.Do("GET", x.in("/files/usage"), nil).WantProblem(t, 404, "not_found")
}

// Whoever is taken out at one worker sends, listens and reads at another: the
// upload ends at its next step and the stream at once. The download that runs may
// run to its end, another does not begin.
func TestSpace_WhoIsTakenOutWhileSendingListeningAndReading(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	second := x.second(t)
	there := second.Client(t).As(x.editor.Bearer)
	film := random(24 << 20)
	x.manager.Do("PUT", x.in("/files/content/film"), film).Want(t, 201)

	l := listenAt(t, second, there, x.in("/files/events"), "")
	x.manager.Do("PUT", x.in("/files/content/a"), "a").Want(t, 201)
	l.want(t, "created /a")
	up := tus(there, "POST", "/files/uploads", nil, "Upload-Length", "999999999", "Upload-Metadata", metadata("filename", "up", "space", x.ID)).Want(t, 201)
	at := strings.TrimPrefix(up.Header.Get("Location"), httpx.Prefix)
	body, sender := io.Pipe()
	sent := make(chan *httpxtest.Answer, 1)
	go func() { sent <- tus(there, "PATCH", at, body, "Upload-Offset", "0", "Content-Type", offsetType) }()
	part := make([]byte, 33<<20)
	_, err := sender.Write(part)
	must(t, err)
	await(t, func() bool { return x.number(t, "SELECT sum(durable_offset)::bigint FROM uploads") > 0 })
	r, err := http.NewRequestWithContext(t.Context(), "GET", second.URL+httpx.Prefix+x.in("/files/content/film"), nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+there.Bearer)
	download, err := there.HTTP.Do(r)
	must(t, err)
	defer download.Body.Close()
	got := make([]byte, 1000)
	_, err = io.ReadFull(download.Body, got)
	must(t, err)

	x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
	l.wantEnd(t)
	go sender.Write(part)
	(<-sent).WantProblem(t, 404, "not_found")
	sender.Close()
	rest, _ := io.ReadAll(download.Body) // all of it, or cut off
	if got = append(got, rest...); !bytes.HasPrefix(film, got) {
		t.Error("the download went on with other bytes")
	}
	there.Do("GET", x.in("/files/content/film"), nil).WantProblem(t, 404, "not_found")
	there.Do("GET", x.in("/files/events"), nil).WantProblem(t, 404, "not_found")
	tus(there, "HEAD", at, nil).Want(t, 404)
	there.Do("PUT", x.in("/files/content/b"), "b").WantProblem(t, 404, "not_found")
	if list := decode[page](t, x.manager.Do("GET", "/files/items/"+x.RootID+"/children", nil).Want(t, 200)); !slices.Equal(list.names(), []string{"a", "film"}) {
		t.Errorf("the space holds %q", list.names())
	}
}

// What somebody began to send who may not go on holds nobody's space for a day.
func TestSpace_WhatWhoWasTakenOutBeganToSendIsGivenBack(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	folder := decode[item](t, x.editor.Do("POST", x.in("/files/folders"), map[string]string{"path": "/f"}).Want(t, 201))
	shareWith(t, x.manager, folder.ID, x.ids["stranger"], "editor")
	for who, c := range map[string]*httpxtest.Client{"editor": x.editor, "manager": x.manager, "stranger": x.stranger} {
		tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1000", "Upload-Metadata", metadata("filename", who, "parent_id", folder.ID)).Want(t, 201)
	}
	reserved := func() int64 {
		x.run(t, "files.expire")
		return decode[usage](t, x.manager.Do("GET", x.in("/files/usage"), nil).Want(t, 200)).Reserved
	}
	x.exec(t, "UPDATE uploads SET expires_at = expires_at - interval '2 minutes'")
	if n := reserved(); n != 3000 {
		t.Errorf("%d bytes are reserved, want 3000", n)
	}
	x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
	if n := reserved(); n != 2000 {
		t.Errorf("%d bytes are reserved, want 2000", n)
	}
	x.exec(t, "UPDATE shares SET role = 'viewer'")
	if n := reserved(); n != 1000 {
		t.Errorf("%d bytes are reserved, want 1000", n)
	}
	if left := x.under(t, "staging"); len(left) != 1 {
		t.Errorf("left on disk: %q", left)
	}
}

// A space whose last manager's account was deleted gets another from whoever
// manages all spaces.
func TestSpace_OutlivesItsLastManager(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.manager.Do("PUT", x.in("/files/content/a"), "one").Want(t, 201))
	x.manager.Do("PUT", "/files/items/"+it.ID+"/content", "three").Want(t, 200)
	x.admin.Do("DELETE", "/files/spaces/"+x.ID+"/members/"+adminID(t, x), nil).Want(t, 204)
	must(t, x.erase(t, x.files, x.ids["manager"], nil))
	x.editor.Do("PUT", x.members("viewer"), map[string]string{"role": "editor"}).WantProblem(t, 403, "forbidden")
	x.admin.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	x.put(t, "viewer", "manager")
	wantBytes(t, x.viewer.Do("GET", versionPath(it.ID, 1), nil).Want(t, 200).Body, []byte("one"))
	x.settled(t)
	x.wantSum(t, x.ID)
}

// Two who take each other out at once, at two workers: one of them stays.
func TestSpace_TwoManagersWhoTakeEachOtherOutLeaveOne(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	second := x.second(t)
	x.manager.Do("DELETE", "/files/spaces/"+x.ID+"/members/"+adminID(t, x), nil).Want(t, 204)
	there := second.Client(t).As(x.editor.Bearer)
	for range 5 {
		x.put(t, "manager", "manager")
		x.put(t, "editor", "manager")
		var both sync.WaitGroup
		both.Go(func() { x.manager.Do("DELETE", x.members("editor"), nil) })
		both.Go(func() { there.Do("PUT", x.members("manager"), map[string]string{"role": "viewer"}) })
		both.Wait()
		if n := x.number(t, "SELECT count(*) FROM space_members WHERE space_id = $1 AND role = 'manager'", x.ID); n != 1 {
			t.Fatalf("%d managers are left", n)
		}
	}
}

// What is moved or copied on the disk from one tree into another, with all that
// it carries, is new there; the versions stay where they were.
func TestSpace_WhatIsMovedIntoItOnTheDiskIsNew(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	var list []item
	for _, name := range []string{"moved", "copied"} {
		it := put(t, x.editor, "/documents/"+name, "one")
		list = append(list, decode[item](t, x.editor.Do("PUT", "/files/items/"+it.ID+"/content", "two").Want(t, 200)))
	}
	x.settled(t)
	home := x.place(x.ids["editor"], "documents")
	must(t, os.Rename(filepath.Join(home, "moved"), x.onDisk("moved")))
	shell(t, "cp", "-a", filepath.Join(home, "copied"), x.onDisk("copied"))
	x.scan(t, x.ID).want(t, 2, 0, 0, 0, 0, 0)
	for _, it := range list {
		got := decode[item](t, x.viewer.Do("GET", x.in("/files/lookup?path=/"+it.Name), nil).Want(t, 200))
		if got.ID == it.ID {
			t.Errorf("%s has the id that it had", it.Name)
		}
		if old := versionsOf(t, x.viewer, got.ID); len(old) > 0 {
			t.Errorf("%s has the versions %+v", it.Name, old)
		}
		wantBytes(t, x.viewer.Do("GET", "/files/items/"+got.ID+"/content", nil).Want(t, 200).Body, []byte("two"))
		x.viewer.Do("GET", versionPath(it.ID, 1), nil).WantProblem(t, 404, "not_found")
		wantBytes(t, x.editor.Do("GET", versionPath(it.ID, 1), nil).Want(t, 200).Body, []byte("one"))
	}
	x.scan(t, "editor@example.com").want(t, 0, 0, 0, 1, 0, 0)
	x.editor.Do("POST", "/files/items/"+list[0].ID+"/versions/1/restore", nil).Want(t, 200)
	wantFile(t, filepath.Join(home, "moved"), []byte("one"))
	x.settled(t)
	for _, owner := range []string{x.ID, x.ids["editor"]} {
		x.wantSum(t, owner)
	}
	if out, err := x.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
