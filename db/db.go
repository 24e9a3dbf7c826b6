// Package db is the house's way to PostgreSQL: the pool, transactions, rows,
// errors, schema steps, jobs, notifications, and the private cluster that is
// used when no database URL is given.
//
// What it promises:
//   - A transaction given to InTx is repeated only if PostgreSQL asks for it,
//     and only before COMMIT was sent. If nobody can know whether it was
//     committed, the error is ErrOutcomeUnknown and nothing is repeated.
//   - Rows read by All and One are complete: an error in the middle of a result
//     is an error, never a short list. No row is ErrNotFound.
//   - Errors that a caller can act on carry a Kind; a violated constraint
//     carries the code and the sentence of the one table in constraints.go.
//   - No process relies on its own memory for what must be right: workers agree
//     on jobs, schema steps and notifications through PostgreSQL.
//
// Advisory locks are taken as pairs (class, id). The classes 1 to 99 belong
// to this package; a room that needs locks uses a class from 100 on.
package db

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The classes of this package's advisory locks.
const (
	lockMigrate = 1 // id 0: applying schema steps
	lockJobs    = 2 // id is jobs.id: running that job
)

// runtimeRole owns nothing. If it exists and the login may take it, every
// connection except those of Migrate works as this role.
const runtimeRole = "homebase_runtime"

// mayTakeRole is the SQL condition that the session's login may work as the role
// in a row of pg_roles.
const mayTakeRole = `pg_has_role(session_user, oid, CASE WHEN current_setting('server_version_num')::int >= 160000
	                             THEN 'SET' ELSE 'MEMBER' END)`

// DB is the platform's database. New makes one that is not connected yet, so that
// rooms can be built before (and without) a database; until Connect everything
// except Listener fails as Unavailable. It is safe for concurrent use.
type DB struct {
	log      *slog.Logger
	pool     atomic.Pointer[pgxpool.Pool]
	listener *Listener
}

// Config says how to connect.
type Config struct {
	// URL is a PostgreSQL URL. It must lead to PostgreSQL itself or to a pooler
	// in session mode, because LISTEN, SET ROLE and advisory locks belong to a
	// session. It may name several hosts: with target_session_attrs=read-write
	// new connections go to the one that accepts writes.
	URL string
	// MaxConns bounds the pool; 0 is twelve. Two more connections are opened
	// outside the pool, by Listener.Run and by RunJobs.
	MaxConns int32
}

const (
	defaultMaxConns = 12
	connectTimeout  = 5 * time.Second
	reconnectMin    = 50 * time.Millisecond
	reconnectMax    = 2 * time.Second
)

// errNotConnected is the error of everything before Connect and after Close.
var errNotConnected = &Error{Kind: Unavailable, Err: errors.New("the database is not connected")}

// New returns a DB that is not connected to anything. It is cheap.
func New(log *slog.Logger) *DB {
	d := &DB{log: log}
	d.listener = &Listener{db: d, born: time.Now(), handlers: map[string][]func(string){}}
	d.listener.heard.Store(new(make(chan struct{})))
	return d
}

// Connect opens the pool and makes sure that PostgreSQL answers. It is called
// once. The error never contains the URL's password.
func (d *DB) Connect(ctx context.Context, c Config) error {
	cfg, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return errURL
	}
	if cfg.MaxConns = c.MaxConns; c.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	cfg.MinIdleConns = min(1, cfg.MaxConns)
	cfg.MaxConnLifetimeJitter = 10 * time.Minute
	cfg.PingTimeout = connectTimeout
	prepareConfig(cfg.ConnConfig)
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerTypes(conn.TypeMap())
		return setUpSession(ctx, conn)
	}

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return translate(err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return translate(err)
	}
	if !d.pool.CompareAndSwap(nil, pool) {
		pool.Close()
		return errors.New("db: Connect was called twice")
	}
	return nil
}

// errURL replaces the parser's error, which quotes the URL and masks only a
// password that it recognises.
var errURL = errors.New("the database URL cannot be read: it must look like postgres://user:password@host:5432/database")

