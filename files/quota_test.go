package files_test

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"homebase/files"
	"homebase/httpx/httpxtest"
)

func TestQuota_ManyUploadsAtOnceNeverPassIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size  int
		plain bool
	}{
		"reserved":       {2 << 20, true},
		"small":          {100_000, true},
		"unknown length": {2 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const fit = 10
			h := start(t, func(c *files.Config) { c.DefaultQuota = int64(fit*tt.size + tt.size/2) })
			c, _ := h.member(t, "ann@example.com")
			body := random(tt.size)
			var stored, full atomic.Int32
			var group sync.WaitGroup
			for i := range 50 {
				group.Go(func() {
					length := int64(tt.size)
					if !tt.plain {
						length = -1
					}
					a := c.Do("PUT", fmt.Sprintf("/files/content/documents/%d.bin", i), bytes.NewReader(body), httpxtest.WithLength(length))
					switch a.Status {
					case 201:
						stored.Add(1)
					case 507:
						full.Add(1)
					default:
						t.Errorf("got %d: %s", a.Status, a.Body)
					}
				})
			}
			group.Wait()
			u := decode[usage](t, c.Do("GET", "/files/usage", nil).Want(t, 200))
			if u.Used != int64(stored.Load())*int64(tt.size) || u.Reserved != 0 || u.Used > u.Quota {
				t.Errorf("%d stored, usage %+v", stored.Load(), u)
			}
			if stored.Load()+full.Load() != 50 || stored.Load() > fit || tt.plain && stored.Load() != fit {
				t.Errorf("%d stored, %d refused", stored.Load(), full.Load())
			}
			h.settled(t)
			if left := h.onDisk(t); len(left) != int(stored.Load()) {
				t.Errorf("the disk holds %q", left)
			}
		})
	}
}

func TestQuota_RefusesBeforeTheBodyIsSent(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.DefaultQuota = 1 << 20 })
	c, _ := h.member(t, "ann@example.com")
	line := raw(t, h, c.Bearer, "PUT /api/v1/files/content/documents/a.bin HTTP/1.1", "Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n", false)
	if line != "HTTP/1.1 507 Insufficient Storage" {
		t.Fatalf("got %q", line)
	}
	c.Do("PUT", "/files/content/documents/a.bin", random(2<<20)).WantProblem(t, 507, "quota_exceeded")
	c.Do("PUT", "/files/content/documents/a.bin", random(1<<20)).Want(t, 201)
	// Replacing needs room for what is added alone.
	c.Do("PUT", "/files/content/documents/a.bin", random(1<<20)).Want(t, 200)
	c.Do("PUT", "/files/content/documents/b.bin", "x").WantProblem(t, 507, "quota_exceeded")
	c.Do("PUT", "/files/content/documents/b.bin", "").Want(t, 201)
}

func TestMinFree_StopsUploadsAndNothingElse(t *testing.T) {
	t.Parallel()
	h := start(t, func(c *files.Config) { c.MinFree = 1 << 60 })
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.bin", "x").WantProblem(t, 507, "insufficient_storage")
	c.Do("GET", "/files/items/root/children", nil).Want(t, 200)
	if err := h.files.Ready(t.Context()); err == nil {
		t.Error("ready with a full disk")
	}
	if left := h.onDisk(t); len(left) > 0 {
		t.Errorf("the disk holds %q", left)
	}
}
