package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/platform"
	"homebase/system"
)

// floor is how high a room stands: a room imports only rooms below it.
var floor = map[string]int{
	"cli": 0, "db": 0, "httpx": 1, "audit": 2, "auth": 3, "auth/oidc": 4, "auth/gate": 4,
	"files": 4, "portfolio": 4, "projects": 4, "system": 4,
	"system/backup": 5, "platform": 6, "main.go": 7,
}

const (
	longestFile     = 500
	longestFunction = 100
)

type source struct {
	path string
	text []byte
	set  *token.FileSet
	file *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// kit reports whether the file belongs to a test kit, a package such as
// db/dbtest that only tests import.
func (s source) kit() bool { return strings.HasSuffix(filepath.Dir(s.path), "test") }

func (s source) room() string { return roomOf(filepath.ToSlash(s.path)) }

// roomOf is the first part of a path, or the first two where they are a room
// of their own.
func roomOf(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if room := strings.Join(parts[:min(2, len(parts))], "/"); floor[room] > 0 {
		return room
	}
	return parts[0]
}

func (s source) imports() (paths []string) {
	for _, i := range s.file.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

// sources parses every Go file of the module.
func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "data", "state", "testdata", "node_modules"}, d.Name())) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path, text, set, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d Go files found", len(all))
	}
	return all
}

func TestHouse_ThreeDirectDependencies(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for line := range strings.SplitSeq(string(mod), "\n") {
		if m := regexp.MustCompile(`^\s+(\S+) v\S+$`).FindStringSubmatch(line); m != nil {
			direct = append(direct, m[1])
		}
	}
	want := []string{"github.com/google/uuid", "github.com/jackc/pgx/v5", "golang.org/x/crypto"}
	if !slices.Equal(direct, want) {
		t.Errorf("direct dependencies are %v, want exactly %v", direct, want)
	}
}

func TestHouse_ImportsPointDownwards(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.kit() {
			continue
		}
		here, isRoom := floor[s.room()]
		for _, p := range s.imports() {
			rest, ours := strings.CutPrefix(p, "homebase/")
			if !ours || !isRoom {
				continue
			}
			room := roomOf(rest)
			there, known := floor[room]
			if !known {
				t.Errorf("%s imports %s, which is no room of the house", s.path, p)
			}
			if room != s.room() && there >= here {
				t.Errorf("%s imports %s: imports point downwards only", s.path, p)
			}
		}
	}
}

// TestHouse_AppsKnowThePlatformAndNotEachOther: what an app needs of other
// rooms comes from its host.
func TestHouse_AppsKnowThePlatformAndNotEachOther(t *testing.T) {
	allowed := []string{"homebase/audit", "homebase/auth", "homebase/db", "homebase/httpx", "homebase/projects"}
	apps := 0
	for _, s := range sources(t) {
		parts := strings.Split(filepath.ToSlash(s.path), "/")
		if len(parts) < 3 || parts[0] != "projects" || s.test() || s.kit() || parts[1] == "mounted" || parts[1] == "newapp" {
			continue
		}
		apps++
		for _, p := range s.imports() {
			own := strings.HasPrefix(p, "homebase/projects/"+parts[1]+"/")
			if strings.HasPrefix(p, "homebase/") && !own && !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s: an app sees %v and its own packages", s.path, p, allowed)
			}
		}
	}
	if apps == 0 {
		t.Error("no app was found")
	}
}

func TestHouse_TestKitsStayOutOfTheBinary(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.kit() {
			continue
		}
		for _, p := range s.imports() {
			if strings.HasPrefix(p, "homebase/") && strings.HasSuffix(p, "test") || p == "testing" {
				t.Errorf("%s imports %s, which is for tests", s.path, p)
			}
		}
	}
}

func TestHouse_FilesAndFunctionsFitTheReader(t *testing.T) {
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > longestFile && !s.test() {
			t.Errorf("%s has %d lines; split it by concept (at most %d)", s.path, n, longestFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test() {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line; n > longestFunction {
				t.Errorf("%s: %s has %d lines (at most %d)", s.path, f.Name.Name, n, longestFunction)
			}
		}
	}
}

func TestHouse_EveryPackageSaysWhatItPromises(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || s.file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

func TestHouse_NamesAreTermsOfTheField(t *testing.T) {
	refused := []string{"util", "utils", "common", "helper", "helpers", "models", "misc"}
	for _, s := range sources(t) {
		base := strings.TrimSuffix(filepath.Base(s.path), ".go")
		for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(s.path))+"/"+base, "/") {
			if slices.Contains(refused, strings.TrimSuffix(part, "_test")) {
				t.Errorf("%s: %q does not say what is inside", s.path, part)
			}
		}
	}
}

// rules are what no shipped line may contain.
var rules = []struct {
	pattern *regexp.Regexp
	why     string
	except  func(source) bool
}{
	{regexp.MustCompile(`\bos\.Exit\(|\blog\.Fatal`), "only main ends the process",
		func(s source) bool {
			return s.file.Name.Name == "main" && filepath.Base(s.path) == "main.go" || s.test() || s.kit()
		}},
	{regexp.MustCompile(`(?i)select\s+\*|returning\s+\*`), "columns are listed", source.test},
	{regexp.MustCompile(`\bTO` + `DO\b|\bFIX` + `ME\b`), "finish it or leave it out", nil},
	{regexp.MustCompile(`\.Skip(f|Now)?\(`), "a skipped test is one that nobody runs; only the database kit may skip, and says so loudly",
		func(s source) bool { return s.room() == "db" && s.kit() }},
	{regexp.MustCompile(`\.Next\(\) \{`), "rows are read through db.All and db.One, which check the final error",
		func(s source) bool { return s.path == "db/rows.go" || s.test() }},
}

func TestHouse_NoLineBreaksARule(t *testing.T) {
	for _, s := range sources(t) {
		if s.path == "house_test.go" {
			continue
		}
		for _, r := range rules {
			if r.except != nil && r.except(s) {
				continue
			}
			for _, at := range r.pattern.FindAllIndex(s.text, -1) {
				t.Errorf("%s:%d: %s", s.path, 1+bytes.Count(s.text[:at[0]], []byte("\n")), r.why)
			}
		}
	}
}

// TestHouse_EveryHeaderThatARoomReadsIsDeclared: the tests' client sees to it
// that a header goes where it is declared; here one is found that no route
// declares at all.
func TestHouse_EveryHeaderThatARoomReadsIsDeclared(t *testing.T) {
	cfg, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"Accept", "Accept-Encoding", "Authorization", "Content-Encoding", "Content-Type", "Cookie", "Origin", "X-Forwarded-For", "X-Real-Ip", // of any request
		"Content-Range", "Upload-Concat"} // read in order to be refused
	for _, rt := range platform.New(platform.Build{Version: version, Schema: schema}, cfg, io.Discard).Routes() {
		known = append(known, httpx.RequestHeaders(&rt)...)
	}
	read := regexp.MustCompile(`(?:r\.Header|\bh)\.(?:Get|Values)\("([^"]+)"\)`)
	found := 0
	for _, s := range sources(t) {
		if s.test() || s.kit() || floor[s.room()] < floor["audit"] || s.room() == "system/backup" {
			continue
		}
		for _, m := range read.FindAllSubmatch(s.text, -1) {
			if found++; !slices.Contains(known, string(m[1])) {
				t.Errorf("%s reads the header %s, which no route declares", s.path, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d headers are read", found)
	}
}
