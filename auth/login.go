package auth

import (
	"cmp"
	"context"
	"errors"
	"net/http"

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
	// Alone in place of all these, when the key has recognised its owner; or
	// beside address and password, or a link token, in place of the code.
	Passkey *AuthenticationResponse `json:"passkey,omitempty"`
	Mode    string                  `json:"mode,omitempty"` // "cookie", also when absent, or "token"
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
	errInvalidCredentials = httpx.NewProblem(401, "invalid_credentials", "The address or the password is wrong").
				With("Check both and try again.")

	// ErrInsecureOrigin is for every route that gives a cookie.
	ErrInsecureOrigin = httpx.NewProblem(400, "insecure_origin", "Browsers would not keep the sign-in")
)

func (se *sessions) signInRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "POST /auth/login", Access: httpx.Public(), Cookies: true, Rate: httpx.RateCredentials, Body: credentialsBody,
			Summary: "Sign in with address and password, or with a passkey", Do: httpx.JSON(se.login).May(cookies...),
			Problems: httpx.Problems{errInvalidCredentials, errSignInNeedsCode, errSignInWrongCode, errPasskeysOff, ErrInsecureOrigin, ErrHashingBusy}},
		{Pattern: "POST /auth/refresh", Access: httpx.Public(), Cookies: true, Rate: httpx.RateWrite, Body: credentialsBody, Optional: true,
			Summary: "Exchange the refresh token for new tokens", Do: httpx.JSON(se.refresh).May(cookies...),
			Problems: httpx.Problems{errSignedOut}},
		{Pattern: "POST /auth/logout", Access: httpx.Public(), Cookies: true, Rate: httpx.RateWrite, Body: credentialsBody, Optional: true,
			Forgiving: true, Request: RefreshRequest{}, Responses: []httpx.Response{{Status: http.StatusNoContent, May: cookies}}, Query: []string{"scope"},
			Summary: "Sign out this device, the others or all", Handler: se.logout},
	}
}

// login serves POST /auth/login.
func (se *sessions) login(c *httpx.Call, in LoginRequest) (Grant, error) {
	mode, err := se.modeOf(c.Request, in.Mode)
	if err != nil {
		return Grant{}, err
	}
	var f httpx.Fields
	named := in.Email != "" || in.Password != ""
	if in.LinkToken != "" && named {
		f.Add("#/link_token", "invalid", "Send either a link token, or an address and a password.")
	}
	if in.Passkey != nil && in.Code != "" {
		f.Add("#/code", "invalid", "Send either a passkey or a code.")
	}
	if err := f.Err(); err != nil {
		return Grant{}, err
	}
	var acc account
	var by proof
	switch {
	case in.LinkToken != "":
		acc, by, err = se.followLink(c.Request, in.LinkToken)
	case in.Passkey != nil && !named:
		s, err := se.openByPasskey(c.Request, in.Passkey)
		if err != nil {
			return Grant{}, err
		}
		return se.welcome(c, mode, s)
	default:
		by.method = "password"
		acc, err = se.passwords.signIn(c.Request, in.Email, in.Password)
	}
	if err != nil {
		return Grant{}, err
	}
	if by.code = in.Code; in.Passkey != nil {
		k, err := se.passkeys.confirm(c.Request, in.Passkey, acc.ID, false)
		if err != nil {
			return Grant{}, se.refusePasskey(c.Context(), acc.ID, err)
		}
		by.key = &k
	}
	return se.signIn(c, mode, acc, by)
}

// refusePasskey records a passkey that does not sign in; other errors stay
// what they are.
func (se *sessions) refusePasskey(ctx context.Context, user uuid.UUID, err error) error {
	if !errors.Is(err, errPasskey) {
		return err
	}
	return se.refuse(ctx, audit.LoginFailed, user, "", "passkey",
		errInvalidCredentials.With("This passkey does not sign in here. Sign in another way.").Because(err))
}

// modeOf reads how a sign-in's tokens are to be held, and refuses cookies
// where they would not be.
func (se *sessions) modeOf(r *http.Request, given string) (mode string, err error) {
	switch given {
	case "", modeCookie:
		return modeCookie, se.tokens.mayKeepCookies(r)
	case modeToken:
		return modeToken, nil
	}
	return "", httpx.Invalid("#/mode", "invalid", `The mode must be "cookie" or "token".`)
}

