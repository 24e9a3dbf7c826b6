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

// Logger makes the log as configured: JSON, or text if w is a terminal. It also returns
// the level, which may be changed, and a function that writes the last lines.
func (c *Config) Logger(w io.Writer) (log *slog.Logger, level *slog.LevelVar, flush func() error) {
	level = new(slog.LevelVar) // info, even if the configuration is broken
	_ = level.UnmarshalText([]byte(c.LogLevel))
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: withoutNames}
	if c.LogFormat == "text" || c.LogFormat == "" && db.Terminal(w) {
		return slog.New(slog.NewTextHandler(w, options)), level, func() error { return nil }
	}
	l := &lines{out: w}
	return slog.New(gathering{slog.NewJSONHandler(l, options), l}), level, l.flush
}

// withoutNames removes the names of files from errors. Errors of the kernel contain a
// path. Files in the data directory are opened by a relative path, and their names
// are their owners' business. Paths of the configuration are absolute, and the
// operator needs them.
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

// namesIn are the paths in an error and in the errors that it wraps.
func namesIn(err error) (names []string) {
	switch err := err.(type) {
	case *fs.PathError:
		return append([]string{err.Path}, namesIn(err.Err)...)
	case *os.LinkError:
		return append([]string{err.Old, err.New}, namesIn(err.Err)...)
	case interface{ Unwrap() error }:
		return namesIn(err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			names = append(names, namesIn(inner)...)
		}
	}
	return names
}
