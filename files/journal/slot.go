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
// the pool from the others. A slot is small, and stays until the process ends.
type Slots struct {
	mu sync.Mutex
	by map[uuid.UUID]*slot
}

type slot struct {
	held chan struct{} // holds one token while someone is in
	puts queue         // of the owner whose slot it is
}

func (s *Slots) of(id uuid.UUID) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uuid.UUID]*slot{}
	}
	if s.by[id] == nil {
		s.by[id] = &slot{held: make(chan struct{}, 1), puts: queue{here: NewSignal()}}
	}
	return s.by[id]
}

// Take waits that long for the slot, and then answers httpx.ErrBusy. leave
// gives it up and may be called once.
func (s *Slots) Take(ctx context.Context, id uuid.UUID, wait time.Duration) (leave func(), err error) {
	held := s.of(id).held
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-time.After(wait):
		return nil, httpx.ErrBusy
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
