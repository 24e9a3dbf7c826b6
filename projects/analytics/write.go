package analytics

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"homebase/auth"
	"homebase/db"
	"homebase/httpx"
	"homebase/projects"
)

const (
	queueLength = 1 << 14 // views: eight seconds at 2,000 a second
	maxBatch    = 1 << 12
	writeEvery  = time.Second

	// Anyone may send views in the name of a frontend. What is kept of one UTC
	// day is bounded in total and for each network.
	maxViews    = 100_000
	maxNetwork  = 10_000
	maxNetworks = 3 * maxViews // counted networks: as many as all views can come from
)

// networks counts today's views of each network. It knows only a hash of a network,
// whose key is forgotten at the end of the day.
type networks struct {
	most int // views of one network

	mu   sync.Mutex
	day  int64
	seed maphash.Seed
	of   map[uint64]int
}

// admit counts a view of a client's networks, unless one of them has sent as many as
// it may. Clients that cannot be told apart are not counted: they would lock each
// other out.
func (n *networks) admit(client []netip.Prefix, at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if day := at.Unix() / (24 * 60 * 60); n.of == nil || day != n.day {
		n.day, n.seed, n.of = day, maphash.MakeSeed(), map[uint64]int{}
	}
	keys := make([]uint64, len(client))
	for i, network := range client {
		keys[i] = maphash.Comparable(n.seed, network)
		if count, known := n.of[keys[i]]; count >= httpx.Share(n.most, network) || !known && len(n.of) >= maxNetworks {
			return false
		}
	}
	for _, key := range keys {
		n.of[key]++
	}
	return true
}

// write puts a batch of views into the table. While the database is unreachable they
// wait.
func (a *app) write(ctx context.Context, batch []view) error {
	dropped := a.dropped.Swap(0)
	if len(batch) == 0 && dropped == 0 {
		return nil
	}
	err := a.host.InTx(ctx, func(tx *projects.Tx) error { return a.insert(ctx, tx, batch, dropped) })
	if err != nil {
		a.dropped.Add(dropped)
		a.host.Log.Warn("page views are waiting for the database", "error", err)
	}
	return err
}

// insert writes as much of a batch as the day has room for, and counts the rest as
// dropped. Views from a clock that is ahead are dated now: the counts would never
// reach a day in the future.
func (a *app) insert(ctx context.Context, tx *projects.Tx, batch []view, dropped int64) error {
	salt, err := todaysSalt(ctx, tx)
	if err != nil {
		return err
	}
	// Other workers wait here.
	before, err := db.One(ctx, tx, db.Value[int], `-- name: analytics.Today
		INSERT INTO days AS d (day, views, dropped) VALUES ((now() AT TIME ZONE 'UTC')::date, 0, 0)
		    ON CONFLICT (day) DO UPDATE SET views = d.views
		RETURNING views`)
	if err != nil {
		return err
	}
	n := min(len(batch), max(0, a.maxViews-before))
	at, visitors := make([]time.Time, n), make([][]byte, n)
	sites, paths, referrers, devices := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, v := range batch[:n] {
		at[i], sites[i], paths[i], referrers[i], devices[i], visitors[i] = v.at, v.site, v.path, v.referrer, v.device, v.visitor(salt)
	}
	return db.Exec(ctx, tx, `-- name: analytics.Insert
		WITH kept AS (
		    INSERT INTO views (at, site, path, referrer, device, visitor)
		    SELECT least(at, now()), site, path, referrer, device, visitor
		      FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
		        AS v (at, site, path, referrer, device, visitor)
		)
		UPDATE days SET views = views + $7, dropped = dropped + $8 WHERE day = (now() AT TIME ZONE 'UTC')::date`,
		at, sites, paths, referrers, devices, visitors, n, dropped+int64(len(batch)-n))
}

// visitor is the same for one network and browser on one site on one day.
func (v view) visitor(salt []byte) []byte {
	return auth.MAC(salt, []byte(v.network.String()+"\x00"+v.agent+"\x00"+v.site+"\x00"))[:12]
}

// todaysSalt is the salt of this UTC day, by the database's clock, which all workers
// share. The first to ask for it on a new day destroys that of the day before; until
// its transaction ends, the others wait.
func todaysSalt(ctx context.Context, tx *projects.Tx) ([]byte, error) {
	if err := db.Exec(ctx, tx, `LOCK TABLE salts IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return nil, err
	}
	salt, err := db.One(ctx, tx, db.Value[[]byte], `-- name: analytics.Salt
		SELECT coalesce((SELECT salt FROM salts WHERE day = (now() AT TIME ZONE 'UTC')::date), '')`)
	if err != nil || len(salt) > 0 {
		return salt, err
	}
	// Not DELETE, which would leave the bytes in the file.
	if err := db.Exec(ctx, tx, `TRUNCATE salts`); err != nil {
		return nil, err
	}
	salt = make([]byte, 32)
	rand.Read(salt)
	err = db.Exec(ctx, tx, `-- name: analytics.NewSalt
		INSERT INTO salts (day, salt) VALUES ((now() AT TIME ZONE 'UTC')::date, $1)`, salt)
	return salt, err
}
