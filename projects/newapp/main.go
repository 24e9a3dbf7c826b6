// Newapp creates an app below projects/: `make app NAME=notes`. It copies the app
// example, which is compiled and tested like any other but not mounted, under
// another name, and mounts the copy in projects/mounted. It is not part of the
// server.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	example = "projects/example"
	mounted = "projects/mounted/mounted.go"
)

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{1,29}$`)
	// taken are names that mean something else in Go, in this repository or in
	// the files that are created.
	taken = strings.Fields(`audit auth bin data db files httpx internal main mounted newapp portfolio projects state system testdata testing uuid vendor
		any bool byte error false float32 float64 int int8 int16 int32 int64 iota len new nil rune string true uint uint8 uint16 uint32 uint64 uintptr
		common helper helpers misc models util utils`)
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make app NAME=notes")
		os.Exit(2)
	}
	if err := make(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "newapp: "+err.Error())
		os.Exit(1)
	}
}

func make(name string) error {
	switch {
	case !nameForm.MatchString(name):
		return fmt.Errorf("%q: a name has 2 to 30 lower-case letters and digits and begins with a letter: it names a Go package and is part of paths, permissions and roles", name)
	case token.IsKeyword(name), slices.Contains(taken, name), strings.HasSuffix(name, "test"):
		return fmt.Errorf("%q already means something else; choose another name", name)
	}
	dir := filepath.Join("projects", name)
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s already exists", dir)
	}
	list, err := mount(name)
	if err != nil {
		return err
	}
	if err := copyExample(name, dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.WriteFile(mounted, list, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s is created, and mounted by its line in %s.\nNext: go test ./%s, then make run; projects/README.md goes on from there.\n", dir, mounted, dir)
	return nil
}

// mount returns the file that lists the apps, with one added.
func mount(name string) ([]byte, error) {
	text, err := os.ReadFile(mounted)
	if err != nil {
		return nil, fmt.Errorf("%w: run this at the top of the repository", err)
	}
	for above, line := range map[string]string{
		"\t\"homebase/projects\"\n": "\t\"homebase/projects/" + name + "\"\n",
		"[]projects.Mount{\n":       "\t" + name + ".App,\n",
	} {
		before, after, found := bytes.Cut(text, []byte(above))
		if !found {
			return nil, fmt.Errorf("%s does not hold the line %q", mounted, above)
		}
		text = slices.Concat(before, []byte(above+line), after)
	}
	return format.Source(text) // which also sorts the imports
}

// copyExample copies the example's files into dir, under the new name.
func copyExample(name, dir string) error {
	files, err := filepath.Glob(filepath.Join(example, "*"))
	if err != nil {
		return err
	}
	renamed := strings.NewReplacer("@example.com", "@example.com", "example", name) // addresses stay
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = []byte(renamed.Replace(string(text)))
		if strings.HasSuffix(path, ".go") {
			if text, err = format.Source(text); err != nil {
				return err
			}
		}
		target := filepath.Join(dir, renamed.Replace(filepath.Base(path)))
		if err := os.WriteFile(target, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
