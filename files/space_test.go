package files_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/db"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

type space struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Role   *string `json:"role"`
	RootID string  `json:"root_id"`
	Quota  *int64  `json:"quota"`
	Used   int64   `json:"used"`
}

type spacePage struct {
	Items []space `json:"items"`
}

// team is a space with somebody in each role.
type team struct {
	*house
	space
	admin, manager, editor, viewer, stranger *httpxtest.Client
	ids                                      map[string]string // of the users, by role
}

// newTeam makes a space and its members.
func newTeam(t testing.TB, h *house) *team {
	t.Helper()
	x := &team{house: h, ids: map[string]string{}}
	h.User(t, "admin@example.com", "admin")
	x.admin = h.SignIn(t, "admin@example.com")
	x.space = decode[space](t, x.admin.Do("POST", "/files/spaces", map[string]any{"name": "the family"}).Want(t, 201))
	for role, c := range map[string]**httpxtest.Client{"manager": &x.manager, "editor": &x.editor, "viewer": &x.viewer, "stranger": &x.stranger} {
		*c, x.ids[role] = h.member(t, role+"@example.com")
		if role != "stranger" {
			x.put(t, role, role)
		}
	}
	return x
}

// put gives somebody a role.
func (x *team) put(t testing.TB, who, role string) {
	t.Helper()
	x.admin.Do("PUT", x.members(who), map[string]string{"role": role}).Want(t, 200)
}

func (x *team) members(who string) string { return "/files/spaces/" + x.ID + "/members/" + x.ids[who] }

// in is a path with the space as its parameter.
func (x *team) in(p string) string {
	if strings.Contains(p, "?") {
		return p + "&space=" + x.ID
	}
	return p + "?space=" + x.ID
}

func (x *team) onDisk(names ...string) string {
	return filepath.Join(append([]string{x.data, "spaces", x.ID}, names...)...)
}

func TestSpace_IsATreeOfSeveralPeople(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/plans/house.txt?parents=true"), "four walls").Want(t, 201))
	if b, err := os.ReadFile(x.onDisk("plans", "house.txt")); err != nil || string(b) != "four walls" {
		t.Errorf("on the disk: %q, %v", b, err)
	}
	if it.SpaceID == nil || *it.SpaceID != x.ID {
		t.Errorf("the item is of the space %v", it.SpaceID)
	}
	for _, c := range []*httpxtest.Client{x.viewer, x.editor, x.manager} {
		got := decode[item](t, c.Do("GET", "/files/items/"+it.ID, nil).Want(t, 200))
		if got.SpaceID == nil || *got.SpaceID != x.ID || got.Path != "/plans/house.txt" {
			t.Errorf("got %+v", got)
		}
		wantBytes(t, c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body, []byte("four walls"))
		wantBytes(t, c.Do("GET", x.in("/files/content/plans/house.txt"), nil).Want(t, 200).Body, []byte("four walls"))
		if found := decode[page](t, c.Do("GET", x.in("/files/search?q=house"), nil).Want(t, 200)); len(found.Items) != 1 {
			t.Errorf("found %+v", found)
		}
		if list := decode[page](t, c.Do("GET", "/files/items/"+x.RootID+"/children", nil).Want(t, 200)); !slices.Equal(list.names(), []string{"plans"}) {
			t.Errorf("the root holds %q", list.names())
		}
		if u := decode[usage](t, c.Do("GET", x.in("/files/usage"), nil).Want(t, 200)); u.Used != 10 || u.Entries != 2 {
			t.Errorf("usage %+v", u)
		}
		if own := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200)); own.Used != 0 {
			t.Errorf("the own tree has %+v", own)
		}
	}
	x.stranger.Do("GET", "/files/items/"+it.ID, nil).WantProblem(t, 404, "not_found")
	x.viewer.Do("DELETE", "/files/items/"+it.ID, nil).WantProblem(t, 403, "forbidden")
	x.manager.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	if got := decode[page](t, x.viewer.Do("GET", x.in("/files/trash"), nil).Want(t, 200)); !slices.Equal(got.names(), []string{"house.txt"}) {
		t.Errorf("in the trash %q", got.names())
	}
	x.viewer.Do("POST", "/files/trash/"+it.ID+"/restore", nil).WantProblem(t, 403, "forbidden")
	x.editor.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
	// The own tree is nobody else's, and holds nothing of the space.
	mine := decode[item](t, x.editor.Do("PUT", "/files/content/documents/mine", "x").Want(t, 201))
	if mine.SpaceID != nil {
		t.Errorf("the own item is of the space %v", mine.SpaceID)
	}
	x.manager.Do("GET", "/files/items/"+mine.ID, nil).WantProblem(t, 404, "not_found")
	x.editor.Do("GET", "/files/lookup?path=/plans", nil).WantProblem(t, 404, "not_found")
	for _, id := range []string{x.ids["editor"], "01a00000-0000-8000-8000-000000000000", "x"} {
		x.viewer.Do("GET", "/files/usage?space="+id, nil).WantProblem(t, 404, "not_found")
	}
	x.settled(t)
	x.scan(t, x.ID).want(t, 0, 0, 0, 0, 0, 0)
	var all struct {
		Users  []struct{ Used int64 }
		Spaces []struct {
			ID   string `json:"space_id"`
			Used int64
		}
	}
	x.admin.Do("GET", "/system/storage", nil).Want(t, 200).JSON(t, &all)
	if len(all.Users) != 4 || len(all.Spaces) != 1 || all.Spaces[0].ID != x.ID || all.Spaces[0].Used != 10 {
		t.Errorf("the storage holds %+v", all)
	}
}

