package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	oldestMajor = 15
	logLimit    = 10 << 20
)

var errNotInstalled = errors.New("PostgreSQL 15 or newer is not installed: run `apt-get install postgresql`, or set HOMEBASE_DATABASE_URL")

// own makes the user that PostgreSQL runs as the owner of a folder.
func (c *Cluster) own(path string) error { return os.Chown(path, int(c.runAs.Uid), int(c.runAs.Gid)) }

func (c *Cluster) logPath() string { return filepath.Join(c.cfg.StateDir, "postgres.log") }

// ensureRunning returns a connection to the server, which it starts if none of its
// processes is alive. The caller holds the lock on the state folder.
func (c *Cluster) ensureRunning(ctx context.Context) (*pgx.Conn, error) {
	log, err := os.OpenFile(c.logPath(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	for waiting := false; ; waiting = true {
		conn, err := c.dial(ctx)
		if err == nil {
			return conn, nil
		}
		free, lockErr := tryLock(log, syscall.LOCK_EX)
		if lockErr != nil {
			return nil, lockErr
		}
		if free {
			if err := c.launch(ctx, log); err != nil {
				return nil, err
			}
			return c.dial(ctx)
		}
		if !waiting {
			c.cfg.Log.Warn("the private PostgreSQL is running but does not answer; waiting for it", "data", c.dataDir, "error", err)
		}
		if _, gone := os.Stat(filepath.Join(c.socketDir, ".s.PGSQL."+clusterPort)); errors.Is(gone, fs.ErrNotExist) {
			if err := c.stop(ctx); err != nil { // without its socket nobody can reach it
				return nil, err
			}
		}
		if !Sleep(ctx, clusterPoll) {
			return nil, fmt.Errorf("processes that work in %s neither answer nor end; end them: %w", c.dataDir, err)
		}
	}
}

// dial connects as superuser, but not to a server that another user has put in the
// place of ours.
func (c *Cluster) dial(ctx context.Context) (*pgx.Conn, error) {
	if info, err := os.Lstat(c.socketDir); err != nil {
		return nil, err
	} else if info.Sys().(*syscall.Stat_t).Uid != c.runAs.Uid {
		return nil, fmt.Errorf("%s belongs to another user", c.socketDir)
	}
	cfg, err := pgx.ParseConfig(c.url(clusterSuperuser))
	if err != nil {
		return nil, err
	}
	prepareConfig(cfg)
	return pgx.ConnectConfig(ctx, cfg)
}

// launch starts the server and, if there is none, creates its data folder. The
// server writes to log and thereby takes over its lock.
func (c *Cluster) launch(ctx context.Context, log *os.File) error {
	said, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	switch made := c.madeBy() != 0; {
	case !made && c.joined:
		err = fmt.Errorf("its data folder %s is gone", c.dataDir)
	case !made:
		err = c.initialise(ctx)
	case said == 0:
		// Root's data folder is not in the state folder, so it outlives it.
		c.cfg.Log.Warn("the state folder is new, but an earlier one at this path had a database, which is used again; delete its data folder to start over",
			"state", c.cfg.StateDir, "data", c.dataDir)
	case said > logLimit:
		said, err = 0, log.Truncate(0)
	}
	if err != nil {
		return err
	}
	// The pid file of a killed server would stop this one if another process had
	// its pid by now. If somebody started PostgreSQL here by hand, its shared
	// memory still stops a second one.
	if err := errors.Join(os.RemoveAll(filepath.Join(c.dataDir, "postmaster.pid")), os.RemoveAll(c.socketDir),
		os.Mkdir(c.socketDir, 0o700), c.own(c.socketDir)); err != nil {
		return err
	}
	options := "-c listen_addresses= -c port=" + clusterPort + " -c unix_socket_directories=" + c.socketDir +
		" -c max_connections=200 -c logging_collector=off -c log_destination=stderr"
	if c.cfg.Throwaway {
		options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	}
	cmd, err := c.control(ctx, "start", "-s", "-o", options)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		b, _ := io.ReadAll(io.NewSectionReader(log, said, 1<<16))
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		return fmt.Errorf("%w; its log says:\n%s", err, strings.Join(lines[max(0, len(lines)-8):], "\n"))
	}
	c.cfg.Log.Info("the private PostgreSQL is running", "data", c.dataDir, "socket", c.socketDir)
	return nil
}

// stop shuts the server down in fast mode: transactions are aborted and a
// checkpoint is written. The caller holds the lock on the state folder.
func (c *Cluster) stop(ctx context.Context) error {
	var said []byte
	if cmd, err := c.control(ctx, "stop", "-s", "-m", "fast"); err == nil {
		said, _ = cmd.CombinedOutput() // it fails if there is no server; the lock decides
	}
	ended, err := lockFile(ctx, c.logPath(), os.O_RDWR|os.O_CREATE, syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("the private PostgreSQL does not stop: %w: %s", err, bytes.TrimSpace(said))
	}
	ended.Close()
	return os.RemoveAll(c.socketDir)
}

// initialise makes the data folder under another name and then renames it, so that it
// is never incomplete.
func (c *Cluster) initialise(ctx context.Context) error {
	fresh, parent := c.dataDir+".new", filepath.Dir(c.dataDir)
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(parent, 0o711), os.Mkdir(fresh, 0o700), c.own(fresh)); err != nil {
		return err
	}
	options := "-U " + clusterSuperuser + " -A trust -E UTF8 --locale=C --no-instructions"
	if c.cfg.Throwaway {
		options += " --no-sync"
	}
	cmd, err := c.control(ctx, "initdb", "-s", "-o", options)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "PGDATA="+fresh)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", fresh, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(fresh, c.dataDir); err != nil {
		return err
	}
	dir, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// madeBy is the major version that created the data folder; 0 if there is none or
