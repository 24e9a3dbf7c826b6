package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The two ways to hold the tokens.
const (
	modeCookie = "cookie" // browsers: in cookies that no script can read
	modeToken  = "token"  // programs: in the answer's body
)

// LoginRequest is the body of POST /auth/login.
type LoginRequest struct {
	Email     string `json:"email,omitempty"`
	Password  string `json:"password,omitempty"`
	Code      string `json:"code,omitempty"`       // with TOTP on: of the authenticator, or a recovery code
	LinkToken string `json:"link_token,omitempty"` // of `homebase user login-link`, in place of address and password
	Mode      string `json:"mode,omitempty"`       // "cookie", also when absent, or "token"
}

// Grant answers a sign-in and a refresh. The tokens are in it in mode token
// only.
type Grant struct {
	AccessToken  string  `json:"access_token,omitempty"`
	RefreshToken string  `json:"refresh_token,omitempty"`
	TokenType    string  `json:"token_type,omitempty"` // "Bearer"
	ExpiresIn    int     `json:"expires_in"`           // seconds until the access token does
	User         Me      `json:"user"`
	Session      Session `json:"session"`
}

var (
	// errInvalidCredentials is the one answer to a sign-in that fails: an
	// unknown address, a wrong password and a disabled user look alike.
	errInvalidCredentials = unauthorized("invalid_credentials", "The address or the password is wrong",
		"Check both and try again.")

	// ErrInsecureOrigin is for every route that gives a cookie.
	ErrInsecureOrigin = httpx.NewProblem(400, "insecure_origin", "Browsers would not keep the sign-in")
)

func (a *Auth) signInRoutes() []httpx.Route {
	granted := []httpx.Response{{Status: 200, Body: Grant{}, May: cookies}}
	return []httpx.Route{
		{Pattern: "POST /auth/login", Access: httpx.Public(), Cookies: true, Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: LoginRequest{}, Responses: granted,
			Summary:  "Sign in with address and password",
			Problems: []*httpx.Problem{errInvalidCredentials, errSignInNeedsCode, errSignInWrongCode, ErrInsecureOrigin, ErrHashingBusy},
			Handler:  a.login},
		{Pattern: "POST /auth/refresh", Access: httpx.Public(), Cookies: true, Rate: httpx.RateWrite,
			Body: credentialsBody, Request: RefreshRequest{}, Optional: true, Responses: granted,
			Summary:  "Exchange the refresh token for new tokens",
			Problems: []*httpx.Problem{errSignedOut},
			Handler:  a.refresh},
		{Pattern: "POST /auth/logout", Access: httpx.Public(), Cookies: true, Rate: httpx.RateWrite,
			Body: credentialsBody, Request: RefreshRequest{}, Optional: true, Forgiving: true, Responses: []httpx.Response{{Status: 204, May: cookies}}, Query: []string{"scope"},
			Summary: "Sign out this device, the others or all",
			Handler: a.logout},
	}
}

// login serves POST /auth/login.
func (a *Auth) login(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[LoginRequest](w, r)
	if err != nil {
		return err
	}
	mode, err := a.modeOf(r, in.Mode)
	if err != nil {
		return err
	}
	var acc account
	var by proof
	switch {
	case in.LinkToken == "":
		by.method = "password"
		acc, err = a.signIn(r, in.Email, in.Password)
	case in.Email == "" && in.Password == "":
		acc, by, err = a.followLink(r, in.LinkToken)
	default:
		var f httpx.Fields
		f.Add("#/link_token", "invalid", "Send either a link token, or an address and a password.")
		return f.Err()
	}
	if err != nil {
		return err
	}
	by.code = in.Code
	s, err := a.openSession(r, acc, by)
	if err != nil {
		return err
	}
	return a.welcome(w, r, http.StatusOK, mode, acc.ID, s)
}

