package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	followEvery = time.Second
	// clockSlack is how much older than its transaction an event may be: notes
	// wait for their batch, and clocks differ.
	clockSlack = time.Minute
)

func (l *Log) tail(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("audit tail")
	count := flags.Int("n", 20, "how many")
	follow := flags.Bool("f", false, "go on with new events until interrupted")
	asJSON := flags.Bool("json", false, "print JSON lines")
	if err := flags.Parse(args); err != nil {
		return err
	}
	t := follower{log: l, since: time.Now().Add(-sealLateOverlap), seen: map[uuid.UUID]time.Time{}}
	if *follow {
		// Events that exist already are not new, whether they are printed or not.
		if err := t.read(ctx, func(Entry) error { return nil }); err != nil {
			return err
		}
	}
	last, err := db.All(ctx, l.db, scanEntry, `
-- name: audit.Tail
SELECT `+entryColumns+` FROM audit_events ORDER BY at DESC, id DESC LIMIT $1`, min(max(*count, 0), 10_000))
	if err != nil {
		return err
	}
	show := func(e Entry) error { return printEntry(sh.Stdout, e, *asJSON) }
	for _, e := range slices.Backward(last) {
		t.seen[e.ID] = e.At
		if err := show(e); err != nil {
			return err
		}
	}
	for *follow && db.Sleep(ctx, followEvery) {
		if err := t.read(ctx, show); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// follower reads events as they become visible. That is not the order of their
// times, because a transaction may commit long after the time of its event.
type follower struct {
	log   *Log
	since time.Time               // no event that is not visible yet is older
	seen  map[uuid.UUID]time.Time // events already given that are not older than since
	polls []poll
}

// poll is the next transaction id at some time.
type poll struct {
	next int64
	at   time.Time
}

// read gives every event that has become visible since the last read. An event that
// is not visible yet belongs to a transaction that is running or will run, so the
// next read begins at the latest poll at which none of these had an id.
func (t *follower) read(ctx context.Context, give func(Entry) error) error {
	var running int64 // the oldest transaction that runs
	now, err := db.One(ctx, t.log.db, func(row pgx.Row) (p poll, err error) {
		err = row.Scan(&running, &p.next, &p.at)
		return p, err
	}, `
-- name: audit.Poll
SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, now() FROM pg_current_snapshot() AS s`)
	if err != nil {
		return err
	}
	for e, err := range t.log.events(ctx, filter{from: &t.since}) {
		if err != nil {
			return err
		}
		if _, ok := t.seen[e.ID]; ok {
			continue
		}
		if err := give(e.Entry); err != nil {
			return err
		}
		t.seen[e.ID] = e.At
	}
	t.polls = append(t.polls, now)
	for len(t.polls) > 1 && t.polls[1].next <= running {
		t.polls = t.polls[1:]
	}
	if t.polls[0].next <= running {
		t.since = t.polls[0].at.Add(-clockSlack)
	}
	maps.DeleteFunc(t.seen, func(_ uuid.UUID, at time.Time) bool { return at.Before(t.since) })
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
