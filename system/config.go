package system

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"homebase/cli"
	"homebase/httpx"
)

// Config is the platform's configuration. It is read once from the environment.
// Every key HOMEBASE_X may also be given as HOMEBASE_X_FILE, which names a file that
// holds the value. The table of settings is its manual.
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
	secrets [][]byte          // none until LoadSecret, unless they are given
	derived sync.Map          // purpose → [][]byte
}

// setting is one key of the configuration: its default, what it means, and how
// its text is read into the Config. The error of set says how to fix the value.
type setting struct {
	name, def, meaning string
	secret             bool
	set                func(v string) error
}

// settings are all that there are: with any other environment variable of the
// prefix the program refuses to start.
func (c *Config) settings() []setting {
	return []setting{
		{name: "LISTEN", def: "127.0.0.1:8080", meaning: "host:port, or unix:/path", set: into(&c.Listen, listenAddress)},
		{name: "PUBLIC_URL", def: "http://localhost:8080", meaning: "the address at which people reach the API", set: into(&c.PublicURL, publicURL)},
		{name: "ACCOUNT_URL", meaning: "the frontend page that links in mail open, and to which other programs send people to sign in", set: into(&c.AccountURL, accountURL)},
		{name: "DATABASE_URL", meaning: "a PostgreSQL URL; empty: a private PostgreSQL", secret: true, set: into(&c.DatabaseURL, databaseURL)},
		{name: "DATA_DIR", def: "./data", meaning: "users' files", set: into(&c.DataDir, filepath.Abs)},
		{name: "STATE_DIR", def: "./state", meaning: "generated secret, private cluster", set: into(&c.StateDir, filepath.Abs)},
		{name: "SECRET", meaning: "32 or more bytes in base64; several, comma separated: the first signs, all verify", secret: true, set: into(&c.secrets, list(parseSecret))},
		{name: "ORIGINS", meaning: "the frontends' origins, comma separated", set: into(&c.Origins, list(origin))},
		{name: "PUBLIC_ORIGINS", meaning: "origins that may call public routes only", set: into(&c.PublicOrigins, list(origin))},
		{name: "TRUSTED_PROXIES", meaning: "CIDRs whose X-Forwarded-For is trusted", set: into(&c.TrustedProxies, list(trustedProxy))},
		{name: "PASSKEY_DOMAIN", meaning: "the domain that passkeys belong to, for good: the API's and all frontends' hosts end in it", set: into(&c.PasskeyDomain, passkeyDomain)},
		{name: "REGISTRATION", def: "closed", meaning: "closed, invite or open", set: into(&c.Registration, oneOf("closed", "invite", "open"))},
		{name: "DEFAULT_QUOTA", def: "10GiB", meaning: "bytes a user may store", set: into(&c.DefaultQuota, cli.ParseSize)},
		{name: "MIN_FREE", def: "1GiB", meaning: "free space below which uploads stop", set: into(&c.MinFree, cli.ParseSize)},
		{name: "RATE_LIMITS", def: "on", meaning: "on; off only for tests on loopback", set: into(&c.RateLimits, onOrOff)},
		{name: "SMTP_URL", meaning: "smtp:// or smtps:// server for mail", secret: true, set: into(&c.SMTPURL, smtpURL)},
		{name: "MAIL_FROM", meaning: "sender of mail", set: into(&c.MailFrom, func(v string) (string, error) { return v, nil })},
		{name: "AUDIT_RETENTION", def: "180d", meaning: "how long audit events are kept", set: into(&c.AuditRetention, span)},
		{name: "TRASH_RETENTION", def: "30d", meaning: "how long trash is kept", set: into(&c.TrashRetention, span)},
		{name: "VERSION_RETENTION", def: "30d", meaning: "how long the versions of replaced files are kept; 0: none are made", set: into(&c.VersionRetention, cli.ParseSpan)},
		{name: "UPLOAD_EXPIRY", def: "24h", meaning: "how long an unfinished upload is kept", set: into(&c.UploadExpiry, span)},
		{name: "LOG_LEVEL", def: "info", meaning: "debug, info, warn or error", set: into(&c.LogLevel, oneOf("debug", "info", "warn", "error"))},
		{name: "LOG_FORMAT", meaning: "json or text; empty: text on a terminal, else json", set: into(&c.LogFormat, oneOf("json", "text", ""))},
	}
}

