package portfolio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/jpeg"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/files"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/portfolio"

	"github.com/google/uuid"
)

// room is a worker with a portfolio, and a client of its owner.
type room struct {
	*authtest.Env
	p     *portfolio.Portfolio
	owner *httpxtest.Client

	mu    sync.Mutex
	mails []string
}

func (rm *room) mailed() []string {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return slices.Clone(rm.mails)
}

type object = map[string]any

func start(t testing.TB) *room {
	t.Helper()
	rm, data := &room{}, t.TempDir()
	rm.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		f := files.New(files.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), DataDir: data, DefaultQuota: 1 << 30, Auth: e.Auth})
		t.Cleanup(f.Stop)
		rm.p = portfolio.New(portfolio.Config{
			DB: e.DB, Audit: e.Audit, Keys: authtest.Keys, PublicURL: "https://api.example.com",
			Image: f.Image, Owns: f.Owns,
			Send: func(_ context.Context, _ db.Querier, to, subject, text string) error {
				rm.mu.Lock()
				defer rm.mu.Unlock()
				rm.mails = append(rm.mails, to+"|"+subject+"|"+text)
				return nil
			},
		})
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.Concat(rm.p.Routes(), f.Routes())
	})
	rm.User(t, "owner@example.com", "admin")
	rm.owner = rm.SignIn(t, "owner@example.com")
	return rm
}

// add makes an entry as the owner and returns it.
func (rm *room) add(t testing.TB, kind string, body object) (made object) {
	t.Helper()
	rm.owner.Do("POST", "/portfolio/"+kind, body).Want(t, 201).JSON(t, &made)
	return made
}

// names are one member of each item of a list.
func names(t testing.TB, c *httpxtest.Client, path, member string) string {
	t.Helper()
	var list struct{ Items []object }
	c.Do("GET", path, nil).Want(t, 200).JSON(t, &list)
	var all []string
	for _, item := range list.Items {
		all = append(all, item[member].(string))
	}
	return strings.Join(all, " ")
}

