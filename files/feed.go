package files

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// The change feed tells what became of an owner's items, enough to keep a
// mirror of the tree. Its entries are written in the transactions of the
// changes themselves and numbered under the owner's lock, which is held until
// the COMMIT: who sees an entry sees all with lower numbers, so none is ever
// missed, and none is told of what was rolled back.
//
// An entry carries the whole item as the change left it; whoever applies it
// needs nothing of the entries before. Trashed, restored, moved and purged
// are told of the top alone and stand for all below it: a mirror keeps what
// lies below something trashed, for it comes back with it, and lets it go
// with the purge, except for what was put into the trash by itself. Whatever is
// new is told item by item, folders before what is in them, a copied folder
// too. Several changes of one request that are committed apart are apart in
// the feed. What a scan finds is told like any other change; that something
// is missing on the disk, or there again, is a change of its item.
const (
	feedCreated  = "created"
	feedChanged  = "changed" // other bytes, or missing_at
	feedMoved    = "moved"   // another folder, another name, or both
	feedTrashed  = "trashed" // what a scan finds in the trash begins with it
	feedRestored = "restored"
	feedPurged   = "purged"
)

const (
	// feedRetention is how long entries are kept.
	feedRetention = 30 * 24 * time.Hour
	// sweepBatch is how many entries go in one transaction: the owner's
	// writers wait for that long.
	sweepBatch = 1000
)

var errCursorExpired = httpx.NewProblem(410, "cursor_expired", "The feed does not reach back that far").
	With("Start over: get a cursor with cursor=now, then list the tree, then ask for what has changed since that cursor.")

// feed tells what changes, also as it happens.
type feed struct{ changer }

// entry is one change of one item, as the feed tells it.
type entry struct {
	Seq  int64     `json:"seq"` // rises, with gaps
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	Item itemBody  `json:"item"` // after the change; before it when purged
}

// told is an item as the feed tells it.
func told(it placed) json.RawMessage {
	b, err := json.Marshal(it.shown())
	if err != nil {
		panic(err) // a struct of strings, numbers and times
	}
	return b
}

// tellStored tells of items as their rows are by now, in their order.
func tellStored(ctx context.Context, t *journal.Tx, what string, owner uuid.UUID, ids ...uuid.UUID) error {
	const sql = `-- name: files.ItemsAnywhere
		SELECT ` + itemColumns + `, ` + pathColumn + `
		  FROM unnest($2::uuid[]) WITH ORDINALITY AS n (id, ordinality)
		  JOIN items i ON i.id = n.id AND i.owner_id = $1
		 ORDER BY n.ordinality`
	if len(ids) == 0 {
		return nil
	}
	list, err := db.All(ctx, t, scanPlaced, sql, owner, ids)
	for _, it := range list {
		t.Tell(what, told(it))
	}
	return err
}

// feedCursor is a place in a feed: behind the entry of that seq. The epoch is
// one tree's alone, and another one after its rows were lost.
type feedCursor struct {
	epoch uuid.UUID
	seq   int64
}

func (c feedCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(c.epoch[:], uint64(c.seq)))
}

// changesAfter reads at most limit entries behind a place, and where the feed
// ended at that moment; errCursorExpired when some of them have gone. One
// statement: between two the feed could have gone on.
func (fd *feed) changesAfter(ctx context.Context, owner uuid.UUID, at feedCursor, limit int) (entries []entry, end feedCursor, err error) {
	const sql = `-- name: files.ChangesAfter
		SELECT t.feed_epoch, t.seq, t.feed_from, coalesce((
		        SELECT json_agg(json_build_object('seq', c.seq, 'type', c.type, 'at', c.at, 'item', c.item) ORDER BY c.seq)
		          FROM (SELECT c.seq, c.type, c.at, c.item FROM changes c
		                 WHERE c.owner_id = t.owner_id AND c.seq > $2 ORDER BY c.seq LIMIT $3) AS c), '[]')
		  FROM trees t
		 WHERE t.owner_id = $1`
	var from int64
	scan := db.RowOf(func(list *[]entry) []any { return []any{&end.epoch, &end.seq, &from, list} })
	entries, err = db.One(ctx, fd.db, scan, sql, owner, at.seq, limit)
	gone := errors.Is(err, db.ErrNotFound) // the tree was deleted meanwhile
	if gone || err == nil && (at.epoch != end.epoch || at.seq < from || at.seq > end.seq) {
		err = errCursorExpired
	}
	return entries, end, err
}

