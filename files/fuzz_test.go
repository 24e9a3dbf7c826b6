package files

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"homebase/files/disk"
)

// FuzzName holds what is accepted as a name against what a name may be on a
// disk: one element that stays where it is put.
func FuzzName(f *testing.F) {
	for _, name := range []string{"a", "..", "a/b", "\u202ea", "a\x00", "é", strings.Repeat("x", 300), "a. "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		if !filepath.IsLocal(name) || filepath.Base(name) != name || filepath.Clean(name) != name || len(name) > disk.MaxName || !utf8.ValidString(name) {
			t.Fatalf("%q was accepted", name)
		}
	})
}

// FuzzDigest holds the parser against its own writer.
func FuzzDigest(f *testing.F) {
	f.Add(reprDigest(make([]byte, 32)))
	f.Add("md5=:YWJj:, sha-256=:YWJj:")
	f.Fuzz(func(t *testing.T, field string) {
		sum, err := parseDigest(field)
		if err != nil || sum == nil {
			return
		}
		again, err := parseDigest(reprDigest(sum))
		if err != nil || string(again) != string(sum) {
			t.Fatalf("%q was read as %x, then as %x, %v", field, sum, again, err)
		}
	})
}

// FuzzMetadata holds what is accepted as Upload-Metadata against what is done
// with it: it is stored as text, said back in a header, and names a file.
func FuzzMetadata(f *testing.F) {
	for _, field := range []string{"filename YWJj", "filename YWJj,path L2E=", "a,b c", "filename Li4=", ",", " k\tYQ=="} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		d, err := parseDestination(field)
		if err != nil {
			return
		}
		if strings.ContainsFunc(field, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
			t.Fatalf("%q was accepted", field)
		}
		for _, name := range append(d.folder, d.name) {
			if !filepath.IsLocal(name) || filepath.Base(name) != name {
				t.Fatalf("%q leads to %q", field, name)
			}
		}
	})
}
