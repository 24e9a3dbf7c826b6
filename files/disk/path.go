package disk

import (
	"fmt"
	"path"

	"github.com/google/uuid"
)

// The layout below the data directory. Everything lies on one file system,
// because a file is published by renaming it.
const (
	MarkerFile = ".homebase"
	Workers    = "workers" // a lock file for each running worker
	Staging    = "staging" // staging/<owner>/<op>…: bytes that no row points to yet
	Trash      = "trash"   // trash/<owner>/<item>
	Purge      = "purge"   // purge/<item>.<revision>: bytes that a commit displaced
	Cache      = "cache"   // may be deleted at any time
	Users      = "users"   // users/<owner>/…: the only part a person looks into
)

// UserPath is where an owner's item of that path lies: "" is the root folder,
// "/documents/a.pdf" a file.
func UserPath(owner uuid.UUID, p string) string { return Users + "/" + owner.String() + p }

// TrashPath is where a deleted item lies.
func TrashPath(owner, item uuid.UUID) string {
	return path.Join(Trash, owner.String(), item.String())
}

// PurgePath is where the bytes of a former revision wait for the purge job.
func PurgePath(item uuid.UUID, revision int64) string {
	return fmt.Sprintf("%s/%s.%d", Purge, item, revision)
}
