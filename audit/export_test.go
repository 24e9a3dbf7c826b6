package audit

import (
	"context"
	"time"

	"homebase/db"
)

// Lost is how many noted events this process could not keep.
func (l *Log) Lost() int64 { return l.lost.Load() }

// Queued is how many noted events wait to be written.
func (l *Log) Queued() int { return l.notes.Waiting() }

// RecordAt is Record by another clock.
func (l *Log) RecordAt(ctx context.Context, q db.Querier, e Event, at time.Time) error {
	e = e.By(ctx)
	e.made.At = at.UTC().Truncate(time.Microsecond)
	e.made.ID = newID(e.made.At)
	if err := l.months.ensure(ctx, l.db, e.made.At); err != nil {
		return err
	}
	return db.Exec(ctx, q, insertEvents, l.rows(e)...)
}

// Resign is the MAC of an event under a key, and how the row names that key:
// what whoever has the key can write.
func Resign(key []byte, e Entry) (name string, sum []byte) { return KeyID(key), mac(key, canonical(e)) }
