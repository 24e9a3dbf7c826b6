package auth

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// logout serves POST /auth/logout. It ends what ?scope= names, "others" or
// "all", anything else being this session, and answers 204 whatever the
// request looks like, so that a browser with a broken sign-in can always get
// rid of it. With "others" this device stays signed in, if it is.
func (se *sessions) logout(w http.ResponseWriter, r *http.Request) error {
	scope := r.URL.Query().Get("scope")
	if scope != "others" && scope != "all" {
		scope = "session"
	}
	left := map[uuid.UUID]bool{} // twice would be recorded twice
	for _, t := range se.departing(r) {
		if left[t.session] {
			continue
		}
		found, err := se.logOut(r.Context(), t, scope)
		if err != nil {
			return err
		}
		if found {
			left[t.session] = true
		}
	}
	if scope != "others" || len(left) == 0 {
		clearSignIn(w.Header())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cookiesMost is how many refresh cookies signing out looks at: each is a
// query that needs no sign-in.
const cookiesMost = 4

// departing are the sessions whose tokens came with the request, wherever they
// stood: leaving by one must not leave another signed in. A refresh token is still
// to be judged; of an access token that was good there is the session alone. Cookies count also
// where one name came twice, for leaving must not fail for what another page
// has set.
func (se *sessions) departing(r *http.Request) (list []refreshToken) {
	var in RefreshRequest
	if text, err := io.ReadAll(r.Body); err == nil {
		_ = json.Unmarshal(text, &in) // what cannot be read says nothing
	}
	access, refresh := []string{}, []string{in.RefreshToken}
	if token, ok := httpx.Bearer(r); ok {
		access = append(access, token)
	}
	for _, c := range r.CookiesNamed(accessCookie) {
		access = append(access, c.Value)
	}
	for _, c := range r.CookiesNamed(refreshCookie) {
		refresh = append(refresh, c.Value)
	}
	// The refresh tokens first: a copy of an old one is found out while its
	// session lives.
	for _, token := range refresh[:min(len(refresh), 1+cookiesMost)] {
		if t, err := parseRefreshToken(token); err == nil {
			list = append(list, t)
		}
	}
	for _, token := range access {
		if c, err := se.tokens.verify(token, time.Now()); err == nil {
			list = append(list, refreshToken{session: c.Session})
		}
	}
	return list
}

// logOut ends the sessions that scope names, seen from t's. found is false when
// that one is not living any more, and when t is a refresh token that was replaced
// before: whoever holds such a copy ends the session that it was copied from,
// as by refreshing with it, and no other.
func (se *sessions) logOut(ctx context.Context, t refreshToken, scope string) (found bool, err error) {
	err = se.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		found = false
		s, err := lockLiveSession(ctx, tx, t.session)
		if err != nil {
			return what, event, err
		}
		if t.mac != nil {
			switch se.judge(s, t) {
			case forged, ahead:
				return what, event, nil
			case reused:
				return endReused(ctx, tx, s)
			}
		}
		found = true
		ended := int64(1)
		switch scope {
		case "session":
			err = endSession(ctx, tx, s.userID, s.ID, "logout")
		case "others":
			ended, err = endSessionsOf(ctx, tx, s.userID, s.ID, "logout")
		case "all":
			ended, err = endSessionsOf(ctx, tx, s.userID, uuid.Nil, "logout")
		}
		return staleUser(s.userID), audit.Event{
			Action: audit.Logout, Target: s.ID, Actor: audit.Actor{User: s.userID, Session: s.ID},
			Details: map[string]string{"scope": scope, "sessions": strconv.FormatInt(ended, 10)},
		}, err
	})
	return found && err == nil, NoRow(err, nil)
}
