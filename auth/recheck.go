package auth

import (
	"context"
	"errors"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// OnChange calls fn each time that Recheck may have begun to answer otherwise
// than before, but for the mere passing of time: after a session or key has
// ended, or a user or role was changed, here or at another worker. fn must not
// wait for anything. Call it before requests are answered.
func (a *Auth) OnChange(fn func()) { a.cache.after = append(a.cache.after, fn) }

// Recheck says who a caller of before is by now, for requests that last
// longer than an access token: with the permissions of today, as long as the
// session or key lives. ErrUnauthenticated when it has ended.
func (a *Auth) Recheck(ctx context.Context, c *httpx.Caller) (*httpx.Caller, error) {
	id, find := c.SessionID, a.findSession
	if c.KeyID != uuid.Nil {
		id, find = c.KeyID, a.findKeyByID
	}
	k, err := a.lookup(idCredential(id), func() (known, error) { return find(ctx, id) })
	if errors.Is(err, db.ErrNotFound) {
		return nil, httpx.ErrUnauthenticated.Because(errNoSession)
	}
	if err != nil {
		return nil, err
	}
	caller := k.caller
	caller.Cookie = c.Cookie
	return &caller, nil
}
