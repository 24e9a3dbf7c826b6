package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

const (
	oldestPostgres = 150000
	slowDatabase   = 20 * time.Millisecond

	// How far a clock may be off: access tokens allow 30 seconds.
	clockOff  = 5 * time.Second
	clockGone = 25 * time.Second
)

func (f *findings) clock(check, other string, theirs, ours time.Time) {
	off, level := theirs.Sub(ours).Abs(), Sound
	if off > clockGone {
		level = Fault
	} else if off > clockOff {
		level = Warning
	}
	f.add(check, level, fmt.Sprintf("%s and this machine differ by %v.", other, off.Round(time.Millisecond)))
}

func (s *System) examineDatabase(ctx context.Context, cfg *Config, f *findings) {
	type facts struct {
		version                              int
		encoding, user, login, fsync, commit string
		now                                  time.Time
		mayEdit                              bool
	}
	began := time.Now()
	d, err := db.One(ctx, s.DB, func(row pgx.Row) (d facts, err error) {
		err = row.Scan(&d.version, &d.encoding, &d.user, &d.login, &d.fsync, &d.commit, &d.now, &d.mayEdit)
		return d, err
	}, `
-- name: system.DatabaseFacts
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_user::text, session_user::text,
       current_setting('fsync'), current_setting('synchronous_commit'), clock_timestamp(),
       EXISTS (SELECT 1 FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relname ~ '^audit_(events|seals)' AND relkind IN ('r', 'p')
                  AND has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE'))`)
	if err != nil {
		f.add("database", Fault, "PostgreSQL answers with an error: "+err.Error())
		return
	}
	f.clock("clock.database", "PostgreSQL", d.now, began.Add(time.Since(began)/2))
	version := fmt.Sprintf("PostgreSQL %d.%d with encoding %s.", d.version/10000, d.version%10000, d.encoding)
	f.expect("database.version", d.version >= oldestPostgres && d.encoding == "UTF8", version, Fault, version)
	if d.fsync != "on" || d.commit == "off" {
		f.add("database.durability", Fault, fmt.Sprintf("fsync is %s, synchronous_commit is %s.", d.fsync, d.commit))
	}
	s.examineLatency(ctx, f)
	what := fmt.Sprintf("The server runs as %s", d.user)
	if d.user == d.login {
		what += ", who owns the database"
	} else if d.mayEdit {
		what += ", who may change and remove audit events"
	}
	f.expect("database.roles", d.user != d.login && !d.mayEdit, what+".", Warning, what+".", pgx.Identifier{d.login}.Sanitize())
	s.examineState(ctx, cfg, f)
}

func (s *System) examineLatency(ctx context.Context, f *findings) {
	var took [9]time.Duration
	for i := range took {
		asked := time.Now()
		if err := s.DB.Ping(ctx); err != nil {
			f.add("database.latency", Fault, "PostgreSQL stopped answering: "+err.Error())
			return
		}
		took[i] = time.Since(asked)
	}
	slices.Sort(took[:])
	median := took[len(took)/2]
	what := fmt.Sprintf("An empty query takes %v.", median.Round(time.Microsecond))
	f.expect("database.latency", median <= slowDatabase, what, Warning, what)
}

// examineState checks what the database says about itself: its schema, and which data
// directory belongs to it.
func (s *System) examineState(ctx context.Context, cfg *Config, f *findings) {
	for _, c := range s.Checks {
		if c.Name == "schema" {
			if err := c.Run(ctx); err != nil {
				f.add("database.schema", Fault, err.Error())
				return
			}
			f.add("database.schema", Sound, "The schema matches this program.")
		}
	}
	known, err := db.One(ctx, s.DB, db.Value[string], `
-- name: system.DataDirID
SELECT coalesce(data_dir_id::text, '') FROM instance`)
	marker, readErr := os.ReadFile(filepath.Join(cfg.DataDir, ".homebase"))
	switch found := strings.TrimSpace(string(marker)); {
	case err != nil:
		f.add("data_dir.marker", Fault, "Cannot read which data directory belongs to the database: "+err.Error())
	case known == "":
		f.add("data_dir.marker", Warning, "The database knows no data directory yet; the first start of the server chooses it.")
	case strings.HasPrefix(found, "a restore"):
		f.add("data_dir.marker", Fault, fmt.Sprintf("%s is half-restored and says: %s.", cfg.DataDir, found))
	default:
		f.expect("data_dir.marker", readErr == nil && found == known, "The data directory belongs to this database.",
			Fault, cfg.DataDir+" is not the data directory of this database.")
	}
}

func examineDataDir(cfg *Config, f *findings) {
	info, err := os.Stat(cfg.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		f.add("data_dir", Warning, cfg.DataDir+" does not exist; the first start of the server creates it.")
		return
	}
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		f.add("data_dir", Fault, fmt.Sprintf("%s cannot be used: %v.", cfg.DataDir, err))
		return
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		f.add("data_dir.owner", Warning, fmt.Sprintf("%s belongs to user %d, and this is user %d.", cfg.DataDir, owner, os.Geteuid()), cfg.DataDir)
	} else {
		f.expect("data_dir.owner", info.Mode().Perm()&0o022 == 0, cfg.DataDir+" belongs to this user.",
			Fault, fmt.Sprintf("%s is writable by others (%v).", cfg.DataDir, info.Mode().Perm()), cfg.DataDir)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(cfg.DataDir, &st); err == nil {
		free := int64(st.Bavail) * int64(st.Bsize)
		what := fmt.Sprintf("%d MiB are free.", free>>20)
		f.expect("data_dir.free", free >= cfg.MinFree, what, Fault, what)
	}
	examineAttributes(cfg.DataDir, f)
}

// examineAttributes tries extended attributes on a file of its own.
func examineAttributes(dir string, f *findings) {
	file, err := os.CreateTemp(dir, ".homebase-doctor-*")
	if err != nil {
		f.add("data_dir.write", Fault, "Nothing can be written to the data directory: "+err.Error())
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	err = syscall.Setxattr(file.Name(), "user.homebase.doctor", []byte("1"), 0)
	f.expect("data_dir.xattrs", err == nil, "The file system supports extended attributes.",
		Warning, fmt.Sprintf("The file system does not support extended attributes: %v", err))
}
