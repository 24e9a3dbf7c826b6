package httpx

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Caller is who sent a request. auth makes it and everyone reads it; nobody
// changes it.
type Caller struct {
	UserID    uuid.UUID
	SessionID uuid.UUID // zero when an access key calls
	KeyID     uuid.UUID // zero when a session calls
	// Permissions are sorted.
	Permissions []string
	// Roles are the names of the user's roles, even where a key calls. They
	// grant nothing by themselves: permissions do.
	Roles []string
	// AuthenticatedAt is when the caller last gave the password.
	AuthenticatedAt time.Time
	// Cookie says that a cookie carried the credentials: only then can
	// another site have made the browser send them.
	Cookie bool
	// Operator says that the call comes from the server's own shell. The operator
	// may do everything, and has no account and no files. UserID is zero.
	Operator bool
}

// Can reports whether the caller holds the permission.
func (c *Caller) Can(permission string) bool {
	_, ok := slices.BinarySearch(c.Permissions, permission)
	return ok
}

// CallerOf returns who sent the request, nil when nobody is signed in or the
// route is public.
func CallerOf(ctx context.Context) *Caller { return exchangeOf(ctx).caller }