// it cannot be read: a rename never replaces a folder that is not empty.
func (c *Cluster) madeBy() int {
	b, _ := os.ReadFile(filepath.Join(c.dataDir, "PG_VERSION"))
	major, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return major
}

// control is a call of pg_ctl as the right user, out of reach of our terminal's
// signals (a Ctrl-C is for this process, which then stops the server properly) and
// without the environment's PG* and locale. The data folder is passed in the
// environment, because a shell reads the arguments.
func (c *Cluster) control(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := findControl(ctx, c.madeBy())
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/" // the user may not be allowed to enter the working folder
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "PGDATA=" + c.dataDir, fmt.Sprint("PGCTLTIMEOUT=", startTimeout.Seconds())}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: &c.runAs}
	return cmd, nil
}

// findControl finds the pg_ctl of a major version. For 0 it is the one in PATH if
// that is new enough, or else the newest of Debian's.
func findControl(ctx context.Context, major int) (string, error) {
	paths, _ := filepath.Glob("/usr/lib/postgresql/[1-9][0-9]/bin/pg_ctl") // only a bad pattern is an error
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		paths = append(paths, path)
	}
	slices.Reverse(paths)
	for _, path := range paths {
		var has int
		out, _ := exec.CommandContext(ctx, path, "--version").Output()
		_, _ = fmt.Sscanf(string(out), "pg_ctl (PostgreSQL) %d", &has) // 0 is none
		if has == major || major == 0 && has >= oldestMajor {
			return path, nil
		}
	}
	if major != 0 {
		return "", fmt.Errorf("the private cluster was created by PostgreSQL %d, which is not installed: run `apt-get install postgresql-%d` (%w)", major, major, errNotInstalled)
	}
	return "", errNotInstalled
}

// bootstrap creates the roles and the database if they are missing: the login
// that owns the database, and the roles without login that the pool works as. It
// can be repeated, and the next one repairs what a crash left.
func (c *Cluster) bootstrap(ctx context.Context, conn *pgx.Conn) error {
	// The server's log need not call it an error that they exist.
	const quiet = `-- name: db.BootstrapQuietly
		SET log_min_messages = fatal`
	const role = `-- name: db.BootstrapRole
		CREATE ROLE NAMESPACE NOLOGIN`
	const grant = `-- name: db.BootstrapGrant
		GRANT NAMESPACE TO ` + clusterLogin
	const login = `-- name: db.BootstrapLogin
		CREATE ROLE ` + clusterLogin + ` LOGIN CREATEDB`
	const database = `-- name: db.BootstrapDatabase
		CREATE DATABASE ` + clusterLogin + ` OWNER ` + clusterLogin + `
			TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`
	statements := []string{quiet, login, database}
	for _, name := range append([]string{runtimeRole}, c.cfg.Roles...) {
		statements = append(statements, inNamespace(name, role), inNamespace(name, grant))
	}
	for _, sql := range statements {
		_, err := conn.Exec(ctx, sql)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "42710" || e.Code == "42P04") { // it exists
			continue
		}
		if err != nil {
			return fmt.Errorf("make the roles and the database: %w", err)
		}
	}
	return nil
}
