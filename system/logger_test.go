package system_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"homebase/system"
)

func TestLogger_TellsNoNameOfAFile(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, _ := (&system.Config{LogFormat: format}).Logger(&out)
		of := &fs.PathError{Op: "statat", Path: "documents/Diagnosis 2026.pdf", Err: syscall.EIO}
		log.Error("a job failed", "error", errors.Join(errors.New("first"), fmt.Errorf("scan: %w", of)))
		log.Warn("request", "cause", &os.LinkError{Op: "link", Old: "letters/to Eve", New: "purge/1", Err: syscall.ENOSPC})
		log.Error("start", "error", &fs.PathError{Op: "open", Path: "/etc/homebase/secret", Err: syscall.EACCES})
		text := out.String()
		for _, name := range []string{"Diagnosis", "Eve", "documents", "purge/1"} {
			if strings.Contains(text, name) {
				t.Errorf("%s: %q is in the log: %s", format, name, text)
			}
		}
		for _, kept := range []string{"input/output error", "no space left", "/etc/homebase/secret", "statat", "first"} {
			if !strings.Contains(text, kept) {
				t.Errorf("%s: %q is missing: %s", format, kept, text)
			}
		}
	}
}
