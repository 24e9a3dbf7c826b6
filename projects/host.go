package projects

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Host is all that an app gets from the platform besides the packages auth, audit, db
// and httpx; httpx.CallerOf says who calls.
type Host struct {
	Log *slog.Logger
	// Origins are those of the frontends, as the Origin header names them.
	Origins []string

	p      *Projects
	app    App
	shares []chan struct{} // of the pool: its own, then that of all apps
}

// namespace is the app's PostgreSQL schema and role.
func (h *Host) namespace() string { return "app_" + h.app.Name }

// shareWait is how long a transaction waits for the app's share of the pool.
const shareWait = time.Second

// Tx is a transaction in the app's own schema.
type Tx struct {
	pgx.Tx
	events []audit.Event
}

// Audit records an act of the app in the transaction: target is the id of what was
// acted on, details are a few short facts without names or secrets.
func (tx *Tx) Audit(act string, target uuid.UUID, details map[string]string) {
	all := map[string]string{"act": act}
	maps.Copy(all, details)
	tx.events = append(tx.events, audit.Event{Action: audit.AppAct, Target: target, Details: all})
}

// InTx is db.InTx in the app's own schema. A statement may take five seconds, and the
// transaction may be idle for ten; a job that needs longer uses SET LOCAL
// statement_timeout. If the app's share of the pool is used up, the error is
// httpx.ErrBusy.
func (h *Host) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	const bounds = `-- name: projects.Bounds
		SELECT set_config('statement_timeout', '5s', true), set_config('idle_in_transaction_session_timeout', '10s', true)`
	release, err := h.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	return h.p.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := db.Exec(ctx, tx, bounds); err != nil {
			return err
		}
		t := &Tx{Tx: tx}
		if err := db.InNamespace(ctx, tx, h.namespace(), func() error { return fn(t) }); err != nil {
			return err
		}
		for _, e := range t.events {
			e.Details["app"] = h.app.Name
			if err := h.p.Audit.Record(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// take waits for a connection of the app's share and of that of all apps.
func (h *Host) take(ctx context.Context) (release func(), err error) {
	wait, cancel := context.WithTimeout(ctx, shareWait)
	defer cancel()
	held := 0
	release = func() {
		for _, share := range h.shares[:held] {
			<-share
		}
	}
	for ; held < len(h.shares); held++ {
		select {
		case h.shares[held] <- struct{}{}:
		case <-wait.Done():
			release()
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, httpx.ErrBusy
		}
	}
	return release, nil
}

// Open opens a file of the caller, who needs files:read. For a file that is not
// theirs the error is httpx.ErrNotFound or db.ErrNotFound. Close the file.
func (h *Host) Open(ctx context.Context, id uuid.UUID) (File, error) { return h.p.Open(ctx, id) }
