package system

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is the platform's configuration. It is read once from the environment.
// Every key HOMEBASE_X may also be given as HOMEBASE_X_FILE, which names a file that
// holds the value. The table settings is its manual.
type Config struct {
	Listen         string // host:port or unix:/path
	PublicURL      *url.URL
	AccountURL     string
	DatabaseURL    string // "" means the private cluster
	DataDir        string // absolute
	StateDir       string // absolute
	Origins        []string
	PublicOrigins  []string
	TrustedProxies []netip.Prefix
	PasskeyDomain  string // "": there are no passkeys
	Registration   string
	DefaultQuota   int64 // bytes
	MinFree        int64 // bytes
	RateLimits     bool
	SMTPURL        string
	MailFrom       string
	AuditRetention time.Duration
	TrashRetention time.Duration
	// VersionRetention is how long replaced contents are kept; 0: not at all.
	VersionRetention time.Duration
	UploadExpiry     time.Duration
	LogLevel         string
	LogFormat        string // "" means that it depends on where the log goes

	given   map[string]string // the text in force by key, for Print
	secrets func() ([][]byte, error)
	derived sync.Map // purpose → [][]byte
}

// setting is one key of the configuration: its default, what it means, and how
// its text is read. The error of set says how to fix the value.
type setting struct {
	name, def, meaning string
	secret             bool
	set                func(c *Config, v string) error
}

