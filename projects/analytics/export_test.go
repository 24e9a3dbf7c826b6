package analytics

import "homebase/projects"

// Bounded is the app with room for so many views a day, of all and of one
// network.
func Bounded(host *projects.Host, views, network int) projects.App {
	return bounded(host, views, network)
}

// OnePath is the one form of a path.
func OnePath(path string) string { return onePath(path) }
