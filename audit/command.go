package audit

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"homebase/db"

	"github.com/google/uuid"
)

// Commands are the operator's verbs of this room.
func (l *Log) Commands() []db.Command {
	return []db.Command{
		{Name: "audit tail", Args: "[-f] [-n COUNT] [--json]", Summary: "print the last events; -f goes on with new ones", Run: l.tail},
		{Name: "audit export", Summary: "write every event and seal as JSON lines to standard output", Run: l.exportCommand},
		{Name: "audit verify", Args: "[FILE] [--log FILE] [--last-seal HASH] [--json]", Summary: "prove that no event was edited, removed, inserted or reordered", Lazy: true, Run: l.verifyCommand},
	}
}

func (l *Log) exportCommand(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("audit export").Parse(args); err != nil {
		return err
	}
	out := bufio.NewWriter(sh.Stdout)
	return errors.Join(l.Export(ctx, out), out.Flush())
}

const followEvery = time.Second

func (l *Log) tail(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("audit tail")
	count := flags.Int("n", 20, "how many")
	follow := flags.Bool("f", false, "go on with new events until interrupted")
	asJSON := flags.Bool("json", false, "as JSON lines")
	if err := flags.Parse(args); err != nil {
		return err
	}
	entries, err := db.All(ctx, l.db, scanEntry, `
-- name: audit.Tail
SELECT `+entryColumns+` FROM audit_events ORDER BY at DESC, id DESC LIMIT $1`, min(max(*count, 0), 10_000))
	slices.Reverse(entries)
	last := before{time.Now(), uuid.Nil}
	for ; err == nil; entries, err = l.since(ctx, last) {
		for _, e := range entries {
			if err := printEntry(sh.Stdout, e, *asJSON); err != nil {
				return err
			}
			last = before{e.At, e.ID}
		}
		if !*follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
	return err
}

func (l *Log) since(ctx context.Context, last before) ([]Entry, error) {
	return db.All(ctx, l.db, scanEntry, `
-- name: audit.Since
SELECT `+entryColumns+` FROM audit_events WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3`, last.at, last.id, exportBatch)
}

func printEntry(w io.Writer, e Entry, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(e)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-6s %-24s", e.At.Format("2006-01-02 15:04:05Z"), e.Outcome, e.Action)
	if e.ActorUser != nil {
		fmt.Fprintf(&b, " user=%s", e.ActorUser)
	}
	if e.Target != nil {
		fmt.Fprintf(&b, " target=%s", e.Target)
	}
	if e.Address != nil {
		fmt.Fprintf(&b, " from=%s", e.Address)
	}
	for _, k := range slices.Sorted(maps.Keys(e.Details)) {
		fmt.Fprintf(&b, " %s=%s", k, e.Details[k])
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

// Verify walks the chain in the database.
func (l *Log) Verify(ctx context.Context) (*Report, error) {
	return l.verify(ctx, stored{l.db, l.Retention})
}

// VerifyExport walks the chain in what Export wrote; no database is asked.
func (l *Log) VerifyExport(ctx context.Context, r io.Reader) (*Report, error) {
	archive, err := readExport(r)
	if err != nil {
		return nil, err
	}
	return l.verify(ctx, archive)
}

// CheckLog compares the report with the lines that sealing wrote to the
// server's log: a seal that was logged and is not there any more was cut off.
func (r *Report) CheckLog(log io.Reader) error {
	in := bufio.NewScanner(log)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var line struct {
			Message string `json:"msg"`
			Seal    int64  `json:"seal"`
			Hash    string `json:"hash"`
		}
		// Lines of other programs and of other formats are not ours to judge.
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Message == sealedMessage && r.known[line.Seal] != line.Hash {
			r.find("seal %d stands in the log with hash %s and is not in the chain: the tail was cut or replaced", line.Seal, line.Hash)
		}
	}
	return in.Err()
}

// CheckLastSeal looks for the hash of a seal that was seen before.
func (r *Report) CheckLastSeal(hash string) error {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != 32 {
		return fmt.Errorf("%w: %q is not the hash of a seal, 64 hex digits", db.ErrUsage, hash)
	}
	if !slices.Contains(slices.Collect(maps.Values(r.known)), strings.ToLower(hash)) {
		r.find("the seal %s is not in the chain: the tail was cut or replaced", hash)
	}
	return nil
}

func (l *Log) verifyCommand(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("audit verify")
	logFile := flags.String("log", "", "the server's log (JSON lines), to see a cut tail")
	lastSeal := flags.String("last-seal", "", "hash of the last seal known, to see a cut tail")
	asJSON := flags.Bool("json", false, "as JSON")
	var path string
	if err := flags.ParseOptional(args, &path); err != nil {
		return err
	}
	report, err := l.verifyPath(ctx, sh, path)
	if err != nil {
		return err
	}
	if *logFile != "" {
		f, err := os.Open(*logFile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := report.CheckLog(f); err != nil {
			return err
		}
	}
	if *lastSeal != "" {
		if err := report.CheckLastSeal(*lastSeal); err != nil {
			return err
		}
	}
	if *asJSON {
		if err := json.NewEncoder(sh.Stdout).Encode(report); err != nil {
			return err
		}
	} else {
		report.print(sh.Stdout, *logFile == "" && *lastSeal == "")
	}
	if n := len(report.Findings); n > 0 {
		return fmt.Errorf("the audit log does not hold: %d findings", n)
	}
	return nil
}

func (l *Log) verifyPath(ctx context.Context, sh *db.Shell, path string) (*Report, error) {
	if path == "" {
		if err := sh.Connect(ctx); err != nil {
			return nil, err
		}
		return l.Verify(ctx)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return l.VerifyExport(ctx, f)
}

func (r *Report) print(w io.Writer, tailOpen bool) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "%d seals over %d events; %d events wait for a seal; %d seals outlived their events.\n", r.Seals, r.Events, r.Unsealed, r.Dropped)
	if tailOpen {
		fmt.Fprintf(w, "Whether the tail was cut cannot be seen without --log or --last-seal. The last seal is\n%s\n", r.LastSeal)
	}
}
