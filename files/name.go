package files

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"homebase/files/disk"
	"homebase/httpx"
)

const (
	maxDepth = 64   // names from the root to an item
	maxPath  = 4000 // bytes of a whole path, so that it stays below PATH_MAX
)

var (
	errInvalidName = httpx.NewProblem(400, "invalid_name", "The name is not valid")
	errPathTooLong = httpx.NewProblem(400, "path_too_long", "The path is too deep or too long")
)

// checkName holds the rules for one name. A name is kept byte for byte, so
// what would be read in two ways by another system is refused, never mended:
// path separators of Unix and Windows, trailing spaces, control characters,
// and characters that turn the direction of text or are not seen. A dot at the
// end stays: "etc." is a name, though Windows writes it otherwise.
func checkName(name string) error {
	switch {
	case name == "":
		return errInvalidName.With("The name is empty; give at least one character.")
	case len(name) > disk.MaxName:
		return errInvalidName.With("The name is longer than 255 bytes; shorten it.")
	case !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError):
		return errInvalidName.With("The name is not valid UTF-8 text.")
	case name == "." || name == "..":
		return errInvalidName.With(`"." and ".." cannot be names.`)
	case strings.ContainsAny(name, `/\`):
		return errInvalidName.With("A name cannot contain a slash or a backslash.")
	case strings.HasSuffix(name, " "):
		return errInvalidName.With("A name cannot end with a space.")
	case strings.ContainsFunc(name, refusedRune):
		return errInvalidName.With("The name contains a control character or an invisible one; remove it.")
	}
	return nil
}

// refusedRune reports control characters (NUL and line ends among them),
// line and paragraph separators, what embeds, overrides or isolates text of
// another direction, and the two invisible characters that no script needs.
// The zero-width joiners are needed by scripts and emoji, and the marks of
// direction by names in Arabic and Hebrew, so they stay.
func refusedRune(r rune) bool {
	switch {
	case r == '\u200e' || r == '\u200f' || r == '\u061c':
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return true
	case r == '\u2028' || r == '\u2029' || r == '\u200b' || r == '\ufeff':
		return true
	}
	return false
}

// checkPath holds the rules for every name of a path and for the whole.
func checkPath(names []string) error {
	length := 0
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
		length += len(name) + 1
	}
	return checkExtent(len(names), length)
}

// checkExtent refuses what is deeper than 64 names or longer than 4,000 bytes.
func checkExtent(depth, length int) error {
	if depth > maxDepth {
		return errPathTooLong.With("Folders can be nested 64 deep; choose a folder further up.")
	}
	if length > maxPath {
		return errPathTooLong.With("The whole path can be at most 4,000 bytes long; use shorter names.")
	}
	return nil
}

// parsePath splits a path given in JSON or a query: "/documents/a.pdf", the
// first slash optional. The root is "" or "/" and has no names.
func parsePath(path string) ([]string, error) {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return nil, nil
	}
	names := strings.Split(path, "/")
	return names, checkPath(names)
}
