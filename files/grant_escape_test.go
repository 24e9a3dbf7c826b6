package files_test

import (
	"archive/zip"
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"homebase/httpx/httpxtest"
)

// private is a house in which bob got two folders of ann's by name, the second
// for writing too. What lies around them is ann's.
type private struct {
	*house
	ann, bob    *httpxtest.Client
	annID       string
	secret      item // a file of ann's that bob once reached
	read, write item
}

func newPrivate(t testing.TB) *private {
	x := &private{house: start(t)}
	x.ann, x.annID = x.member(t, "ann@example.com")
	var bobID string
	x.bob, bobID = x.member(t, "bob@example.com")
	x.secret = put(t, x.ann, "/private/read/diary.txt", "secret")
	put(t, x.ann, "/private/read/a.txt", "a")
	put(t, x.ann, "/private/write/b.txt", "b")
	x.read, x.write = find(t, x.ann, "/private/read"), find(t, x.ann, "/private/write")
	shareWith(t, x.ann, x.read.ID, bobID, "viewer")
	shareWith(t, x.ann, x.write.ID, bobID, "editor")
	x.bob.Do("GET", "/files/items/"+x.secret.ID, nil).Want(t, 200)
	x.ann.Do("PATCH", "/files/items/"+x.secret.ID, map[string]string{"parent_id": *x.read.ParentID}).Want(t, 200)
	x.bob.Do("GET", "/files/items/"+x.secret.ID, nil).WantProblem(t, 404, "not_found")
	return x
}

// wantHidden fails when an answer tells where the shared folders lie.
func (x *private) wantHidden(t testing.TB, a *httpxtest.Answer) {
	t.Helper()
	if body := string(a.Body); strings.Contains(body, "private") || strings.Contains(body, *x.read.ParentID) {
		t.Errorf("it tells where it lies: %s", body)
	}
}

