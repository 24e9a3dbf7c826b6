package contract_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homebase/cli"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/platform"

	"github.com/google/uuid"
)

const golden = "testdata/openapi.json"

// table is that of all routes.
func table(t *testing.T) []httpx.Route {
	t.Helper()
	return wired(t).Routes()
}

// The document is kept beside the code so that a change of the contract is a
// change that somebody reads.
func TestContract_IsWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got, log bytes.Buffer
	if err := platform.Run(t.Context(), &cli.Shell{Stdout: &got, Stderr: &log}, build(t), nil, []string{"openapi"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the contract changed; if it only grew: bin/homebase openapi > e2e/contract/%s, and commit it with the change", golden)
	}
}

func TestContract_ExamplesAreWhatTheServerTakesAndSays(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	httpxtest.CheckExamples(t, document, table(t))
}

// A client that knows a code knows what happened: no two problems share one.
// The two about codes are 401 where somebody signs in, and 403 for who is
// signed in: 401 would say there that the session has ended.
func TestContract_OneCodeIsOneProblem(t *testing.T) {
	t.Parallel()
	kinds := map[string]map[string]bool{}
	for _, route := range table(t) {
		for _, p := range slices.Concat(route.Problems, httpx.ImpliedProblems(&route)) {
			if kinds[p.Code] == nil {
				kinds[p.Code] = map[string]bool{}
			}
			kinds[p.Code][fmt.Sprint(p.Status, " ", p.Title)] = true
		}
	}
	for code, kind := range kinds {
		if want := map[string]int{"totp_required": 2, "wrong_code": 2}[code]; len(kind) != max(want, 1) {
			t.Errorf("%s is all of %v", code, slices.Sorted(maps.Keys(kind)))
		}
	}
}

// TestContract_EveryAnswerWasSeen judges a whole run of all tests, which
// `make test` gives it in HOMEBASE_TEST_JUDGE: a documented answer that no
// test ever got is either not tested or not true. By itself it only sees that
// an answer which is missing would be missed.
func TestContract_EveryAnswerWasSeen(t *testing.T) {
	t.Parallel()
	routes := table(t)
	if missing := httpxtest.Unseen(routes, ""); len(missing) < len(routes) {
		t.Fatalf("of %d routes that nobody called only %d answers are missed", len(routes), len(missing))
	}
	path := os.Getenv("HOMEBASE_TEST_JUDGE")
	if path == "" {
		return
	}
	lines, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range httpxtest.Unseen(routes, string(lines)) {
		if _, elsewhere := seenElsewhere[line]; !elsewhere {
			t.Errorf("no test got %s", line)
		}
	}
}

