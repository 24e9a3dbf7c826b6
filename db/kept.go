package db

import (
	"context"
	"sync/atomic"
	"time"
)

// Kept is a value from the database that stays in memory until it changes. Whoever
// changes it calls Forget before answering, even after a failed commit, because a
// commit whose answer was lost may have happened. Other workers forget it by a
// notification of the changing transaction. Make one with NewKept; it is safe for
// concurrent use. Values that Get returns must not be modified.
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

// Forget makes the next Get read the value again.
func (k *Kept[T]) Forget() {
	k.now.Store(&generation[T]{reading: make(chan struct{}, 1)})
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// Watch calls fn, which gets the value and applies it, at once and after every
// change until ctx ends. If fn fails, it is called again a second later. A value
// has only one watcher.
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

// Get returns the value, from memory while the listener can be trusted. If there is
// none, one caller reads it and the others wait. While the listener cannot be
// trusted, every caller reads for itself.
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
