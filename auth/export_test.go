package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// The tests' door to what has no other: the token code against the vectors
// of the RFCs, and the parsers for fuzzing.

var (
	HS256             = hs256
	ParseRefreshToken = func(s string) error { _, err := parseRefreshToken(s); return err }
	GenerateKey       = newKey
	ParseKey          = func(s string) error { _, err := parseKey(s); return err }
	DeviceName        = deviceName
	ParsePHC          = func(s string) (string, error) { p, err := parsePHC(s); return p.String(), err }
	CheckPassword     = func(email, password string) string {
		var f httpx.Fields
		checkNewPassword(&f, "#/password", email, password)
		if weak, ok := errors.AsType[*httpx.Problem](f.Err()); ok {
			return weak.Fields[0].Code
		}
		return ""
	}
)

// VerifyAccess returns the subject of a good token.
func VerifyAccess(token string, key []byte, issuer string, now time.Time) (string, error) {
	tk := newTokens(func(string) [][]byte { return [][]byte{key} }, issuer)
	c, err := tk.verify(token, now)
	if c == (claims{}) {
		return "", err
	}
	return c.Subject.String(), err
}

// WriteUsed does at once what happens once a minute.
func (a *Auth) WriteUsed() error { return a.callers.writeUsed(context.Background()) }

// CheckSecret is what Start does before it begins anything.
func (a *Auth) CheckSecret() error { return a.checkSecret(context.Background()) }

var (
	HOTP      = hotp
	ParseCode = parseCode
	MatchStep = matchStep
)

// HoldHashing keeps every hash waiting until release, and says how many
// sign-ins can wait.
func (a *Auth) HoldHashing() (room int, release func()) {
	h := a.passwords.hasher
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	return cap(h.permits), func() {
		for range cap(h.slots) {
			<-h.slots
		}
	}
}

// Hashing is how many secrets are hashed or wait for it.
func (a *Auth) Hashing() int { return len(a.passwords.hasher.permits) }

// Right is what a route does after a right guess.
func (g attempt) Right(ctx context.Context, q db.Querier) error { return g.right(ctx, q) }

// Guess counts a try as every route does that compares a secret.
func (a *Auth) Guess(r *http.Request, kind, account string, user uuid.UUID) (attempt, error) {
	return a.guesses.count(r, kind, account, user)
}

// Kept is how many sessions, keys and users the cache holds, and by how many
// credentials and tokens it finds them.
func (a *Auth) Kept() (entries, keys int) {
	c := a.callers.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len(), len(c.entries)
}

// KeepSessions fills the cache with so many, each with a token.
func (a *Auth) KeepSessions(n int) {
	c := a.callers.cache
	for range n {
		k := &known{credential: idCredential(uuid.New()), token: credential(sha256.Sum256([]byte(uuid.NewString())))}
		c.put(c.begin(), k)
		c.remember(k)
	}
}