// TestContract_EveryRouteRefusesWhatItsTableForbids asks each route for what
// its line alone decides, in the order of a request: the path, the caller, the
// permission, the query, the length, the media type, the form of the body, and
// then whether there is such a thing.
func TestContract_EveryRouteRefusesWhatItsTableForbids(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_REGISTRATION=open", "HOMEBASE_ORIGINS=https://home.example.com", "HOMEBASE_PUBLIC_URL=https://home.example.com", "HOMEBASE_PASSKEY_DOMAIN=example.com",
		"HOMEBASE_SMTP_URL=smtp://127.0.0.1:1", "HOMEBASE_MAIL_FROM=homebase@example.com")
	admin := s.signIn(t, "operator@example.com")
	browser := s.Client(t).KeepCookies()
	sameSite := httpxtest.WithHeader("Sec-Fetch-Site", "same-origin")
	browser.Do("POST", "/auth/login", map[string]string{"email": "operator@example.com", "password": password}, sameSite)
	keys := map[string]*httpxtest.Client{}
	for _, permission := range []string{"audit:read", "files:read"} {
		var made struct{ Key string }
		admin.Do("POST", "/auth/keys", map[string]any{"name": "little", "permissions": []string{permission}}).Want(t, 201).JSON(t, &made)
		keys[permission] = s.Client(t).As(made.Key)
	}
	var shared struct{ Token string }
	var folder struct{ ID string }
	admin.Do("POST", "/files/folders", map[string]any{"path": "/dropped"}).Want(t, 201).JSON(t, &folder)
	admin.Do("POST", "/files/shares", map[string]any{"item_id": folder.ID, "mode": "drop"}).Want(t, 201).JSON(t, &shared)
	examples := readDocument(t, golden)
	as := func(mediaType string) httpxtest.Option { return httpxtest.WithHeader("Content-Type", mediaType) }
	tus, home := httpxtest.WithHeader("Tus-Resumable", "1.0.0"), httpxtest.WithHeader("Origin", "https://home.example.com")
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	for _, rt := range table(t) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		path := parameter.ReplaceAllString(pattern, uuid.NewString())
		problem := func(a *httpxtest.Answer, status int, code string) {
			if a.Status != status || method != http.MethodHead && !strings.Contains(string(a.Body), `"`+code+`"`) {
				t.Errorf("%s: got %d, want %d %s: %s", rt.Pattern, a.Status, status, code, a.Body)
			}
		}
		documents := func(status int) bool {
			return slices.ContainsFunc(slices.Concat(rt.Problems, httpx.ImpliedProblems(&rt)), func(p *httpx.Problem) bool { return p.Status == status && p.Code != "untrusted_peer" })
		}
		if rt.Forgiving {
			continue // its form is never refused
		}
		if !rt.Lenient {
			problem(admin.Do(method, path+"?no_such=1", nil), 400, "unknown_parameter")
		}
		if access := rt.Access.String(); !strings.HasPrefix(access, "public") || strings.Contains(access, "recognised") {
			problem(s.Client(t).As("nobody").Do(method, path, nil), 401, "unauthenticated")
		}
		switch other := "audit:read"; {
		case rt.Access.String() == "signed in or key":
		case !strings.HasPrefix(rt.Access.String(), "public"):
			if strings.HasPrefix(rt.Access.String(), other) {
				other = "files:read"
			}
			problem(keys[other].Do(method, path, nil), 403, "forbidden")
		case documents(403) && (rt.Cookies || rt.Access != httpx.Public()):
			problem(browser.Do(method, path, nil), 403, "origin_required")
		}
		if rt.Body != httpx.Stream {
			problem(admin.Do(method, path, bytes.Repeat([]byte("x"), int(rt.Body)+1)), 413, "body_too_large")
		}
		if rt.Request != nil {
			there := strings.Replace(pattern, "{token}", shared.Token, 1)
			there = parameter.ReplaceAllString(there, uuid.NewString())
			problem(admin.Do(method, there, "{}", as("text/html"), home), 415, "unsupported_media_type")
			// OpenFeature's protocol has a 400 for it, a JSON Resume members that nobody knows.
			if name := member(examples, method, pattern); name != "" && !strings.Contains(pattern, "/ofrep/") {
				problem(admin.Do(method, there, `{"`+name+`":[[{}]]}`, as("application/json"), home), 422, "validation_failed")
			}
		}
		if slices.Contains(rt.Query, "space") {
			path += "?space=" + uuid.NewString()
		}
		if documents(404) && path != pattern {
			body, mediaType := "", "application/offset+octet-stream"
			if rt.Request != nil {
				body, mediaType = example(t, examples, method, pattern), "application/json"
			}
			problem(admin.Do(method, path, body, as(mediaType), tus, httpxtest.WithHeader("Upload-Offset", "0")), 404, "not_found")
		}
	}
}

func TestContract_AnAppThatIsTurnedOffIsNotThere(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off")
	admin := s.signIn(t, "operator@example.com")
	for _, rt := range table(t) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		below, ok := strings.CutPrefix(pattern, "/projects/")
		app, inside, inApp := strings.Cut(below, "/")
		if !ok || !inApp {
			continue
		}
		admin.Do("PATCH", "/projects/"+app, map[string]any{"enabled": false}).Want(t, 200)
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(inside, uuid.NewString())
		admin.Do(method, "/projects/"+app+"/"+path, nil).WantProblem(t, 404, "not_found")
	}
}

