package httpx

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

var errUntrustedPeer = NewProblem(403, "untrusted_peer", "This server only answers its proxy").
	With("Requests reach this server through its proxy. If you run it: HOMEBASE_TRUSTED_PROXIES does not contain the address that this connection came from.")

// findClient finds the client's address. A peer on a unix socket is let in by
// the socket's file mode and no CIDR can name it, so it counts as a trusted
// proxy.
func (s *Server) findClient(x *exchange, r *http.Request) error {
	peer, unix := peerAddr(r)
	trusted := unix || s.trusts(peer)
	// Set before the refusal, so that the log shows which address it was.
	x.addr, x.proxy = peer, trusted
	if !trusted && len(s.cfg.TrustedProxies) > 0 && !peer.IsLoopback() && !sameMachine(r, peer) {
		return errUntrustedPeer
	}
	if trusted {
		// If nothing says who is behind the proxy, the client is unknown. The
		// proxy's own address would stand for everyone: a limit on it would let
		// one client lock out all others, and an allow list with it let all in.
		x.addr = s.forwardedAddr(r)
	}
	return nil
}

// sameMachine reports whether the peer connected to its own address: then it
// runs on this machine, as `homebase healthcheck` does.
func sameMachine(r *http.Request, peer netip.Addr) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == peer
}

func peerAddr(r *http.Request) (addr netip.Addr, unix bool) {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return netip.Addr{}, true
	}
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap().WithZone(""), false
}

func (s *Server) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// forwardedAddr reads what a trusted peer says: the right-most entry of
// X-Forwarded-For that is not a trusted proxy. The client may have made up
// everything to the left of it. If all entries are trusted, the left-most one
// sent the request; an entry that is not an address ends the search with the
// zero Addr. A single well-formed X-Real-IP counts only if X-Forwarded-For says
// nothing: a proxy that sets the latter may pass on a client's X-Real-IP.
func (s *Server) forwardedAddr(r *http.Request) (last netip.Addr) {
	if real := r.Header.Values("X-Real-Ip"); len(real) == 1 && strings.Join(r.Header.Values("X-Forwarded-For"), "") == "" {
		return parseForwarded(real[0])
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			addr := parseForwarded(line[i+1:])
			if !s.trusts(addr) {
				return addr
			}
			last, line = addr, line[:max(i, 0)]
		}
	}
	return last
}

// ParsePrefix reads an address or a CIDR, as operators and users write it. Bits
// after the prefix are ignored, and IPv4 written as IPv6 is refused.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if addr, bad := netip.ParseAddr(s); bad == nil && addr.Zone() == "" {
		p, err = addr.Prefix(addr.BitLen())
	}
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a CIDR such as 172.18.0.2/32", s)
	}
	return p.Masked(), nil
}

// parseForwarded reads an address, with or without a port; what is none is the zero
// Addr, which nobody trusts. An address with a zone has a meaning only on the machine
// that wrote it.
func parseForwarded(s string) netip.Addr {
	s = strings.TrimSpace(s)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		ap, _ := netip.ParseAddrPort(s)
		addr = ap.Addr()
	}
	if addr.Zone() != "" || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr.Unmap()
}
