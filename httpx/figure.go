package httpx

// Figure is one number that a room tells of itself: rooms give functions that
// make them, as they give routes, and /system/metrics shows all of them.
type Figure struct {
	// Name is in Prometheus' form: homebase_<what>_<unit>, in base units. One
	// that ends in _total is a counter that only rises while the process
	// lives, any other a gauge. The same name has the same Help.
	Name   string            `json:"name"`
	Help   string            `json:"-"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}
