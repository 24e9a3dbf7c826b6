package httpx

import (
	"context"
	"net/netip"
	"reflect"
	"time"
)

// Refusal is what a stranger is told by a policy.
func Refusal(access Access) error {
	x := exchange{route: &Route{Access: access}}
	return x.checkPolicy()
}

// Hurry makes the server impatient, so that a test can wait for what takes a
// minute in production.
func (s *Server) Hurry(stall, grace, header, patience time.Duration) {
	s.pace.minSend = 1 << 30
	s.pace.stall, s.pace.grace, s.pace.header, s.pace.patience = stall, grace, header, patience
}

// Narrow sets how much a client may hold at once.
func (s *Server) Narrow(connections, requests, streams, addressStreams int) {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	s.slots.bounds = bounds{slotConnection: connections, slotRequest: requests, slotStream: streams, slotAddressStream: addressStreams}
}

// Buckets is how many buckets the limiter holds, and how many it may hold.
func (s *Server) Buckets() (held, most int) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return len(s.limiter.young) + len(s.limiter.old), 2 * maxBuckets
}

// Flood counts a request of each of n addresses.
func (s *Server) Flood(n int) {
	for i := range n {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.limiter.take(RateAddress, clientsAt(addr), time.Now())
	}
}

// Steps is how many values the check of a valid text walks over.
func Steps(text []byte, zero any) int {
	w := walker{ctx: context.Background(), text: text}
	_ = w.value(formOf(reflect.TypeOf(zero)), anyField)
	return w.values
}

// CheckJSON is the strict check by itself, for fuzzing.
func CheckJSON(ctx context.Context, text []byte, zero any) error {
	return checkJSON(ctx, text, reflect.TypeOf(zero))
}
