// Package mounted names the apps of this installation. `make app` adds to it.
package mounted

import (
	"homebase/projects"
)

// Apps are mounted in this order.
var Apps = []projects.Mount{}
