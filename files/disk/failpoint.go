//go:build !failpoint

package disk

// Failpoint marks a place where a crash test kills the process. In a build
// without the tag it does nothing.
func Failpoint(string) {}

// Fails is the error of a place where a crash test lets the disk fail; nil in a
// build without the tag.
func (*Dir) Fails(string) error { return nil }

// Without reports whether a part of the protocol was taken out, so that the
// crash tests can prove that they notice. In a build without the tag nothing
// ever is.
func Without(string) bool { return false }
