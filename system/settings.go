package system

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"
)

func (c *Config) setListen(v string) error {
	c.Listen = v
	if path, ok := strings.CutPrefix(v, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return errors.New("after unix: give an absolute path")
		}
		return nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("give host:port or unix:/path: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
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

// setPublicURL sets the one source of issuer, cookies and links. Plain http is only for
// loopback names: elsewhere browsers silently drop __Host- cookies.
func (c *Config) setPublicURL(v string) error {
	o, err := httpx.ParseOrigin(v)
	if err != nil {
		return err
	}
	if o.Scheme == "http" && !loopbackHost(o.Hostname()) {
		return errors.New("use https://; http:// works for localhost, 127.0.0.1 and [::1] only, because browsers drop sign-in cookies elsewhere")
	}
	c.PublicURL = o
	return nil
}

func origins(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		for o := range strings.SplitSeq(v, ",") {
			o = strings.TrimSpace(o)
			u, err := httpx.ParseOrigin(o)
			if err != nil {
				return err
			}
			if u.Scheme == "http" && !loopbackHost(u.Hostname()) {
				return fmt.Errorf("%q must be https://; anyone on the way could change a page of it and act as its user", o)
			}
			*field(c) = append(*field(c), o)
		}
		return nil
	}
}

// setPasskeyDomain takes a name that browsers accept as RP ID: no address, and
// no suffix under which anybody can have a name.
func (c *Config) setPasskeyDomain(v string) error {
	_, err := netip.ParseAddr(v)
	o, parsed := url.Parse("https://" + v)
	if err == nil || parsed != nil || v != strings.ToLower(o.Hostname()) || v != "localhost" && !strings.Contains(strings.Trim(v, "."), ".") {
		return fmt.Errorf("%q must be a domain like example.com, in lower case, without https://, port or path; addresses have no passkeys", v)
	}
	c.PasskeyDomain = v
	return nil
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

func (c *Config) setAccountURL(v string) error {
	u, err := url.Parse(v)
	if err != nil {
		return err
	}
	if u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname()))) {
		return fmt.Errorf("%q must be an https:// page", v)
	}
	if u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%q must have no fragment and no user; the token is put behind #", v)
	}
	c.AccountURL = v
	return nil
}

func (c *Config) setDatabaseURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("give a URL like postgres://user:password@host:5432/name")
	}
	c.DatabaseURL = v
	return nil
}

func (c *Config) setSMTPURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return errors.New("give a URL like smtps://user:password@mail.example.com:465")
	}
	c.SMTPURL = v
	return nil
}

func (c *Config) setTrustedProxies(v string) error {
	for s := range strings.SplitSeq(v, ",") {
		p, err := httpx.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			return err
		}
		if p.Bits() == 0 {
			return fmt.Errorf("%q trusts everyone to say who they are; name the proxy's own address", s)
		}
		c.TrustedProxies = append(c.TrustedProxies, p)
	}
	return nil
}

func (c *Config) setRateLimits(v string) error {
	if v != "on" && v != "off" {
		return fmt.Errorf("%q is neither on nor off", v)
	}
	c.RateLimits = v == "on"
	return nil
}

func bytes(field func(*Config) *int64) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		*field(c), err = db.ParseSize(v)
		return err
	}
}

func (c *Config) setVersionRetention(v string) (err error) {
	c.VersionRetention, err = db.ParseSpan(v)
	return err
}

func span(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		if *field(c), err = db.ParseSpan(v); err == nil && *field(c) == 0 {
			err = errors.New("give a time span above zero")
		}
		return err
	}
}