// audited counts the entries of an action.
func (rm *room) audited(t testing.TB, action string) int {
	t.Helper()
	n, err := db.One(t.Context(), rm.DB, db.Value[int], `SELECT count(*) FROM audit_events WHERE action = $1`, action)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCollections_EachKindIsWrittenReadOrderedAndDeleted(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for kind, row := range map[string]struct {
		name string
		more object
	}{
		"projects":   {"title", object{"summary": "s", "body": "# A\n\n*b* <script>", "tags": []string{"go"}, "links": []object{{"label": "Code", "url": "https://example.com/x"}}, "started_on": "2024-03", "ended_on": "2024-03-09", "featured": true}},
		"skills":     {"name", object{"level": "expert", "category": "languages"}},
		"experience": {"organization", object{"role": "engineer", "highlights": []string{"one", "two"}, "location": "Bern", "url": "https://example.com", "started_on": "2020-01"}},
		"education":  {"institution", object{"area": "physics", "study_type": "MSc", "score": "5.5", "courses": []string{"c"}, "started_on": "2014-09", "ended_on": "2019-06"}},
	} {
		t.Run(kind, func(t *testing.T) {
			var made []object
			for _, name := range []string{"one", "two", "three"} {
				body := object{row.name: name, "status": "published"}
				maps.Copy(body, row.more)
				a := rm.owner.Do("POST", "/portfolio/"+kind, body).Want(t, 201)
				var e object
				a.JSON(t, &e)
				made = append(made, e)
				got := rm.owner.DoAt("GET", a.Header.Get("Location"), nil).Want(t, 200)
				if !bytes.Equal(got.Body, a.Body) || got.Header.Get("ETag") != a.Header.Get("ETag") {
					t.Errorf("made %s %s, read %s %s", a.Header.Get("ETag"), a.Body, got.Header.Get("ETag"), got.Body)
				}
			}
			all := "/portfolio/" + kind
			if got := names(t, rm.Client(t), all, row.name); got != "one two three" {
				t.Errorf("strangers read %q", got)
			}
			rm.owner.Do("PUT", all+"/order", object{"ids": []any{made[2]["id"], made[0]["id"]}}).Want(t, 204)
			if got := names(t, rm.Client(t), all, row.name); got != "three one two" {
				t.Errorf("after ordering: %q", got)
			}
			rm.owner.Do("PUT", all+"/order", object{"ids": []any{made[2]["id"], made[2]["id"], uuid.New()}}).WantProblem(t, 422, "validation_failed")
			one := all + "/" + made[0]["id"].(string)
			rm.owner.Do("PATCH", one, object{row.name: "ONE", "position": 9}).Want(t, 200)
			if got := names(t, rm.Client(t), all, row.name); got != "three two ONE" {
				t.Errorf("after a patch: %q", got)
			}
			var page struct {
				Items      []object
				NextCursor string `json:"next_cursor"`
			}
			rm.Client(t).Do("GET", all+"?limit=2", nil).Want(t, 200).JSON(t, &page)
			if got := names(t, rm.Client(t), all+"?limit=2&cursor="+page.NextCursor, row.name); got != "ONE" || len(page.Items) != 2 {
				t.Errorf("the second page is %q", got)
			}
			rm.owner.Do("DELETE", one, nil).Want(t, 204)
			rm.owner.Do("GET", one, nil).WantProblem(t, 404, "not_found")
			rm.owner.Do("PATCH", one, object{"status": "draft"}).WantProblem(t, 404, "not_found")
		})
	}
	for action, want := range map[string]int{"portfolio.created": 12, "portfolio.updated": 4, "portfolio.deleted": 4, "portfolio.reordered": 4} {
		if got := rm.audited(t, action); got != want {
			t.Errorf("%s was audited %d times, want %d", action, got, want)
		}
	}
}

func TestWrites_NeedPortfolioWrite(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.User(t, "member@example.com", "member")
	member := rm.SignIn(t, "member@example.com")
	id := uuid.NewString()
	for _, row := range [][2]string{
		{"POST", "/portfolio/projects"}, {"PATCH", "/portfolio/projects/x"}, {"DELETE", "/portfolio/projects/x"}, {"PUT", "/portfolio/skills/order"},
		{"PUT", "/portfolio/profile"}, {"PUT", "/portfolio/resume.json"}, {"POST", "/portfolio/projects/x/preview"},
		{"GET", "/portfolio/contact"}, {"PATCH", "/portfolio/contact/" + id}, {"DELETE", "/portfolio/contact/" + id},
	} {
		rm.Client(t).Do(row[0], row[1], nil).WantProblem(t, 401, "unauthenticated")
		member.Do(row[0], row[1], nil).WantProblem(t, 403, "forbidden")
	}
}

func TestWrites_BadFieldsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	rm := start(t)
	p := rm.owner.Do("POST", "/portfolio/projects", object{
		"title": " ", "slug": "No Slug", "summary": strings.Repeat("x", 4001), "tags": []string{"a", "a", "b\nc"},
		"links": []object{{"label": "", "url": "javascript:alert(1)"}}, "started_on": "2024-13", "ended_on": "yesterday", "status": "secret", "position": -1,
	}).WantProblem(t, 422, "validation_failed")
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Pointer)
	}
	for _, want := range []string{"#/title", "#/slug", "#/summary", "#/tags/1", "#/tags/2", "#/links/0/label", "#/links/0/url", "#/started_on", "#/ended_on", "#/status", "#/position"} {
		if !strings.Contains(strings.Join(got, " ")+" ", want+" ") {
			t.Errorf("%s is not named in %v", want, got)
		}
	}
	for _, body := range []object{
		{"title": "x", "started_on": "204"}, {"title": "x", "started_on": "2024-02-30"}, {"title": "x", "started_on": "2024-05", "ended_on": "2024-04-30"},
		{"title": "x", "slug": "0198c0de-0000-7000-8000-000000000001"}, {"title": nil}, {"title": "x", "tags": nil},
	} {
		rm.owner.Do("POST", "/portfolio/projects", body).WantProblem(t, 422, "validation_failed")
	}
	rm.owner.Do("POST", "/portfolio/projects", object{"title": "x", "started_on": nil, "ended_on": "2024-05"}).Want(t, 201)
	rm.owner.Do("POST", "/portfolio/projects", object{"title": "x", "id": uuid.New()}).WantProblem(t, 400, "unknown_field")
	rm.owner.Do("PUT", "/portfolio/profile", object{"name": "a\nb", "email": "no address"}).WantProblem(t, 422, "validation_failed")
}

