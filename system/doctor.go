package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"homebase/cli"
	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// Finding is what `homebase doctor` says about one thing.
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

// advice is why a check matters, and how to fix what it finds.
var advice = map[string]struct{ why, mend string }{
	"database":            {"Nothing works without it.", "Look at HOMEBASE_DATABASE_URL, and whether PostgreSQL runs."},
	"database.version":    {"Homebase needs PostgreSQL 15 or newer with UTF8.", "Move to a newer one by pg_dump and pg_restore."},
	"database.durability": {"A power cut would lose what was acknowledged.", "ALTER SYSTEM RESET fsync; ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf();"},
	"database.latency":    {"Each request makes several queries.", "Bring PostgreSQL closer: the same machine, or the same network."},
	"database.roles":      {"A fault of the server could rewrite the audit log.", "CREATE ROLE homebase_runtime NOLOGIN;\nGRANT homebase_runtime TO %s;\nREVOKE what that role was granted elsewhere, superuser too\nand then: homebase migrate"},
	"database.schema":     {"This program does not match the database.", "homebase migrate"},
	"files":               {"Nobody can see them; a backup copies them as they are.", "%s\nhomebase files scan takes over what it can."},
	"data_dir":            {"No file can be stored.", "Mount the disk, or point HOMEBASE_DATA_DIR to a folder."},
	"data_dir.marker":     {"The server starts on no other folder: an empty mount point must not look like deleted files.", "Mount the disk, or point HOMEBASE_DATA_DIR to the right folder.\nAfter a restore that was cut off: empty the folder and the database, and restore again as docs/backup.md says."},
	"data_dir.owner":      {"The server must own its files, and nobody else may change them.", "Run the doctor as the server's user, or: chown -R USER %[1]s; chmod 700 %[1]s"},
	"data_dir.free":       {"Uploads are refused below HOMEBASE_MIN_FREE.", "homebase files purge, or a larger disk"},
	"data_dir.write":      {"Uploads fail.", "Run the doctor as the server's user; look at owner and mount options."},
	"data_dir.xattrs":     {"After a loss of the database, `homebase files rebuild` could not tell which file was which.", "Use ext4, XFS, Btrfs or ZFS (zfs set xattr=sa), and mount without nouser_xattr."},

	"passkeys": {"No browser offers them here any more, and with another domain the server does not start.", "HOMEBASE_PASSKEY_DOMAIN=%s"},

	"gate":          {"Nobody gets through to the program.", mendGate},
	"gate.open":     {"Everybody gets in without signing in.", mendGate},
	"gate.around":   {"Everybody gets in there without signing in.", "Remove the Custom Location; auth_request stands outside of all locations, as in deploy/gate.conf."},
	"gate.callback": {"Whoever signs in does not get back to the program.", mendGate},
	"gate.body":     {"Forms and uploads hang.", "In location = /.homebase/check:\nproxy_pass_request_body off;\nproxy_set_header Content-Length \"\";"},

	"clock.database":  {whyClock, mendClock},
	"clock.public":    {whyClock, mendClock},
	"reach":           {"Clients do not reach this server.", "Start it (homebase serve); look at DNS, the router's port forwarding and HOMEBASE_SECRET.\nThe proxy's host must forward to HOMEBASE_LISTEN, here %s, without a path behind the port.\nFrom inside the house the name must lead to the proxy too, for programs that sign people in ask from there: by the house's own DNS, or NAT loopback in the router."},
	"tls":             {"Browsers refuse the connection.", "Nginx Proxy Manager: the host's tab \"SSL\", renew or request a certificate for this name."},
	"cache":           {"One user could be shown what is another's.", "Switch \"Cache Assets\" off, and:\nproxy_cache off;"},
	"trusted_proxies": {"Requests are refused, or limits and the audit log take everyone for one client.", "HOMEBASE_TRUSTED_PROXIES=%s"},
	// Nginx Proxy Manager believes what clients in the local network say about
	// themselves; the first line stops that.
	"client_address":    {"Limits and the audit log do not know who a client is.", "real_ip_header proxy_protocol;\nproxy_set_header X-Forwarded-For $remote_addr;\nproxy_set_header X-Real-IP $remote_addr;\nand name only the proxy's own address in HOMEBASE_TRUSTED_PROXIES"},
	"headers":           {"Nobody could sign in.", "Remove the access list from the proxy's host."},
	"authorization":     {"Scripts and apps could not sign in.", "proxy_set_header Authorization $http_authorization;"},
	"cookies":           {"Browsers drop a __Host- cookie that lost an attribute: nobody stays signed in.", "proxy_cookie_domain off;\nproxy_cookie_path off;\nproxy_cookie_flags off;\nand remove every add_header Set-Cookie, proxy_hide_header Set-Cookie and proxy_set_header Cookie"},
	"body_limit":        {"Larger uploads fail.", "client_max_body_size 0;"},
	"request_buffering": {"An interrupted upload has to start over, and needs its space twice.", "proxy_http_version 1.1;\nproxy_request_buffering off;"},
	"event_stream":      {"Frontends learn of changes late or never; slow downloads are cut off.", "proxy_buffering off;\nproxy_read_timeout 3600s;\nproxy_send_timeout 3600s;"},
	"cors":              {"Browsers keep pages of your origins from reading, or let a stranger's read.", "Remove every add_header Access-Control-… and every rule for OPTIONS: the server answers them itself."},
}

