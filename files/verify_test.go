package files_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

func TestVerify_FindsWhatIsNotWhatWasStored(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	for i := range 12 {
		put(t, c, fmt.Sprintf("/documents/%d", i), fmt.Sprint("content ", i))
	}
	trashed := put(t, c, "/documents/trashed", "in the trash")
	c.Do("DELETE", "/files/items/"+trashed.ID, nil).Want(t, 204)
	h.settled(t)
	out, err := h.command(t, "verify")
	if err != nil || !strings.HasPrefix(out, "13 files") {
		t.Fatalf("%v: %s", err, out)
	}
	// One byte turns, and nothing else about the file: a disk's fault.
	damage := func(name string) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(name)
		b[0] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	damage(h.place(id, "documents", "3"))
	damage(filepath.Join(h.data, "trash", id, trashed.ID))
	write(t, h.place(id, "documents", "4"), "edited")
	if err := os.Remove(h.place(id, "documents", "5")); err != nil {
		t.Fatal(err)
	}
	out, err = h.command(t, "verify", "--json")
	if err == nil {
		t.Fatal("nothing was found")
	}
	var v struct {
		Files, Damaged, Changed, Missing int
		Problems                         []struct{ Path, Problem string }
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Files != 13 || v.Damaged != 2 || v.Changed != 1 || v.Missing != 1 || len(v.Problems) != 4 {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestVerify_NamesWhatNoRowStandsFor(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	put(t, c, "/documents/known", "known")
	put(t, c, "/documents/moved", "moved")
	h.settled(t)
	write(t, h.place(id, "documents", "album", "new"), "from outside")
	write(t, h.place(id, "documents", "caf\xe9"), "a Latin-1 name")
	write(t, filepath.Join(h.data, "users", "lost+found", "x"), "nobody's")
	rename(t, h.place(id, "documents", "moved"), h.place(id, "images", "moved"))
	out, err := h.command(t, "verify")
	if err == nil || !strings.Contains(out, "1 missing; 5 entries") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, p := range []string{`"/documents/album":`, `"/documents/album/new":`, `"/documents/caf\xe9":`, `"/images/moved":`} {
		if !strings.Contains(out, p) {
			t.Errorf("%s is not named: %s", p, out)
		}
	}
	if n := h.number(t, "SELECT count(*) FROM items WHERE name IN ('album', 'new')"); n != 0 {
		t.Error("verify took something over")
	}
	if out, err := h.command(t, "verify", "ann@example.com"); err == nil || !strings.Contains(out, "4 entries") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestVerify_GoesOnWhereItWasCutOffAndKeepsToItsRate(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	for i := range 10 {
		put(t, c, fmt.Sprintf("/documents/%d", i), string(random(10_000)))
	}
	h.exec(t, "UPDATE items SET checked_at = now() WHERE kind = 1 AND name < '4'")
	if out, err := h.command(t, "verify", "--older-than", "1h"); err != nil || !strings.HasPrefix(out, "6 files") {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := h.command(t, "verify", "--older-than", "1h"); err != nil || !strings.HasPrefix(out, "0 files") {
		t.Fatalf("%v: %s", err, out)
	}
	put(t, c, "/documents/5", "replaced")
	if out, err := h.command(t, "verify", "ann@example.com", "--older-than", "1d"); err != nil || !strings.HasPrefix(out, "1 file sound") {
		t.Fatalf("%v: %s", err, out)
	}
	put(t, c, "/documents/large", string(random(2_000_000)))
	began := time.Now()
	if _, err := h.command(t, "verify", "--rate", "4", "--older-than", "1h"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("2 MB at 4 MB a second took %v", took)
	}
}

// tree is an owner's tree as a client sees it: each path with id, size, sum.
func tree(t testing.TB, c *httpxtest.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(id string)
	walk = func(id string) {
		for cursor := ""; ; {
			p := decode[page](t, c.Do("GET", "/files/items/"+id+"/children?limit=200"+cursor, nil).Want(t, 200))
			for _, it := range p.Items {
				sum := "folder"
				if it.SHA256 != nil {
					sum = *it.SHA256 + " " + *it.MediaType
				}
				all[it.Path] = fmt.Sprint(it.ID, " ", it.Size, " ", sum)
				if it.Type == "folder" {
					walk(it.ID)
				}
			}
			if p.NextCursor == nil {
				return
			}
			cursor = "&cursor=" + *p.NextCursor
		}
	}
	walk("root")
	for _, it := range decode[page](t, c.Do("GET", "/files/trash?limit=200", nil).Want(t, 200)).Items {
		all["trash:"+it.ID] = fmt.Sprint(it.Name, " ", it.Size, " ", *it.ParentID)
	}
	return all
}

// churn is a random workload.
func churn(t testing.TB, c *httpxtest.Client, r *rand.Rand, steps int) {
	t.Helper()
	folders, items, trashed := []string{find(t, c, "/documents").ID}, []string{}, []string{}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	for i := range steps {
		name := fmt.Sprintf("ätem %d.txt", i)
		switch k := r.IntN(12); {
		case k < 2:
			a := c.Do("POST", "/files/folders", map[string]string{"parent_id": pick(folders), "name": name})
			if a.Status == 201 {
				it := decode[item](t, a)
				folders, items = append(folders, it.ID), append(items, it.ID)
			}
		case k < 6:
			parent := c.Do("GET", "/files/items/"+pick(folders), nil)
			if parent.Status == 200 {
				at := strings.ReplaceAll(decode[item](t, parent).Path+"/"+name, " ", "%20")
				items = append(items, put(t, c, at, string(random(r.IntN(3000)))).ID)
			}
		case len(items) == 0:
		case k < 8:
			c.Do("PUT", "/files/items/"+pick(items)+"/content", string(random(r.IntN(3000))))
		case k < 10:
			c.Do("PATCH", "/files/items/"+pick(items), map[string]string{"name": name, "parent_id": pick(folders)})
		case k < 11:
			id := pick(items)
			if c.Do("DELETE", "/files/items/"+id, nil).Status == 204 {
				trashed = append(trashed, id)
			}
		case len(trashed) > 0 && r.IntN(2) == 0:
			c.Do("POST", "/files/trash/"+pick(trashed)+"/restore", nil)
		case len(trashed) > 0:
			c.Do("DELETE", "/files/trash/"+pick(trashed), nil)
		}
	}
}

func TestRebuild_GivesBackWhatARandomWorkloadLeft(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	bob, _ := h.member(t, "bob@example.com")
	put(t, bob, "/documents/bob's", "his")
	churn(t, c, rand.New(rand.NewPCG(seed, 1)), 250)
	h.settled(t)
	before, usedBefore := tree(t, c), used(t, c)
	trashOf := func() string {
		var b strings.Builder
		for _, it := range decode[page](t, c.Do("GET", "/files/trash?limit=200", nil).Want(t, 200)).Items {
			fmt.Fprintln(&b, it.ID, it.Path)
		}
		return b.String()
	}
	trashBefore := trashOf()
	for _, sql := range []string{"DELETE FROM file_ops", "DELETE FROM uploads", "DELETE FROM versions", "DELETE FROM items", "DELETE FROM trees",
		"UPDATE instance SET data_dir_id = NULL"} {
		h.exec(t, sql)
	}
	out, err := h.command(t, "rebuild")
	if err != nil || !strings.Contains(out, "2 owners") || !strings.Contains(out, "quotas") {
		t.Fatalf("%v: %s", err, out)
	}
	after := tree(t, c)
	for path, want := range before {
		if after[path] != want {
			t.Errorf("%s: got %q, want %q", path, after[path], want)
		}
	}
	for path, got := range after {
		if before[path] == "" {
			t.Errorf("%s: %q came from nowhere", path, got)
		}
	}
	if got := trashOf(); got != trashBefore {
		t.Errorf("the trash was\n%s\nand is\n%s", trashBefore, got)
	}
	if n := used(t, c); n != usedBefore {
		t.Errorf("%d bytes are used, %d were", n, usedBefore)
	}
	if out, err := h.command(t, "rebuild"); err != nil || !strings.Contains(out, "0 files and folders") {
		t.Errorf("the second time: %v: %s", err, out)
	}
	if out, err := h.command(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	churn(t, c, rand.New(rand.NewPCG(seed, 2)), 60) // life goes on
	h.settled(t)
	h.scan(t, "ann@example.com").want(t, 0, 0, 0, 0, 0, 0)
}

func TestCommands_UsageAndPurge(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := put(t, c, "/documents/a", "12345")
	put(t, c, "/documents/b", "1")
	put(t, c, "/documents/b", "12")
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	out, err := h.command(t, "usage", "--json")
	if err != nil || out != `{"user":"ann@example.com","quota":1073741824,"used":8,"reserved":0,"trash":5,"versions":1,"items":4,"entries":5,"entry_quota":1000000}`+"\n" {
		t.Fatalf("%v: %s", err, out)
	}
	const table = "BYTES USED IN TRASH IN VERSIONS RESERVED QUOTA ITEMS ENTRIES ENTRY QUOTA USER 8 5 1 0 1073741824 4 5 1000000 ann@example.com"
	if out, err := h.command(t, "usage"); err != nil || strings.Join(strings.Fields(out), " ") != table {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := h.command(t, "purge"); err != nil || !strings.HasPrefix(out, "0 items") {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := h.command(t, "purge", "ann@example.com", "--older-than", "0s"); err != nil || !strings.HasPrefix(out, "1 item deleted") {
		t.Fatalf("%v: %s", err, out)
	}
	if left := h.onDisk(t); len(left) != 2 || used(t, c) != 3 {
		t.Errorf("the disk holds %q", left)
	}
}
