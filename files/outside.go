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
		owners := map[uuid.UUID][]*finding{}
		select {
		case o := <-rc.rd.outside:
			rc.foundOutside(ctx, o, owners)
		case <-ctx.Done():
			return
		}
		for range len(rc.rd.outside) {
			rc.foundOutside(ctx, <-rc.rd.outside, owners)
		}
		rc.takeFound(ctx, owners)
	}
}

// takeOverNow takes over what a put is about to replace, if it can.
func (rc *reconciler) takeOverNow(ctx context.Context, o outside) {
	owners := map[uuid.UUID][]*finding{}
	rc.foundOutside(ctx, o, owners)
	rc.takeFound(ctx, owners)
}

func (rc *reconciler) takeFound(ctx context.Context, owners map[uuid.UUID][]*finding) {
	for owner, list := range owners {
		if err := rc.takeOver(ctx, owner, list, &scanReport{}); err != nil && ctx.Err() == nil {
			rc.log.WarnContext(ctx, "cannot take over files that were changed outside the API yet", "count", len(list), "error", err)
		}
	}
}

// foundOutside notes an item as a finding of one entry, unless it is missing or
// in order by now.
func (rc *reconciler) foundOutside(ctx context.Context, o outside, owners map[uuid.UUID][]*finding) {
	row, p, err := pathOf(ctx, rc.db, o.owner, o.item)
	if err != nil || !row.isFile() {
		return
	}
	if info, err := rc.vol.disk.Lstat(p); err == nil && info.Mode().IsRegular() && !row.matches(info) {
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
