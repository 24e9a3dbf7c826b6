package auth

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// channel is where workers tell each other what has changed.
const channel = "auth"

// stale names what a committed change has made untrue in the caches: the
// payload of the notification. "" is nothing, "all" is everything, otherwise
// "user <id>": all that is kept of that user.
type stale string

const (
	nothing stale = ""
	all     stale = "all"
)

func staleUser(id uuid.UUID) stale { return stale("user " + id.String()) }

// change runs fn in a transaction and makes what it did hold everywhere: on
// the other workers by a notification that arrives with the commit, on this
// one before change returns. It forgets after a failure too, because a commit
// whose answer was lost may have happened.
func (cl *callers) change(ctx context.Context, fn func(tx pgx.Tx) (stale, error)) error {
	var what stale
	err := cl.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if what, err = fn(tx); err != nil || what == nothing {
			return err
		}
		return db.Notify(ctx, tx, channel, string(what))
	})
	cl.cache.forget(what)
	return err
}

// cacheSize bounds the sessions, keys and users kept in memory, about 600
// bytes each.
const cacheSize = 10_000

// credential is what the cache knows a session or an access key by: its id
// and zeros, or the key's SHA-256; and a user: zeros and the id.
type credential [32]byte

func idCredential(id uuid.UUID) (c credential) {
	copy(c[:], id[:])
	return c
}

func userCredential(id uuid.UUID) (c credential) {
	copy(c[16:], id[:])
	return c
}

// cache keeps who the living sessions and access keys belong to and what those
// users may do, so that a request with a known one asks the database nothing.
// What has ended is not in it, nor what is no longer true: neither a session or
// key that was ended, nor one whose user was disabled or has other roles now.
//
// A session's entry also remembers the last access token of it that was
// verified: what was proved of that text, and goes with the entry.
//
// A user has an entry beside it, for GET /auth/me. So whatever changes an answer
// of that route is a change, as if it took a right away.
//
// Three rules keep it true. A change forgets on every worker, see change. A
// fill notes the generation before its query and is not kept if anything was
// forgotten since, for the query may have run before that change. And the
// cache is not read while the listener is not fresh.
type cache struct {
	mu         sync.Mutex
	generation uint64                       // moves with everything forgotten
	entries    map[credential]*list.Element // by credential, and by token
	order      *list.List                   // of *known, the last used in front
	used       map[uuid.UUID]use
	hits       int64
	misses     int64
	// after is called when something was forgotten.
	after []func()
}

// known is a session, a key or a user as the cache holds it, never changed.
type known struct {
	credential credential
	caller     httpx.Caller
	expires    time.Time
	allow      []netip.Prefix // where a key may be used; empty: anywhere
	token      credential     // the SHA-256 of a session's access token, if any,
	claims     claims         // and what it says
	me         *Me            // of a user
}

// use is what requests have shown of a session or key, by its id, since it
// was last written down.
type use struct {
	at      time.Time
	counter int64 // the newest refresh counter in an access token
}

func newCache() *cache {
	return &cache{entries: map[credential]*list.Element{}, order: list.New(), used: map[uuid.UUID]use{}}
}

// get returns what is kept and has not expired.
func (c *cache) get(id credential, now time.Time) (*known, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok || now.After(e.Value.(*known).expires) {
		return nil, false
	}
	c.hits++
	c.order.MoveToFront(e)
	return e.Value.(*known), true
}

// begin is called before the query of a fill.
func (c *cache) begin() (generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses++
	return c.generation
}

// put keeps what a query found, unless something was forgotten since begin.
func (c *cache) put(generation uint64, k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if e, ok := c.entries[k.credential]; ok {
		c.remove(e)
	}
	c.entries[k.credential] = c.order.PushFront(k)
	if c.order.Len() > cacheSize {
		c.remove(c.order.Back())
	}
}

// remember lets a session that is kept be found by the access token of k.
func (c *cache) remember(k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k.credential]; ok {
		kept := *e.Value.(*known)
		delete(c.entries, kept.token)
		kept.token, kept.claims = k.token, k.claims
		e.Value, c.entries[k.token] = &kept, e
	}
}

// remove takes an element out; mu is held.
func (c *cache) remove(e *list.Element) {
	k := c.order.Remove(e).(*known)
	delete(c.entries, k.credential)
	delete(c.entries, k.token)
}

// forget drops what a change has made untrue. What it cannot read, it takes
// for everything: a newer worker may say more than this one knows.
func (c *cache) forget(what stale) {
	if what == nothing {
		return
	}
	c.drop(what)
	for _, fn := range c.after {
		fn()
	}
}

