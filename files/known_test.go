package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/httpx/httpxtest"
)

func TestDownload_AgainAsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, _ := h.member(t, "ann@example.com")
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a", "first").Want(t, 201))
	h.settled(t)
	var n int64
	for range 3 { // a worker that was not let run for seconds asks again
		before := h.DB.Stat().AcquireCount()
		for range 10 { // HEAD, for a download is also recorded
			c.Do("HEAD", "/files/content/documents/a", nil).Want(t, 200)
			c.Do("HEAD", "/files/items/"+it.ID+"/content", nil).Want(t, 200)
		}
		if n = h.DB.Stat().AcquireCount() - before; n == 0 {
			return
		}
	}
	t.Errorf("twenty reads asked %d times", n)
}

// Each change is made at one worker while both know the file from before.
func TestDownload_WhatIsKnownIsNeverOlderThanAChange(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	second := h.second(t)
	there := second.Client(t).As(c.Bearer)
	both := func(path string, status int, want string) {
		t.Helper()
		for _, at := range []*httpxtest.Client{c, there} {
			for range 3 { // asked, then known, and then open
				a := at.Do("GET", path, nil).Want(t, status)
				if status == 200 {
					wantBytes(t, a.Body, []byte(want))
				}
			}
		}
	}
	const path = "/files/content/documents/sub/a"
	it := decode[item](t, c.Do("PUT", path+"?parents=true", "first").Want(t, 201))
	h.settled(t)
	byID := "/files/items/" + it.ID + "/content"
	both(path, 200, "first")
	both(byID, 200, "first")
	// Of the same size; the clock may stand still between the two.
	c.Do("PUT", path, "other").Want(t, 200)
	both(path, 200, "other")
	both(byID, 200, "other")
	folder := decode[item](t, c.Do("GET", "/files/lookup?path=/documents/sub", nil).Want(t, 200))
	c.Do("PATCH", "/files/items/"+folder.ID, map[string]string{"name": "moved"}).Want(t, 200)
	both(path, 404, "")
	both(byID, 200, "other")
	c.Do("PUT", path+"?parents=true", "third").Want(t, 201)
	both(path, 200, "third")
	both(byID, 200, "other")
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	both(byID, 404, "")
	both("/files/content/documents/moved/a", 404, "")
	c.Do("POST", "/files/trash/"+it.ID+"/restore", nil).Want(t, 200)
	h.settled(t) // nothing is known of what is on its way
	both(byID, 200, "other")
	// From outside, of the same size and with the time of before: another file in its
	// place, the same one with other bytes, and none.
	place := h.place(id, "documents", "moved", "a")
	info, err := os.Stat(place)
	if err != nil {
		t.Fatal(err)
	}
	write := func(at, content string) {
		t.Helper()
		err := os.WriteFile(at, []byte(content), 0o600)
		if err == nil {
			err = os.Chtimes(at, info.ModTime(), info.ModTime())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(place+".new", "added")
	if err := os.Rename(place+".new", place); err != nil {
		t.Fatal(err)
	}
	both(byID, 200, "added")
	write(place, "edits")
	both(byID, 200, "edits")
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	both(byID, 404, "")
}

// What is read again and again stays open, and not for long: what is deleted gives its
// place on the disk back.
func TestDownload_AFileStaysOpenForAMoment(t *testing.T) {
	t.Parallel()
	h := start(t)
	c, id := h.member(t, "ann@example.com")
	content := strings.Repeat("0123456789", 10_000)
	it := decode[item](t, c.Do("PUT", "/files/content/documents/a", content).Want(t, 201))
	h.settled(t)
	file, err := os.Stat(h.place(id, "documents", "a"))
	if err != nil {
		t.Fatal(err)
	}
	open := func() (n int) {
		fds, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if to, err := os.Stat(fd); err == nil && os.SameFile(to, file) {
				n++
			}
		}
		return n
	}
	most := 0
	for range 10 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				from := i * 7
				for range 5 { // parts of one file at a time, large ones and small ones
					a := c.Do("GET", "/files/content/documents/a", nil, httpxtest.WithHeader("Range", fmt.Sprintf("bytes=%d-%d", from, from+10_000*i))).Want(t, 206)
					wantBytes(t, a.Body, []byte(content[from:from+10_000*i+1]))
				}
			})
		}
		all.Wait()
		most = max(most, open())
	}
	if most == 0 {
		t.Error("the file never stayed open")
	}
	c.Do("DELETE", "/files/items/"+it.ID, nil).Want(t, 204)
	c.Do("DELETE", "/files/trash/"+it.ID, nil).Want(t, 204)
	for end := time.Now().Add(10 * time.Second); open() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the file is still open %d times", open())
		}
	}
}

// Between the commit and the rename, who was told of a change gets it.
func TestDownload_WhoIsToldOfAChangeGetsItBeforeTheDiskHasFollowed(t *testing.T) {
	t.Parallel()
	h := start(t, silent)
	c, id := h.member(t, "ann@example.com")
	second := h.second(t)
	there := second.Client(t).As(c.Bearer)
	const path = "/files/content/documents/a"
	c.Do("PUT", path, "first").Want(t, 201)
	h.settled(t)
	there.Do("GET", path, nil).Want(t, 200)
	stream := listen(t, second, c, "")
	thaw := freeze(t, h.place(id, "documents"))
	c.Do("PUT", path, "other").WantProblem(t, 503, "storage_unavailable")
	stream.want(t, "changed /documents/a")
	for _, at := range []*httpxtest.Client{c, there} {
		wantBytes(t, at.Do("GET", path, nil).Want(t, 200).Body, []byte("other"))
	}
	thaw()
}
