package files

import "time"

// SetBeat makes streams beat, and workers look for changes, more often than
// every fifteen seconds. It is called before Start.
func (f *Files) SetBeat(every time.Duration) { f.hub.beat = every }
