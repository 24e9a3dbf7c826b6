package main

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ceiling is how many lines of code a room may have, without blank lines,
// comments, tests and test kits. Who makes a room smaller lowers its number;
// it is raised only in the commit that says why. An app that is not named here
// may have as many as it needs.
var ceiling = map[string]int{
	"platform":           403,
	"cli":                371,
	"db":                 1947,
	"httpx":              3803,
	"audit":              1341,
	"auth":               5599,
	"auth/oidc":          1440,
	"auth/gate":          550,
	"files":              13254,
	"portfolio":          2008,
	"projects":           448,
	"projects/analytics": 472,
	"projects/example":   108,
	"projects/newapp":    101,
	"system":             2343,
	"system/backup":      1442,
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
// a weekend: the page itself says how many lines of code that may be. What it
// names besides is there too.
func TestHouse_TheAuditPathCanBeRead(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What to read\n")
	section, rest, _ := strings.Cut(section, "\n## What else there is to read\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	first, total := toRead(t, section)
	if others, _ := toRead(t, rest); first < 25 || others < 25 {
		t.Errorf("docs/security.md lists %d files to read and %d others; is the test blind?", first, others)
	}
	said := regexp.MustCompile(`a test keeps it under ([0-9,]+) lines of code`).FindStringSubmatch(section)
	if said == nil {
		t.Fatal("docs/security.md does not say how many lines of code there are to read")
	}
	most, err := strconv.Atoi(strings.ReplaceAll(said[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	if total >= most {
		t.Errorf("what docs/security.md lists under What to read has %d lines of code, and the page says that it is under %d: shorten one of these files, or take one off the list", total, most)
	}
}

// toRead are how many different files and folders a section names, and their
// lines of code.
func toRead(t *testing.T, section string) (entries, total int) {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9_/]+\\.(?:go|sql|txt)|[a-z]+/[a-z]+/)`").FindAllStringSubmatch(section, -1) {
		found[m[1]] = false
	}
	for _, s := range sources(t) {
		p := filepath.ToSlash(s.path)
		for _, name := range []string{p, path.Dir(p) + "/"} {
			if _, listed := found[name]; listed && !s.test() && !s.kit() {
				found[name] = true
				total += codeLines(s)
			}
		}
	}
	for p, isCode := range found {
		if isCode {
			continue
		}
		text, err := os.ReadFile(p)
		if err != nil || path.Ext(p) == ".go" {
			t.Errorf("docs/security.md sends the reader to %s, which is not there", p)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
				total++
			}
		}
	}
	return len(found), total
}
