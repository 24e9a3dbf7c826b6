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

// setPublicURL takes the one source of issuer, cookies and links. Plain http
// is for loopback names only: elsewhere the browser drops __Host- cookies
// without a word.
func (c *Config) setPublicURL(v string) error {
	o, err := parseOrigin(v)
	if err != nil {
		return err
	}
	if o.Scheme == "http" && !loopbackHost(o.Hostname()) {
		return errors.New("use https://; http:// works for localhost, 127.0.0.1 and [::1] only, because browsers drop sign-in cookies elsewhere")
	}
	c.PublicURL = o
	return nil
}

// parseOrigin parses scheme://host[:port] in the exact form browsers send.
func parseOrigin(v string) (*url.URL, error) {
	u, err := url.Parse(v)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q needs https:// or http://", v)
	}
	if strings.Contains(v, "*") {
		return nil, fmt.Errorf("%q has a wildcard; list each origin", v)
	}
	if v != strings.ToLower(u.Scheme+"://"+u.Host) || u.Host == "" {
		return nil, fmt.Errorf("%q must be scheme://host[:port] in lower case, without path or trailing slash", v)
	}
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		return nil, fmt.Errorf("%q names its default port; browsers leave it out, so leave it out", v)
	}
	return u, nil
}

func origins(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		for o := range strings.SplitSeq(v, ",") {
			o = strings.TrimSpace(o)
			u, err := parseOrigin(o)
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
		s = strings.TrimSpace(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			c.TrustedProxies = append(c.TrustedProxies, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return fmt.Errorf("%q is not a CIDR such as 172.18.0.2/32", s)
		}
		if p.Bits() == 0 {
			return fmt.Errorf("%q trusts everyone to say who they are; name the proxy's own address", s)
		}
		c.TrustedProxies = append(c.TrustedProxies, p.Masked())
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

var units = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads "10GiB", "500MB" or plain bytes.
func ParseSize(v string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(v, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || int64(n) > (1<<63-1)/u.size {
			break
		}
		return int64(n) * u.size, nil
	}
	return 0, fmt.Errorf("%q is not a size such as 10GiB, 500MB or a number of bytes", v)
}

func bytes(field func(*Config) *int64) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		*field(c), err = ParseSize(v)
		return err
	}
}

func span(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		if *field(c), err = db.ParseSpan(v); err == nil && *field(c) == 0 {
			err = errors.New("give a time span above zero")
		}
		return err
	}
}
