package files_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"homebase/files"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

var makeRoles = flag.Bool("make", false, "write testdata/roles.txt anew")

// scene is a space with what a route needs to be asked for.
type scene struct {
	*team
	testing.TB
	who    *httpxtest.Client // who asks
	made   int
	file   string // an item of the space
	folder string
	reader *httpxtest.Client // with whom the folder is shared by name
	writer *httpxtest.Client
	spare  string // a user who is no member
	shares map[string]string
}

// fresh is a new file in the space, which may go.
func (s *scene) fresh() string {
	s.made++
	return decode[item](s.TB, s.manager.Do("PUT", s.in(fmt.Sprintf("/files/content/folder/fresh-%d.txt", s.made)), "fresh").Want(s.TB, 201)).ID
}

// replaced is a new file with a version.
func (s *scene) replaced() string {
	id := s.fresh()
	s.manager.Do("PUT", "/files/items/"+id+"/content", "other").Want(s.TB, 200)
	return id
}

func (s *scene) trashed() string {
	id := s.fresh()
	s.manager.Do("DELETE", "/files/items/"+id, nil).Want(s.TB, 204)
	return id
}

// upload is one that the caller has begun, or the manager where they may not.
func (s *scene) upload() string {
	s.made++
	for _, c := range []*httpxtest.Client{s.who, s.manager} {
		a := tus(c, "POST", "/files/uploads", nil, "Upload-Length", "1", "Upload-Metadata", metadata("filename", fmt.Sprintf("up-%d", s.made), "space", s.ID))
		if a.Status == 201 {
			return strings.TrimPrefix(a.Header.Get("Location"), httpx.Prefix)
		}
	}
	s.Fatal("nobody may begin an upload")
	return ""
}

func (s *scene) share() string {
	return decode[struct{ ID string }](s.TB, s.manager.Do("POST", "/files/shares", map[string]string{"item_id": s.file}).Want(s.TB, 201)).ID
}

// another is a space with the same people, which may go.
func (s *scene) another() string {
	id := decode[space](s.TB, s.admin.Do("POST", "/files/spaces", map[string]any{"name": "another"}).Want(s.TB, 201)).ID
	for _, role := range []string{"viewer", "editor", "manager"} {
		s.admin.Do("PUT", "/files/spaces/"+id+"/members/"+s.ids[role], map[string]string{"role": role}).Want(s.TB, 200)
	}
	return id
}

// question is a request for a route.
type question struct {
	path   string
	body   any
	header []string
	method string // "": the route's
}

