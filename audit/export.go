package audit

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
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

// exportEnd is the last line of an export: a MAC over all lines before it.
// Without it a file that lost its last lines would look like an older export.
type exportEnd struct {
	End   time.Time `json:"end"`
	KeyID string    `json:"key_id"`
	MAC   string    `json:"mac"`
}

const exportPurpose = "audit-export"

func (end exportEnd) mac(lines hash.Hash) string {
	lines.Write([]byte(end.End.Format(time.RFC3339Nano)))
	return hex.EncodeToString(lines.Sum(nil))
}

// Export writes every event and seal as JSON lines: each seal behind the
// events it lists, what is not sealed yet behind the last seal, then the end.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	key := l.keys(exportPurpose)[0]
	lines := hmac.New(sha256.New, key)
	out := json.NewEncoder(io.MultiWriter(w, lines))
	err := l.walk(ctx, func(s sealed) error {
		return out.Encode(exportedEvent{s.entry(), s.keyID, hex.EncodeToString(s.mac)})
	}, func(s seal) error {
		return out.Encode(exportedSeal{
			s.id, s.at.UTC(), s.events, s.first.UTC(), s.last.UTC(), hex.EncodeToString(s.digest),
			hex.EncodeToString(s.previous), hex.EncodeToString(s.hash), s.keyID,
		})
	})
	if err != nil {
		return err
	}
	end := exportEnd{End: time.Now().UTC(), KeyID: keyID(key)}
	end.MAC = end.mac(lines)
	return out.Encode(end)
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

// exported is an export that is verified as it is read.
type exported struct {
	*verification
	lines map[string]hash.Hash // the MAC of the lines so far, by the id of its key
	ended bool
}

// VerifyExport walks the chain in what Export wrote; no database is asked.
func (l *Log) VerifyExport(r io.Reader, kept Kept) (*Report, error) {
	x := exported{verification: l.verification(kept), lines: map[string]hash.Hash{}}
	for _, key := range l.keys(exportPurpose) {
		x.lines[keyID(key)] = hmac.New(sha256.New, key)
	}
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err == nil || err == io.EOF {
			err = x.line(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is not of an audit export: %w", n, err)
		}
	}
	if !x.ended {
		x.find("the export has no last line: its end was cut")
	}
	return x.report(), nil
}

func (x *exported) line(line []byte) error {
	var kind struct {
		Seal *int64
		End  *time.Time
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	if x.ended {
		x.find("the export goes on behind its last line")
	}
	if kind.End != nil {
		return x.end(line)
	}
	for _, h := range x.lines {
		h.Write(line)
	}
	if kind.Seal != nil {
		s, err := readSeal(line)
		return errors.Join(err, x.seal(s))
	}
	var e exportedEvent
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	mac, err := hex.DecodeString(e.MAC)
	return errors.Join(err, x.event(sealed{e.event(), e.KeyID, mac}))
}

func (x *exported) end(line []byte) error {
	var end exportEnd
	if err := json.Unmarshal(line, &end); err != nil {
		return err
	}
	x.ended = true
	if lines := x.lines[end.KeyID]; lines == nil {
		x.find("the export was made with the secret %s, which is not configured", end.KeyID)
	} else if !hmac.Equal([]byte(end.MAC), []byte(end.mac(lines))) {
		x.find("lines of the export were added, removed, moved or edited after it was written")
	}
	return nil
}

func readSeal(line []byte) (seal, error) {
	var s exportedSeal
	if err := json.Unmarshal(line, &s); err != nil {
		return seal{}, err
	}
	made := seal{id: s.Seal, at: s.At, events: s.EventIDs, first: s.FirstAt, last: s.LastAt, keyID: s.KeyID}
	var errs [3]error
	made.digest, errs[0] = hex.DecodeString(s.Digest)
	made.previous, errs[1] = hex.DecodeString(s.PreviousHash)
	made.hash, errs[2] = hex.DecodeString(s.Hash)
	return made, errors.Join(errs[:]...)
}
