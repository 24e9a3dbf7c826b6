package db

import (
	"context"
	"time"
)

// batchWithin bounds one write of a batch.
const batchWithin = 5 * time.Second

// Batches collects values that come one by one and writes them together. Adding
// one never blocks. Make one with NewBatches; it is safe for concurrent use.
type Batches[T any] struct {
	queue chan *T       // what waits takes up memory, and the room for more does not
	wake  chan struct{} // holds one: something came since the last write
	most  int
	every time.Duration
	write func(ctx context.Context, batch []T) error
}

// NewBatches queues up to room values and passes at most most of them to write at
// a time. It calls write at intervals of at least every, and only after Add or
// Wake: while nothing comes, nothing runs. If write fails, the batch is kept for
// the next time, while the queue fills up.
func NewBatches[T any](room, most int, every time.Duration, write func(ctx context.Context, batch []T) error) *Batches[T] {
	return &Batches[T]{queue: make(chan *T, room), wake: make(chan struct{}, 1), most: most, every: every, write: write}
}

// Add queues v, or drops it and returns false if there is no room.
func (b *Batches[T]) Add(v T) bool {
	select {
	case b.queue <- &v:
		b.Wake()
		return true
	default:
		return false
	}
}

// Wake has write called soon, even without a value.
func (b *Batches[T]) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Waiting is how many values are queued.
func (b *Batches[T]) Waiting() int { return len(b.queue) }

// Run writes until ctx ends, and then writes what is left. A kill loses what came
// since the last write.
func (b *Batches[T]) Run(ctx context.Context) {
	batch := make([]T, 0, b.most)
	for more := true; more; {
		select {
		case <-b.wake:
			more = Sleep(ctx, b.every)
			select {
			case <-b.wake: // for what came in the meantime and is written now
			default:
			}
		case <-ctx.Done():
			more = false
		}
		for full := true; full; {
			batch = b.fill(batch)
			full = len(batch) == b.most
			// The end of ctx does not cut this off: the batch would be lost.
			began := time.Now()
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchWithin)
			err := b.write(within, batch)
			cancel()
			if err != nil {
				b.Wake()
				break
			}
			clear(batch)
			batch = batch[:0]
			if full && 2*len(b.queue) < cap(b.queue) {
				// There is room, so leave the processor to others for a while.
				more = more && Sleep(ctx, time.Since(began))
			}
		}
	}
}

// fill adds as much of the queue as fits into the batch.
func (b *Batches[T]) fill(batch []T) []T {
	for len(batch) < b.most {
		select {
		case v := <-b.queue:
			batch = append(batch, *v)
		default:
			return batch
		}
	}
	return batch
}
