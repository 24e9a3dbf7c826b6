package auth

import (
	"context"
	"fmt"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// OnChange calls fn each time that Recheck may have begun to answer otherwise
// than before, except for the mere passing of time: after a session or key has
// ended, or a user or role was changed, here or at another worker. fn must not
// wait for anything. Call it before requests are answered.
func (cl *callers) OnChange(fn func()) { cl.cache.after = append(cl.cache.after, fn) }

// Recheck says who a caller of before is by now, for requests that last
// longer than an access token: with the permissions of today, as long as the
// session or key lives. ErrUnauthenticated when it has ended. The operator
// stays the operator.
func (cl *callers) Recheck(ctx context.Context, c *httpx.Caller) (*httpx.Caller, error) {
	return cl.again(ctx, c, cl.lookup)
}

// Afresh is Recheck by what the database says at this moment. It is for a
// refusal: another worker may just have told the client that it has the right by
// now, or taken its password, and the notification of that is still on its way.
func (cl *callers) Afresh(ctx context.Context, c *httpx.Caller) (*httpx.Caller, error) {
	return cl.again(ctx, c, cl.ask)
}

// again is Recheck by one of two ways to find what is known of a session or key.
func (cl *callers) again(ctx context.Context, c *httpx.Caller, look func(credential, func() (*known, error)) (*known, error)) (*httpx.Caller, error) {
	if c.Operator {
		return c, nil
	}
	id, find := c.SessionID, func() (*known, error) { return cl.findSession(ctx, c.SessionID) }
	if c.KeyID != uuid.Nil {
		id, find = c.KeyID, func() (*known, error) { return cl.findKeyBy(ctx, "k.id = $1", c.KeyID) }
	}
	k, err := look(idCredential(id), find)
	if err != nil {
		return nil, err
	}
	caller := new(k.caller)
	caller.Cookie = c.Cookie
	return caller, nil
}

// Still judges the caller of ctx's request once more: the session or key lives,
// the user is enabled, and permission is still held, "" for none. Rights were
// judged when the request arrived, and may have ended since. Call it before
// anything lasting whenever something took its time: a body that was received,
// a secret that was hashed, a slot that was waited for, each item of a batch.
// It costs no query while the cache knows the caller, so call it often. The
// access token itself may have expired meanwhile. Errors: ErrUnauthenticated,
// also where nobody is signed in; ErrForbidden; the database's.
func (cl *callers) Still(ctx context.Context, permission string) error {
	c := httpx.CallerOf(ctx)
	if c == nil {
		return httpx.ErrUnauthenticated.Because(errNoCredentials)
	}
	now, err := cl.Recheck(ctx, c)
	if err == nil && permission != "" && !now.Can(permission) {
		err = httpx.ErrForbidden.With(fmt.Sprintf("This needs the permission %q.", permission))
	}
	return err
}

// Holds reports whether a user is there, active, and holds all of the
// permissions at this time: for what was set up by one who is not asking now.
func (cl *callers) Holds(ctx context.Context, q db.Querier, user uuid.UUID, permissions ...string) (bool, error) {
	has, err := heldNow(ctx, q, user)
	return err == nil && len(has) > 0 && len(without(permissions, cl.permissions.expand(has))) == 0, err
}
