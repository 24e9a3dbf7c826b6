package system

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"

	"homebase/httpx"
)

// Metrics is what this process reports about itself since its start.
type Metrics struct {
	// DurationBounds are the upper bounds of durations in seconds; the last count
	// has no bound.
	DurationBounds []float64      `json:"duration_bounds"`
	Requests       []RouteFigures `json:"requests"`
	Figures        []httpx.Figure `json:"figures"`
}

// RouteFigures are the figures of one route.
type RouteFigures httpx.RouteMetrics

// prometheusType is the text format 0.0.4; a scrape fails if a single character of it
// differs.
const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

// getMetrics serves GET /system/metrics.
func (s *System) getMetrics(w http.ResponseWriter, r *http.Request) error {
	m, err := s.metrics(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Origin, Cookie, Authorization, Accept")
	// Prometheus names text/plain and not JSON.
	accept := strings.ToLower(r.Header.Get("Accept"))
	if !strings.Contains(accept, "text/plain") || strings.Contains(accept, "application/json") {
		return httpx.WriteJSON(w, http.StatusOK, m)
	}
	w.Header().Set("Content-Type", prometheusType)
	_, err = w.Write(m.prometheus())
	return err
}

func (s *System) metrics(ctx context.Context) (Metrics, error) {
	of := httpx.ServerOf(ctx).Metrics()
	m := Metrics{DurationBounds: httpx.DurationBounds[:], Requests: []RouteFigures{}}
	for _, route := range of.Routes {
		m.Requests = append(m.Requests, RouteFigures(route))
	}
	m.Figures = slices.Concat(requestFigures(of), s.databaseFigures(), runtimeFigures(), []httpx.Figure{
		{Name: "homebase_build_info", Help: "The version that runs; always 1.", Labels: map[string]string{"version": s.Version}, Value: 1},
	})
	for _, figures := range append(slices.Clone(s.Figures), s.jobFigures) {
		more, err := figures(ctx)
		if err != nil {
			return Metrics{}, err
		}
		m.Figures = append(m.Figures, more...)
	}
	slices.SortStableFunc(m.Figures, func(a, b httpx.Figure) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}

func requestFigures(of httpx.Metrics) []httpx.Figure {
	figures := []httpx.Figure{{Name: "homebase_http_requests_in_flight", Help: "Requests in progress.", Value: float64(of.InFlight)}}
	byClass := func(name, help string, counts map[httpx.Rate]int64) {
		for _, rate := range slices.Sorted(maps.Keys(counts)) {
			figures = append(figures, httpx.Figure{Name: name, Help: help, Labels: map[string]string{"class": string(rate)}, Value: float64(counts[rate])})
		}
	}
	byClass("homebase_http_handling_requests", "Requests in their handlers by rate class, such as uploads and downloads in progress.", of.Handling)
	byClass("homebase_http_limited_total", "Requests that the limit of a rate class refused.", of.Limited)
	return figures
}

func (s *System) databaseFigures() []httpx.Figure {
	fresh := 0.0
	if s.DB.Listener().Fresh() {
		fresh = 1
	}
	figures := []httpx.Figure{{Name: "homebase_listen_fresh", Help: "1 while this process hears of others' changes, so that its caches can be trusted.", Value: fresh}}
	stat := s.DB.Stat()
	if stat == nil {
		return figures
	}
	return append(figures,
		httpx.Figure{Name: "homebase_database_connections", Help: "Connections of the pool.", Labels: map[string]string{"state": "used"}, Value: float64(stat.AcquiredConns())},
		httpx.Figure{Name: "homebase_database_connections", Help: "Connections of the pool.", Labels: map[string]string{"state": "idle"}, Value: float64(stat.IdleConns())},
		httpx.Figure{Name: "homebase_database_connections_most", Help: "How many connections the pool may open.", Value: float64(stat.MaxConns())},
		httpx.Figure{Name: "homebase_database_acquires_total", Help: "How often a connection was taken from the pool.", Value: float64(stat.AcquireCount())},
		httpx.Figure{Name: "homebase_database_waits_total", Help: "How often a caller had to wait for a connection.", Value: float64(stat.EmptyAcquireCount())},
		httpx.Figure{Name: "homebase_database_wait_seconds_total", Help: "Time spent waiting for a connection.", Value: stat.AcquireDuration().Seconds()},
	)
}

// runtimeFigures are read without stopping the world.
func runtimeFigures() (figures []httpx.Figure) {
	names := []struct{ sample, name, help string }{
		{"/sched/goroutines:goroutines", "homebase_go_goroutines", "Goroutines."},
		{"/sched/gomaxprocs:threads", "homebase_go_maxprocs", "Processors that Go uses at once."},
		{"/memory/classes/heap/objects:bytes", "homebase_go_heap_objects_bytes", "Memory in live objects and in those not yet swept."},
		{"/memory/classes/total:bytes", "homebase_go_memory_bytes", "Memory that the Go runtime has mapped."},
		{"/gc/cycles/total:gc-cycles", "homebase_go_gc_cycles_total", "Garbage collections."},
		{"/gc/heap/allocs:bytes", "homebase_go_allocated_bytes_total", "Memory allocated since the start."},
		{"/cpu/classes/gc/total:cpu-seconds", "homebase_go_gc_cpu_seconds_total", "Processor time spent collecting garbage."},
	}
	samples := make([]metrics.Sample, len(names))
	for i, n := range names {
		samples[i].Name = n.sample
	}
	metrics.Read(samples)
	for i, n := range names {
		f := httpx.Figure{Name: n.name, Help: n.help}
		switch v := samples[i].Value; v.Kind() {
		case metrics.KindUint64:
			f.Value = float64(v.Uint64())
		case metrics.KindFloat64:
			f.Value = v.Float64()
		default:
			continue // this Go release does not have it
		}
		figures = append(figures, f)
	}
	return figures
}

// durations is the family of the histogram; its figures have these names with a suffix.
const durations = "homebase_http_request_duration_seconds"

// familyOf is the family of a figure and its type.
func familyOf(f httpx.Figure) (family, kind string) {
	switch {
	case strings.HasPrefix(f.Name, durations):
		return durations, "histogram"
	case strings.HasSuffix(f.Name, "_total"):
		return f.Name, "counter"
	}
	return f.Name, "gauge"
}

// routeFigures are the figures of all routes, each family in one piece.
func (m Metrics) routeFigures() (figures []httpx.Figure) {
	for _, route := range m.Requests {
		add := func(name, help string, value float64, label, at string) {
			labels := map[string]string{"route": route.Route}
			if label != "" {
				labels[label] = at
			}
			figures = append(figures, httpx.Figure{Name: name, Help: help, Labels: labels, Value: value})
		}
		for _, status := range slices.Sorted(maps.Keys(route.Statuses)) {
			add("homebase_http_requests_total", "Answered requests by route and class of status.", float64(route.Statuses[status]), "status", status)
		}
		add("homebase_http_request_bytes_total", "Bytes of request bodies.", float64(route.BytesIn), "", "")
		add("homebase_http_response_bytes_total", "Bytes of response bodies.", float64(route.BytesOut), "", "")
		const help = "How long requests took."
		var sum int64
		for i, n := range route.Durations {
			le := "+Inf"
			if i < len(m.DurationBounds) {
				le = number(m.DurationBounds[i])
			}
			sum += n
			add(durations+"_bucket", help, float64(sum), "le", le)
		}
		add(durations+"_sum", help, route.Seconds, "", "")
		add(durations+"_count", help, float64(sum), "", "")
	}
	slices.SortStableFunc(figures, func(a, b httpx.Figure) int {
		before, _ := familyOf(a)
		after, _ := familyOf(b)
		return cmp.Compare(before, after)
	})
	return figures
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// prometheus writes the text format 0.0.4: each family in one piece, below its heading.
func (m Metrics) prometheus() []byte {
	var text bytes.Buffer
	last := ""
	for _, f := range slices.Concat(m.Figures, m.routeFigures()) {
		if family, kind := familyOf(f); family != last {
			last = family
			help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(f.Help)
			fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, kind)
		}
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(f.Labels)) {
			value := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(f.Labels[name])
			labels = append(labels, fmt.Sprintf(`%s="%s"`, name, value))
		}
		name := f.Name
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		text.WriteString(name + " " + number(f.Value) + "\n")
	}
	return text.Bytes()
}
