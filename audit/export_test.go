package audit

import (
	"context"
	"time"

	"homebase/db"
)

// RecordAt is Record by another clock.
func (l *Log) RecordAt(ctx context.Context, q db.Querier, e Event, at time.Time) error {
	e = e.By(ctx)
	e.at = at.UTC().Truncate(time.Microsecond)
	e.id = newID(e.at)
	if err := l.months.ensure(ctx, l.db, e.at); err != nil {
		return err
	}
	_, err := db.Exec(ctx, q, insertEvents, l.rows(e)...)
	return err
}