func namesInZip(t testing.TB, b []byte) (names []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

func TestGrant_AnArchiveOfSeveralHoldsNothingBesideWhatIsShared(t *testing.T) {
	t.Parallel()
	x := newPrivate(t)
	for _, ids := range [][]string{{x.read.ID, x.secret.ID}, {x.read.ID, *x.read.ParentID}, {x.secret.ID, x.read.ID}} {
		x.bob.Do("POST", "/files/archive", map[string]any{"ids": ids}).WantProblem(t, 404, "not_found")
	}
	// What was shared apart can be had together.
	a := x.bob.Do("POST", "/files/archive", map[string]any{"ids": []string{x.read.ID, x.write.ID}}).Want(t, 200)
	if got := namesInZip(t, a.Body); !slices.Equal(got, []string{"read/", "read/a.txt", "write/", "write/b.txt"}) {
		t.Errorf("the archive holds %q", got)
	}
}

func TestGrant_MakesNoFolderOutsideOfTheSharedOne(t *testing.T) {
	t.Parallel()
	x := newPrivate(t)
	for _, body := range []map[string]any{
		{"parent_id": x.write.ID, "path": "/planted"},
		{"parent_id": x.write.ID, "path": "/private", "parents": true},
		{"parent_id": x.write.ID, "path": "/planted", "name": "x"},
	} {
		a := x.bob.Do("POST", "/files/folders", body)
		a.WantProblem(t, 422, "validation_failed")
		x.wantHidden(t, a)
	}
	x.ann.Do("GET", "/files/lookup?path=/planted", nil).WantProblem(t, 404, "not_found")
}

func TestGrant_TellsNoPathWhenSomethingGoesFromOneShareToAnother(t *testing.T) {
	t.Parallel()
	x := newPrivate(t)
	other := decode[item](t, x.ann.Do("POST", "/files/folders", map[string]any{"path": "/private/far/other", "parents": true}).Want(t, 201))
	shareWith(t, x.ann, other.ID, decode[struct{ ID string }](t, x.bob.Do("GET", "/auth/me", nil)).ID, "editor")
	b := find(t, x.ann, "/private/write/b.txt")
	a := x.bob.Do("PATCH", "/files/items/"+b.ID, map[string]string{"parent_id": other.ID}).Want(t, 200)
	x.wantHidden(t, a)
	if got := decode[item](t, a); got.Path != "/b.txt" {
		t.Errorf("moved to %q", got.Path)
	}
	a = x.bob.Do("POST", "/files/batch", map[string]any{"operations": []map[string]any{
		{"op": "move", "id": b.ID, "parent_id": x.write.ID}, {"op": "move", "id": b.ID, "parent_id": x.read.ID},
		{"op": "copy", "id": b.ID, "parent_id": other.ID}}}).Want(t, 200)
	x.wantHidden(t, a)
	if !strings.Contains(string(a.Body), `"status":403`) {
		t.Errorf("a viewer's folder took what was moved there: %s", a.Body)
	}
}

func TestGrant_ACopySaysWhatItLacksWithoutTellingWhere(t *testing.T) {
	t.Parallel()
	x := newPrivate(t)
	x.settled(t)
	must(t, os.Remove(x.place(x.annID, "private", "read", "a.txt")))
	home := find(t, x.bob, "/documents")
	a := x.bob.Do("POST", "/files/items/"+x.read.ID+"/copy", map[string]string{"parent_id": home.ID}).Want(t, 201)
	x.wantHidden(t, a)
	if !strings.Contains(string(a.Body), `"path":"/a.txt"`) {
		t.Errorf("it lacks %s", a.Body)
	}
}

// Neither who has a link nor who was given a folder by name learns of the space.
func TestGrant_WhatIsInASharedFolderDoesNotTellOfTheSpace(t *testing.T) {
	t.Parallel()
	x := newTeam(t, start(t))
	it := decode[item](t, x.editor.Do("PUT", x.in("/files/content/f/g/a?parents=true"), "a").Want(t, 201))
	folder := decode[item](t, x.editor.Do("GET", x.in("/files/lookup?path=/f"), nil).Want(t, 200))
	shareWith(t, x.editor, folder.ID, x.ids["stranger"], "editor")
	link := decode[struct{ Token string }](t, x.editor.Do("POST", "/files/shares", map[string]string{"item_id": folder.ID}).Want(t, 201)).Token
	x.editor.Do("PUT", "/files/items/"+it.ID+"/content", "b").Want(t, 200)
	guest := x.Client(t)
	for _, a := range []*httpxtest.Answer{
		x.stranger.Do("GET", "/files/items/"+folder.ID+"/children", nil), x.stranger.Do("GET", "/files/items/"+*it.ParentID+"/children", nil),
		x.stranger.Do("GET", "/files/items/"+it.ID, nil), x.stranger.Do("GET", "/files/items/"+it.ID+"/versions", nil),
		x.stranger.Do("POST", "/files/items/"+it.ID+"/versions/1/restore", nil), x.stranger.Do("PATCH", "/files/items/"+it.ID, map[string]string{"name": "b"}),
		x.stranger.Do("PUT", "/files/items/"+it.ID+"/content", "c"), x.stranger.Do("GET", "/files/shared-with-me", nil),
		x.stranger.Do("POST", "/files/items/"+it.ID+"/copy", map[string]string{"name": "c"}),
		x.stranger.Do("POST", "/files/folders", map[string]string{"parent_id": folder.ID, "name": "h"}),
		guest.Do("GET", "/files/shared/"+link, nil), guest.Do("GET", "/files/shared/"+link+"/children", nil),
		guest.Do("GET", "/files/shared/"+link+"/children?item_id="+*it.ParentID, nil),
	} {
		if a.Status > 201 || strings.Contains(string(a.Body), x.ID) {
			t.Errorf("%d: it tells of the space: %s", a.Status, a.Body)
		}
	}
}
