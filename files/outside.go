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

// changedOutside hands an item to be taken over; else the next reader sees it again.
func (rd *reader) changedOutside(owner, id uuid.UUID) { offer(rd.outside, outside{owner, id}) }

// offer hands a value to whoever gathers them. When much waits already it is
// dropped.
func offer[T any](to chan<- T, v T) {
	select {
	case to <- v:
	default:
	}
}

// gather waits for a value, then for as long as others may take to come, and does
// all that wait at once, again and again until ctx ends.
func gather[T any](ctx context.Context, from <-chan T, pause time.Duration, do func(list []T)) {
	for {
		select {
		case v := <-from:
			list := []T{v}
			db.Sleep(ctx, pause)
			for range len(from) {
				list = append(list, <-from)
			}
			do(list)
		case <-ctx.Done():
			return
		}
	}
}

// takeOverOutside takes over what readers found changed, until ctx ends. What is
// still being written is left for its next reader.
func (rc *reconciler) takeOverOutside(ctx context.Context) {
	gather(ctx, rc.rd.outside, 0, func(list []outside) { rc.takeOutside(ctx, list...) })
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
