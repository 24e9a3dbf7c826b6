package system

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

// RateLimit is how many requests of a class one user, or one address where
// nobody is signed in, may send.
type RateLimit struct {
	newLimit
	// Scope is "worker" if each process counts for itself, so that two allow twice
	// as much, and "shared" if all count in PostgreSQL. The shared limits are
	// those against guessing and spam; they cannot be changed.
	Scope   string `json:"scope"`
	Changed bool   `json:"changed"` // differs from the default
}

// rateLimits is the answer of GET and PUT /system/limits.
type rateLimits struct {
	// Enforced is false if HOMEBASE_RATE_LIMITS is off.
	Enforced bool        `json:"enforced"`
	Items    []RateLimit `json:"items"`

	revision int64
}

func (l rateLimits) ETag() string { return httpx.RevisionTag(l.revision) }

// newLimits is the body of PUT /system/limits: all limits that differ from the
// defaults.
type newLimits struct {
	Items []newLimit `json:"items" most:"50"`
}

type newLimit struct {
	Class      httpx.Rate `json:"class"`
	Requests   int        `json:"requests"`
	PerSeconds float64    `json:"per_seconds"`
}

// changedLimits is the row of limits.
type changedLimits struct {
	Limits   map[httpx.Rate]httpx.Limit
	Revision int64
}

var scanLimits = db.RowOf(func(c *changedLimits) []any { return []any{&c.Limits, &c.Revision} })

// shown are the limits in force on the server of ctx, with the changed ones marked.
func (s *System) shown(ctx context.Context, changed changedLimits) rateLimits {
	answer := rateLimits{Enforced: httpx.ServerOf(ctx).Limits() != nil, Items: []RateLimit{}, revision: changed.Revision}
	own := httpx.DefaultLimits()
	for class, limit := range merged(changed.Limits) {
		answer.Items = append(answer.Items, RateLimit{newLimit{class, limit.Requests, limit.Per.Seconds()}, "worker", limit != own[class]})
	}
	for class, limit := range s.SharedLimits {
		answer.Items = append(answer.Items, RateLimit{newLimit{class, limit.Requests, limit.Per.Seconds()}, "shared", false})
	}
	slices.SortFunc(answer.Items, func(a, b RateLimit) int { return cmp.Compare(a.Class, b.Class) })
	return answer
}

// merged are the defaults, overridden by the changed limits. A class that this program
// does not know, or a limit that it does not accept, comes from another release and
// is left out.
func merged(changed map[httpx.Rate]httpx.Limit) map[httpx.Rate]httpx.Limit {
	all := httpx.DefaultLimits()
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(class httpx.Rate, limit httpx.Limit) bool { return httpx.CheckLimit(class, limit) != nil })
	return all
}

// getLimits serves GET /system/limits.
func (s *System) getLimits(c *httpx.Call) (rateLimits, error) {
	changed, err := s.readLimits(c.Context())
	return s.shown(c.Context(), changed), err
}

func (s *System) readLimits(ctx context.Context) (changedLimits, error) {
	return db.One(ctx, s.DB, scanLimits, `-- name: system.Limits
SELECT changed, revision FROM limits`)
}

func (in *newLimits) check() (map[httpx.Rate]httpx.Limit, error) {
	var f httpx.Fields
	limits := map[httpx.Rate]httpx.Limit{}
	own := httpx.DefaultLimits()
	for i, item := range in.Items {
		at := "#/items/" + strconv.Itoa(i)
		// Clamped first, because a huge number would overflow a Duration.
		limit := httpx.Limit{Requests: item.Requests, Per: time.Duration(min(max(item.PerSeconds, 0), 1e6) * float64(time.Second))}
		if err := httpx.CheckLimit(item.Class, limit); err != nil {
			f.Add(at, "invalid", fmt.Sprintf("Give one of the classes %v, from 1 to a million requests, and from 1 to 86400 seconds.", slices.Sorted(maps.Keys(own))))
		}
		if _, twice := limits[item.Class]; twice {
			f.Add(at+"/class", "duplicate", "This class is listed twice.")
		}
		limits[item.Class] = limit
	}
	return limits, f.Err()
}

// putLimits serves PUT /system/limits.
func (s *System) putLimits(c *httpx.Call, in newLimits) (rateLimits, error) {
	limits, err := in.check()
	if err != nil {
		return rateLimits{}, err
	}
	ctx := c.Context()
	var saved changedLimits
	err = s.DB.InTx(ctx, func(tx pgx.Tx) error {
		before, err := db.One(ctx, tx, scanLimits, `-- name: system.PutLimits
UPDATE limits SET changed = $1, revision = was.revision + 1
  FROM (SELECT changed, revision FROM limits FOR UPDATE) AS was
RETURNING was.changed, was.revision`, limits)
		if err == nil {
			err = c.Match(before.Revision)
		}
		if err != nil {
			return err
		}
		saved = changedLimits{limits, before.Revision + 1}
		if err := s.recordLimits(ctx, tx, before.Limits, limits); err != nil {
			return err
		}
		return db.Notify(ctx, tx, limitsChannel, "")
	})
	// Even after a failure: a commit whose answer was lost may have happened.
	if applied := s.applyLimits(context.WithoutCancel(ctx), httpx.ServerOf(ctx)); err == nil {
		err = applied
	}
	return s.shown(ctx, saved), err
}

// recordLimits records the new limit of each class that changes.
func (s *System) recordLimits(ctx context.Context, tx pgx.Tx, before, after map[httpx.Rate]httpx.Limit) error {
	details := map[string]string{}
	was := merged(before)
	for class, limit := range merged(after) {
		if limit != was[class] {
			details[string(class)] = fmt.Sprintf("%d in %v", limit.Requests, limit.Per)
		}
	}
	return s.Audit.Record(ctx, tx, audit.Event{Action: audit.LimitsUpdated, Details: details})
}

// applyLimits applies the changed limits to the limiter of this worker.
func (s *System) applyLimits(ctx context.Context, server *httpx.Server) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	c, err := s.readLimits(ctx)
	if err == nil {
		server.SetLimits(merged(c.Limits))
	}
	return err
}

// FollowLimits keeps the limits of server in step with the database until ctx ends.
func (s *System) FollowLimits(ctx context.Context, server *httpx.Server) {
	s.limits.Watch(ctx, func(ctx context.Context) error {
		err := s.applyLimits(ctx, server)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("cannot read the rate limits; the current ones stay in force until the next try", "error", err)
		}
		return err
	})
}