// settings are all that there are: with any other environment variable of the
// prefix the program refuses to start.
var settings = []setting{
	{name: "LISTEN", def: "127.0.0.1:8080", meaning: "host:port, or unix:/path", set: (*Config).setListen},
	{name: "PUBLIC_URL", def: "http://localhost:8080", meaning: "the address at which people reach the API", set: (*Config).setPublicURL},
	{name: "ACCOUNT_URL", meaning: "the frontend page that links in mail open, and to which other programs send people to sign in", set: (*Config).setAccountURL},
	{name: "DATABASE_URL", meaning: "a PostgreSQL URL; empty: a private PostgreSQL", secret: true, set: (*Config).setDatabaseURL},
	{name: "DATA_DIR", def: "./data", meaning: "users' files", set: dir(func(c *Config) *string { return &c.DataDir })},
	{name: "STATE_DIR", def: "./state", meaning: "generated secret, private cluster", set: dir(func(c *Config) *string { return &c.StateDir })},
	{name: "SECRET", meaning: "32 or more bytes in base64; several, comma separated: the first signs, all verify", secret: true, set: (*Config).setSecret},
	{name: "ORIGINS", meaning: "the frontends' origins, comma separated", set: origins(func(c *Config) *[]string { return &c.Origins })},
	{name: "PUBLIC_ORIGINS", meaning: "origins that may call public routes only", set: origins(func(c *Config) *[]string { return &c.PublicOrigins })},
	{name: "TRUSTED_PROXIES", meaning: "CIDRs whose X-Forwarded-For is trusted", set: (*Config).setTrustedProxies},
	{name: "PASSKEY_DOMAIN", meaning: "the domain that passkeys belong to, for good: the API's and all frontends' hosts end in it", set: (*Config).setPasskeyDomain},
	{name: "REGISTRATION", def: "closed", meaning: "closed, invite or open", set: oneOf(func(c *Config) *string { return &c.Registration }, "closed", "invite", "open")},
	{name: "DEFAULT_QUOTA", def: "10GiB", meaning: "bytes a user may store", set: bytes(func(c *Config) *int64 { return &c.DefaultQuota })},
	{name: "MIN_FREE", def: "1GiB", meaning: "free space below which uploads stop", set: bytes(func(c *Config) *int64 { return &c.MinFree })},
	{name: "RATE_LIMITS", def: "on", meaning: "on; off only for tests on loopback", set: (*Config).setRateLimits},
	{name: "SMTP_URL", meaning: "smtp:// or smtps:// server for mail", secret: true, set: (*Config).setSMTPURL},
	{name: "MAIL_FROM", meaning: "sender of mail", set: text(func(c *Config) *string { return &c.MailFrom })},
	{name: "AUDIT_RETENTION", def: "180d", meaning: "how long audit events are kept", set: span(func(c *Config) *time.Duration { return &c.AuditRetention })},
	{name: "TRASH_RETENTION", def: "30d", meaning: "how long trash is kept", set: span(func(c *Config) *time.Duration { return &c.TrashRetention })},
	{name: "VERSION_RETENTION", def: "30d", meaning: "how long the versions of replaced files are kept; 0: none are made", set: (*Config).setVersionRetention},
	{name: "UPLOAD_EXPIRY", def: "24h", meaning: "how long an unfinished upload is kept", set: span(func(c *Config) *time.Duration { return &c.UploadExpiry })},
	{name: "LOG_LEVEL", def: "info", meaning: "debug, info, warn or error", set: oneOf(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
	{name: "LOG_FORMAT", meaning: "json or text; empty: text on a terminal, else json", set: oneOf(func(c *Config) *string { return &c.LogFormat }, "json", "text", "")},
}

const prefix = "HOMEBASE_"

// LoadConfig reads the configuration from environ ("K=V", as from os.Environ). All
// problems are in one error, each on a line that says how to fix it.
func LoadConfig(environ []string) (*Config, error) {
	c := &Config{given: map[string]string{}}
	given, problems := givenIn(environ)
	for _, k := range settings {
		v, ok := given[k.name]
		if !ok {
			v = k.def
		}
		delete(given, k.name)
		c.given[k.name] = v
		if v == "" && k.def == "" {
			continue
		}
		if err := k.set(c, v); err != nil {
			problems = append(problems, fmt.Errorf("%s%s: %w", prefix, k.name, err))
		}
	}
	for name := range given {
		problems = append(problems, fmt.Errorf("%s%s is not a setting of Homebase; `homebase config` lists them", prefix, name))
	}
	problems = append(problems, c.combinations()...)
	if c.secrets == nil {
		c.secrets = func() ([][]byte, error) { return generatedSecret(c.StateDir) }
	}
	c.secrets = sync.OnceValues(c.secrets)
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(problems...)
}

// givenIn picks the platform's keys out of environ and reads the files that
// KEY_FILE names. Variables of the test kit, HOMEBASE_TEST_*, are not settings.
func givenIn(environ []string) (given map[string]string, problems []error) {
	given = map[string]string{}
	files := map[string]string{}
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		name, ours := strings.CutPrefix(name, prefix)
		if !ours || strings.HasPrefix(name, "TEST_") {
			continue
		}
		if base, isFile := strings.CutSuffix(name, "_FILE"); isFile {
			files[base] = v
			continue
		}
		given[name] = v
	}
	for base, path := range files {
		if _, twice := given[base]; twice {
			problems = append(problems, fmt.Errorf("%s%s and %s%s_FILE are both set; keep one", prefix, base, prefix, base))
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s%s_FILE: %w", prefix, base, err))
			continue
		}
		given[base] = strings.TrimRight(string(b), "\r\n")
	}
	return given, problems
}

// combinations checks the rules for more than one key.
func (c *Config) combinations() (problems []error) {
	if !c.RateLimits && !loopback(c.Listen) {
		problems = append(problems, fmt.Errorf("%sRATE_LIMITS: off is for tests only; listen on 127.0.0.1, [::1] or a unix socket, or remove it", prefix))
	}
	if c.SMTPURL != "" && c.MailFrom == "" {
		problems = append(problems, fmt.Errorf("%sMAIL_FROM: needed with SMTP_URL; give the sender's address", prefix))
	}
	if err := c.checkPasskeyDomain(); err != nil {
		problems = append(problems, fmt.Errorf("%sPASSKEY_DOMAIN: %w", prefix, err))
	}
	for _, o := range c.PublicOrigins {
		if slices.Contains(c.Origins, o) {
			problems = append(problems, fmt.Errorf("%sPUBLIC_ORIGINS: %s is in ORIGINS too; an origin is either trusted with credentials or not", prefix, o))
		}
	}
	return problems
}

// Print writes the effective values, one line for each key, without secrets.
func (c *Config) Print(w io.Writer) {
	values := c.Values()
	for _, k := range settings {
		name := prefix + k.name
		fmt.Fprintf(w, "%-26s %-28s %s\n", name, cmp.Or(values[name], "(none)"), k.meaning)
	}
}

// Values are the effective values by key, without secrets.
func (c *Config) Values() map[string]string {
	m := map[string]string{}
	for _, k := range settings {
		v := c.given[k.name]
		if k.secret && v != "" {
			v = "(withheld)"
		}
		m[prefix+k.name] = v
	}
	return m
}

func dir(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		*field(c), err = filepath.Abs(v)
		return err
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = v; return nil }
}

func oneOf(field func(*Config) *string, allowed ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
		*field(c) = v
		return nil
	}
}
