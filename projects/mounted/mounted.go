// Package mounted names the apps of this installation. `make app` adds to it.
package mounted

import (
	"homebase/projects"
	"homebase/projects/analytics"
)

// Apps are mounted in this order.
var Apps = []projects.Mount{
	analytics.App,
}
