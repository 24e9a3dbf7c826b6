package files

import "sync"

// bounded is a map for what can be had again by asking: it is emptied when it
// is full.
type bounded[K comparable, V any] struct {
	most int

	mu   sync.Mutex
	held map[K]V
}

func (b *bounded[K, V]) get(k K) (v V, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok = b.held[k]
	return v, ok
}

func (b *bounded[K, V]) put(k K, v V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held == nil || len(b.held) >= b.most {
		b.held = map[K]V{}
	}
	b.held[k] = v
}

func (b *bounded[K, V]) drop(k K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, k)
}

func (b *bounded[K, V]) empty() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.held)
}
