package main

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ceiling is how many lines of code a room may have, without blank lines,
// comments, tests and test kits. Who makes a room smaller lowers its number;
// it is raised only in the commit that says why. An app that is not named here
// may have as many as it needs.
var ceiling = map[string]int{
	"platform":           412,
	"db":                 2516,
	"httpx":              3880,
	"audit":              1454,
	"auth":               6345,
	"auth/oidc":          1640,
	"auth/gate":          608,
	"files":              14327,
	"portfolio":          2134,
	"projects":           453,
	"projects/analytics": 507,
	"projects/example":   113,
	"projects/newapp":    102,
	"system":             2631,
	"system/backup":      1636,
}

const mostMethods = 60 // of a type

// codeLines counts the lines of a Go file on which something stands.
func codeLines(s source) (n int) {
	set := token.NewFileSet()
	file := set.AddFile(s.path, -1, len(s.text))
	var sc scanner.Scanner
	sc.Init(file, s.text, nil, 0)
	last := 0
	for {
		pos, tok, lit := sc.Scan()
		if tok == token.EOF {
			return n
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue
		}
		from := file.Line(pos)
		to := from + strings.Count(strings.TrimRight(lit, "\n"), "\n")
		if n += to - max(from-1, last); to > last {
			last = to
		}
	}
}

func TestHouse_RoomsStayInTheirSize(t *testing.T) {
	lines := map[string]int{}
	for _, s := range sources(t) {
		room := s.room()
		switch room {
		case "main.go":
			room = "platform" // together they are the wiring
		case "projects":
			room = path.Dir(filepath.ToSlash(s.path))
		}
		if _, counted := ceiling[room]; counted && !s.test() && !s.kit() {
			lines[room] += codeLines(s)
		}
	}
	for room, most := range ceiling {
		switch n := lines[room]; {
		case n > most:
			t.Errorf("%s has %d lines of code, more than its ceiling of %d: make it smaller, or raise the ceiling in house_size_test.go and say why in the commit", room, n, most)
		case n < most-most/50-20:
			t.Errorf("%s has %d lines of code: lower its ceiling of %d", room, n, most)
		}
	}
}

func TestHouse_NoTypeDoesEverything(t *testing.T) {
	methods := map[string]int{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || s.test() {
				continue
			}
			of := f.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if name, ok := of.(*ast.Ident); ok {
				methods[filepath.Dir(s.path)+"."+name.Name]++
			}
		}
	}
	for name, n := range methods {
		if n > mostMethods {
			t.Errorf("%s has %d methods (at most %d); take it apart", name, n, mostMethods)
		}
	}
}

// The promises of docs/security.md can be checked by reading what it lists, in
// a weekend: the page itself says how many lines of code that may be.
func TestHouse_TheAuditPathCanBeRead(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What to read\n")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := regexp.MustCompile("`([a-z0-9_/]+\\.(?:go|sql)|[a-z]+/[a-z]+/)`").FindAllStringSubmatch(section, -1)
	var paths []string
	for _, m := range listed {
		paths = append(paths, m[1])
	}
	total, found := 0, map[string]bool{}
	for _, s := range sources(t) {
		p := filepath.ToSlash(s.path)
		i := slices.IndexFunc(paths, func(l string) bool { return l == p || l == path.Dir(p)+"/" })
		if i >= 0 && !s.test() && !s.kit() {
			found[paths[i]] = true
			total += codeLines(s)
		}
	}
	for _, p := range paths {
		if sql, err := os.ReadFile(p); err == nil && path.Ext(p) == ".sql" {
			found[p] = true
			for line := range strings.SplitSeq(string(sql), "\n") {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
					total++
				}
			}
		}
		if !found[p] {
			t.Errorf("docs/security.md sends the reader to %s, which is not there", p)
		}
	}
	said := regexp.MustCompile(`a test keeps it under ([0-9,]+) lines of code`).FindStringSubmatch(section)
	if said == nil {
		t.Fatal("docs/security.md does not say how many lines of code there are to read")
	}
	most, err := strconv.Atoi(strings.ReplaceAll(said[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 25 || total >= most {
		t.Errorf("what docs/security.md lists under What to read has %d entries and %d lines of code, and the page says that it is under %d: shorten one of these files, or take one off the list", len(paths), total, most)
	}
}
