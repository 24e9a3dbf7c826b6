// Package system is the platform's own controls: its configuration and secret, and what
// tells an operator and a proxy how it is doing. It serves and changes what the other
// rooms register, and has no domain of its own.
//
// /system/health says that the process answers, and checks nothing else, so that a dead
// database never makes a supervisor restart a healthy server. /system/ready says
// whether a request would succeed now.
package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"
)

// Check is one thing that must hold for the platform to be ready.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Setup is what the room needs.
type Setup struct {
	Version string
	Log     *slog.Logger
	DB      *db.DB
	Audit   *audit.Log
	// Keys returns the derived keys for a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// Checks are what /system/ready checks.
	Checks []Check
	// SharedLimits are the limits that other rooms keep in PostgreSQL.
	SharedLimits map[httpx.Rate]httpx.Limit
	// Figures are what other rooms report in /system/metrics.
	Figures []func(ctx context.Context) ([]httpx.Figure, error)
	// Untaken names the entries on the disk that have no row, and says why.
	Untaken func(ctx context.Context, give func(path, why string)) error
	// PasskeyDomains are the domains of the passkeys that people have, with
	// the number of keys.
	PasskeyDomains func(ctx context.Context) (map[string]int, error)
	// GuardedHosts are the names of the hosts that the gate stands before.
	GuardedHosts func(ctx context.Context) ([]string, error)
}

// System serves the platform's own routes. Make one with New.
type System struct {
	Setup
	flags    *db.Kept[[]Flag]
	limits   *db.Kept[changedLimits]
	applying sync.Mutex // orders reading the limits and setting them
}

// The channels notify that flags or limits have changed.
const (
	flagsChannel  = "flags"
	limitsChannel = "limits"
)

// New makes the room and registers with the listener: call it before the listener runs.
// It does not read keys or the database.
func New(setup Setup) *System {
	s := &System{Setup: setup}
	s.flags = db.NewKept(s.DB, flagsChannel, s.readFlags)
	s.limits = db.NewKept(s.DB, limitsChannel, s.readLimits)
	return s
}

// checkTimeout bounds a readiness check, so that no proxy times out first.
const checkTimeout = 2 * time.Second

var errNotReady = httpx.NewProblem(http.StatusServiceUnavailable, "not_ready", "Not ready")

// Status is the answer of health and readiness. Only who holds system:read sees the
// checks.
type Status struct {
	Status string   `json:"status"`
	Checks []string `json:"checks,omitempty"` // the names of those that pass
}

