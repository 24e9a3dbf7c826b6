package files

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A space is a tree of several people. Its locks, records, quota and feed are
// those of any tree; only who its owner is differs, and who may do what, which
// is access.go's to decide. Whoever holds spaces:manage makes spaces, says how
// large they are and who is a member, and reads nothing in them.

const longestSpaceName = 200 // characters

// spaces are those of everybody.
type spaces struct{ changer }

// space is a row of spaces as the caller sees it.
type space struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	Role      *role     `json:"role"` // the caller's; null: none, they manage all spaces
	RootID    uuid.UUID `json:"root_id"`
	Quota     *int64    `json:"quota"` // bytes; null: the server's default
	Used      int64     `json:"used"`  // bytes
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag is for httpx.
func (s space) ETag() string { return httpx.RevisionTag(s.Revision) }

func (s space) key() uuid.UUID { return s.ID }

// spaceQuery finds spaces as the user $1 sees them.
const spaceQuery = `
	SELECT s.id, s.name, m.role, t.root_id, t.quota, t.used, s.revision, s.created_at, s.updated_at
	  FROM spaces s
	  JOIN trees t ON t.owner_id = s.id
	  LEFT JOIN space_members m ON m.space_id = s.id AND m.user_id = $1`

var scanSpace = db.RowOf(func(s *space) []any {
	return []any{&s.ID, &s.Name, &s.Role, &s.RootID, &s.Quota, &s.Used, &s.Revision, &s.CreatedAt, &s.UpdatedAt}
})

func spaceByID(ctx context.Context, q db.Querier, user, id uuid.UUID, lock string) (space, error) {
	return db.One(ctx, q, scanSpace, `-- name: files.SpaceByID`+spaceQuery+` WHERE s.id = $2 `+lock, user, id)
}

