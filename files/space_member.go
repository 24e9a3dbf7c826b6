package files

import (
	"context"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var errLastManager = httpx.NewProblem(409, "last_manager", "This is the last manager of the space").
	With("Make somebody else a manager first.")

// member is a row of space_members with who that is.
type member struct {
	UserID  uuid.UUID `json:"user_id"`
	Name    string    `json:"name"`
	Email   string    `json:"email"`
	Role    role      `json:"role"`
	AddedAt time.Time `json:"added_at"`
}

func (m member) key() uuid.UUID { return m.UserID }

var scanMember = db.RowOf(func(m *member) []any { return []any{&m.UserID, &m.Name, &m.Email, &m.Role, &m.AddedAt} })

// getMembers is GET /files/spaces/{id}/members, for every member.
func (sp *spaces) getMembers(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]member, error) {
	const sql = `-- name: files.MembersOfSpace
		SELECT m.user_id, u.name, u.email, m.role, m.added_at
		  FROM space_members m JOIN users u ON u.id = m.user_id
		 WHERE m.space_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3`
	if _, err := sp.getSpace(c); err != nil {
		return nil, err
	}
	return db.All(c.Context(), sp.db, scanMember, sql, c.ID, p.After(uuid.Nil), p.Limit)
}

// memberFields are the body of PUT /files/spaces/{id}/members/{user_id}.
type memberFields struct {
	Role role `json:"role"` // viewer, editor, manager
}

// putMember is PUT /files/spaces/{id}/members/{user_id}.
func (sp *spaces) putMember(c *httpx.Call, in memberFields) (m member, err error) {
	const sql = `-- name: files.PutMember
		WITH put AS (
		    INSERT INTO space_members AS m (space_id, user_id, role)
		    SELECT $1, u.id, $3 FROM (SELECT u.id FROM users u WHERE u.id = $2 AND u.status = 'active' FOR KEY SHARE) u
		        ON CONFLICT (space_id, user_id) DO UPDATE SET role = excluded.role
		    RETURNING m.user_id, m.role, m.added_at
		)
		SELECT m.user_id, u.name, u.email, m.role, m.added_at FROM put m JOIN users u ON u.id = m.user_id`
	ctx := c.Context()
	err = sp.changeMember(c, func(tx pgx.Tx, s *space, user uuid.UUID) error {
		if err := sp.manages(c, s); err != nil {
			return err
		}
		if !in.Role.includes(viewer) {
			return httpx.Invalid("#/role", "invalid", "The role must be viewer, editor or manager.")
		}
		if in.Role != manager {
			if err := spareManager(ctx, tx, s.ID, user); err != nil {
				return err
			}
		}
		if m, err = db.One(ctx, tx, scanMember, sql, s.ID, user, in.Role); err != nil {
			return err
		}
		return sp.audit.Record(ctx, tx, audit.Event{Action: audit.MemberSet, Target: s.ID, Details: map[string]string{"user": user.String(), "role": string(in.Role)}})
	})
	return m, err
}

// deleteMember is DELETE /files/spaces/{id}/members/{user_id}.
func (sp *spaces) deleteMember(c *httpx.Call) error {
	const remove = `-- name: files.DeleteMember
		DELETE FROM space_members m WHERE m.space_id = $1 AND m.user_id = $2`
	ctx := c.Context()
	return sp.changeMember(c, func(tx pgx.Tx, s *space, user uuid.UUID) error {
		leaves := user == c.Caller.UserID && s.Role != nil
		if !leaves {
			if err := sp.manages(c, s); err != nil {
				return err
			}
		}
		if !leaves || c.Caller.KeyID != uuid.Nil { // everybody may leave, but not by a key that reads
			if err := sp.auth.Still(ctx, mayShare); err != nil {
				return err
			}
		}
		if err := spareManager(ctx, tx, s.ID, user); err != nil {
			return err
		}
		if err := db.Touch(ctx, tx, db.ErrNotFound, remove, s.ID, user); err != nil {
			return err
		}
		return sp.audit.Record(ctx, tx, audit.Event{Action: audit.MemberRemoved, Target: s.ID, Details: map[string]string{"user": user.String()}})
	})
}

// changeMember changes what one person is in a space.
func (sp *spaces) changeMember(c *httpx.Call, fn func(tx pgx.Tx, s *space, user uuid.UUID) error) error {
	user, err := httpx.PathID(c.Request, "user_id")
	if err != nil {
		return err
	}
	return sp.change(c.Context(), func(tx pgx.Tx) error {
		s, err := sp.lock(c, tx)
		if err != nil {
			return err
		}
		return fn(tx, &s, user)
	})
}

// spareManager refuses to take the last manager's role away. The space is
// locked, so no two of them go at the same time.
func spareManager(ctx context.Context, tx pgx.Tx, space, user uuid.UUID) error {
	const sql = `-- name: files.IsLastManager
		SELECT count(*) FILTER (WHERE m.user_id = $2) > 0 AND count(*) FILTER (WHERE m.user_id <> $2) = 0
		  FROM space_members m WHERE m.space_id = $1 AND m.role = 'manager'`
	last, err := db.One(ctx, tx, db.Value[bool], sql, space, user)
	if err == nil && last {
		err = errLastManager
	}
	return err
}

// person is somebody to share with.
type person struct {
	ID    uuid.UUID `json:"id"`
	Name  string    `json:"name"`
	Email string    `json:"email"`
}

// getPerson is GET /files/people?email=: who shares with somebody has to know
// their address, all of it, and gets the id that the other routes take.
func (sp *spaces) getPerson(c *httpx.Call) (person, error) {
	const sql = `-- name: files.PersonByEmail
		SELECT u.id, u.name, u.email FROM users u WHERE lower(u.email) = lower($1) AND u.status = 'active'`
	return db.One(c.Context(), sp.db, db.RowOf(func(p *person) []any { return []any{&p.ID, &p.Name, &p.Email} }), sql, c.URL.Query().Get("email"))
}
