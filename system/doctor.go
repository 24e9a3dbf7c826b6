package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Finding is what `homebase doctor` says of one thing.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	What  string `json:"what"`
	Why   string `json:"why,omitempty"`  // why it matters
	Mend  string `json:"mend,omitempty"` // lines to put somewhere, or a command
}

// Level says how bad a finding is.
type Level string

const (
	Sound   Level = "ok"
	Warning Level = "warning"
	Fault   Level = "fault"
)

// findings gathers.
type findings []Finding

func (f *findings) ok(check, what string) {
	*f = append(*f, Finding{Check: check, Level: Sound, What: what})
}
func (f *findings) warn(check, what, why, mend string) {
	*f = append(*f, Finding{check, Warning, what, why, mend})
}
func (f *findings) fault(check, what, why, mend string) {
	*f = append(*f, Finding{check, Fault, what, why, mend})
}

// doctor examines everything that it can reach, from the inside outwards. The
// configuration is sound already, or no command would run.
func (s *System) doctor(ctx context.Context, cfg *Config, sh *db.Shell, args []string) error {
	asJSON, err := jsonFlag(sh, "doctor", args)
	if err != nil {
		return err
	}
	var f findings
	f.ok("configuration", fmt.Sprintf("The settings are valid together; the public URL is %s.", cfg.PublicURL))
	if err := sh.Connect(ctx); err != nil {
		f.fault("database", "PostgreSQL cannot be reached: "+err.Error(), "Nothing works without it.", "Look at HOMEBASE_DATABASE_URL, and whether PostgreSQL runs.")
	} else {
		s.examineDatabase(ctx, cfg, &f)
		s.examineFiles(ctx, &f)
	}
	examineDataDir(cfg, &f)
	examinePublicURL(ctx, cfg, &f)
	if asJSON {
		err = json.NewEncoder(sh.Stdout).Encode(f)
	} else {
		f.print(sh.Stdout)
	}
	faults := 0
	for _, finding := range f {
		if finding.Level == Fault {
			faults++
		}
	}
	if err == nil && faults > 0 {
		err = fmt.Errorf("the doctor found faults: %d", faults)
	}
	return err
}

// examineFiles compares the disk with the rows: what no row stands for is in
// nobody's list, and people believe that it is kept.
func (s *System) examineFiles(ctx context.Context, f *findings) {
	var found []string
	err := s.Untaken(ctx, func(path, why string) { found = append(found, fmt.Sprintf("%q: %s", path, why)) })
	switch {
	case err != nil:
		f.warn("files", "Cannot compare the disk with the rows: "+err.Error(), "Nobody can see what has no row.", "")
	case len(found) > 0:
		f.fault("files", fmt.Sprintf("%d entries among the files have no row.", len(found)),
			"Nobody can see them; a backup copies them as they are.", strings.Join(found, "\n")+"\nhomebase files scan takes over what it can.")
	default:
		f.ok("files", "Every file and folder on the disk has a row.")
	}
}

func (f findings) print(w io.Writer) {
	for _, finding := range f {
		fmt.Fprintf(w, "%-8s %-18s %s\n", finding.Level, finding.Check, finding.What)
		if finding.Why != "" {
			fmt.Fprintf(w, "%28s%s\n", "", finding.Why)
		}
		for line := range strings.Lines(finding.Mend) {
			fmt.Fprintf(w, "%30s%s\n", "", strings.TrimRight(line, "\n"))
		}
	}
}

// What is far off in time: access tokens allow 30 seconds.
const (
	clockOff  = 5 * time.Second
	clockGone = 25 * time.Second
)

func (f *findings) clock(check, other string, theirs, ours time.Time) {
	off := theirs.Sub(ours).Abs()
	what := fmt.Sprintf("%s and this machine differ by %v.", other, off.Round(time.Millisecond))
	const why, mend = "Sign-ins, authenticator codes and expiry depend on the clock.", "Synchronise both with NTP: timedatectl set-ntp true"
	switch {
	case off > clockGone:
		f.fault(check, what, why, mend)
	case off > clockOff:
		f.warn(check, what, why, mend)
	default:
		f.ok(check, what)
	}
}

const (
	oldestPostgres = 150000
	slowDatabase   = 20 * time.Millisecond
)

// rolesSQL is what makes the role that the pool gives its rights away for.
const rolesSQL = "CREATE ROLE homebase_runtime NOLOGIN;\nGRANT homebase_runtime TO %s;\nand then: homebase migrate"

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
		f.fault("database", "PostgreSQL answers with an error: "+err.Error(), "Nothing works without it.", "")
		return
	}
	f.clock("clock.database", "PostgreSQL", d.now, began.Add(time.Since(began)/2))
	if d.version < oldestPostgres || d.encoding != "UTF8" {
		f.fault("database.version", fmt.Sprintf("PostgreSQL %d with encoding %s.", d.version/10000, d.encoding), "Homebase needs PostgreSQL 15 or newer with UTF8.", "Move to a newer one by pg_dump and pg_restore.")
	} else {
		f.ok("database.version", fmt.Sprintf("PostgreSQL %d.%d.", d.version/10000, d.version%10000))
	}
	if d.fsync != "on" || d.commit == "off" {
		f.fault("database.durability", fmt.Sprintf("fsync is %s, synchronous_commit is %s.", d.fsync, d.commit), "A power cut would lose what was acknowledged.", "ALTER SYSTEM RESET fsync; ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf();")
	}
	s.examineLatency(ctx, f)
	if d.user == d.login {
		f.warn("database.roles", fmt.Sprintf("The server runs with the rights of %s, who owns the database.", d.login), "With a role of its own it could not change audit events.", fmt.Sprintf(rolesSQL, pgx.Identifier{d.login}.Sanitize()))
	} else if d.mayEdit {
		f.warn("database.roles", fmt.Sprintf("The server runs as %s, who may change and remove audit events.", d.user), "A fault of the server could rewrite the record.", "Revoke what was granted to that role, superuser too, and then: homebase migrate")
	} else {
		f.ok("database.roles", fmt.Sprintf("The server runs as %s.", d.user))
	}
	s.examineState(ctx, cfg, f)
}

