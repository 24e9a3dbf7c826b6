package files

import (
	"homebase/httpx"
)

var errNoSpace = httpx.NewProblem(507, "insufficient_storage", "The server's storage is full").
	With("Nothing was stored. Tell the operator, or try again when there is space.")

const (
	// unreserved is how many bytes an upload may declare without a
	// reservation: the commit checks the quota anyway, and small files are
	// many.
	unreserved = 1 << 20
	// firstGrowth and mostGrowth bound the steps by which an upload of
	// unknown length reserves ahead of what it receives.
	firstGrowth = 1 << 20
	mostGrowth  = 64 << 20
)

// checkFree refuses bytes that would leave less free space than the floor,
// with all that uploads under way in this worker have declared and not yet
// written.
func (vol *volume) checkFree(more int64) error {
	_, free, err := vol.disk.Space()
	if err != nil {
		return vol.diskError(err)
	}
	if free-vol.incoming.Load()-more < vol.minFree {
		return errNoSpace
	}
	return nil
}

// expect counts the bytes that an upload has declared as taken, so that many
// at once cannot pass the floor together. What is written counts no more, and
// done forgets the rest.
func (vol *volume) expect(s *staged, declared int64) (done func(), err error) {
	s.due = declared
	vol.incoming.Add(declared)
	done = func() {
		vol.incoming.Add(-s.due)
		s.due = 0
	}
	if err = vol.checkFree(0); err != nil {
		done()
	}
	return done, err
}
