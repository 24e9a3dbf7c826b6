package contract_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// lastRelease is schema.sql as the last release has it: its steps, which are
// those of all releases, are never edited. Whose workers may still be running
// is that release.
const lastRelease = "testdata/released/v0.1.0-rc.1.sql"

func releasedSchema(t *testing.T) (string, []db.Step) {
	t.Helper()
	text, err := os.ReadFile(lastRelease)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := db.ParseSteps(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), steps
}

func TestSchema_NoReleasedStepIsEdited(t *testing.T) {
	t.Parallel()
	_, old := releasedSchema(t)
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil || len(steps) < len(old) {
		t.Fatalf("schema.sql has %d steps, %s has %d: %v", len(steps), lastRelease, len(old), err)
	}
	for i, s := range old {
		if steps[i].Hash != s.Hash {
			t.Errorf("step %d (%s) was edited: restore its text and put the change into a new step at the end", s.Number, s.Title)
		}
	}
}

// TestSchema_ExpandsBeforeItContracts: what the workers of the release before
// ask for is there until the next one.
func TestSchema_ExpandsBeforeItContracts(t *testing.T) {
	t.Parallel()
	columns := func(text string) map[string]string {
		t.Helper()
		d := dbtest.Open(t, dbtest.CreateEmpty(t))
		if err := d.Migrate(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		list, err := db.All(t.Context(), d, func(row pgx.Row) (c [3]string, err error) {
			err = row.Scan(&c[0], &c[1], &c[2])
			return c, err
		}, `SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
		           CASE WHEN a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' THEN 'must be given' ELSE '' END
		      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			found[c[0]] = c[1] + " " + c[2]
		}
		return found
	}
	text, _ := releasedSchema(t)
	was, is := columns(text), columns(dbtest.Schema(t))
	tables := map[string]bool{}
	for name, kind := range was {
		table, _, _ := strings.Cut(name, ".")
		tables[table] = true
		if is[name] != kind {
			t.Errorf("%s was %q and is %q: the workers of the release before still use it", name, kind, is[name])
		}
	}
	for name, kind := range is {
		table, _, _ := strings.Cut(name, ".")
		if tables[table] && was[name] == "" && strings.HasSuffix(kind, "must be given") {
			t.Errorf("%s is new and must be given: the workers of the release before do not give it", name)
		}
	}
}

// TestUpgrade_StepsAreAppliedWhileTheOldWorkersServe: a database of the
// released schema with data in it comes up to this one, then to one that is
// newer, while a server works; then that server's release is refused.
func TestUpgrade_StepsAreAppliedWhileTheOldWorkersServe(t *testing.T) {
	t.Parallel()
	text, old := releasedSchema(t)
	url := dbtest.CreateEmpty(t)
	d := dbtest.Open(t, url)
	if err := d.Migrate(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(t.Context(), d, `INSERT INTO flags (key, description, enabled, public, rules) VALUES ('kept', '', true, true, '[]')`); err != nil {
		t.Fatal(err)
	}
	s := start(t, "HOMEBASE_DATABASE_URL="+url, "HOMEBASE_RATE_LIMITS=off")
	c := s.signIn(t, "me@example.com")
	if out := string(c.Do("GET", "/system/flags", nil).Want(t, 200).Body); !strings.Contains(out, "kept") {
		t.Errorf("after step %d: %s", len(old), out)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	written := make(chan struct{})
	writing.Go(func() {
		defer close(written) // also when a write fails
		for i := 0; ; i++ {
			c.Do("PUT", fmt.Sprint("/files/content/documents/", i), "x").Want(t, 201)
			select {
			case <-stop:
				return
			case written <- struct{}{}:
			default:
			}
		}
	})
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	newer := dbtest.Schema(t) + fmt.Sprintf("\n\n-- step %d: newer\nALTER TABLE items ADD COLUMN note text;\nCREATE TABLE notes (id uuid NOT NULL);\n", len(steps)+1)
	if err := d.Migrate(t.Context(), newer); err != nil {
		t.Error(err)
	}
	<-written
	<-written // this one began after the step
	close(stop)
	writing.Wait()
	c.Do("GET", "/system/ready", nil).Want(t, 200)
	if out, err := homebase(append(s.env, "HOMEBASE_LISTEN=127.0.0.1:"+freePort(t)), "serve"); err == nil || !strings.Contains(out, "the database is newer than this program") {
		t.Errorf("an older release on the newer schema: %v\n%s", err, out)
	}
}

// Each release leaves a backup that its own program made, and that has to be
// read for ever. -make adds the one of the program that it names.
var makeBackup = flag.String("make", "", "add the backup of this `PROGRAM`, a release's")

const backups = root + "system/backup/testdata/"

// releasedSettings are those of the machine that was backed up. What it held
// must not be too old at any time that the tests run.
var releasedSettings = []string{
	"HOMEBASE_SECRET=" + base64.StdEncoding.EncodeToString([]byte("the secret of all test workers..")),
	"HOMEBASE_ORIGINS=https://home.example.com", "HOMEBASE_TRASH_RETENTION=36500d", "HOMEBASE_VERSION_RETENTION=36500d", "HOMEBASE_AUDIT_RETENTION=36500d",
}

// leaveBackup lets a release's program serve somebody, and backs that up.
func leaveBackup(t *testing.T, path string) {
	t.Helper()
	url := dbtest.CreateEmpty(t)
	s := startBy(t, fmt.Sprintf("set -e; %[1]s migrate; echo '%[2]s' | %[1]s user create old@example.com --role admin --password-stdin; exec %[1]s serve", path, password),
		append(releasedSettings, "HOMEBASE_DATABASE_URL="+url)...)
	run := func(args ...string) string {
		out, err := commandOf(path, s.env, args...)
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		return out
	}
	c := s.login(t, "old@example.com")
	made := func(method, path string, body any) (it struct{ ID, Token string }) {
		c.Do(method, path, body).Want(t, 201).JSON(t, &it)
		return it
	}
	file := made("PUT", "/files/content/documents/old.txt?parents=true", "replaced")
	c.Do("PUT", "/files/content/documents/old.txt", "kept since then", httpxtest.WithHeader("X-OC-Mtime", "1000000000")).Want(t, 200)
	c.Do("DELETE", "/files/items/"+made("PUT", "/files/content/gone.txt", "thrown away").ID, nil).Want(t, 204)
	made("PUT", "/files/content/link.txt", made("POST", "/files/shares", map[string]any{"item_id": file.ID}).Token)
	user := made("POST", "/auth/users", map[string]any{"email": "ann@example.com", "password": password})
	space := made("POST", "/files/spaces", map[string]any{"name": "family"})
	c.Do("PUT", "/files/spaces/"+space.ID+"/members/"+user.ID, map[string]string{"role": "viewer"}).Want(t, 200)
	made("PUT", "/files/content/plan.txt?space="+space.ID, "of both")
	made("POST", "/portfolio/projects", map[string]any{"title": "A", "status": "published"})
	c.Do("POST", "/projects/analytics/events", map[string]any{"path": "/about"}, httpxtest.WithHeader("Origin", "https://home.example.com"),
		httpxtest.WithHeader("User-Agent", "Mozilla/5.0 Firefox/130.0")).Want(t, 202)
	dbtest.Within(t, "the view is stored", func() bool { return count(t, url, `SELECT count(*) FROM app_analytics.views`) == 1 })
	run("jobs", "run", "projects.analytics.rollup")
	run("jobs", "run", "audit.seal")
	run("backup", backups+strings.Fields(run("version"))[1])
}

// count asks a database for a number, as its owner.
func count(t *testing.T, url, sql string) (n int64) {
	t.Helper()
	err := dbtest.Open(t, url).AsOwner(t.Context(), func(conn *pgx.Conn) error { return conn.QueryRow(t.Context(), sql).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUpgrade_TheBackupOfEveryReleaseIsRestored(t *testing.T) {
	t.Parallel()
	if *makeBackup != "" {
		leaveBackup(t, *makeBackup)
	}
	list, err := filepath.Glob(backups + "v*")
	if err != nil || len(list) == 0 {
		t.Fatalf("no backups: %v", err)
	}
	for _, bk := range list {
		t.Run(filepath.Base(bk), func(t *testing.T) {
			t.Parallel()
			restoreReleased(t, bk)
		})
	}
}

// restoreReleased restores what leaveBackup left, and looks for all of it.
func restoreReleased(t *testing.T, bk string) {
	t.Helper()
	env, url, dir := elsewhere(t)
	env = append(env, releasedSettings...)
	must(t, env, "backup", "--verify", bk)
	must(t, env, "restore", "--check", bk)
	must(t, env, "restore", bk)
	if out := must(t, env, "files", "verify"); !strings.Contains(out, "0 damaged, 0 changed from outside, 0 missing") {
		t.Error(out)
	}
	if out := must(t, env, "audit", "verify"); strings.Contains(out, "seals: 0") {
		t.Error(out)
	}
	if left := count(t, url, `SELECT count(*) FROM sessions WHERE revoked_at IS NULL`); left > 0 {
		t.Errorf("%d sessions go on", left)
	}
	if views := count(t, url, `SELECT sum(views)::bigint FROM app_analytics.rollups WHERE grain = 'day' AND name = '/about'`); views != 1 {
		t.Errorf("the app counts %d views", views)
	}
	s := start(t, env[1:]...)
	c := s.login(t, "old@example.com")
	got := func(c *httpxtest.Client, path string) string { return string(c.Do("GET", path, nil).Want(t, 200).Body) }
	type page struct {
		Items []struct{ ID, Name, Role, Title string }
	}
	list := func(c *httpxtest.Client, path string) (p page) {
		c.Do("GET", path, nil).Want(t, 200).JSON(t, &p)
		return p
	}
	var file struct{ ID string }
	c.Do("GET", "/files/lookup?path=/documents/old.txt", nil).Want(t, 200).JSON(t, &file)
	if text := got(c, "/files/items/"+file.ID+"/content"); text != "kept since then" {
		t.Errorf("the file holds %q", text)
	}
	if text := got(c, "/files/items/"+file.ID+"/versions/1/content"); text != "replaced" {
		t.Errorf("its version holds %q", text)
	}
	if text := got(s.Client(t), "/files/shared/"+got(c, "/files/content/link.txt")+"/content"); text != "kept since then" {
		t.Errorf("the share gives %q", text)
	}
	trash := list(c, "/files/trash")
	if len(trash.Items) != 1 || trash.Items[0].Name != "gone.txt" {
		t.Fatalf("in the trash are %+v", trash)
	}
	c.Do("POST", "/files/trash/"+trash.Items[0].ID+"/restore", nil).Want(t, 200)
	if text := got(c, "/files/content/gone.txt"); text != "thrown away" {
		t.Errorf("what was thrown away holds %q", text)
	}
	ann := s.login(t, "ann@example.com")
	spaces := list(ann, "/files/spaces")
	if len(spaces.Items) != 1 || spaces.Items[0].Name != "family" || spaces.Items[0].Role != "viewer" {
		t.Fatalf("the spaces are %+v", spaces)
	}
	if text := got(ann, "/files/content/plan.txt?space="+spaces.Items[0].ID); text != "of both" {
		t.Errorf("the space's file holds %q", text)
	}
	if projects := list(s.Client(t), "/portfolio/projects"); len(projects.Items) != 1 || projects.Items[0].Title != "A" {
		t.Errorf("the portfolio has %+v", projects)
	}
	if info, err := os.Stat(filepath.Join(dir, "data/users", owner(t, dir), "documents/old.txt")); err != nil || info.ModTime().Unix() != 1_000_000_000 {
		t.Errorf("on the disk is %v, %v", info, err)
	}
}
