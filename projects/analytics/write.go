package analytics

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"homebase/db"
	"homebase/projects"
)

const (
	queueLength = 1 << 14 // views: eight seconds at 2,000 a second
	maxBatch    = 1 << 12
	writeEvery  = time.Second
	lastWrite   = 5 * time.Second // for the write at shutdown
)

// take queues a view, or counts it as lost.
func (a *app) take(v view) {
	select {
	case a.queue <- v:
	default:
		a.lost.Add(1)
	}
}

// write puts queued views into the table each second until ctx ends, and what
// is left then. A crash loses that second. While the database is away the
// queue fills up.
func (a *app) write(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	var batch []view
	for ending := false; !ending; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ending = true
		}
		wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
		for more := true; more; {
			batch, more = a.fill(batch)
			if len(batch) == 0 {
				break
			}
			if err := a.insert(wctx, batch); err != nil {
				a.host.Log.Warn("page views wait for the database", "error", err)
				break
			}
			clear(batch)
			batch = batch[:0]
		}
		cancel()
		if lost := a.lost.Swap(0); lost > 0 {
			a.host.Log.Warn("page views were lost: they came faster than they could be written", "lost", lost)
		}
	}
}

// fill adds what is queued to the batch; more: there may be more than fits.
func (a *app) fill(batch []view) (filled []view, more bool) {
	for len(batch) < maxBatch {
		select {
		case v := <-a.queue:
			batch = append(batch, v)
		default:
			return batch, false
		}
	}
	return batch, true
}

func (a *app) insert(ctx context.Context, batch []view) error {
	return a.host.InTx(ctx, func(tx *projects.Tx) error {
		salt, err := todaysSalt(ctx, tx)
		if err != nil {
			return err
		}
		n := len(batch)
		at, visitors := make([]time.Time, n), make([][]byte, n)
		sites, paths, referrers, devices := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		for i, v := range batch {
			at[i], sites[i], paths[i], referrers[i], devices[i], visitors[i] = v.at, v.site, v.path, v.referrer, v.device, v.visitor(salt)
		}
		_, err = db.Exec(ctx, tx, `-- name: analytics.Insert
			INSERT INTO views (at, site, path, referrer, device, visitor)
			SELECT at, site, path, referrer, device, visitor
			  FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
			    AS v (at, site, path, referrer, device, visitor)`, at, sites, paths, referrers, devices, visitors)
		return err
	})
}

// visitor is the same for one network and browser on one site on one day.
func (v view) visitor(salt []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	for _, part := range []string{v.network.String(), v.agent, v.site} {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)[:12]
}

// todaysSalt is the salt of this UTC day, by the clock that all workers
// share. The first one to ask on a new day destroys that of the day before.
func todaysSalt(ctx context.Context, tx *projects.Tx) ([]byte, error) {
	const find = `-- name: analytics.Salt
		SELECT coalesce((SELECT salt FROM salts WHERE day = (now() AT TIME ZONE 'UTC')::date), '')`
	salt, err := db.One(ctx, tx, db.Value[[]byte], find)
	if err != nil || len(salt) > 0 {
		return salt, err
	}
	if _, err := db.Exec(ctx, tx, `LOCK TABLE salts IN ACCESS EXCLUSIVE MODE`); err != nil {
		return nil, err
	}
	if salt, err = db.One(ctx, tx, db.Value[[]byte], find); err != nil || len(salt) > 0 {
		return salt, err // another worker was first
	}
	// Not DELETE, which leaves the bytes in the file.
	if _, err := db.Exec(ctx, tx, `TRUNCATE salts`); err != nil {
		return nil, err
	}
	salt = make([]byte, 32)
	rand.Read(salt)
	_, err = db.Exec(ctx, tx, `-- name: analytics.NewSalt
		INSERT INTO salts (day, salt) VALUES ((now() AT TIME ZONE 'UTC')::date, $1)`, salt)
	return salt, err
}