// Whoever makes a role finds what each route asks for in the list, in words.
func TestContract_EveryPermissionOfARouteIsListedWithASentence(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off")
	var list httpx.List[struct{ Name, Description string }]
	s.signIn(t, "operator@example.com").Do("GET", "/auth/permissions?limit=200", nil).Want(t, 200).JSON(t, &list)
	means := map[string]string{}
	for _, p := range list.Items {
		means[p.Name] = p.Description
	}
	for _, route := range table(t) {
		if asks := route.Access.Permission(); asks != "" && means[asks] == "" {
			t.Errorf("%s asks for %s, which is not listed", route.Pattern, asks)
		}
	}
	asked := func(name string) bool {
		return slices.ContainsFunc(table(t), func(r httpx.Route) bool { return r.Access.Permission() == name })
	}
	for name := range means {
		if !asked(name) {
			t.Errorf("no route asks for %s", name)
		}
	}
}

// TestContract_SaysNoToWhatDoesNotFit: refusals that need something to be
// there, of routes whose handlers share the code that answers them.
func TestContract_SaysNoToWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off")
	admin := s.signIn(t, "operator@example.com")
	made := func(method, path string, body any) (it struct{ ID, Token string }) {
		admin.Do(method, path, body).Want(t, 201).JSON(t, &it)
		return it
	}
	file, folder := "/files/items/"+made("PUT", "/files/content/letter.txt", "Dear Ada").ID, made("POST", "/files/folders", map[string]any{"path": "/dropped"})
	drop := "/files/shared/" + made("POST", "/files/shares", map[string]any{"item_id": folder.ID, "mode": "drop"}).Token + "/drop/x"
	var root struct{ ID string }
	admin.Do("GET", "/files/lookup?path=/", nil).Want(t, 200).JSON(t, &root)
	tus := httpxtest.WithHeader("Tus-Resumable", "0.1")
	stale, packed := httpxtest.WithHeader("If-Match", `"r99"`), httpxtest.WithHeader("Content-Encoding", "gzip")
	wrong := httpxtest.WithHeader("Repr-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
	for _, r := range []struct {
		method, path string
		body         any
		option       httpxtest.Option
		status       int
	}{
		{"GET", file + "/children", nil, tus, 409},
		{"DELETE", "/files/items/" + root.ID, nil, tus, 409},
		{"GET", "/files/items/" + folder.ID + "/content", nil, tus, 409},
		{"PUT", "/files/items/" + folder.ID + "/content", "other", tus, 409},
		{"PUT", file + "/content", "other", wrong, 422},
		{"PUT", file + "/content", "other", packed, 415},
		{"PUT", drop, "other", packed, 415},
		{"PUT", drop, "other", stale, 412},
		{"POST", "/files/uploads", "x", func(r *http.Request) {
			packed(r)
			r.Header.Set("Tus-Resumable", "1.0.0")
			r.Header.Set("Upload-Length", "1")
			r.Header.Set("Content-Type", "application/offset+octet-stream")
		}, 415},
		{"GET", "/files/uploads/" + folder.ID, nil, tus, 412},
		{"HEAD", "/files/uploads/" + folder.ID, nil, tus, 412},
		{"DELETE", "/auth/me", nil, stale, 412},
	} {
		admin.Do(r.method, r.path, r.body, r.option).Want(t, r.status)
	}
	for kind, entry := range map[string]map[string]any{
		"skills": {"name": "Go"}, "experience": {"organization": "Babbage & Co", "role": "Engineer", "started_on": "2024-09"},
		"education": {"institution": "University of London", "area": "Mathematics", "started_on": "2024-09"},
	} {
		path := "/portfolio/" + kind + "/" + made("POST", "/portfolio/"+kind, entry).ID
		admin.Do("PATCH", path, map[string]any{}, stale).WantProblem(t, 412, "precondition_failed")
		admin.Do("DELETE", path, nil, stale).WantProblem(t, 412, "precondition_failed")
	}
	admin.Do("POST", "/auth/email", map[string]any{"email": "other@example.com"}).WantProblem(t, 409, "mail_not_configured")
}

