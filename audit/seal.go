package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// seal is a link of the chain: the events that it covers, and a keyed hash over them
// and the seal before. It is exported as it is; ID distinguishes its line from an
// event's.
type seal struct {
	ID       int64       `json:"seal"`
	At       time.Time   `json:"at"`
	Events   []uuid.UUID `json:"event_ids"`
	First    time.Time   `json:"first_at"` // of the oldest event
	Last     time.Time   `json:"last_at"`  // of the newest event
	Digest   hexBytes    `json:"digest"`
	Previous hexBytes    `json:"previous_hash"`
	Hash     hexBytes    `json:"hash"`
	KeyID    string      `json:"key_id"`
}

const (
	sealEvery = 30 * time.Second
	// sealMost is the most events of a seal; the rest goes into the next one.
	sealMost = 10_000
	// Events do not become visible in the order of their times: by then one is as
	// old as its transaction is long. So each look for new events goes back by
	// sealOverlap, and each look for late ones by an hour. An event that becomes
	// visible more than three quarters of an hour late may be missed by both, and
	// Verify reports it.
	sealOverlap     = 10 * time.Second
	lateEvery       = 10 * time.Minute
	sealLateOverlap = time.Hour

	// lockSeals is the advisory lock under which a seal is made.
	lockSeals = "110, 1"
)

// digestOf is a SHA-256 over the events' canonical bytes with their MACs.
func digestOf(events []stored) []byte {
	h := sha256.New()
	for _, e := range events {
		h.Write(appendField(appendField(nil, canonical(e.Entry)), e.MAC))
	}
	return h.Sum(nil)
}

// sum is the hash of the seal under a key.
func (s seal) sum(key []byte) []byte {
	b := appendField([]byte{1}, strconv.FormatInt(s.ID, 10))
	b = appendField(b, strconv.FormatInt(s.At.UnixMicro(), 10))
	b = appendField(b, strconv.Itoa(len(s.Events)))
	for _, id := range s.Events {
		b = append(b, id[:]...)
	}
	b = appendField(b, strconv.FormatInt(s.First.UnixMicro(), 10))
	b = appendField(b, strconv.FormatInt(s.Last.UnixMicro(), 10))
	b = appendField(b, s.Digest)
	b = appendField(b, s.Previous)
	b = appendField(b, s.KeyID)
	return mac(key, b)
}

// sealedMessage is the message of each seal's log line, which `audit verify --log`
// looks for.
const sealedMessage = "audit sealed"

const sealPurpose = "audit-seal"

const sealColumns = `id, at, event_ids, first_at, last_at, digest, previous_hash, hash, key_id`

var scanSeal = db.RowOf(func(s *seal) []any {
	return []any{&s.ID, &s.At, &s.Events, &s.First, &s.Last, &s.Digest, &s.Previous, &s.Hash, &s.KeyID}
})

// stored is an event as the table and an export hold it, with what its row claims
// of itself.
type stored struct {
	Entry
	KeyID string   `json:"key_id"`
	MAC   hexBytes `json:"mac"`
}

var scanStored = db.RowOf(func(s *stored) []any { return append(s.columns(), &s.KeyID, &s.MAC) })

// sealJob is a job that seals every committed event that no seal lists yet, looking
// back by overlap. It logs each seal, because only the log shows that the end of
// the chain was cut off. If there is nothing new, there is no seal. A backlog takes
// several seals, each of which begins where the one before ended, so that no event
// is looked at twice.
func (l *Log) sealJob(name string, every, overlap time.Duration) db.Job {
	return db.Job{Name: name, Every: every, Run: func(ctx context.Context) error {
		last, err := lastSeal(ctx, l.db)
		from := last.end(overlap)
		for n := sealMost; err == nil && n == sealMost; {
			n, from, err = l.sealOnce(ctx, from)
		}
		return err
	}, Needed: func(ctx context.Context) (bool, error) {
		last, err := lastSeal(ctx, l.db)
		if err != nil {
			return false, err
		}
		events, err := l.unsealed(ctx, l.db, last.end(overlap), 1)
		return len(events) > 0, err
	}}
}

