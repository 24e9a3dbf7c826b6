package auth

import (
	"bytes"
	"context"
	"strings"
	"time"

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

	text []byte // all of it, as it is sent
	tag  string
}

// ETag is the revision and a hash, "r3.…": no revision counts what roles allow,
// or notices.
func (m Me) ETag() string { return m.tag }

// AppendJSON is for httpx: the JSON is kept with it.
func (m Me) AppendJSON(b []byte) []byte { return append(b, m.text...) }

// encode is called when all else is there.
func (m *Me) encode() (err error) {
	type shown Me // without AppendJSON
	if m.text, err = httpx.EncodeJSON(shown(*m)); err != nil {
		return err
	}
	m.text = bytes.TrimSpace(m.text)
	m.tag = strings.TrimSuffix(m.User.ETag(), `"`) + "." + httpx.ContentTag(m.text)[1:]
	return nil
}

// loadMe returns a user as the cache has it, or the database.
func (cl *callers) loadMe(ctx context.Context, id uuid.UUID) (Me, error) {
	k, err := cl.lookup(userCredential(id), func() (*known, error) { return cl.findMe(ctx, id) })
	if err != nil {
		return Me{}, err
	}
	return *k.me, nil
}

// findMe is lookup's question about a user.
func (cl *callers) findMe(ctx context.Context, id uuid.UUID) (*known, error) {
	me, err := db.One(ctx, cl.db, db.RowOf(func(me *Me) []any {
		return append(me.User.columns(), &me.Roles, &me.Permissions, &me.Notices)
	}), `
-- name: auth.Me
SELECT `+userColumns+`, `+rolesHeld+`, `+held+`, `+noticesShown+`
  FROM users u WHERE u.id = $1`, id)
	if err == nil {
		me.Permissions = cl.permissions.expand(me.Permissions)
		err = me.encode()
	}
	return &known{caller: httpx.Caller{UserID: id}, expires: time.Now().Add(idleLifetime), me: &me}, err
}

func (us *users) meRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/me", Access: httpx.SignedIn().OrKey(), Rate: httpx.RateRead,
			Summary: "The signed-in user with roles, permissions and notices", Do: httpx.Answers(us.getMe)},
		{Pattern: "PATCH /auth/me", Access: httpx.SignedIn(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change your name", Do: httpx.JSON(us.patchMe), Problems: httpx.Problems{httpx.ErrPreconditionFailed}},
		{Pattern: "DELETE /auth/me", Access: httpx.SignedIn().Recent(), Rate: httpx.RateWrite,
			Summary: "Close your account and delete its files", Do: httpx.Acts(us.deleteMe).May(cookies...),
			Problems: httpx.Problems{httpx.ErrPreconditionFailed, errLastAdmin}},
		{Pattern: "DELETE /auth/notices/{id}", Access: httpx.SignedIn(), Rate: httpx.RateWrite,
			Summary: "Dismiss a notice", Do: httpx.Acts(us.deleteNotice), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// getMe serves GET /auth/me. An access key reads what it may do itself, and
// no notices.
func (us *users) getMe(c *httpx.Call) (Me, error) {
	me, err := us.callers.loadMe(c.Context(), c.Caller.UserID)
	if err == nil && c.Caller.KeyID != uuid.Nil {
		me.Permissions, me.Notices = c.Caller.Permissions, []Notice{}
		err = me.encode()
	}
	return me, err
}

// MePatch is the body of PATCH /auth/me, a merge patch.
type MePatch struct {
	Name httpx.Optional[string] `json:"name"` // null takes the name away
}

// patchMe serves PATCH /auth/me. If-Match guards against a change made
// meanwhile.
func (us *users) patchMe(c *httpx.Call, in MePatch) (Me, error) {
	var f httpx.Fields
	checkName(&f, "#/name", in.Name.Value)
	if err := f.Err(); err != nil {
		return Me{}, err
	}
	ctx, id := c.Context(), c.Caller.UserID
	err := us.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		acc, err := lockAccount(ctx, tx, id)
		if err == nil {
			err = c.Match(acc.Revision)
		}
		if err != nil || !in.Name.Set || in.Name.Value == acc.Name {
			return what, event, err
		}
		err = db.Exec(ctx, tx, `
-- name: auth.RenameUser
UPDATE users SET name = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, id, in.Name.Value)
		return staleUser(id), audit.Event{Action: audit.UserUpdated, Target: id, Details: map[string]string{"field": "name"}}, err
	})
	if err != nil {
		return Me{}, err
	}
	return us.callers.loadMe(ctx, id)
}

// deleteMe serves DELETE /auth/me.
func (us *users) deleteMe(c *httpx.Call) error {
	err := us.remove(c, c.Caller.UserID)
	if err == nil && c.Caller.Cookie {
		clearSignIn(c.Answer())
	}
	return err
}
