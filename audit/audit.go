// Package audit records what happens to people's accounts and files: who did what,
// to which id, from where, and with what outcome. It never holds the name of a
// file, any content, a secret, or the address of a stranger in clear.
//
// Record writes an event in the transaction of the act itself: if the event cannot
// be written, the act does not happen. Note is for reads, where losing an event is
// better than delaying a download: events are queued, written in batches and
// flushed at shutdown, and those that are lost are counted.
//
// Every event carries a MAC under a key derived from the platform's secret. Every
// half minute a seal, which carries one too, lists the new events and names the
// seal before it. So Verify proves to whoever has the secret that no event or seal
// was edited, and that no event listed by a seal was removed, inserted or
// reordered; only retention, which is an event itself, excuses a missing one.
//
// The chain cannot prove its own end. If its newest seals are removed, or an older copy
// is put back, what is left is a valid chain.
// Only a witness shows the loss, a seal that was kept elsewhere: the server's log
// has a line for each seal, and a verification prints the last one. Events that no
// seal lists yet can be removed without a trace.
package audit

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"log/slog"
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcome is how an act ended.
type Outcome string

const (
	OK     Outcome = "ok"
	Denied Outcome = "denied" // refused: a wrong password, a missing permission
	Failed Outcome = "failed" // allowed, but not possible
)

// Actor is who acted. It is all zero for somebody who is not signed in, for a job,
// and for the server's shell, whose events say "actor": "operator" in their
// details.
type Actor struct {
	User    uuid.UUID
	Session uuid.UUID
	Key     uuid.UUID
}

// Event is one entry of the log. Record and Note fill in its id, time, request id
// and address, and the actor from the request's caller unless it is set.
type Event struct {
	Actor   Actor
	Action  Action
	Target  uuid.UUID // what was acted on; zero if that has no id
	Outcome Outcome   // "" means OK
	// Details are a few short facts, such as {"scope": "all"}, without names or
	// secrets.
	Details map[string]string

	made Entry // by By
}

// Log writes events. Make one per process with New.
type Log struct {
	// Retention is how long events are kept, by whole months; 0 means for ever.
	// Set it before the log is used.
	Retention time.Duration

	db     *db.DB
	log    *slog.Logger
	keys   func(purpose string) [][]byte
	notes  *db.Batches[Event]
	lost   atomic.Int64
	months months
}

// New makes the log; it does not read keys or the database yet. keys returns the
// derived keys for a purpose: the first writes, all verify.
func New(d *db.DB, log *slog.Logger, keys func(purpose string) [][]byte) *Log {
	l := &Log{db: d, log: log, keys: keys}
	l.notes = db.NewBatches(queueLength, batchLength, batchInterval, l.write)
	return l
}

// By adds the time to e, and what every event takes from the request in ctx that
// caused it.
func (e Event) By(ctx context.Context) Event {
	// PostgreSQL stores microseconds, and the MAC must cover what it returns.
	at := time.Now().UTC().Truncate(time.Microsecond)
	if c := httpx.CallerOf(ctx); c != nil && e.Actor == (Actor{}) {
		e.Actor = Actor{User: c.UserID, Session: c.SessionID, Key: c.KeyID}
	}
	details := e.Details
	if e.Actor == (Actor{}) && ctx.Value(operatorKey{}) != nil {
		details = map[string]string{"actor": "operator"}
		maps.Copy(details, e.Details)
	} else if details == nil {
		details = map[string]string{}
	}
	e.made = Entry{
		ID: newID(at), At: at, ActorUser: null(e.Actor.User), Session: null(e.Actor.Session), Key: null(e.Actor.Key),
		Action: e.Action, Target: null(e.Target), Outcome: cmp.Or(e.Outcome, OK), Address: addrOrNull(httpx.ClientAddr(ctx)),
		RequestID: httpx.RequestID(ctx), Details: details,
	}
	return e
}

type operatorKey struct{}

// ByOperator says that what is done under ctx is done by a command in the server's
// shell.
func ByOperator(ctx context.Context) context.Context {
	return context.WithValue(ctx, operatorKey{}, true)
}

// Record writes e through q, the transaction of the act. If Record fails, the act
// must not be committed.
func (l *Log) Record(ctx context.Context, q db.Querier, e Event) error {
	e = e.By(ctx)
	if err := l.months.ensure(ctx, l.db, e.made.At); err != nil {
		return err
	}
	return db.Exec(ctx, q, insertEvents, l.rows(e)...)
}

// Queue is Record for several events, each of which comes from Event.By. It adds one
// statement to a batch that is sent in the transaction of the acts.
func (l *Log) Queue(ctx context.Context, b *pgx.Batch, events ...Event) error {
	for _, e := range events {
		if err := l.months.ensure(ctx, l.db, e.made.At); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		b.Queue(insertEvents, l.rows(events...)...)
	}
	return nil
}

// eventColumns are the columns of row, in order.
var eventColumns = []string{"id", "at", "actor_user", "actor_session", "actor_key", "action", "target", "outcome",
	"address", "request_id", "details", "key_id", "mac"}

const insertEvents = `
-- name: audit.InsertEvents
INSERT INTO audit_events
       (id, at, actor_user, actor_session, actor_key, action, target, outcome,
        address, request_id, details, key_id, mac)
SELECT n.*
  FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[],
              $9::inet[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[]) AS n`

// rows are the arguments of insertEvents, column by column.
func (l *Log) rows(events ...Event) []any {
	columns := make([][]any, len(eventColumns))
	sign := l.signer()
	for _, e := range events {
		for i, value := range sign.row(e) {
			columns[i] = append(columns[i], value)
		}
	}
	args := make([]any, len(columns))
	for i, c := range columns {
		args[i] = c
	}
	return args
}

// signer makes rows under the newest key, for one goroutine.
type signer struct {
	mac   hash.Hash
	keyID any // a string, made an any once for all rows
}

func (l *Log) signer() signer {
	key := l.keys(keyPurpose)[0]
	return signer{hmac.New(sha256.New, key), KeyID(key)}
}

// row is e as a row, with its MAC.
func (s signer) row(event Event) []any {
	e := event.made
	s.mac.Reset()
	s.mac.Write(canonical(e))
	return []any{
		e.ID, e.At, e.ActorUser, e.Session, e.Key, string(e.Action), e.Target, string(e.Outcome), e.Address, e.RequestID,
		e.Details, s.keyID, s.mac.Sum(nil),
	}
}

func null(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func addrOrNull(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	a = a.WithZone("").Unmap()
	return &a
}
