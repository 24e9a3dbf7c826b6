package dbtest

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/db"
)

const (
	urlKey   = "HOMEBASE_TEST_DATABASE_URL"
	stateKey = "HOMEBASE_TEST_STATE"
	// removerKey turns a copy of the test binary into the process that
	// removes the cluster of the folder it names.
	removerKey = "HOMEBASE_TEST_REMOVE"

	lingerPoll  = 200 * time.Millisecond
	lingerPolls = 15
)

// server is the URL on which databases can be made. The private cluster is joined once,
// and left when the process ends.
func server(t testing.TB) string {
	t.Helper()
	url, err := startServer()
	if err == nil {
		return url
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("no PostgreSQL for the tests: %v", err)
	}
	t.Skipf("SKIPPED, NOTHING WAS TESTED: no PostgreSQL for the tests: %v", err)
	return ""
}

var startServer = sync.OnceValues(func() (string, error) {
	if url := os.Getenv(urlKey); url != "" {
		return url, nil
	}
	state := os.Getenv(stateKey)
	if state == "" {
		state = filepath.Join(os.TempDir(), "homebase-test-"+strconv.Itoa(os.Getuid()))
	}
	state, err := filepath.Abs(state)
	if err != nil {
		return "", err
	}
	roles, err := appRoles()
	if err != nil {
		return "", err
	}
	cluster, err := join(state, roles)
	if err != nil {
		return "", err
	}
	return cluster.URL(), startRemover(state)
})

func join(state string, roles []string) (*db.Cluster, error) {
	return db.StartCluster(context.Background(), db.ClusterConfig{
		StateDir: state, Roles: roles, Throwaway: true, Log: slog.New(slog.DiscardHandler),
	})
}

// startRemover starts a process that outlives every test process: none of them can know
// that it is the last, and a killed one cleans up nothing.
func startRemover(state string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), removerKey+"="+state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

func init() {
	if state := os.Getenv(removerKey); state != "" {
		remove(state)
		os.Exit(0)
	}
}

// remove waits until nobody has used the cluster for three seconds, and then joins and
// leaves it, because the last to leave deletes it. Each test process starts one; the
// first to find the cluster idle removes it.
func remove(state string) {
	path := filepath.Join(state, "cluster.lock")
	for idle := 0; idle < lingerPolls; idle++ {
		time.Sleep(lingerPoll)
		lock, err := os.Open(path)
		if err != nil {
			return
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			idle = 0
		}
		lock.Close()
	}
	cluster, err := join(state, nil)
	if err != nil {
		return
	}
	_ = cluster.Close() // what it leaves, the next test process joins
	remove(state)
}
