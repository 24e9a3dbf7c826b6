package auth

import (
	"context"
	"net/http"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// What the OpenID provider and the gate, which are rooms of their own, share with
// this one, besides Sign. Their statements join sessions as s and users as u, so that what ends a session
// or disables a user ends every program's access in the same moment, on every
// worker, without a cache in between.
const (
	// LivingSession is the SQL condition under which a session s of a user u is one.
	LivingSession = living
	// RolesOfUser is the SQL of the names of a user u's roles, as a sorted array.
	RolesOfUser = rolesHeld
)

// CountWrong counts a wrong try at a secret that was made here and is too long
// to be guessed, such as a program's: by kind and account for each network
// apart, and by the client's address. While it has to wait the error is 429.
// Whoever has the right secret is not asked, so no stranger can lock a program
// out.
func (pw *passwords) CountWrong(r *http.Request, kind, account string) error {
	_, err := pw.guesses.countShared(r, kind, account)
	return err
}

// Visitor says who a living session is of, with the roles of today, and notes
// that it was used. It costs no query while the cache knows the session.
// ErrUnauthenticated.
func (cl *callers) Visitor(ctx context.Context, session uuid.UUID) (*httpx.Caller, error) {
	c, err := cl.Recheck(ctx, &httpx.Caller{SessionID: session})
	if err == nil {
		cl.cache.touch(session, time.Now(), 0)
	}
	return c, err
}

// Person is a user by id, from the cache while nothing has changed.
func (cl *callers) Person(ctx context.Context, id uuid.UUID) (User, error) {
	me, err := cl.loadMe(ctx, id)
	return me.User, err
}
