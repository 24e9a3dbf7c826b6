// Package dbtest gives each test a database of its own with the whole schema,
// on a real PostgreSQL, in some ten milliseconds. Only tests import it.
//
// The server is that of HOMEBASE_TEST_DATABASE_URL, whose login must be allowed to
// create databases. Without it, it is a private cluster without fsync, in memory if
// there is room. The folder HOMEBASE_TEST_STATE or <temporary folder>/homebase-test-<uid>
// identifies it: all test processes with that folder share the cluster. A few seconds
// after the last of them has ended, however it ended, the cluster is stopped and
// deleted; cluster.lock in the folder is deleted last.
//
// The schema is applied once, to a template named by the hash of schema.sql, which
// each test clones. Without PostgreSQL, tests fail if CI is set in the environment, and
// otherwise are skipped with the reason.
package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"homebase/db"
)

// maxConns is small, so that many tests at once fit into one server.
const maxConns = 6

// New returns a connected database with the whole schema for this test alone. It is
// dropped when the test ends.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, Create(t))
}

// Create makes a database with the whole schema that is dropped when the test
// ends, and returns the URL of its owner.
func Create(t testing.TB) string {
	t.Helper()
	return CreateAfter(t, "", nil)
}

// CreateAfter is Create from a template on which prepare has run, once on each
// server. use names what it does.
func CreateAfter(t testing.TB, use string, prepare func(ctx context.Context, d *db.DB) error) string {
	t.Helper()
	return create(t, templateOf(t, server(t), use, prepare))
}

// CreateEmpty is Create without any schema.
func CreateEmpty(t testing.TB) string {
	t.Helper()
	server(t)
	return create(t, "template0")
}

// Open connects to a database made by Create; two Opens are two workers. The
// pool is closed when the test ends.
func Open(t testing.TB, url string) *db.DB {
	t.Helper()
	d := db.New(slog.New(slog.DiscardHandler))
	if err := d.Connect(t.Context(), db.Config{URL: url, MaxConns: maxConns}); err != nil {
		t.Fatalf("connect to the test's database: %v", err)
	}
	t.Cleanup(d.Close)
	return d
}

// Schema is the text of schema.sql at the root of the module.
func Schema(t testing.TB) string {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// moduleRoot is the folder of go.mod; tests run in those of their packages.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no go.mod above the test's folder")
		}
		dir = up
	}
}

// appRoles are the roles of the apps that have tables.
func appRoles() (roles []string, err error) {
	dir, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	schemas, err := filepath.Glob(filepath.Join(dir, "projects", "*", "schema.sql"))
	for _, path := range schemas {
		roles = append(roles, "app_"+filepath.Base(filepath.Dir(path)))
	}
	return roles, err
}

// create clones a template. FILE_COPY is faster if files are not synced; otherwise the
// difference is small compared with what a test does.
func create(t testing.TB, template string) string {
	t.Helper()
	name := "hb_test_" + strings.ToLower(rand.Text()[:16])
	onceOnServer(t, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy")
	t.Cleanup(func() { onceOnServer(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return onServer(server(t), name)
}

// admin is this process's one connection to the server's own database: opening another
// would cost PostgreSQL as much as the statement.
var admin struct {
	sync.Mutex
	conn *pgx.Conn
}

// onceOnServer runs one statement on the server's own database. The context is not
// the test's, which has ended when a cleanup runs.
func onceOnServer(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin.Lock()
	defer admin.Unlock()
	if admin.conn == nil || admin.conn.IsClosed() {
		var err error
		if admin.conn, err = pgx.Connect(ctx, server(t)); err != nil {
			t.Fatalf("connect to the test server: %v", err)
		}
	}
	for {
		_, err := admin.conn.Exec(ctx, sql)
		// FORCE may not end a worker of autovacuum, which ends by itself.
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42501" && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return
	}
}

// onServer is the URL of another database on the server.
func onServer(server, database string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic("HOMEBASE_TEST_DATABASE_URL is not a URL")
	}
	u.Path = "/" + database
	return u.String()
}

var templates struct {
	sync.Mutex
	made map[string]func() (string, error) // by use
}

// templateOf makes a template once on each server; other test processes wait for the one
// that makes it.
func templateOf(t testing.TB, server, use string, prepare func(ctx context.Context, d *db.DB) error) string {
	t.Helper()
	templates.Lock()
	made := templates.made[use]
	if made == nil {
		if templates.made == nil {
			templates.made = map[string]func() (string, error){}
		}
		schema := Schema(t)
		made = sync.OnceValues(func() (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			return makeTemplate(ctx, server, schema, use, prepare)
		})
		templates.made[use] = made
	}
	templates.Unlock()
	name, err := made()
	if err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	return name
}

func migrate(ctx context.Context, url, schema string, prepare func(ctx context.Context, d *db.DB) error) error {
	d := db.New(slog.New(slog.DiscardHandler))
	if err := d.Connect(ctx, db.Config{URL: url}); err != nil {
		return err
	}
	defer d.Close()
	if err := d.Migrate(ctx, schema); err != nil || prepare == nil {
		return err
	}
	return prepare(ctx, d)
}

// lockTemplate is the advisory lock (class, id) of making templates.
const lockTemplate = 3

func makeTemplate(ctx context.Context, server, schema, use string, prepare func(ctx context.Context, d *db.DB) error) (string, error) {
	hash := sha256.Sum256([]byte(schema))
	name := "hb_template_" + hex.EncodeToString(hash[:8]) + use
	building := name + "_new"

	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	for {
		locked, err := db.One(ctx, conn, db.Value[bool], `-- name: dbtest.Lock
			SELECT pg_try_advisory_lock($1, 0)`, lockTemplate)
		if err != nil {
			return "", err
		}
		if locked {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	made, err := db.One(ctx, conn, db.Value[bool], `-- name: dbtest.TemplateExists
		SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name)
	if err != nil || made {
		return name, err
	}
	// It gets its name once it is complete: a killed test leaves no half template.
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + building + " WITH (FORCE)",
		"CREATE DATABASE " + building + " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	if err := migrate(ctx, onServer(server, building), schema, prepare); err != nil {
		return "", err
	}
	// Nobody may connect to it: PostgreSQL clones only a database without connections.
	for _, sql := range []string{
		"ALTER DATABASE " + building + " WITH ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + building + " RENAME TO " + name,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", fmt.Errorf("%s: %w", sql, err)
		}
	}
	return name, nil
}

// Needed checks a job's answer to whether there is anything to do.
func Needed(t testing.TB, job db.Job, want bool) {
	t.Helper()
	if needed, err := job.Needed(t.Context()); err != nil || needed != want {
		t.Errorf("%s is needed: %v (%v), want %v", job.Name, needed, err, want)
	}
}