// modeOf reads how a sign-in's tokens are to be held, and refuses cookies
// where they would not be.
func (a *Auth) modeOf(r *http.Request, given string) (mode string, err error) {
	switch given {
	case "", modeCookie:
		return modeCookie, a.mayKeepCookies(r)
	case modeToken:
		return modeToken, nil
	}
	var f httpx.Fields
	f.Add("#/mode", "invalid", `The mode must be "cookie" or "token".`)
	return "", f.Err()
}

// welcome answers whoever has just signed in as user, and marks the device.
func (a *Auth) welcome(w http.ResponseWriter, r *http.Request, status int, mode string, user uuid.UUID, s Session) error {
	me, err := a.loadMe(r.Context(), user)
	if err != nil {
		return err
	}
	if mode == modeCookie && a.markOf(r, user) == "" {
		setCookie(w, deviceCookie, a.deviceMarks(r, user), deviceLifetime)
	}
	return a.answerGrant(w, status, mode, me, s)
}

// mayKeepCookies refuses to set cookies for a request that another site may
// have sent, and where the browser would drop them without a word: they need
// a secure connection, and plain http counts as one on loopback names only.
func (a *Auth) mayKeepCookies(r *http.Request) error {
	if err := httpx.RequireOrigin(r); err != nil {
		return err
	}
	if a.public.Scheme == "http" && !strings.EqualFold(hostname(r.Host), a.public.Hostname()) {
		return ErrInsecureOrigin.With("Browsers keep the cookies of a sign-in over plain http only for " + a.publicURL +
			". Open that address, serve this one over https and set HOMEBASE_PUBLIC_URL, or sign in with mode token.")
	}
	return nil
}

// hostname is host without its port, and without the brackets of IPv6.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// signIn proves an address and a password. Every failure does the same work:
// one look-up, one hash, one audit event.
func (a *Auth) signIn(r *http.Request, email, password string) (account, error) {
	ctx := r.Context()
	place, err := a.hasher.enter()
	if err != nil {
		return account{}, err
	}
	defer place.leave()
	acc, reason := account{}, ""
	address, err := parseEmail(email)
	if err == nil {
		acc, err = accountByEmail(ctx, a.db, address)
	} else {
		// An address that cannot be one is asked for all the same.
		acc, err = accountByEmail(ctx, a.db, "")
	}
	switch {
	case errors.Is(err, db.ErrNotFound):
		acc, reason = account{passwordHash: a.nobody()}, "unknown"
	case err != nil:
		return account{}, err
	}
	who := strings.ToLower(strings.TrimSpace(email))
	if reason == "" {
		who = acc.ID.String()
	}
	guess, err := a.Guess(r, guessPassword, who, acc.ID)
	if err != nil {
		return account{}, err
	}
	ok, outdated, err := place.matches(ctx, password, acc.passwordHash)
	switch {
	case err != nil:
		return account{}, err
	case reason != "":
	case !ok:
		reason = "password"
	case acc.Status != statusActive:
		reason = "disabled"
	}
	if reason != "" {
		return account{}, a.refuseSignIn(ctx, email, acc.ID, reason)
	}
	if err := a.db.InTx(ctx, func(tx pgx.Tx) error { return guess.Right(ctx, tx) }); err != nil {
		return account{}, err
	}
	if outdated {
		return a.rehash(ctx, place, acc, password)
	}
	return acc, nil
}

// refuseSignIn records a failed sign-in. The address of someone unknown is
// kept as a keyed hash: people type passwords into the wrong field.
func (a *Auth) refuseSignIn(ctx context.Context, email string, user uuid.UUID, reason string) error {
	e := audit.Event{Action: audit.LoginFailed, Outcome: audit.Denied, Target: user,
		Details: map[string]string{"reason": reason}}
	if user == uuid.Nil {
		e.Details["address"] = a.audit.Blind(email)
	}
	err := a.db.InTx(ctx, func(tx pgx.Tx) error { return a.audit.Record(ctx, tx, e) })
	if err != nil {
		return err
	}
	return errInvalidCredentials.Because(errors.New("sign-in refused: " + reason))
}