const (
	mendGate  = "The host's tab \"Advanced\" has all lines of deploy/gate.conf, with Homebase's address in its first line."
	whyClock  = "Sign-ins, authenticator codes and expiry depend on the clock."
	mendClock = "Synchronise both machines with NTP: timedatectl set-ntp true"
)

// findings gathers.
type findings []Finding

// add records what a check found; details fill in the placeholders of its advice.
func (f *findings) add(check string, level Level, what string, details ...any) {
	finding := Finding{Check: check, Level: level, What: what}
	if level != Sound {
		finding.Why, finding.Mend = advice[check].why, fmt.Sprintf(advice[check].mend, details...)
	}
	*f = append(*f, finding)
}

// expect adds the sound text if so is true, and otherwise the wrong one.
func (f *findings) expect(check string, so bool, sound string, level Level, wrong string, details ...any) {
	if so {
		level, wrong = Sound, sound
	}
	f.add(check, level, wrong, details...)
}

// doctor is `homebase doctor`; a fault is an error.
func (s *System) doctor(ctx context.Context, cfg *Config, sh *cli.Shell, args []string) error {
	var f findings
	err := Prints("doctor", func(ctx context.Context, sh *cli.Shell) (any, func(io.Writer)) {
		f = s.examine(ctx, cfg, sh)
		return f, f.print
	})(ctx, sh, args)
	faults := 0
	for _, finding := range f {
		if finding.Level == Fault {
			faults++
		}
	}
	if err == nil && faults > 0 {
		err = fmt.Errorf("the doctor found %s", cli.Count(faults, "fault", "faults"))
	}
	return err
}

// examine is everything that can be reached, from the inside out. The configuration is
// valid, or no command would run.
func (s *System) examine(ctx context.Context, cfg *Config, sh *cli.Shell) (f findings) {
	f.add("configuration", Sound, fmt.Sprintf("The settings are valid together; the public URL is %s.", cfg.PublicURL))
	disconnected := sh.Connect(ctx, cli.NeedDatabase)
	if disconnected != nil {
		f.add("database", Fault, "PostgreSQL cannot be reached: "+disconnected.Error())
	} else {
		s.examineDatabase(ctx, cfg, &f)
		s.examineFiles(ctx, &f)
		s.examinePasskeys(ctx, cfg, &f)
	}
	examineDataDir(cfg, &f)
	examinePublicURL(ctx, cfg, &f)
	if disconnected == nil {
		s.examineGate(ctx, cfg, &f)
	}
	return f
}

// examineFiles compares the disk with the rows: nobody sees an entry without a row,
// but people believe that it is kept.
func (s *System) examineFiles(ctx context.Context, f *findings) {
	var found []string
	err := s.Untaken(ctx, func(path, why string) { found = append(found, fmt.Sprintf("%q: %s", path, why)) })
	if err != nil {
		f.add("files", Warning, "Cannot compare the disk with the rows.", err)
		return
	}
	f.expect("files", len(found) == 0, "Every file and folder on the disk has a row.",
		Fault, cli.Count(len(found), "entry", "entries")+" among the files without a row.", strings.Join(found, "\n"))
}

// examinePasskeys looks for keys that no browser offers here. That all origins
// end in the domain is a rule of the configuration.
func (s *System) examinePasskeys(ctx context.Context, cfg *Config, f *findings) {
	domains, err := s.PasskeyDomains(ctx)
	if err != nil {
		f.add("passkeys", Warning, "Cannot read which domains the passkeys belong to: "+err.Error(), "")
		return
	}
	domain := cfg.PasskeyDomain
	for _, other := range slices.Sorted(maps.Keys(domains)) {
		if other != domain {
			f.add("passkeys", Fault, fmt.Sprintf("%s of people here belong to %s.", cli.Count(domains[other], "passkey", "passkeys"), other), other)
			return
		}
	}
	if domain == "" {
		f.add("passkeys", Sound, "Nobody signs in with a passkey: HOMEBASE_PASSKEY_DOMAIN is empty.")
		return
	}
	f.add("passkeys", Sound, fmt.Sprintf("Passkeys belong to %s, in which the public URL and all origins lie; there are %d.", domain, domains[domain]))
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
	d, err := db.One(ctx, s.DB, db.RowOf(func(d *facts) []any {
		return []any{&d.version, &d.encoding, &d.user, &d.login, &d.fsync, &d.commit, &d.now, &d.mayEdit}
	}), `-- name: system.DatabaseFacts
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
	asked := time.Now()
	if err := s.DB.Ping(ctx); err != nil {
		f.add("database.latency", Fault, "PostgreSQL stopped answering: "+err.Error())
		return
	}
	took := time.Since(asked)
	what := fmt.Sprintf("An empty query takes %v.", took.Round(time.Microsecond))
	f.expect("database.latency", took <= slowDatabase, what, Warning, what)
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
	known, err := db.One(ctx, s.DB, db.Value[string], `-- name: system.DataDirID
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
