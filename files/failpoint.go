//go:build !failpoint

package files

// failpoint marks a place where a crash test kills the process. In a build
// without the tag it is nothing.
func failpoint(string) {}

// without reports whether a part of the protocol was taken out, to see that
// the crash tests notice. In a build without the tag nothing ever is.
func without(string) bool { return false }
