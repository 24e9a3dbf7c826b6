package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"homebase/db"

	"github.com/google/uuid"
)

// archive is where a chain is read from: the database or an exported file.
type archive interface {
	// seals gives every seal in order.
	seals(ctx context.Context, give func(seal) error) error
	// events gives the events with these ids, as far as they are there, in
	// any order; all were made between from and to.
	events(ctx context.Context, ids []uuid.UUID, from, to time.Time) ([]sealed, error)
	// unlisted gives the events that no seal lists.
	unlisted(ctx context.Context, give func(sealed) error) error
	// dropped reports whether the events made at t are gone by retention.
	dropped(ctx context.Context, t time.Time) (bool, error)
}

// Report is what a verification found.
type Report struct {
	Seals    int      `json:"seals"`
	Events   int      `json:"events"`
	Dropped  int      `json:"dropped"`  // seals whose events retention has dropped
	Unsealed int      `json:"unsealed"` // events too new for a seal
	Findings []string `json:"findings"`
	LastSeal string   `json:"last_seal"` // hash, to be given to the next verification

	known map[int64]string // seal → hash
}

func (r *Report) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// verify walks the chain. It finds an event that was edited, removed,
// inserted or reordered and names the seal that says so.
func (l *Log) verify(ctx context.Context, from archive) (*Report, error) {
	r := &Report{Findings: []string{}, known: map[int64]string{}}
	last := seal{hash: []byte{}}
	err := from.seals(ctx, func(s seal) error {
		r.Seals++
		r.known[s.id] = hex.EncodeToString(s.hash)
		r.LastSeal = r.known[s.id]
		if s.id != last.id+1 {
			r.find("seal %d follows seal %d: seals between them were removed", s.id, last.id)
		} else if !bytes.Equal(s.previous, last.hash) {
			r.find("seal %d does not continue seal %d: one of them was replaced", s.id, last.id)
		}
		last = s
		if key := l.sealKey(s.keyID); key == nil {
			r.find("seal %d was made with the secret %s, which is not configured", s.id, s.keyID)
		} else if !hmac.Equal(s.hash, s.sum(key)) {
			r.find("seal %d was edited", s.id)
		}
		return l.verifyEvents(ctx, from, s, r)
	})
	if err != nil {
		return nil, err
	}
	err = from.unlisted(ctx, func(e sealed) error {
		r.Unsealed++
		switch {
		case !l.genuine(e):
			r.find("event %s, which no seal lists, was inserted or edited", e.id)
		case e.at.Before(last.at.Add(-sealOverlap)):
			r.find("event %s of %s is listed by no seal, though seal %d is newer: it was inserted, or its seal was replaced", e.id, e.at.UTC().Format(time.RFC3339), last.id)
		}
		return nil
	})
	return r, err
}

func (l *Log) verifyEvents(ctx context.Context, from archive, s seal, r *Report) error {
	found, err := from.events(ctx, s.events, s.first, s.last)
	if err != nil {
		return err
	}
	byID := map[uuid.UUID]sealed{}
	for _, e := range found {
		byID[e.id] = e
	}
	inOrder := make([]sealed, 0, len(s.events))
	missing, sound := 0, true
	for _, id := range s.events {
		e, there := byID[id]
		if !there {
			missing++
			continue
		}
		if !l.genuine(e) {
			r.find("event %s of seal %d was edited", id, s.id)
			sound = false
		}
		inOrder = append(inOrder, e)
	}
	r.Events += len(inOrder)
	if missing > 0 {
		gone, err := from.dropped(ctx, s.first)
		if err != nil {
			return err
		}
		if gone {
			r.Dropped++
			return nil
		}
		r.find("%d of the %d events of seal %d were removed, or their id or time was edited", missing, len(s.events), s.id)
		return nil
	}
	if sound && !bytes.Equal(s.digest, digestOf(inOrder)) {
		r.find("the events of seal %d are not those that were sealed, or not in their order", s.id)
	}
	return nil
}

// genuine reports whether an event's MAC is that of its own bytes.
func (l *Log) genuine(e sealed) bool {
	for _, key := range l.keys(keyPurpose) {
		if keyID(key) == e.keyID {
			return hmac.Equal(e.mac, mac(key, e.Event))
		}
	}
	return false
}

func (l *Log) sealKey(id string) []byte {
	keys := l.keys(sealPurpose)
	if i := slices.IndexFunc(keys, func(k []byte) bool { return keyID(k) == id }); i >= 0 {
		return keys[i]
	}
	return nil
}

// stored is the archive in the database.
type stored struct {
	db        *db.DB
	retention time.Duration
}

func (a stored) seals(ctx context.Context, give func(seal) error) error {
	for after := int64(-1 << 63); ; {
		// A seal may list thousands of ids: a few at a time.
		page, err := db.All(ctx, a.db, scanSeal, `
-- name: audit.SealsInOrder
SELECT `+sealColumns+` FROM audit_seals WHERE id > $1 ORDER BY id LIMIT 20`, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			if err := give(s); err != nil {
				return err
			}
			after = s.id
		}
	}
}

func (a stored) events(ctx context.Context, ids []uuid.UUID, from, to time.Time) ([]sealed, error) {
	return db.All(ctx, a.db, scanStored, `
-- name: audit.SealedEvents
SELECT `+storedColumns+`
  FROM audit_events
 WHERE at BETWEEN $1 AND $2 AND id = ANY ($3)`, from, to, ids)
}

func (a stored) unlisted(ctx context.Context, give func(sealed) error) error {
	last := before{time.Unix(0, 0), uuid.Nil}
	for {
		page, err := db.All(ctx, a.db, scanStored, `
-- name: audit.Unlisted
SELECT `+storedColumns+`
  FROM audit_events
 WHERE (at, id) > ($1, $2) AND id NOT IN (SELECT unnest(event_ids) FROM audit_seals)
 ORDER BY at, id
 LIMIT $3`, last.at, last.id, exportBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := give(e); err != nil {
				return err
			}
			last = before{e.at, e.id}
		}
	}
}

// dropped: retention drops whole months that are old enough, so that no
// partition is left. A younger month that is gone was removed.
func (a stored) dropped(ctx context.Context, t time.Time) (bool, error) {
	if a.retention == 0 || partitionName(t) >= partitionName(time.Now().Add(-a.retention)) {
		return false, nil
	}
	attached, err := db.One(ctx, a.db, db.Value[bool], partitionAttached, partitionName(t))
	return !attached, err
}
