package files_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/files"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"
)

// mailing is a worker that mails, by an outbox whose server nobody asks.
func mailing(t *testing.T) *house {
	t.Helper()
	h := &house{data: t.TempDir()}
	h.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		return h.open(t, e, func(c *files.Config) { c.DefaultQuota = 10_000 })
	}, func(c *auth.Config) {
		c.Send = system.NewMail(c.DB, c.Log, "smtp://127.0.0.1:1", "Homebase <noreply@example.com>", c.Keys).Send
	})
	return h
}

// letterbox is such a worker, and somebody with a folder for what others send.
func letterbox(t *testing.T) (h *house, c *httpxtest.Client, id, folder string) {
	t.Helper()
	h = mailing(t)
	c, id = h.member(t, "ann@example.com")
	return h, c, id, *put(t, c, "/inbox/a", "old").ParentID
}

// noticesOf are the notices of a user, as "<folder> <files>", the newest first.
func noticesOf(t *testing.T, c *httpxtest.Client) (list []string) {
	t.Helper()
	for _, n := range decode[auth.Me](t, c.Do("GET", "/auth/me", nil).Want(t, 200)).Notices {
		if n.Kind != "files_dropped" || n.About == nil || n.Device != "" || n.Address != "" {
			t.Fatalf("got %+v", n)
		}
		list = append(list, fmt.Sprint(n.About, " ", n.Count))
	}
	return list
}

// later lets time pass for what was dropped and told.
func (h *house) later(t *testing.T, by string) {
	t.Helper()
	h.exec(t, `UPDATE drops SET since = since - $1::interval, last_at = last_at - $1::interval, told_at = told_at - $1::interval`, by)
}

func (h *house) drop(t *testing.T, s shared, name string) {
	t.Helper()
	h.Client(t).Do("PUT", s.at("/drop/"+name), "x").Want(t, 201)
}

func wantTold(t *testing.T, c *httpxtest.Client, want ...string) {
	t.Helper()
	if got := noticesOf(t, c); !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
}

