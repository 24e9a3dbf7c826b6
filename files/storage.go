package files

import (
	"context"
	"errors"
	"fmt"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// storageBody is what the data directory holds, in bytes where nothing else
// is said: figures for who runs the server, without a name or a walk.
type storageBody struct {
	Disk       diskBody     `json:"disk"`
	Users      []ownerBody  `json:"users"`  // a page, by user_id
	Spaces     []spaceUsage `json:"spaces"` // those of the same page, by space_id
	NextCursor *string      `json:"next_cursor"`
	Staging    int64        `json:"staging"` // held by uploads under way
	Purge      int64        `json:"purge"`   // files and folders that wait to be freed
	Items      int64        `json:"items"`   // files and folders of everyone, trash too
}

type diskBody struct {
	Total int64 `json:"total"`
	Free  int64 `json:"free"` // for who is not root
}

type ownerBody struct {
	UserID uuid.UUID `json:"user_id"`
	stored
}

type spaceUsage struct {
	SpaceID uuid.UUID `json:"space_id"`
	stored
}

// stored is what an owner stores, in bytes.
type stored struct {
	owner    uuid.UUID
	Quota    int64 `json:"quota"`
	Used     int64 `json:"used"`     // files, trash and versions
	Reserved int64 `json:"reserved"` // by uploads under way
	Trash    int64 `json:"trash"`    // the part of used that lies in the trash
	Versions int64 `json:"versions"` // the part of used that versions take
}

func (s *stored) fields() []any { return []any{&s.Quota, &s.Used, &s.Reserved, &s.Trash, &s.Versions} }

// getStorage is GET /system/storage.
func (f *Files) getStorage(c *httpx.Call) (body storageBody, err error) {
	ctx := c.Context()
	if s := f.vol.away.Load(); s != nil {
		return body, journal.ErrUnavailable.Because(errors.New(*s))
	}
	page, err := httpx.KeysetOf[uuid.UUID](c)
	if err != nil {
		return body, err
	}
	owners, err := db.All(ctx, f.db, db.RowOf(func(o *stored) []any { return append([]any{&o.owner}, o.fields()...) }), `-- name: files.StorageOfOwners
		SELECT t.owner_id, coalesce(t.quota, $3), t.used, t.reserved, x.size, t.versions
		  FROM (SELECT o.owner_id, o.quota, o.used, o.reserved, o.versions FROM trees o WHERE o.owner_id > $1 ORDER BY o.owner_id LIMIT $2) t
		 CROSS JOIN LATERAL trash_of(t.owner_id) x
		 ORDER BY t.owner_id`, page.After(uuid.Nil), page.Limit, f.journal.Quota)
	if err != nil {
		return body, err
	}
	list := httpx.ListBy(page, owners, func(o stored) uuid.UUID { return o.owner })
	body, err = db.One(ctx, f.db, db.RowOf(func(b *storageBody) []any { return []any{&b.Items, &b.Staging} }), `-- name: files.StorageOfAll
		SELECT (SELECT count(*) FROM items i) - (SELECT count(*) FROM trees t),
		       (SELECT coalesce(sum(u.bytes), 0)::bigint FROM uploads u WHERE u.state = 'open')`)
	if err != nil {
		return body, err
	}
	waiting, err := f.vol.disk.Names(disk.Purge)
	if err != nil {
		return body, f.vol.diskError(err)
	}
	body.Users, body.Spaces = []ownerBody{}, []spaceUsage{}
	body.NextCursor, body.Purge = list.NextCursor, int64(len(waiting))
	for _, o := range list.Items {
		if disk.IsSpace(o.owner) {
			body.Spaces = append(body.Spaces, spaceUsage{o.owner, o})
		} else {
			body.Users = append(body.Users, ownerBody{o.owner, o})
		}
	}
	body.Disk.Total, body.Disk.Free, err = f.vol.disk.Space()
	return body, f.vol.diskError(err)
}

// mostRedo is how many committed changes may wait for the disk before it is
// said that it does not keep up.
const mostRedo = 1000

// KeepsUp is nil while the disk follows what is committed. Anyone may ask,
// often: it reads no items, and of the records no more than decide.
func (f *Files) KeepsUp(ctx context.Context) error {
	waiting, err := db.One(ctx, f.db, db.Value[int64], `-- name: files.Backlog
		SELECT count(*) FROM (SELECT FROM file_ops o WHERE o.quarantined_at IS NULL LIMIT $1) AS o`, mostRedo+1)
	if err == nil && waiting > mostRedo {
		err = fmt.Errorf("more than %d committed changes are waiting for the disk", mostRedo)
	}
	return err
}

// HasRoom is nil while there is free space for more than uploads. They stop
// at the floor, and all else goes on, so that owners can free something; with
// less than an eighth of it left, whatever else writes to the disk is about
// to fail too.
func (f *Files) HasRoom(context.Context) error {
	if s := f.vol.away.Load(); s != nil {
		return errors.New(*s)
	}
	_, free, err := f.vol.disk.Space()
	if err == nil && free < f.vol.minFree/8 {
		err = fmt.Errorf("only %d bytes are free on the data directory's disk; uploads stop below %d", free, f.vol.minFree)
	}
	return err
}

// Figures are what there is to tell of everyone's files and their disk. Items are
// what PostgreSQL's statistics say: counting them would read the whole table each
// time that a monitor asks.
func (f *Files) Figures(ctx context.Context) ([]httpx.Figure, error) {
	const sql = `-- name: files.Figures
		SELECT ARRAY[(SELECT greatest(c.reltuples, 0) FROM pg_class c WHERE c.oid = 'items'::regclass),
		             u.uploads, u.bytes, t.used, t.nearly_full, o.records - o.quarantined, o.quarantined]::float8[]
		  FROM (SELECT count(*) AS uploads, coalesce(sum(u.bytes), 0) AS bytes FROM uploads u WHERE u.state = 'open') u,
		       (SELECT count(*) AS records, count(o.quarantined_at) AS quarantined FROM file_ops o) o,
		       (SELECT coalesce(sum(t.used), 0) AS used,
		               count(*) FILTER (WHERE t.used + t.reserved > 0.9 * coalesce(t.quota, $1)) AS nearly_full FROM trees t) t`
	values, err := db.One(ctx, f.db, db.Value[[]float64], sql, f.journal.Quota)
	if err != nil {
		return nil, err
	}
	figures := []httpx.Figure{
		{Name: "homebase_items", Help: "Files and folders of all users, trash included; an estimate from PostgreSQL's statistics."},
		{Name: "homebase_uploads_open", Help: "Uploads in progress or interrupted that hold space."},
		{Name: "homebase_staging_bytes", Help: "Space held by uploads in progress."},
		{Name: "homebase_storage_used_bytes", Help: "Bytes of everybody's files, with trash and versions."},
		{Name: "homebase_storage_nearly_full", Help: "Users and spaces that use more than nine tenths of their quota."},
		{Name: "homebase_redo_records", Help: "Committed changes that are not on the disk yet."},
		{Name: "homebase_redo_quarantined_records", Help: "Committed changes whose bytes could not be found."},
	}
	for i, value := range values {
		figures[i].Value = value
	}
	if f.vol.away.Load() != nil {
		return figures, nil
	}
	total, free, err := f.vol.disk.Space()
	if err != nil {
		return nil, err
	}
	return append(figures,
		httpx.Figure{Name: "homebase_disk_size_bytes", Help: "Size of the data directory's disk.", Value: float64(total)},
		httpx.Figure{Name: "homebase_disk_free_bytes", Help: "Free space of the data directory's disk.", Value: float64(free)}), nil
}

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
	return f.usageOf(c.Context(), visitOf(c.Context()).owner)
}

func (f *Files) usageOf(ctx context.Context, owner uuid.UUID) (usageBody, error) {
	const sql = `-- name: files.Usage
		SELECT coalesce(t.quota, $2), t.used, t.reserved, x.size, t.versions, t.entries - x.items, t.entries, coalesce(t.entry_quota, $3)
		  FROM trees t CROSS JOIN LATERAL trash_of(t.owner_id) x
		 WHERE t.owner_id = $1`
	return db.One(ctx, f.db, db.RowOf(func(u *usageBody) []any { return append(u.fields(), &u.Items, &u.Entries, &u.EntryQuota) }), sql, owner, f.journal.Quota, journal.DefaultEntries)
}
