package audit

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"homebase/cli"
)

// Witnesses are seals that were kept out of reach of the database's owner: by hash,
// with where each was seen. A verification removes those that it meets; the rest
// were cut off the chain.
type Witnesses map[string]string

// ReadLog adds the seals that the server wrote to its log.
func (ws Witnesses) ReadLog(log io.Reader) error {
	found := false
	in := bufio.NewReader(log)
	for {
		text, err := in.ReadBytes('\n')
		var line struct {
			Message string `json:"msg"`
			Seal    int64  `json:"seal"`
			Hash    string `json:"hash"`
		}
		// Lines of other programs and of other formats are not ours to judge.
		if json.Unmarshal(text, &line) == nil && line.Message == sealedMessage {
			ws[line.Hash], found = fmt.Sprintf("seal %d of the log", line.Seal), true
		}
		switch {
		case err == io.EOF && !found:
			return errors.New("no line of the log records a seal: it must hold the server's own JSON lines, such as from journalctl -u homebase -o cat")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// Add adds the hash of a seal that was seen before.
func (ws Witnesses) Add(hash string) error {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 {
		return fmt.Errorf("%w: %q is not the hash of a seal, 64 hex digits", cli.ErrUsage, hash)
	}
	ws[strings.ToLower(hash)] = "the last seal"
	return nil
}
