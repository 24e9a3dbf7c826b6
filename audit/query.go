package audit

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Entry is an event as it is read back.
type Entry struct {
	ID        uuid.UUID         `json:"id"`
	At        time.Time         `json:"at"`
	ActorUser *uuid.UUID        `json:"actor_user_id"`
	Session   *uuid.UUID        `json:"actor_session_id"`
	Key       *uuid.UUID        `json:"actor_key_id"`
	Action    Action            `json:"action"`
	Target    *uuid.UUID        `json:"target_id"`
	Outcome   Outcome           `json:"outcome"`
	Address   *netip.Addr       `json:"address"`
	RequestID string            `json:"request_id"`
	Details   map[string]string `json:"details"`
}

const entryColumns = `id, at, actor_user, actor_session, actor_key, action, target, outcome, address, request_id, details`

func (e *Entry) columns() []any {
	return []any{&e.ID, &e.At, &e.ActorUser, &e.Session, &e.Key, &e.Action, &e.Target, &e.Outcome, &e.Address, &e.RequestID, &e.Details}
}

var scanEntry = db.RowOf((*Entry).columns)

// cursor is the position of an entry in the order of time.
type cursor struct {
	At pgtype.Timestamptz `json:"at"`
	ID uuid.UUID          `json:"id"`
}

func (e Entry) cursor() cursor { return cursor{instant(e.At), e.ID} }

func instant(t time.Time) pgtype.Timestamptz { return pgtype.Timestamptz{Time: t, Valid: true} }

// oldest and newest are before and behind every entry, whatever time it claims.
var (
	oldest = cursor{At: pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}
	newest = cursor{pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, uuid.Max}
)

// filter is what GET /audit/events and its export can filter by.
type filter struct {
	actor, target *uuid.UUID
	action        *string
	from, to      *time.Time
}

var filterParameters = []string{"actor", "action", "target", "from", "to"}

func filterOf(q url.Values) (f filter, err error) {
	id := func(name string) *uuid.UUID {
		if !q.Has(name) {
			return nil
		}
		v, bad := uuid.Parse(q.Get(name))
		if bad != nil || len(q.Get(name)) != 36 {
			err = httpx.ErrInvalidParameter.With(name + " must be an id.")
		}
		return &v
	}
	at := func(name string) *time.Time {
		if !q.Has(name) {
			return nil
		}
		v, bad := time.Parse(time.RFC3339, q.Get(name))
		if bad != nil {
			err = httpx.ErrInvalidParameter.With(name + " must be a time such as 2026-11-24T08:00:00Z.")
		}
		return &v
	}
	f.actor, f.target, f.from, f.to = id("actor"), id("target"), at("from"), at("to")
	if q.Has("action") {
		f.action = new(q.Get("action"))
	}
	return f, err
}

// passes is the SQL condition that an event passes a filter, whose five parameters
// are $3 to $7.
const passes = `($3::uuid IS NULL OR actor_user = $3)
   AND ($4::uuid IS NULL OR target = $4)
   AND ($5::text IS NULL OR action = $5)
   AND ($6::timestamptz IS NULL OR at >= $6)
   AND ($7::timestamptz IS NULL OR at < $7)`

// Routes are the operations of this room.
func (l *Log) Routes() []httpx.Route {
	read, invalid := httpx.Needs("audit:read").OrOperator(), httpx.Problems{httpx.ErrInvalidParameter}
	return []httpx.Route{
		{Pattern: "GET /audit/events", Access: read, Rate: httpx.RateRead, Query: append([]string{"limit", "cursor"}, filterParameters...),
			Summary: "Events, newest first", Do: httpx.Pages(l.listEvents, Entry.cursor), Problems: invalid},
		{Pattern: "GET /audit/events/export", Access: read, Rate: httpx.RateDownload, Query: filterParameters,
			Summary: "Events, oldest first, as JSON lines", Responses: []httpx.Response{{Status: http.StatusOK, Type: jsonLines}},
			Problems: invalid, Handler: l.exportEvents},
		{Pattern: "GET /audit/me", Access: httpx.SignedIn(), Rate: httpx.RateRead,
			Summary: "Your security history, newest first", Do: httpx.Pages(l.listOwn, Entry.cursor), Problems: invalid},
		{Pattern: "GET /audit/seals", Access: read, Rate: httpx.RateRead,
			Summary: "The chain that proves the events, newest first", Do: httpx.Pages(l.listSeals, func(s Seal) int64 { return s.ID }), Problems: invalid},
	}
}

const jsonLines = "application/jsonl"

func (l *Log) listEvents(c *httpx.Call, p httpx.Keyset[cursor]) ([]Entry, error) {
	f, err := filterOf(c.URL.Query())
	if err != nil {
		return nil, err
	}
	before := p.After(newest)
	return db.All(c.Context(), l.db, scanEntry, `-- name: audit.Events
SELECT `+entryColumns+`
  FROM audit_events
 WHERE (at, id) < ($1, $2) AND `+passes+`
 ORDER BY at DESC, id DESC
 LIMIT $8`, before.At, before.ID, f.actor, f.target, f.action, f.from, f.to, p.Limit)
}

// listOwn shows what the caller did and what was done to the caller's account,
// without everyday work on files.
func (l *Log) listOwn(c *httpx.Call, p httpx.Keyset[cursor]) ([]Entry, error) {
	before := p.After(newest)
	return db.All(c.Context(), l.db, scanEntry, `-- name: audit.Own
(SELECT `+entryColumns+`
   FROM audit_events
  WHERE actor_user = $1 AND (at, id) < ($2, $3) AND action NOT LIKE 'file.%' AND action NOT LIKE 'folder.%'
  ORDER BY at DESC, id DESC LIMIT $4)
UNION
(SELECT `+entryColumns+`
   FROM audit_events
  WHERE target = $1 AND (at, id) < ($2, $3) AND action NOT LIKE 'file.%' AND action NOT LIKE 'folder.%'
  ORDER BY at DESC, id DESC LIMIT $4)
 ORDER BY at DESC, id DESC LIMIT $4`, c.Caller.UserID, before.At, before.ID, p.Limit)
}

func (l *Log) exportEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonLines)
	out := json.NewEncoder(w)
	for e, err := range l.events(r.Context(), f) {
		if err == nil {
			err = out.Encode(e.Entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
