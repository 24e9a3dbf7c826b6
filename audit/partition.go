package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"homebase/db"

	"github.com/jackc/pgx/v5"
)

// monthsAhead is how many months have their partition before they begin.
const monthsAhead = 3

// lockPartitions is the advisory lock under which partitions are made.
const lockPartitions = "110, 0"

// months remembers which months have a partition, so that a process looks only for
// the first event of a month.
type months struct {
	mu    sync.Mutex // held while a partition is created
	known sync.Map   // names of partitions
}

// ensure creates the partitions that are missing. It works on a connection of its
// own, one at a time, so that it cannot fail the caller's transaction, and does not
// wait for the pool while the caller holds one of its connections.
func (m *months) ensure(ctx context.Context, d *db.DB, of ...time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing := slices.DeleteFunc(of, func(t time.Time) bool {
		_, known := m.known.Load(partitionName(t))
		return known
	})
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	return d.AsOwner(ctx, func(conn *pgx.Conn) error {
		for _, t := range missing {
			if err := makePartition(ctx, conn, t); err != nil {
				return err
			}
			m.known.Store(partitionName(t), true)
		}
		return nil
	})
}

// ensureTimeout bounds how long an event waits for its partition.
const ensureTimeout = 5 * time.Second

// monthOf is the beginning of t's month.
func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func partitionName(t time.Time) string { return t.UTC().Format("audit_events_2006_01") }

// makePartition creates and attaches the partition of t's month unless it exists.
// CREATE … LIKE and ATTACH take a weak lock on the parent; CREATE … PARTITION OF
// would wait for every long reader and block every writer. Whoever waited for the lock
// finds what the one before has made.
func makePartition(ctx context.Context, conn *pgx.Conn, t time.Time) error {
	const sql = `-- name: audit.MakePartition
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = 'audit_events'::regclass AND inhrelid = to_regclass('%[1]s')) THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(` + lockPartitions + `);
  CREATE TABLE IF NOT EXISTS %[1]s (LIKE audit_events INCLUDING ALL);
  IF NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = '%[1]s'::regclass) THEN
    ALTER TABLE audit_events ATTACH PARTITION %[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s');
  END IF;
END $$`
	from := monthOf(t)
	return db.Exec(ctx, conn, fmt.Sprintf(sql, partitionName(t), from.Format(time.RFC3339), from.AddDate(0, 1, 0).Format(time.RFC3339)))
}

// Jobs are the housekeeping of this package.
func (l *Log) Jobs() []db.Job {
	return []db.Job{
		l.sealJob("audit.seal", sealEvery, sealOverlap),
		l.sealJob("audit.seal_late", lateEvery, sealLateOverlap),
		{Name: "audit.retention", Every: 24 * time.Hour, Run: l.dropOld},
	}
}

// Start creates the partitions of this month and the next ones. Every process does
// so when it starts and then every hour, because it must know them before the first
// event of a month. Usually they exist, and a look through the pool saves the
// owner's connection.
func (l *Log) Start(ctx context.Context) error {
	attached, err := db.All(ctx, l.db, db.Value[string], `-- name: audit.AttachedPartitions
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'audit_events'::regclass`)
	if err != nil {
		return err
	}
	for _, name := range attached {
		l.months.known.Store(name, true)
	}
	var wanted []time.Time
	for first := monthOf(time.Now()); len(wanted) <= monthsAhead; {
		wanted = append(wanted, first.AddDate(0, len(wanted), 0))
	}
	return l.months.ensure(ctx, l.db, wanted...)
}

// month is the table of a month, and the statements that drop it.
type month struct {
	name string
	drop []string
}

// droppedBefore is a detail of EventsDropped: everything older is gone.
const droppedBefore = "before"

// dropOld drops the months that ended before Retention. They are detached
// concurrently, which blocks neither writers nor readers; what a crash leaves half
// detached, or detached and not dropped, is finished the next time. The seals
// stay. An event records what will be dropped first: a verification accepts
// nothing else as retention.
func (l *Log) dropOld(ctx context.Context) error {
	if l.Retention == 0 {
		return nil
	}
	before := monthOf(time.Now().Add(-l.Retention))
	return l.db.AsOwner(ctx, func(conn *pgx.Conn) error {
		old, err := db.All(ctx, conn, db.RowOf(func(m *month) []any { return []any{&m.name, &m.drop} }), `-- name: audit.OldMonths
SELECT c.relname, array_remove(ARRAY[
           format('ALTER TABLE audit_events DETACH PARTITION %I ', c.relname)
               || CASE WHEN i.inhdetachpending THEN 'FINALIZE' WHEN i.inhrelid IS NOT NULL THEN 'CONCURRENTLY' END,
           format('DROP TABLE %I', c.relname)], NULL)
  FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
   AND c.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$' AND c.relname::text COLLATE "C" < $1
 ORDER BY c.relname`, partitionName(before))
		if err != nil || len(old) == 0 {
			return err
		}
		err = l.Record(ctx, l.db, Event{Action: EventsDropped, Details: map[string]string{droppedBefore: before.Format(time.RFC3339)}})
		if err != nil {
			return err
		}
		for _, m := range old {
			for _, sql := range m.drop {
				if err := db.Exec(ctx, conn, sql); err != nil {
					return err
				}
			}
			l.log.Info("audit month dropped", "month", m.name)
		}
		return nil
	})
}
