package httpx

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Rate is a class of the limiter: routes of one class share a caller's
// bucket.
type Rate string

const (
	RateRead        Rate = "read"
	RateWrite       Rate = "write"
	RateCredentials Rate = "credentials" // routes that check a secret
	RateUpload      Rate = "upload"
	RateDownload    Rate = "download"
	// RateNone is not limited: for routes where a refusal would cost the client
	// its progress, or keep the operator from changing the limits.
	RateNone Rate = "none"
	// RateAddress is not a class of routes. It counts all requests of an address
	// that need authentication, before that work is done.
	RateAddress Rate = "address"
)

// Limit allows a burst of Requests and refills it evenly over Per.
type Limit struct {
	Requests int           `json:"requests"`
	Per      time.Duration `json:"per"`
}

var defaultLimits = map[Rate]Limit{
	RateRead:        {1200, time.Minute},
	RateWrite:       {300, time.Minute},
	RateCredentials: {20, time.Minute},
	RateUpload:      {600, time.Minute},
	RateDownload:    {1200, time.Minute},
	RateAddress:     {6000, time.Minute},
}

// maxBuckets bounds each of the two generations of buckets, about 6 MB.
const maxBuckets = 1 << 15

// limiter counts by the generic cell rate algorithm: a bucket is one time, the
// moment at which it will be full again. A bucket that nobody has asked for in a
// while is full, so old ones can be forgotten. There are two generations: when
// the young one has no room, it becomes the old one, whose buckets return to the
// young one as they are asked for. A flood of a million addresses can push out
// the counts of others, but takes no more memory.
type limiter struct {
	mu     sync.Mutex
	limits map[Rate]Limit
	young  map[bucketKey]time.Time
	old    map[bucketKey]time.Time
}

// bucketKey is a class and who is counted.
type bucketKey struct {
	rate Rate
	client
}

// client is who is counted by limits and slots: a user, or a network.
type client struct {
	user uuid.UUID
	net  netip.Prefix
}

// clients are who the request is counted against: its user, or the networks that it
// comes from where nobody is signed in. Those that cannot be told apart are not
// counted: a shared count would lock all of them out.
func (x *exchange) clients() []client {
	if x.caller != nil {
		return []client{{user: x.caller.UserID}}
	}
	return clientsAt(x.addr)
}

func clientsAt(addr netip.Addr) (clients []client) {
	for _, n := range networksOf(addr) {
		clients = append(clients, client{net: n})
	}
	return clients
}

// allowance is a bucket's state after a request.
type allowance struct {
	limit Limit
	ok    bool
	left  int
	next  time.Duration // until one more request is allowed
}

// take counts a request against all of these clients, or against none if one of
// them has used up its share. It returns the state of the one that has the least
// left.
func (l *limiter) take(rate Rate, clients []client, now time.Time) allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	var least allowance
	for _, keep := range []bool{false, true} {
		for i, c := range clients {
			a := l.count(bucketKey{rate, c}, keep, now)
			if i == 0 || !a.ok || least.ok && a.left < least.left {
				least = a
			}
			if !a.ok {
				return least
			}
		}
	}
	return least
}

// count is a bucket's state after one more request, which is stored only if keep
// is true. The caller holds mu.
func (l *limiter) count(key bucketKey, keep bool, now time.Time) allowance {
	limit := l.limits[key.rate]
	limit.Requests = Share(limit.Requests, key.net)
	each := limit.Per / time.Duration(limit.Requests)
	full := l.bucket(key)
	if full.Before(now) {
		full = now
	}
	// A bucket that was emptied under a wider limit must not block for longer
	// than one that is emptied under today's.
	if most := now.Add(limit.Per); full.After(most) {
		full = most
	}
	a := allowance{limit: limit, ok: full.Add(each).Sub(now) <= limit.Per}
	if a.ok && keep {
		full = full.Add(each)
	}
	l.young[key] = full
	lacks := full.Sub(now)
	a.left = max(0, int((limit.Per-lacks)/each))
	a.next = lacks - (limit.Per - time.Duration(a.left+1)*each)
	return a
}

// bucket finds a bucket, and makes room for it in the young generation.
func (l *limiter) bucket(key bucketKey) time.Time {
	if full, ok := l.young[key]; ok {
		return full
	}
	full := l.old[key]
	if len(l.young) >= maxBuckets {
		l.old, l.young = l.young, make(map[bucketKey]time.Time)
	}
	return full
}

