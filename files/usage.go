package files

import (
	"context"

	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// usageBody is what an owner's files take, in bytes.
type usageBody struct {
	stored
	Items int64 `json:"items"` // files and folders, without the root and the trash
	// Entries are all files and folders but the root, trash too, and
	// EntryQuota how many there may be.
	Entries    int64 `json:"entries"`
	EntryQuota int64 `json:"entry_quota"`
}

// getUsage is GET /files/usage.
func (f *Files) getUsage(c *httpx.Call) (usageBody, error) {
	return usageOf(c.Context(), f.db, visitOf(c.Context()).owner, f.quota)
}

func usageOf(ctx context.Context, q db.Querier, owner uuid.UUID, quota int64) (usageBody, error) {
	const sql = `-- name: files.Usage
		SELECT coalesce(t.quota, $2), t.used, t.reserved, x.size, t.versions, t.entries - x.items, t.entries, coalesce(t.entry_quota, $3)
		  FROM trees t CROSS JOIN LATERAL trash_of(t.owner_id) x
		 WHERE t.owner_id = $1`
	return db.One(ctx, q, rowOf(func(u *usageBody) []any { return append(u.fields(), &u.Items, &u.Entries, &u.EntryQuota) }), sql, owner, quota, journal.DefaultEntries)
}
