package audit

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// exportedEvent is an event as `homebase audit export` writes it: what the
// API shows and what the proof needs.
type exportedEvent struct {
	Entry
	KeyID string `json:"key_id"`
	MAC   string `json:"mac"`
}

// exportedSeal is a seal in an export; Seal is its number and tells its line
// from an event's.
type exportedSeal struct {
	Seal         int64       `json:"seal"`
	At           time.Time   `json:"at"`
	EventIDs     []uuid.UUID `json:"event_ids"`
	FirstAt      time.Time   `json:"first_at"`
	LastAt       time.Time   `json:"last_at"`
	Digest       string      `json:"digest"`
	PreviousHash string      `json:"previous_hash"`
	Hash         string      `json:"hash"`
	KeyID        string      `json:"key_id"`
}

// Export writes every event and seal as JSON lines: each seal behind the
// events it lists, what is not sealed yet at the end.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	from := stored{l.db, l.Retention}
	out := json.NewEncoder(w)
	event := func(s sealed) error {
		return out.Encode(exportedEvent{s.entry(), s.keyID, hex.EncodeToString(s.mac)})
	}
	err := from.seals(ctx, func(s seal) error {
		events, err := from.events(ctx, s.events, s.first, s.last)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := event(e); err != nil {
				return err
			}
		}
		return out.Encode(exportedSeal{
			s.id, s.at.UTC(), s.events, s.first.UTC(), s.last.UTC(), hex.EncodeToString(s.digest),
			hex.EncodeToString(s.previous), hex.EncodeToString(s.hash), s.keyID,
		})
	})
	if err != nil {
		return err
	}
	return from.unlisted(ctx, event)
}

// entry is the event as it is shown.
func (e Event) entry() Entry {
	details := e.Details
	if details == nil {
		details = map[string]string{}
	}
	return Entry{
		ID: e.id, At: e.at.UTC(), ActorUser: null(e.Actor.User), Session: null(e.Actor.Session), Key: null(e.Actor.Key),
		Action: e.Action, Target: null(e.Target), Outcome: e.Outcome, Address: addrOrNull(e.address),
		RequestID: e.requestID, Details: details,
	}
}

// exported is the archive in a file that Export wrote. It is held in memory.
type exported struct {
	chain []seal
	byID  map[uuid.UUID]sealed
	order []uuid.UUID
}

// readExport parses an export.
func readExport(r io.Reader) (*exported, error) {
	a := &exported{byID: map[uuid.UUID]sealed{}}
	in := bufio.NewReader(r)
	for line := 1; ; line++ {
		text, err := in.ReadBytes('\n')
		if err == io.EOF && len(text) == 0 {
			return a, nil
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		if err := a.add(text); err != nil {
			return nil, fmt.Errorf("line %d is not of an audit export: %w", line, err)
		}
	}
}

func (a *exported) add(line []byte) error {
	var kind struct {
		Seal *int64 `json:"seal"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	if kind.Seal == nil {
		var e exportedEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		mac, err := hex.DecodeString(e.MAC)
		if _, twice := a.byID[e.ID]; !twice {
			a.order = append(a.order, e.ID)
		}
		a.byID[e.ID] = sealed{e.event(), e.KeyID, mac}
		return err
	}
	var s exportedSeal
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	made := seal{id: s.Seal, at: s.At, events: s.EventIDs, first: s.FirstAt, last: s.LastAt, keyID: s.KeyID}
	for _, field := range []struct {
		to   *[]byte
		text string
	}{{&made.digest, s.Digest}, {&made.previous, s.PreviousHash}, {&made.hash, s.Hash}} {
		b, err := hex.DecodeString(field.text)
		if err != nil {
			return err
		}
		*field.to = b
	}
	a.chain = append(a.chain, made)
	return nil
}

func (a *exported) seals(_ context.Context, give func(seal) error) error {
	for _, s := range a.chain {
		if err := give(s); err != nil {
			return err
		}
	}
	return nil
}

func (a *exported) events(_ context.Context, ids []uuid.UUID, _, _ time.Time) (found []sealed, err error) {
	for _, id := range ids {
		if e, there := a.byID[id]; there {
			found = append(found, e)
		}
	}
	return found, nil
}

func (a *exported) unlisted(_ context.Context, give func(sealed) error) error {
	listed := map[uuid.UUID]bool{}
	for _, s := range a.chain {
		for _, id := range s.events {
			listed[id] = true
		}
	}
	for _, id := range a.order {
		if listed[id] {
			continue
		}
		if err := give(a.byID[id]); err != nil {
			return err
		}
	}
	return nil
}

// dropped: an export has every seal's events, or they were gone already when
// it was made and all events of its time with them.
func (a *exported) dropped(_ context.Context, t time.Time) (bool, error) {
	for _, e := range a.byID {
		if partitionName(e.at) <= partitionName(t) {
			return false, nil
		}
	}
	return len(a.byID) > 0, nil
}
