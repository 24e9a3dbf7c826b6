package httpx

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DurationBounds are the upper bounds, in seconds, of the buckets of
// RouteMetrics.Durations; the last bucket has no bound.
var DurationBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60}

// Metrics is a snapshot of what the server has answered since its start.
type Metrics struct {
	InFlight int64
	// Handling is how many requests of each class are in their handlers now, such
	// as uploads and downloads in progress.
	Handling map[Rate]int64
	Limited  map[Rate]int64 // requests that the limit of a class refused
	Routes   []RouteMetrics // sorted by Route
}

// RouteMetrics are the figures of one route.
type RouteMetrics struct {
	Route     string                         `json:"route"`    // its pattern, "none" for requests that found none
	Statuses  map[string]int64               `json:"statuses"` // by class: "2xx"
	Durations [len(DurationBounds) + 1]int64 `json:"durations"`
	Seconds   float64                        `json:"seconds"`  // the sum of all durations
	BytesIn   int64                          `json:"bytes_in"` // of bodies
	BytesOut  int64                          `json:"bytes_out"`
}

var statusClasses = [...]string{2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// metrics is bounded, because its patterns are those of the table.
type metrics struct {
	inFlight atomic.Int64
	handling map[Rate]*atomic.Int64 // the map is never changed
	limited  map[Rate]*atomic.Int64 // likewise
	mu       sync.Mutex
	routes   map[string]*RouteMetrics
}

func (m *metrics) count(pattern string, status int, took time.Duration, in, out int64) {
	m.inFlight.Add(-1)
	m.mu.Lock()
	defer m.mu.Unlock()
	route := m.routes[pattern]
	if route == nil {
		route = &RouteMetrics{Route: cmp.Or(pattern, "none"), Statuses: make(map[string]int64)}
		m.routes[pattern] = route
	}
	// The first bound that is not smaller, or the last bucket if all are.
	i, _ := slices.BinarySearch(DurationBounds[:], took.Seconds())
	route.Durations[i]++
	route.Statuses[statusClasses[status/100]]++
	route.Seconds += took.Seconds()
	route.BytesIn += in
	route.BytesOut += out
}

// Metrics takes a snapshot.
func (s *Server) Metrics() Metrics {
	m := &s.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	snapshot := Metrics{InFlight: m.inFlight.Load(), Handling: make(map[Rate]int64), Limited: make(map[Rate]int64), Routes: make([]RouteMetrics, 0, len(m.routes))}
	for rate, n := range m.handling {
		snapshot.Handling[rate] = n.Load()
	}
	for rate, n := range m.limited {
		snapshot.Limited[rate] = n.Load()
	}
	for _, route := range m.routes {
		c := *route
		c.Statuses = maps.Clone(route.Statuses)
		snapshot.Routes = append(snapshot.Routes, c)
	}
	slices.SortFunc(snapshot.Routes, func(a, b RouteMetrics) int { return cmp.Compare(a.Route, b.Route) })
	return snapshot
}