// recordRefusal records a wrong code.
func (a *Auth) recordRefusal(ctx context.Context, action audit.Action, user uuid.UUID, why error) error {
	reason := "code"
	if errors.Is(why, errUsedCode) {
		reason = "used_code"
	}
	return a.db.InTx(ctx, func(tx pgx.Tx) error {
		return a.audit.Record(ctx, tx, audit.Event{Action: action, Outcome: audit.Denied, Target: user,
			Details: map[string]string{"reason": reason}})
	})
}

// rehash replaces a hash that was made at another cost, while the password is
// at hand. Whoever signs in at the same time may have done it first: then the
// password is held against what stands there now.
func (a *Auth) rehash(ctx context.Context, place *place, acc account, password string) (account, error) {
	hash, err := place.hash(ctx, password)
	if err != nil {
		return account{}, err
	}
	err = a.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return err
		}
		return updatePasswordHash(ctx, tx, acc.ID, hash)
	})
	if !errors.Is(err, errInvalidCredentials) {
		acc.passwordHash = hash
		return acc, err
	}
	if acc, err = accountByID(ctx, a.db, acc.ID); err != nil {
		return account{}, err
	}
	ok, _, err := place.matches(ctx, password, acc.passwordHash)
	if err == nil && (!ok || acc.Status != statusActive) {
		err = errInvalidCredentials
	}
	return acc, err
}

// proof is how someone has proved to be a user.
type proof struct {
	method string   // for the record: "password", or the purpose of a token
	link   *oneTime // to be used up with the session that it opens, or nil
	code   string   // "" if none was given
}

// openSession begins a session for someone who has proved to be acc, except by
// the code, which is asked for here: that it was not used before, and that it
// is used now, must hold together with the session.
func (a *Auth) openSession(r *http.Request, acc account, by proof) (Session, error) {
	ctx := r.Context()
	var guess Guess
	var err error
	if by.code != "" {
		if guess, err = a.Guess(r, guessCode, acc.ID.String(), acc.ID); err != nil {
			return Session{}, err
		}
	}
	var s Session
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, err
		}
		if by.link != nil {
			if err := useToken(ctx, tx, *by.link); err != nil {
				return nothing, errInvalidCredentials.Because(err)
			}
		}
		if err := a.secondFactor(ctx, tx, acc.ID, by.code); err != nil {
			return nothing, err
		}
		if err := guess.Right(ctx, tx); err != nil {
			return nothing, err
		}
		if s, err = insertSession(ctx, tx, acc.ID, clientOf(r)); err != nil {
			return nothing, err
		}
		err = a.audit.Record(ctx, tx, audit.Event{
			Action: audit.Login, Target: s.ID, Actor: audit.Actor{User: acc.ID, Session: s.ID},
			Details: map[string]string{"by": by.method},
		})
		if err != nil {
			return nothing, err
		}
		return a.evictSessions(ctx, tx, acc.ID)
	})
	switch {
	case errors.Is(err, errNoCode):
		err = errSignInNeedsCode
	case errors.Is(err, errWrongCode):
		err = errors.Join(a.recordRefusal(ctx, audit.LoginFailed, acc.ID, err), errSignInWrongCode.Because(err))
	}
	return s, err
}

// answerGrant hands out the tokens that the session s has now.
func (a *Auth) answerGrant(w http.ResponseWriter, status int, mode string, me Me, s Session) error {
	s.Current = true
	access := a.accessToken(s.userID, s.ID, s.counter)
	refresh := a.refreshTokenOf(s.ID, s.rtKey, s.counter)
	g := Grant{ExpiresIn: int(accessLifetime.Seconds()), User: me, Session: s}
	if mode == modeToken {
		g.AccessToken, g.RefreshToken, g.TokenType = access, refresh, "Bearer"
	} else {
		setCookie(w, accessCookie, access, accessLifetime)
		setCookie(w, refreshCookie, refresh, idleLifetime)
	}
	return httpx.WriteJSON(w, status, g)
}
