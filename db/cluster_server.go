package db

import (
	"bytes"
	"cmp"
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
)

const (
	oldestMajor   = 15
	startAttempts = 5
	logLimit      = 10 << 20
)

var errNotInstalled = errors.New("PostgreSQL 15 or newer is not installed: run `apt-get install postgresql`, or set HOMEBASE_DATABASE_URL")

// ensureRunning returns the socket folder of a server that answers. The
// caller holds the start lock.
func (p *place) ensureRunning(ctx context.Context) (socketDir string, err error) {
	for range startAttempts {
		pid := p.postmaster()
		if p.alive(pid) {
			socketDir, err = p.waitReady(ctx, pid)
			if err == nil {
				return socketDir, nil
			}
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			// It is gone, or out of reach for good: its socket was deleted.
			p.log.Warn("cannot use the private PostgreSQL that is already there", "error", err)
			if err := p.shutDown(ctx); err != nil {
				return "", err
			}
			continue
		}
		if err := p.clearRemains(ctx); err != nil {
			return "", err
		}
		if socketDir, err = p.launch(ctx); err == nil {
			return socketDir, nil
		}
		if errors.Is(err, errNotInstalled) || ctx.Err() != nil {
			return "", err
		}
		sleep(ctx, watchEvery)
	}
	return "", err
}

// launch starts a server in a data folder that nobody uses, made first if it
// is not there.
func (p *place) launch(ctx context.Context) (socketDir string, err error) {
	major, err := p.madeBy()
	if err != nil {
		return "", err
	}
	bin, err := findServer(ctx, major)
	if err != nil {
		return "", err
	}
	if major == 0 {
		if err := p.initialise(ctx, bin); err != nil {
			return "", err
		}
	} else if _, err := os.Stat(p.logFile); errors.Is(err, fs.ErrNotExist) {
		// Root's data do not lie in the state folder, so they outlive it.
		p.log.Warn("the state folder is new, but an earlier one at this path had a database, which is used again; delete its data folder to start over",
			"state", p.stateDir, "data", p.dataDir)
	}
	if socketDir, err = p.socketDir(); err != nil {
		return "", err
	}
	log, err := p.openLog()
	if err != nil {
		return "", err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	cmd := p.command(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), p.serverArgs(socketDir)...)
	// A file, not a pipe: the server may outlive this process.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended stands in its log; this only buries it
		close(exited)
	}()
	if err := p.waitAnswer(ctx, socketDir, exited); err != nil {
		return "", fmt.Errorf("%w; its log says:\n%s", err, p.logSince(from))
	}
	p.log.Info("the private PostgreSQL is running", "data", p.dataDir, "socket", socketDir, "pid", cmd.Process.Pid)
	return socketDir, nil
}

func (p *place) serverArgs(socketDir string) []string {
	args := []string{
		"-D", p.dataDir,
		"-c", "cluster_name=" + p.clusterName,
		"-c", "listen_addresses=",
		"-c", "unix_socket_directories=" + socketDir,
		"-c", "port=" + socketPort,
		"-c", "max_connections=200",
		"-c", "logging_collector=off",
		"-c", "log_destination=stderr",
	}
	if p.noSync {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	return args
}

// command runs a program of PostgreSQL as the right user, away from the
// signals of our terminal (a Ctrl-C is for us, who then stop the server in
// order), and without the environment's PG* and locale.
func (p *place) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/" // the working folder may be one that the user cannot enter
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.credential}
	return cmd
}

// initialise makes the data folder beside its place and moves it there.
func (p *place) initialise(ctx context.Context, bin string) error {
	fresh, parent := p.newDataDir(), filepath.Dir(p.dataDir)
	if err := os.RemoveAll(fresh); err != nil { // of a crash
		return err
	}
	if err := os.MkdirAll(parent, 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := p.own(fresh); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", clusterSuperuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"}
	if p.noSync {
		args = append(args, "--no-sync")
	}
	if out, err := p.command(ctx, filepath.Join(bin, "initdb"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", fresh, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(fresh, p.dataDir); err != nil {
		return err
	}
	dir, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// madeBy is the major version that made the data folder, 0 if there is none.
func (p *place) madeBy() (int, error) {
	b, err := os.ReadFile(filepath.Join(p.dataDir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// findServer is the folder of postgres and initdb: of the given major
// version, or, for 0, the first of PATH's and then the newest of Debian's that
// is new enough.
func findServer(ctx context.Context, major int) (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(debianMajor(b), debianMajor(a)) })
	if path, err := exec.LookPath("postgres"); err == nil {
		// PATH's may be a link: the programs look for each other beside the
		// real file.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = slices.Insert(dirs, 0, filepath.Dir(path))
		}
	}
	for _, dir := range dirs {
		if m := majorOf(ctx, dir); m == major || major == 0 && m >= oldestMajor {
			return dir, nil
		}
	}
	if major != 0 {
		return "", fmt.Errorf("the private cluster was created by PostgreSQL %d, which is not installed: run `apt-get install postgresql-%d` (%w)", major, major, errNotInstalled)
	}
	return "", errNotInstalled
}

func debianMajor(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))) // 0 sorts last
	return n
}

// majorOf is the version of the programs in dir, 0 when they are not whole.
func majorOf(ctx context.Context, dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "-V").Output()
	if err != nil {
		return 0
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", also "18beta1"
	_, version, _ := strings.Cut(string(out), "(PostgreSQL) ")
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	n, _ := strconv.Atoi(version[:max(end, 0)])
	return n
}

// openLog opens the server's log, and begins it anew past 10 MB.
func (p *place) openLog() (*os.File, error) {
	if info, err := os.Stat(p.logFile); err == nil && info.Size() > logLimit {
		if err := os.Rename(p.logFile, p.logFile+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
}

// logSince is what the server said at this start, its last lines.
func (p *place) logSince(from int64) string {
	f, err := os.Open(p.logFile)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, from, 1<<16))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

func dialSocket(ctx context.Context, dir string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(socketURL(dir, clusterSuperuser, clusterSuperuser))
	if err != nil {
		return nil, err
	}
	prepareConfig(cfg)
	return pgx.ConnectConfig(ctx, cfg)
}
