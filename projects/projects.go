// Package projects is the namespace for every application still to come, one
// folder each below this one, and the registry that mounts them. A new idea
// becomes an app here, never a second backend.
package projects
