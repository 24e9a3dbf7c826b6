package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"homebase/audit"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A refresh token is the signed value 1 | session id (16) | counter (8).
// The session's row holds the one counter that is valid, so rotating a token
// is adding one, the newest token can be made again at any time, and a token
// that is behind shows by how much. The MAC's key comes from the platform's
// secret and the session's own rt_key: neither the database nor the secret
// alone can make a token.
type refreshToken struct {
	session uuid.UUID
	counter int64
	body    []byte
	mac     []byte
}

const (
	refreshVersion = 1
	refreshBody    = 1 + 16 + 8
)

func parseRefreshToken(s string) (refreshToken, error) {
	body, mac, ok := cutMAC(s, refreshBody)
	if !ok || body[0] != refreshVersion || int64(binary.BigEndian.Uint64(body[17:])) <= 0 {
		return refreshToken{}, errors.New("refresh token: malformed")
	}
	return refreshToken{session: uuid.UUID(body[1:17]), counter: int64(binary.BigEndian.Uint64(body[17:])), body: body, mac: mac}, nil
}

// refreshKeys are the keys of one session's refresh tokens.
func (tk *tokens) refreshKeys(rtKey []byte) (keys [][]byte) {
	for _, secret := range tk.keys(refreshPurpose) {
		keys = append(keys, MAC(secret, rtKey))
	}
	return keys
}

// refreshTokenOf is the token of a session at a counter, always the same.
func (tk *tokens) refreshTokenOf(session uuid.UUID, rtKey []byte, counter int64) string {
	b := append([]byte{refreshVersion}, session[:]...)
	return Sign(tk.refreshKeys(rtKey), binary.BigEndian.AppendUint64(b, uint64(counter)))
}

// refreshGrace is how long after a rotation the token before it still gets
// the current one: tabs that raced, whoever lost.
const refreshGrace = 30 * time.Second

// judgement is what a refresh token of a living session means.
type judgement int

const (
	forged  judgement = iota // not one of ours: no reason to end the session, for anyone can guess an id
	ahead                    // a counter never issued: the secret or the row was restored from a backup
	current                  // the valid one: rotate
	again                    // the one before, in time: give the current one again
	reused                   // replayed: someone else has had it
)

// judge compares a token's counter with its session's. The token before the
// current one is honest in two cases: for a moment after the rotation, when
// several tabs refreshed at once; and later while nothing shows that the
// client received the current one, when the answer was lost on the way.
// Anything else is a copy of a token that was already used. A rotation that
// lies ahead, of a clock that was set back, is as far away as one of the past.
func judge(s Session, token int64, seen int64) judgement {
	behind, away := s.counter-token, s.sinceRefresh.Abs()
	switch {
	case behind < 0:
		return ahead
	case behind == 0:
		return current
	case behind == 1 && (away <= refreshGrace || seen < s.counter && away <= idleLifetime):
		return again
	default:
		return reused
	}
}

// judge is the one judge of refresh tokens, whatever they are sent for.
func (se *sessions) judge(s Session, t refreshToken) judgement {
	if !isMAC(se.tokens.refreshKeys(s.rtKey), t.mac, t.body) {
		return forged
	}
	return judge(s, t.counter, max(s.seenCounter, se.callers.cache.seen(s.ID)))
}

// RefreshRequest is the body of POST /auth/refresh and POST /auth/logout for
// clients that hold their tokens themselves. Others send cookies and no body.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token,omitempty"`
}

// errSignedOut is the one answer to a refresh token that is not good, whether
// it is forged, old, of an ended session or of a disabled user.
var errSignedOut = httpx.NewProblem(401, "session_ended", "The session has ended").With("Sign in again.")

// refresh serves POST /auth/refresh. A refused cookie is not cleared: another
// tab may just have signed in anew.
func (se *sessions) refresh(c *httpx.Call, in RefreshRequest) (Grant, error) {
	mode, token, err := modeToken, in.RefreshToken, error(nil)
	if token == "" {
		mode = modeCookie
		if token, err = CookieValue(c.Request, refreshCookie); err != nil {
			return Grant{}, err
		}
	}
	s, err := se.rotate(c.Context(), token, clientOf(c.Request))
	if err != nil {
		return Grant{}, err
	}
	return se.grant(c, mode, s)
}

// rotate exchanges a refresh token: it returns the session with the counter
// whose tokens the client shall have now. The row's lock makes tabs that race
// come one after the other, on all workers.
func (se *sessions) rotate(ctx context.Context, token string, c client) (Session, error) {
	t, err := parseRefreshToken(token)
	if err != nil {
		return Session{}, errSignedOut.Because(err)
	}
	var s Session
	var verdict judgement
	err = se.change(ctx, func(tx pgx.Tx) (what stale, event audit.Event, err error) {
		s, err = lockLiveSession(ctx, tx, t.session)
		if err != nil {
			return what, event, NoRow(err, errSignedOut.Because(errors.New("refresh token: no living session")))
		}
		switch verdict = se.judge(s, t); verdict {
		case forged:
			err = errSignedOut.Because(errors.New("refresh token: wrong MAC"))
		case ahead:
			err = errSignedOut.Because(errors.New("refresh token: counter never issued"))
		case current:
			s, err = advanceSession(ctx, tx, s.ID, c)
		case reused:
			return endReused(ctx, tx, s)
		}
		return what, event, err
	})
	if err == nil && verdict == reused {
		err = errSignedOut.Because(errors.New("refresh token: used before"))
	}
	return s, err
}

// endReused ends a session whose token was replayed. Who holds the copy is
// not known, so both lose it, and the user is told at the next sign-in.
func endReused(ctx context.Context, tx pgx.Tx, s Session) (stale, audit.Event, error) {
	err := endSession(ctx, tx, s.userID, s.ID, "refresh_reuse")
	if err == nil {
		err = addNotice(ctx, tx, s.userID, Notice{Kind: noticeRefreshReuse, Device: s.Name, Address: s.Address})
	}
	return staleUser(s.userID), audit.Event{Action: audit.RefreshReuse, Outcome: audit.Denied, Target: s.ID,
		Actor: audit.Actor{User: s.userID, Session: s.ID}}, err
}
