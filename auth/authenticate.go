package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"
)

var (
	errNoCredentials = errors.New("no credentials")
	errEnded         = errors.New("no living session or access key, or its user is disabled")
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
	k, err := cl.holderOf(r.Context(), token, now)
	if err != nil {
		return nil, err
	}
	cl.cache.touch(k.caller.SessionID, now, k.claims.Counter)
	caller := new(k.caller)
	caller.Cookie = cookie
	return caller, nil
}

// holderOf finds the living session of an access token. One that was verified
// before is recognised by its hash, and only its times are judged again. (An
// access key in a cookie has a hash that is kept too, and is no token.)
func (cl *callers) holderOf(ctx context.Context, token string, now time.Time) (*known, error) {
	hash := credential(sha256.Sum256(append(make([]byte, 0, 512), token...)))
	if k, ok := cl.recall(hash, now); ok && k.token == hash && k.claims.validAt(now) {
		return k, nil
	}
	c, err := cl.tokens.verify(token, now)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	k, err := cl.lookup(idCredential(c.Session), func() (*known, error) { return cl.findSession(ctx, c.Session) })
	if err == nil && k.caller.UserID != c.Subject {
		err = httpx.ErrUnauthenticated.Because(errEnded)
	}
	if err != nil {
		return nil, err
	}
	holder := *k
	holder.token, holder.claims = hash, c
	cl.cache.remember(&holder)
	return &holder, nil
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