// Version is the answer of /system/version.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Routes are the operations of this room.
func (s *System) Routes() []httpx.Route {
	reads, manages := httpx.Needs(auth.SystemRead).OrOperator(), httpx.Needs(auth.SystemManage).OrOperator()
	taggedFlags := []httpx.Response{{Status: http.StatusOK, Body: ofrepFlags{}, Headers: []string{"ETag"}}, {Status: http.StatusNotModified, Headers: []string{"ETag"}}}
	seen, streamed := httpx.Response{Status: http.StatusOK, Body: Seen{}}, httpx.Response{Status: http.StatusOK, Type: "text/event-stream"}
	return []httpx.Route{
		{Pattern: "GET /system/health", Access: httpx.Public(), Rate: httpx.RateRead,
			Summary: "The process answers; nothing else is checked",
			Do:      httpx.Answers(func(*httpx.Call) (Status, error) { return Status{Status: "ok"}, nil })},
		{Pattern: "GET /system/ready", Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary: "Whether a request would succeed: database, schema, storage, free space, redo backlog, notifications",
			Do:      httpx.Answers(s.ready), Problems: httpx.Problems{errNotReady}},
		{Pattern: "GET /system/version", Access: httpx.SignedIn().OrOperator(), Rate: httpx.RateRead,
			Summary: "What is running", Do: httpx.Answers(func(*httpx.Call) (Version, error) { return s.version(), nil })},
		{Pattern: "GET /system/flags", Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary: "The feature flags as they are for the caller, all at once", Do: httpx.Answers(s.listFlags)},
		{Pattern: "GET /system/flags/{key}", Access: manages, Rate: httpx.RateRead,
			Summary: "A feature flag and its rules", Do: httpx.Answers(s.getFlag), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "PUT /system/flags/{key}", Access: manages, Rate: httpx.RateWrite, Body: flagBody, Headers: []string{"If-None-Match"},
			Summary: "Make or replace a feature flag", Do: httpx.JSON(s.putFlag).MayCreate(), Problems: httpx.Problems{httpx.ErrPreconditionFailed, errFlags}},
		{Pattern: "DELETE /system/flags/{key}", Access: manages, Rate: httpx.RateWrite,
			Summary: "Delete a feature flag", Do: httpx.Acts(s.deleteFlag), Problems: httpx.Problems{httpx.ErrNotFound, httpx.ErrPreconditionFailed}},
		{Pattern: "POST /system/flags/ofrep/v1/evaluate/flags", Access: httpx.Recognised(), Rate: httpx.RateRead, Body: 64 << 10, Request: ofrepRequest{},
			Summary: "All feature flags for the caller, for OpenFeature's SDKs", Responses: taggedFlags,
			Problems: httpx.Problems{errContext}, Handler: s.evaluateFlags},
		{Pattern: "POST /system/flags/ofrep/v1/evaluate/flags/{key}", Access: httpx.Recognised(), Rate: httpx.RateRead, Body: 64 << 10, Request: ofrepRequest{},
			Summary: "One feature flag for the caller, for OpenFeature's SDKs", Responses: []httpx.Response{{Status: http.StatusOK, Body: ofrepFlag{}}},
			Problems: httpx.Problems{errContext, httpx.ErrNotFound}, Handler: s.evaluateFlag},
		// The limits are not limited themselves: whoever sets one too low must be able
		// to undo it.
		{Pattern: "GET /system/limits", Access: reads, Rate: httpx.RateNone,
			Summary: "The rate limits by class", Do: httpx.Answers(s.getLimits)},
		{Pattern: "PUT /system/limits", Access: manages, Rate: httpx.RateNone, Body: 64 << 10,
			Summary: "Change rate limits; classes that are not named get the defaults",
			Do:      httpx.JSON(s.putLimits), Problems: httpx.Problems{httpx.ErrPreconditionFailed}},
		{Pattern: "GET /system/metrics", Access: reads, Rate: httpx.RateRead,
			Summary:   "What this process reports about itself, also in Prometheus' text format",
			Responses: []httpx.Response{{Status: http.StatusOK, Body: Metrics{}}, {Status: http.StatusOK, Type: "text/plain"}}, Handler: s.getMetrics},
		{Pattern: "GET /system/jobs", Access: reads, Rate: httpx.RateRead,
			Summary: "Every job: its last run, its next, and its failures", Do: httpx.Answers(s.listJobs)},
		{Pattern: "GET /system/probe", Access: httpx.Public(), Rate: httpx.RateRead, Query: []string{"stream"}, Headers: []string{probeHeader},
			Summary: "How a request from `homebase doctor` arrived; nobody else's", Responses: []httpx.Response{seen, streamed},
			Problems: httpx.Problems{httpx.ErrNotFound}, Handler: s.probe},
		{Pattern: "POST /system/probe", Access: httpx.Public(), Rate: httpx.RateRead, Body: httpx.Stream, Headers: []string{probeHeader},
			Summary: "How a body from `homebase doctor` arrived; nobody else's", Responses: []httpx.Response{seen},
			Problems: httpx.Problems{httpx.ErrNotFound}, Handler: s.probe},
	}
}

func (s *System) version() Version { return Version{s.Version, runtime.Version()} }

func (s *System) ready(c *httpx.Call) (Status, error) {
	select {
	case <-httpx.ServerOf(c.Context()).Draining():
		return Status{}, errNotReady.With("The server is stopping; another one will answer.").RetryAfter(time.Second)
	default:
	}
	trusted := c.Caller != nil && c.Caller.Can(auth.SystemRead)
	holding, failing, err := s.runChecks(c.Context())
	if err != nil {
		detail := "The server cannot take requests now; try again shortly."
		if trusted {
			detail = "Failing: " + strings.Join(failing, ", ") + ". The server's log says why."
		}
		return Status{}, errNotReady.With(detail).Because(err).RetryAfter(time.Second)
	}
	if !trusted {
		holding = nil
	}
	return Status{Status: "ready", Checks: holding}, nil
}

// runChecks runs all checks at once, so that one that hangs does not affect the others.
// The error joins those of all that fail.
func (s *System) runChecks(ctx context.Context) (holding, failing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(s.Checks))
	var group sync.WaitGroup
	for i, c := range s.Checks {
		group.Go(func() { errs[i] = c.Run(ctx) })
	}
	group.Wait()
	for i, c := range s.Checks {
		if errs[i] == nil {
			holding = append(holding, c.Name)
			continue
		}
		failing = append(failing, c.Name)
		err = errors.Join(err, fmt.Errorf("%s: %w", c.Name, errs[i]))
	}
	return holding, failing, err
}

// WithContract adds the route that describes all routes to the table.
func WithContract(routes []httpx.Route) []httpx.Route {
	var text func() ([]byte, error)
	routes = append(routes, httpx.Route{
		Pattern: "GET /system/openapi.json", Access: httpx.Public(), Rate: httpx.RateRead,
		Summary:   "This API as an OpenAPI 3.1 document",
		Responses: []httpx.Response{{Status: http.StatusOK, Type: "application/json", Headers: []string{"ETag"}}},
		Handler: func(w http.ResponseWriter, _ *http.Request) error {
			contract, err := text()
			if err != nil {
				return fmt.Errorf("describe the routes: %w", err)
			}
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Header().Set("ETag", httpx.ContentTag(contract))
			w.Header().Set("Content-Type", "application/json")
			_, err = w.Write(contract)
			return err
		},
	})
	text = sync.OnceValues(func() ([]byte, error) { return httpx.OpenAPI(routes) })
	return routes
}
