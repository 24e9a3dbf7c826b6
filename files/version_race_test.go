package files_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"homebase/httpx/httpxtest"
)

// Whatever happens at another worker while a version is restored: the file holds
// what one of the two left, and nothing is lost that is not told of.
func TestVersions_ARestoreMeetsWhatHappensMeanwhile(t *testing.T) {
	t.Parallel()
	h, statements := watched(t)
	c, id := h.member(t, "ann@example.com")
	there := h.second(t).Client(t).As(c.Bearer)
	at := func(it item, revision int64) string {
		return fmt.Sprintf("/files/items/%s/versions/%d", it.ID, revision)
	}
	for name, meet := range map[string]struct {
		statement string
		meanwhile func(it item)
		opts      []httpxtest.Option
		status    int
		content   string // "": in the trash
		revisions []int64
	}{
		"trashed": {statement: "files.Fence", meanwhile: func(it item) { there.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204) },
			status: 404, revisions: []int64{1}},
		"replaced": {statement: "files.Fence", meanwhile: func(it item) { there.Do("PUT", "/files/items/"+it.ID+"/content", "third").Want(t, 200) },
			status: 200, content: "first", revisions: []int64{3, 2, 1}},
		"replaced, and not to be": {statement: "files.Fence", meanwhile: func(it item) { there.Do("PUT", "/files/items/"+it.ID+"/content", "third").Want(t, 200) },
			opts: []httpxtest.Option{httpxtest.WithHeader("If-Match", `"`+sha([]byte("second"))+`"`)}, status: 412, content: "third", revisions: []int64{2, 1}},
		"renamed": {statement: "files.Fence", meanwhile: func(it item) {
			there.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "other " + it.ID}).Want(t, 200)
		}, status: 200, content: "first", revisions: []int64{3, 1}},
		"ended while it is read": {statement: "files.Fence", meanwhile: func(it item) { there.Do("DELETE", at(it, 1), nil).Want(t, 204) },
			status: 200, content: "first", revisions: []int64{2}},
		"ended before": {statement: "files.ReadableVersion", meanwhile: func(it item) { there.Do("DELETE", at(it, 1), nil).Want(t, 204) },
			status: 404, content: "second", revisions: nil},
		"restored too": {statement: "files.Fence", meanwhile: func(it item) { there.Do("POST", at(it, 1)+"/restore", nil).Want(t, 200) },
			status: 200, content: "first", revisions: []int64{2, 1}},
	} {
		it := put(t, c, "/documents/"+sha([]byte(name)), "first")
		c.Do("PUT", "/files/items/"+it.ID+"/content", "second").Want(t, 200)
		h.settled(t)
		statements.Before(meet.statement, func() { meet.meanwhile(it) })
		a := c.Do("POST", at(it, 1)+"/restore", nil, meet.opts...)
		if a.Status != meet.status {
			t.Errorf("%s: %d %s, want %d", name, a.Status, a.Body, meet.status)
		}
		if meet.content == "" {
			c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
			meet.content = "second"
		}
		wantBytes(t, c.Do("GET", "/files/items/"+it.ID+"/content", nil).Want(t, 200).Body, []byte(meet.content))
		if got := revisions(t, c, it.ID); !slices.Equal(got, meet.revisions) {
			t.Errorf("%s: the versions are %v, want %v", name, got, meet.revisions)
		}
	}
	h.settled(t)
	h.wantSum(t, id)
	await(t, func() bool { return len(h.under(t, "staging")) == 0 })
	if out, err := h.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A version that is read while others come, are too many and end is what the list
// said of it, or is not there any more.
func TestVersions_AreReadWhileTheyComeAndGo(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	there := h.second(t).Client(t).As(c.Bearer)
	it := put(t, c, "/documents/a", "0")
	var reading sync.WaitGroup
	stop := make(chan struct{})
	for _, reader := range []*httpxtest.Client{c, there} {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, v := range versionsOf(t, reader, it.ID) {
					a := reader.Do("GET", versionPath(it.ID, v.Revision), nil)
					if a.Status == 200 && sha(a.Body) != v.SHA256 {
						t.Errorf("version %d holds %q", v.Revision, a.Body)
					} else if a.Status != 200 {
						a.WantProblem(t, 404, "not_found")
					}
				}
			}
		})
	}
	var writing sync.WaitGroup
	for n, writer := range []*httpxtest.Client{c, there} {
		writing.Go(func() {
			for i := range 60 {
				change := func() *httpxtest.Answer {
					return writer.Do("PUT", "/files/items/"+it.ID+"/content", fmt.Sprint(n, " ", i))
				}
				for a := change(); a.Status != 200; a = change() { // on a slow machine the other worker may be before it for seconds
					a.WantProblem(t, 503, "busy")
				}
				if i%20 == 19 {
					writer.Do("POST", fmt.Sprintf("/files/items/%s/versions/%d/restore", it.ID, versionsOf(t, writer, it.ID)[3].Revision), nil)
					h.run(t, "files.versions")
					h.run(t, "files.purge")
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	await(t, func() bool { return len(versionsOf(t, c, it.ID)) == 20 })
	h.settled(t)
	h.wantSum(t, id)
	if out, err := h.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
