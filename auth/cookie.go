package auth

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// The cookies. The prefix makes browsers take them only over a secure
// connection, for this host alone and with Path=/, so that no sibling
// subdomain can set or overwrite one (RFC 6265bis, section 4.1.3.2).
const (
	accessCookie  = "__Host-at"
	refreshCookie = "__Host-rt"
	deviceCookie  = "__Host-dv"
)

const deviceLifetime = 180 * 24 * time.Hour

// setCookie sends a cookie that scripts cannot read and that only pages of
// the same site make the browser send. A lifetime below zero takes it away.
func setCookie(answer http.Header, name, value string, lifetime time.Duration) {
	cookie := http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(lifetime / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	answer.Add("Set-Cookie", cookie.String())
}

// clearSignIn takes the sign-in away from a browser; the mark of a known
// device stays.
func clearSignIn(answer http.Header) {
	setCookie(answer, accessCookie, "", -time.Second)
	setCookie(answer, refreshCookie, "", -time.Second)
}

// CookieValue is the value of a cookie, "" when there is none. Two of one
// name are refused: nobody could say which of them is meant.
func CookieValue(r *http.Request, name string) (string, error) {
	switch found := r.CookiesNamed(name); len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0].Value, nil
	default:
		return "", httpx.ErrCookieTwice
	}
}

// A device mark shows that its browser has signed in as a user before, so
// that a stranger's wrong guesses do not shut out the owner's own devices:
// the signed value 2 | user id (16) | a UUID of version 7 (16), which tells when.
const (
	deviceVersion = 2
	deviceBody    = 1 + 16 + 16
)

// marksMost is how many users' marks a browser keeps.
const marksMost = 4

// deviceMarks is the cookie of a browser that has just signed in as user: its
// mark before those that were there, for a browser may be several people's.
func (tk *tokens) deviceMarks(r *http.Request, user uuid.UUID) string {
	made := uuid.Must(uuid.NewV7())
	marks := []string{Sign(tk.keys(devicePurpose), slices.Concat([]byte{deviceVersion}, user[:], made[:]))}
	if there, err := CookieValue(r, deviceCookie); err == nil && there != "" {
		marks = append(marks, strings.Split(there, ".")...)
	}
	return strings.Join(marks[:min(len(marks), marksMost)], ".")
}

// markOf is the mark of user among those of the request's browser, which shows
// that it has signed in as user before; "" for none.
func (tk *tokens) markOf(r *http.Request, user uuid.UUID) string {
	value, _ := CookieValue(r, deviceCookie)
	marks := strings.SplitN(value, ".", marksMost+1)
	for _, mark := range marks[:min(len(marks), marksMost)] {
		b, ok := Signed(tk.keys(devicePurpose), mark, deviceBody)
		if !ok || b[0] != deviceVersion || uuid.UUID(b[1:17]) != user {
			continue
		}
		if made := time.Unix(uuid.UUID(b[17:]).Time().UnixTime()); time.Since(made) < deviceLifetime {
			return mark
		}
	}
	return ""
}
