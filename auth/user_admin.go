package auth

import (
	"context"
	"slices"
	"strconv"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ManagedUser is a user as those see one who manage users.
type ManagedUser struct {
	User
	Roles []string `json:"roles"`
	Quota *int64   `json:"quota"` // bytes; null: the server's default
	// EntryQuota is how many files and folders the user may have; null: the
	// server's default.
	EntryQuota *int64 `json:"entry_quota"`
}

// managed are the users u that the end of a query names.
func (us *users) managed(ctx context.Context, where string, args ...any) ([]ManagedUser, error) {
	users, err := db.All(ctx, us.db, db.RowOf(func(m *ManagedUser) []any { return append(m.User.columns(), &m.Roles) }), `
-- name: auth.ManagedUsers
SELECT `+userColumns+`, `+rolesHeld+`
  FROM users u `+where, args...)
	if err != nil || us.storage.Quotas == nil {
		return users, err
	}
	ids := make([]uuid.UUID, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	quotas, err := us.storage.Quotas(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range users {
		q := quotas[users[i].ID]
		users[i].Quota, users[i].EntryQuota = q.Bytes, q.Entries
	}
	return users, nil
}

func (us *users) routes() []httpx.Route {
	manages := httpx.Needs(UsersManage).OrOperator()
	missing := httpx.Problems{httpx.ErrNotFound}
	changes := missing.And(httpx.ErrPreconditionFailed, errLastAdmin)
	return []httpx.Route{
		{Pattern: "GET /auth/users", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "The users, the oldest first", Do: httpx.Pages(us.listUsers, ManagedUser.key)},
		{Pattern: "POST /auth/users", Access: manages.Recent(), Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Make a user with a password", Do: httpx.JSON(us.postUser).Creates(), Problems: httpx.Problems{errEmailTaken, ErrHashingBusy}},
		{Pattern: "GET /auth/users/{id}", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "A user", Do: httpx.Answers(us.getUser), Problems: missing},
		{Pattern: "PATCH /auth/users/{id}", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change a user's name, status, roles or quotas", Do: httpx.JSON(us.patchUser), Problems: changes},
		{Pattern: "DELETE /auth/users/{id}", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Delete a user and the user's files", Do: httpx.Acts(us.deleteUser), Problems: changes},
		{Pattern: "GET /auth/users/{id}/sessions", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "The devices on which a user is signed in", Do: httpx.Answers(us.listUserSessions), Problems: missing},
		{Pattern: "DELETE /auth/users/{id}/sessions", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Sign out all of a user's devices", Do: httpx.Acts(us.deleteUserSessions), Problems: missing},
	}
}

// listUsers serves GET /auth/users.
func (us *users) listUsers(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]ManagedUser, error) {
	return us.managed(c.Context(), `WHERE u.id > $1 ORDER BY u.id LIMIT $2`, p.After(uuid.Nil), p.Limit)
}

// getUser serves GET /auth/users/{id}.
func (us *users) getUser(c *httpx.Call) (ManagedUser, error) {
	return us.managedUser(c.Context(), c.ID)
}

func (us *users) managedUser(ctx context.Context, id uuid.UUID) (ManagedUser, error) {
	users, err := us.managed(ctx, `WHERE u.id = $1`, id)
	if err != nil {
		return ManagedUser{}, err
	}
	if len(users) == 0 {
		return ManagedUser{}, httpx.ErrNotFound
	}
	return users[0], nil
}

// NewAccount is the body of POST /auth/users.
type NewAccount struct {
	Email    string   `json:"email"`
	Name     string   `json:"name,omitempty"`
	Password string   `json:"password"`
	Roles    []string `json:"roles,omitempty"` // member unless given
	Quota    *int64   `json:"quota"`           // bytes; the server's default unless given
}

func checkQuota(f *httpx.Fields, quota *int64) {
	if quota != nil && *quota < 0 {
		f.Add("#/quota", "invalid", "A quota is a number of bytes, 0 or more.")
	}
}

// postUser serves POST /auth/users.
func (us *users) postUser(c *httpx.Call, in NewAccount) (ManagedUser, error) {
	var f httpx.Fields
	checkNewPassword(&f, "#/password", in.Email, in.Password)
	checkQuota(&f, in.Quota)
	if err := f.Err(); err != nil {
		return ManagedUser{}, err
	}
	if in.Roles == nil {
		in.Roles = []string{RoleMember}
	}
	ctx := c.Context()
	hash, err := us.passwords.HashPassword(ctx, in.Email, in.Password)
	if err == nil {
		err = us.callers.Still(ctx, UsersManage)
	}
	if err != nil {
		return ManagedUser{}, err
	}
	var u User
	err = us.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := mayGrantRoles(ctx, tx, c.Caller.UserID, in.Roles); err != nil {
			return err
		}
		u, err = us.CreateUser(ctx, tx, NewUser{Email: in.Email, Name: in.Name, PasswordHash: hash, Roles: in.Roles, Quota: in.Quota})
		return err
	})
	if err != nil {
		return ManagedUser{}, err
	}
	c.Created("/auth/users/" + u.ID.String())
	return us.managedUser(ctx, u.ID)
}

// UserPatch is the body of PATCH /auth/users/{id}, a merge patch. The address
// is not in it: whoever could change it could take the account over.
type UserPatch struct {
	Name   httpx.Optional[string]   `json:"name"`
	Status httpx.Optional[string]   `json:"status"` // "active" or "disabled"
	Roles  httpx.Optional[[]string] `json:"roles"`  // all that the user shall have
	Quota  httpx.Optional[int64]    `json:"quota"`  // bytes; null: the server's default
	// EntryQuota is how many files and folders the user may have; null: the
	// server's default. What is there already stays.
	EntryQuota httpx.Optional[int64] `json:"entry_quota"`
}

func (p UserPatch) check() error {
	var f httpx.Fields
	checkName(&f, "#/name", p.Name.Value)
	if p.Status.Set && p.Status.Value != statusActive && p.Status.Value != statusDisabled {
		f.Add("#/status", "invalid", `The status is "active" or "disabled".`)
	}
	if p.Roles.Null {
		f.Add("#/roles", "invalid", "Give a list of roles; it may be empty.")
	}
	checkQuota(&f, &p.Quota.Value)
	if p.EntryQuota.Value < 0 {
		f.Add("#/entry_quota", "invalid", "An entry quota is a number of files and folders, 0 or more.")
	}
	return f.Err()
}

// patchUser serves PATCH /auth/users/{id}. What it takes away holds when it
// returns.
func (us *users) patchUser(c *httpx.Call, p UserPatch) (ManagedUser, error) {
	if err := p.check(); err != nil {
		return ManagedUser{}, err
	}
	ctx, by, id := c.Context(), c.Caller.UserID, c.ID
	err := us.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		acc, had, last, err := lockManaged(c, tx, by, id)
		if err != nil {
			return nothing, err
		}
		name, status, roles := acc.Name, acc.Status, had
		p.Name.Patch(&name)
		p.Status.Patch(&status)
		if p.Roles.Set {
			roles = slices.Compact(slices.Sorted(slices.Values(p.Roles.Value)))
		}
		if last && (status != statusActive || !slices.Contains(roles, RoleAdmin)) {
			return nothing, errLastAdmin
		}
		if name == acc.Name && status == acc.Status && slices.Equal(roles, had) && !p.Quota.Set && !p.EntryQuota.Set {
			return nothing, nil
		}
		gained := without(roles, had)
		if status == statusActive && acc.Status != statusActive {
			gained = roles // enabling gives all of them anew
		}
		if err := mayGrantRoles(ctx, tx, by, gained); err != nil {
			return nothing, err
		}
		err = db.Exec(ctx, tx, `
-- name: auth.UpdateUser
UPDATE users SET name = $2, status = $3, revision = revision + 1, updated_at = now() WHERE id = $1`, id, name, status)
		if err != nil {
			return nothing, err
		}
		if err := us.setRoles(ctx, tx, id, had, roles); err != nil {
			return nothing, err
		}
		return staleUser(id), us.recordUpdate(ctx, tx, acc, name, status, p)
	})
	if err != nil {
		return ManagedUser{}, err
	}
	return us.managedUser(ctx, id)
}

// lockManaged locks a user who is about to be changed by somebody, and reports
// the user's roles and whether that is the last admin. Whoever changes another
// manages users at that moment, and only an admin changes an admin.
func lockManaged(c *httpx.Call, tx pgx.Tx, by, id uuid.UUID) (acc account, roles []string, last bool, err error) {
	ctx := c.Context()
	if last, err = lockAdmins(ctx, tx, id); err == nil {
		acc, err = lockAccount(ctx, tx, id)
	}
	if err == nil {
		roles, err = mayManage(ctx, tx, by, id)
	}
	if err == nil {
		err = c.Match(acc.Revision)
	}
	return acc, roles, last, err
}

// mayManage refuses with 403 whoever does not manage users, and to touch an
// admin without being one. It returns the roles of who is managed, sorted.
func mayManage(ctx context.Context, tx pgx.Tx, by, id uuid.UUID) (roles []string, err error) {
	roles, err = db.All(ctx, tx, db.Value[string], `
-- name: auth.RolesOfUser
SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role`, id)
	needs := UsersManage
	if slices.Contains(roles, RoleAdmin) {
		needs = wildcard
	}
	if err == nil {
		err = mayGrant(ctx, tx, by, []string{needs})
	}
	return roles, err
}

// recordUpdate records what is new of a user, and does what follows from it:
// a disabled user's sessions end for good, and files learns of the quotas.
func (us *users) recordUpdate(ctx context.Context, tx pgx.Tx, acc account, name, status string, p UserPatch) error {
	var events []audit.Event
	if name != acc.Name {
		events = append(events, audit.Event{Action: audit.UserUpdated, Details: map[string]string{"field": "name"}})
	}
	switch {
	case status == acc.Status:
	case status == statusActive:
		events = append(events, audit.Event{Action: audit.UserEnabled})
	default:
		events = append(events, audit.Event{Action: audit.UserDisabled})
		if _, err := endSessionsOf(ctx, tx, acc.ID, uuid.Nil, "disabled"); err != nil {
			return err
		}
		if err := killTokens(ctx, tx, acc.ID); err != nil {
			return err
		}
	}
	for _, q := range []struct {
		field string
		value httpx.Optional[int64]
		set   func(ctx context.Context, tx pgx.Tx, user uuid.UUID, quota *int64) error
	}{{"quota", p.Quota, us.storage.SetQuota}, {"entry_quota", p.EntryQuota, us.storage.SetEntryQuota}} {
		if !q.value.Set {
			continue
		}
		value, text := &q.value.Value, strconv.FormatInt(q.value.Value, 10)
		if q.value.Null {
			value, text = nil, "default"
		}
		events = append(events, audit.Event{Action: audit.UserUpdated, Details: map[string]string{"field": q.field, "to": text}})
		if q.set == nil {
			continue
		}
		if err := q.set(ctx, tx, acc.ID, value); err != nil {
			return err
		}
	}
	for _, e := range events {
		e.Target = acc.ID
		if err := us.audit.Record(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// deleteUser serves DELETE /auth/users/{id}.
func (us *users) deleteUser(c *httpx.Call) error { return us.remove(c, c.ID) }

// remove deletes a user with everything of theirs, as the call asks. What the
// audit log says of them stays.
func (us *users) remove(c *httpx.Call, id uuid.UUID) error {
	ctx, by := c.Context(), c.Caller.UserID
	if by == id {
		by = operator // everybody may leave
	}
	return us.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		_, _, last, err := lockManaged(c, tx, by, id)
		if err == nil && last {
			err = errLastAdmin
		}
		if err == nil && us.storage.Erase != nil {
			err = us.storage.Erase(ctx, tx, id)
		}
		if err != nil {
			return what, event, err
		}
		err = db.Exec(ctx, tx, `
-- name: auth.DeleteUser
DELETE FROM users WHERE id = $1`, id)
		return staleUser(id), audit.Event{Action: audit.UserDeleted, Target: id}, err
	})
}

// listUserSessions serves GET /auth/users/{id}/sessions.
func (us *users) listUserSessions(c *httpx.Call) (httpx.List[Session], error) {
	if _, err := accountByID(c.Context(), us.db, c.ID); err != nil {
		return httpx.List[Session]{}, err
	}
	return us.sessions.list(c, c.ID)
}

// deleteUserSessions serves DELETE /auth/users/{id}/sessions: the user is signed
// out everywhere.
func (us *users) deleteUserSessions(c *httpx.Call) error {
	ctx, id := c.Context(), c.ID
	return us.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		if _, err := lockAccount(ctx, tx, id); err != nil {
			return what, event, err
		}
		if _, err := mayManage(ctx, tx, c.Caller.UserID, id); err != nil {
			return what, event, err
		}
		ended, err := endSessionsOf(ctx, tx, id, uuid.Nil, "ended_by_admin")
		return staleUser(id), audit.Event{Action: audit.SessionRevoked, Target: id,
			Details: map[string]string{"scope": "all", "sessions": strconv.FormatInt(ended, 10)}}, err
	})
}