func TestPatch_ListsAreReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "links": []object{{"label": "Old", "url": "https://old.example"}, {"label": "B", "url": "https://b.example"}}, "summary": "kept"})
	var e struct {
		Summary string
		Links   []portfolio.Link
	}
	// A link without a label must not inherit the old one's.
	rm.owner.Do("PATCH", "/portfolio/projects/a", object{"links": []object{{"url": "https://new.example"}}}).WantProblem(t, 422, "validation_failed")
	rm.owner.Do("PATCH", "/portfolio/projects/a", object{"links": []object{{"label": "New", "url": "https://new.example"}}}).Want(t, 200).JSON(t, &e)
	if len(e.Links) != 1 || e.Links[0].Label != "New" || e.Summary != "kept" {
		t.Errorf("got %+v", e)
	}
}

func TestIfMatch_AStaleWriterIsRefused(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A"})
	for _, row := range []struct{ method, path string }{{"PATCH", "/portfolio/projects/a"}, {"PUT", "/portfolio/profile"}} {
		read := rm.owner.Do("GET", row.path, nil).Want(t, 200)
		tag := httpxtest.WithHeader("If-Match", read.Header.Get("ETag"))
		body := object{"summary": "1"}
		if row.method == "PUT" {
			body = object{"name": "N"}
		}
		rm.owner.Do(row.method, row.path, body, tag).Want(t, 200)
		rm.owner.Do(row.method, row.path, body, tag).WantProblem(t, 412, "precondition_failed")
		rm.owner.Do(row.method, row.path, body, httpxtest.WithHeader("If-Match", "*")).Want(t, 200)
		rm.owner.Do(row.method, row.path, body).Want(t, 200)
	}
	rm.owner.Do("DELETE", "/portfolio/projects/a", nil, httpxtest.WithHeader("If-Match", `"r0"`)).WantProblem(t, 412, "precondition_failed")
}

func TestSlugs_AreUniqueAndOldOnesStillArrive(t *testing.T) {
	t.Parallel()
	rm := start(t)
	if e := rm.add(t, "projects", object{"title": "Größe & Go!", "status": "published"}); e["slug"] != "gr-e-go" {
		t.Errorf("the slug made is %v", e["slug"])
	}
	if e := rm.add(t, "projects", object{"title": "Größe & Go"}); e["slug"] != "gr-e-go-2" {
		t.Errorf("the second slug made is %v", e["slug"])
	}
	if e := rm.add(t, "projects", object{"title": "日本"}); e["slug"] != "project" {
		t.Errorf("the slug of other letters is %v", e["slug"])
	}
	rm.owner.Do("PATCH", "/portfolio/projects/gr-e-go", object{"slug": "size"}).Want(t, 200)
	rm.owner.Do("POST", "/portfolio/projects", object{"title": "x", "slug": "gr-e-go"}).WantProblem(t, 409, "slug_taken")
	rm.owner.Do("PATCH", "/portfolio/projects/project", object{"slug": "size"}).WantProblem(t, 409, "slug_taken")
	for _, c := range []*httpxtest.Client{rm.Client(t), rm.owner} {
		a := c.Do("GET", "/portfolio/projects/gr-e-go", nil).Want(t, 308)
		if got := a.Header.Get("Location"); got != "/api/v1/portfolio/projects/size" {
			t.Errorf("the old slug leads to %q", got)
		}
	}
	rm.owner.Do("PATCH", "/portfolio/projects/gr-e-go", object{"slug": "gr-e-go"}).Want(t, 200) // by the old one, and back to it
	rm.Client(t).Do("GET", "/portfolio/projects/gr-e-go", nil).Want(t, 200)
	rm.Client(t).Do("GET", "/portfolio/projects/size", nil).Want(t, 308)
	rm.owner.Do("DELETE", "/portfolio/projects/gr-e-go", nil).Want(t, 204)
	rm.Client(t).Do("GET", "/portfolio/projects/size", nil).WantProblem(t, 404, "not_found")
	rm.add(t, "projects", object{"title": "x", "slug": "size"})
}

