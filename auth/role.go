package auth

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The built-in roles. Their rows come with the schema and stay as they are.
const (
	RoleAdmin  = "admin"  // every permission
	RoleMember = "member" // own files: read, write, share
)

const rolesMost = 1000

// roles keeps the named sets of permissions. It owns their rows; a change of
// one holds for all who have it at once.
type roles struct {
	base
	described []Permission
}

// Role is a named set of permissions.
type Role struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Permissions []string  `json:"permissions"`
	Builtin     bool      `json:"builtin"`
	Revision    int64     `json:"revision"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

const roleColumns = "r.name, r.description, r.permissions, r.builtin, r.revision, r.created_at, r.updated_at"

var scanRole = db.RowOf(func(r *Role) []any {
	return []any{&r.Name, &r.Description, &r.Permissions, &r.Builtin, &r.Revision, &r.CreatedAt, &r.UpdatedAt}
})

var (
	errRoleTaken    = httpx.NewProblem(409, "role_taken", "There is already a role with this name")
	errTooManyRoles = httpx.NewProblem(409, "too_many_roles", "There are too many roles").
			With(fmt.Sprintf("There can be %d; delete one that nobody has.", rolesMost))
	errRoleBuiltin = httpx.NewProblem(409, "role_builtin", "This role is built in").
			With("It cannot be changed or deleted; make another role.")
	errRoleInUse = httpx.NewProblem(409, "role_in_use", "Somebody still has this role").
			With("Take the role away from them first.")
	errLastAdmin = httpx.NewProblem(409, "last_admin", "This is the last admin").
			With("Make somebody else an admin first: without one nobody could manage this server.")
)

// lockAdmins reports whether user is the only active admin. Until the
// transaction ends nobody else stops being one: whatever removes, disables or
// demotes a user asks here first, and the row of the role admin is the queue.
// Being granted the role does not wait.
func lockAdmins(ctx context.Context, tx pgx.Tx, user uuid.UUID) (last bool, err error) {
	if _, err := lockRole(ctx, tx, RoleAdmin); err != nil {
		return false, err
	}
	// A statement of its own: it must see what those before in the queue did.
	return db.One(ctx, tx, db.Value[bool], `
-- name: auth.IsLastAdmin
SELECT count(*) = 1 AND bool_and(u.id = $1)
  FROM user_roles ur JOIN users u ON u.id = ur.user_id
 WHERE ur.role = 'admin' AND u.status = 'active'`, user)
}

func lockRole(ctx context.Context, tx pgx.Tx, name string) (Role, error) {
	return db.One(ctx, tx, scanRole, `
-- name: auth.LockRole
SELECT `+roleColumns+` FROM roles r WHERE r.name = $1 FOR NO KEY UPDATE`, name)
}

func (r Role) key() string { return r.Name }

// ETag is for httpx.
func (r Role) ETag() string { return httpx.RevisionTag(r.Revision) }

func (ro *roles) routes() []httpx.Route {
	manages := httpx.Needs(UsersManage).OrOperator()
	changes := httpx.Problems{httpx.ErrNotFound, httpx.ErrPreconditionFailed, errRoleBuiltin}
	return []httpx.Route{
		{Pattern: "GET /auth/permissions", Access: httpx.SignedIn().OrOperator(), Rate: httpx.RateRead,
			Summary: "All permissions by name, and what each lets people do", Do: httpx.Pages(ro.listPermissions, Permission.key)},
		{Pattern: "GET /auth/roles", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "The roles by name", Do: httpx.Pages(ro.listRoles, Role.key)},
		{Pattern: "POST /auth/roles", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Make a role", Do: httpx.JSON(ro.postRole).Creates(), Problems: httpx.Problems{errRoleTaken, errTooManyRoles}},
		{Pattern: "GET /auth/roles/{name}", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "A role", Do: httpx.Answers(ro.getRole), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "PATCH /auth/roles/{name}", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change what a role allows", Do: httpx.JSON(ro.patchRole), Problems: changes},
		{Pattern: "DELETE /auth/roles/{name}", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Delete a role that nobody has", Do: httpx.Acts(ro.deleteRole), Problems: changes.And(errRoleInUse)},
	}
}

// scanShown is scanRole with the wildcard as what it stands for.
func (ro *roles) scanShown(row pgx.Row) (Role, error) {
	role, err := scanRole(row)
	role.Permissions = ro.callers.permissions.expand(role.Permissions)
	return role, err
}

// listRoles serves GET /auth/roles.
func (ro *roles) listRoles(c *httpx.Call, p httpx.Keyset[string]) ([]Role, error) {
	return db.All(c.Context(), ro.db, ro.scanShown, `
-- name: auth.ListRoles
SELECT `+roleColumns+` FROM roles r WHERE r.name > $1 ORDER BY r.name LIMIT $2`, p.After(""), p.Limit)
}

// getRole serves GET /auth/roles/{name}.
func (ro *roles) getRole(c *httpx.Call) (Role, error) {
	return db.One(c.Context(), ro.db, ro.scanShown, `
