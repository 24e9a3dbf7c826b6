package analytics

import (
	"context"
	"time"

	"homebase/db"
	"homebase/projects"
)

// maxNames is how many pages, and how many referrers, of a site are counted on one day
// by name; the others are summed up as "(other)". It bounds what invented paths
// can add permanently.
const maxNames = 500

// rollUp counts the days that may have changed since the last time, and then drops
// the views from before the last seven days. Each day is recounted as a whole, so a
// run may be repeated or missed; a day whose views were dropped is never counted
// again.
func (a *app) rollUp(ctx context.Context) error {
	var days []time.Time
	err := a.host.InTx(ctx, func(tx *projects.Tx) (err error) {
		// This also destroys the old salt if nobody visits on the next day.
		if _, err = todaysSalt(ctx, tx); err != nil {
			return err
		}
		// A batch may be late, so within an hour after midnight yesterday is
		// counted too. The days are found by skipping along the index.
		days, err = db.All(ctx, tx, db.Value[time.Time], `-- name: analytics.Days
			WITH RECURSIVE days AS (
			    SELECT date_trunc('day', min(at)) AS day FROM views
			     WHERE at >= least(coalesce((SELECT max(at) FROM rollups WHERE grain = 'day' AND at <= now()), '-infinity'), date_trunc('day', now() - interval '1 hour'))
			    UNION ALL
			    SELECT (SELECT date_trunc('day', min(v.at)) FROM views v WHERE v.at >= d.day + interval '1 day') FROM days d WHERE d.day IS NOT NULL
			)
			SELECT day FROM days WHERE day IS NOT NULL`)
		return err
	})
	for _, day := range days {
		if err == nil {
			err = a.countDay(ctx, day)
		}
	}
	if err != nil {
		return err
	}
	return a.host.InTx(ctx, func(tx *projects.Tx) error {
		if err := unhurried(ctx, tx); err != nil {
			return err
		}
		return db.Exec(ctx, tx, `-- name: analytics.Drop
			WITH old AS (DELETE FROM views WHERE at < date_trunc('day', now()) - interval '7 days')
			DELETE FROM rollups WHERE grain = 'hour' AND kind = 'page' AND at < now() - interval '400 days'`)
	})
}

// uncounted reports whether views came since the last count, or there is a salt of a
// day that is over. Dropping old rows can wait.
func (a *app) uncounted(ctx context.Context) (yes bool, err error) {
	err = a.host.InTx(ctx, func(tx *projects.Tx) error {
		yes, err = db.One(ctx, tx, db.Value[bool], `-- name: analytics.Uncounted
			SELECT EXISTS (SELECT FROM salts WHERE day < (now() AT TIME ZONE 'UTC')::date)
			    OR EXISTS (SELECT FROM days d
			                WHERE d.day >= ((now() - interval '1 hour') AT TIME ZONE 'UTC')::date
			                  AND d.views <> (SELECT coalesce(sum(r.views), 0) FROM rollups r
			                                   WHERE r.grain = 'day' AND r.kind = 'total' AND r.name = '' AND r.at = d.day::timestamp AT TIME ZONE 'UTC'))`)
		return err
	})
	return yes, err
}

// unhurried lets statements of a job take longer than those of requests.
func unhurried(ctx context.Context, tx *projects.Tx) error {
	return db.Exec(ctx, tx, `SET LOCAL statement_timeout = '10min'`)
}

func (a *app) countDay(ctx context.Context, day time.Time) error {
	return a.host.InTx(ctx, func(tx *projects.Tx) error {
		if err := unhurried(ctx, tx); err != nil {
			return err
		}
		if err := db.Exec(ctx, tx, `-- name: analytics.ForgetDay
			DELETE FROM rollups WHERE grain IN ('hour', 'day') AND at >= $1 AND at < $1 + interval '1 day'`, day); err != nil {
			return err
		}
		err := db.Exec(ctx, tx, `-- name: analytics.CountDay
			WITH named AS (
			    SELECT v.at, v.site, v.visitor, k.kind, k.name
			      FROM views v CROSS JOIN LATERAL (VALUES ('total', ''), ('page', v.path), ('referrer', v.referrer), ('device', v.device)) AS k (kind, name)
			     WHERE v.at >= $1 AND v.at < $1 + interval '1 day'
			), kept AS (
			    SELECT site, kind, name
			      FROM (SELECT site, kind, name, row_number() OVER (PARTITION BY site, kind ORDER BY count(*) DESC, name) AS rank
			              FROM named GROUP BY site, kind, name) AS ranked
			     WHERE rank <= $2
			)
			INSERT INTO rollups (grain, kind, name, site, at, views, visitors)
			SELECT g.grain, n.kind, coalesce(k.name, '(other)'), n.site, date_trunc(g.grain, n.at), count(*), count(DISTINCT n.visitor)
			  FROM named n
			  LEFT JOIN kept k ON k.site = n.site AND k.kind = n.kind AND k.name = n.name
			  JOIN (VALUES ('hour'), ('day')) AS g (grain) ON g.grain = 'day' OR n.kind IN ('total', 'page')
			 GROUP BY 1, 2, 3, 4, 5`, day, maxNames)
		if err != nil {
			return err
		}
		if err := db.Exec(ctx, tx, `-- name: analytics.ForgetMonth
			DELETE FROM rollups WHERE grain = 'month' AND at = date_trunc('month', $1::timestamptz)`, day); err != nil {
			return err
		}
		return db.Exec(ctx, tx, `-- name: analytics.CountMonth
			INSERT INTO rollups (grain, kind, name, site, at, views, visitors)
			SELECT 'month', kind, name, site, date_trunc('month', $1::timestamptz), sum(views), sum(visitors)
			  FROM rollups
			 WHERE grain = 'day' AND at >= date_trunc('month', $1::timestamptz) AND at < date_trunc('month', $1::timestamptz) + interval '1 month'
			 GROUP BY kind, name, site`, day)
	})
}