func TestReads_AreNotRepeatedToWhoHasThem(t *testing.T) {
	t.Parallel()
	rm := start(t)
	paths := []string{"/portfolio/profile", "/portfolio/resume.json"}
	for kind, fields := range map[string]object{
		"projects": {"title": "One"}, "skills": {"name": "Go"}, "experience": {"organization": "One"}, "education": {"institution": "One"},
	} {
		fields["status"] = "published"
		paths = append(paths, "/portfolio/"+kind, "/portfolio/"+kind+"/"+rm.add(t, kind, fields)["id"].(string))
	}
	for _, path := range paths {
		a := rm.Client(t).Do("GET", path, nil).Want(t, 200)
		rm.Client(t).Do("GET", path, nil, httpxtest.WithHeader("If-None-Match", a.Header.Get("ETag"))).Want(t, 304)
	}
}

func TestProjects_AreFilteredByTagAndFeatured(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "status": "published", "tags": []string{"go", "web"}, "featured": true})
	rm.add(t, "projects", object{"title": "B", "status": "published", "tags": []string{"web"}})
	c := rm.Client(t)
	for query, want := range map[string]string{"": "A B", "?tag=web": "A B", "?tag=go": "A", "?tag=x": "", "?featured=true": "A", "?featured=false&tag=web": "B"} {
		if got := names(t, c, "/portfolio/projects"+query, "title"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	c.Do("GET", "/portfolio/projects?featured=1", nil).WantProblem(t, 400, "invalid_parameter")
	c.Do("GET", "/portfolio/skills?tag=x", nil).WantProblem(t, 400, "unknown_parameter")
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	c.Do("GET", "/portfolio/projects?limit=1", nil).Want(t, 200).JSON(t, &page)
	c.Do("GET", "/portfolio/projects?tag=web&cursor="+page.NextCursor, nil).WantProblem(t, 400, "invalid_cursor")
}

func TestDrafts_AreSeenByWritersAndThroughALinkOnly(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.User(t, "member@example.com", "member")
	project := rm.add(t, "projects", object{"title": "Secret"})
	rm.add(t, "experience", object{"organization": "Hidden"})
	for _, c := range []*httpxtest.Client{rm.Client(t), rm.SignIn(t, "member@example.com")} {
		if got := names(t, c, "/portfolio/projects", "title") + names(t, c, "/portfolio/experience", "organization"); got != "" {
			t.Errorf("strangers see %q", got)
		}
		c.Do("GET", "/portfolio/projects/secret", nil).WantProblem(t, 404, "not_found")
		c.Do("GET", "/portfolio/projects/"+project["id"].(string), nil).WantProblem(t, 404, "not_found")
		if a := c.Do("GET", "/portfolio/resume.json", nil).Want(t, 200); bytes.Contains(a.Body, []byte("Hidden")) || bytes.Contains(a.Body, []byte("Secret")) {
			t.Errorf("the resume tells %s", a.Body)
		}
	}
	a := rm.owner.Do("GET", "/portfolio/projects", nil).Want(t, 200)
	if !bytes.Contains(a.Body, []byte("Secret")) || a.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("a writer reads %s with %q", a.Body, a.Header.Get("Cache-Control"))
	}
	var link portfolio.Preview
	rm.owner.Do("POST", "/portfolio/projects/secret/preview", nil).Want(t, 201).JSON(t, &link)
	seen := rm.Client(t).DoAt("GET", link.Path, nil).Want(t, 200)
	if !bytes.Contains(seen.Body, []byte("Secret")) || seen.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("the link shows %s with %q", seen.Body, seen.Header.Get("Cache-Control"))
	}
	rm.Client(t).DoAt("GET", link.Path, nil, httpxtest.WithHeader("If-None-Match", seen.Header.Get("ETag"))).Want(t, 304)
	if left := time.Until(link.ExpiresAt); left < 6*24*time.Hour || left > 7*24*time.Hour {
		t.Errorf("the link lives for %v", left)
	}
	rm.Client(t).DoAt("GET", link.Path+"A", nil).WantProblem(t, 404, "not_found")
	rm.Client(t).Do("GET", "/portfolio/previews/nothing", nil).WantProblem(t, 404, "not_found")
	// A token for another purpose is none here.
	var form portfolio.Challenge
	rm.Client(t).Do("GET", "/portfolio/contact/challenge", nil).Want(t, 200).JSON(t, &form)
	rm.Client(t).Do("GET", "/portfolio/previews/"+form.Token, nil).WantProblem(t, 404, "not_found")
	// Neither does one that has expired, or that a clock has signed which was set back since.
	for _, away := range []time.Duration{-time.Second, 8 * 24 * time.Hour} {
		token := rm.p.PreviewOf(uuid.MustParse(project["id"].(string)), time.Now().Add(away))
		rm.Client(t).Do("GET", "/portfolio/previews/"+token, nil).WantProblem(t, 404, "not_found")
	}
	if n := rm.audited(t, "portfolio.preview"); n != 1 {
		t.Errorf("%d links were audited, want 1", n)
	}
}