// into reads a text with parse, and keeps what it makes of it in a field.
func into[T any](field *T, parse func(v string) (T, error)) func(v string) error {
	return func(v string) error {
		value, err := parse(v)
		if err == nil {
			*field = value
		}
		return err
	}
}

const prefix = "HOMEBASE_"

// problems are what is wrong with a configuration.
type problems []error

func (p *problems) add(key string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s%s: %w", prefix, key, err))
	}
}

// LoadConfig reads the configuration from environ ("K=V", as from os.Environ). All
// problems are in one error, each on a line that says how to fix it.
func LoadConfig(environ []string) (*Config, error) {
	c := &Config{given: map[string]string{}}
	given := map[string]string{}
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		// Variables of the test kit, HOMEBASE_TEST_*, are not settings.
		if name, ours := strings.CutPrefix(name, prefix); ours && !strings.HasPrefix(name, "TEST_") {
			given[name] = v
		}
	}
	var bad problems
	for _, k := range c.settings() {
		v := k.take(given, &bad)
		c.given[k.name] = v
		if v != "" || k.def != "" {
			bad.add(k.name, k.set(v))
		}
	}
	for name := range given {
		bad = append(bad, fmt.Errorf("%s%s is not a setting of Homebase; `homebase config` lists them", prefix, name))
	}
	c.checkCombinations(&bad)
	slices.SortFunc(bad, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(bad...)
}

// take takes the text of a key out of what is given, or out of the file that KEY_FILE
// names.
func (k setting) take(given map[string]string, bad *problems) string {
	v, here := given[k.name]
	path, inFile := given[k.name+"_FILE"]
	delete(given, k.name)
	delete(given, k.name+"_FILE")
	switch {
	case here && inFile:
		bad.add(k.name, fmt.Errorf("%s%s_FILE is set too; keep one", prefix, k.name))
	case here:
		return v
	case inFile:
		text, err := os.ReadFile(path)
		if err == nil {
			return strings.TrimRight(string(text), "\r\n")
		}
		bad.add(k.name+"_FILE", err)
	}
	return k.def
}

// checkCombinations checks the rules for more than one key.
func (c *Config) checkCombinations(bad *problems) {
	if !c.RateLimits && !loopback(c.Listen) {
		bad.add("RATE_LIMITS", errors.New("off is for tests only; listen on 127.0.0.1, [::1] or a unix socket, or remove it"))
	}
	if c.SMTPURL != "" && c.MailFrom == "" {
		bad.add("MAIL_FROM", errors.New("needed with SMTP_URL; give the sender's address"))
	}
	bad.add("PASSKEY_DOMAIN", c.checkPasskeyDomain())
	for _, o := range c.PublicOrigins {
		if slices.Contains(c.Origins, o) {
			bad.add("PUBLIC_ORIGINS", fmt.Errorf("%s is in ORIGINS too; an origin is either trusted with credentials or not", o))
		}
	}
}

// Print writes the effective values, one line for each key, without secrets.
func (c *Config) Print(w io.Writer) {
	values := c.Values()
	for _, k := range c.settings() {
		name := prefix + k.name
		fmt.Fprintf(w, "%-26s %-28s %s\n", name, cmp.Or(values[name], "(none)"), k.meaning)
	}
}

// Values are the effective values by key, without secrets.
func (c *Config) Values() map[string]string {
	m := map[string]string{}
	for _, k := range c.settings() {
		v := c.given[k.name]
		if k.secret && v != "" {
			v = "(withheld)"
		}
		m[prefix+k.name] = v
	}
	return m
}

// How the text of a setting is read. An error says how to fix it.

// list reads values that are separated by commas.
func list[T any](parse func(v string) (T, error)) func(v string) ([]T, error) {
	return func(v string) (all []T, err error) {
		for one := range strings.SplitSeq(v, ",") {
			value, err := parse(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			all = append(all, value)
		}
		return all, nil
	}
}

func listenAddress(v string) (string, error) {
	if path, ok := strings.CutPrefix(v, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return "", errors.New("after unix: give an absolute path")
		}
		return v, nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("give host:port or unix:/path: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not a port", port)
	}
	return v, nil
}