// end is where to look for events that are newer than the seal, or older by at most
// overlap.
func (s seal) end(overlap time.Duration) cursor {
	end := s.At
	if len(s.Events) == sealMost {
		end = s.Last // it was full: the backlog continues where it stopped
	}
	// A seal dated in the future by a wrong clock must not hide events until then.
	if now := time.Now(); end.After(now) {
		end = now
	}
	return cursor{At: instant(end.Add(-overlap))}
}

// sealOnce makes one seal of the events after from, and returns where it ended.
func (l *Log) sealOnce(ctx context.Context, from cursor) (n int, to cursor, err error) {
	var made seal
	err = l.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := db.Exec(ctx, tx, `-- name: audit.LockSeals
SELECT pg_advisory_xact_lock(`+lockSeals+`)`); err != nil {
			return err
		}
		last, err := lastSeal(ctx, tx)
		if err != nil {
			return err
		}
		events, err := l.unsealed(ctx, tx, from, sealMost)
		if n = len(events); err != nil || n == 0 {
			return err
		}
		to = events[n-1].cursor()
		made = l.chain(last, events)
		return db.Exec(ctx, tx, `-- name: audit.InsertSeal
INSERT INTO audit_seals (`+sealColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			made.ID, made.At, made.Events, made.First, made.Last, made.Digest, made.Previous, made.Hash, made.KeyID)
	})
	if err == nil && n > 0 {
		l.log.Info(sealedMessage, "seal", made.ID, "events", n, "hash", hex.EncodeToString(made.Hash))
	}
	return n, to, err
}

// unsealed are the first events after from that no seal lists.
func (l *Log) unsealed(ctx context.Context, q db.Querier, from cursor, most int) ([]stored, error) {
	return db.All(ctx, q, scanStored, `-- name: audit.Unsealed
SELECT `+entryColumns+`, key_id, mac
  FROM audit_events
 WHERE at >= $1 AND (at, id) > ($1, $2)
   AND id NOT IN (SELECT unnest(event_ids) FROM audit_seals WHERE last_at >= $1)
 ORDER BY at, id
 LIMIT $3`, from.At, from.ID, most)
}

// lastSeal is the newest seal; before the first one it is a seal 0 without a hash.
func lastSeal(ctx context.Context, q db.Querier) (seal, error) {
	found, err := db.All(ctx, q, scanSeal, `-- name: audit.LastSeal
SELECT `+sealColumns+` FROM audit_seals ORDER BY id DESC LIMIT 1`)
	if err != nil || len(found) == 0 {
		return seal{At: time.Unix(0, 0), Hash: []byte{}}, err
	}
	return found[0], nil
}

// chain makes the seal of events that follows last.
func (l *Log) chain(last seal, events []stored) seal {
	key := l.keys(sealPurpose)[0]
	s := seal{
		ID: last.ID + 1, At: time.Now().UTC().Truncate(time.Microsecond),
		First: events[0].At, Last: events[len(events)-1].At,
		Digest: digestOf(events), Previous: last.Hash, KeyID: KeyID(key),
	}
	for _, e := range events {
		s.Events = append(s.Events, e.ID)
	}
	s.Hash = s.sum(key)
	return s
}

// Seal is a seal as clients see it.
type Seal struct {
	ID           int64     `json:"id"`
	At           time.Time `json:"at"`
	Events       int       `json:"events"`
	Hash         string    `json:"hash"`
	PreviousHash string    `json:"previous_hash"`
}

func (l *Log) listSeals(c *httpx.Call, p httpx.Keyset[int64]) ([]Seal, error) {
	scan := db.RowOf(func(s *Seal) []any { return []any{&s.ID, &s.At, &s.Events, &s.Hash, &s.PreviousHash} })
	return db.All(c.Context(), l.db, scan, `-- name: audit.Seals
SELECT id, at, cardinality(event_ids), encode(hash, 'hex'), encode(previous_hash, 'hex')
  FROM audit_seals
 WHERE id < $1
 ORDER BY id DESC
 LIMIT $2`, p.After(1<<63-1), p.Limit)
}