// TestContract_EveryTagIsKnownAgain: whoever has what a GET would send, gets
// 304. What a proxy compresses has its tag weakened on the way (W/ before it),
// and is known again by what is behind it, in a condition of a change too.
func TestContract_EveryTagIsKnownAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_VERSION_RETENTION=30d")
	admin := s.signIn(t, "operator@example.com")
	made := func(method, path string, body any) (it struct{ ID, Token string }) {
		admin.Do(method, path, body).Want(t, 201).JSON(t, &it)
		return it
	}
	var me struct{ ID string }
	admin.Do("GET", "/auth/me", nil).Want(t, 200).JSON(t, &me)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	file := made("PUT", "/files/content/dot.png", "a version").ID
	admin.Do("PUT", "/files/content/dot.png", picture.Bytes()).Want(t, 200)
	made("POST", "/auth/roles", map[string]any{"name": "readers", "permissions": []string{"files:read"}})
	made("PUT", "/system/flags/dark", map[string]any{"enabled": true})
	client := admin.Do("POST", "/auth/clients", map[string]any{"name": "A", "redirect_uris": []string{"https://a.example/"}}).Want(t, 201).Header.Get("Location")
	guarded := made("POST", "/auth/gate/hosts", map[string]any{"host": "a.example", "name": "A"}).ID
	made("POST", "/portfolio/projects", map[string]any{"title": "A", "status": "published", "image_ids": []string{file}})
	at := map[string]string{
		"/files/spaces/{id}":        "/files/spaces/" + made("POST", "/files/spaces", map[string]any{"name": "A"}).ID,
		"/auth/clients/{client_id}": strings.TrimPrefix(client, httpx.Prefix),
		"/auth/gate/hosts/{id}":     "/auth/gate/hosts/" + guarded,
		"/auth/roles/{name}":        "/auth/roles/readers", "/auth/users/{id}": "/auth/users/" + me.ID, "/files/items/{id}": "/files/items/" + file,
		"/files/lookup": "/files/lookup?path=/dot.png", "/system/flags/{key}": "/system/flags/dark", "/portfolio/images/{id}": "/portfolio/images/" + file,
		"/files/content/{path...}": "/files/content/dot.png", "/files/items/{id}/content": "/files/items/" + file + "/content",
		"/files/items/{id}/thumbnail":                   "/files/items/" + file + "/thumbnail",
		"/files/items/{id}/versions/{revision}/content": "/files/items/" + file + "/versions/1/content",
		"/files/shared/{token}/content":                 "/files/shared/" + made("POST", "/files/shares", map[string]any{"item_id": file}).Token + "/content",
		"/portfolio/projects/{slug}":                    "/portfolio/projects/a",
		"/portfolio/previews/{token}":                   "/portfolio/previews/" + made("POST", "/portfolio/projects/a/preview", nil).Token,
		"/portfolio/skills/{id}":                        "/portfolio/skills/" + made("POST", "/portfolio/skills", map[string]any{"name": "Go"}).ID,
		"/portfolio/experience/{id}":                    "/portfolio/experience/" + made("POST", "/portfolio/experience", map[string]any{"organization": "A", "role": "B", "started_on": "2024"}).ID,
		"/portfolio/education/{id}":                     "/portfolio/education/" + made("POST", "/portfolio/education", map[string]any{"institution": "A", "area": "B", "started_on": "2024"}).ID,
	}
	sent := map[string]any{"/files/content/{path...}": picture.Bytes(), "/files/items/{id}/content": picture.Bytes(), "/system/flags/{key}": map[string]any{"enabled": true}}
	changed := 0
	for _, rt := range table(t) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		path := cmp.Or(at[pattern], pattern)
		if method != http.MethodGet || !slices.ContainsFunc(rt.Answers(), func(r httpx.Response) bool { return r.Status == http.StatusNotModified }) {
			continue
		}
		if strings.Contains(path, "{") {
			t.Fatalf("name one of %s in the list above", path)
		}
		tag := admin.Do("GET", path, nil).Want(t, 200).Header.Get("ETag")
		admin.Do("GET", path, nil, httpxtest.WithHeader("If-None-Match", `"other", W/"another"`)).Want(t, 200)
		for _, list := range [][]string{{tag}, {`"other", W/"another", W/` + tag}, {`"other"`, tag}, {"*"}} {
			if same := admin.Do("GET", path, nil, httpxtest.WithHeader("If-None-Match", list...)).Want(t, 304); same.Header.Get("ETag") != tag || len(same.Body) > 0 {
				t.Errorf("%s: %v %q", path, same.Header, same.Body)
			}
		}
		for _, change := range table(t) {
			method, of, _ := strings.Cut(change.Pattern, " ")
			if of != pattern || method != http.MethodPatch && method != http.MethodPut || !slices.Contains(httpx.RequestHeaders(&change), "If-Match") {
				continue
			}
			var body any = map[string]any{}
			if sent[pattern] != nil {
				body = sent[pattern]
			}
			admin.Do(method, path, body, httpxtest.WithHeader("If-Match", `W/"other"`)).WantProblem(t, 412, "precondition_failed")
			admin.Do(method, path, body, httpxtest.WithHeader("If-Match", `"other", W/`+tag)).Want(t, 200)
			changed++
		}
	}
	if changed < 10 {
		t.Errorf("only %d changes with a condition were tried", changed)
	}
}

