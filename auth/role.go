package auth

import (
	"context"
	"slices"

	"homebase/db"

	"github.com/google/uuid"
)

// Permissions, each "area:verb". A route names one in its access policy, a
// role is a set of them.
const (
	FilesRead      = "files:read"
	FilesWrite     = "files:write"
	FilesShare     = "files:share"
	PortfolioWrite = "portfolio:write"
	InboxRead      = "inbox:read"
	UsersManage    = "users:manage"
	AuditRead      = "audit:read"
	SystemRead     = "system:read"
	SystemManage   = "system:manage"
)

// allPermissions is what the admin role holds, sorted.
var allPermissions = []string{
	AuditRead, FilesRead, FilesShare, FilesWrite, InboxRead, PortfolioWrite, SystemManage, SystemRead, UsersManage,
}

// The built-in roles. Their rows come with the schema.
const (
	RoleAdmin  = "admin"  // every permission
	RoleMember = "member" // own files: read, write, share
)

// wildcard as a role's permission stands for all there are.
const wildcard = "*"

// expand turns what roles' rows hold into the sorted set that a Caller
// carries.
func expand(permissions []string) []string {
	if slices.Contains(permissions, wildcard) {
		return allPermissions
	}
	slices.Sort(permissions)
	return slices.Compact(permissions)
}

// rolesOf are the names of a user's roles, sorted.
func rolesOf(ctx context.Context, q db.Querier, user uuid.UUID) ([]string, error) {
	return db.All(ctx, q, db.Value[string], `
-- name: auth.RolesOfUser
SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role`, user)
}

// permissionsOf is the union of what a user's roles allow.
func permissionsOf(ctx context.Context, q db.Querier, user uuid.UUID) ([]string, error) {
	held, err := db.All(ctx, q, db.Value[string], `
-- name: auth.PermissionsOfUser
SELECT DISTINCT p
  FROM user_roles ur
  JOIN roles r ON r.name = ur.role
 CROSS JOIN unnest(r.permissions) AS p
 WHERE ur.user_id = $1`, user)
	return expand(held), err
}

// grantRole gives a user a role. Granting what is already held changes
// nothing; a role that does not exist is the database's error role_missing.
func grantRole(ctx context.Context, q db.Querier, user uuid.UUID, role string) error {
	_, err := db.Exec(ctx, q, `
-- name: auth.GrantRole
INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING`, user, role)
	return err
}
