package files

import (
	"context"
	"errors"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// mostVersions is how many an item keeps. For a moment it may have more.
	mostVersions = 20
	// keepAll is how long a version lives whatever its age; of each day before
	// that, the last one stays.
	keepAll = 24 * time.Hour
	// thinPause is how long replaced items are collected, and thinStep how many
	// versions are ended by one change.
	thinPause = time.Second
	thinStep  = 1000
)

// versions ends the versions of files: by hand, or when they are too many or too
// old.
type versions struct {
	changer
	retention time.Duration
	grown     chan uuid.UUID // items that were replaced since the last look
}

// deleteVersion is DELETE /files/items/{id}/versions/{revision}: for good.
func (vs *versions) deleteVersion(c *httpx.Call) error {
	const sql = `-- name: files.EndVersion
		DELETE FROM versions v WHERE v.owner_id = $1 AND v.item_id = $2 AND v.revision = $3 RETURNING ` + journal.VersionColumns
	owner := visitOf(c.Context()).owner
	revision, err := revisionOf(c.Request)
	if err != nil {
		return err
	}
	return vs.journal.Commit(c.Context(), journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		if _, err := itemByID(ctx, t, owner, c.ID); err != nil {
			return err
		}
		v, err := db.One(ctx, t, journal.ScanVersion, sql, owner, c.ID, revision)
		if err != nil {
			return err
		}
		t.Audit(ctx, audit.Event{Action: audit.VersionEnded, Target: c.ID, Details: map[string]string{"version": strconv.FormatInt(revision, 10)}})
		return t.PurgeVersions([]journal.Version{v})
	}})
}

// replaced notes that an item may have a version more.
func (vs *versions) replaced(item uuid.UUID) {
	if vs.retention > 0 {
		offer(vs.grown, item)
	}
}

// thinGrown ends what is too much of the items that were replaced, until ctx
// ends. What fails is left to the job.
func (vs *versions) thinGrown(ctx context.Context) {
	gather(ctx, vs.grown, thinPause, func(items []uuid.UUID) {
		if err := vs.thin(ctx, items); err != nil && ctx.Err() == nil {
			vs.log.WarnContext(ctx, "cannot end versions that are too many yet", "error", err)
		}
	})
}

// thinAll ends all that are too many or too old.
func (vs *versions) thinAll(ctx context.Context) error { return vs.thin(ctx, nil) }

// owned is a version with whose it is.
type owned struct {
	owner uuid.UUID
	journal.Version
}

// thin ends versions of some items, nil for all. Kept are all of the last 24
// hours, and the last of each day before as long as the retention says; of all
// these the newest mostVersions.
func (vs *versions) thin(ctx context.Context, items []uuid.UUID) (failed error) {
	const sql = `-- name: files.VersionsTooMany
		WITH ranked AS (
		    SELECT v.owner_id, v.item_id, v.revision, v.size, v.replaced_at,
		           row_number() OVER (PARTITION BY v.item_id, (v.replaced_at AT TIME ZONE 'UTC')::date ORDER BY v.revision DESC) AS of_day
		      FROM versions v WHERE $5::uuid[] IS NULL OR v.item_id = ANY ($5)
		), judged AS (
		    SELECT r.owner_id, r.item_id, r.revision, r.size,
		           r.replaced_at > now() - $1::interval OR r.of_day = 1 AND r.replaced_at > now() - $2::interval AS keeps
		      FROM ranked r
		), counted AS (
		    SELECT j.owner_id, j.item_id, j.revision, j.size, j.keeps,
		           count(*) FILTER (WHERE j.keeps) OVER (PARTITION BY j.item_id ORDER BY j.revision DESC) AS nth
		      FROM judged j
		)
		SELECT v.owner_id, ` + journal.VersionColumns + ` FROM counted v WHERE NOT v.keeps OR v.nth > $3
		 ORDER BY v.owner_id, v.item_id, v.revision LIMIT $4`
	scan := db.RowOf(func(o *owned) []any { return []any{&o.owner, &o.Item, &o.Revision, &o.Size} })
	for failed == nil {
		// Planned anew for whether all are asked for, or a few, by the index.
		list, err := db.All(ctx, vs.db, scan, sql, pgx.QueryExecModeDescribeExec, keepAll, vs.retention, mostVersions, thinStep, items)
		if err != nil {
			return err
		}
		of := map[uuid.UUID][]journal.Version{}
		for _, o := range list {
			of[o.owner] = append(of[o.owner], o.Version)
		}
		for owner, versions := range of {
			failed = errors.Join(failed, vs.journal.Commit(ctx, journal.Change{Owner: owner, Unjudged: true, Decide: func(ctx context.Context, t *journal.Tx) error {
				return t.EndVersions(ctx, versions)
			}}))
		}
		if len(list) < thinStep {
			break
		}
	}
	return failed
}
