package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// seal is a link of the chain: the events it covers and a keyed hash over the
// seal before and all of them.
type seal struct {
	id       int64
	at       time.Time
	events   []uuid.UUID
	first    time.Time // of the oldest event
	last     time.Time // of the newest event
	digest   []byte
	previous []byte
	hash     []byte
	keyID    string
}

const (
	sealEvery = 30 * time.Second
	// sealMost bounds one seal; what is over goes into the next one.
	sealMost = 10_000
	// sealOverlap is how long a transaction may take to commit its event: an
	// event that becomes visible later than this is found unsealed.
	sealOverlap = time.Hour
)

// digestOf is a SHA-256 over the events' canonical bytes with their MACs.
func digestOf(events []sealed) []byte {
	h := sha256.New()
	for _, e := range events {
		h.Write(appendField(appendField(nil, string(canonical(e.Event))), string(e.mac)))
	}
	return h.Sum(nil)
}

// sum is the hash of the seal under a key.
func (s seal) sum(key []byte) []byte {
	b := appendField([]byte{1}, strconv.FormatInt(s.id, 10))
	b = appendField(b, strconv.FormatInt(s.at.UnixMicro(), 10))
	b = appendField(b, strconv.Itoa(len(s.events)))
	for _, id := range s.events {
		b = append(b, id[:]...)
	}
	b = appendField(b, strconv.FormatInt(s.first.UnixMicro(), 10))
	b = appendField(b, strconv.FormatInt(s.last.UnixMicro(), 10))
	b = appendField(b, string(s.digest))
	b = appendField(b, string(s.previous))
	b = appendField(b, s.keyID)
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(nil)
}

// sealedMessage begins the log line of each seal; `audit verify --log` looks
// for it.
const sealedMessage = "audit sealed"

const sealPurpose = "audit-seal"

const sealColumns = `id, at, event_ids, first_at, last_at, digest, previous_hash, hash, key_id`

func scanSeal(row pgx.Row) (s seal, err error) {
	err = row.Scan(&s.id, &s.at, &s.events, &s.first, &s.last, &s.digest, &s.previous, &s.hash, &s.keyID)
	return s, err
}

// sealed is an event as it is stored, with what its row claims of itself.
type sealed struct {
	Event
	keyID string
	mac   []byte
}

const storedColumns = `id, at, actor_user, actor_session, actor_key, action, target, outcome, address, request_id, details, key_id, mac`

func scanStored(row pgx.Row) (s sealed, err error) {
	var e Entry
	err = row.Scan(&e.ID, &e.At, &e.ActorUser, &e.Session, &e.Key, &e.Action, &e.Target, &e.Outcome,
		&e.Address, &e.RequestID, &e.Details, &s.keyID, &s.mac)
	s.Event = e.event()
	return s, err
}

// event is the entry as the MAC was made over it.
func (e Entry) event() Event {
	id := func(p *uuid.UUID) uuid.UUID {
		if p == nil {
			return uuid.Nil
		}
		return *p
	}
	v := Event{
		Actor:  Actor{User: id(e.ActorUser), Session: id(e.Session), Key: id(e.Key)},
		Action: e.Action, Target: id(e.Target), Outcome: e.Outcome, Details: e.Details,
		id: e.ID, at: e.At, requestID: e.RequestID,
	}
	if e.Address != nil {
		v.address = *e.Address
	}
	return v
}

// sealNew seals every committed event that no seal lists yet, and logs each
// seal: the log is where a cut tail of the chain shows. Nothing new, no seal.
// The job runner lets one worker do it at a time; the primary key refuses a
// second seal of the same number all the same.
func (l *Log) sealNew(ctx context.Context) error {
	for {
		n, err := l.sealOnce(ctx)
		if err != nil || n < sealMost {
			return err
		}
	}
}

func (l *Log) sealOnce(ctx context.Context) (n int, err error) {
	var made seal
	err = l.db.InTx(ctx, func(tx pgx.Tx) error {
		last, err := lastSeal(ctx, tx)
		if err != nil {
			return err
		}
		since := last.at
		if len(last.events) == sealMost {
			since = last.last // it was full: a backlog goes on where it stopped
		}
		// A seal that a clock dated ahead must not hide what happens until then.
		if now := time.Now(); since.After(now) {
			since = now
		}
		since = since.Add(-sealOverlap)
		events, err := db.All(ctx, tx, scanStored, `
-- name: audit.Unsealed
SELECT `+storedColumns+`
  FROM audit_events
 WHERE at >= $1
   AND id NOT IN (SELECT unnest(event_ids) FROM audit_seals WHERE last_at >= $1)
 ORDER BY at, id
 LIMIT $2`, since, sealMost)
		if n = len(events); err != nil || n == 0 {
			return err
		}
		made = l.chain(last, events)
		_, err = db.Exec(ctx, tx, `
-- name: audit.InsertSeal
INSERT INTO audit_seals (`+sealColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			made.id, made.at, made.events, made.first, made.last, made.digest, made.previous, made.hash, made.keyID)
		return err
	})
	if err == nil && n > 0 {
		l.log.Info(sealedMessage, "seal", made.id, "events", n, "hash", hex.EncodeToString(made.hash))
	}
	return n, err
}

// lastSeal is the newest seal; before the first one a seal 0 of no hash.
func lastSeal(ctx context.Context, q db.Querier) (seal, error) {
	found, err := db.All(ctx, q, scanSeal, `
-- name: audit.LastSeal
SELECT `+sealColumns+` FROM audit_seals ORDER BY id DESC LIMIT 1`)
	if err != nil || len(found) == 0 {
		return seal{at: time.Unix(0, 0), hash: []byte{}}, err
	}
	return found[0], nil
}

// chain makes the seal of events behind last.
func (l *Log) chain(last seal, events []sealed) seal {
	key := l.keys(sealPurpose)[0]
	s := seal{
		id: last.id + 1, at: time.Now().UTC().Truncate(time.Microsecond),
		first: events[0].at, last: events[len(events)-1].at,
		digest: digestOf(events), previous: last.hash, keyID: keyID(key),
	}
	for _, e := range events {
		s.events = append(s.events, e.id)
	}
	s.hash = s.sum(key)
	return s
}

// Seal is a seal as it is shown.
type Seal struct {
	ID           int64     `json:"id"`
	At           time.Time `json:"at"`
	Events       int       `json:"events"`
	Hash         string    `json:"hash"`
	PreviousHash string    `json:"previous_hash"`
}

func (l *Log) listSeals(w http.ResponseWriter, r *http.Request) error {
	page, err := httpx.PageOf(r)
	if err != nil {
		return err
	}
	after := int64(1<<63 - 1)
	if page.After != nil {
		if after, err = strconv.ParseInt(page.After[0], 10, 64); err != nil {
			return httpx.ErrInvalidCursor
		}
	}
	shown, err := db.All(r.Context(), l.db, func(row pgx.Row) (s Seal, err error) {
		err = row.Scan(&s.ID, &s.At, &s.Events, &s.Hash, &s.PreviousHash)
		s.At = s.At.UTC()
		return s, err
	}, `
-- name: audit.Seals
SELECT id, at, cardinality(event_ids), encode(hash, 'hex'), encode(previous_hash, 'hex')
  FROM audit_seals
 WHERE id < $1
 ORDER BY id DESC
 LIMIT $2`, after, page.Limit+1)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, httpx.ListOf(page, shown, func(s Seal) []string {
		return []string{strconv.FormatInt(s.ID, 10)}
	}))
}
