package files

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"homebase/audit"
	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// writer makes and changes files and folders.
type writer struct {
	changer
	rd    *reader
	tr    *trash
	vs    *versions
	rc    *reconciler
	hints bounded[hint, uuid.UUID]
}

// place puts the staged bytes where they go, which at says as it was looked up
// before: the commit looks again. It drops the bytes when nothing came of it;
// while that is not known, nobody may touch them.
func (wr *writer) place(ctx context.Context, s *staged, at spot, find finder, h http.Header) (it placed, created bool, err error) {
	for range lookAgain {
		var done journal.Placed
		if err = wr.mark(s, at); err == nil {
			done, err = wr.journal.Put(ctx, wr.putOf(s, at, h))
		}
		switch {
		case err == nil || errors.Is(err, db.ErrOutcomeUnknown) || errors.Is(err, journal.ErrUnpublished):
			if !done.Created {
				wr.vs.replaced(s.Item)
			}
			return placed{item{done.Item}, done.Path}, done.Created, err
		case errors.Is(err, journal.ErrChangedOutside):
			s.AsItIs = true
			wr.rc.takeOutside(ctx, s.Item)
		case !errors.Is(err, journal.ErrLookAgain):
			wr.drop(ctx, s)
			return it, false, wr.vol.diskError(err)
		}
		if at, err = find(ctx, wr.db); err != nil {
			break
		}
	}
	wr.drop(ctx, s)
	if errors.Is(err, journal.ErrLookAgain) {
		err = httpx.ErrBusy.Because(err)
	}
	return it, false, err
}

// lookAgain bounds how often something else may turn out to be at the path.
const lookAgain = 20

// putOf is the put of the staged bytes to a spot.
func (wr *writer) putOf(s *staged, at spot, h http.Header) journal.Put {
	p := s.Put
	p.Reserved = s.reserved > 0 || s.Upload != uuid.Nil
	p.Folder, p.Path, p.MustBeFree = at.parent, at.path, at.free
	p.MediaType = mediaType(at.name, h.Get("Content-Type"), headOf(at.name, s.File))
	p.Check = func(ctx context.Context, t *journal.Tx, there *journal.Item) error {
		if s.from != nil {
			if err := s.from.holds(ctx, t); err != nil {
				return err
			}
		}
		now := spot{}
		if there != nil {
			now.item = &item{*there}
		}
		return precondition(h, now.tags()...)
	}
	p.Event = func(it journal.Item, created bool) audit.Event {
		e := audit.Event{Action: audit.FileReplaced, Target: it.ID}
		switch {
		case s.from != nil:
			e.Action, e.Details = audit.ShareDropped, map[string]string{"share": s.from.share.String()}
		case created:
			e.Action = audit.FileCreated
		case s.version > 0:
			e.Details = map[string]string{"version": strconv.FormatInt(s.version, 10)}
		}
		return e
	}
	p.Told = func(it journal.Item) json.RawMessage { return told(placed{item{it}, at.path}) }
	p.Undone = func(ctx context.Context) { wr.drop(ctx, s) }
	if s.from != nil {
		p.Also = s.from.also
	}
	return p
}
