package audit

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"
)

// exportEnd is the last line of an export, with a MAC over all lines before it.
// Without it, a file that lost its last lines would look like an older export.
type exportEnd struct {
	End   time.Time `json:"end"`
	KeyID string    `json:"key_id"`
	MAC   hexBytes  `json:"mac"`
}

const exportPurpose = "audit-export"

func (end exportEnd) mac(lines hash.Hash) []byte {
	lines.Write([]byte(end.End.Format(time.RFC3339Nano)))
	return lines.Sum(nil)
}

// Export writes every event and seal as JSON lines: each seal after the events that
// it lists, then the events that are not sealed yet, then the end.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	key := l.keys(exportPurpose)[0]
	lines := hmac.New(sha256.New, key)
	out := json.NewEncoder(io.MultiWriter(w, lines))
	err := l.walk(ctx, func(e stored) error { return out.Encode(e) }, func(s seal) error { return out.Encode(s) })
	if err != nil {
		return err
	}
	end := exportEnd{End: time.Now().UTC(), KeyID: KeyID(key)}
	end.MAC = end.mac(lines)
	return out.Encode(end)
}

// exported is an export that is verified as it is read.
type exported struct {
	*verification
	lines map[string]hash.Hash // the MAC of the lines so far, by the id of its key
	ended bool
}

// VerifyExport verifies the chain in what Export wrote, without a database.
func (l *Log) VerifyExport(r io.Reader, witnesses Witnesses) (*Report, error) {
	x := exported{verification: l.verification(witnesses), lines: map[string]hash.Hash{}}
	for _, key := range l.keys(exportPurpose) {
		x.lines[KeyID(key)] = hmac.New(sha256.New, key)
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
			return nil, fmt.Errorf("line %d is not part of an audit export: %w", n, err)
		}
	}
	if !x.ended {
		x.find("the export has no last line: its end was cut off")
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
		x.find("the export continues after its last line")
	}
	if kind.End != nil {
		return take(line, x.end)
	}
	for _, h := range x.lines {
		h.Write(line)
	}
	if kind.Seal != nil {
		return take(line, x.seal)
	}
	return take(line, x.event)
}

// take reads a line as a T.
func take[T any](line []byte, give func(T) error) error {
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	return give(v)
}

func (x *exported) end(end exportEnd) error {
	x.ended = true
	if lines := x.lines[end.KeyID]; lines == nil {
		x.find("the export was made with the secret %s, which is not configured", end.KeyID)
	} else if !hmac.Equal(end.MAC, end.mac(lines)) {
		x.find("lines of the export were added, removed, moved or edited after it was written")
	}
	return nil
}