// member is the name of a member of a JSON body, "" when all may be there.
func member(document node, method, path string) string {
	schema := resolve(document, document.at("paths", path, strings.ToLower(method), "requestBody", "content", "application/json", "schema"))
	for name := range schema.at("properties") {
		return name
	}
	return ""
}

// example is the document's example of a JSON body.
func example(t *testing.T, document node, method, path string) string {
	t.Helper()
	media := document.at("paths", path, strings.ToLower(method), "requestBody", "content", "application/json")
	value := media.at("example")
	for name := range media.at("examples") {
		value = resolve(document, media.at("examples", name)).at("value")
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// seenElsewhere are answers that are tested without the client that remembers
// them: on a bare connection, or by the one program that may ask for them.
var seenElsewhere = map[string]string{
	"400 invalid_body":    "httpx: a body that breaks the framing of HTTP",
	"403 untrusted_peer":  "httpx: a peer on another machine, given to the handler itself",
	"408 request_timeout": "httpx: a body that trickles",
	"503 shutting_down":   "httpx: an upload over a bare connection while the server drains",
	// A limit that is the same code for each collection, tried with skills.
	"POST /portfolio/experience 409": "portfolio: the same limit as of skills",
	"POST /portfolio/education 409":  "portfolio: the same limit as of skills",
	"PUT /portfolio/resume.json 409": "portfolio: the same limit as of skills",
	// Something else came between two steps of one request.
	"POST /auth/invitations/accept 401":         "auth: the account is closed before it is signed in",
	"POST /auth/invitations/accept 409":         "auth: the address is taken in the same moment",
	"POST /files/trash/{id}/restore 409":        "files: the free name is taken in the same moment",
	"PUT /files/shared/{token}/drop/{name} 409": "files: the free name is taken, or the time is over, while the file is sent",
	"POST /files/uploads 404":                   "files: the new upload is swept while its bytes come",
	"POST /files/uploads 423":                   "files: another worker holds the new upload",
	"HEAD /files/uploads/{id} 409":              "files: the folder goes before the upload is finished",
	// OpenFeature's protocol has its own words for a body that does not fit.
	"POST /system/flags/ofrep/v1/evaluate/flags 422":       "system: answered as 400 invalid_context",
	"POST /system/flags/ofrep/v1/evaluate/flags/{key} 422": "system: answered as 400 invalid_context",
	"GET /files/events 200":                                "files: a stream, which is read as it comes",
	"GET /system/probe 200":                                "system: the doctor alone knows the token",
	"POST /system/probe 200":                               "system: the doctor alone knows the token",
}

// TestServe_OperatorsReadTheRecordTheJobsAndTheDisk on the built program.
func TestServe_OperatorsReadTheRecordTheJobsAndTheDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.signIn(t, "operator@example.com")
	for _, path := range []string{"/audit/events", "/audit/events/export", "/audit/me", "/audit/seals", "/system/jobs", "/system/storage"} {
		if a := admin.Do("GET", path, nil).Want(t, 200); len(a.Body) == 0 {
			t.Errorf("%s says nothing", path)
		}
	}
	for _, path := range []string{"/audit/events", "/audit/me", "/audit/seals"} {
		admin.Do("GET", path+"?cursor=x", nil).WantProblem(t, 400, "invalid_cursor")
	}
	admin.Do("GET", "/audit/events?from=yesterday", nil).WantProblem(t, 400, "invalid_parameter")
}