// networksOf are the networks that count as one client, the narrowest first: an
// IPv4 address, or with IPv6 the /64 that everybody has, and the /56 and the /48
// that some have. An unknown address has none.
func networksOf(addr netip.Addr) (networks []netip.Prefix) {
	if addr.Is4() {
		return []netip.Prefix{netip.PrefixFrom(addr, 32)}
	}
	for bits := subscriber; bits >= 48 && addr.IsValid(); bits -= 8 {
		p, _ := addr.Prefix(bits)
		networks = append(networks, p)
	}
	return networks
}

// subscriber is the length of the narrowest IPv6 network that is counted.
const subscriber = 64

// Share is how much a network may have where most is the limit for one client. A
// wider network may be several clients, so every eight bits add half as much again.
func Share(most int, network netip.Prefix) int {
	if network.Addr().Is6() {
		for bits := network.Bits(); bits < subscriber; bits += 8 {
			most = (3*most + 1) / 2
		}
	}
	return most
}

// ClientNetwork names the client of ctx's request by its address or its /64. It is
// the zero Prefix if clients cannot be told apart, as behind a proxy that does
// not say who they are. Limits count by ClientNetworks.
func ClientNetwork(ctx context.Context) netip.Prefix {
	if networks := ClientNetworks(ctx); networks != nil {
		return networks[0]
	}
	return netip.Prefix{}
}

// ClientNetworks are the networks that ctx's request is counted against, the
// narrowest first, each up to its Share; none if clients cannot be told apart.
func ClientNetworks(ctx context.Context) []netip.Prefix { return networksOf(ClientAddr(ctx)) }

// limitAddress guards the work of authentication.
func (s *Server) limitAddress(x *exchange, r *http.Request) error {
	if s.limiter == nil || !x.addr.IsValid() || !x.route.readsCredentials() ||
		x.route.Access.level == recognised && !bringsCredentials(r) {
		return nil
	}
	if a := s.limiter.take(RateAddress, clientsAt(x.addr), time.Now()); !a.ok {
		return s.refusal(RateAddress, a)
	}
	return nil
}

// limitCaller counts by the route's class.
func (s *Server) limitCaller(x *exchange, _ *http.Request) error {
	if s.limiter == nil || x.route.Rate == RateNone {
		return nil
	}
	clients := x.clients()
	if clients == nil {
		return nil
	}
	a := s.limiter.take(x.route.Rate, clients, time.Now())
	h := x.w.Header()
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", x.route.Rate, a.limit.Requests, int(a.limit.Per.Seconds())))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", x.route.Rate, a.left, seconds(a.next)))
	if !a.ok {
		return s.refusal(x.route.Rate, a)
	}
	return nil
}

func (s *Server) refusal(rate Rate, a allowance) error {
	s.metrics.limited[rate].Add(1)
	return ErrRateLimited.With(fmt.Sprintf("Try again in %d seconds.", seconds(a.next))).RetryAfter(a.next)
}

// Limits are the limits in force, nil if the limiter is off.
func (s *Server) Limits() map[Rate]Limit {
	if s.limiter == nil {
		return nil
	}
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return maps.Clone(s.limiter.limits)
}

// DefaultLimits are the limits of all classes before anybody changes them.
func DefaultLimits() map[Rate]Limit { return maps.Clone(defaultLimits) }

// CheckLimit says what is wrong with a limit for a class.
func CheckLimit(rate Rate, limit Limit) error {
	_, known := defaultLimits[rate]
	if !known || limit.Requests < 1 || limit.Requests > 1_000_000 || limit.Per < time.Second || limit.Per > 24*time.Hour {
		return fmt.Errorf("no limit %q of %d requests in %v: give a known class, from 1 to a million requests, and from 1 s to 24 h", rate, limit.Requests, limit.Per)
	}
	return nil
}

// SetLimits changes the limits of these classes from the next request on; each
// must pass CheckLimit. It has no effect if the limiter is off.
func (s *Server) SetLimits(limits map[Rate]Limit) {
	if s.limiter == nil {
		return
	}
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	maps.Copy(s.limiter.limits, limits)
}