// photo is a JPEG of that width, with an Exif block that says where it was
// taken.
func photo(t testing.TB, width int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, 10)), nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x00 GPS 46.9480 N 7.4474 E"
	return slices.Concat(b.Bytes()[:2], []byte{0xFF, 0xE1, 0, byte(len(exif) + 2)}, []byte(exif), b.Bytes()[2:])
}

// upload stores a file as c and returns its id.
func upload(t testing.TB, c *httpxtest.Client, name string, body []byte) (id string) {
	t.Helper()
	var it struct{ ID string }
	if err := json.Unmarshal(c.Do("PUT", "/files/content/images/"+name, body).Body, &it); err != nil || it.ID == "" {
		t.Fatalf("%s was not stored: %v", name, err)
	}
	return it.ID
}

func TestImages_OnlyWhatPublishedContentNames(t *testing.T) {
	t.Parallel()
	rm := start(t)
	picture, text := upload(t, rm.owner, "a.jpg", photo(t, 3000)), upload(t, rm.owner, "a.png", []byte("no picture"))
	c, path := rm.Client(t), "/portfolio/images/"+picture
	c.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	rm.add(t, "projects", object{"title": "A", "image_ids": []string{picture, text}})
	c.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	rm.owner.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	rm.owner.Do("PATCH", "/portfolio/projects/a", object{"status": "published"}).Want(t, 200)
	a := c.Do("GET", path, nil).Want(t, 200)
	if a.Header.Get("Content-Type") != "image/jpeg" || a.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" ||
		!strings.HasPrefix(a.Header.Get("Cache-Control"), "public, max-age=60") {
		t.Errorf("got %v", a.Header)
	}
	for asked, want := range map[string]int{"": 1024, "?size=1": 64, "?size=256": 256, "?size=257": 512, "?size=4000": 2048} {
		a := c.Do("GET", path+asked, nil).Want(t, 200)
		if m, err := jpeg.DecodeConfig(bytes.NewReader(a.Body)); err != nil || m.Width != want {
			t.Errorf("size %s gives %d: %v", asked, m.Width, err)
		}
	}
	c.Do("GET", path+"?size=big", nil).WantProblem(t, 400, "invalid_parameter")
	if tag := a.Header.Get("ETag"); len(c.Do("GET", path, nil, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 304).Body) > 0 || tag[0] != '"' {
		t.Errorf("got ETag %s", tag)
	}
	c.Do("HEAD", path, nil).Want(t, 200)
	if got := rm.owner.Do("GET", path, nil).Want(t, 200).Header.Get("Cache-Control"); !strings.HasPrefix(got, "private") {
		t.Errorf("with credentials: got Cache-Control %s", got)
	}
	c.Do("GET", "/portfolio/images/"+text, nil).WantProblem(t, 404, "not_found")
	rm.owner.Do("PATCH", "/portfolio/projects/a", object{"status": "draft"}).Want(t, 200)
	c.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	rm.owner.Do("PUT", "/portfolio/profile", object{"image_id": picture}).Want(t, 200)
	c.Do("GET", path, nil).Want(t, 200)
	rm.owner.Do("DELETE", "/files/items/"+picture, nil).Want(t, 204)
	c.Do("GET", path, nil).WantProblem(t, 404, "not_found")
}

