package oidc

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"homebase/httpx"
)

const uriLongest = 2000 // bytes

// checkURIs refuses addresses that a browser must not be sent to.
func checkURIs(f *httpx.Fields, pointer string, uris []string) {
	for i, uri := range uris {
		if why := uriFault(uri); why != "" {
			f.Add(fmt.Sprintf("%s/%d", pointer, i), "invalid", why)
		}
	}
}

// uriFault says what is wrong with a redirect URI: it is https, http on
// loopback, or an app's own scheme, which has a dot in it (RFC 8252, section
// 7.1), so that it is none of those that run or read something.
func uriFault(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || len(uri) > uriLongest || strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' || c == '"' || c == '<' || c == '>' }):
		return "Give a URI of at most 2000 printable ASCII characters."
	case strings.Contains(uri, "#"):
		return "A redirect URI has no fragment."
	case u.User != nil:
		return "A redirect URI names no user."
	case u.Scheme == "https" && u.Hostname() != "", u.Scheme == "http" && isLoopback(u.Hostname()), strings.Contains(u.Scheme, "."):
		return ""
	}
	return "Give an https:// address, http:// on this device (127.0.0.1, [::1] or localhost), or an app's own scheme with a dot in it."
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// registered reports whether one of a client's URIs is the given one, byte for
// byte. Only the port of a loopback address may differ, for a program on the
// person's own device listens where there is room (RFC 8252, section 7.3).
func registered(uris []string, given string) bool {
	if slices.Contains(uris, given) {
		return true
	}
	text, ok := withoutPort(given)
	return ok && slices.ContainsFunc(uris, func(uri string) bool {
		other, loopback := withoutPort(uri)
		return loopback && other == text
	})
}

// withoutPort is a URI on a loopback address without its port. It looks at
// bytes, never at what some parser makes of them.
func withoutPort(uri string) (text string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			rest = strings.TrimLeft(port, "0123456789")
			if digits := len(port) - len(rest); digits == 0 || digits > 5 {
				return "", false
			}
		}
		return host + rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", false
}

// withQuery adds parameters to a registered URI, the rest of which stays as
// it is: apps' own URIs have forms that no parser gives back.
func withQuery(uri string, values url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + values.Encode()
}
