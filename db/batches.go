package db

import (
	"context"
	"time"
)

// batchWithin bounds one write of a batch.
const batchWithin = 5 * time.Second

// Batches writes values together that come one by one. Whoever adds one never
// waits. Make it with NewBatches; safe for concurrent use.
type Batches[T any] struct {
	queue chan T
	wake  chan struct{} // of one slot: something came since the last write
	most  int
	every time.Duration
	write func(ctx context.Context, batch []T) error
}

// NewBatches has room for so many values, and gives at most most of them to
// write at a time. It calls write no more often than every, and only after Add
// or Wake: while nothing comes, nothing runs. An error of write keeps the batch
// for the next time, while the queue fills up.
func NewBatches[T any](room, most int, every time.Duration, write func(ctx context.Context, batch []T) error) *Batches[T] {
	return &Batches[T]{queue: make(chan T, room), wake: make(chan struct{}, 1), most: most, every: every, write: write}
}

// Add queues v. It is false where there is no room: v is dropped.
func (b *Batches[T]) Add(v T) bool {
	select {
	case b.queue <- v:
		b.Wake()
		return true
	default:
		return false
	}
}

// Wake has write called soon, also without a value.
func (b *Batches[T]) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Waiting is how many values are queued.
func (b *Batches[T]) Waiting() int { return len(b.queue) }

// Run writes until ctx ends, and then what is left. A kill loses what came
// since the last write.
func (b *Batches[T]) Run(ctx context.Context) {
	batch := make([]T, 0, b.most)
	for more := true; more; {
		select {
		case <-b.wake:
			more = Sleep(ctx, b.every)
			select {
			case <-b.wake: // of what came meanwhile, and is written now
			default:
			}
		case <-ctx.Done():
			more = false
		}
		for full := true; full; {
			batch = b.fill(batch)
			full = len(batch) == b.most
			// Not cut off by the end: what is being written would be lost.
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
				// Others want the processor too, and there is room.
				more = more && Sleep(ctx, time.Since(began))
			}
		}
	}
}

// fill adds what is queued, as far as it fits.
func (b *Batches[T]) fill(batch []T) []T {
	for len(batch) < b.most {
		select {
		case v := <-b.queue:
			batch = append(batch, v)
		default:
			return batch
		}
	}
	return batch
}
