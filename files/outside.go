package files

import (
	"context"
	"errors"

	"homebase/db"

	"github.com/google/uuid"
)

// outside is an item that a reader saw changed from outside.
type outside struct{ owner, item uuid.UUID }

// changedOutside hands an item to the adoption job. When much waits already
// it is dropped: the next reader sees it again.
func (f *Files) changedOutside(owner, id uuid.UUID) {
	select {
	case f.outside <- outside{owner, id}:
	default:
	}
}

// adoptOutside takes over what readers found changed, until ctx ends. What
// was written to within two seconds is left for its next reader.
func (f *Files) adoptOutside(ctx context.Context) {
	for {
		select {
		case o := <-f.outside:
			if err := f.adoptItem(ctx, o); err != nil && ctx.Err() == nil {
				f.log.WarnContext(ctx, "a file that was changed from outside could not be taken over yet", "item", o.item, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *Files) adoptItem(ctx context.Context, o outside) error {
	row, place, err := placeOf(ctx, f.db, o.owner, o.item)
	if err != nil || !row.isFile() {
		return ignoreNotFound(err)
	}
	info, err := f.disk.Lstat(place)
	if err != nil || !info.Mode().IsRegular() || row.matches(info) {
		return nil // it is missing or in order by now
	}
	report := &scanReport{}
	d := &difference{kind: diffChanged, item: row, place: place, info: info}
	return f.adopt(ctx, o.owner, []*difference{d}, report)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}
