package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"homebase/cli"

	"github.com/google/uuid"
)

// Report is what a verification found.
type Report struct {
	Seals         int        `json:"seals"`
	Events        int        `json:"events"`         // proven by a seal
	Dropped       int        `json:"dropped"`        // seals that lost events to retention
	DroppedBefore *time.Time `json:"dropped_before"` // as retention recorded it
	Unsealed      int        `json:"unsealed"`       // events too new for a seal
	Findings      []string   `json:"findings"`
	LastSeal      string     `json:"last_seal"` // its hash, to be kept for the next verification
	// ProvenTo is the newest seal of the chain that was also kept elsewhere.
	ProvenTo int64 `json:"proven_to"`
}

func (r *Report) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// verification walks along a chain. It trusts nothing without a MAC, and keeps only
// events in memory that wait for their seal.
type verification struct {
	Report
	log       *Log
	witnesses Witnesses
	last      seal
	newest    *Entry               // event
	waiting   map[uuid.UUID]stored // read, and listed by no seal so far
	holes     []hole
	dropped   time.Time // retention recorded that everything before it is gone
}

// hole is what is missing from a seal.
type hole struct {
	seal    int64
	missing int
	of      int
	newest  time.Time
}

// Verify verifies the chain in the database.
func (l *Log) Verify(ctx context.Context, witnesses Witnesses) (*Report, error) {
	v := l.verification(witnesses)
	if err := l.walk(ctx, v.event, v.seal); err != nil {
		return nil, err
	}
	return v.report(), nil
}

func (l *Log) verification(witnesses Witnesses) *verification {
	return &verification{
		Report: Report{Findings: []string{}}, log: l, witnesses: witnesses,
		last: seal{Hash: []byte{}}, waiting: map[uuid.UUID]stored{},
	}
}

// event takes the next event. Each is later than the one before, which leaves no
// place for a second copy.
func (v *verification) event(e stored) error {
	switch key := v.log.key(keyPurpose, e.KeyID); {
	case v.newest != nil && v.newest.compare(e.Entry) >= 0:
		v.find("event %s appears twice or out of order", e.ID)
		return nil
	case key == nil:
		v.find("event %s was made with the secret %s, which is not configured", e.ID, e.KeyID)
	case !hmac.Equal(e.MAC, mac(key, canonical(e.Entry))):
		v.find("event %s was inserted or edited", e.ID)
	default:
		v.waiting[e.ID] = e
		if before, err := time.Parse(time.RFC3339, e.Details[droppedBefore]); err == nil && e.Action == EventsDropped && before.After(v.dropped) {
			v.dropped = before
		}
	}
	v.newest = &e.Entry
	return nil
}

// seal takes the next seal, after the events that it lists.
func (v *verification) seal(s seal) error {
	v.Seals++
	v.LastSeal = hex.EncodeToString(s.Hash)
	if _, ok := v.witnesses[v.LastSeal]; ok {
		delete(v.witnesses, v.LastSeal)
		v.ProvenTo = s.ID
	}
	if s.ID != v.last.ID+1 {
		v.find("seal %d follows seal %d: seals between them were removed, or one was put in", s.ID, v.last.ID)
	} else if !bytes.Equal(s.Previous, v.last.Hash) {
		v.find("seal %d does not continue seal %d: one of them was replaced", s.ID, v.last.ID)
	}
	v.last = s
	if key := v.log.key(sealPurpose, s.KeyID); key == nil {
		v.find("seal %d was made with the secret %s, which is not configured", s.ID, s.KeyID)
	} else if !hmac.Equal(s.Hash, s.sum(key)) {
		v.find("seal %d was edited", s.ID)
	}
	listed := make([]stored, 0, len(s.Events))
	gap := hole{seal: s.ID, of: len(s.Events)}
	for _, id := range s.Events {
		if e, ok := v.waiting[id]; ok {
			listed = append(listed, e)
			delete(v.waiting, id)
			continue
		}
		gap.missing++
		if made := timeOf(id); made.After(gap.newest) {
			gap.newest = made
		}
	}
	v.Events += len(listed)
	if gap.missing > 0 {
		v.holes = append(v.holes, gap)
	} else if !bytes.Equal(s.Digest, digestOf(listed)) {
		v.find("the events of seal %d are not the ones that were sealed, or are out of order", s.ID)
	}
	return nil
}

// report decides what is known only at the end of the chain.
func (v *verification) report() *Report {
	if !v.dropped.IsZero() {
		v.DroppedBefore = &v.dropped
	}
	for _, h := range v.holes {
		if h.newest.Before(v.dropped) {
			v.Dropped++
		} else {
			v.find("seal %d: %d of %s missing or edited, and no record of retention covers them", h.seal, h.missing, cli.Count(h.of, "event", "events"))
		}
	}
	v.Unsealed = len(v.waiting)
	due := time.Now()
	if v.last.At.Before(due) {
		due = v.last.At
	}
	for _, e := range slices.SortedFunc(maps.Values(v.waiting), func(a, b stored) int { return a.compare(b.Entry) }) {
		if e.At.Before(due.Add(-sealLateOverlap)) {
			v.find("event %s of %s is listed by no seal, though seal %d is newer: its seal was replaced", e.ID, e.At.Format(time.RFC3339), v.last.ID)
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(v.witnesses)) {
		v.find("%s with the hash %s is not in the chain: the newest seals were removed or replaced", v.witnesses[hash], hash)
	}
	return &v.Report
}

// key is the key for a purpose with this id, nil if it is unknown.
func (l *Log) key(purpose, id string) []byte {
	keys := l.keys(purpose)
	if i := slices.IndexFunc(keys, func(k []byte) bool { return KeyID(k) == id }); i >= 0 {
		return keys[i]
	}
	return nil
}

// newID makes an id that contains the millisecond of at. A seal lists only ids, so
// the id is what shows when a missing event was made.
func newID(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	low := binary.BigEndian.Uint64(id[:8]) & 0xffff
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|low)
	return id
}

func timeOf(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
}