// signIn begins a session for someone who has proved to be acc.
func (se *sessions) signIn(c *httpx.Call, mode string, acc account, by proof) (Grant, error) {
	s, err := se.open(c.Request, acc, by)
	if err != nil {
		return Grant{}, err
	}
	return se.welcome(c, mode, s)
}

// welcome hands out a new session and marks its device.
func (se *sessions) welcome(c *httpx.Call, mode string, s Session) (Grant, error) {
	if mode == modeCookie && se.tokens.markOf(c.Request, s.userID) == "" {
		setCookie(c.Answer(), deviceCookie, se.tokens.deviceMarks(c.Request, s.userID), deviceLifetime)
	}
	return se.grant(c, mode, s)
}

// grant hands out the tokens that the session s has now.
func (se *sessions) grant(c *httpx.Call, mode string, s Session) (Grant, error) {
	me, err := se.callers.loadMe(c.Context(), s.userID)
	if err != nil {
		return Grant{}, err
	}
	s.Current = true
	access := se.tokens.accessToken(s.userID, s.ID, s.counter)
	refresh := se.tokens.refreshTokenOf(s.ID, s.rtKey, s.counter)
	g := Grant{ExpiresIn: int(accessLifetime.Seconds()), User: me, Session: s}
	if mode == modeToken {
		g.AccessToken, g.RefreshToken, g.TokenType = access, refresh, "Bearer"
	} else {
		setCookie(c.Answer(), accessCookie, access, accessLifetime)
		setCookie(c.Answer(), refreshCookie, refresh, idleLifetime)
	}
	return g, nil
}

// proof is how someone has proved to be a user.
type proof struct {
	method string   // for the record: "password", or the purpose of a token
	link   *oneTime // to be used up with the session that it opens, or nil
	code   string   // "" if none was given
	key    *usedKey // stands for the code, if there is one
}

// complete runs fn in a transaction in which acc is still what was proved, and
// for which the rest of the proof is used up: that a link or a code was not used
// before, and that it is used now, must hold together with what it is used for.
// The code is asked for here, unless a key stands for it.
func (pw *passwords) complete(r *http.Request, acc account, by proof, fn func(tx pgx.Tx) (Session, stale, error)) error {
	ctx := r.Context()
	var guess attempt
	var err error
	if by.code != "" {
		if guess, err = pw.guesses.count(r, guessCode, acc.ID.String(), acc.ID); err != nil {
			return err
		}
	}
	return pw.callers.change(ctx, func(tx pgx.Tx) (stale, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, err
		}
		if by.link != nil {
			if err := useToken(ctx, tx, *by.link); err != nil {
				return nothing, errInvalidCredentials.Because(err)
			}
		}
		if by.key == nil {
			if err := pw.codes.secondFactor(ctx, tx, acc.ID, by.code); err != nil {
				return nothing, err
			}
		}
		if err := guess.right(ctx, tx); err != nil {
			return nothing, err
		}
		s, what, err := fn(tx)
		if err != nil || by.key == nil {
			return what, err
		}
		told, err := pw.passkeys.use(ctx, tx, *by.key, s)
		return cmp.Or(told, what), err // a user's sessions are forgotten with the user
	})
}

// open begins a session for someone who has proved to be acc, except by the code.
func (se *sessions) open(r *http.Request, acc account, by proof) (s Session, err error) {
	ctx := r.Context()
	err = se.passwords.complete(r, acc, by, func(tx pgx.Tx) (_ Session, evicted stale, err error) {
		if s, err = db.One(ctx, tx, scanSession, beginSession, clientOf(r).begin(uuid.Must(uuid.NewV7()), acc.ID)...); err != nil {
			return s, nothing, err
		}
		details := map[string]string{"by": by.method}
		if by.key != nil {
			details["code"] = "passkey"
		}
		err = se.audit.Record(ctx, tx, audit.Event{Action: audit.Login, Target: s.ID, Actor: audit.Actor{User: acc.ID, Session: s.ID}, Details: details})
		if err == nil {
			evicted, err = se.evict(ctx, tx, acc.ID, sessionsMost)
		}
		return s, evicted, err
	})
	switch wrong, isWrong := errors.AsType[wrongCode](err); {
	case errors.Is(err, errNoCode):
		err = errSignInNeedsCode
	case isWrong:
		err = se.refuse(ctx, audit.LoginFailed, acc.ID, "", string(wrong), errSignInWrongCode.Because(err))
	case errors.Is(err, errPasskey):
		err = se.refusePasskey(ctx, acc.ID, err)
	}
	return s, err
}
