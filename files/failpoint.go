//go:build !failpoint

package files

// failpoint marks a place where a crash test kills the process. In a build
// without the tag it is nothing.
func failpoint(string) {}