// spaceRoutes are the routes of spaces and of their members.
func (sp *spaces) spaceRoutes() []httpx.Route {
	manages := httpx.Problems{httpx.ErrForbidden, httpx.ErrPreconditionFailed}.And(foundProblems...)
	members := httpx.Problems{httpx.ErrForbidden, errLastManager}.And(foundProblems...)
	return []httpx.Route{
		{Pattern: "GET /files/spaces", Access: httpx.Needs(mayRead).OrOperator(), Rate: httpx.RateRead, Query: []string{"all"},
			Summary: "The spaces that you are a member of; with all=true, for who manages spaces, all there are", Do: httpx.Pages(sp.getSpaces, space.key)},
		{Pattern: "POST /files/spaces", Access: httpx.Needs(auth.SpacesManage).OrOperator(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Make a space, whose manager you are", Do: httpx.JSON(sp.postSpace).Creates(), Problems: awayProblems},
		{Pattern: "GET /files/spaces/{id}", Access: httpx.Needs(mayRead).OrOperator(), Rate: httpx.RateRead,
			Summary: "A space", Do: httpx.Answers(sp.getSpace), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "PATCH /files/spaces/{id}", Access: httpx.Needs(mayWrite).OrOperator(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Rename a space; its quota is for who manages spaces", Do: httpx.JSON(sp.patchSpace), Problems: manages},
		{Pattern: "DELETE /files/spaces/{id}", Access: httpx.Needs(mayWrite).Recent().OrOperator(), Rate: httpx.RateWrite,
			Summary: "Delete a space and all that is in it, for good", Do: httpx.Acts(sp.deleteSpace), Problems: manages},
		{Pattern: "GET /files/people", Access: httpx.Needs(mayShare).OrOperator(), Rate: httpx.RateCredentials, Query: []string{"email"},
			Summary: "Somebody to share with, by their whole address", Do: httpx.Answers(sp.getPerson), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "GET /files/spaces/{id}/members", Access: httpx.Needs(mayRead).OrOperator(), Rate: httpx.RateRead,
			Summary: "Who is a member of a space", Do: httpx.Pages(sp.getMembers, member.key), Problems: httpx.Problems{httpx.ErrNotFound}},
		{Pattern: "PUT /files/spaces/{id}/members/{user_id}", Access: httpx.Needs(mayShare).OrOperator(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Make somebody a member of a space, or give them another role", Do: httpx.JSON(sp.putMember), Problems: members},
		{Pattern: "DELETE /files/spaces/{id}/members/{user_id}", Access: httpx.Needs(mayRead).OrOperator(), Rate: httpx.RateWrite,
			Summary: "Take somebody out of a space; everybody may leave", Do: httpx.Acts(sp.deleteMember), Problems: members},
	}
}

// getSpaces is GET /files/spaces, the oldest first.
func (sp *spaces) getSpaces(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]space, error) {
	all := c.URL.Query().Get("all") == "true"
	if all && !c.Caller.Can(auth.SpacesManage) {
		return nil, httpx.ErrForbidden.With(`all=true needs the permission "` + auth.SpacesManage + `".`)
	}
	return db.All(c.Context(), sp.db, scanSpace, `-- name: files.Spaces`+spaceQuery+`
		 WHERE (m.role IS NOT NULL OR $3) AND s.id > $2 ORDER BY s.id LIMIT $4`, c.Caller.UserID, p.After(uuid.Nil), all, p.Limit)
}

// getSpace is GET /files/spaces/{id}.
func (sp *spaces) getSpace(c *httpx.Call) (space, error) {
	s, err := spaceByID(c.Context(), sp.db, c.Caller.UserID, c.ID, "")
	if err == nil && s.Role == nil && !c.Caller.Can(auth.SpacesManage) {
		err = httpx.ErrNotFound
	}
	return s, err
}

// spaceFields are what a request says of a space.
type spaceFields struct {
	Name  httpx.Optional[string] `json:"name"`
	Quota httpx.Optional[int64]  `json:"quota"` // bytes; null: the server's default
}

// apply gives the space what is said, and says all that is wrong with it.
func (s *space) apply(in spaceFields) error {
	var f httpx.Fields
	if in.Name.Set {
		s.Name = strings.TrimSpace(in.Name.Value)
	}
	n := utf8.RuneCountInString(s.Name)
	if n == 0 || n > longestSpaceName || strings.ContainsFunc(s.Name, unicode.IsControl) {
		f.Add("#/name", "invalid", "A space needs a name of at most 200 characters.")
	}
	if s.Quota = chosen(in.Quota, s.Quota); in.Quota.Set && s.Quota != nil && *s.Quota < 0 {
		f.Add("#/quota", "invalid", "A quota is a number of bytes, 0 or more.")
	}
	return f.Err()
}

// change runs fn in a transaction and makes what it did to members hold
// everywhere: on the other workers with the commit, on this one before it
// returns, also when the commit got no answer.
func (sp *spaces) change(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := sp.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return db.Notify(ctx, tx, membersChannel, "")
	})
	sp.trees.members.Forget()
	sp.hub.recheck()
	return err
}

// postSpace is POST /files/spaces.
func (sp *spaces) postSpace(c *httpx.Call, in spaceFields) (s space, err error) {
	const insert = `-- name: files.InsertSpace
		WITH owner AS (INSERT INTO owners (id) VALUES ($1)),
		     tree AS (INSERT INTO trees (owner_id, root_id, feed_epoch, quota) VALUES ($1, $3, $4, $5)),
		     member AS (INSERT INTO space_members (space_id, user_id, role) SELECT $1, $6, 'manager' WHERE NOT $7)
		INSERT INTO spaces (id, name) VALUES ($1, $2)`
	if err := sp.vol.inPlace(); err != nil {
		return s, err
	}
	if err := s.apply(in); err != nil {
		return s, err
	}
	ctx, id := c.Context(), disk.NewSpaceID()
	err = sp.change(ctx, func(tx pgx.Tx) (err error) {
		err = db.Exec(ctx, tx, insert, id, s.Name, journal.NewID(), journal.NewID(), s.Quota, c.Caller.UserID, c.Caller.Operator)
		if err != nil {
			return err
		}
		if s, err = spaceByID(ctx, tx, c.Caller.UserID, id, ""); err != nil {
			return err
		}
		return sp.audit.Record(ctx, tx, audit.Event{Action: audit.SpaceCreated, Target: id})
	})
	if err != nil {
		return s, err
	}
	c.Created("/files/spaces/" + id.String())
	_, _ = sp.trees.rootOf(ctx, id) // else the first touch makes the root
	return s, nil
}

// lock locks a space for whoever may change it: its managers, and who manages
// all spaces. The roles are those under the lock.
func (sp *spaces) lock(c *httpx.Call, tx pgx.Tx) (s space, err error) {
	ctx := c.Context()
	if s, err = spaceByID(ctx, tx, c.Caller.UserID, c.ID, "FOR NO KEY UPDATE OF s"); err != nil {
		return s, err
	}
	// What waited for the lock read the roles before it.
	return spaceByID(ctx, tx, c.Caller.UserID, c.ID, "")
}

// manages refuses whoever may not change a space.
func (sp *spaces) manages(c *httpx.Call, s *space) error {
	switch {
	case c.Caller.Can(auth.SpacesManage):
		return sp.auth.Still(c.Context(), auth.SpacesManage)
	case s.Role == nil:
		return httpx.ErrNotFound
	case *s.Role != manager:
		return httpx.ErrForbidden.With("Only a manager of the space can do this.")
	}
	return nil
}

// patchSpace is PATCH /files/spaces/{id}.
func (sp *spaces) patchSpace(c *httpx.Call, in spaceFields) (s space, err error) {
	const update = `-- name: files.UpdateSpace
		WITH tree AS (UPDATE trees t SET quota = $3 WHERE t.owner_id = $1 AND t.quota IS DISTINCT FROM $3)
		UPDATE spaces s SET name = $2, revision = s.revision + 1, updated_at = now() WHERE s.id = $1`
	ctx := c.Context()
	err = sp.db.InTx(ctx, func(tx pgx.Tx) error {
		if s, err = sp.lock(c, tx); err != nil {
			return err
		}
		if err := sp.manages(c, &s); err != nil {
			return err
		}
		if err := c.Match(s.Revision); err != nil {
			return err
		}
		if in.Quota.Set && !c.Caller.Can(auth.SpacesManage) {
			return httpx.ErrForbidden.With(`A quota needs the permission "` + auth.SpacesManage + `".`)
		}
		if err := s.apply(in); err != nil {
			return err
		}
		if err := db.Exec(ctx, tx, update, s.ID, s.Name, s.Quota); err != nil {
			return err
		}
		if s, err = spaceByID(ctx, tx, c.Caller.UserID, c.ID, ""); err != nil {
			return err
		}
		return sp.audit.Record(ctx, tx, audit.Event{Action: audit.SpaceUpdated, Target: c.ID})
	})
	return s, err
}

// deleteSpace is DELETE /files/spaces/{id}. Nothing of it goes to a trash.
func (sp *spaces) deleteSpace(c *httpx.Call) error {
	if err := sp.vol.inPlace(); err != nil {
		return err
	}
	ctx := c.Context()
	err := sp.change(ctx, func(tx pgx.Tx) error {
		s, err := sp.lock(c, tx)
		if err == nil {
			err = sp.manages(c, &s)
		}
		if err == nil {
			err = c.Match(s.Revision)
		}
		if err == nil {
			err = sp.journal.Erase(ctx, tx, sp.vol.disk, c.ID)
		}
		if err != nil {
			return err
		}
		return sp.audit.Record(ctx, tx, audit.Event{Action: audit.SpaceDeleted, Target: c.ID})
	})
	sp.hub.known.forget(c.ID)
	return err
}
