package db

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ClusterConfig says where a private PostgreSQL lives.
type ClusterConfig struct {
	// StateDir is created with mode 0700 if it is missing. It identifies the
	// cluster: processes with the same folder share one.
	StateDir string
	// Roles are created besides the runtime role: those of namespaces, see
	// DB.MigrateIn.
	Roles []string
	// Throwaway is for tests: the cluster is kept in memory if there is room,
	// syncs nothing to the disk, and is deleted by the last user to leave.
	Throwaway bool
	Log       *slog.Logger
}

// Cluster is the private PostgreSQL, for a machine on which nobody set up a
// database: an ordinary server with the ordinary durability, on a socket that
// only its user and root reach, and on no network.
//
// Three locks say who is there. The kernel releases them when a process ends,
// however it ends, so a kill leaves none behind:
//   - StateDir: held by whoever joins or leaves.
//   - StateDir/cluster.lock, shared: held by everybody who uses the server. The
//     last to leave stops it.
//   - StateDir/postgres.log: held by the processes of the server, which inherit
//     it as their output.
//
// There are three cases when joining. The server answers, whoever started it;
// none of its processes is alive, and it is started; or one is alive and does not
// answer, because it is recovering, or its main process was killed and the others
// are about to end, and the join waits.
type Cluster struct {
	cfg                ClusterConfig
	dataDir, socketDir string
	runAs              syscall.Credential
	joined             bool
	member             *os.File // holds cluster.lock; nil outside
	stopWatch          context.CancelFunc
	watching           sync.WaitGroup
}

const (
	clusterLogin     = "homebase" // owns the database of the same name
	clusterSuperuser = "postgres"
	clusterPort      = "5432" // a part of the socket's name

	startTimeout = 5 * time.Minute // recovery after a crash may take long
	stopTimeout  = time.Minute
	clusterPoll  = 25 * time.Millisecond
)

// StartCluster starts or joins the private PostgreSQL and returns once it answers.
// Until Close, a server that dies is started again by whichever of its users comes
// first.
func StartCluster(ctx context.Context, cfg ClusterConfig) (*Cluster, error) {
	c, err := newCluster(cfg)
	if err != nil {
		return nil, err
	}
	conn, err := c.join(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the private PostgreSQL: %w", err), c.leave())
	}
	watch, stop := context.WithCancel(context.Background())
	c.stopWatch = stop
	c.watching.Go(func() { c.watch(watch, conn) })
	return c, nil
}

// newCluster determines where the cluster is and as which user it runs.
// PostgreSQL refuses to run as root, and another user cannot enter root's folders.
// The path of a socket has at most 107 bytes, so it is kept elsewhere.
func newCluster(cfg ClusterConfig) (*Cluster, error) {
	err := os.MkdirAll(cfg.StateDir, 0o700)
	if err == nil {
		cfg.StateDir, err = filepath.Abs(cfg.StateDir)
	}
	if err == nil {
		cfg.StateDir, err = filepath.EvalSymlinks(cfg.StateDir)
	}
	if err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	hash := sha256.Sum256([]byte(cfg.StateDir))
	name := fmt.Sprintf("%x", hash[:8])
	uid := os.Geteuid()
	c := &Cluster{cfg: cfg, dataDir: "/var/lib/homebase/" + name, socketDir: "/run/hb-" + name}
	if uid != 0 {
		c.dataDir, c.socketDir = filepath.Join(cfg.StateDir, "postgres"), "/tmp/hb-"+name
		c.runAs = syscall.Credential{Uid: uint32(uid), Gid: uint32(os.Getegid()), NoSetGroups: true}
	}
	if cfg.Throwaway && memoryHasRoom() {
		c.dataDir = memoryDir + "/hb-" + name
	}
	if uid != 0 {
		return c, nil
	}
	u, err := user.Lookup(clusterSuperuser)
	if err != nil {
		return nil, fmt.Errorf("the user %q, as whom root runs PostgreSQL, is missing: %w", clusterSuperuser, errNotInstalled)
	}
	_, err = fmt.Sscan(u.Uid+" "+u.Gid, &c.runAs.Uid, &c.runAs.Gid)
	return c, err
}