// loopback reports whether only this machine can reach the listen address.
func loopback(listen string) bool {
	if strings.HasPrefix(listen, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(listen)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// publicURL is the one source of issuer, cookies and links. Plain http is only for
// loopback names: elsewhere browsers silently drop __Host- cookies.
func publicURL(v string) (*url.URL, error) {
	o, err := httpx.ParseOrigin(v)
	if err == nil && o.Scheme == "http" && !loopbackHost(o.Hostname()) {
		err = errors.New("use https://; http:// works for localhost, 127.0.0.1 and [::1] only, because browsers drop sign-in cookies elsewhere")
	}
	return o, err
}

func origin(v string) (string, error) {
	o, err := httpx.ParseOrigin(v)
	if err == nil && o.Scheme == "http" && !loopbackHost(o.Hostname()) {
		err = fmt.Errorf("%q must be https://; anyone on the way could change a page of it and act as its user", v)
	}
	return v, err
}

// passkeyDomain takes a name that browsers accept as RP ID: no address, and
// no suffix under which anybody can have a name.
func passkeyDomain(v string) (string, error) {
	_, err := netip.ParseAddr(v)
	o, parsed := url.Parse("https://" + v)
	if err == nil || parsed != nil || v != strings.ToLower(o.Hostname()) || v != "localhost" && !strings.Contains(strings.Trim(v, "."), ".") {
		return "", fmt.Errorf("%q must be a domain like example.com, in lower case, without https://, port or path; addresses have no passkeys", v)
	}
	return v, nil
}

// checkPasskeyDomain makes sure that every page that signs people in can use
// the domain's keys. On localhost, where people try things, it is localhost by
// itself, whatever the frontends are.
func (c *Config) checkPasskeyDomain() error {
	if c.PublicURL == nil {
		return nil // that is a problem by itself
	}
	if c.PasskeyDomain == "" {
		if c.PublicURL.Hostname() == "localhost" {
			c.PasskeyDomain, c.given["PASSKEY_DOMAIN"] = "localhost", "localhost"
		}
		return nil
	}
	for _, origin := range c.PasskeyOrigins() {
		o, err := url.Parse(origin)
		if err != nil {
			return err
		}
		if host := o.Hostname(); host != c.PasskeyDomain && !strings.HasSuffix(host, "."+c.PasskeyDomain) {
			return fmt.Errorf("%s does not end in %s, so browsers would offer no passkey there; name a domain that the public URL and all origins share", origin, c.PasskeyDomain)
		}
	}
	return nil
}

// PasskeyOrigins are those of the pages that may ask for a passkey.
func (c *Config) PasskeyOrigins() []string {
	return append([]string{c.PublicURL.String()}, c.Origins...)
}

func accountURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil {
		return "", err
	}
	if u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname()))) {
		return "", fmt.Errorf("%q must be an https:// page", v)
	}
	if u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%q must have no fragment and no user; the token is put behind #", v)
	}
	return v, nil
}

func databaseURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", errors.New("give a URL like postgres://user:password@host:5432/name")
	}
	return v, nil
}

func smtpURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return "", errors.New("give a URL like smtps://user:password@mail.example.com:465")
	}
	return v, nil
}

func trustedProxy(v string) (netip.Prefix, error) {
	p, err := httpx.ParsePrefix(v)
	if err == nil && p.Bits() == 0 {
		err = fmt.Errorf("%q trusts everyone to say who they are; name the proxy's own address", v)
	}
	return p, err
}

func oneOf(allowed ...string) func(v string) (string, error) {
	return func(v string) (string, error) {
		if !slices.Contains(allowed, v) {
			return "", fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
		return v, nil
	}
}

func onOrOff(v string) (bool, error) {
	if v != "on" && v != "off" {
		return false, fmt.Errorf("%q is neither on nor off", v)
	}
	return v == "on", nil
}

func span(v string) (time.Duration, error) {
	d, err := cli.ParseSpan(v)
	if err == nil && d == 0 {
		err = errors.New("give a time span above zero")
	}
	return d, err
}
