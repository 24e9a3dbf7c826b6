package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"
)

// ClusterConfig says where a private PostgreSQL lives.
type ClusterConfig struct {
	// StateDir is the state folder; it is created with mode 0700. It names
	// the cluster: processes with the same folder share one.
	StateDir string
	// DataDir overrides where PostgreSQL keeps its files. Empty is
	// /var/lib/homebase/<hash of StateDir> for root, who must run PostgreSQL
	// as another user that cannot walk into /root, and StateDir/postgres for
	// anybody else.
	DataDir string
	// Roles are made beside the runtime role: those of namespaces, see
	// DB.MigrateIn.
	Roles []string
	// NoSync trades durability for speed: a power cut destroys the cluster.
	// For tests only.
	NoSync bool
	Log    *slog.Logger
}

// Cluster is the private PostgreSQL: a child process that listens on a socket
// in a folder of its own and on no network, for a machine on which nobody set
// up a database. It is a convenience around the ordinary server, with the
// ordinary durability.
//
// Every process that uses it holds a shared lock on StateDir/cluster.lock;
// whoever starts or stops it holds StateDir/cluster.start meanwhile. The
// kernel drops both when a process ends, however it ends. So the last one to
// leave knows that it is the last and stops the server; after a kill -9 of
// everybody the server stays, and the next one to come adopts it.
type Cluster struct {
	place     *place
	member    *os.File // holds the shared lock
	socketDir string
	stopWatch context.CancelFunc
	watching  sync.WaitGroup
	closed    sync.Once
}

const (
	// startTimeout is long because recovery after a crash may be.
	startTimeout = 5 * time.Minute
	stopTimeout  = time.Minute
	watchEvery   = 250 * time.Millisecond
)

// ErrClusterInUse says that another process still uses the cluster.
var ErrClusterInUse = errors.New("the private PostgreSQL is in use by another process")

// StartCluster starts the private PostgreSQL, or joins the one that another
// process started, or adopts one whose users have all been killed. It returns
// once the server answers. A server that dies is started again, by whichever
// of its users notices first, until Close.
func StartCluster(ctx context.Context, cfg ClusterConfig) (*Cluster, error) {
	p, err := newPlace(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	starting, err := takeLock(ctx, p.startLock, syscall.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("wait for another process that starts or stops the private PostgreSQL: %w", err)
	}
	defer starting.Close()
	member, err := takeLock(ctx, p.memberLock, syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	c := &Cluster{place: p, member: member}
	if c.socketDir, err = p.ensureRunning(ctx); err == nil {
		err = p.bootstrap(ctx, c.socketDir, cfg.Roles)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the private PostgreSQL: %w", err), member.Close())
	}
	wctx, stop := context.WithCancel(context.Background())
	c.stopWatch = stop
	c.watching.Go(func() { c.watch(wctx) })
	return c, nil
}

// URL leads to the database homebase as its owner, for Connect and Migrate.
func (c *Cluster) URL() string { return socketURL(c.socketDir, clusterLogin, clusterLogin) }

// DataDir is where PostgreSQL keeps its files.
func (c *Cluster) DataDir() string { return c.place.dataDir }

// Close leaves the cluster, and stops the server when nobody else uses it.
// Close the pools first: their connections are cut.
func (c *Cluster) Close() (err error) {
	c.closed.Do(func() {
		c.stopWatch()
		c.watching.Wait()
		err = c.leave()
	})
	return err
}

func (c *Cluster) leave() error {
	defer c.member.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	starting, err := takeLock(ctx, c.place.startLock, syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("wait for another process that starts or stops the private PostgreSQL: %w", err)
	}
	defer starting.Close()
	// Holding the start lock, nobody can join between this and the stop.
	last, err := tryLock(c.member, syscall.LOCK_EX)
	if err != nil || !last {
		return err
	}
	return c.place.stop(ctx)
}

// watch starts the server again when it is gone. The socket folder stays the
// same, so pools and URLs in every process stay right.
func (c *Cluster) watch(ctx context.Context) {
	for sleep(ctx, watchEvery) {
		if c.place.alive(c.place.postmaster()) {
			continue
		}
		c.place.log.Error("the private PostgreSQL has stopped; starting it again")
		if err := c.revive(ctx); err != nil && ctx.Err() == nil {
			c.place.log.Error("cannot start the private PostgreSQL again", "error", err)
			sleep(ctx, 2*time.Second)
		}
	}
}

func (c *Cluster) revive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	starting, err := takeLock(ctx, c.place.startLock, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer starting.Close()
	// Without this a deleted folder would come back as an empty database.
	if major, err := c.place.madeBy(); err != nil {
		return err
	} else if major == 0 {
		return fmt.Errorf("its data folder %s is gone", c.place.dataDir)
	}
	_, err = c.place.ensureRunning(ctx)
	return err
}

// ClusterInUse reports whether a process uses the cluster now.
func ClusterInUse(cfg ClusterConfig) (bool, error) {
	p, err := newPlace(cfg)
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(p.memberLock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	free, err := tryLock(f, syscall.LOCK_EX)
	return !free, err
}

// RemoveCluster stops the server and deletes the cluster with every database
// in it. It refuses with ErrClusterInUse while a process uses it.
func RemoveCluster(ctx context.Context, cfg ClusterConfig) error {
	p, err := newPlace(cfg)
	if err != nil {
		return err
	}
	starting, err := takeLock(ctx, p.startLock, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer starting.Close()
	member, err := os.OpenFile(p.memberLock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer member.Close()
	free, err := tryLock(member, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	if !free {
		return ErrClusterInUse
	}
	if err := p.stop(ctx); err != nil {
		return err
	}
	// The locks go last: until then nobody can begin anew in here.
	for _, path := range []string{p.dataDir, p.newDataDir(), p.logFile, p.logFile + ".old", p.memberLock, p.startLock} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// socketURL is a URL over a socket. The port is only a part of the socket's
// name; it is given so that PGPORT of the environment does not change it.
func socketURL(dir, user, database string) string {
	q := url.Values{"host": {dir}, "port": {socketPort}, "sslmode": {"disable"}}
	return "postgres://" + user + "@/" + database + "?" + q.Encode()
}
