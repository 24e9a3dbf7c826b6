package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"homebase/db"
)

// clusterProcess is a program that uses the private cluster until its
// standard input is closed.
func clusterProcess() int {
	c, err := db.StartCluster(context.Background(), db.ClusterConfig{
		StateDir: os.Getenv("HOMEBASE_DB_TEST_STATE"), Throwaway: os.Getenv("HOMEBASE_DB_TEST_KEEP") == "", Log: quiet,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(c.URL())
	io.Copy(io.Discard, os.Stdin)
	if err := c.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// place is a cluster of its own for one test, removed after it.
func place(t *testing.T, state string) db.ClusterConfig {
	t.Helper()
	cfg := db.ClusterConfig{StateDir: state, Throwaway: true, Log: quiet}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(state, "cluster.lock")); errors.Is(err, os.ErrNotExist) {
			return // the last to leave has deleted it
		}
		c, err := db.StartCluster(context.Background(), cfg)
		if err == nil {
			err = c.Close()
		}
		if err != nil {
			t.Errorf("remove the cluster: %v", err)
		}
	})
	return cfg
}

func startIn(t *testing.T, cfg db.ClusterConfig) *process {
	t.Helper()
	keep := "HOMEBASE_DB_TEST_KEEP="
	if !cfg.Throwaway {
		keep += "1"
	}
	return start(t, "cluster", nil, "HOMEBASE_DB_TEST_STATE="+cfg.StateDir, keep)
}

