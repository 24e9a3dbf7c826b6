// Package analytics counts the page views of the frontends without knowing
// persons. It is the first app.
//
// What it promises:
//   - No cookie is set or read, no address is stored, no third party is told.
//     Within one UTC day and site a visitor is a keyed hash; its salt is
//     destroyed when the day is over, and then nobody can make the hash again.
//   - Taking a view costs no query: views are queued, bounded, and written in
//     batches; what a full queue loses is counted in the log.
//   - What is kept for good is counts by hour and day, whose number depends
//     on how many pages there are and not on how often they are seen.
//
// Visitors are distinct within an hour or a day. For a longer time there is
// no such number, because nothing joins two days: months and sums over a
// range add up the days' visitors.
package analytics

import (
	_ "embed"
	"net/http"
	"sync/atomic"
	"time"

	"homebase/db"
	"homebase/httpx"
	"homebase/projects"
)

//go:embed schema.sql
var schema string

// Read is the permission to see the figures.
const Read = "projects.analytics:read"

type app struct {
	host  *projects.Host
	queue chan view
	lost  atomic.Int64 // views that came while the queue was full
}

// App makes the app.
func App(host *projects.Host) projects.App {
	a := &app{host: host, queue: make(chan view, queueLength)}
	return projects.App{
		Name:        "analytics",
		Description: "Page views of the frontends, without cookies or stored addresses",
		Schema:      schema,
		Permissions: []string{Read},
		Routes: []httpx.Route{
			{Pattern: "POST /events", Access: httpx.Public(), Beacon: true, Rate: httpx.RateWrite, Body: maxEvent, Request: Event{},
				Summary: "Count a page view of a frontend", Responses: []httpx.Response{{Status: http.StatusAccepted}},
				Problems: []*httpx.Problem{errOrigin}, Handler: a.postEvent},
			{Pattern: "GET /stats", Access: httpx.Needs(Read), Rate: httpx.RateRead, Query: []string{"from", "to", "by", "page", "site"},
				Summary: "Views and visitors over time, with the pages, referrers and devices that had most", Responses: []httpx.Response{{Status: http.StatusOK, Body: Stats{}}},
				Handler: a.getStats},
		},
		Jobs: []db.Job{{Name: "rollup", Every: 5 * time.Minute, Run: a.rollUp}},
		Run:  a.write,
	}
}