const memoryDir = "/dev/shm"

// memoryHasRoom reports whether a cluster for tests fits into memory. It looks at
// the size and not at what is free, because everybody who shares the cluster must
// get the same answer.
func memoryHasRoom() bool {
	const tmpfs, room = 0x01021994, 4 << 30
	var fs syscall.Statfs_t
	err := syscall.Statfs(memoryDir, &fs)
	return err == nil && int64(fs.Type) == tmpfs && int64(fs.Blocks)*int64(fs.Bsize) >= room
}

// URL connects to the database homebase as its owner, for Connect and Migrate.
func (c *Cluster) URL() string { return c.url(clusterLogin) }

// url names the port, so that PGPORT in the environment does not change it.
func (c *Cluster) url(user string) string {
	q := url.Values{"host": {c.socketDir}, "port": {clusterPort}, "sslmode": {"disable"}}
	return "postgres://" + user + "@/" + user + "?" + q.Encode()
}

// join makes this process a user of the server, starting it if necessary, and
// returns a superuser's connection.
func (c *Cluster) join(ctx context.Context) (conn *pgx.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	alone, err := lockFile(ctx, c.cfg.StateDir, os.O_RDONLY, syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer alone.Close()
	if c.member == nil {
		if c.member, err = lockFile(ctx, c.memberPath(), os.O_RDWR|os.O_CREATE, syscall.LOCK_SH); err != nil {
			return nil, err
		}
	}
	if conn, err = c.ensureRunning(ctx); err != nil {
		return nil, err
	}
	if err := c.bootstrap(ctx, conn); err != nil {
		closeConn(conn)
		return nil, err
	}
	c.joined = true
	return conn, nil
}

// watch waits on an idle connection until the server is gone, and then joins it
// again. The socket's folder does not change, so pools and URLs stay valid.
func (c *Cluster) watch(ctx context.Context, conn *pgx.Conn) {
	for err := error(nil); ; Sleep(ctx, time.Second) {
		if err == nil {
			_, _ = conn.WaitForNotification(ctx) // none comes: this ends with the server or ctx
			closeConn(conn)
		}
		if ctx.Err() != nil {
			return
		}
		c.cfg.Log.Error("the private PostgreSQL has stopped; starting it again")
		if conn, err = c.join(ctx); err != nil {
			c.cfg.Log.Error("cannot start the private PostgreSQL again", "error", err)
		}
	}
}

// Close leaves the cluster, and stops the server if nobody else uses it. Close the
// pools first: their connections would be cut.
func (c *Cluster) Close() error {
	c.stopWatch()
	c.watching.Wait()
	return c.leave()
}

func (c *Cluster) leave() error {
	if c.member == nil {
		return nil
	}
	defer func() { c.member.Close(); c.member = nil }()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	alone, err := lockFile(ctx, c.cfg.StateDir, os.O_RDONLY, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer alone.Close()
	if last, err := tryLock(c.member, syscall.LOCK_EX); err != nil || !last {
		return err
	}
	if err := c.stop(ctx); err != nil || !c.cfg.Throwaway {
		return err
	}
	return errors.Join(os.RemoveAll(c.dataDir), os.Remove(c.logPath()), os.Remove(c.memberPath()))
}

func (c *Cluster) memberPath() string { return filepath.Join(c.cfg.StateDir, "cluster.lock") }

// lockFile opens a file and locks it with flock(2), LOCK_EX or LOCK_SH, until it is
// closed. It polls, because a blocking flock cannot be abandoned when ctx ends.
func lockFile(ctx context.Context, path string, flag, how int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(f, how)
		if err == nil && locked {
			return f, nil
		}
		if err == nil && !Sleep(ctx, clusterPoll) {
			err = fmt.Errorf("lock %s: %w", path, context.Cause(ctx))
		}
		if err != nil {
			f.Close()
			return nil, err
		}
	}
}

// tryLock takes or changes the lock without waiting, or returns false. After false
// a lock that was held before may be lost.
func tryLock(f *os.File, how int) (bool, error) {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
