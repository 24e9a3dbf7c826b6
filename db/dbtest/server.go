package dbtest

import (
	"context"
	"errors"
	"io/fs"
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

// server is the URL on which databases can be made. The private cluster is
// joined once and left by the end of the process.
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
	cfg, err := clusterIn(state)
	if err != nil {
		return "", err
	}
	if cfg.Roles, err = appRoles(); err != nil {
		return "", err
	}
	cluster, err := db.StartCluster(context.Background(), cfg)
	if err != nil {
		return "", err
	}
	return cluster.URL(), startRemover(cfg.StateDir)
})

// clusterIn keeps the data in the folder too, so that removing the folder
// removes everything. PostgreSQL started by root works as another user, who
// must be able to walk through the folder.
func clusterIn(state string) (db.ClusterConfig, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return db.ClusterConfig{}, err
	}
	if err := os.MkdirAll(state, 0o711); err != nil {
		return db.ClusterConfig{}, err
	}
	if err := os.Chmod(state, 0o711); err != nil {
		return db.ClusterConfig{}, err
	}
	return db.ClusterConfig{
		StateDir: state,
		DataDir:  filepath.Join(state, "postgres"),
		NoSync:   true,
		Log:      slog.New(slog.DiscardHandler),
	}, nil
}

// startRemover leaves a process behind that outlives every test process: none
// of them can know that it is the last, and a killed one cleans up nothing.
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

// remove waits until nobody has used the cluster for three seconds. Each test
// process starts one; the first that finds the cluster idle removes it, for
// the others the folder is gone.
func remove(state string) {
	cfg, err := clusterIn(state)
	for idle := 0; err == nil && idle < lingerPolls; idle++ {
		time.Sleep(lingerPoll)
		if _, err := os.Stat(filepath.Join(state, "cluster.lock")); errors.Is(err, fs.ErrNotExist) {
			return
		}
		var used bool
		if used, err = db.ClusterInUse(cfg); used {
			idle = 0
		}
	}
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := db.RemoveCluster(ctx, cfg); errors.Is(err, db.ErrClusterInUse) {
		remove(state)
	}
}
