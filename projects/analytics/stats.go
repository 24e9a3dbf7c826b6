package analytics

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"homebase/db"
	"homebase/httpx"
	"homebase/projects"
)

const (
	topNames = 20
	maxDays  = 3660 // of one answer
	maxHours = 31   // days of an answer by the hour
)

// Count is what happened in one hour, day or month.
type Count struct {
	At       time.Time `json:"at"` // its beginning
	Views    int64     `json:"views"`
	Visitors int64     `json:"visitors"` // of a month: the sum of its days' visitors
}

// Page is one of the pages with the most views.
type Page struct {
	Site     string `json:"site"`
	Path     string `json:"path"`
	Views    int64  `json:"views"`
	Visitors int64  `json:"visitors"` // the sum of the days' visitors
}

// Referrer is one of the hosts that led to the most views.
type Referrer struct {
	Referrer string `json:"referrer"` // "": none
	Views    int64  `json:"views"`
	Visitors int64  `json:"visitors"`
}

// Device is a class of devices.
type Device struct {
	Device   string `json:"device"` // desktop, phone or tablet
	Views    int64  `json:"views"`
	Visitors int64  `json:"visitors"`
}

// Stats is the answer of GET /projects/analytics/stats. Referrers and devices are
// counted for whole sites only: with a page they are empty.
type Stats struct {
	Items     []Count    `json:"items"` // without gaps
	Pages     []Page     `json:"pages"`
	Referrers []Referrer `json:"referrers"`
	Devices   []Device   `json:"devices"`
	// Dropped is how many views of these days, of all sites, were not kept: their
	// day or their network had no room for more, or they came faster than they
	// could be written.
	Dropped int64 `json:"dropped"`
}

// question is what a request for stats asks.
type question struct {
	from, to   time.Time // whole UTC days; to is exclusive
	by         string
	page, site string // "": all
}

// asked reads ?from=&to=, two UTC days, both inclusive. The default is the last thirty
// days.
func asked(q url.Values) (question, error) {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	k := question{from: today.AddDate(0, 0, -29), to: today, by: cmp.Or(q.Get("by"), "day"), page: onePath(q.Get("page")), site: q.Get("site")}
	for name, day := range map[string]*time.Time{"from": &k.from, "to": &k.to} {
		if text := q.Get(name); text != "" {
			var err error
			if *day, err = time.Parse(time.DateOnly, text); err != nil {
				return k, httpx.ErrInvalidParameter.With(name + " must be a day, like 2026-01-31.")
			}
		}
	}
	most, known := map[string]int{"hour": maxHours, "day": maxDays, "month": maxDays}[k.by]
	switch days := int(k.to.Sub(k.from).Hours()/24) + 1; {
	case !known:
		return k, httpx.ErrInvalidParameter.With("by must be hour, day or month.")
	case days < 1:
		return k, httpx.ErrInvalidParameter.With("from must not be later than to.")
	case days > most:
		return k, httpx.ErrInvalidParameter.With("Ask for at most 31 days by hour, and at most ten years otherwise.")
	}
	k.to = k.to.AddDate(0, 0, 1)
	return k, nil
}

// getStats serves GET /projects/analytics/stats from the counts, which may be five
// minutes old.
func (a *app) getStats(c *httpx.Call) (Stats, error) {
	k, err := asked(c.URL.Query())
	if err != nil {
		return Stats{}, err
	}
	ctx := c.Context()
	s := Stats{Pages: []Page{}, Referrers: []Referrer{}, Devices: []Device{}}
	err = a.host.InTx(ctx, func(tx *projects.Tx) (err error) {
		grain, kind := "day", "total"
		if k.by == "hour" {
			grain = "hour"
		}
		if k.page != "" {
			kind = "page"
		}
		scan := db.RowOf(func(c *Count) []any { return []any{&c.At, &c.Views, &c.Visitors} })
		s.Items, err = db.All(ctx, tx, scan, `-- name: analytics.Items
			SELECT at, coalesce(c.views, 0), coalesce(c.visitors, 0)
			  FROM generate_series(date_trunc($1, $2::timestamptz), $3::timestamptz - interval '1 second', ('1 ' || $1)::interval) AS at
			  LEFT JOIN (SELECT date_trunc($1, r.at) AS at, sum(r.views)::bigint AS views, sum(r.visitors)::bigint AS visitors
			               FROM rollups r
			              WHERE r.grain = $4 AND r.kind = $5 AND r.name = $6 AND r.at >= $2 AND r.at < $3 AND ($7 = '' OR r.site = $7)
			              GROUP BY 1) AS c USING (at)
			 ORDER BY 1`, k.by, k.from, k.to, grain, kind, k.page, k.site)
		if err == nil {
			s.Pages, err = top(ctx, tx, k, "page", func(p *Page) []any { return []any{&p.Path, &p.Site, &p.Views, &p.Visitors} })
		}
		if err == nil && k.page == "" {
			s.Referrers, err = top(ctx, tx, k, "referrer", func(r *Referrer) []any { return []any{&r.Referrer, nil, &r.Views, &r.Visitors} })
		}
		if err == nil && k.page == "" {
			s.Devices, err = top(ctx, tx, k, "device", func(d *Device) []any { return []any{&d.Device, nil, &d.Views, &d.Visitors} })
		}
		if err == nil {
			s.Dropped, err = db.One(ctx, tx, db.Value[int64], `-- name: analytics.Dropped
			SELECT coalesce(sum(d.dropped), 0)::bigint FROM days d WHERE d.day >= ($1::timestamptz AT TIME ZONE 'UTC')::date AND d.day < ($2::timestamptz AT TIME ZONE 'UTC')::date`, k.from, k.to)
		}
		return err
	})
	return s, err
}

// months are the whole months within the question; if there is none, both are its end.
func (k question) months() (from, to time.Time) {
	from = time.Date(k.from.Year(), k.from.Month(), 1, 0, 0, 0, 0, time.UTC)
	if from.Before(k.from) {
		from = from.AddDate(0, 1, 0)
	}
	to = time.Date(k.to.Year(), k.to.Month(), 1, 0, 0, 0, 0, time.UTC)
	if !from.Before(to) {
		return k.to, k.to
	}
	return from, to
}

// top are the names of a kind with the most views, pages by site; fields take name,
// site, views and visitors. They are summed up from whole months, and from the days
// before and after these.
func top[T any](ctx context.Context, tx *projects.Tx, k question, kind string, fields func(v *T) []any) ([]T, error) {
	firstMonth, endMonth := k.months()
	return db.All(ctx, tx, db.RowOf(fields), `-- name: analytics.Top
		SELECT r.name, CASE WHEN $1 = 'page' THEN r.site ELSE '' END, sum(r.views)::bigint, sum(r.visitors)::bigint
		  FROM rollups r
		 WHERE r.kind = $1 AND ($4 = '' OR r.site = $4) AND ($5 = '' OR r.name = $5)
		   AND (r.grain = 'month' AND r.at >= $7 AND r.at < $8 OR r.grain = 'day' AND r.at >= $2 AND r.at < $7 OR r.grain = 'day' AND r.at >= $8 AND r.at < $3)
		 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $6`, kind, k.from, k.to, k.site, k.page, topNames, firstMonth, endMonth)
}
