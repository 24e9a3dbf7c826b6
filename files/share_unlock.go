package files

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var errSharePassword = httpx.NewProblem(401, "share_password_required", "This share asks for a password").
	With("Give it to POST /api/v1/files/shared/{token}/unlock.")

const unlockLifetime = time.Hour

// shareCookie names the cookie of a share's unlocking: each has its own, so
// that unlocking one does not lock another again.
func shareCookie(s *share) string { return "__Host-sh-" + hex.EncodeToString(s.ID[:]) }

// unlockRequest is the body of POST /files/shared/{token}/unlock.
type unlockRequest struct {
	Password string `json:"password"`
	Mode     string `json:"mode,omitempty"` // cookie, also when absent, or token
}

// unlockBody answers it in mode token.
type unlockBody struct {
	AccessToken string `json:"access_token"` // for Authorization: Bearer
	ExpiresIn   int    `json:"expires_in"`   // seconds
}

// postUnlock is POST /files/shared/{token}/unlock.
func (sh *shares) postUnlock(w http.ResponseWriter, r *http.Request, g guest) error {
	in, err := httpx.ReadJSON[unlockRequest](r)
	if err != nil {
		return err
	}
	if in.Mode != "" && in.Mode != "cookie" && in.Mode != "token" {
		return httpx.Invalid("#/mode", "invalid", "The mode must be cookie or token.")
	}
	s := &g.share
	if s.Password != nil {
		ok, err := sh.auth.MatchSecret(r, "share", s.ID.String(), in.Password, *s.Password)
		if err != nil {
			return err
		}
		outcome := audit.OK
		if !ok {
			outcome = audit.Denied
		}
		err = sh.db.InTx(r.Context(), func(tx pgx.Tx) error {
			return sh.audit.Record(r.Context(), tx, audit.Event{Action: audit.ShareUnlocked, Target: s.ID, Outcome: outcome})
		})
		if err != nil {
			return err
		}
		if !ok {
			return errSharePassword.With("The password is wrong.")
		}
	}
	token := sh.unlockToken(s, time.Now().Add(unlockLifetime))
	if in.Mode == "token" {
		return httpx.WriteJSON(w, http.StatusOK, unlockBody{token, int(unlockLifetime.Seconds())})
	}
	if err := sh.auth.KeepCookie(w.Header(), r, shareCookie(s), token, unlockLifetime); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// An unlock's token is the signed value 1 | share id (16) | end in seconds since
// 1970 (8), bound to the password's hash, so that another password ends it.
const (
	unlockVersion = 1
	unlockBytes   = 1 + 16 + 8
)

// passwordHash is what an unlocking is bound to.
func (s *share) passwordHash() []byte { return []byte(*cmp.Or(s.Password, new(""))) }

func (sh *shares) unlockToken(s *share, end time.Time) string {
	b := append([]byte{unlockVersion}, s.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(end.Unix()))
	return auth.Sign(sh.keys("share unlock"), b, s.passwordHash())
}

// checkUnlocked is errSharePassword unless the share asks for no password or
// the request has a token of its unlocking. A bearer that is none, of someone
// who is signed in for example, does not shadow the cookie.
func (sh *shares) checkUnlocked(r *http.Request, s *share) error {
	if s.Password == nil {
		return nil
	}
	if bearer, ok := httpx.Bearer(r); ok && sh.unlocks(bearer, s) {
		return nil
	}
	cookie, err := auth.CookieValue(r, shareCookie(s))
	if err == nil && !sh.unlocks(cookie, s) {
		err = errSharePassword
	}
	return err
}

// unlocks reports whether a token is one of the share's unlocking.
func (sh *shares) unlocks(token string, s *share) bool {
	b, ok := auth.Signed(sh.keys("share unlock"), token, unlockBytes, s.passwordHash())
	if !ok || b[0] != unlockVersion || uuid.UUID(b[1:17]) != s.ID {
		return false
	}
	// One from ahead, of a clock that was set back, would hold for longer.
	left := time.Until(time.Unix(int64(binary.BigEndian.Uint64(b[17:])), 0))
	return left > 0 && left <= unlockLifetime+time.Minute
}
