package auth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

var (
	errNoCredentials = errors.New("no credentials")
	errNoSession     = errors.New("access token: no living session")
)

// Authenticate says who sent a request. Authorization: Bearer and cookies are
// never mixed: with the header present, cookies are not looked at. Errors:
// ErrUnauthenticated whatever is wrong with the credentials, its cause for
// the log alone; 400 for two cookies of one name; the database's.
func (a *Auth) Authenticate(r *http.Request) (*httpx.Caller, error) {
	token, cookie, err := accessTokenOf(r)
	if err != nil {
		return nil, err
	}
	if !cookie && strings.HasPrefix(token, keyPrefix) {
		return a.authenticateKey(r, token)
	}
	now := time.Now()
	c, err := a.tokens.verify(token, now)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	session, err := uuid.Parse(c.Session)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	k, err := a.lookup(idCredential(session), func() (known, error) { return a.findSession(r.Context(), session) })
	if errors.Is(err, db.ErrNotFound) || err == nil && k.caller.UserID.String() != c.Subject {
		return nil, httpx.ErrUnauthenticated.Because(errNoSession)
	}
	if err != nil {
		return nil, err
	}
	a.cache.touch(session, now, c.Counter)
	caller := k.caller
	caller.Cookie = cookie
	return &caller, nil
}

// accessTokenOf finds the access token or key and says whether a cookie carried it.
func accessTokenOf(r *http.Request) (token string, cookie bool, err error) {
	if token, ok := httpx.Bearer(r); ok {
		return token, false, nil
	}
	token, err = CookieValue(r, accessCookie)
	if err == nil && token == "" {
		err = httpx.ErrUnauthenticated.Because(errNoCredentials)
	}
	return token, true, err
}
