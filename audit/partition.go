package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// monthsAhead is how many months have their partition before they begin.
const monthsAhead = 3

// lockPartitions is the advisory lock under which partitions are made.
const lockPartitions = "110, 0"

// months remembers which months are known to have a partition, so that only
// the first event of a month in a process looks.
type months struct {
	mu    sync.Mutex
	known map[string]bool
}

// ensure makes the partition of t's month if it is missing. It works on a
// connection of its own, so the caller's transaction is neither held up nor
// spoiled by it.
func (m *months) ensure(ctx context.Context, d *db.DB, t time.Time) error {
	name := partitionName(t)
	m.mu.Lock()
	known := m.known[name]
	m.mu.Unlock()
	if known {
		return nil
	}
	if err := d.InTx(ctx, func(tx pgx.Tx) error { return makePartition(ctx, tx, t) }); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]bool{}
	}
	m.known[name] = true
	return nil
}

func partitionName(t time.Time) string { return t.UTC().Format("audit_events_2006_01") }

const partitionAttached = `
-- name: audit.PartitionAttached
SELECT EXISTS (SELECT 1 FROM pg_inherits
                WHERE inhparent = 'audit_events'::regclass AND inhrelid = to_regclass($1))`

// makePartition creates and attaches the partition of t's month unless it is
// there. CREATE … LIKE and ATTACH take a weak lock on the parent; CREATE …
// PARTITION OF would wait behind any long reader and hold up every writer.
func makePartition(ctx context.Context, tx pgx.Tx, t time.Time) error {
	attached, err := db.One(ctx, tx, db.Value[bool], partitionAttached, partitionName(t))
	if err != nil || attached {
		return err
	}
	from := time.Date(t.UTC().Year(), t.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	name := pgx.Identifier{partitionName(t)}.Sanitize()
	for _, sql := range []string{
		// The owner's rights: the role of the pool may not create tables.
		`SET LOCAL ROLE NONE`,
		`SELECT pg_advisory_xact_lock(` + lockPartitions + `)`,
		`CREATE TABLE IF NOT EXISTS ` + name + ` (LIKE audit_events INCLUDING ALL)`,
		fmt.Sprintf(`DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = '%s'::regclass) THEN
    ALTER TABLE audit_events ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s');
  END IF;
END $$`, partitionName(t), name, from.Format(time.RFC3339), from.AddDate(0, 1, 0).Format(time.RFC3339)),
	} {
		if _, err := db.Exec(ctx, tx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Start makes sure that this month and the next ones have their partitions.
func (l *Log) Start(ctx context.Context) error { return l.makePartitions(ctx) }

// Jobs are the housekeeping of this package.
func (l *Log) Jobs() []db.Job {
	return []db.Job{
		{Name: "audit.partitions", Every: 24 * time.Hour, Run: l.makePartitions},
		{Name: "audit.seal", Every: sealEvery, Run: l.sealNew},
	}
}

func (l *Log) makePartitions(ctx context.Context) error {
	now := time.Now().UTC()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for i := range monthsAhead + 1 {
		if err := l.months.ensure(ctx, l.db, first.AddDate(0, i, 0)); err != nil {
			return err
		}
	}
	return nil
}
