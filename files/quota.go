package files

import (
	"context"
	"errors"

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
func (f *Files) checkFree(more int64) error {
	_, free, err := f.disk.Space()
	if err != nil {
		return f.diskError(err)
	}
	if free-f.incoming.Load()-more < f.minFree {
		return errNoSpace
	}
	return nil
}

// expect counts the bytes that an upload has declared as taken, so that many
// at once cannot pass the floor together. What is written counts no more, and
// done forgets the rest.
func (f *Files) expect(s *staged, declared int64) (done func(), err error) {
	s.due = declared
	f.incoming.Add(declared)
	done = func() {
		f.incoming.Add(-s.due)
		s.due = 0
	}
	if err = f.checkFree(0); err != nil {
		done()
	}
	return done, err
}

// expire gives back what uploads hold that outlived their time.
func (f *Files) expire(ctx context.Context) error {
	return errors.Join(f.journal.ReleaseExpired(ctx), f.expireUploads(ctx))
}
