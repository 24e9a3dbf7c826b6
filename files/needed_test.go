package files_test

import (
	"slices"
	"testing"
)

// needed are the jobs that would run now, of those that ask first.
func (h *house) needed(t *testing.T) (names []string) {
	t.Helper()
	for _, job := range h.files.Jobs() {
		if job.Needed == nil {
			continue
		}
		yes, err := job.Needed(t.Context())
		if err != nil {
			t.Errorf("%s: %v", job.Name, err)
		}
		if yes {
			names = append(names, job.Name)
		}
	}
	return names
}

func TestJobs_AreNeededOnlyWhenThereIsSomethingToDo(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	c.Do("PUT", "/files/content/documents/a.txt", "x").Want(t, 201)
	h.second(t) // another living worker
	for what, work := range map[string]struct {
		job string
		do  func()
	}{
		"a version was deleted": {"files.purge", func() {
			it := decode[item](t, c.Do("PUT", "/files/content/documents/a.txt", "y").Want(t, 200))
			c.Do("DELETE", "/files/items/"+it.ID+"/versions/1", nil).Want(t, 204)
		}},
		"an upload has expired": {"files.expire", func() {
			h.exec(t, `INSERT INTO uploads (op_id, owner_id, bytes, expires_at) SELECT gen_random_uuid(), owner_id, 0, now() - interval '1 s' FROM trees`)
		}},
		"files were dropped and no more came": {"files.drops", func() {
			folder := decode[item](t, c.Do("POST", "/files/folders", map[string]any{"path": "/inbox"}).Want(t, 201))
			h.drop(t, share(t, c, folder.ID, "mode", "drop"), "a")
			h.later(t, "3 minutes")
		}},
		"a worker is gone": {"files.recover", func() { h.exec(t, `INSERT INTO workers DEFAULT VALUES`) }},
	} {
		for range 2 { // the first one frees, the second one finds it empty
			h.settled(t)
			h.run(t, "files.purge")
		}
		if names := h.needed(t); len(names) != 0 {
			t.Errorf("before %s, %v are needed", what, names)
		}
		work.do()
		h.settled(t)
		if names := h.needed(t); !slices.Equal(names, []string{work.job}) {
			t.Errorf("%s, and %v are needed, want %s", what, names, work.job)
		}
		h.run(t, work.job)
	}
}