// feedPlace reads a cursor as clients send it: "now" is the end of the feed.
func (fd *feed) feedPlace(ctx context.Context, owner uuid.UUID, cursor string) (at feedCursor, err error) {
	const sql = `-- name: files.FeedOfOwner
		SELECT t.feed_epoch, t.seq FROM trees t WHERE t.owner_id = $1`
	if cursor == "now" {
		return db.One(ctx, fd.db, db.RowOf(func(c *feedCursor) []any { return []any{&c.epoch, &c.seq} }), sql, owner)
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != len(at.epoch)+8 {
		return at, errCursor
	}
	at.seq = int64(binary.BigEndian.Uint64(b[copy(at.epoch[:], b):]))
	return at, nil
}

// changesBody is a page of the feed. NextCursor is never null: with it the
// client asks for what comes next, whenever that is.
type changesBody struct {
	Items      []entry `json:"items"`
	NextCursor string  `json:"next_cursor"`
}

// getChanges is GET /files/changes. Without a cursor the feed is told from
// the beginning of the tree, if all of it is still there.
func (fd *feed) getChanges(c *httpx.Call) (changesBody, error) {
	ctx, owner := c.Context(), visitOf(c.Context()).owner
	limit, err := httpx.LimitOf(c.Request)
	if err != nil {
		return changesBody{}, err
	}
	var at feedCursor
	if q := c.URL.Query(); q.Has("cursor") {
		at, err = fd.feedPlace(ctx, owner, q.Get("cursor"))
	} else if at, err = fd.feedPlace(ctx, owner, "now"); err == nil {
		at.seq = 0
	}
	if err != nil {
		return changesBody{}, err
	}
	entries, _, err := fd.changesAfter(ctx, owner, at, limit)
	if len(entries) > 0 {
		at.seq = entries[len(entries)-1].Seq
		fd.hub.known.forget(owner)
	}
	return changesBody{entries, at.String()}, err
}

// sweepFeed drops entries that have been kept long enough.
func (fd *feed) sweepFeed(ctx context.Context) error {
	const sql = `-- name: files.FeedsToSweep
		SELECT t.owner_id
		  FROM trees t
		 CROSS JOIN LATERAL (SELECT c.at FROM changes c WHERE c.owner_id = t.owner_id ORDER BY c.seq LIMIT 1) AS oldest
		 WHERE oldest.at < now() - $1::interval`
	owners, err := db.All(ctx, fd.db, db.Value[uuid.UUID], sql, feedRetention)
	for _, owner := range owners {
		for more := true; more && err == nil; {
			more, err = fd.sweepSome(ctx, owner)
		}
	}
	return err
}

// sweepSome drops a batch of an owner's old entries. Under the owner's lock,
// so that feed_from never says less than what is gone.
func (fd *feed) sweepSome(ctx context.Context, owner uuid.UUID) (more bool, err error) {
	const sql = `-- name: files.SweepChanges
		WITH gone AS (
		    DELETE FROM changes c
		     WHERE c.owner_id = $1 AND c.at < now() - $2::interval
		       AND c.seq IN (SELECT x.seq FROM changes x WHERE x.owner_id = $1 ORDER BY x.seq LIMIT $3)
		    RETURNING c.seq
		)
		UPDATE trees t SET feed_from = greatest(t.feed_from, (SELECT max(g.seq) FROM gone g))
		 WHERE t.owner_id = $1
		RETURNING (SELECT count(*) FROM gone) = $3`
	err = fd.journal.Hold(ctx, owner, func(t *journal.Tx) (err error) {
		more, err = db.One(ctx, t, db.Value[bool], sql, owner, feedRetention, sweepBatch)
		return err
	})
	return more, err
}