func (c *cache) drop(what stale) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	text, ofUser := strings.CutPrefix(string(what), "user ")
	id, err := uuid.Parse(text)
	if err != nil || !ofUser {
		clear(c.entries)
		c.order.Init()
		return
	}
	for _, e := range c.entries {
		if e.Value.(*known).caller.UserID == id {
			c.remove(e)
		}
	}
}

// touch notes that a session was used with an access token of a counter, or a
// key, which has none.
func (c *cache) touch(id uuid.UUID, now time.Time, counter int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used[id] = use{at: now, counter: max(counter, c.used[id].counter)}
}

// seen is the newest counter that this worker has met and not yet written.
func (c *cache) seen(id uuid.UUID) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used[id].counter
}

// takeUsed returns the notes since the last call.
func (c *cache) takeUsed() map[uuid.UUID]use {
	c.mu.Lock()
	defer c.mu.Unlock()
	used := c.used
	c.used = map[uuid.UUID]use{}
	return used
}

// recall returns what is kept, while it can be believed.
func (cl *callers) recall(c credential, now time.Time) (k *known, ok bool) {
	if cl.db.Listener().Fresh() {
		k, ok = cl.cache.get(c, now)
	}
	return k, ok
}

// lookup says who a living credential belongs to, from the cache or else by
// find, which asks the database. ErrUnauthenticated for one that has ended.
func (cl *callers) lookup(c credential, find func() (*known, error)) (*known, error) {
	if k, ok := cl.recall(c, time.Now()); ok {
		return k, nil
	}
	return cl.ask(c, find)
}

// ask is lookup without the cache, which learns the answer.
func (cl *callers) ask(c credential, find func() (*known, error)) (*known, error) {
	generation := cl.cache.begin()
	k, err := find()
	if errors.Is(err, db.ErrNotFound) {
		err = httpx.ErrUnauthenticated.Because(errEnded)
	}
	if err != nil {
		return nil, err
	}
	k.credential, k.caller.Permissions = c, cl.permissions.expand(k.caller.Permissions)
	cl.cache.put(generation, k)
	return k, nil
}

// findSession is lookup's question about a session.
func (cl *callers) findSession(ctx context.Context, id uuid.UUID) (*known, error) {
	k, err := db.One(ctx, cl.db, db.RowOf(func(k *known) []any {
		return []any{&k.caller.SessionID, &k.caller.UserID, &k.caller.AuthenticatedAt, &k.expires, &k.caller.Permissions, &k.caller.Roles}
	}), `
-- name: auth.KnownSession
SELECT s.id, s.user_id, s.authenticated_at, s.idle_until, `+held+`, `+rolesHeld+`
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = $1 AND `+living, id)
	return &k, err
}

// writeUsedEvery is how often the use of sessions and keys is written down.
const writeUsedEvery = time.Minute

// recordUse writes the use of sessions and keys until ctx ends. A crash loses a
// minute of last_used_at and of the evidence that tokens were received:
// refreshing is then more lenient, never stricter.
func (cl *callers) recordUse(ctx context.Context) {
	for db.Sleep(ctx, writeUsedEvery) {
		if err := cl.writeUsed(ctx); err != nil && ctx.Err() == nil {
			cl.log.Warn("cannot record when sessions were last used", "error", err)
		}
	}
}

// writeUsed passes over rows that someone else is changing: they are in use
// and will come again. A use that lies ahead, by a clock that was set back, is
// one of now.
func (cl *callers) writeUsed(ctx context.Context) error {
	used := cl.cache.takeUsed()
	if len(used) == 0 {
		return nil
	}
	var ids []uuid.UUID
	var times []time.Time
	var counters []int64
	for id, u := range used {
		ids, times, counters = append(ids, id), append(times, u.at), append(counters, u.counter)
	}
	return db.Exec(ctx, cl.db, `
-- name: auth.WriteUsed
WITH used AS (SELECT n.id, n.at, n.counter
                FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS n (id, at, counter)),
     keys AS (
UPDATE access_keys k SET last_used_at = least(greatest(k.last_used_at, n.at), now())
  FROM (SELECT l.id, n.at FROM used n JOIN access_keys l ON l.id = n.id FOR UPDATE OF l SKIP LOCKED) AS n
 WHERE k.id = n.id)
UPDATE sessions s
   SET last_used_at = least(greatest(s.last_used_at, n.at), now()), seen_counter = greatest(s.seen_counter, n.counter)
  FROM (SELECT l.id, n.at, n.counter
          FROM used n JOIN sessions l ON l.id = n.id
           FOR UPDATE OF l SKIP LOCKED) AS n
 WHERE s.id = n.id`, ids, times, counters)
}
