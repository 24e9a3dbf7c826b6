package db

import (
	"context"
	"sync/atomic"
	"time"
)

// Kept is a value read from the database that stays in memory until it
// changes. Whoever changes it calls Forget before answering, after a failed
// commit too: one whose answer was lost may have happened. Other workers
// forget it by the notification of the changing transaction. Make one with
// NewKept; safe for concurrent use. Nobody may change a value that Get gave.
type Kept[T any] struct {
	db   *DB
	read func(ctx context.Context) (T, error)
	slot atomic.Pointer[slot[T]]
	news chan struct{} // holds one: it was forgotten since Watch has looked
}

// slot holds a value between two changes. Forget puts an empty one in its
// place, so a value that was read before a change ends up in a slot that
// nobody looks into any more.
type slot[T any] struct {
	value   atomic.Pointer[T]
	reading chan struct{} // holds one: who fills the slot
}

// NewKept keeps what read returns. It reads nothing yet, and keeps nothing
// until Follow was called.
func NewKept[T any](d *DB, read func(ctx context.Context) (T, error)) *Kept[T] {
	k := &Kept[T]{db: d, read: read, news: make(chan struct{}, 1)}
	k.Forget()
	return k
}

// Follow forgets the value at every notification on the channel, and whenever
// one may have been missed. Call it before the listener runs.
func (k *Kept[T]) Follow(channel string) {
	k.db.Listener().On(channel, func(string) { k.Forget() })
	k.db.Listener().OnMissed(k.Forget)
}

// Forget makes the next Get read anew.
func (k *Kept[T]) Forget() {
	k.slot.Store(&slot[T]{reading: make(chan struct{}, 1)})
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// Watch calls fn, which gets the value and makes it hold, at once and after
// every change until ctx ends; a second later again if it fails. A value has
// one who watches.
func (k *Kept[T]) Watch(ctx context.Context, fn func(ctx context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.news:
		}
		for fn(ctx) != nil && Sleep(ctx, time.Second) {
		}
	}
}

// Get is the value, from memory while the listener can be trusted. A caller
// who finds none reads it, and others wait for that; while the listener
// cannot be trusted everyone reads for themselves.
func (k *Kept[T]) Get(ctx context.Context) (value T, err error) {
	if !k.db.Listener().Fresh() {
		return k.read(ctx)
	}
	s := k.slot.Load()
	if v := s.value.Load(); v != nil {
		return *v, nil
	}
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
	if v := s.value.Load(); v != nil {
		return *v, nil
	}
	if value, err = k.read(ctx); err == nil {
		s.value.Store(&value)
	}
	return value, err
}
