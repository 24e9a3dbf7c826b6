package system

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"homebase/cli"
)

// Logger makes the log as configured: JSON, or text if w is a terminal. It also returns
// the level, which may be changed, and a function that writes the last lines.
func (c *Config) Logger(w io.Writer) (log *slog.Logger, level *slog.LevelVar, flush func() error) {
	level = new(slog.LevelVar) // info, even if the configuration is broken
	_ = level.UnmarshalText([]byte(c.LogLevel))
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: withoutNames}
	if c.LogFormat == "text" || c.LogFormat == "" && cli.Terminal(w) {
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

const (
	// linesAfter is how long a line of info may wait for others, and linesRoom how
	// many bytes may wait.
	linesAfter = 100 * time.Millisecond
	linesRoom  = 32 << 10
)

// gathering is a handler that writes lines of level info and below together, so that a
// busy server does not make a system call for each request. A warning or an error is
// written at once, after the waiting lines. If the process is killed, the waiting
// lines are lost: a tenth of a second of requests that went well.
type gathering struct {
	slog.Handler // writes to lines
	lines        *lines
}

func (g gathering) Handle(ctx context.Context, r slog.Record) error {
	err := g.Handler.Handle(ctx, r)
	if r.Level > slog.LevelInfo {
		err = errors.Join(err, g.lines.flush())
	}
	return err
}

func (g gathering) WithAttrs(attrs []slog.Attr) slog.Handler {
	return gathering{g.Handler.WithAttrs(attrs), g.lines}
}

func (g gathering) WithGroup(name string) slog.Handler {
	return gathering{g.Handler.WithGroup(name), g.lines}
}

// lines are the lines that wait to be written.
type lines struct {
	out     io.Writer
	mu      sync.Mutex
	waiting []byte
	timed   bool // a timer that was started since the last flush will flush
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, p...)
	if len(l.waiting) >= linesRoom {
		return len(p), l.write()
	}
	if !l.timed {
		l.timed = true
		time.AfterFunc(linesAfter, func() { _ = l.flush() }) // nobody is left to tell
	}
	return len(p), nil
}

// flush writes the waiting lines.
func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timed = false
	return l.write()
}

func (l *lines) write() error {
	if len(l.waiting) == 0 {
		return nil
	}
	_, err := l.out.Write(l.waiting)
	l.waiting = l.waiting[:0]
	return err
}
