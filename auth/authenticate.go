package auth

import (
	"errors"
	"log/slog"
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

// callers knows who a request's credentials belong to and what that user may
// do at this time. It owns the cache of living sessions and access keys, and
// every change that ends or alters one goes through change, so that it holds
// at once. A caller whom the cache knows costs no query.
type callers struct {
	db          *db.DB
	log         *slog.Logger
	tokens      *tokens
	permissions permissions
	cache       *cache
}

// Authenticate says who sent a request. Authorization: Bearer and cookies are
// never mixed: with the header present, cookies are not looked at. Errors:
// ErrUnauthenticated whatever is wrong with the credentials, its cause for
// the log alone; 400 for two cookies of one name; the database's.
func (cl *callers) Authenticate(r *http.Request) (*httpx.Caller, error) {
	token, cookie, err := accessTokenOf(r)
	if err != nil {
		return nil, err
	}
	if !cookie && strings.HasPrefix(token, keyPrefix) {
		return cl.authenticateKey(r, token)
	}
	now := time.Now()
	c, err := cl.tokens.verify(token, now)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	session, err := uuid.Parse(c.Session)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	k, err := cl.lookup(idCredential(session), func() (known, error) { return cl.findSession(r.Context(), session) })
	if errors.Is(err, db.ErrNotFound) || err == nil && k.caller.UserID.String() != c.Subject {
		return nil, httpx.ErrUnauthenticated.Because(errNoSession)
	}
	if err != nil {
		return nil, err
	}
	cl.cache.touch(session, now, c.Counter)
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