func (s *System) examineLatency(ctx context.Context, f *findings) {
	var took [9]time.Duration
	for i := range took {
		asked := time.Now()
		if err := s.DB.Ping(ctx); err != nil {
			f.fault("database.latency", "PostgreSQL stopped answering: "+err.Error(), "", "")
			return
		}
		took[i] = time.Since(asked)
	}
	slices.Sort(took[:])
	median := took[len(took)/2]
	what := fmt.Sprintf("An empty query takes %v.", median.Round(time.Microsecond))
	if median > slowDatabase {
		f.warn("database.latency", what, "Each request makes several.", "Bring PostgreSQL closer: the same machine, or the same network.")
		return
	}
	f.ok("database.latency", what)
}

// examineState asks what the database says of itself: its schema, and which
// data directory belongs to it.
func (s *System) examineState(ctx context.Context, cfg *Config, f *findings) {
	for _, c := range s.Checks {
		if c.Name == "schema" {
			if err := c.Run(ctx); err != nil {
				f.fault("database.schema", err.Error(), "This program does not match the database.", "homebase migrate")
				return
			}
			f.ok("database.schema", "The schema matches this program.")
		}
	}
	known, err := db.One(ctx, s.DB, db.Value[string], `
-- name: system.DataDirID
SELECT coalesce(data_dir_id::text, '') FROM instance`)
	marker, readErr := os.ReadFile(filepath.Join(cfg.DataDir, ".homebase"))
	switch found := strings.TrimSpace(string(marker)); {
	case err != nil:
		f.fault("data_dir.marker", "Cannot read which data directory belongs to the database: "+err.Error(), "", "homebase migrate")
	case known == "":
		f.warn("data_dir.marker", "The database knows no data directory yet.", "The first start of the server chooses it.", "homebase serve")
	case strings.HasPrefix(found, "a restore"):
		f.fault("data_dir.marker", cfg.DataDir+" says: "+found+".", "The server refuses to start on a half-restored platform.",
			"Empty the data directory and the database, and restore again; docs/backup.md lists the commands.")
	case readErr != nil || found != known:
		f.fault("data_dir.marker", cfg.DataDir+" is not the data directory of this database.", "The server refuses to start: an empty mount point must not look like deleted files.",
			"Mount the disk, or point HOMEBASE_DATA_DIR to the right folder.")
	default:
		f.ok("data_dir.marker", "The data directory belongs to this database.")
	}
}

func examineDataDir(cfg *Config, f *findings) {
	info, err := os.Stat(cfg.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		f.warn("data_dir", cfg.DataDir+" does not exist.", "The first start of the server creates it.", "If files were there, mount the disk first.")
		return
	}
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		f.fault("data_dir", fmt.Sprintf("%s cannot be used: %v.", cfg.DataDir, err), "No file can be stored.", "Point HOMEBASE_DATA_DIR to a folder.")
		return
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case int(owner) != os.Geteuid():
		f.warn("data_dir.owner", fmt.Sprintf("%s belongs to user %d, and this is user %d.", cfg.DataDir, owner, os.Geteuid()), "The server must own its files; run the doctor as the server's user.",
			fmt.Sprintf("chown -R USER %s", cfg.DataDir))
	case info.Mode().Perm()&0o022 != 0:
		f.fault("data_dir.owner", fmt.Sprintf("%s is writable by others (%v).", cfg.DataDir, info.Mode().Perm()), "Anyone on this machine could change people's files.", "chmod 700 "+cfg.DataDir)
	default:
		f.ok("data_dir.owner", fmt.Sprintf("%s belongs to this user.", cfg.DataDir))
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(cfg.DataDir, &st); err == nil {
		free, what := int64(st.Bavail)*int64(st.Bsize), fmt.Sprintf("%d MiB are free.", int64(st.Bavail)*int64(st.Bsize)>>20)
		if free < cfg.MinFree {
			f.fault("data_dir.free", what, "Uploads are refused below HOMEBASE_MIN_FREE.", "homebase files purge, or a larger disk")
		} else {
			f.ok("data_dir.free", what)
		}
	}
	examineAttributes(cfg.DataDir, f)
}

// examineAttributes tries extended attributes on a file of its own.
func examineAttributes(dir string, f *findings) {
	file, err := os.CreateTemp(dir, ".homebase-doctor-*")
	if err != nil {
		f.fault("data_dir.write", "Nothing can be written to the data directory: "+err.Error(), "Uploads fail.", "Run the doctor as the server's user; look at owner and mount options.")
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := syscall.Setxattr(file.Name(), "user.homebase.doctor", []byte("1"), 0); err != nil {
		f.warn("data_dir.xattrs", "The file system does not support extended attributes: "+err.Error(), "After a loss of the database, `homebase files rebuild` could not tell which file was which.",
			"Use ext4, XFS, Btrfs or ZFS (zfs set xattr=sa), and mount without nouser_xattr.")
		return
	}
	f.ok("data_dir.xattrs", "The file system supports extended attributes.")
}
