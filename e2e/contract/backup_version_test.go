package contract_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"homebase/httpx/httpxtest"
)

// TestBackup_HasEveryVersionOnce: what was backed up as a file is not stored
// again when it has become a version.
func TestBackup_HasEveryVersionOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	bk := filepath.Join(t.TempDir(), "backup")
	var it struct{ ID string }
	type version struct {
		Revision   int64  `json:"revision"`
		SHA256     string `json:"sha256"`
		MediaType  string `json:"media_type"`
		ModifiedAt string `json:"modified_at"`
		ReplacedAt string `json:"replaced_at"`
	}
	versions := func(c *httpxtest.Client) (list struct{ Items []version }) {
		c.Do("GET", "/files/items/"+it.ID+"/versions", nil).Want(t, 200).JSON(t, &list)
		return list
	}
	for _, body := range []string{"one", "two", "three"} {
		c.Do("PUT", "/files/content/documents/a.txt", body).JSON(t, &it)
		must(t, s.env, "backup", bk, "--with-secret")
	}
	if objects, err := filepath.Glob(bk + "/objects/*/*"); err != nil || len(objects) != 3 {
		t.Errorf("%v, %v", objects, err)
	}
	before := versions(c)
	env, _, _ := elsewhere(t)
	must(t, env, "restore", "--check", bk)
	must(t, env, "restore", bk)
	must(t, env, "files", "verify")
	again := start(t, env[1:4]...).login(t, "me@example.com")
	if after := versions(again); len(after.Items) != 2 || !reflect.DeepEqual(before, after) {
		t.Errorf("the versions were %+v and are %+v", before, after)
	}
	if got := string(again.Do("GET", "/files/items/"+it.ID+"/versions/1/content", nil).Want(t, 200).Body); got != "one" {
		t.Errorf("the first holds %q", got)
	}
}
