package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Progress is a line on a terminal that is overwritten at most five times a second.
// If the output is not a terminal, it is silent.
type Progress struct {
	w     io.Writer
	shown time.Time
}

// NewProgress shows progress on w if that is a terminal.
func NewProgress(w io.Writer) *Progress {
	if !Terminal(w) {
		w = io.Discard
	}
	return &Progress{w: w}
}

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// Show overwrites the line.
func (p *Progress) Show(format string, args ...any) {
	if time.Since(p.shown) > 200*time.Millisecond {
		p.shown = time.Now()
		fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
	}
}

// End clears the line.
func (p *Progress) End() {
	fmt.Fprint(p.w, "\r\x1b[K")
}