func TestDropped_ManyFilesAreOneNoticeAndOneMail(t *testing.T) {
	t.Parallel()
	h, c, _, inbox := letterbox(t)
	two := h.second(t)
	other, _ := h.member(t, "bob@example.com")
	papers := *put(t, c, "/papers/a", "old").ParentID
	in, second, paper := share(t, c, inbox, "mode", "drop"), share(t, c, inbox, "mode", "drop"), share(t, c, papers, "mode", "drop")
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			at := []*house{h, two}[i%2]
			at.drop(t, []shared{in, second, paper}[i%3], "secret-plan.txt")
		})
	}
	group.Wait()
	h.Client(t).Do("PUT", in.at("/drop/big"), strings.Repeat("x", 10_000)).WantProblem(t, 507, "insufficient_storage")

	h.run(t, "files.drops")
	wantTold(t, c)
	h.later(t, "3 minutes")
	group.Go(func() { two.run(t, "files.drops") })
	h.run(t, "files.drops")
	group.Wait()
	got := noticesOf(t, c)
	slices.Sort(got)
	want := []string{inbox + " 8", papers + " 4"}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
	wantTold(t, other)
	list := h.Mails(t, "ann@example.com")
	if len(list) != 1 || !strings.Contains(list[0], "12 files into 2 folders") {
		t.Fatalf("mailed were %q", list)
	}
	if strings.Contains(list[0], "secret") || strings.Contains(list[0], "inbox") {
		t.Errorf("the mail tells a name: %s", list[0])
	}

	// Within the hour there is nothing more; then one notice tells of both.
	h.drop(t, in, "b")
	h.later(t, "50 minutes")
	h.run(t, "files.drops")
	if n := len(h.Mails(t, "ann@example.com")); n != 1 {
		t.Errorf("%d mails within the hour", n)
	}
	first := decode[auth.Me](t, c.Do("GET", "/auth/me", nil)).Notices
	h.later(t, "11 minutes")
	h.run(t, "files.drops")
	wantTold(t, c, inbox+" 9", papers+" 4")
	if list := h.Mails(t, "ann@example.com"); len(list) != 2 || !strings.Contains(list[1], "a file into a folder") {
		t.Errorf("mailed were %q", list)
	}
	// Who dismissed the notice of eight has not dismissed the ninth.
	for _, n := range first {
		status := 204
		if n.About.String() == inbox {
			status = 404
		}
		c.Do("DELETE", "/auth/notices/"+n.ID.String(), nil).Want(t, status)
	}
	wantTold(t, c, inbox+" 9")
	h.later(t, "2 hours")
	h.run(t, "files.drops")
	if n := h.number(t, "SELECT count(*) FROM drops"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestDropped_WhoKeepsSendingIsToldOfInBetween(t *testing.T) {
	t.Parallel()
	h, c, _, folder := letterbox(t)
	s := share(t, c, folder, "mode", "drop")
	h.drop(t, s, "a")
	h.later(t, "16 minutes")
	h.drop(t, s, "b")
	h.run(t, "files.drops")
	wantTold(t, c, s.ItemID+" 2")
	// A clock that was an hour ahead keeps nobody in the dark for long.
	h.drop(t, s, "c")
	h.later(t, "-90 minutes")
	h.run(t, "files.drops")
	wantTold(t, c, s.ItemID+" 3")
}

func TestDropped_OfManyFoldersTheLastOnesAreNoticesAndAllAreInTheMail(t *testing.T) {
	t.Parallel()
	h, c, id, folder := letterbox(t)
	h.exec(t, "INSERT INTO drops (user_id, item_id, files, since, last_at) SELECT $1, gen_random_uuid(), 2, now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, 3000)", id)
	h.drop(t, share(t, c, folder, "mode", "drop"), "a")
	h.later(t, "3 minutes")
	h.run(t, "files.drops")
	if got := noticesOf(t, c); got[0] != folder+" 1" {
		t.Errorf("the newest is %s", got[0])
	}
	if n := h.number(t, "SELECT count(*) FROM notices"); n != 100 {
		t.Errorf("%d notices", n)
	}
	if list := h.Mails(t, "ann@example.com"); len(list) != 1 || !strings.Contains(list[0], "6001 files into 3001 folders") {
		t.Errorf("mailed were %q", list)
	}
}

func TestDropped_WhoWantsNoMailIsToldNothing(t *testing.T) {
	t.Parallel()
	h, c, _, folder := letterbox(t)
	s := share(t, c, folder, "mode", "drop", "notify", false)
	loud := share(t, c, folder, "mode", "drop")
	if s.Notify || !loud.Notify || share(t, c, folder).Notify {
		t.Errorf("got %+v, %+v", s, loud)
	}
	c.Do("POST", "/files/shares", map[string]any{"item_id": folder, "notify": true}).WantProblem(t, 422, "validation_failed")
	h.drop(t, s, "a")
	if n := h.number(t, "SELECT count(*) FROM drops"); n != 0 {
		t.Errorf("%d are counted", n)
	}
	if s = decode[shared](t, c.Do("PATCH", "/files/shares/"+s.ID, map[string]any{"max_size": 5}).Want(t, 200)); s.Notify {
		t.Error("another term turned it on")
	}
	if changed := decode[shared](t, c.Do("PATCH", "/files/shares/"+loud.ID, map[string]any{"notify": false}).Want(t, 200)); changed.Notify {
		t.Errorf("got %+v", changed)
	}
	h.drop(t, loud, "b")
	if changed := decode[shared](t, c.Do("PATCH", "/files/shares/"+loud.ID, map[string]any{"notify": nil}).Want(t, 200)); !changed.Notify {
		t.Errorf("got %+v", changed)
	}
	h.drop(t, loud, "c")
	h.later(t, "3 minutes")
	h.run(t, "files.drops")
	wantTold(t, c, folder+" 1")
}

func TestDropped_WhoCannotBeToldIsForgotten(t *testing.T) {
	t.Parallel()
	h, c, id, folder := letterbox(t)
	h.drop(t, share(t, c, folder, "mode", "drop"), "a")
	h.later(t, "3 minutes")
	h.exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", id)
	h.exec(t, "INSERT INTO drops (user_id, item_id, files, since, last_at) SELECT gen_random_uuid(), item_id, files, since, last_at FROM drops")
	h.run(t, "files.drops")
	if n := h.number(t, "SELECT (SELECT count(*) FROM notices) + (SELECT count(*) FROM mail_outbox) + (SELECT sum(files) FROM drops)"); n != 0 {
		t.Errorf("%d were told", n)
	}
}

func TestDropped_InASpaceWhoseLinkItIsIsTold(t *testing.T) {
	t.Parallel()
	h := mailing(t)
	x := newTeam(t, h)
	folder := decode[item](t, x.editor.Do("POST", "/files/folders?space="+x.ID, map[string]any{"path": "/inbox"}).Want(t, 201))
	h.drop(t, share(t, x.editor, folder.ID, "mode", "drop"), "a")
	h.later(t, "3 minutes")
	h.run(t, "files.drops")
	wantTold(t, x.editor, folder.ID+" 1")
	wantTold(t, x.manager)
	if len(h.Mails(t, "editor@example.com")) != 1 || len(h.Mails(t, "manager@example.com")) != 0 {
		t.Error("another was told")
	}
}