-- name: auth.RoleByName
SELECT `+roleColumns+` FROM roles r WHERE r.name = $1`, c.PathValue("name"))
}

// NewRole is the body of POST /auth/roles.
type NewRole struct {
	Name        string   `json:"name"` // a lower-case letter, then at most 39 of a-z 0-9 - _
	Description string   `json:"description,omitempty"`
	Permissions []string `json:"permissions"`
}

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

func checkDescription(f *httpx.Fields, text string) {
	if len([]rune(text)) > 500 {
		f.Add("#/description", "too_long", "A description has at most 500 characters.")
	}
}

// postRole serves POST /auth/roles.
func (ro *roles) postRole(c *httpx.Call, in NewRole) (role Role, err error) {
	var f httpx.Fields
	if !roleName.MatchString(in.Name) {
		f.Add("#/name", "invalid", "A role's name begins with a lower-case letter and has at most 40 lower-case letters, digits, - and _.")
	}
	checkDescription(&f, in.Description)
	permissions := ro.callers.permissions.check(&f, in.Permissions)
	if err := f.Err(); err != nil {
		return Role{}, err
	}
	ctx := c.Context()
	err = ro.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := mayGrant(ctx, tx, c.Caller.UserID, append(permissions, UsersManage)); err != nil {
			return event, err
		}
		if err := db.Below(ctx, tx, errTooManyRoles, rolesMost, "roles", "true"); err != nil {
			return event, err
		}
		role, err = db.One(ctx, tx, ro.scanShown, `
-- name: auth.InsertRole
INSERT INTO roles AS r (name, description, permissions) VALUES ($1, $2, $3) RETURNING `+roleColumns,
			in.Name, in.Description, permissions)
		return roleEvent(audit.RoleCreated, in.Name, nil, permissions), err
	})
	c.Created("/auth/roles/" + role.Name)
	return role, err
}

// roleEvent is a change of a role by what it gained and lost.
func roleEvent(action audit.Action, name string, before, after []string) audit.Event {
	return audit.Event{Action: action, Details: map[string]string{
		"role": name, "added": strings.Join(without(after, before), " "), "removed": strings.Join(without(before, after), " "),
	}}
}

// without is what of list is not in other.
func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// RolePatch is the body of PATCH /auth/roles/{name}, a merge patch.
type RolePatch struct {
	Description httpx.Optional[string]   `json:"description"`
	Permissions httpx.Optional[[]string] `json:"permissions"` // null takes all away
}

// patchRole serves PATCH /auth/roles/{name}. It holds for those who have the
// role at their next request.
func (ro *roles) patchRole(c *httpx.Call, in RolePatch) (role Role, err error) {
	var f httpx.Fields
	checkDescription(&f, in.Description.Value)
	permissions := ro.callers.permissions.check(&f, in.Permissions.Value)
	if err := f.Err(); err != nil {
		return Role{}, err
	}
	ctx := c.Context()
	err = ro.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		before, err := lockChangeable(c, tx)
		if err != nil {
			return what, event, err
		}
		role = before
		in.Description.Patch(&role.Description)
		if in.Permissions.Set {
			role.Permissions = permissions
		}
		if role.Description == before.Description && slices.Equal(role.Permissions, before.Permissions) {
			return what, event, nil
		}
		if err := mayGrant(ctx, tx, c.Caller.UserID, append(without(role.Permissions, before.Permissions), UsersManage)); err != nil {
			return what, event, err
		}
		role, err = db.One(ctx, tx, scanRole, `
-- name: auth.UpdateRole
UPDATE roles r SET description = $2, permissions = $3, revision = revision + 1, updated_at = now()
 WHERE r.name = $1 RETURNING `+roleColumns, role.Name, role.Description, role.Permissions)
		return all, roleEvent(audit.RoleUpdated, role.Name, before.Permissions, role.Permissions), err
	})
	role.Permissions = ro.callers.permissions.expand(role.Permissions)
	return role, err
}

// lockChangeable locks the role that a request is about, and refuses one that
// is built in or has changed since.
func lockChangeable(c *httpx.Call, tx pgx.Tx) (Role, error) {
	role, err := lockRole(c.Context(), tx, c.PathValue("name"))
	switch {
	case err != nil:
		return Role{}, err
	case role.Builtin:
		return Role{}, errRoleBuiltin
	}
	return role, c.Match(role.Revision)
}

// deleteRole serves DELETE /auth/roles/{name}.
func (ro *roles) deleteRole(c *httpx.Call) error {
	ctx := c.Context()
	return ro.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		role, err := lockChangeable(c, tx)
		if err != nil {
			return event, err
		}
		err = db.Exec(ctx, tx, `
-- name: auth.DeleteRole
DELETE FROM roles WHERE name = $1`, role.Name)
		if kind, _ := db.KindOf(err); kind == db.Missing {
			err = errRoleInUse
		}
		return roleEvent(audit.RoleDeleted, role.Name, role.Permissions, nil), err
	})
}
