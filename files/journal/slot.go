package journal

import (
	"context"
	"sync"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// Slots are queues by id: one holder at a time for each. The zero value is
// ready. With the owners' slots one change of an owner at a time asks this
// worker's pool for a connection, so an owner with many writers cannot take
// the pool from the others.
type Slots struct {
	mu sync.Mutex
	by map[uuid.UUID]*slot
}

type slot struct {
	held   chan struct{} // holds one token while someone is in
	claims int           // guarded by Slots.mu: who is in or waits
	puts   queue         // of the owner whose slot it is
}

// claim joins a queue until drop is called.
func (s *Slots) claim(id uuid.UUID) (sl *slot, drop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uuid.UUID]*slot{}
	}
	sl, ok := s.by[id]
	if !ok {
		sl = &slot{held: make(chan struct{}, 1), puts: queue{here: NewSignal()}}
		s.by[id] = sl
	}
	sl.claims++
	return sl, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if sl.claims--; sl.claims == 0 {
			delete(s.by, id)
		}
	}
}

// Take waits that long for the slot, and then answers httpx.ErrBusy. leave
// gives it up and may be called once.
func (s *Slots) Take(ctx context.Context, id uuid.UUID, wait time.Duration) (leave func(), err error) {
	sl, drop := s.claim(id)
	select {
	case sl.held <- struct{}{}:
		return func() { <-sl.held; drop() }, nil
	case <-time.After(wait):
		err = httpx.ErrBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	drop()
	return nil, err
}
