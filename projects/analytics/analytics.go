// Package analytics counts the page views of the frontends without identifying
// people. It is the first app.
//
// What it promises:
//   - No cookie is set or read, no address is stored, no third party learns of a
//     visit. Within one UTC day and site a visitor is a keyed hash; its salt is
//     destroyed when the day is over, and then nobody can compute the hash again.
//   - Counting a view costs no query: views are queued, up to a bound, and written
//     in batches.
//   - What strangers can add is bounded: the views of a day, in total and for each
//     network, and the names under which they are counted. The stats say how many
//     were dropped.
//   - What is kept permanently is counts by hour and day, whose number depends on
//     how many pages there are and not on how often they are viewed. Hourly counts
//     of single pages are kept for 400 days.
//
// Visitors are distinct within an hour or a day. For longer times there is no such
// number, because nothing connects two days: months and ranges add up the visitors
// of their days.
package analytics

import (
	_ "embed"
	"sync/atomic"
	"time"

	"homebase/auth"
	"homebase/db"
	"homebase/httpx"
	"homebase/projects"
)

//go:embed schema.sql
var schema string

// Read is the permission to see the figures.
const Read = "projects.analytics:read"

type app struct {
	host     *projects.Host
	views    *db.Batches[view]
	maxViews int // of one day
	networks networks
	dropped  atomic.Int64 // dropped views that are not recorded yet
}

// App makes the app.
func App(host *projects.Host) projects.App { return bounded(host, maxViews, maxNetwork) }

func bounded(host *projects.Host, views, network int) projects.App {
	a := &app{host: host, maxViews: views, networks: networks{most: network}}
	a.views = db.NewBatches(queueLength, maxBatch, writeEvery, a.write)
	return projects.App{
		Name:        "analytics",
		Description: "Page views of the frontends, without cookies or stored addresses",
		Schema:      schema,
		Permissions: []auth.Permission{{Name: Read, Description: "See the numbers of visitors."}},
		Routes: []httpx.Route{
			{Pattern: "POST /events", Access: httpx.Public(), Beacon: true, Rate: httpx.RateWrite, Body: maxEvent,
				Summary: "Count a page view of a frontend", Do: httpx.Takes(a.postEvent).Accepts(), Problems: httpx.Problems{errOrigin}},
			{Pattern: "GET /stats", Access: httpx.Needs(Read).OrOperator(), Rate: httpx.RateRead, Query: []string{"from", "to", "by", "page", "site"},
				Summary: "Views and visitors over time, with the top pages, referrers and devices", Do: httpx.Answers(a.getStats)},
		},
		Jobs: []db.Job{{Name: "rollup", Every: 5 * time.Minute, Run: a.rollUp, Needed: a.uncounted}},
		Run:  a.views.Run,
	}
}
