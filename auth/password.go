package auth

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"homebase/audit"
	"homebase/auth/internal/nfkc"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	passwordShortest     = 12   // characters
	passwordLongest      = 256  // characters
	passwordLongestBytes = 1024 // bytes
)

// weakPassword says why a password is not taken, and what to do.
type weakPassword struct{ code, detail string }

func (w *weakPassword) Error() string { return w.detail }

var (
	errPasswordShort  = &weakPassword{"too_short", "A password has at least 12 characters."}
	errPasswordLong   = &weakPassword{"too_long", "A password has at most 256 characters and 1024 bytes."}
	errPasswordBroken = &weakPassword{"invalid", "The password is not valid text."}
	errPasswordCommon = &weakPassword{"too_common", "This password is among the first that are guessed. Choose another, such as four unrelated words."}
)

// checkPassword holds a new password against the policy: long enough, and
// none of the first that anyone would guess. There are no rules of
// composition; they make passwords worse. What is folded counts where that is
// shorter, for é is one character also when it was typed as two.
func checkPassword(email, password string) *weakPassword {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return errPasswordBroken
	case n > passwordLongest || len(password) > passwordLongestBytes:
		return errPasswordLong
	}
	folded := nfkc.Fold(password)
	switch {
	case min(n, utf8.RuneCountInString(folded)) < passwordShortest:
		return errPasswordShort
	case guessable(email, folded):
		return errPasswordCommon
	}
	return nil
}

// commonWords are passwords and words that lists of stolen passwords begin
// with, in lower case, one a line.
//
//go:embed common_passwords.txt
var commonWords string

var commonPasswords = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(commonWords) {
		set[word] = true
	}
	return set
})

// rows are what fingers run along. A password that is only pieces of them,
// forwards or backwards, is no better than one of the list.
var rows = []string{
	"01234567890123456789", "abcdefghijklmnopqrstuvwxyzabcdefghijkl",
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()", "!\"§$%&/()=",
}

// guessable reports whether a password is built from hardly more than the
// user's own address, common words, runs along the keyboard and repetitions:
// each of those counts as little to guess as one other character, and fewer
// than five are too few.
func guessable(email, password string) bool {
	p := strings.ToLower(strings.Join(strings.Fields(password), ""))
	email = strings.ToLower(email)
	local, _, _ := strings.Cut(email, "@")
	if unit := period(p); unit < len(p) {
		p = p[:unit] // what is said twice is guessed once
		if utf8.RuneCountInString(p) < 8 {
			return true
		}
	}
	pieces := 0
	for ; p != ""; pieces++ {
		n := predictable(p, email, local)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(p)
		}
		for unit := p[:n]; strings.HasPrefix(p, unit); {
			p = p[n:]
		}
	}
	return pieces < 5
}

// period is the length of the shortest beginning of p that p repeats, len(p)
// if there is none.
func period(p string) int {
	for n := 1; n <= len(p)/2; n++ {
		if len(p)%n == 0 && p == strings.Repeat(p[:n], len(p)/n) {
			return n
		}
	}
	return len(p)
}

// predictable is the length of the longest beginning of p that needs no
// guessing, 0 if it has none of at least three bytes.
func predictable(p, email, local string) int {
	longest := 0
	for _, known := range []string{email, local} {
		if len(known) >= 3 && strings.HasPrefix(p, known) {
			longest = max(longest, len(known))
		}
	}
	for n := min(len(p), 40); n >= 3 && n > longest; n-- {
		if commonPasswords()[p[:n]] {
			longest = n
		}
	}
	return max(longest, runLength(p), repeatLength(p))
}

// runLength is how far p goes along one of the rows, from 3 on.
func runLength(p string) int {
	longest := 0
	for n := 3; n <= len(p) && n <= 40; n++ {
		found := false
		for _, row := range rows {
			found = found || strings.Contains(row, p[:n]) || strings.Contains(row, reversed(p[:n]))
		}
		if !found {
			break
		}
		longest = n
	}
	return longest
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// repeatLength is how much of p's beginning is one unit of up to four bytes
// said at least three times: aaaa, abababab.
func repeatLength(p string) int {
	longest := 0
	for unit := 1; unit <= 4 && 3*unit <= len(p); unit++ {
		n := unit
		for n < len(p) && p[n] == p[n-unit] {
			n++
		}
		if n >= 3*unit {
			longest = max(longest, n)
		}
	}
	return longest
}

// HashPassword checks a new password against the policy and hashes it. The
// error is a sentence for the user where the password is not taken, and
// hashing_busy where too many are being hashed.
func (a *Auth) HashPassword(ctx context.Context, email, password string) (string, error) {
	if weak := checkPassword(email, password); weak != nil {
		return "", weak
	}
	p, err := a.hasher.enter()
	if err != nil {
		return "", err
	}
	defer p.leave()
	return p.hash(ctx, password)
}

// setPassword replaces a user's hash inside tx and ends the user's sessions
// except keep, which may be zero.
func (a *Auth) setPassword(ctx context.Context, tx pgx.Tx, user uuid.UUID, hash string, keep uuid.UUID) error {
	if err := updatePasswordHash(ctx, tx, user, hash); err != nil {
		return err
	}
	if _, err := endSessionsOf(ctx, tx, user, keep, "password_changed"); err != nil {
		return err
	}
	if err := killTokens(ctx, tx, user); err != nil {
		return err
	}
	return a.audit.Record(ctx, tx, audit.Event{Action: audit.PasswordChanged, Target: user})
}

func updatePasswordHash(ctx context.Context, q db.Querier, user uuid.UUID, hash string) error {
	_, err := db.Exec(ctx, q, `
-- name: auth.UpdatePasswordHash
UPDATE users SET password_hash = $2, revision = revision + 1, updated_at = now() WHERE id = $1`, user, hash)
	return err
}

// ChangePassword is the body of POST /auth/password.
type ChangePassword struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
}

