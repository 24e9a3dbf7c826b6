package crash

import "time"

// faults are what happens to the machines, one after another.
var faults = []fault{
	{"nothing", 5 * time.Second, func(m *machines) func() { return nil }},
	{"the proxy's requests do not reach a server", 8 * time.Second, func(m *machines) func() {
		cut(m.t, m.proxy, m.workers[0])
		return nil
	}},
}