// prepareConfig sets what applies to every connection of this package. A
// connection to a server that no longer accepts writes is closed: the next one
// goes to the server that does.
func prepareConfig(c *pgx.ConnConfig) {
	c.OnPgError = func(_ *pgconn.PgConn, err *pgconn.PgError) bool { return !fatal(err) && err.Code != "25006" }
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "homebase"
	}
}

// setUpSession bounds how long a statement may take or wait, and drops the owner's
// rights. The bounds are defaults: a transaction that needs others uses SET LOCAL.
// A worker that hangs in the middle of a transaction loses it after a minute, so
// that its row locks do not block the others for ever.
//
// Sequential scans are only for what has no index. A plan made while a table was
// empty would scan all of it, and is kept for the life of the connection, even by
// the checks of foreign keys. Without sequential scans plans look expensive, so
// just-in-time compilation, which depends on the cost, is off.
func setUpSession(ctx context.Context, conn *pgx.Conn) error {
	const sql = `-- name: db.SetUpSession
		SELECT set_config('timezone', 'UTC', false),
		       set_config('lock_timeout', '10s', false),
		       set_config('statement_timeout', '60s', false),
		       set_config('idle_in_transaction_session_timeout', '60s', false),
		       set_config('enable_seqscan', 'off', false),
		       set_config('jit', 'off', false);
		SELECT set_config('role', rolname, false)
		  FROM pg_roles
		 WHERE rolname = '` + runtimeRole + `'
		   AND ` + mayTakeRole
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// dial opens a connection outside the pool with the rights of the URL's login and
// without the bounds of setUpSession.
func (d *DB) dial(ctx context.Context, onNotification pgconn.NotificationHandler) (*pgx.Conn, error) {
	pool := d.pool.Load()
	if pool == nil {
		return nil, errNotConnected
	}
	cfg := pool.Config().ConnConfig
	cfg.OnNotification = onNotification
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, translate(err)
	}
	registerTypes(conn.TypeMap())
	return conn, nil
}

// AsOwner runs fn on a connection of its own with the rights of the URL's login,
// for what the runtime role may not do, such as creating and dropping tables. It
// takes no connection from the pool, so it may be called within a transaction.
func (d *DB) AsOwner(ctx context.Context, fn func(conn *pgx.Conn) error) error {
	conn, err := d.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	return translate(fn(conn))
}

// connect opens a connection outside the pool, for what belongs to a session.
func (d *DB) connect(ctx context.Context, onNotification pgconn.NotificationHandler) (*pgx.Conn, error) {
	conn, err := d.dial(ctx, onNotification)
	if err != nil {
		return nil, err
	}
	if err := setUpSession(ctx, conn); err != nil {
		closeConn(conn)
		return nil, translate(err)
	}
	return conn, nil
}

// reconnect calls work, which needs a connection of its own, again whenever that is
// lost, until ctx ends. It returns the cause of that.
func (d *DB) reconnect(ctx context.Context, lost string, work func() error) error {
	wait := reconnectMin
	for {
		began := time.Now()
		err := work()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(began) > reconnectMax {
			wait = reconnectMin
		}
		d.log.Warn(lost, "error", err, "again_in", wait.String())
		if !Sleep(ctx, wait) {
			return context.Cause(ctx)
		}
		wait = min(2*wait, reconnectMax)
	}
}

// closeConn closes a connection without waiting long for a server that does not
// answer.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the session ends either way
}

// Close waits for the connections in use and closes the pool. After that
// everything fails as Unavailable.
func (d *DB) Close() {
	if pool := d.pool.Swap(nil); pool != nil {
		pool.Close()
	}
}

// Ping checks that PostgreSQL answers.
func (d *DB) Ping(ctx context.Context) error {
	return Exec(ctx, d, "-- ping")
}

// Stat is the pool's figures for metrics, nil while not connected. Its
// AcquireCount shows how often the database was asked for something.
func (d *DB) Stat() *pgxpool.Stat {
	pool := d.pool.Load()
	if pool == nil {
		return nil
	}
	return pool.Stat()
}

// Listener is the one listener of this process.
func (d *DB) Listener() *Listener { return d.listener }
