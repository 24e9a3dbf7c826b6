package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"homebase/cli"
	"homebase/db"

	"github.com/google/uuid"
)

// Commands are the operator's verbs of this room.
func (l *Log) Commands() []cli.Command {
	return []cli.Command{
		{Name: "audit tail", Args: "[-f] [-n COUNT] [--json]", Summary: "print the last events; -f goes on with new ones", Run: l.tail},
		{Name: "audit export", Summary: "write every event and seal to standard output as JSON lines", Run: l.exportCommand},
		{Name: "audit verify", Args: "[FILE] [--log FILE] [--last-seal HASH] [--json]", Summary: "prove that no event was edited, removed, inserted or reordered", Needs: cli.NeedSecret, Run: l.verifyCommand},
	}
}

func (l *Log) exportCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	if err := sh.Flags("audit export").Parse(args); err != nil {
		return err
	}
	out := bufio.NewWriter(sh.Stdout)
	return errors.Join(l.Export(ctx, out), out.Flush())
}

func (l *Log) verifyCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags := sh.Flags("audit verify")
	logFile := flags.String("log", "", "the server's log (JSON lines), to detect removed seals")
	lastSeal := flags.String("last-seal", "", "hash of the last seal known, to detect removed seals")
	asJSON := flags.Bool("json", false, "print JSON")
	var path string
	if err := flags.ParseOptional(args, &path); err != nil {
		return err
	}
	witnesses := Witnesses{}
	var err error
	if *logFile != "" {
		err = withFile(*logFile, witnesses.ReadLog)
	}
	if err == nil && *lastSeal != "" {
		err = witnesses.Add(*lastSeal)
	}
	if err != nil {
		return err
	}
	report, err := l.verifyPath(ctx, sh, path, witnesses)
	if err != nil {
		return err
	}
	if *asJSON {
		err = json.NewEncoder(sh.Stdout).Encode(report)
	} else {
		report.print(sh.Stdout)
	}
	if n := len(report.Findings); err == nil && n > 0 {
		err = fmt.Errorf("the audit log does not verify: %s", cli.Count(n, "finding", "findings"))
	}
	return err
}

func (l *Log) verifyPath(ctx context.Context, sh *cli.Shell, path string, witnesses Witnesses) (report *Report, err error) {
	if path == "" {
		if err := sh.Connect(ctx, cli.NeedSchema); err != nil {
			return nil, err
		}
		return l.Verify(ctx, witnesses)
	}
	err = withFile(path, func(r io.Reader) (err error) {
		report, err = l.VerifyExport(r, witnesses)
		return err
	})
	return report, err
}

func withFile(path string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f)
}

// print ends with what was not proven: the chain itself cannot show that its end is
// missing; only a seal can that was kept out of reach of the database's owner.
func (r *Report) print(w io.Writer) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, f)
	}
	fmt.Fprintf(w, "Events that seals cover: %d; seals: %d; events waiting for a seal: %d.\n", r.Events, r.Seals, r.Unsealed)
	if r.DroppedBefore != nil {
		fmt.Fprintf(w, "Retention dropped events older than %s; %s lost events to it.\n", r.DroppedBefore.Format(time.DateOnly), cli.Count(r.Dropped, "seal", "seals"))
	}
	if r.ProvenTo == 0 {
		fmt.Fprintln(w, "No witness was given (--log or --last-seal), so any number of the newest seals and events could have been removed without a trace.")
	} else {
		fmt.Fprintf(w, "Seal %d, which a witness knows, is in the chain. Later seals, and events that no seal lists yet, could have been removed without a trace.\n", r.ProvenTo)
	}
	if r.LastSeal != "" {
		fmt.Fprintf(w, "Keep the last seal for the next verification: %s\n", r.LastSeal)
	}
}

const (
	followEvery = time.Second
	// followBack is how long after its time an event may become visible: notes wait
	// for their batch, a transaction for its end, and clocks differ.
	followBack = 2 * time.Minute
)

func (l *Log) tail(ctx context.Context, sh *cli.Shell, args []string) error {
	flags := sh.Flags("audit tail")
	count := flags.Int("n", 20, "how many")
	follow := flags.Bool("f", false, "go on with new events until interrupted")
	asJSON := flags.Bool("json", false, "print JSON lines")
	if err := flags.Parse(args); err != nil {
		return err
	}
	show := func(e Entry) error { return printEntry(sh.Stdout, e, *asJSON) }
	seen := map[uuid.UUID]time.Time{}
	if *follow {
		// Events that exist already are not new, whether they are printed or not.
		if err := l.unseen(ctx, seen, func(Entry) error { return nil }); err != nil {
			return err
		}
	}
	last, err := db.All(ctx, l.db, scanEntry, `-- name: audit.Tail
SELECT `+entryColumns+` FROM audit_events ORDER BY at DESC, id DESC LIMIT $1`, min(max(*count, 0), 10_000))
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(last) {
		seen[e.ID] = e.At
		if err := show(e); err != nil {
			return err
		}
	}
	for *follow && db.Sleep(ctx, followEvery) {
		if err := l.unseen(ctx, seen, show); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// unseen gives the events that have become visible since it was last called. That is
// not the order of their times: a transaction may end long after its event.
func (l *Log) unseen(ctx context.Context, seen map[uuid.UUID]time.Time, give func(Entry) error) error {
	since := time.Now().Add(-followBack)
	for e, err := range l.events(ctx, filter{from: &since}) {
		if err != nil {
			return err
		}
		if _, ok := seen[e.ID]; ok {
			continue
		}
		if err := give(e.Entry); err != nil {
			return err
		}
		seen[e.ID] = e.At
	}
	maps.DeleteFunc(seen, func(_ uuid.UUID, at time.Time) bool { return at.Before(since) })
	return nil
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