// questions has one for every route of files: what is asked of the space.
var questions = map[string]func(s *scene) question{
	"GET /files/items/{id}": func(s *scene) question { return question{path: "/files/items/" + s.file} },
	"PATCH /files/items/{id}": func(s *scene) question {
		return question{path: "/files/items/" + s.fresh(), body: map[string]string{"name": fmt.Sprint("moved-", s.made)}}
	},
	"DELETE /files/items/{id}":       func(s *scene) question { return question{path: "/files/items/" + s.fresh()} },
	"GET /files/items/{id}/children": func(s *scene) question { return question{path: "/files/items/" + s.folder + "/children"} },
	"GET /files/items/{id}/content":  func(s *scene) question { return question{path: "/files/items/" + s.file + "/content"} },
	"PUT /files/items/{id}/content": func(s *scene) question {
		return question{path: "/files/items/" + s.fresh() + "/content", body: "other"}
	},
	"GET /files/items/{id}/thumbnail":                    func(s *scene) question { return question{path: "/files/items/" + s.file + "/thumbnail"} },
	"GET /files/items/{id}/versions":                     func(s *scene) question { return question{path: "/files/items/" + s.file + "/versions"} },
	"GET /files/items/{id}/versions/{revision}/content":  func(s *scene) question { return question{path: "/files/items/" + s.replaced() + "/versions/1/content"} },
	"POST /files/items/{id}/versions/{revision}/restore": func(s *scene) question { return question{path: "/files/items/" + s.replaced() + "/versions/1/restore"} },
	"DELETE /files/items/{id}/versions/{revision}":       func(s *scene) question { return question{path: "/files/items/" + s.replaced() + "/versions/1"} },
	"GET /files/items/{id}/archive":                      func(s *scene) question { return question{path: "/files/items/" + s.folder + "/archive"} },
	"POST /files/items/{id}/copy": func(s *scene) question {
		return question{path: "/files/items/" + s.file + "/copy", body: map[string]string{"parent_id": s.folder}}
	},
	"POST /files/archive": func(s *scene) question {
		return question{path: "/files/archive", body: map[string]any{"ids": []string{s.file}}}
	},
	"POST /files/batch": func(s *scene) question {
		return question{path: "/files/batch", body: map[string]any{"operations": []map[string]string{{"op": "copy", "id": s.file}, {"op": "move", "id": s.fresh(), "parent_id": s.folder}, {"op": "trash", "id": s.fresh()}}}}
	},
	"GET /files/lookup": func(s *scene) question { return question{path: s.in("/files/lookup?path=/folder")} },
	"POST /files/folders": func(s *scene) question {
		s.made++
		return question{path: s.in("/files/folders"), body: map[string]string{"path": fmt.Sprint("/new-", s.made)}}
	},
	"GET /files/search":            func(s *scene) question { return question{path: s.in("/files/search?q=folder")} },
	"GET /files/content/{path...}": func(s *scene) question { return question{path: s.in("/files/content/folder/dot.png")} },
	"PUT /files/content/{path...}": func(s *scene) question {
		s.made++
		return question{path: s.in(fmt.Sprintf("/files/content/put-%d", s.made)), body: "x"}
	},
	"GET /files/trash":               func(s *scene) question { return question{path: s.in("/files/trash")} },
	"DELETE /files/trash":            func(s *scene) question { return question{path: s.in("/files/trash")} },
	"POST /files/trash/{id}/restore": func(s *scene) question { return question{path: "/files/trash/" + s.trashed() + "/restore"} },
	"DELETE /files/trash/{id}":       func(s *scene) question { return question{path: "/files/trash/" + s.trashed()} },
	"GET /files/usage":               func(s *scene) question { return question{path: s.in("/files/usage")} },
	"POST /files/scan": func(s *scene) question {
		return question{path: "/files/scan", body: map[string]string{"item_id": s.folder}}
	},
	"GET /files/changes":  func(s *scene) question { return question{path: s.in("/files/changes?cursor=now")} },
	"GET /files/events":   func(s *scene) question { return question{path: s.in("/files/events"), method: "HEAD"} }, // else it is endless
	"GET /system/storage": func(s *scene) question { return question{path: "/system/storage"} },

	"OPTIONS /files/uploads": func(s *scene) question { return question{path: "/files/uploads"} },
	"POST /files/uploads": func(s *scene) question {
		s.made++
		return question{path: "/files/uploads", header: []string{"Upload-Length", "1", "Upload-Metadata", metadata("filename", fmt.Sprint("tus-", s.made), "space", s.ID)}}
	},
	"HEAD /files/uploads/{id}": func(s *scene) question { return question{path: s.upload()} },
	"GET /files/uploads/{id}":  func(s *scene) question { return question{path: s.upload()} },
	"PATCH /files/uploads/{id}": func(s *scene) question {
		return question{path: s.upload(), body: "x", header: []string{"Upload-Offset", "0", "Content-Type", offsetType}}
	},
	"DELETE /files/uploads/{id}": func(s *scene) question { return question{path: s.upload()} },

	"GET /files/people":         func(s *scene) question { return question{path: "/files/people?email=Spare@example.com"} },
	"GET /files/shared-with-me": func(s *scene) question { return question{path: "/files/shared-with-me"} },
	"GET /files/shares":         func(s *scene) question { return question{path: s.in("/files/shares")} },
	"POST /files/shares": func(s *scene) question {
		return question{path: "/files/shares", body: map[string]string{"item_id": s.file}}
	},
	"PATCH /files/shares/{id}": func(s *scene) question {
		return question{path: "/files/shares/" + s.share(), body: map[string]any{"expires_at": nil}}
	},
	"DELETE /files/shares/{id}": func(s *scene) question { return question{path: "/files/shares/" + s.share()} },

	"GET /files/shared/{token}": func(s *scene) question { return question{path: "/files/shared/" + s.shares["read"]} },
	"POST /files/shared/{token}/unlock": func(s *scene) question {
		return question{path: "/files/shared/" + s.shares["read"] + "/unlock", body: map[string]string{"password": "", "mode": "token"}}
	},
	"GET /files/shared/{token}/children": func(s *scene) question { return question{path: "/files/shared/" + s.shares["read"] + "/children"} },
	"GET /files/shared/{token}/content": func(s *scene) question {
		return question{path: "/files/shared/" + s.shares["read"] + "/content?item_id=" + s.file}
	},
	"GET /files/shared/{token}/archive": func(s *scene) question { return question{path: "/files/shared/" + s.shares["read"] + "/archive"} },
	"PUT /files/shared/{token}/drop/{name}": func(s *scene) question {
		return question{path: "/files/shared/" + s.shares["drop"] + "/drop/x", body: "x"}
	},

	"GET /files/spaces": func(s *scene) question { return question{path: "/files/spaces"} },
	"POST /files/spaces": func(s *scene) question {
		return question{path: "/files/spaces", body: map[string]string{"name": "mine"}}
	},
	"GET /files/spaces/{id}": func(s *scene) question { return question{path: "/files/spaces/" + s.ID} },
	"PATCH /files/spaces/{id}": func(s *scene) question {
		return question{path: "/files/spaces/" + s.ID, body: map[string]string{"name": "ours"}}
	},
	"DELETE /files/spaces/{id}":      func(s *scene) question { return question{path: "/files/spaces/" + s.another()} },
	"GET /files/spaces/{id}/members": func(s *scene) question { return question{path: "/files/spaces/" + s.ID + "/members"} },
	"PUT /files/spaces/{id}/members/{user_id}": func(s *scene) question {
		return question{path: "/files/spaces/" + s.ID + "/members/" + s.spare, body: map[string]string{"role": "viewer"}}
	},
	"DELETE /files/spaces/{id}/members/{user_id}": func(s *scene) question {
		s.admin.Do("PUT", "/files/spaces/"+s.ID+"/members/"+s.spare, map[string]string{"role": "viewer"}).Want(s.TB, 200)
		return question{path: "/files/spaces/" + s.ID + "/members/" + s.spare}
	},
}

