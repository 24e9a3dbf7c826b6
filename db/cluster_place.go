package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// place is where a private cluster lies and as whom it runs.
type place struct {
	stateDir, dataDir     string
	memberLock, startLock string
	socketRecord, logFile string
	clusterName           string // in the title of each of its processes
	noSync                bool
	credential            *syscall.Credential // nil: as this process
	log                   *slog.Logger
}

const (
	clusterLogin     = "homebase" // owns the database of the same name
	clusterSuperuser = "postgres"
	socketPort       = "5432"
	rootDataParent   = "/var/lib/homebase"
)

func newPlace(cfg ClusterConfig) (*place, error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	state, err := filepath.Abs(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	if state, err = filepath.EvalSymlinks(state); err != nil {
		return nil, err
	}
	p := &place{
		stateDir:     state,
		dataDir:      cfg.DataDir,
		memberLock:   filepath.Join(state, "cluster.lock"),
		startLock:    filepath.Join(state, "cluster.start"),
		socketRecord: filepath.Join(state, "cluster.socket"),
		logFile:      filepath.Join(state, "postgres.log"),
		clusterName:  "homebase-" + shortHash(state),
		noSync:       cfg.NoSync,
		log:          cfg.Log,
	}
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		if p.credential, err = credentialOf("postgres"); err != nil {
			return nil, err
		}
	}
	switch {
	case p.dataDir != "":
	case p.credential != nil:
		p.dataDir = filepath.Join(rootDataParent, shortHash(state))
	default:
		p.dataDir = filepath.Join(state, "postgres")
	}
	p.dataDir, err = filepath.Abs(p.dataDir)
	return p, err
}

func shortHash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}

func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the user %q, as whom root runs PostgreSQL, is missing: %w", name, errNotInstalled)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// newDataDir is where initdb works; it becomes dataDir by a rename, so dataDir
// is never half made.
func (p *place) newDataDir() string { return p.dataDir + ".new" }

// uid owns the data and the socket folder.
func (p *place) uid() uint32 {
	if p.credential != nil {
		return p.credential.Uid
	}
	return uint32(os.Geteuid())
}

// own gives a folder to whom PostgreSQL runs as.
func (p *place) own(path string) error {
	if p.credential == nil {
		return nil
	}
	return os.Chown(path, int(p.credential.Uid), int(p.credential.Gid))
}

// socketDir is the recorded folder if it is still ours, or a fresh one. The
// path of a socket may have 107 bytes at most, so it cannot lie in the state
// folder. Nobody else may own or enter it: who reaches the socket is trusted.
func (p *place) socketDir() (string, error) {
	if dir, err := p.recordedSocketDir(); err == nil && dir != "" {
		return dir, nil
	} else if err != nil {
		return "", err
	}
	var dir string
	var err error
	for _, parent := range []string{"/run", "/tmp"} {
		if dir, err = os.MkdirTemp(parent, "hb-"); err == nil {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for the socket: %w", err)
	}
	if err := p.own(dir); err != nil {
		return "", err
	}
	// A crash before the record leaves an empty folder, and a new one next time.
	tmp := p.socketRecord + ".new"
	if err := os.WriteFile(tmp, []byte(dir+"\n"), 0o600); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, p.socketRecord)
}

// recordedSocketDir is "" when there is none or it is not ours (any more): the
// parents are emptied at boot, and another user may have taken the name.
func (p *place) recordedSocketDir() (string, error) {
	b, err := os.ReadFile(p.socketRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	dir := strings.TrimSpace(string(b))
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return "", nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != p.uid() {
		return "", nil
	}
	return dir, nil
}

// removeSocketDir is for after the server has stopped.
func (p *place) removeSocketDir() error {
	dir, err := p.recordedSocketDir()
	if err != nil {
		return err
	}
	if dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := os.Remove(p.socketRecord); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// bootstrap makes the roles and the database where they are missing: the
// login that owns the database, and the roles without login that the pool
// works as. It may be repeated, and a crash in it is mended by the next one.
func (p *place) bootstrap(ctx context.Context, socketDir string, roles []string) error {
	const login = `-- name: db.BootstrapLogin
		DO $$
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '` + clusterLogin + `') THEN
				CREATE ROLE ` + clusterLogin + ` LOGIN CREATEDB;
			END IF;
		END
		$$`
	const role = `-- name: db.BootstrapRole
		DO $$
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'NAMESPACE') THEN
				CREATE ROLE NAMESPACE NOLOGIN;
			END IF;
			IF NOT pg_has_role('` + clusterLogin + `', 'NAMESPACE', 'MEMBER') THEN
				GRANT NAMESPACE TO ` + clusterLogin + `;
			END IF;
		END
		$$`
	const exists = `-- name: db.BootstrapDatabaseExists
		SELECT EXISTS (SELECT FROM pg_database WHERE datname = '` + clusterLogin + `')`
	const create = `-- name: db.BootstrapDatabase
		CREATE DATABASE ` + clusterLogin + ` OWNER ` + clusterLogin + `
			TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`
	conn, err := dialSocket(ctx, socketDir)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	statements := []string{login}
	for _, name := range append([]string{runtimeRole}, roles...) {
		statements = append(statements, inNamespace(name, role))
	}
	for _, sql := range statements {
		if _, err := Exec(ctx, conn, sql); err != nil {
			return fmt.Errorf("make the roles: %w", err)
		}
	}
	made, err := One(ctx, conn, Value[bool], exists)
	if err != nil || made {
		return err
	}
	if _, err := Exec(ctx, conn, create); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}