func TestImages_CarryNoMetadataAndLeaveTheOriginalAsItIs(t *testing.T) {
	t.Parallel()
	rm := start(t)
	original := photo(t, 100)
	picture := upload(t, rm.owner, "a.jpg", original)
	rm.owner.Do("PUT", "/portfolio/profile", object{"image_id": picture}).Want(t, 200)
	// Smaller than any size: even then it is not the original.
	shown := rm.Client(t).Do("GET", "/portfolio/images/"+picture+"?size=2048", nil).Want(t, 200)
	for _, secret := range []string{"Exif", "GPS", "46.9480", "a.jpg"} {
		if bytes.Contains(shown.Body, []byte(secret)) || strings.Contains(shown.Header.Get("Content-Disposition"), secret) {
			t.Errorf("%s came out", secret)
		}
	}
	at := "/files/items/" + picture + "/content"
	if got := rm.owner.Do("GET", at, nil).Want(t, 200).Body; !bytes.Equal(got, original) {
		t.Error("the original was changed")
	}
	rm.Client(t).Do("GET", at, nil).WantProblem(t, 401, "unauthenticated")
}

func TestImages_NobodyPublishesAnothersFile(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.User(t, "ann@example.com", "admin")
	ann := rm.SignIn(t, "ann@example.com")
	hers := upload(t, ann, "a.jpg", photo(t, 100))
	for _, id := range []string{hers, uuid.NewString()} {
		rm.owner.Do("POST", "/portfolio/projects", object{"title": "A", "image_ids": []string{id}}).WantProblem(t, 422, "validation_failed")
		rm.owner.Do("PUT", "/portfolio/profile", object{"image_id": id}).WantProblem(t, 422, "validation_failed")
	}
	// What she has named herself, another writer may leave in place.
	ann.Do("POST", "/portfolio/projects", object{"title": "B", "status": "published", "image_ids": []string{hers}}).Want(t, 201)
	rm.owner.Do("PATCH", "/portfolio/projects/b", object{"summary": "s", "image_ids": []string{hers}}).Want(t, 200)
	rm.owner.Do("PATCH", "/portfolio/projects/b", object{"image_ids": []string{}}).Want(t, 200)
	rm.owner.Do("PATCH", "/portfolio/projects/b", object{"image_ids": []string{hers}}).WantProblem(t, 422, "validation_failed")
}

func TestCollections_AreBounded(t *testing.T) {
	t.Parallel()
	rm := start(t)
	for range 200 {
		rm.add(t, "skills", object{"name": "s"})
	}
	rm.owner.Do("POST", "/portfolio/skills", object{"name": "s"}).WantProblem(t, 409, "collection_full")
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"skills": []object{{"name": "one more"}}}).WantProblem(t, 409, "collection_full")
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"work": make([]object, 201)}).WantProblem(t, 422, "validation_failed")
	// Of what has no room no more is read than tells so.
	words := func(n int) []string { return slices.Repeat([]string{"\t"}, n) }
	rm.owner.Do("PUT", "/portfolio/resume.json", object{"skills": []object{{"keywords": words(200)}, {"keywords": words(200)}}}).WantProblem(t, 409, "collection_full")
	p := rm.owner.Do("PUT", "/portfolio/resume.json", object{"projects": []object{{"name": "p", "highlights": words(201)}}}).WantProblem(t, 422, "validation_failed")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "#/projects/0/highlights" || p.Errors[0].Code != "too_many" {
		t.Errorf("%+v", p.Errors)
	}
}

func TestProjects_HaveHadAHundredSlugsAtMost(t *testing.T) {
	t.Parallel()
	rm := start(t)
	made := rm.add(t, "projects", object{"title": "P", "slug": "first"})
	if _, err := rm.DB.Exec(t.Context(), `INSERT INTO portfolio_slugs (slug, project_id) SELECT 'old-' || n, id FROM portfolio_entries, generate_series(1, 98) AS n`); err != nil {
		t.Fatal(err)
	}
	path := "/portfolio/projects/" + made["id"].(string)
	rm.owner.Do("PATCH", path, object{"slug": "last"}).Want(t, 200)
	rm.owner.Do("PATCH", path, object{"slug": "one-more"}).WantProblem(t, 409, "too_many_slugs")
	rm.owner.Do("PATCH", path, object{"slug": ""}).WantProblem(t, 409, "too_many_slugs")
	rm.owner.Do("PATCH", path, object{"slug": "first"}).Want(t, 200)
	rm.owner.Do("PATCH", path, object{"slug": "first", "summary": "s"}).Want(t, 200)
}