// Every route is asked by everybody for what is in one space. The answers are in
// testdata/roles.txt: who changes a line there changes who may do what.
func TestAccess_EveryRouteForEveryRole(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	little := decode[struct{ Key string }](t, s.manager.Do("POST", "/auth/keys", map[string]any{"name": "little", "permissions": []string{"files:read"}}).Want(t, 201))
	people := []struct {
		name string
		*httpxtest.Client
	}{{"viewer", s.viewer}, {"editor", s.editor}, {"manager", s.manager}, {"reader", s.reader}, {"writer", s.writer}, {"stranger", s.stranger}, {"key", s.Client(t).As(little.Key)}, {"guest", s.Client(t)}}
	var got strings.Builder
	fmt.Fprintf(&got, "%-52s", "")
	for _, p := range people {
		fmt.Fprintf(&got, " %-11s", p.name)
	}
	routes := httpx.Whole(s.files.Routes())
	slices.SortFunc(routes, func(a, b httpx.Route) int { return strings.Compare(byPath(a.Pattern), byPath(b.Pattern)) })
	for _, rt := range routes {
		ask := questions[rt.Pattern]
		if ask == nil {
			t.Errorf("nobody asks for %s", rt.Pattern)
			continue
		}
		fmt.Fprintf(&got, "\n%-52s", rt.Pattern)
		for _, p := range people {
			s.who = p.Client
			fmt.Fprintf(&got, " %-11s", s.ask(rt.Pattern, ask(s)))
		}
	}
	lines := strings.Split(got.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	const golden = "testdata/roles.txt"
	text := strings.Join(lines, "\n") + "\n"
	if *makeRoles {
		if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(want), "\n") {
		if now := slices.Concat(lines, []string{""}); i >= len(now) || now[i] != line {
			t.Errorf("%s\n\tis not %s (go test ./files -run TestAccess -make)", append(now, "")[min(i, len(now))], line)
		}
	}
}

func newScene(t testing.TB) *scene {
	s := &scene{team: newTeam(t, start(t, func(c *files.Config) { c.VersionRetention = 24 * time.Hour })), TB: t, shares: map[string]string{}}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	s.manager.Do("PUT", s.in("/files/content/folder/dot.png?parents=true"), "no picture yet").Want(t, 201)
	it := decode[item](t, s.manager.Do("PUT", s.in("/files/content/folder/dot.png"), picture.Bytes()).Want(t, 200))
	s.file, s.folder = it.ID, *it.ParentID
	_, s.spare = s.house.member(t, "spare@example.com")
	for role, c := range map[string]**httpxtest.Client{"viewer": &s.reader, "editor": &s.writer} {
		var id string
		*c, id = s.house.member(t, "by-name-"+role+"@example.com")
		s.manager.Do("POST", "/files/shares", map[string]string{"item_id": s.folder, "user_id": id, "role": role}).Want(t, 201)
	}
	for _, mode := range []string{"read", "drop"} {
		made := s.manager.Do("POST", "/files/shares", map[string]string{"item_id": s.folder, "mode": mode}).Want(t, 201)
		s.shares[mode] = decode[struct{ Token string }](t, made).Token
	}
	return s
}

// byPath sorts a pattern by its path.
func byPath(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return path + " " + method
}

// ask is the status of the answer, of a batch those of its results.
func (s *scene) ask(pattern string, q question) string {
	method, _, _ := strings.Cut(pattern, " ")
	if q.method != "" {
		method = q.method
	}
	if strings.Contains(pattern, "/files/uploads") && method != "OPTIONS" {
		q.header = append(q.header, "Tus-Resumable", "1.0.0")
	}
	var opts []httpxtest.Option
	for i := 0; i < len(q.header); i += 2 {
		opts = append(opts, httpxtest.WithHeader(q.header[i], q.header[i+1]))
	}
	a := s.who.Do(method, q.path, q.body, opts...)
	status := fmt.Sprint(a.Status)
	var batch struct{ Results []struct{ Status int } }
	if pattern == "POST /files/batch" && a.Status == 200 && json.Unmarshal(a.Body, &batch) == nil {
		status = ""
		for _, r := range batch.Results {
			status += fmt.Sprint(r.Status, ",")
		}
		status = strings.TrimSuffix(status, ",")
	}
	return status
}
