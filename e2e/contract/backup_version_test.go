package contract_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"
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

// TestBackup_TakenWhileAVersionEndsWithEachWrite: two people at two servers replace
// the files of a space, more often than versions are kept, while backups are
// taken. What each file and version holds is when it was written, so a version
// that is another's, or of another time, shows.
func TestBackup_TakenWhileAVersionEndsWithEachWrite(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=error")
	of := s.setting
	other := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=error", of("HOMEBASE_DATABASE_URL"), of("HOMEBASE_DATA_DIR"), of("HOMEBASE_STATE_DIR"))
	me := s.signIn(t, "me@example.com")
	var space, user struct{ ID string }
	me.Do("POST", "/auth/users", map[string]any{"email": "ann@example.com", "password": password}).Want(t, 201).JSON(t, &user)
	me.Do("POST", "/files/spaces", map[string]any{"name": "family"}).Want(t, 201).JSON(t, &space)
	me.Do("PUT", "/files/spaces/"+space.ID+"/members/"+user.ID, map[string]string{"role": "editor"}).Want(t, 200)
	stop, begun := make(chan struct{}), make(chan struct{}, 2)
	var writers sync.WaitGroup
	for who, c := range []*httpxtest.Client{me, other.login(t, "ann@example.com")} {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if n == 100 {
					begun <- struct{}{}
				}
				at := fmt.Sprint(1_000_000_000 + 2*n + who)
				if a := c.Do("PUT", fmt.Sprintf("/files/content/%d?space=%s", n%3, space.ID), at, httpxtest.WithHeader("X-OC-Mtime", at)); a.Status > 201 {
					t.Errorf("%d: %s", a.Status, a.Body)
				}
			}
		})
	}
	<-begun
	<-begun
	bk := filepath.Join(t.TempDir(), "backup")
	for range 3 {
		must(t, s.env, "backup", bk, "--with-secret")
	}
	close(stop)
	writers.Wait()

	env, url, _ := elsewhere(t)
	must(t, env, "restore", "--check", bk)
	must(t, env, "restore", bk)
	if out := must(t, env, "files", "verify"); !strings.Contains(out, "0 damaged, 0 changed from outside, 0 missing") {
		t.Error(out)
	}
	if out := must(t, env, "files", "scan"); strings.Count(out, "0 new, 0 moved, 0 changed, 0 missing, 0 returned, 0 problems") < 1 {
		t.Error(out)
	}
	d := dbtest.Open(t, url)
	ended, err := db.One(t.Context(), d, db.Value[int64], `SELECT min(i.revision - 1 - (SELECT count(*) FROM versions v WHERE v.item_id = i.id))
		FROM items i WHERE i.kind = 1`)
	if err != nil || ended < 1 {
		t.Errorf("of a file %d versions had ended, %v", ended, err)
	}
	again := start(t, env[1:4]...)
	ann := again.login(t, "ann@example.com")
	var members struct{ Items []struct{ Role string } }
	ann.Do("GET", "/files/spaces/"+space.ID+"/members", nil).Want(t, 200).JSON(t, &members)
	if len(members.Items) != 2 {
		t.Errorf("the members are %+v", members)
	}
	ann.Do("PUT", "/files/content/new?space="+space.ID, "x").Want(t, 201)
	var files struct {
		Items []struct {
			ID       string
			Modified time.Time `json:"modified_at"`
		}
	}
	ann.Do("GET", "/files/search?type=file&space="+space.ID, nil).Want(t, 200).JSON(t, &files)
	for _, it := range files.Items {
		check := func(path string, modified time.Time) {
			t.Helper()
			if got := string(ann.Do("GET", path, nil).Want(t, 200).Body); got != "x" && got != fmt.Sprint(modified.Unix()) {
				t.Errorf("%s holds %q and was modified at %d", path, got, modified.Unix())
			}
		}
		check("/files/items/"+it.ID+"/content", it.Modified)
		var list struct {
			Items []struct {
				Revision int64
				Modified time.Time `json:"modified_at"`
			}
		}
		ann.Do("GET", "/files/items/"+it.ID+"/versions?limit=100", nil).Want(t, 200).JSON(t, &list)
		for _, v := range list.Items {
			check(fmt.Sprintf("/files/items/%s/versions/%d/content", it.ID, v.Revision), v.Modified)
		}
	}
	if len(files.Items) != 4 {
		t.Errorf("the space holds %+v", files)
	}
}
