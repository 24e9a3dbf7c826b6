// Package hashcost says how much work a password hash is. It lies where only
// auth and its test kit can name it: nothing that an operator sets reaches the
// cost that tests hash at.
package hashcost

import "fmt"

// Cost is the work one Argon2id hash asks for (RFC 9106).
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// Standard is OWASP's least for Argon2id: about 26 ms of one core and 19 MiB.
var Standard = Cost{Memory: 19456, Passes: 2, Threads: 1}

// OfTests is cheap enough to sign in a thousand times a second, and as cheap
// to guess. It is what the test kit hashes at.
var OfTests = Cost{Memory: 64, Passes: 1, Threads: 1}

// A hash that asks for more than this must not be able to exhaust the memory.
const (
	MostMemory = 256 << 10 // KiB
	MostPasses = 16
)

// Check refuses a cost that asks for less memory or less work than Standard,
// or for more than a stored hash may.
func (c Cost) Check() error {
	work := func(c Cost) uint64 { return uint64(c.Memory) * uint64(c.Passes) }
	switch {
	case c == OfTests:
		return nil
	case c.Memory < Standard.Memory || work(c) < work(Standard) || c.Threads == 0:
		return fmt.Errorf("a hash of %d KiB and %d passes is too cheap: at least %d KiB and the work of %d passes over them",
			c.Memory, c.Passes, Standard.Memory, Standard.Passes)
	case c.Memory > MostMemory || c.Passes > MostPasses:
		return fmt.Errorf("a hash of %d KiB and %d passes asks for too much: at most %d KiB and %d passes",
			c.Memory, c.Passes, MostMemory, MostPasses)
	}
	return nil
}
