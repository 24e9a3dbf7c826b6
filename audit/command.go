package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"homebase/db"
)

// Commands are the operator's verbs of this room.
func (l *Log) Commands() []db.Command {
	return []db.Command{
		{Name: "audit tail", Args: "[-f] [-n COUNT] [--json]", Summary: "print the last events; -f goes on with new ones", Run: l.tail},
		{Name: "audit export", Summary: "write every event and seal to standard output as JSON lines", Run: l.exportCommand},
		{Name: "audit verify", Args: "[FILE] [--log FILE] [--last-seal HASH] [--json]", Summary: "prove that no event was edited, removed, inserted or reordered", Needs: db.NeedSecret, Run: l.verifyCommand},
	}
}

func (l *Log) exportCommand(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("audit export").Parse(args); err != nil {
		return err
	}
	out := bufio.NewWriter(sh.Stdout)
	return errors.Join(l.Export(ctx, out), out.Flush())
}

func (l *Log) verifyCommand(ctx context.Context, sh *db.Shell, args []string) error {
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
		err = fmt.Errorf("the audit log does not verify: %s", db.Count(n, "finding", "findings"))
	}
	return err
}

func (l *Log) verifyPath(ctx context.Context, sh *db.Shell, path string, witnesses Witnesses) (report *Report, err error) {
	if path == "" {
		if err := sh.Connect(ctx, db.NeedSchema); err != nil {
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
		fmt.Fprintf(w, "Retention dropped events older than %s; %s lost events to it.\n", r.DroppedBefore.Format(time.DateOnly), db.Count(r.Dropped, "seal", "seals"))
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
