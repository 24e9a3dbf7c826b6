package files

import (
	"time"

	"homebase/files/naming"

	"github.com/google/uuid"
)

// newRow is a row of items to be inserted.
type newRow struct {
	ID        uuid.UUID  `json:"id"`
	Parent    uuid.UUID  `json:"parent_id"`
	Kind      int16      `json:"kind"`
	Name      string     `json:"name"`
	Sort      string     `json:"name_sort"`
	Folded    string     `json:"name_folded"`
	Size      int64      `json:"size"`
	MediaType *string    `json:"media_type"`
	SHA256    []byte     `json:"sha256"`
	MTime     *int64     `json:"mtime"`
	Ino       *int64     `json:"ino"`
	Revision  int64      `json:"revision"`
	Created   time.Time  `json:"created_at,omitzero"` // zero: now, as Updated
	Updated   time.Time  `json:"updated_at,omitzero"`
	Trashed   *time.Time `json:"trashed_at"`
}

// keyed is the row with the keys of its name.
func (r newRow) keyed() newRow {
	r.Sort, r.Folded = naming.SortKey(r.Name), naming.Fold(r.Name)
	return r
}

// insertRows begins a statement that inserts rows ($2) of an owner ($1).
const insertRows = `
	INSERT INTO items AS i (id, owner_id, parent_id, kind, name, name_sort, name_folded, size, media_type, sha256, mtime, ino,
	                        revision, created_at, updated_at, trashed_at)
	SELECT n.id, $1, n.parent_id, n.kind, n.name, normalize(n.name_sort, NFC), normalize(n.name_folded, NFC), n.size, n.media_type,
	       decode(n.sha256, 'base64'), n.mtime, n.ino, n.revision, coalesce(n.created_at, now()), coalesce(n.updated_at, now()), n.trashed_at
	  FROM jsonb_to_recordset($2::jsonb) AS n (id uuid, parent_id uuid, kind smallint, name text, name_sort text, name_folded text, size bigint,
	       media_type text, sha256 text, mtime bigint, ino bigint, revision bigint, created_at timestamptz, updated_at timestamptz, trashed_at timestamptz)`
