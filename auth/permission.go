package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"

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
	SpacesManage   = "spaces:manage"
	AuditRead      = "audit:read"
	SystemRead     = "system:read"
	SystemManage   = "system:manage"
)

// Permission is a right by its name, and as people read it: what who holds it
// may do, a sentence.
type Permission struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (p Permission) key() string { return p.Name }

// platformPermissions are those of the rooms; the apps' come with Config.
var platformPermissions = []Permission{
	{AuditRead, "Read the log of what everybody did."},
	{FilesRead, "See and download your own files, and those of your spaces."},
	{FilesShare, "Share files by links and by name."},
	{FilesWrite, "Upload, change and delete files."},
	{InboxRead, "Read, sort and delete messages of the contact form."},
	{PortfolioWrite, "Write and publish the portfolio."},
	{SpacesManage, "Make spaces, and say who is in any of them."},
	{SystemManage, "Change flags and limits, and turn apps on and off."},
	{SystemRead, "See how the server is: its figures, jobs and storage."},
	{UsersManage, "Manage people, roles, invitations, and programs that sign people in."},
}

// catalogue are all permissions there are, by name.
func catalogue(ofApps []Permission) (described []Permission, names permissions) {
	described = slices.Concat(platformPermissions, ofApps)
	slices.SortFunc(described, func(a, b Permission) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range described {
		names = append(names, p.Name)
	}
	return described, names
}

// permissions are the names of all there are, sorted: what a wildcard stands
// for, and all that a role or a key may name.
type permissions []string

// wildcard as a role's permission stands for all there are.
const wildcard = "*"

// expand turns what roles' rows hold into the sorted set that a Caller
// carries.
func (p permissions) expand(given []string) []string {
	if slices.Contains(given, wildcard) {
		return p
	}
	slices.Sort(given)
	return slices.Compact(given)
}

// held is the SQL of what the roles of a user u allow, as an array.
const held = `ARRAY(SELECT DISTINCT p
               FROM user_roles ur
               JOIN roles r ON r.name = ur.role
              CROSS JOIN unnest(r.permissions) AS p
              WHERE ur.user_id = u.id)`

// rolesHeld is the SQL of the names of a user u's roles, as an array.
const rolesHeld = `ARRAY(SELECT ur.role FROM user_roles ur WHERE ur.user_id = u.id ORDER BY ur.role)`

// operator stands for whoever has the server's shell, where a user would be
// named: everything is allowed.
var operator = uuid.Nil

// Operator is the caller of requests that are made in the server's shell.
func (a *Auth) Operator() *httpx.Caller {
	return &httpx.Caller{Operator: true, UserID: operator, Permissions: a.permissions, AuthenticatedAt: time.Now()}
}

// heldNow is what the roles of a user who acts allow, not expanded: who is
// disabled holds nothing.
func heldNow(ctx context.Context, q db.Querier, user uuid.UUID) ([]string, error) {
	held, err := db.One(ctx, q, db.Value[[]string], `
-- name: auth.PermissionsOfActiveUser
SELECT `+held+` FROM users u WHERE u.id = $1 AND u.status = 'active'`, user)
	return held, NoRow(err, nil)
}

// mayGrant refuses with 403 what by does not hold, for nobody grants what
// they lack. It asks the database and not the Caller, so that a right that
// was taken away a moment ago is not passed on any more.
func mayGrant(ctx context.Context, q db.Querier, by uuid.UUID, permissions []string) error {
	if by == operator || len(permissions) == 0 {
		return nil
	}
	has, err := heldNow(ctx, q, by)
	if err != nil || slices.Contains(has, wildcard) {
		return err
	}
	if lacking := without(permissions, has); len(lacking) > 0 {
		return httpx.ErrForbidden.With(fmt.Sprintf("You cannot grant %q, because you do not hold it.", lacking[0]))
	}
	return nil
}

// mayGrantRoles is mayGrant for all that the roles allow. A role that does
// not exist is 422.
func mayGrantRoles(ctx context.Context, q db.Querier, by uuid.UUID, roles []string) error {
	found, err := db.All(ctx, q, scanRole, `
-- name: auth.RolesByName
SELECT `+roleColumns+` FROM roles r WHERE r.name = ANY($1)`, roles)
	if err != nil {
		return err
	}
	var permissions []string
	for _, r := range found {
		permissions = append(permissions, r.Permissions...)
	}
	var f httpx.Fields
	for _, name := range roles {
		if !slices.ContainsFunc(found, func(r Role) bool { return r.Name == name }) {
			f.Add("#/roles", "role_missing", fmt.Sprintf("There is no role %q.", name))
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	// Roles are given by who manages users, also where they allow nothing.
	return mayGrant(ctx, q, by, append(permissions, UsersManage))
}

// check refuses what no route could ever ask for, and sorts.
func (p permissions) check(f *httpx.Fields, given []string) []string {
	for i, name := range given {
		if _, known := slices.BinarySearch(p, name); !known {
			f.Add(fmt.Sprintf("#/permissions/%d", i), "unknown", "There is no such permission.")
		}
	}
	sorted := append([]string{}, given...) // an empty list is not NULL
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// listPermissions serves GET /auth/permissions.
func (ro *roles) listPermissions(_ *httpx.Call, p httpx.Keyset[string]) ([]Permission, error) {
	from, found := slices.BinarySearch(ro.callers.permissions, p.After(""))
	if found {
		from++
	}
	return ro.described[from:min(from+p.Limit, len(ro.described))], nil
}
