package system

import (
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"homebase/db"
)

// Logger is the log as configured: JSON, or text where w is a terminal; its
// level, which may be changed; and what writes the last lines at the end.
func (c *Config) Logger(w io.Writer) (log *slog.Logger, level *slog.LevelVar, flush func() error) {
	level = new(slog.LevelVar) // info, also where the configuration is broken
	_ = level.UnmarshalText([]byte(c.LogLevel))
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: withoutNames}
	if c.LogFormat == "text" || c.LogFormat == "" && db.Terminal(w) {
		return slog.New(slog.NewTextHandler(w, options)), level, func() error { return nil }
	}
	l := &lines{out: w}
	return slog.New(gathering{slog.NewJSONHandler(l, options), l}), level, l.flush
}

// withoutNames takes the names of files out of errors. The kernel's errors
// carry the path that they are about; what lies in the data directory is opened
// by a path below it, and is its owner's business. Paths of the configuration
// are absolute, and the operator needs them.
func withoutNames(_ []string, a slog.Attr) slog.Attr {
	err, ok := a.Value.Any().(error)
	if !ok {
		return a
	}
	text := err.Error()
	for _, name := range namesIn(err) {
		if name != "" && name != "." && !filepath.IsAbs(name) {
			text = strings.ReplaceAll(text, name, "(a file)")
		}
	}
	return slog.String(a.Key, text)
}

// namesIn are the paths that an error and what it wraps carry.
func namesIn(err error) (names []string) {
	switch err := err.(type) {
	case *fs.PathError:
		names = []string{err.Path}
	case *os.LinkError:
		names = []string{err.Old, err.New}
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			names = append(names, namesIn(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			names = append(names, namesIn(inner)...)
		}
	}
	return names
}
