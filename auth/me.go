package auth

import (
	"context"
	"net/http"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Me is a user as the user reads it.
type Me struct {
	User
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
	Notices     []Notice `json:"notices"`
}

// loadMe asks one question, and a second when there are notices.
func (cl *callers) loadMe(ctx context.Context, id uuid.UUID) (Me, error) {
	var noticed bool
	me, err := db.One(ctx, cl.db, func(row pgx.Row) (me Me, err error) {
		me.User, err = scanUserAnd(row, &me.Roles, &me.Permissions, &noticed)
		return me, err
	}, `
-- name: auth.Me
SELECT `+userColumns+`, `+rolesHeld+`, `+held+`, EXISTS (SELECT FROM notices WHERE user_id = u.id)
  FROM users u WHERE u.id = $1`, id)
	if err != nil {
		return Me{}, err
	}
	me.Permissions, me.Notices = cl.permissions.expand(me.Permissions), []Notice{}
	if noticed {
		me.Notices, err = noticesOf(ctx, cl.db, id)
	}
	return me, err
}

func (us *users) meRoutes() []httpx.Route {
	me := []httpx.Response{{Status: 200, Body: Me{}, Headers: []string{"ETag"}}}
	return []httpx.Route{
		{Pattern: "GET /auth/me", Access: httpx.SignedIn().OrKey(), Rate: httpx.RateRead, Responses: me,
			Summary: "The signed-in user with roles, permissions and notices",
			Handler: us.getMe},
		{Pattern: "PATCH /auth/me", Access: httpx.SignedIn(), Rate: httpx.RateWrite,
			Body: 64 << 10, Request: MePatch{}, Responses: me,
			Summary:  "Change your name",
			Problems: []*httpx.Problem{httpx.ErrPreconditionFailed},
			Handler:  us.patchMe},
		{Pattern: "DELETE /auth/me", Access: httpx.SignedIn().Recent(), Rate: httpx.RateWrite, Responses: []httpx.Response{{Status: 204, May: cookies}},
			Problems: []*httpx.Problem{httpx.ErrPreconditionFailed, errLastAdmin},
			Summary:  "Close your account and delete its files",
			Handler:  us.deleteMe},
	}
}

// getMe serves GET /auth/me. An access key reads what it may do itself, and
// no notices.
func (us *users) getMe(w http.ResponseWriter, r *http.Request) error {
	caller := httpx.CallerOf(r.Context())
	me, err := us.callers.loadMe(r.Context(), caller.UserID)
	if err != nil {
		return err
	}
	if caller.KeyID != uuid.Nil {
		me.Permissions, me.Notices = caller.Permissions, []Notice{}
	}
	w.Header().Set("ETag", httpx.RevisionTag(me.Revision))
	return httpx.WriteJSON(w, http.StatusOK, me)
}

// MePatch is the body of PATCH /auth/me, a merge patch.
type MePatch struct {
	Name httpx.Optional[string] `json:"name"` // null takes the name away
}

// patchMe serves PATCH /auth/me. If-Match guards against a change made
// meanwhile.
func (us *users) patchMe(w http.ResponseWriter, r *http.Request) error {
	in, err := readJSON[MePatch](us.callers, w, r, "")
	if err != nil {
		return err
	}
	var f httpx.Fields
	checkName(&f, "#/name", in.Name.Value)
	if err := f.Err(); err != nil {
		return err
	}
	ctx, id := r.Context(), httpx.CallerOf(r.Context()).UserID
	err = us.db.InTx(ctx, func(tx pgx.Tx) error {
		acc, err := lockAccount(ctx, tx, id)
		if err != nil {
			return err
		}
		if !httpx.IfMatch(r.Header, httpx.RevisionTag(acc.Revision)) {
			return httpx.ErrPreconditionFailed
		}
		if !in.Name.Set || in.Name.Value == acc.Name {
			return nil
		}
		if err := renameUser(ctx, tx, id, in.Name.Value); err != nil {
			return err
		}
		return us.audit.Record(ctx, tx, audit.Event{Action: audit.UserUpdated, Target: id,
			Details: map[string]string{"field": "name"}})
	})
	if err != nil {
		return err
	}
	me, err := us.callers.loadMe(ctx, id)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", httpx.RevisionTag(me.Revision))
	return httpx.WriteJSON(w, http.StatusOK, me)
}

// deleteMe serves DELETE /auth/me.
func (us *users) deleteMe(w http.ResponseWriter, r *http.Request) error {
	caller := httpx.CallerOf(r.Context())
	err := us.remove(r, caller.UserID)
	if err == nil && caller.Cookie {
		clearSignIn(w)
	}
	return noBody(w, err)
}

func renameUser(ctx context.Context, q db.Querier, id uuid.UUID, name string) error {
	_, err := db.Exec(ctx, q, `
-- name: auth.RenameUser
UPDATE users SET name = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, id, name)
	return err
}
