package httpx

// Figure is one number that a room reports about itself. Rooms hand out
// functions that make figures, as they do routes, and /system/metrics shows them.
type Figure struct {
	// Name has Prometheus' form: homebase_<what>_<unit>, in base units. If it
	// ends in _total, it is a counter, which only rises while the process lives;
	// otherwise it is a gauge. Figures of one name have one Help.
	Name   string            `json:"name"`
	Help   string            `json:"-"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}
