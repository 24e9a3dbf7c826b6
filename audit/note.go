package audit

import (
	"context"
	"sync"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

const (
	queueLength   = 8192 // events; beyond it they are dropped and counted
	batchLength   = 256  // a few milliseconds of PostgreSQL's time
	batchInterval = 200 * time.Millisecond
)

// Note queues e and returns at once. When the queue is full the event is
// dropped and counted: a reader is never held up by its own record.
func (l *Log) Note(ctx context.Context, e Event) {
	if !l.notes.Add(e.By(ctx)) {
		l.lost.Add(1)
	}
}

// Figures are what this process tells of its notes.
func (l *Log) Figures(context.Context) ([]httpx.Figure, error) {
	return []httpx.Figure{
		{Name: "homebase_audit_queue_events", Help: "Audit events waiting to be written.", Value: float64(l.notes.Waiting())},
		{Name: "homebase_audit_lost_events_total", Help: "Audit events that were lost.", Value: float64(l.lost.Load())},
	}, nil
}

// Run writes noted events until ctx ends, then what is still queued, and makes
// the partitions of the months to come. A kill loses at most one interval of
// notes, never anything that Record wrote.
func (l *Log) Run(ctx context.Context) {
	var ahead sync.WaitGroup
	defer ahead.Wait()
	ahead.Go(func() {
		for db.Sleep(ctx, time.Hour) {
			if err := l.Start(ctx); err != nil {
				l.log.Error("cannot create the audit log's tables for the coming months", "error", err)
			}
		}
	})
	l.notes.Run(ctx)
}

// write stores a batch by COPY, which at 20,000 events a second keeps twice as
// many as insertEvents does. What it cannot store is lost and counted: keeping
// it would let a dead database eat the memory.
func (l *Log) write(ctx context.Context, batch []Event) error {
	if len(batch) == 0 {
		return nil
	}
	err := l.months.ensure(ctx, l.db, batch[len(batch)-1].made.At)
	if err == nil {
		sign := l.signer()
		err = l.db.InTx(ctx, func(tx pgx.Tx) error {
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"audit_events"}, eventColumns,
				pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) { return sign.row(batch[i]), nil }))
			return err
		})
	}
	if err != nil {
		l.lost.Add(int64(len(batch)))
		l.log.Error("audit events lost", "events", len(batch), "error", err)
	}
	return nil
}
