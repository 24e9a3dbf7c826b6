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
	// RateNone is not counted by class: for health checks, and where a
	// refusal would cost the client its progress.
	RateNone Rate = "none"
	// RateAddress is no route's class. It counts all requests of one address
	// that need authentication, before the work for it is done.
	RateAddress Rate = "address"
)

// Limit lets Requests pass at once and refills them evenly over Per.
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

// limiter counts by the generic cell rate algorithm: a bucket is one time,
// the moment at which it will be full again. A bucket that nobody has asked
// for is full, so old ones can be forgotten: there are two generations, and
// when the young one is full it becomes the old one, whose buckets return to
// the young as they are asked for. A flood of a million addresses can push
// others' counts out, but never takes more memory.
type limiter struct {
	mu     sync.Mutex
	limits map[Rate]Limit
	young  map[bucketKey]time.Time
	old    map[bucketKey]time.Time
}

// bucketKey is a class and whom it counts: a user, or a network.
type bucketKey struct {
	rate Rate
	user uuid.UUID
	net  netip.Prefix
}

func newLimiter() *limiter {
	return &limiter{limits: maps.Clone(defaultLimits), young: make(map[bucketKey]time.Time)}
}

// allowance is a bucket's state after a request.
type allowance struct {
	limit Limit
	ok    bool
	left  int
	next  time.Duration // until one more request is allowed
}

// take counts one request of a client at now, unless one of the client's
// networks has used up its share: then in none. What it returns is the state
// of the one that allows the least.
func (l *limiter) take(rate Rate, networks []netip.Prefix, now time.Time) allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	var least allowance
	for _, count := range []bool{false, true} {
		for i, n := range networks {
			a := l.count(bucketKey{rate: rate, net: n}, count, now)
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

// takeUser counts one request of a user at now.
func (l *limiter) takeUser(rate Rate, user uuid.UUID, now time.Time) allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(bucketKey{rate: rate, user: user}, true, now)
}

// count is a bucket's state with one request more, which is counted only to
// keep; mu is held.
func (l *limiter) count(key bucketKey, keep bool, now time.Time) allowance {
	limit := l.limits[key.rate]
	limit.Requests = Share(limit.Requests, key.net)
	each := limit.Per / time.Duration(limit.Requests)
	full := l.bucket(key)
	if full.Before(now) {
		full = now
	}
	// A bucket filled under a wider limit must not block for longer than an
	// empty one of today's.
	if most := now.Add(limit.Per); full.After(most) {
		full = most
	}
	l.young[key] = full
	a := allowance{limit: limit, ok: full.Add(each).Sub(now) <= limit.Per}
	if a.ok {
		full = full.Add(each)
	}
	if keep {
		l.young[key] = full
	}
	lacks := full.Sub(now)
	a.left = max(0, int((limit.Per-lacks)/each))
	a.next = lacks - (limit.Per - time.Duration(a.left+1)*each)
	return a
}

// bucket finds a bucket and makes room for it among the young.
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

// networksOf are what counts as one client, the narrowest first: an IPv4
// address; of IPv6 the /64 that everybody has, and the /56 and the /48 that
// some have.
func networksOf(addr netip.Addr) (networks []netip.Prefix) {
	if addr.Is4() {
		return []netip.Prefix{netip.PrefixFrom(addr, 32)}
	}
	for bits := subscriber; bits >= 48; bits -= 8 {
		p, _ := addr.Prefix(bits)
		networks = append(networks, p)
	}
	return networks
}

// subscriber is the length of the narrowest IPv6 network that is counted.
const subscriber = 64

// Share is how much of a limit for one client a network may have: a wider one
// may be several clients, so each eight bits give half as much again.
func Share(most int, network netip.Prefix) int {
	if network.Addr().Is6() {
		for bits := network.Bits(); bits < subscriber; bits += 8 {
			most = (3*most + 1) / 2
		}
	}
	return most
}

// ClientNetwork names the client, by the address or the /64 that ctx's request
// came from; the zero Prefix when clients cannot be told apart, as behind a
// proxy that does not say who they are. Limits count by ClientNetworks.
func ClientNetwork(ctx context.Context) netip.Prefix {
	if addr := ClientAddr(ctx); addr.IsValid() {
		return networksOf(addr)[0]
	}
	return netip.Prefix{}
}

// ClientNetworks are the networks under which ctx's request is counted, the
// narrowest first, each up to its Share; none when clients cannot be told apart.
func ClientNetworks(ctx context.Context) []netip.Prefix {
	if addr := ClientAddr(ctx); addr.IsValid() {
		return networksOf(addr)
	}
	return nil
}

// limitAddress guards the work of authentication.
func (s *Server) limitAddress(x *exchange, r *http.Request) error {
	if s.limiter == nil || !x.addr.IsValid() || !x.route.readsCredentials() ||
		x.route.Access.level == recognised && !bringsCredentials(r) {
		return nil
	}
	if a := s.limiter.take(RateAddress, networksOf(x.addr), time.Now()); !a.ok {
		return a.refusal()
	}
	return nil
}

// limitCaller counts by user, or by address where nobody is signed in. Clients
// that cannot be told apart are not counted: a shared bucket would lock all of
// them out.
func (s *Server) limitCaller(x *exchange, _ *http.Request) error {
	if s.limiter == nil || x.route.Rate == RateNone {
		return nil
	}
	var a allowance
	switch {
	case x.caller != nil:
		a = s.limiter.takeUser(x.route.Rate, x.caller.UserID, time.Now())
	case x.addr.IsValid():
		a = s.limiter.take(x.route.Rate, networksOf(x.addr), time.Now())
	default:
		return nil
	}
	h := x.w.Header()
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", x.route.Rate, a.limit.Requests, int(a.limit.Per.Seconds())))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", x.route.Rate, a.left, seconds(a.next)))
	if !a.ok {
		return a.refusal()
	}
	return nil
}

func (a allowance) refusal() error {
	return ErrRateLimited.With(fmt.Sprintf("Try again in %d seconds.", seconds(a.next))).RetryAfter(a.next)
}

// Limits are the limits in force; nil when the limiter is off.
func (s *Server) Limits() map[Rate]Limit {
	if s.limiter == nil {
		return nil
	}
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return maps.Clone(s.limiter.limits)
}

// DefaultLimits are the limits of all classes where nobody has changed them.
func DefaultLimits() map[Rate]Limit { return maps.Clone(defaultLimits) }

// CheckLimit says what is wrong with a limit of a class.
func CheckLimit(rate Rate, limit Limit) error {
	_, known := defaultLimits[rate]
	if !known || limit.Requests < 1 || limit.Requests > 1_000_000 || limit.Per < time.Second || limit.Per > 24*time.Hour {
		return fmt.Errorf("no limit %q of %d requests in %v: give a known class, from 1 to a million requests, and from 1 s to 24 h", rate, limit.Requests, limit.Per)
	}
	return nil
}

// SetLimit changes the limit of a class from the next request on; the zero
// Limit brings back the default. It has no effect when the limiter is off.
func (s *Server) SetLimit(rate Rate, limit Limit) error {
	if limit == (Limit{}) {
		limit = defaultLimits[rate]
	}
	if err := CheckLimit(rate, limit); err != nil {
		return err
	}
	if s.limiter == nil {
		return nil
	}
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.limiter.limits[rate] = limit
	return nil
}
