package journal

import (
	"time"

	"github.com/google/uuid"
)

// The kinds of items.
const (
	Folder = 0 // before 1: folders come first in every order
	File   = 1
)

// Item is a row of items.
type Item struct {
	ID        uuid.UUID
	Owner     uuid.UUID
	Parent    *uuid.UUID // nil: the root
	Kind      int16
	Name      string
	Size      int64
	MediaType *string // files only, as SHA256 and MTime
	SHA256    []byte
	MTime     *int64 // nanoseconds since 1970
	Revision  int64
	Created   time.Time
	Updated   time.Time
	Ino       *int64 // the inode where the bytes were taken
	Missing   bool   // the last scan did not find it on the disk
}

// ItemColumns are those of a row of items AS i, as Fields wants them.
const ItemColumns = `i.id, i.owner_id, i.parent_id, i.kind, i.name, i.size, i.media_type, i.sha256, i.mtime, i.revision, i.created_at, i.updated_at, i.ino, i.missing_at IS NOT NULL`

// Fields are where a row of ItemColumns is scanned to.
func (it *Item) Fields() []any {
	return []any{&it.ID, &it.Owner, &it.Parent, &it.Kind, &it.Name, &it.Size, &it.MediaType, &it.SHA256, &it.MTime, &it.Revision, &it.Created, &it.Updated, &it.Ino, &it.Missing}
}

// IsFile tells a file from a folder.
func (it *Item) IsFile() bool { return it.Kind == File }
