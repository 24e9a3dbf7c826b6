package httpx

import "time"

// pace is how slow a client may be. Deadlines roll: each read and each write has
// its own, so that a transfer may last for hours as long as it makes progress.
type pace struct {
	stall   time.Duration // the longest wait for one read, or for room to write
	whole   time.Duration // for all of a body that is no stream
	grace   time.Duration // how long a body may be slower than minRead
	minRead int64         // bytes a second, the mean over the time spent waiting
	minSend int64         // bytes a second

	header   time.Duration // for the headers of a request
	database time.Duration // for one answer of PostgreSQL
	patience time.Duration // for requests in flight when the server stops
}

var defaultPace = pace{
	stall:    30 * time.Second,
	whole:    30 * time.Second,
	grace:    time.Minute,
	minRead:  1 << 10,
	minSend:  32 << 10,
	header:   10 * time.Second,
	database: 10 * time.Second,
	patience: 20 * time.Second,
}
