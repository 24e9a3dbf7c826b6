package system

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

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
	timed   bool // a timer will flush
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
		time.AfterFunc(linesAfter, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.timed = false
			_ = l.write() // nobody is left to tell
		})
	}
	return len(p), nil
}

// flush writes the waiting lines.
func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
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
