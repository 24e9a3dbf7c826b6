package files_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homebase/files"
)

// replaced is a file of which the first three contents are versions, in the
// trash or not.
func replaced(t testing.TB, h *house, email string) (owner string, list []item) {
	t.Helper()
	c, owner := h.member(t, email)
	for _, name := range []string{"a", "b"} {
		var it item
		for _, body := range []string{"one", "two", "three", "four"} {
			it = decode[item](t, c.Do("PUT", "/files/content/documents/"+name, body))
		}
		list = append(list, it)
	}
	c.Do("DELETE", "/files/items/"+list[1].ID, nil).Want(t, 204)
	h.settled(t)
	return owner, list
}

func TestVerify_ReadsVersionsToo(t *testing.T) {
	t.Parallel()
	h := start(t)
	owner, list := replaced(t, h, "ann@example.com")
	if out, err := h.command(t, "verify"); err != nil || !strings.Contains(out, "8 files sound") {
		t.Fatalf("%v: %s", err, out)
	}
	at := func(i, revision int) string {
		return fmt.Sprintf("%s/versions/%s/%s.%d", h.data, owner, list[i].ID, revision)
	}
	info, err := os.Stat(at(0, 1))
	must(t, err)
	must(t, os.WriteFile(at(0, 1), []byte("oen"), 0o600))
	must(t, os.Chtimes(at(0, 1), info.ModTime(), info.ModTime()))
	must(t, os.WriteFile(at(0, 2), []byte("longer"), 0o600))
	must(t, os.Remove(at(1, 3)))
	must(t, os.WriteFile(at(1, 7), []byte("stray"), 0o600))
	must(t, os.WriteFile(filepath.Join(h.data, "versions", owner, "odd"), []byte("odd"), 0o600))
	must(t, os.Mkdir(filepath.Join(h.data, "versions", "nobody"), 0o700))
	out, err := h.command(t, "verify")
	if err == nil || !strings.Contains(out, "5 files sound") || !strings.Contains(out, "1 damaged, 1 changed from outside, 1 missing; 3 entries") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestScan_TakesVersionsForVersions(t *testing.T) {
	t.Parallel()
	h := start(t)
	owner, list := replaced(t, h, "ann@example.com")
	h.scan(t, "ann@example.com").want(t, 0, 0, 0, 0, 0, 0)
	// Rows that are gone come back from what the disk has; of what is no file's
	// none is made.
	h.exec(t, "DELETE FROM versions WHERE revision <> 2")
	for _, revision := range []string{"9", "0", "-1"} {
		must(t, os.WriteFile(fmt.Sprintf("%s/versions/%s/%s.%s", h.data, owner, list[0].ID, revision), []byte("of no revision, or of none yet"), 0o600))
	}
	r := h.scan(t, "ann@example.com")
	if r.New != 0 || r.Versions != 4 || len(r.Problems) != 3 || *r.Used != 30 {
		t.Fatalf("got %+v", r)
	}
	h.wantSum(t, owner)
	c := h.SignIn(t, "ann@example.com")
	if got := revisions(t, c, list[0].ID); !slices.Equal(got, []int64{3, 2, 1}) {
		t.Fatalf("the versions are %v", got)
	}
	wantBytes(t, c.Do("GET", versionPath(list[0].ID, 3), nil).Want(t, 200).Body, []byte("three"))
}

func TestRebuild_GivesVersionsBack(t *testing.T) {
	t.Parallel()
	h := start(t)
	owner, list := replaced(t, h, "ann@example.com")
	c := h.SignIn(t, "ann@example.com")
	before := versionsOf(t, c, list[0].ID)
	for _, sql := range []string{"DELETE FROM file_ops", "DELETE FROM uploads", "DELETE FROM versions", "DELETE FROM items", "DELETE FROM trees",
		"UPDATE instance SET data_dir_id = NULL"} {
		h.exec(t, sql)
	}
	if out, err := h.command(t, "rebuild"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.wantSum(t, owner)
	after := versionsOf(t, c, list[0].ID)
	if len(after) != 3 {
		t.Fatalf("the versions are %+v", after)
	}
	for i, v := range after {
		was := before[i]
		if v.Revision != was.Revision || v.SHA256 != was.SHA256 || v.Size != was.Size || v.MediaType != was.MediaType || !v.Modified.Equal(was.Modified) {
			t.Errorf("%+v was %+v", v, was)
		}
	}
	// What is displaced next has a name of its own.
	c.Do("PUT", "/files/items/"+list[0].ID+"/content", "five").Want(t, 200)
	c.Do("POST", "/files/trash/"+list[1].ID+"/restore", nil).Want(t, 200)
	if got := revisions(t, c, list[0].ID); len(got) != 4 {
		t.Errorf("the versions are %v", got)
	}
	if got := revisions(t, c, list[1].ID); !slices.Equal(got, []int64{3, 2, 1}) {
		t.Errorf("the versions of what was in the trash are %v", got)
	}
	wantBytes(t, c.Do("GET", versionPath(list[0].ID, 1), nil).Want(t, 200).Body, []byte("one"))
	h.settled(t)
	if out, err := h.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// What a snapshot names is found wherever it went: replaced, it is a version; a
// version that was ended, or went with its file, waits to be freed.
func TestSnapshot_FindsWhatBecameAVersionAndWhatWasOne(t *testing.T) {
	t.Parallel()
	h := start(t)
	_, list := replaced(t, h, "ann@example.com")
	c := h.SignIn(t, "ann@example.com")
	serving := h.files
	h.idle = true
	h.Env.Worker(t)
	other := h.files
	h.files, h.idle = serving, false
	err := other.Snapshot(t.Context(), func(s *files.Snapshot) error {
		var stored []files.Stored
		err := files.EachStored(t.Context(), s.Conn, false, func(page []files.Stored) error {
			stored = append(stored, page...)
			return nil
		})
		must(t, err)
		must(t, s.CloseRows(t.Context()))
		if len(stored) != 8 {
			t.Errorf("the snapshot names %d files and versions", len(stored))
		}
		c.Do("PUT", "/files/items/"+list[0].ID+"/content", "five").Want(t, 200)
		c.Do("DELETE", "/files/items/"+list[0].ID+"/versions/2", nil).Want(t, 204)
		c.Do("DELETE", "/files/trash/"+list[1].ID, nil).Want(t, 204)
		h.run(t, "files.purge")
		for _, of := range stored {
			file, changed, err := s.Open(t.Context(), of)
			if err != nil || changed {
				t.Errorf("%s: %v, %v", of.Place, changed, err)
				continue
			}
			got, err := io.ReadAll(file)
			file.Close()
			if err != nil || sha(got) != of.SHA256 {
				t.Errorf("%s holds %q, %v", of.Place, got, err)
			}
		}
		return s.Kept(t.Context())
	})
	must(t, err)
}