func begin(t *testing.T, cfg db.ClusterConfig) *db.Cluster {
	t.Helper()
	c, err := db.StartCluster(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask runs one query on a connection of its own.
func ask[T any](t *testing.T, url, sql string) (v T, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return v, err
	}
	defer conn.Close(context.Background())
	return db.One(t.Context(), conn, db.Value[T], sql)
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	_, err := ask[int](t, url, `SELECT 1`)
	return err == nil
}

func dataDir(t *testing.T, cfg db.ClusterConfig) string {
	t.Helper()
	dir, err := db.DataDir(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func postmaster(t *testing.T, cfg db.ClusterConfig) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dataDir(t, cfg), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestCluster_IsMadeAsDesigned(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	c := begin(t, cfg)
	conn := owner(t, c.URL())
	for setting, want := range map[string]string{
		"listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C", "lc_ctype": "C", "fsync": "off",
	} {
		if got := value[string](t, conn, `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := value[string](t, conn, `SELECT current_database() || ' ' || current_user`); got != "homebase homebase" {
		t.Errorf("database and user are %q", got)
	}
	const role = `SELECT rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = $1`
	for _, name := range []string{"homebase", "homebase_runtime"} {
		if value[bool](t, conn, role, name) {
			t.Errorf("%s may too much", name)
		}
	}
	if value[bool](t, conn, `SELECT rolcanlogin FROM pg_roles WHERE rolname = 'homebase_runtime'`) {
		t.Error("the runtime role can log in")
	}
	socket := conn.Config().Host
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o700 || len(socket) > 40 {
		t.Errorf("socket folder %s: %v, %v", socket, info.Mode(), err)
	}
	// A Ctrl-C at the terminal goes to our process group only.
	if group, err := syscall.Getpgid(postmaster(t, cfg)); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the server is in our process group: %v", err)
	}
	d := db.New(quiet)
	if err := d.Connect(t.Context(), db.Config{URL: c.URL()}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := value[string](t, d, `SELECT current_user::text`); got != "homebase_runtime" {
		t.Errorf("the pool works as %q", got)
	}
}

// TestCluster_ASocketFolderOfAnotherUserIsNotTrusted: anybody can make a folder
// of that name in /tmp, with a server of their own in it.
func TestCluster_ASocketFolderOfAnotherUserIsNotTrusted(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	begin(t, cfg)
	if err := db.DialAsAnother(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("connected, or %v", err)
	}
}

func TestCluster_ManyStartAtOnceAndTheLastToLeaveStopsIt(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	var all [4]*process
	for i := range all {
		all[i] = startIn(t, cfg)
	}
	url := all[0].ready(t)
	for _, p := range all[1:] {
		if other := p.ready(t); other != url {
			t.Errorf("two servers: %s and %s", url, other)
		}
	}
	for i, p := range all {
		if !answers(t, url) {
			t.Errorf("it does not answer, and %d processes still use it", len(all)-i)
		}
		p.leave(t)
	}
	if answers(t, url) {
		t.Error("it still answers after the last has left")
	}
	if left, err := os.ReadDir(cfg.StateDir); err != nil || len(left) > 0 {
		t.Errorf("the last has left %v, %v", left, err)
	}
	if parsed, err := pgx.ParseConfig(url); err != nil {
		t.Error(err)
	} else if _, err := os.Stat(parsed.Host); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder was left: %v", err)
	}
}

func TestCluster_DataOutlivesItsUsers(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	cfg.Throwaway = false
	for i := range 2 {
		c, err := db.StartCluster(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		sql := `SELECT count(*) FROM kept`
		if i == 0 {
			must(t, owner(t, c.URL()), `CREATE TABLE kept AS SELECT 1`)
		}
		if n, err := ask[int](t, c.URL(), sql); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if fsync, err := ask[string](t, c.URL(), `SHOW fsync`); err != nil || fsync != "on" {
			t.Errorf("fsync is %s, %v", fsync, err)
		}
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestCluster_AServerWhoseUsersWereKilledIsJoined(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	first, second := startIn(t, cfg), startIn(t, cfg)
	url := first.ready(t)
	second.ready(t)
	first.kill()
	second.kill()
	if !answers(t, url) {
		t.Fatal("the server died with its users")
	}
	const since = `SELECT pg_postmaster_start_time()`
	started, err := ask[time.Time](t, url, since)
	if err != nil {
		t.Fatal(err)
	}
	c := begin(t, cfg)
	joined, err := ask[time.Time](t, c.URL(), since)
	if err != nil || !joined.Equal(started) {
		t.Errorf("another server was started: %v, %v, %v", started, joined, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if answers(t, url) {
		t.Error("the joined server still answers after the last has left")
	}
}

func TestCluster_AKilledServerIsStartedAgainUnderItsUsers(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	cfg.Throwaway = false
	c := begin(t, cfg)
	other := startIn(t, cfg)
	other.ready(t)
	d := db.New(quiet)
	if err := d.Connect(t.Context(), db.Config{URL: c.URL()}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	must(t, owner(t, c.URL()), `CREATE TABLE kept AS SELECT 1 AS n; GRANT SELECT ON kept TO PUBLIC`)
	// A backend that computes does not notice that its postmaster is gone; no
	// other server may start beside it.
	busy, own := owner(t, c.URL()), owner(t, c.URL())
	must(t, busy, `SET statement_timeout = '2s'`)
	var computing sync.WaitGroup
	defer computing.Wait()
	computing.Go(func() { busy.Exec(context.Background(), `SELECT count(*) FROM generate_series(1, 1e12::bigint)`) })
	eventually(t, "it computes", func() bool {
		return value[bool](t, own, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1e12%' AND pid <> pg_backend_pid())`)
	})
	for range 2 {
		before := postmaster(t, cfg)
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the same pool and URL work again", func() bool {
			n, err := db.One(t.Context(), d, db.Value[int], `SELECT n FROM kept`)
			return err == nil && n == 1 && postmaster(t, cfg) != before
		})
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	other.leave(t)
}

func TestCluster_AServerAndItsUserKilledTogether(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	for range 3 {
		p := startIn(t, cfg)
		url := p.ready(t)
		must(t, owner(t, url), `SET synchronous_commit = on; CREATE TABLE IF NOT EXISTS kept AS SELECT 1`)
		p.kill()
		// Join it only to learn its process id.
		c, err := db.StartCluster(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		server := postmaster(t, cfg)
		q := startIn(t, cfg)
		q.ready(t)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		q.kill()
		if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	c := begin(t, cfg)
	if n, err := ask[int](t, c.URL(), `SELECT count(*) FROM kept`); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestCluster_ALostSocketFolderIsMended(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	p := startIn(t, cfg)
	url := p.ready(t)
	parsed, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	if err := os.RemoveAll(parsed.Host); err != nil {
		t.Fatal(err)
	}
	if c := begin(t, cfg); !answers(t, c.URL()) {
		t.Error("it does not answer")
	}
}

func TestCluster_HalfMadeDataFolderIsMadeAnew(t *testing.T) {
	t.Parallel()
	cfg := place(t, t.TempDir())
	// As a kill in the middle of initdb leaves it.
	madeBy(t, dataDir(t, cfg)+".new", "15")
	if c := begin(t, cfg); !answers(t, c.URL()) {
		t.Error("it does not answer")
	}
}

func TestCluster_DataOfAVersionThatIsNotInstalledSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	cfg := db.ClusterConfig{StateDir: t.TempDir(), Log: quiet}
	madeBy(t, dataDir(t, cfg), "99")
	_, err := db.StartCluster(t.Context(), cfg)
	if err == nil || strings.Count(err.Error(), "apt-get install postgresql-99") != 1 {
		t.Errorf("error %v", err)
	}
}

// madeBy makes a data folder with nothing but the version of its maker.
func madeBy(t *testing.T, dir, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte(version+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A deep path that the user of PostgreSQL cannot enter: a socket in it would
// be too long, and data in it out of reach.
func TestCluster_WorksBelowAClosedFolderWithLongNames(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if os.Geteuid() == 0 {
		home, err := os.MkdirTemp("/root", "homebase-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(home) })
		parent = home
	}
	state := filepath.Join(parent, strings.Repeat("a long name ", 10), strings.Repeat("ü", 100), "state")
	p := startIn(t, place(t, state))
	if url := p.ready(t); !answers(t, url) {
		t.Error("it does not answer")
	}
	p.leave(t)
}

func TestCluster_WorksWithoutRoot(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "homebase-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var as *syscall.Credential
	if os.Geteuid() == 0 {
		as = nobody(t)
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state")
	env := []string{"HOMEBASE_DB_TEST_STATE=" + state, "HOMEBASE_DB_TEST_KEEP=1"}
	p, q := start(t, "cluster", as, env...), start(t, "cluster", as, env...)
	url := p.ready(t)
	if other := q.ready(t); other != url || !answers(t, url) {
		t.Errorf("%s and %s", url, other)
	}
	if _, err := os.Stat(filepath.Join(state, "postgres", "PG_VERSION")); err != nil {
		t.Error(err)
	}
	p.leave(t)
	q.leave(t)
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