var errWrongPassword = httpx.NewProblem(403, "wrong_password", "The password is wrong").
	With("Give the password that you signed in with.")

func (a *Auth) passwordRoutes() []httpx.Route {
	problems := []*httpx.Problem{errWrongPassword, errInvalidCredentials, ErrHashingBusy}
	return []httpx.Route{
		{Pattern: "POST /auth/password", Access: httpx.SignedIn(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: ChangePassword{}, Responses: noContent,
			Summary:  "Change the password; the other sessions end",
			Problems: problems, Handler: a.changePassword},
		{Pattern: "POST /auth/reauthenticate", Access: httpx.SignedIn(), Rate: httpx.RateCredentials,
			Body: credentialsBody, Request: Reauthenticate{}, Responses: noContent,
			Summary:  "Confirm the password, for actions that need a recent one",
			Problems: append(problems, errNeedsCode, errCodeWrong), Handler: a.reauthenticate},
	}
}

// changePassword serves POST /auth/password: the session that asks stays, the
// user's others end.
func (a *Auth) changePassword(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[ChangePassword](w, r)
	if err != nil {
		return err
	}
	ctx, caller := r.Context(), httpx.CallerOf(r.Context())
	place, err := a.hasher.enter()
	if err != nil {
		return err
	}
	defer place.leave()
	acc, err := a.provePassword(r, place, in.CurrentPassword)
	if err != nil {
		return err
	}
	if weak := checkPassword(acc.Email, in.NewPassword); weak != nil {
		var f httpx.Fields
		f.Add("#/new_password", weak.code, weak.detail)
		return f.Err()
	}
	hash, err := place.hash(ctx, in.NewPassword)
	if err == nil {
		err = a.Still(ctx, "")
	}
	if err != nil {
		return err
	}
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, err
		}
		// This does not count as giving a recent password: it asks for no
		// code, and would be the way around it.
		return staleUser(acc.ID), a.setPassword(ctx, tx, acc.ID, hash, caller.SessionID)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Reauthenticate is the body of POST /auth/reauthenticate.
type Reauthenticate struct {
	Password string `json:"password"`
	Code     string `json:"code,omitempty"` // with TOTP on, as for signing in
}

// reauthenticate serves POST /auth/reauthenticate: for ten minutes the
// session may do what asks for a recent password.
func (a *Auth) reauthenticate(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[Reauthenticate](w, r)
	if err != nil {
		return err
	}
	ctx, caller := r.Context(), httpx.CallerOf(r.Context())
	place, err := a.hasher.enter()
	if err != nil {
		return err
	}
	defer place.leave()
	acc, err := a.provePassword(r, place, in.Password)
	if err == nil {
		err = a.Still(ctx, "")
	}
	if err != nil {
		return err
	}
	var guess Guess
	if in.Code != "" {
		if guess, err = a.Guess(r, guessCode, acc.ID.String(), acc.ID); err != nil {
			return err
		}
	}
	err = a.change(ctx, func(tx pgx.Tx) (stale, error) {
		if err := sameAccount(ctx, tx, acc); err != nil {
			return nothing, err
		}
		if err := a.secondFactor(ctx, tx, acc.ID, in.Code); err != nil {
			return nothing, err
		}
		if err := guess.Right(ctx, tx); err != nil {
			return nothing, err
		}
		if err := touchAuthenticated(ctx, tx, caller.SessionID); err != nil {
			return nothing, err
		}
		return staleSession(caller.SessionID),
			a.audit.Record(ctx, tx, audit.Event{Action: audit.Reauthenticated, Target: acc.ID})
	})
	switch {
	case errors.Is(err, errNoCode):
		return errNeedsCode
	case errors.Is(err, errWrongCode):
		return errors.Join(a.recordRefusal(ctx, audit.Reauthenticated, acc.ID, err), errCodeWrong.Because(err))
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// provePassword compares a signed-in caller's password. A wrong one is
// recorded and is errWrongPassword: 401 would tell a frontend that the
// session has ended.
func (a *Auth) provePassword(r *http.Request, place *place, password string) (account, error) {
	ctx := r.Context()
	acc, err := accountByID(ctx, a.db, httpx.CallerOf(ctx).UserID)
	if err != nil {
		return account{}, err
	}
	guess, err := a.Guess(r, guessPassword, acc.ID.String(), acc.ID)
	if err != nil {
		return account{}, err
	}
	ok, _, err := place.matches(ctx, password, acc.passwordHash)
	if err != nil {
		return account{}, err
	}
	if ok {
		return acc, guess.Right(ctx, a.db)
	}
	err = a.db.InTx(ctx, func(tx pgx.Tx) error {
		return a.audit.Record(ctx, tx, audit.Event{
			Action: audit.Reauthenticated, Target: acc.ID, Outcome: audit.Denied,
		})
	})
	if err != nil {
		return account{}, err
	}
	return account{}, errWrongPassword
}

// sameAccount locks the user's row and makes sure that nothing of what was
// proved with acc has changed since: hashing takes long, and a password that
// was changed or a user who was disabled meanwhile must not count.
func sameAccount(ctx context.Context, tx pgx.Tx, acc account) error {
	now, err := lockAccount(ctx, tx, acc.ID)
	if err != nil {
		return err
	}
	if now.passwordHash != acc.passwordHash || now.Status != statusActive {
		return errInvalidCredentials
	}
	return nil
}
