package files

import (
	"context"
	"errors"
	"time"

	"homebase/db"

	"github.com/google/uuid"
)

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
	gather(ctx, rc.rd.outside, 0, func(items []uuid.UUID) { rc.takeOutside(ctx, items...) })
}

// takeOutside takes items over, each as a finding of one entry, unless it is
// missing or in order by now. What cannot be taken over is left as it is, and offered
// by its next reader.
func (rc *reconciler) takeOutside(ctx context.Context, items ...uuid.UUID) {
	rows, err := pathsOf(ctx, rc.db, items)
	owners := map[uuid.UUID][]*finding{}
	for _, it := range rows {
		info, err := rc.vol.disk.Lstat(it.path)
		if err == nil && it.IsFile() && info.Mode().IsRegular() && !it.matches(info) {
			d := &finding{kind: findChanged, row: it.item, from: it.path, path: it.path, info: info, seen: time.Now()}
			owners[it.Owner] = append(owners[it.Owner], d)
		}
	}
	for owner, list := range owners {
		err = errors.Join(err, rc.takeOver(ctx, owner, list, &scanReport{}))
	}
	if err != nil && ctx.Err() == nil {
		rc.log.WarnContext(ctx, "cannot take over files that were changed outside the API yet", "count", len(items), "error", err)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}
