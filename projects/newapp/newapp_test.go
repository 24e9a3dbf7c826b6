package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"homebase/db/dbtest"
)

// repository is a copy of this one. What is not Go's or the app's business
// stays behind.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, _ := filepath.Rel("../..", path)
		if d.IsDir() {
			if rest != "." && strings.HasPrefix(rest, ".") || slices.Contains([]string{"bin", "data", "state", "e2e"}, rest) {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, rest), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil || strings.HasSuffix(rest, "_test.go") && !strings.HasPrefix(rest, "projects/example/") {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rest), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// contents are the files of a folder by their paths.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rest, _ := filepath.Rel(dir, path)
		all[rest] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func run(t *testing.T, dir string, env []string, stdin, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	// As `make build` builds: then what one test compiled serves the next.
	flags := "GOFLAGS=" + os.Getenv("GOFLAGS") + " -trimpath -tags=nethttpomithttp2"
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), append(env, "CGO_ENABLED=0", flags)...), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, dir string, env []string, stdin, name string, args ...string) string {
	t.Helper()
	out, err := run(t, dir, env, stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// TestNewApp_WorksAtOnce makes an app in a copy of the repository, runs its
// tests, builds the server and calls the app.
func TestNewApp_WorksAtOnce(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	before := contents(t, dir)
	must(t, dir, nil, "", "go", "build", "-o", "newapp", "./projects/newapp")
	if out := must(t, dir, nil, "", "./newapp", "notes"); !strings.Contains(out, "projects/mounted/mounted.go") {
		t.Errorf("it says %s", out)
	}
	os.Remove(filepath.Join(dir, "newapp"))
	var changed []string
	for path, text := range contents(t, dir) {
		if old, known := before[path]; old != text || !known {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	want := []string{"projects/mounted/mounted.go", "projects/notes/notes.go", "projects/notes/notes_test.go", "projects/notes/schema.sql"}
	if !slices.Equal(changed, want) {
		t.Errorf("it changed %q", changed)
	}

	must(t, dir, nil, "", "go", "test", "./projects/notes")
	must(t, dir, nil, "", "go", "build", "-o", "homebase", ".")
	serveAndCall(t, dir)
}

func serveAndCall(t *testing.T, dir string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	env := []string{"HOMEBASE_LISTEN=" + address, "HOMEBASE_PUBLIC_URL=http://" + address, "HOMEBASE_DATABASE_URL=" + dbtest.Create(t),
		"HOMEBASE_DATA_DIR=" + dir + "/data", "HOMEBASE_STATE_DIR=" + dir + "/state", "HOMEBASE_MIN_FREE=1MiB"}
	const password = "seven purple otters dancing"
	must(t, dir, env, password, "./homebase", "user", "create", "me@example.com", "--role", "admin", "--password-stdin")
	server := exec.Command("./homebase", "serve")
	var log bytes.Buffer
	server.Dir, server.Env, server.Stderr = dir, append(os.Environ(), env...), &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	defer func() { server.Process.Signal(syscall.SIGTERM); <-ended }()
	token := ""
	send := func(method, path, body string) (status int, v map[string]any) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+address+"/api/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
		defer answer.Body.Close()
		json.NewDecoder(answer.Body).Decode(&v)
		return answer.StatusCode, v
	}
	call := func(method, path, body string, want int) map[string]any {
		t.Helper()
		status, v := send(method, path, body)
		if status != want {
			t.Fatalf("%s %s: %d %v", method, path, status, v)
		}
		return v
	}
	for {
		if answer, err := http.Get("http://" + address + "/api/v1/system/ready"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case <-ended:
			t.Fatalf("the server ended: %s", &log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	token = fmt.Sprint(call("POST", "/auth/login", `{"email":"me@example.com","password":"`+password+`","mode":"token"}`, 200)["access_token"])
	made := call("POST", "/projects/notes/items", `{"text":"hello"}`, 201)
	if got := call("GET", "/projects/notes/items", "", 200)["items"].([]any); len(got) != 1 || got[0].(map[string]any)["text"] != "hello" {
		t.Errorf("the app keeps %v", got)
	}
	must(t, dir, env, "", "./homebase", "api", "PATCH", "/projects/notes", `{"enabled":false}`)
	for status := 0; status != http.StatusNotFound; time.Sleep(5 * time.Millisecond) { // the server is told by a notification
		status, _ = send("GET", "/projects/notes/items", "")
	}
	must(t, dir, env, "", "./homebase", "api", "PATCH", "/projects/notes", `{"enabled":true}`)
	if out := must(t, dir, env, "", "./homebase", "app", "export", "notes"); !strings.Contains(out, fmt.Sprint(made["id"])) {
		t.Errorf("the export is %s", out)
	}
}

func TestNewApp_RefusesNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "newapp")
	must(t, ".", nil, "", "go", "build", "-o", tool, ".")
	for _, name := range []string{"", "Notes", "my-notes", "a", "1st", "../x", "func", "string", "projects", "mounted", "notestest", "utils", "example", "analytics", strings.Repeat("x", 31)} {
		if out, err := run(t, "../..", nil, "", tool, name); err == nil {
			t.Errorf("%q was taken: %s", name, out)
		}
	}
	if out, err := run(t, t.TempDir(), nil, "", tool, "notes"); err == nil || !strings.Contains(out, "top of the repository") {
		t.Errorf("elsewhere: %v, %s", err, out)
	}
}
