package disk

import (
	"fmt"
	"path"
	"strings"

	"github.com/google/uuid"
)

// The layout below the data directory. Everything lies on one file system,
// because a file is published by renaming it.
const (
	MarkerFile = ".homebase"
	Workers    = "workers" // a lock file for each running worker
	Staging    = "staging" // staging/new/… and staging/<owner>/…: bytes that no row points to yet
	Trash      = "trash"   // trash/<owner>/<item>
	Purge      = "purge"   // purge/<item>.<revision>: bytes that a commit displaced
	Cache      = "cache"   // may be deleted at any time
	Users      = "users"   // users/<owner>/…: people's own files, under their names
	Spaces     = "spaces"  // spaces/<owner>/…: files of several people, under their names
	// Versions is for versions/<owner>/<item>.<revision>: what a file held
	// before it was replaced.
	Versions = "versions"
)

// spaceVersion is the version of a space's id. Every other owner is a user,
// whose id is of another version: so the id alone says where a tree lies.
const spaceVersion = 8

// NewSpaceID is the id of a new space: that of a UUIDv7, as everything has, with
// the version of those whose meaning is their maker's (RFC 9562, section 5.8).
func NewSpaceID() uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	id[6] = spaceVersion<<4 | id[6]&0x0f
	return id
}

// IsSpace tells an owner that is a space from one that is a user.
func IsSpace(owner uuid.UUID) bool { return owner.Version() == spaceVersion }

// OwnerPath is where an owner's item of that path lies: "" is the root folder,
// "/documents/a.pdf" a file.
func OwnerPath(owner uuid.UUID, p string) string {
	top := Users
	if IsSpace(owner) {
		top = Spaces
	}
	return top + "/" + owner.String() + p
}

// Inside is a path below the data directory as it is in its owner's folder: ""
// for that folder itself, "/documents/a.pdf" for what is in it. What lies in no
// owner's folder is not ok.
func Inside(p string) (inside string, ok bool) {
	top, rest, found := strings.Cut(p, "/")
	if !found || top != Users && top != Spaces {
		return "", false
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:], true
	}
	return "", true
}

// TrashPath is where a deleted item lies.
func TrashPath(owner, item uuid.UUID) string {
	return path.Join(Trash, owner.String(), item.String())
}

// PurgePath is where the bytes of a former revision wait for the purge job.
func PurgePath(item uuid.UUID, revision int64) string {
	return fmt.Sprintf("%s/%s.%d", Purge, item, revision)
}

// VersionPath is where a former content of an item lies.
func VersionPath(owner, item uuid.UUID, revision int64) string {
	return fmt.Sprintf("%s/%s/%s.%d", Versions, owner, item, revision)
}
