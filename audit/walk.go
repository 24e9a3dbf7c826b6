package audit

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"time"

	"homebase/db"
)

// compare orders events as they are stored.
func (e Entry) compare(other Entry) int {
	return cmp.Or(e.At.Compare(other.At), bytes.Compare(e.ID[:], other.ID[:]))
}

// pageLength is how many events are in memory at once.
const pageLength = 1000

// pages yields the rows of a table in the order of a key, with one page in memory at
// a time and no transaction open while the reader is slow. A page begins at the
// last key of the page before, after as many rows as were seen with that key, so
// that rows whose key somebody duplicated all come.
func pages[T any, K comparable](from K, key func(T) K, read func(from K, seen int) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for seen := 0; ; {
			page, err := read(from, seen)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range page {
				if k := key(row); k != from {
					from, seen = k, 0
				}
				seen++
				if !yield(row, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// events are those that pass f, oldest first.
func (l *Log) events(ctx context.Context, f filter) iter.Seq2[stored, error] {
	return pages(oldest, func(e stored) cursor { return e.cursor() }, func(from cursor, seen int) ([]stored, error) {
		return db.All(ctx, l.db, scanStored, `-- name: audit.EventsInOrder
SELECT `+entryColumns+`, key_id, mac
  FROM audit_events
 WHERE (at, id) >= ($1, $2) AND `+passes+`
 ORDER BY at, id
OFFSET $8 LIMIT $9`, from.At, from.ID, f.actor, f.target, f.action, f.from, f.to, seen, pageLength)
	})
}

// sealsTo are the seals up to the one with the number last.
func (l *Log) sealsTo(ctx context.Context, last int64) iter.Seq2[seal, error] {
	return pages(-1<<63, func(s seal) int64 { return s.ID }, func(from int64, seen int) ([]seal, error) {
		// A seal may list thousands of ids: a few at a time.
		return db.All(ctx, l.db, scanSeal, `-- name: audit.SealsInOrder
SELECT `+sealColumns+` FROM audit_seals WHERE id BETWEEN $1 AND $2 ORDER BY id OFFSET $3 LIMIT 20`, from, last, seen)
	})
}

// walk gives every event and seal once: the events in the order of time, and each
// seal after every event up to its Last. Seals made since the walk began are left
// out: they may list an event that became visible after its turn.
func (l *Log) walk(ctx context.Context, event func(stored) error, give func(seal) error) error {
	newest, err := lastSeal(ctx, l.db)
	if err != nil {
		return err
	}
	next, stop := iter.Pull2(l.events(ctx, filter{}))
	defer stop()
	e, err, more := next()
	eventsTo := func(covered func(time.Time) bool) error {
		for ; more && (err != nil || covered(e.At)); e, err, more = next() {
			if err == nil {
				err = event(e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for s, err := range l.sealsTo(ctx, newest.ID) {
		if err == nil {
			err = eventsTo(func(at time.Time) bool { return !at.After(s.Last) })
		}
		if err == nil {
			err = give(s)
		}
		if err != nil {
			return err
		}
	}
	return eventsTo(func(time.Time) bool { return true })
}
