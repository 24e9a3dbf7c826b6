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
	"testing/synctest"
	"time"

	"homebase/httpx/httpxtest"
	"homebase/system"
)

func TestLogger_GathersTheLinesOfRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out httpxtest.Buffer
		log, _, flush := (&system.Config{LogFormat: "json"}).Logger(&out)
		written := func(want int) {
			t.Helper()
			synctest.Wait()
			if n := strings.Count(out.String(), "\n"); n != want {
				t.Errorf("%d lines were written, want %d", n, want)
			}
		}
		log.Info("one")
		log.With("key", "value").WithGroup("more").Info("two")
		written(0)
		time.Sleep(100 * time.Millisecond)
		written(2)
		log.Info("three")
		log.Warn("four")
		written(4)
		log.Info("five")
		if err := flush(); err != nil {
			t.Error(err)
		}
		written(5)
		for range 1000 { // more than may wait
			log.Info("a line that is as long as that of a request, more or less, with its route and its id")
		}
		if n := strings.Count(out.String(), "\n"); n < 500 {
			t.Errorf("%d lines were written of a thousand", n)
		}
	})
}

func TestLogger_TellsNoNameOfAFile(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, _, _ := (&system.Config{LogFormat: format}).Logger(&out)
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