func TestSpace_ItsMembersAreItsManagersBusiness(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	list := func(c *httpxtest.Client) (s string) {
		var p struct {
			Items []struct {
				UserID string `json:"user_id"`
				Email  string `json:"email"`
				Role   string `json:"role"`
			} `json:"items"`
		}
		c.Do("GET", "/files/spaces/"+x.ID+"/members", nil).Want(t, 200).JSON(t, &p)
		for _, m := range p.Items {
			name, _, _ := strings.Cut(m.Email, "@")
			s += " " + name + ":" + m.Role
		}
		return s
	}
	for _, c := range []*httpxtest.Client{x.viewer, x.admin} {
		for _, want := range []string{" admin:manager", " manager:manager", " editor:editor", " viewer:viewer"} {
			if got := list(c); !strings.Contains(got, want) {
				t.Errorf("members %s, want%s", got, want)
			}
		}
	}
	x.stranger.Do("GET", "/files/spaces/"+x.ID+"/members", nil).WantProblem(t, 404, "not_found")
	for _, c := range []*httpxtest.Client{x.viewer, x.editor} {
		c.Do("PUT", x.members("stranger"), map[string]string{"role": "viewer"}).WantProblem(t, 403, "forbidden")
		c.Do("DELETE", x.members("manager"), nil).WantProblem(t, 403, "forbidden")
		c.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"name": "mine"}).WantProblem(t, 403, "forbidden")
		c.Do("DELETE", "/files/spaces/"+x.ID, nil).WantProblem(t, 403, "forbidden")
		c.Do("POST", "/files/spaces", map[string]any{"name": "mine"}).WantProblem(t, 403, "forbidden")
	}
	x.stranger.Do("PUT", x.members("stranger"), map[string]string{"role": "manager"}).WantProblem(t, 404, "not_found")
	x.stranger.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"name": "mine"}).WantProblem(t, 404, "not_found")
	x.stranger.Do("DELETE", "/files/spaces/"+x.ID, nil).WantProblem(t, 404, "not_found")
	x.stranger.Do("GET", "/files/spaces/"+x.ID, nil).WantProblem(t, 404, "not_found")
	x.stranger.Do("GET", "/files/spaces?all=true", nil).WantProblem(t, 403, "forbidden")

	x.manager.Do("PUT", x.members("stranger"), map[string]string{"role": "viewer"}).Want(t, 200)
	x.stranger.Do("GET", x.in("/files/usage"), nil).Want(t, 200)
	x.stranger.Do("DELETE", x.members("stranger"), nil).Want(t, 204) // everybody may leave
	x.stranger.Do("GET", x.in("/files/usage"), nil).WantProblem(t, 404, "not_found")
	x.manager.Do("DELETE", x.members("stranger"), nil).WantProblem(t, 404, "not_found")
	x.manager.Do("PUT", "/files/spaces/"+x.ID+"/members/01a00000-0000-7000-8000-000000000000", map[string]string{"role": "viewer"}).WantProblem(t, 404, "not_found")
	x.manager.Do("PUT", x.members("stranger"), map[string]string{"role": "owner"}).WantProblem(t, 422, "validation_failed")

	got := decode[space](t, x.manager.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"name": " the clan "}).Want(t, 200))
	if got.Name != "the clan" || got.Role == nil || *got.Role != "manager" {
		t.Errorf("got %+v", got)
	}
	x.manager.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"quota": 1 << 40}).WantProblem(t, 403, "forbidden")
	x.admin.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"quota": 5}).Want(t, 200)
	x.admin.Do("PATCH", "/files/spaces/"+x.ID, map[string]any{"quota": 6}, httpxtest.WithHeader("If-Match", `"r1"`)).WantProblem(t, 412, "precondition_failed")
	x.editor.Do("PUT", x.in("/files/content/a"), "123456").WantProblem(t, 507, "quota_exceeded")
	for _, bad := range []map[string]any{{"name": ""}, {"name": strings.Repeat("ä", 201)}, {"name": "a\nb"}, {"quota": -1}} {
		x.admin.Do("PATCH", "/files/spaces/"+x.ID, bad).WantProblem(t, 422, "validation_failed")
	}

	found := decode[struct{ ID string }](t, x.manager.Do("GET", "/files/people?email=Stranger@Example.com", nil).Want(t, 200))
	if found.ID != x.ids["stranger"] {
		t.Errorf("the stranger is %+v", found)
	}
	for _, other := range []string{"", "stranger", "nobody@example.com", "%25"} {
		x.manager.Do("GET", "/files/people?email="+other, nil).WantProblem(t, 404, "not_found")
	}

	// Somebody has to stay who says who is a member.
	x.manager.Do("DELETE", "/files/spaces/"+x.ID+"/members/"+adminID(t, x), nil).Want(t, 204)
	x.manager.Do("DELETE", x.members("manager"), nil).WantProblem(t, 409, "last_manager")
	x.admin.Do("PUT", x.members("manager"), map[string]string{"role": "editor"}).WantProblem(t, 409, "last_manager")
	// Who manages all spaces sees that they are there, and nothing in them.
	x.admin.Do("GET", x.in("/files/usage"), nil).WantProblem(t, 404, "not_found")
	all := decode[spacePage](t, x.admin.Do("GET", "/files/spaces?all=true", nil).Want(t, 200))
	if len(all.Items) != 1 || all.Items[0].Role != nil {
		t.Errorf("all spaces are %+v", all)
	}
	if own := decode[spacePage](t, x.admin.Do("GET", "/files/spaces", nil).Want(t, 200)); len(own.Items) != 0 {
		t.Errorf("the admin is a member of %+v", own)
	}
}

