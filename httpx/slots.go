package httpx

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"
)

// bounds are how much one client may hold at once. Like the limiter they are
// off where RateLimits is.
type bounds map[slotKind]int

var defaultBounds = bounds{slotConnection: 256, slotRequest: 256, slotStream: 32, slotAddressStream: 128}

// slots count what each client holds at once. A client that holds nothing
// takes no memory.
type slots struct {
	mu     sync.Mutex
	bounds bounds
	held   map[slot]int
}

// slot is a kind of thing and who holds it: a user, or a network.
type slot struct {
	kind slotKind
	user uuid.UUID
	net  netip.Prefix
}

type slotKind byte

const (
	slotConnection    slotKind = iota // of an address, unless it is a trusted proxy's
	slotRequest                       // in flight, of a user, or of an address where nobody is signed in
	slotStream                        // an endless answer, of a user
	slotAddressStream                 // and of an address
)

// take holds one more, unless the bound is reached, of which a network has its
// share.
func (s *slots) take(key slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[key] >= Share(s.bounds[key.kind], key.net) {
		return false
	}
	s.held[key]++
	return true
}

// free gives back what take held.
func (s *slots) free(key slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[key]--; s.held[key] == 0 {
		delete(s.held, key)
	}
}

var (
	errTooManyStreams  = NewProblem(http.StatusTooManyRequests, "too_many_streams", "Too many streams are open")
	errTooManyInFlight = NewProblem(http.StatusTooManyRequests, "too_many_in_flight", "Too many requests are in progress")
)

// holdSlots counts the request, and the stream that an endless route's answer
// is, until the exchange ends.
func (s *Server) holdSlots(x *exchange, r *http.Request) error {
	if s.limiter == nil || x.route.Uncounted {
		return nil
	}
	networks := ClientNetworks(r.Context())
	var ok bool
	if x.caller != nil {
		ok = x.holdAsUser(slotRequest)
	} else {
		ok = x.holdAsAddress(slotRequest, networks)
	}
	if !ok {
		return errTooManyInFlight.With("Wait for one of your requests to finish.").RetryAfter(time.Second)
	}
	if x.route.Endless && !(x.holdAsUser(slotStream) && x.holdAsAddress(slotAddressStream, networks)) {
		return errTooManyStreams.With("Close one of your open streams.").RetryAfter(5 * time.Second)
	}
	return nil
}

// holdAsUser takes a slot of the caller's for the exchange. Strangers have none.
func (x *exchange) holdAsUser(kind slotKind) bool {
	return x.caller == nil || x.hold(slot{kind: kind, user: x.caller.UserID})
}

// holdAsAddress takes a slot of each of the client's networks for the
// exchange. Clients that cannot be told apart are not counted: a shared count
// would lock all of them out.
func (x *exchange) holdAsAddress(kind slotKind, networks []netip.Prefix) bool {
	for _, n := range networks {
		if !x.hold(slot{kind: kind, net: n}) {
			return false
		}
	}
	return true
}

func (x *exchange) hold(key slot) bool {
	ok := x.server.slots.take(key)
	if ok {
		x.slots = append(x.slots, key)
	}
	return ok
}

// freeSlots is called when the exchange is over.
func (x *exchange) freeSlots() {
	for _, key := range x.slots {
		x.server.slots.free(key)
	}
}
