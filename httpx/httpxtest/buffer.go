package httpxtest

import (
	"bytes"
	"sync"
)

// Buffer is a bytes.Buffer that several goroutines may use, such as a server
// that logs and the test that reads its log.
type Buffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