func adminID(t testing.TB, x *team) string {
	t.Helper()
	id, err := db.One(t.Context(), x.DB, db.Value[string], "SELECT id::text FROM users WHERE email = 'admin@example.com'")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Each change is made at one worker while both know the roles from before.
func TestSpace_LosingARoleHoldsAtEveryWorker(t *testing.T) {
	t.Parallel()
	h := start(t)
	x := newTeam(t, h)
	second := h.second(t)
	there := second.Client(t).As(x.editor.Bearer)
	l := listenAt(t, second, there, x.in("/files/events"), "")
	x.editor.Do("PUT", x.in("/files/content/a"), "x").Want(t, 201)
	l.want(t, "created /a")
	there.Do("PUT", x.in("/files/content/a"), "y").Want(t, 200)
	up := tus(there, "POST", "/files/uploads", nil, "Upload-Length", "2", "Upload-Metadata", metadata("filename", "b", "space", x.ID)).Want(t, 201)
	at := strings.TrimPrefix(up.Header.Get("Location"), "/api/v1")
	tus(there, "PATCH", at, "1", "Upload-Offset", "0", "Content-Type", offsetType).Want(t, 204)

	x.put(t, "editor", "viewer")
	// Until the other worker is told, a write is judged by its precondition.
	await(t, func() bool {
		return there.Do("PUT", x.in("/files/content/a"), "z", httpxtest.WithHeader("If-Match", `"none"`)).Status == 403
	})
	tus(there, "PATCH", at, "2", "Upload-Offset", "1", "Content-Type", offsetType).WantProblem(t, 403, "forbidden")
	began := time.Now()
	x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
	for ended := false; !ended; {
		_, more := l.next(t)
		ended = !more
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the stream ended after %v", took)
	}
	await(t, func() bool { return there.Do("GET", x.in("/files/content/a"), nil).Status == 404 })
	tus(there, "PATCH", at, "2", "Upload-Offset", "1", "Content-Type", offsetType).WantProblem(t, 404, "not_found")
	tus(there, "HEAD", at, nil).Want(t, 404)
	if got := x.manager.Do("GET", x.in("/files/content/a"), nil).Want(t, 200).Body; string(got) != "y" {
		t.Errorf("stored %q after the role was gone", got)
	}
	x.manager.Do("GET", x.in("/files/lookup?path=/b"), nil).WantProblem(t, 404, "not_found")
}

// What a worker cannot look up is not said to be missing: whoever mirrors a
// space would take it for deleted.
func TestSpace_AnItemWhoseTreeCannotBeLookedUpIsNotCalledMissing(t *testing.T) {
	t.Parallel()
	h := start(t)
	x := newTeam(t, h)
	there := h.second(t).Client(t).As(x.editor.Bearer) // which knows no members yet
	rename := func(from, to string) {
		err := h.DB.InTx(t.Context(), func(tx pgx.Tx) error {
			return errors.Join(db.Exec(t.Context(), tx, "SET LOCAL ROLE NONE"), db.Exec(t.Context(), tx, "ALTER TABLE "+from+" RENAME TO "+to))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	folder := map[string]string{"parent_id": x.RootID, "name": "plans"}
	rename("space_members", "elsewhere")
	there.Do("POST", "/files/folders", folder).Want(t, 500)
	there.Do("GET", "/files/items/"+x.RootID, nil).Want(t, 500)
	rename("elsewhere", "space_members")
	there.Do("POST", "/files/folders", folder).Want(t, 201)
}

// A body takes its time; what is committed is judged by the role at its end.
func TestSpace_NothingIsStoredForWhoLostTheRoleWhileSending(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	body := newGate(written, "and the rest")
	done := make(chan *httpxtest.Answer, 1)
	go func() { done <- x.editor.Do("PUT", x.in("/files/content/slow"), body) }()
	x.receiving(t)
	x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
	close(body.open)
	(<-done).WantProblem(t, 404, "not_found")
	x.manager.Do("GET", x.in("/files/lookup?path=/slow"), nil).WantProblem(t, 404, "not_found")
	if left := x.house.onDisk(t); len(left) > 0 {
		t.Errorf("left on disk: %q", left)
	}
}

// A long PATCH is a step at each save.
func TestSpace_AnUploadUnderWayEndsWithTheRole(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	up := tus(x.editor, "POST", "/files/uploads", nil, "Upload-Length", "999999999", "Upload-Metadata", metadata("filename", "film", "space", x.ID)).Want(t, 201)
	at := strings.TrimPrefix(up.Header.Get("Location"), "/api/v1")
	body, writer := io.Pipe()
	done := make(chan *httpxtest.Answer, 1)
	go func() {
		done <- tus(x.editor, "PATCH", at, body, "Upload-Offset", "0", "Content-Type", offsetType)
	}()
	part := make([]byte, 40<<20)
	writer.Write(part)
	await(t, func() bool { return x.number(t, "SELECT sum(durable_offset)::bigint FROM uploads") > 0 })
	x.manager.Do("DELETE", x.members("editor"), nil).Want(t, 204)
	go writer.Write(part)
	(<-done).WantProblem(t, 404, "not_found")
	writer.Close()
}

func TestSpace_UploadsAreTheirSendersAlone(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	folder := decode[item](t, x.editor.Do("POST", "/files/folders", map[string]string{"parent_id": x.RootID, "name": "photos"}).Want(t, 201))
	for _, where := range [][]string{{"space", x.ID, "path", "/photos"}, {"space", x.ID, "parent_id", folder.ID}, {"parent_id", folder.ID}} {
		name := fmt.Sprint(len(where), where[0])
		meta := metadata(append([]string{"filename", name, "mtime", "1000000000"}, where...)...)
		tus(x.viewer, "POST", "/files/uploads", nil, "Upload-Length", "3", "Upload-Metadata", meta).WantProblem(t, 403, "forbidden")
		tus(x.stranger, "POST", "/files/uploads", nil, "Upload-Length", "3", "Upload-Metadata", meta)
		up := tus(x.editor, "POST", "/files/uploads", nil, "Upload-Length", "3", "Upload-Metadata", meta).Want(t, 201)
		at := strings.TrimPrefix(up.Header.Get("Location"), "/api/v1")
		for _, c := range []*httpxtest.Client{x.manager, x.viewer, x.stranger} {
			tus(c, "PATCH", at, "abc", "Upload-Offset", "0", "Content-Type", offsetType).WantProblem(t, 404, "not_found")
			c.Do("GET", at, nil).WantProblem(t, 404, "not_found")
		}
		tus(x.editor, "PATCH", at, "abc", "Upload-Offset", "0", "Content-Type", offsetType).Want(t, 204)
		it := decode[item](t, x.viewer.Do("GET", x.in("/files/lookup?path=/photos/"+name), nil).Want(t, 200))
		wantModified(t, it, 1_000_000_000)
	}
}

func TestSpace_CopiesGoBetweenTreesAndMovesDoNot(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	mine := decode[item](t, x.editor.Do("PUT", "/files/content/documents/trip/a.txt?parents=true", "a", takenAt("1000000000")).Want(t, 201))
	trip := find(t, x.editor, "/documents/trip")
	x.editor.Do("PATCH", "/files/items/"+mine.ID, map[string]string{"parent_id": x.RootID}).WantProblem(t, 409, "other_tree")
	x.editor.Do("PATCH", "/files/items/"+mine.ID, map[string]string{"parent_id": mine.ID}).WantProblem(t, 409, "not_a_folder")
	for _, id := range []string{mine.ID, trip.ID} {
		it := decode[item](t, x.editor.Do("POST", "/files/items/"+id+"/copy", map[string]string{"parent_id": x.RootID}).Want(t, 201))
		if it.SpaceID == nil || *it.SpaceID != x.ID {
			t.Errorf("the copy is %+v", it)
		}
	}
	theirs := decode[item](t, x.viewer.Do("GET", x.in("/files/lookup?path=/trip/a.txt"), nil).Want(t, 200))
	wantModified(t, theirs, 1_000_000_000)
	// A viewer takes a copy home, and puts none there.
	home := decode[item](t, x.viewer.Do("GET", "/files/items/root", nil).Want(t, 200))
	for _, id := range []string{theirs.ID, *theirs.ParentID} {
		x.viewer.Do("POST", "/files/items/"+id+"/copy", map[string]string{"parent_id": home.ID}).Want(t, 201)
		x.viewer.Do("POST", "/files/items/"+id+"/copy", map[string]string{"name": "more"}).WantProblem(t, 403, "forbidden")
		x.viewer.Do("PATCH", "/files/items/"+id, map[string]string{"parent_id": home.ID}).WantProblem(t, 403, "forbidden")
		x.stranger.Do("POST", "/files/items/"+id+"/copy", map[string]string{}).WantProblem(t, 404, "not_found")
	}
	if it := find(t, x.viewer, "/trip/a.txt"); it.SpaceID != nil {
		t.Errorf("the copy at home is %+v", it)
	}
	var batch struct {
		Results []struct {
			Status int   `json:"status"`
			Item   *item `json:"item"`
		} `json:"results"`
	}
	x.editor.Do("POST", "/files/batch", map[string]any{"operations": []map[string]any{
		{"op": "copy", "id": mine.ID, "parent_id": x.RootID, "name": "by batch"},
		{"op": "move", "id": theirs.ID, "name": "b.txt"},
		{"op": "move", "id": theirs.ID, "parent_id": trip.ID},
		{"op": "trash", "id": mine.ID},
	}}).Want(t, 200).JSON(t, &batch)
	for i, want := range []int{201, 200, 409, 204} {
		if got := batch.Results[i].Status; got != want {
			t.Errorf("operation %d: %d, want %d", i, got, want)
		}
	}
	zip := x.viewer.Do("POST", "/files/archive", map[string]any{"ids": []string{theirs.ID, *theirs.ParentID}}).Want(t, 200)
	if !strings.HasPrefix(string(zip.Body), "PK") {
		t.Errorf("no archive: %.20q", zip.Body)
	}
	x.viewer.Do("POST", "/files/archive", map[string]any{"ids": []string{theirs.ID, home.ID}}).WantProblem(t, 404, "not_found")
}

func TestSpace_AShareInItEndsWithTheRoleOfWhoMadeIt(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/a.txt"), "a").Want(t, 201))
	x.viewer.Do("POST", "/files/shares", map[string]string{"item_id": it.ID}).WantProblem(t, 403, "forbidden")
	x.viewer.Do("GET", x.in("/files/shares"), nil).WantProblem(t, 403, "forbidden")
	x.stranger.Do("POST", "/files/shares", map[string]string{"item_id": it.ID}).WantProblem(t, 404, "not_found")
	var share struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	x.editor.Do("POST", "/files/shares", map[string]string{"item_id": it.ID}).Want(t, 201).JSON(t, &share)
	guest := x.Client(t)
	open := func() *httpxtest.Answer { return guest.Do("GET", "/files/shared/"+share.Token+"/content", nil) }
	wantBytes(t, open().Want(t, 200).Body, []byte("a"))
	if body := string(guest.Do("GET", "/files/shared/"+share.Token, nil).Want(t, 200).Body); strings.Contains(body, x.ID) {
		t.Errorf("a guest learns of the space: %s", body)
	}
	if got := decode[page](t, x.manager.Do("GET", x.in("/files/shares"), nil).Want(t, 200)); len(got.Items) != 1 {
		t.Errorf("the shares of the space are %+v", got)
	}
	x.put(t, "editor", "viewer")
	open().WantProblem(t, 404, "not_found")
	x.editor.Do("PATCH", "/files/shares/"+share.ID, map[string]any{"expires_at": nil}).WantProblem(t, 403, "forbidden")
	x.put(t, "editor", "editor")
	open().Want(t, 200)
	x.stranger.Do("DELETE", "/files/shares/"+share.ID, nil).WantProblem(t, 404, "not_found")
	x.manager.Do("DELETE", "/files/shares/"+share.ID, nil).Want(t, 204)
	open().WantProblem(t, 404, "not_found")
}

func TestSpace_TheAuditLogSaysWhoAndWhere(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/a.txt"), "a").Want(t, 201))
	x.viewer.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200)
	x.manager.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	acted := func(action, who string) bool {
		return x.number(t, `SELECT count(*) FROM audit_events WHERE action = $1 AND target = $2 AND actor_user = $3 AND details->>'space' = $4`,
			action, it.ID, x.ids[who], x.ID) == 1
	}
	await(t, func() bool {
		return acted("file.created", "editor") && acted("file.download", "viewer") && acted("file.delete", "manager")
	})
	if n := x.number(t, `SELECT count(*) FROM audit_events WHERE action IN ('space.created', 'space.member_set') AND target = $1`, x.ID); n != 4 {
		t.Errorf("%d events of the space itself", n)
	}
}

func TestSpace_OutlivesItsPeopleAndEndsAsAWhole(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	x.editor.Do("PUT", x.in("/files/content/a/b.txt?parents=true"), "b").Want(t, 201)
	x.editor.Do("DELETE", "/files/items/"+decode[item](t, x.editor.Do("PUT", x.in("/files/content/gone"), "x").Want(t, 201)).ID, nil).Want(t, 204)
	if err := x.erase(t, x.files, x.ids["editor"], nil); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, x.viewer.Do("GET", x.in("/files/content/a/b.txt"), nil).Want(t, 200).Body, []byte("b"))
	if n := x.number(t, "SELECT count(*) FROM space_members WHERE space_id = $1", x.ID); n != 3 {
		t.Errorf("%d members are left", n)
	}
	l := listenAt(t, x.house, x.viewer, x.in("/files/events"), "")
	x.manager.Do("DELETE", "/files/spaces/"+x.ID, nil, httpxtest.WithHeader("If-Match", `"r999"`)).WantProblem(t, 412, "precondition_failed")
	x.manager.Do("DELETE", "/files/spaces/"+x.ID, nil).Want(t, 204)
	l.wantEnd(t)
	x.viewer.Do("GET", x.in("/files/content/a/b.txt"), nil).WantProblem(t, 404, "not_found")
	x.manager.Do("GET", "/files/spaces/"+x.ID, nil).WantProblem(t, 404, "not_found")
	x.run(t, "files.recover")
	x.settled(t)
	x.run(t, "files.purge")
	if left := x.house.onDisk(t); len(left) > 0 {
		t.Errorf("left on disk: %q", left)
	}
	if n := x.number(t, "SELECT count(*) FROM owners WHERE id = $1", x.ID); n != 0 {
		t.Error("the owner is still there")
	}
}

func TestSpace_IsRebuiltAndScannedLikeAnyTree(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/a/b.txt?parents=true"), "b").Want(t, 201))
	x.settled(t)
	if err := os.WriteFile(x.onDisk("a", "c.txt"), []byte("c"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.scan(t, x.ID).want(t, 1, 0, 0, 0, 0, 0)
	wantBytes(t, x.viewer.Do("GET", x.in("/files/content/a/c.txt"), nil).Want(t, 200).Body, []byte("c"))
	if out, err := x.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, table := range []string{"shares", "changes", "file_ops", "uploads", "items", "trees", "owners"} {
		x.exec(t, "DELETE FROM "+table)
	}
	if out, err := x.command(t, "rebuild"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x.put(t, "viewer", "viewer")
	got := decode[item](t, x.viewer.Do("GET", x.in("/files/lookup?path=/a/b.txt"), nil).Want(t, 200))
	if got.ID != it.ID {
		t.Errorf("rebuilt %+v, was %+v", got, it)
	}
}

// A warm request in a space asks the database no more than one at home.
func TestSpace_CostsNoQueryOfItsOwn(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	x := newTeam(t, h)
	folder := func(c *httpxtest.Client, p string) string {
		return decode[item](t, c.Do("POST", p, map[string]string{"path": "/f"}).Want(t, 201)).ID
	}
	home, there := folder(x.editor, "/files/folders"), folder(x.editor, x.in("/files/folders"))
	x.editor.Do("PUT", "/files/content/f/a", "x").Want(t, 201)
	x.editor.Do("PUT", x.in("/files/content/f/a"), "x").Want(t, 201)
	// A worker that a busy machine does not let run believes nothing it knows,
	// and asks more.
	count := func(do func(), enough int) int {
		do()
		least := 100
		for tries := 0; tries < 5 || least > enough && tries < 200; tries++ {
			if tries >= 5 {
				time.Sleep(50 * time.Millisecond)
			}
			statements.Take()
			do()
			least = min(least, len(statements.Take()))
		}
		return least
	}
	for name, paths := range map[string][2]string{
		"a listing":  {"/files/items/" + home + "/children", "/files/items/" + there + "/children"},
		"a download": {"/files/content/f/a", x.in("/files/content/f/a")},
		"a lookup":   {"/files/lookup?path=/f/a", x.in("/files/lookup?path=/f/a")},
		"usage":      {"/files/usage", x.in("/files/usage")},
	} {
		own := count(func() { x.editor.Do("GET", paths[0], nil).Want(t, 200) }, 100)
		if n := count(func() { x.editor.Do("GET", paths[1], nil).Want(t, 200) }, own); n > own {
			t.Errorf("%s takes %d statements in a space and %d at home", name, n, own)
		}
	}
}
