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
func (rd *reader) changedOutside(owner, id uuid.UUID) {
	select {
	case rd.outside <- outside{owner, id}:
	default:
	}
}

// takeOverOutside takes over what readers found changed, until ctx ends: all
// that waits, after one pause. What is still being written is left for its next
// reader.
func (rc *reconciler) takeOverOutside(ctx context.Context) {
	for {
		select {
		case o := <-rc.rd.outside:
			list := []outside{o}
			for range len(rc.rd.outside) {
				list = append(list, <-rc.rd.outside)
			}
			rc.takeOutside(ctx, list...)
		case <-ctx.Done():
			return
		}
	}
}

// takeOutside takes items over, each as a finding of one entry, unless it is
// missing or in order by now. What cannot be taken over is left as it is.
func (rc *reconciler) takeOutside(ctx context.Context, list ...outside) {
	owners := map[uuid.UUID][]*finding{}
	for _, o := range list {
		row, p, err := pathOf(ctx, rc.db, o.owner, o.item)
		if err != nil || !row.IsFile() {
			continue
		}
		if info, err := rc.vol.disk.Lstat(p); err == nil && info.Mode().IsRegular() && !row.matches(info) {
			d := &finding{kind: findChanged, row: row, from: p, path: p, info: info, seen: time.Now()}
			owners[o.owner] = append(owners[o.owner], d)
		}
	}
	for owner, list := range owners {
		if err := rc.takeOver(ctx, owner, list, &scanReport{}); err != nil && ctx.Err() == nil {
			rc.log.WarnContext(ctx, "cannot take over files that were changed outside the API yet", "count", len(list), "error", err)
		}
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}
