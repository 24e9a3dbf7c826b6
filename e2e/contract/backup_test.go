package contract_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// homebase runs a command of the program in an environment.
func homebase(env []string, args ...string) (string, error) {
	path, err := binary()
	if err != nil {
		return "", err
	}
	return commandOf(path, env, args...)
}

// commandOf runs a command of any build of it.
func commandOf(path string, env []string, args ...string) (string, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, err := homebase(env, args...)
	if err != nil {
		t.Fatalf("homebase %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// elsewhere is the environment of a new machine: an empty database, no data
// directory, no secret.
func elsewhere(t *testing.T) (env []string, url, dir string) {
	t.Helper()
	url, dir = dbtest.CreateEmpty(t), t.TempDir()
	return []string{"PATH=" + os.Getenv("PATH"), "HOMEBASE_DATABASE_URL=" + url, "HOMEBASE_DATA_DIR=" + dir + "/data",
		"HOMEBASE_STATE_DIR=" + dir + "/state", "HOMEBASE_LOG_LEVEL=error", "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_MIN_FREE=1MiB"}, url, dir
}

// setting is KEY=value of the server's environment.
func (s *server) setting(key string) string {
	for _, kv := range s.env {
		if strings.HasPrefix(kv, key+"=") {
			return kv
		}
	}
	return ""
}

// login is signIn for a user who is there.
func (s *server) login(t *testing.T, email string) *httpxtest.Client {
	t.Helper()
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	s.Client(t).Do("POST", "/auth/login", map[string]string{"email": email, "password": password, "mode": "token"}).
		Want(t, 200).JSON(t, &granted)
	return s.Client(t).As(granted.AccessToken)
}

// disturb changes one tree without a pause until stop is closed: new files and
// folders, replacements, moves, deletions for good.
func disturb(t *testing.T, c *httpxtest.Client, seed uint64, stop chan struct{}) (acts int) {
	dice := mrand.New(mrand.NewPCG(seed, 1))
	type item struct {
		ID   string `json:"id"`
		Path string `json:"path"`
	}
	for ; ; acts++ {
		select {
		case <-stop:
			return acts
		default:
		}
		folder := fmt.Sprintf("/documents/%d", dice.IntN(4))
		name := fmt.Sprintf("%s/file %d", folder, dice.IntN(12))
		bytes := make([]byte, 1+dice.IntN(60_000))
		rand.Read(bytes)
		switch found := c.Do("GET", "/files/lookup?path="+strings.ReplaceAll(name, " ", "%20"), nil); {
		case found.Status == http.StatusNotFound || dice.IntN(2) == 0:
			c.Do("POST", "/files/folders", map[string]any{"path": folder})
			c.Do("PUT", "/files/content"+strings.ReplaceAll(name, " ", "%20"), bytes)
		case dice.IntN(8) == 0:
			c.Do("DELETE", "/files/trash", nil)
		default:
			var it item
			found.JSON(t, &it)
			if dice.IntN(3) > 0 {
				c.Do("DELETE", "/files/items/"+it.ID, nil)
				if dice.IntN(2) == 0 {
					c.Do("DELETE", "/files/trash/"+it.ID, nil)
				}
				continue
			}
			var up item
			c.Do("GET", "/files/lookup?path=/documents", nil).JSON(t, &up)
			if from := c.Do("GET", "/files/lookup?path="+folder, nil); from.Status == http.StatusOK { // a whole folder goes
				from.JSON(t, &it)
				c.Do("DELETE", "/files/items/"+it.ID, nil)
				c.Do("DELETE", "/files/trash/"+it.ID, nil)
			}
		}
	}
}

func TestBackup_TakenDuringHeavyWritingRestoresToWhatItNames(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=error")
	of := s.setting
	other := start(t, "HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LOG_LEVEL=error", of("HOMEBASE_DATABASE_URL"), of("HOMEBASE_DATA_DIR"), of("HOMEBASE_STATE_DIR"))
	me, you := s.signIn(t, "me@example.com"), s.signIn(t, "you@example.com")
	clients := []*httpxtest.Client{me, you, other.login(t, "me@example.com"), other.login(t, "you@example.com")}
	bk := filepath.Join(t.TempDir(), "backup")

	stop := make(chan struct{})
	var writers sync.WaitGroup
	acts := make([]int, len(clients))
	for i, c := range clients {
		writers.Go(func() { acts[i] = disturb(t, c, uint64(i), stop) })
	}
	for range 3 {
		must(t, s.env, "backup", bk, "--with-secret")
	}
	// What is freed now was kept for the backups alone.
	must(t, s.env, "files", "purge")
	close(stop)
	writers.Wait()
	for i, n := range acts {
		if n == 0 {
			t.Fatalf("writer %d did nothing", i)
		}
	}

	env, url, dir := elsewhere(t)
	if out := must(t, env, "restore", "--check", bk); !strings.Contains(out, "can be restored") {
		t.Errorf("the check says %q", out)
	}
	if left, err := os.ReadDir(dir + "/data"); err == nil {
		t.Errorf("the check left %v", left)
	}
	must(t, env, "restore", bk)
	if out := must(t, env, "files", "verify"); !strings.Contains(out, "0 damaged, 0 changed from outside, 0 missing") {
		t.Error(out)
	}
	if out := must(t, env, "files", "scan"); strings.Count(out, "0 new, 0 moved, 0 changed, 0 missing, 0 returned, 0 problems") != 2 {
		t.Error(out)
	}
	must(t, env, "audit", "verify")
	d := dbtest.Open(t, url)
	for what, sql := range map[string]string{
		"owners whose usage is another than the sum": `SELECT count(*) FROM trees t WHERE t.reserved <> 0 OR
			t.used <> t.versions + (SELECT coalesce(sum(i.size), 0) FROM items i WHERE i.owner_id = t.owner_id) OR
			t.versions <> (SELECT coalesce(sum(v.size), 0) FROM versions v WHERE v.owner_id = t.owner_id)`,
		"times that no version was made": `SELECT 1 - max(least(t.versions, 1)) FROM trees t`,
		"folders that look like files":   `SELECT count(*) FROM items WHERE kind = 0 AND (sha256 IS NOT NULL OR mtime IS NOT NULL)`,
		"records of workers of then":     `SELECT count(*) FROM file_ops`,
		"sessions of then":               `SELECT count(*) FROM sessions WHERE revoked_at IS NULL`,
	} {
		if n, err := db.One(t.Context(), d, db.Value[int64], sql); err != nil || n != 0 {
			t.Errorf("%d %s, %v", n, what, err)
		}
	}
	// The names of the disk tell the rows again: every entry carries its id.
	again := start(t, env[1:4]...)
	c := again.login(t, "me@example.com")
	c.Do("PUT", "/files/content/documents/after", "written after the restore").Want(t, 201)
	c.Do("GET", "/files/usage", nil).Want(t, 200)
	if out, err := homebase(env, "restore", bk); err == nil || !strings.Contains(out, "is not empty") {
		t.Errorf("a second restore: %v, %s", err, out)
	}
}

// TestBackup_SaysWhatItDoesNotHave: a file that rotted, one that is gone, one
// that was edited past the API, and one of the backup's own.
func TestBackup_SaysWhatItDoesNotHave(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	for _, name := range []string{"whole", "rotten", "gone", "edited", "late"} {
		c.Do("PUT", "/files/content/documents/"+name, "bytes of "+name).Want(t, 201)
	}
	folder := filepath.Join(s.dir, "data/users", owner(t, s.dir), "documents")
	bk := filepath.Join(t.TempDir(), "backup")
	info, err := os.Stat(folder + "/rotten")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.WriteFile(folder+"/rotten", []byte("bytes of Rotten"), 0o600), os.Chtimes(folder+"/rotten", info.ModTime(), info.ModTime()),
		os.Remove(folder + "/gone"), os.WriteFile(folder+"/edited", []byte("other bytes"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := homebase(s.env, "backup", bk)
	if err == nil || !strings.Contains(out, "2 files were damaged or missing") || !strings.Contains(out, `edited": changed outside the API`) ||
		!strings.Contains(out, `rotten": damaged`) || !strings.Contains(out, `gone": missing`) || strings.Contains(out, "whole") {
		t.Errorf("%v\n%s", err, out)
	}
	must(t, s.env, "backup", "--verify", bk)

	env, _, dir := elsewhere(t)
	if out, err = homebase(env, "restore", bk); err == nil || !strings.Contains(out, "authenticators") || !strings.Contains(out, "--without-secret") {
		t.Errorf("without the secret: %v\n%s", err, out)
	}
	must(t, env, "restore", "--without-secret", bk)
	for name, want := range map[string]string{"whole": "bytes of whole", "rotten": "bytes of Rotten", "edited": "other bytes"} {
		got, err := os.ReadFile(filepath.Join(dir, "data/users", owner(t, dir), "documents", name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	out, err = homebase(env, "files", "verify")
	if err == nil || !strings.Contains(out, "1 damaged, 0 changed from outside, 1 missing") {
		t.Errorf("%v\n%s", err, out)
	}
	start(t, env[1:4]...).login(t, "me@example.com")

	// The backup's own disk rots too.
	objects, err := filepath.Glob(bk + "/objects/*/*")
	if err != nil || len(objects) != 4 {
		t.Fatalf("%v, %v", objects, err)
	}
	if err := os.WriteFile(objects[0], []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", "--verify", bk}, {"restore", "--check", bk}} {
		if out, err := homebase(env, args...); err == nil || !strings.Contains(out, "its bytes in the backup are damaged") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// TestBackup_HasWhatNoRowStandsFor: what was copied onto the disk and not
// scanned, or cannot be taken over, is what people believe to be kept.
func TestBackup_HasWhatNoRowStandsFor(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.signIn(t, "me@example.com").Do("PUT", "/files/content/documents/known", "known").Want(t, 201)
	home := func(dir string) string { return filepath.Join(dir, "data/users", owner(t, s.dir)) }
	put := map[string]string{"documents/new.txt": "new", "documents/line\nbreak/deep": "in a folder without a name",
		"images/caf\xe9.txt": "a Latin-1 name", "images/50%": "a name with a percent sign"}
	for name, text := range put {
		p := filepath.Join(home(s.dir), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o700), os.WriteFile(p, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("new.txt", filepath.Join(home(s.dir), "documents/link")); err != nil {
		t.Fatal(err)
	}
	named := func(out string) {
		t.Helper()
		for _, name := range []string{`documents/new.txt"`, `documents/line\nbreak"`, `images/caf\xe9.txt"`, `images/50%"`, `documents/link"`} {
			if !strings.Contains(out, name) {
				t.Errorf("%s is not named: %s", name, out)
			}
		}
	}
	bk := filepath.Join(t.TempDir(), "backup")
	out, err := homebase(s.env, "backup", bk, "--with-secret")
	if err == nil || !strings.Contains(out, "5 files and folders are in the backup as they are") {
		t.Errorf("%v\n%s", err, out)
	}
	named(out)
	named(must(t, s.env, "backup", "--verify", bk))
	for _, args := range [][]string{{"files", "verify"}, {"doctor"}} {
		out, err := homebase(s.env, args...)
		if err == nil {
			t.Errorf("%v ends well", args)
		}
		named(strings.ReplaceAll(out, `\\n`, `\n`))
	}
	if out, err := homebase(s.env, "backup", bk, "--keep", "1", "--with-secret"); err == nil {
		t.Errorf("the second time: %s", out)
	}
	must(t, s.env, "restore", "--check", bk)

	env, _, dir := elsewhere(t)
	if out := must(t, env, "restore", bk); !strings.Contains(out, "5 files and folders without a row are back") {
		t.Error(out)
	}
	for name, want := range put {
		if got, err := os.ReadFile(filepath.Join(home(dir), name)); err != nil || string(got) != want {
			t.Errorf("%q holds %q, %v", name, got, err)
		}
	}
	if out, err := homebase(env, "files", "scan"); err == nil || !strings.Contains(out, "2 new, 0 moved, 0 changed, 0 missing, 0 returned, 2 problems") {
		t.Errorf("%v\n%s", err, out)
	}
	// The backup's own disk rots here, too.
	if err := os.WriteFile(objectOf(bk, "a Latin-1 name"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := homebase(env, "backup", "--verify", bk); err == nil || !strings.Contains(out, `caf\xe9.txt": its bytes in the backup are damaged`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBackup_PointsStandAloneAndAnUnfinishedOneIsNone(t *testing.T) {
	t.Parallel()
	s := start(t, "HOMEBASE_VERSION_RETENTION=0d") // one object a point
	c := s.signIn(t, "me@example.com")
	bk := filepath.Join(t.TempDir(), "backup")
	points := func() []string {
		t.Helper()
		list, err := filepath.Glob(bk + "/points/*")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for i, status := range []int{201, 200, 200} {
		c.Do("PUT", "/files/content/documents/note", fmt.Sprint("version ", i)).Want(t, status)
		must(t, s.env, "backup", bk)
	}
	first := points()[0]
	// As a kill leaves it, all but the name.
	unfinished := bk + "/points/20990101T000000.000Z.unfinished"
	if err := os.CopyFS(unfinished, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	if out := must(t, s.env, "backup", "--verify", bk); strings.Contains(out, "2099") {
		t.Errorf("an unfinished point was taken: %s", out)
	}
	env, _, dir := elsewhere(t)
	env = append(env, "HOMEBASE_SECRET_FILE="+s.dir+"/state/secret")
	must(t, env, "restore", bk, "--point", filepath.Base(first))
	if got, err := os.ReadFile(filepath.Join(dir, "data/users", owner(t, dir), "documents/note")); err != nil || string(got) != "version 0" {
		t.Errorf("the first point gives %q, %v", got, err)
	}
	must(t, s.env, "backup", bk, "--keep", "2")
	if list := points(); len(list) != 2 || list[0] == first {
		t.Errorf("kept were %v", list)
	}
	if objects, err := filepath.Glob(bk + "/objects/*/*"); err != nil || len(objects) != 1 {
		t.Errorf("objects are %v, %v", objects, err)
	}
	must(t, s.env, "restore", "--check", bk)
	if out := must(t, s.env, "backup", "--verify", bk); strings.Contains(out, "edited") {
		t.Errorf("the secret is here, and proves nothing: %s", out)
	}
	// Somebody who can write to the backup edits a manifest and its sum, and does not have the secret.
	manifest := points()[1] + "/manifest.json"
	text, err := os.ReadFile(manifest)
	sum, err2 := os.ReadFile(strings.TrimSuffix(manifest, "json") + "sum")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"version": "`), []byte(`"version": "x`), 1)
	sum = fmt.Appendf(nil, "%x%s", sha256.Sum256(text), sum[64:])
	if err := errors.Join(os.WriteFile(manifest, text, 0o600), os.WriteFile(strings.TrimSuffix(manifest, "json")+"sum", sum, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", "--verify", bk}, {"restore", "--check", bk}} {
		if out, err := homebase(s.env, args...); err == nil || !strings.Contains(out, "somebody edited it") {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
	if out, err := homebase(s.env, "backup", bk, "--mail-to", "me@example.com"); err == nil || !strings.Contains(out, "HOMEBASE_SMTP_URL") {
		t.Errorf("mail without a server: %v, %s", err, out)
	}
}

// objectOf is where a backup has these bytes.
func objectOf(bk, text string) string {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	return filepath.Join(bk, "objects", sum[:2], sum[2:])
}

// TestBackup_HasWhatIsReplacedAndPurgedMeanwhile holds a backup up between its
// snapshot and the bytes. One file has another inode than its row says, as on
// a disk that was copied.
func TestBackup_HasWhatIsReplacedAndPurgedMeanwhile(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	c.Do("POST", "/files/folders", map[string]any{"path": "/documents/folder"}).Want(t, 201)
	c.Do("PUT", "/files/content/documents/folder/purged", "purged bytes").Want(t, 201)
	then := httpxtest.WithHeader("X-OC-Mtime", "1000000000") // of either version
	c.Do("PUT", "/files/content/documents/copied", "first bytes", then).Want(t, 201)
	var folder struct {
		ID string `json:"id"`
	}
	c.Do("GET", "/files/lookup?path=/documents/folder", nil).JSON(t, &folder)
	d := dbtest.Open(t, strings.TrimPrefix(s.setting("HOMEBASE_DATABASE_URL"), "HOMEBASE_DATABASE_URL="))
	bk := filepath.Join(t.TempDir(), "backup")
	var out string
	var failed error
	ended := make(chan struct{})
	err := d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		for _, sql := range []string{`UPDATE items SET ino = ino + 1000000000 WHERE name = 'copied'`,
			`BEGIN`, `LOCK TABLE portfolio_slugs IN ACCESS EXCLUSIVE MODE`} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		go func() {
			defer close(ended)
			out, failed = homebase(s.env, "backup", bk)
		}()
		for waits := false; !waits; time.Sleep(10 * time.Millisecond) {
			var err error
			waits, err = db.One(t.Context(), conn, db.Value[bool], `SELECT EXISTS (SELECT FROM pg_locks l
				WHERE l.relation = 'portfolio_slugs'::regclass AND NOT l.granted AND l.mode = 'AccessShareLock')`)
			if err != nil {
				return err
			}
			select {
			case <-ended:
				return errors.New("the backup did not wait for the lock")
			default:
			}
		}
		c.Do("PUT", "/files/content/documents/copied", "other bytes", then).Want(t, 200)
		c.Do("DELETE", "/files/items/"+folder.ID, nil).Want(t, 204)
		c.Do("DELETE", "/files/trash/"+folder.ID, nil).Want(t, 204)
		must(t, s.env, "files", "purge")
		_, err := conn.Exec(t.Context(), `ROLLBACK`)
		return err
	})
	<-ended
	if err != nil || failed != nil || strings.Contains(out, "outside the API") {
		t.Fatalf("%v, %v: %s", err, failed, out)
	}
	for _, text := range []string{"purged bytes", "first bytes"} {
		if got, err := os.ReadFile(objectOf(bk, text)); err != nil || string(got) != text {
			t.Errorf("instead of %q the backup has %q, %v", text, got, err)
		}
	}
	if _, err := os.Stat(objectOf(bk, "other bytes")); err == nil {
		t.Error("the replacement came in before the backup looked for bytes")
	}
}

func TestBackup_RestoreGoesOnPastWhatTheBackupLostAndServesNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	for _, name := range []string{"whole", "rotten", "short", "gone"} {
		c.Do("PUT", "/files/content/documents/"+name, "bytes of "+name, httpxtest.WithHeader("X-OC-Mtime", "1000000000")).Want(t, 201)
	}
	bk := filepath.Join(t.TempDir(), "backup")
	must(t, s.env, "backup", bk, "--with-secret")
	for _, err := range []error{
		os.WriteFile(objectOf(bk, "bytes of rotten"), []byte("bytes of Rotten"), 0o600),
		os.Truncate(objectOf(bk, "bytes of short"), 5), os.Remove(objectOf(bk, "bytes of gone")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := homebase(s.env, "backup", "--verify", bk); err == nil || !strings.Contains(out, "remove "+objectOf(bk, "bytes of rotten")) {
		t.Errorf("the comparison: %v, %s", err, out)
	}
	env, _, dir := elsewhere(t)
	out, err := homebase(env, "restore", bk)
	if err == nil || !strings.Contains(out, "all is restored except 3 files") || strings.Contains(out, "whole") {
		t.Errorf("%v, %s", err, out)
	}
	folder := filepath.Join(dir, "data/users", owner(t, dir), "documents")
	if list, err := os.ReadDir(folder); err != nil || len(list) != 1 {
		t.Errorf("on the disk are %v, %v", list, err)
	}
	c = start(t, env[1:4]...).login(t, "me@example.com")
	if got := c.Do("GET", "/files/content/documents/whole", nil).Want(t, 200); string(got.Body) != "bytes of whole" {
		t.Errorf("got %q", got.Body)
	}
	if got := c.Do("GET", "/files/lookup?path=/documents/whole", nil).Want(t, 200); !strings.Contains(string(got.Body), `"modified_at":"2001-09-09T01:46:40Z"`) {
		t.Errorf("got %s", got.Body)
	}
	for _, name := range []string{"rotten", "short", "gone"} {
		if !strings.Contains(out, name+`": its bytes in the backup are damaged`) || !strings.Contains(out, objectOf(bk, "bytes of "+name)) {
			t.Errorf("%s is not named: %s", name, out)
		}
		if got := c.Do("GET", "/files/content/documents/"+name, nil); got.Status < 400 {
			t.Errorf("%s is served: %d %q", name, got.Status, got.Body)
		}
		c.Do("PUT", "/files/content/documents/"+name, "put back").Want(t, 200)
	}
	if out := must(t, env, "files", "verify"); !strings.Contains(out, "0 damaged, 0 changed from outside, 0 missing") {
		t.Error(out)
	}
	if old, err := os.ReadFile(dir + "/state/secret.before-restore"); err != nil || len(old) < 40 {
		t.Errorf("the secret of the new installation was not kept: %v", err)
	}
}

func TestBackup_ARestoreThatWasCutOffSaysSoAndNoServerStartsOnIt(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.signIn(t, "me@example.com").Do("PUT", "/files/content/documents/film", "bytes of film").Want(t, 201)
	bk := filepath.Join(t.TempDir(), "backup")
	must(t, s.env, "backup", bk, "--with-secret")
	// What can be neither read nor taken for damaged ends the restore on the way.
	object := objectOf(bk, "bytes of film")
	if err := errors.Join(os.Remove(object), os.Symlink(object, object)); err != nil {
		t.Fatal(err)
	}
	env, _, _ := elsewhere(t)
	if out, err := homebase(env, "restore", bk); err == nil || !strings.Contains(out, "symbolic links") {
		t.Fatalf("the restore: %v, %s", err, out)
	}
	for _, command := range [][]string{{"serve"}, {"restore", bk}} {
		if out, err := homebase(env, command...); err == nil || !strings.Contains(out, "was interrupted: empty the directory and the database, and restore again") {
			t.Errorf("%v: %v, %s", command, err, out)
		}
	}
	if out, err := homebase(env, "doctor"); err == nil || !strings.Contains(out, "half-restored") {
		t.Errorf("the doctor: %v, %s", err, out)
	}
}

// TestBackup_HasSpacesAndTheirMembers: what is restored elsewhere has the trees
// of several people, who may do what in them, and the dates of their files.
func TestBackup_HasSpacesAndTheirMembers(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.signIn(t, "me@example.com")
	var space, user, file struct {
		ID string `json:"id"`
	}
	admin.Do("POST", "/auth/users", map[string]any{"email": "ann@example.com", "password": password}).Want(t, 201).JSON(t, &user)
	admin.Do("POST", "/files/spaces", map[string]any{"name": "family", "quota": 12345}).Want(t, 201).JSON(t, &space)
	admin.Do("PUT", "/files/spaces/"+space.ID+"/members/"+user.ID, map[string]string{"role": "viewer"}).Want(t, 200)
	admin.Do("PUT", "/files/content/a/b.jpg?parents=true&space="+space.ID, "picture", httpxtest.WithHeader("X-OC-Mtime", "1000000000")).Want(t, 201).JSON(t, &file)
	bk := filepath.Join(t.TempDir(), "backup")
	must(t, s.env, "backup", bk, "--with-secret")
	must(t, s.env, "backup", "--verify", bk)
	env, _, dir := elsewhere(t)
	must(t, env, "restore", bk)
	info, err := os.Stat(filepath.Join(dir, "data/spaces", space.ID, "a/b.jpg"))
	if err != nil || info.ModTime().Unix() != 1_000_000_000 {
		t.Errorf("the restored file: %v, %v", info, err)
	}
	must(t, env, "files", "verify")
	there := start(t, env[1:4]...)
	ann := there.login(t, "ann@example.com")
	if got := ann.Do("GET", "/files/items/"+file.ID+"/content", nil).Want(t, 200); string(got.Body) != "picture" {
		t.Errorf("read %q", got.Body)
	}
	ann.Do("DELETE", "/files/items/"+file.ID, nil).WantProblem(t, 403, "forbidden")
	var usage struct{ Quota, Used int64 }
	ann.Do("GET", "/files/usage?space="+space.ID, nil).Want(t, 200).JSON(t, &usage)
	if usage.Quota != 12345 || usage.Used != 7 {
		t.Errorf("usage is %+v", usage)
	}
}
