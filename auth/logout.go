package auth

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// logout serves POST /auth/logout. It ends what ?scope= names, "session" (the
// default), "others" or "all", and answers 204 whatever the credentials are
// worth, so that a browser with a broken sign-in can always get rid of it.
// With "others" this device stays signed in, if it is.
func (a *Auth) logout(w http.ResponseWriter, r *http.Request) error {
	scope := r.URL.Query().Get("scope")
	switch scope {
	case "":
		scope = "session"
	case "session", "others", "all":
	default:
		return httpx.ErrInvalidParameter.With(`The scope is "session", "others" or "all".`)
	}
	in, err := optionalJSON[RefreshRequest](w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	stays := false
	for _, id := range a.sessionsOf(r, in.RefreshToken) {
		found, err := a.logOut(ctx, id, scope)
		if err != nil {
			return err
		}
		stays = stays || found && scope == "others"
	}
	if !stays {
		clearSignIn(w)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cookiesMost is how many refresh cookies signing out looks at.
const cookiesMost = 4

// sessionsOf are the living sessions whose genuine tokens came with the
// request. Cookies count also where one name came twice: leaving must not
// fail for what another page has set.
func (a *Auth) sessionsOf(r *http.Request, refresh string) []uuid.UUID {
	access, refreshes := []string{}, []string{refresh}
	if r.Header.Get("Authorization") != "" {
		token, _, _ := accessTokenOf(r) // "" for another scheme, and no token is ""
		access = append(access, token)
	} else if refresh == "" {
		for _, c := range r.CookiesNamed(accessCookie) {
			access = append(access, c.Value)
		}
		for _, c := range r.CookiesNamed(refreshCookie) {
			refreshes = append(refreshes, c.Value)
		}
		// Each is a query that needs no sign-in.
		refreshes = refreshes[:min(len(refreshes), 1+cookiesMost)]
	}
	var ids []uuid.UUID
	for _, token := range access {
		if c, err := verifyAccess(token, a.signingKeys(), a.publicURL, time.Now()); err == nil {
			if id, err := uuid.Parse(c.Session); err == nil {
				ids = append(ids, id)
			}
		}
	}
	for _, token := range refreshes {
		if id, err := a.genuineRefresh(r.Context(), token); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// genuineRefresh is the session of a refresh token that was ours once,
// whatever its counter.
func (a *Auth) genuineRefresh(ctx context.Context, token string) (uuid.UUID, error) {
	t, err := parseRefreshToken(token)
	if err != nil {
		return uuid.Nil, err
	}
	rtKey, err := db.One(ctx, a.db, db.Value[[]byte], `
-- name: auth.RefreshKey
SELECT rt_key FROM sessions WHERE id = $1`, t.session)
	if err != nil {
		return uuid.Nil, err
	}
	if !t.signedBy(a.keys(refreshPurpose), rtKey) {
		return uuid.Nil, errRefreshForm
	}
	return t.session, nil
}

// logOut ends the sessions that scope names, seen from the session id. found
// is false when that one is not living any more.
func (a *Auth) logOut(ctx context.Context, id uuid.UUID, scope string) (found bool, err error) {
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		s, err := lockLiveSession(ctx, tx, id)
		if found = err == nil; !found {
			return nothing, err
		}
		what, ended := staleUser(s.userID), int64(1)
		switch scope {
		case "session":
			what, err = staleSession(id), endSession(ctx, tx, id, "logout")
		case "others":
			ended, err = endSessionsOf(ctx, tx, s.userID, id, "logout")
		case "all":
			ended, err = endSessionsOf(ctx, tx, s.userID, uuid.Nil, "logout")
		}
		if err != nil {
			return nothing, err
		}
		return what, a.audit.Record(ctx, tx, audit.Event{
			Action: audit.Logout, Target: id, Actor: audit.Actor{User: s.userID, Session: id},
			Details: map[string]string{"scope": scope, "sessions": strconv.FormatInt(ended, 10)},
		})
	})
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return found && err == nil, err
}

// optionalJSON is httpx.ReadJSON for a route whose body may be left out.
func optionalJSON[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	if r.ContentLength == 0 {
		var none T
		return none, nil
	}
	return httpx.ReadJSON[T](w, r)
}
