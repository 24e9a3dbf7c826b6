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
	now  atomic.Pointer[generation[T]]
	news chan struct{} // holds one: the value was forgotten since Watch last looked
}

// generation holds the value between two changes. Forget begins an empty one, so
// a value that was read before a change ends up in a generation that nobody
// looks at any more.
type generation[T any] struct {
	value   atomic.Pointer[T]
	reading chan struct{} // holds one: somebody is reading the value
}

// NewKept keeps what read returns, and forgets it at every notification on the
// channel and whenever one may have been missed. Call it before the listener
// runs. It reads nothing yet.
func NewKept[T any](d *DB, channel string, read func(ctx context.Context) (T, error)) *Kept[T] {
	k := &Kept[T]{db: d, read: read, news: make(chan struct{}, 1)}
	k.Forget()
	d.listener.On(channel, func(string) { k.Forget() })
	d.listener.OnMissed(k.Forget)
	return k
}

// Forget makes the next Get read anew.
func (k *Kept[T]) Forget() {
	k.now.Store(&generation[T]{reading: make(chan struct{}, 1)})
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
	g := k.now.Load()
	if v := g.value.Load(); v != nil {
		return *v, nil
	}
	select {
	case g.reading <- struct{}{}:
		defer func() { <-g.reading }()
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
	if v := g.value.Load(); v != nil {
		return *v, nil
	}
	if value, err = k.read(ctx); err == nil {
		g.value.Store(&value)
	}
	return value, err
}
