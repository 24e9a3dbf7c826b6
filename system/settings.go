package system

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"
)

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
	d, err := db.ParseSpan(v)
	if err == nil && d == 0 {
		err = errors.New("give a time span above zero")
	}
	return d, err
}
