package files

import (
	"context"
	"errors"
	"time"

	"homebase/db"

	"github.com/google/uuid"
)

// outside is an item that a reader saw changed from outside.
type outside struct{ owner, item uuid.UUID }

// changedOutside hands an item to be taken over. When much waits already
// it is dropped: the next reader sees it again.
func (f *Files) changedOutside(owner, id uuid.UUID) {
	select {
	case f.outside <- outside{owner, id}:
	default:
	}
}

// takeOverOutside takes over what readers found changed, until ctx ends: all
// that waits, after one pause. What is still being written is left for its next
// reader.
func (f *Files) takeOverOutside(ctx context.Context) {
	for {
		owners := map[uuid.UUID][]*finding{}
		select {
		case o := <-f.outside:
			f.foundOutside(ctx, o, owners)
		case <-ctx.Done():
			return
		}
		for range len(f.outside) {
			f.foundOutside(ctx, <-f.outside, owners)
		}
		for owner, list := range owners {
			if err := f.takeOver(ctx, owner, list, &scanReport{}); err != nil && ctx.Err() == nil {
				f.log.WarnContext(ctx, "files that were changed from outside could not be taken over yet", "count", len(list), "error", err)
			}
		}
	}
}

// foundOutside notes an item as a finding of one entry, unless it is missing or
// in order by now.
func (f *Files) foundOutside(ctx context.Context, o outside, owners map[uuid.UUID][]*finding) {
	row, p, err := pathOf(ctx, f.db, o.owner, o.item)
	if err != nil || !row.isFile() {
		return
	}
	if info, err := f.disk.Lstat(p); err == nil && info.Mode().IsRegular() && !row.matches(info) {
		d := &finding{kind: findChanged, row: row, from: p, path: p, info: info, seen: time.Now()}
		owners[o.owner] = append(owners[o.owner], d)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}
