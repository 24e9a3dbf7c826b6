package httpx

import (
	"net/http"
	"sync"
	"time"
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

// slot is a kind of thing and who holds it.
type slot struct {
	kind slotKind
	client
}

type slotKind byte

const (
	slotConnection    slotKind = iota // of an address, unless it is a trusted proxy's
	slotRequest                       // in flight, of a user, or of an address where nobody is signed in
	slotStream                        // an endless answer, of a user
	slotAddressStream                 // and of an address
)

// take holds one more for each of these clients and adds it to held, until one has
// reached the bound, of which a network has its share.
func (s *slots) take(held *[]slot, kind slotKind, clients []client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range clients {
		key := slot{kind, c}
		if s.held[key] >= Share(s.bounds[kind], c.net) {
			return false
		}
		s.held[key]++
		*held = append(*held, key)
	}
	return true
}

// free gives back what take held.
func (s *slots) free(held []slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range held {
		if s.held[key]--; s.held[key] == 0 {
			delete(s.held, key)
		}
	}
}

var (
	errTooManyStreams  = NewProblem(http.StatusTooManyRequests, "too_many_streams", "Too many streams are open")
	errTooManyInFlight = NewProblem(http.StatusTooManyRequests, "too_many_in_flight", "Too many requests are in progress")
)

// holdSlots counts the request, and the stream that an endless route's answer
// is, until the exchange ends.
func (s *Server) holdSlots(x *exchange, _ *http.Request) error {
	if s.limiter == nil || x.route.Uncounted {
		return nil
	}
	clients := x.clients()
	if !s.slots.take(&x.slots, slotRequest, clients) {
		return errTooManyInFlight.With("Wait for one of your requests to finish.").RetryAfter(time.Second)
	}
	full := x.route.Endless && (x.caller != nil && !s.slots.take(&x.slots, slotStream, clients) ||
		!s.slots.take(&x.slots, slotAddressStream, clientsAt(x.addr)))
	if full {
		return errTooManyStreams.With("Close one of your open streams.").RetryAfter(5 * time.Second)
	}
	return nil
}
