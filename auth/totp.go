package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What every authenticator understands: SHA-1, six digits, thirty seconds
// (RFC 6238). Some ignore what a URI says about it, so nothing else is offered.
const (
	totpDigits      = 6
	totpStep        = 30 * time.Second
	totpSecretBytes = 20
	totpPurpose     = "totp" // of the sealer
	recoveryCodes   = 10
	recoveryLength  = 26 // characters of rand.Text: 130 bits
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// hotp is the code of a counter (RFC 4226, section 5.3).
func hotp(secret []byte, counter int64, digits int) string {
	h := hmac.New(sha1.New, secret)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(counter)))
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	code := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", digits, code%uint32(math.Pow10(digits)))
}

// stepOf is the time step of a moment (RFC 6238, section 4.2).
func stepOf(now time.Time) int64 { return now.Unix() / int64(totpStep/time.Second) }

// matchStep is the newest step in reach of now whose code this is, 0 for
// none. One step of drift is let pass on either side: the 30 seconds of a
// clock that is off, and of a person who types.
func matchStep(secret []byte, code string, now time.Time) int64 {
	found := int64(0)
	for step := stepOf(now) - 1; step <= stepOf(now)+1; step++ {
		if hmac.Equal([]byte(hotp(secret, step, totpDigits)), []byte(code)) {
			found = step
		}
	}
	return found
}

// parseCode reads what people give as a code: six digits of an authenticator,
// or a recovery code, whose hash it returns. Spaces and hyphens do not count,
// nor does the case. ok is false for anything else.
func parseCode(s string) (digits string, recovery []byte, ok bool) {
	if len(s) > 2*recoveryLength {
		return "", nil, false
	}
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
	switch len(s) {
	case totpDigits:
		return s, nil, strings.Trim(s, "0123456789") == ""
	case recoveryLength:
		return "", Digest(s), strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
	}
	return "", nil, false
}

// newRecoveryCodes makes a set of codes and what is kept of them.
func newRecoveryCodes() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		code := rand.Text()
		codes, hashes = append(codes, code), append(hashes, Digest(code))
	}
	return codes, hashes
}

// otpauthURI is what authenticators read as a QR code. Spaces are %20, for
// some read + as it is.
func otpauthURI(secret, account string) string {
	const issuer = "Homebase"
	return fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		issuer, url.PathEscape(account), secret, issuer, totpDigits, int(totpStep.Seconds()))
}

// authenticator is a user's TOTP as the row has it.
type authenticator struct {
	sealed    []byte
	confirmed bool // until then it guards nothing
	lastStep  int64
}

// authenticatorOf is read in a transaction that has locked the user, and with
// a statement of its own: what a statement that had to wait for that lock reads
// beside it may be from before.
func authenticatorOf(ctx context.Context, tx pgx.Tx, user uuid.UUID) (authenticator, error) {
	return db.One(ctx, tx, db.RowOf(func(t *authenticator) []any { return []any{&t.sealed, &t.confirmed, &t.lastStep} }), `
-- name: auth.TOTPOfUser
SELECT secret, confirmed_at IS NOT NULL, last_step FROM totp WHERE user_id = $1`, user)
}

var errNoCode = errors.New("second factor: no code was given")

// wrongCode is a code that proves nobody, by the reason that is recorded.
type wrongCode string

const (
	errWrongCode wrongCode = "code"
	errUsedCode  wrongCode = "used_code"
)

func (w wrongCode) Error() string { return "second factor refused: " + string(w) }

// codes proves a person by what an authenticator shows, or by a recovery code.
// It owns the rows of authenticators and seals their secrets. No code is
// accepted twice.
type codes struct {
	base
	sealer Sealer
}

// secondFactor asks for the code of a user who has TOTP on, and uses it up in
// tx, which has locked the user: of two sign-ins with one code the second
// finds it used. Errors: errNoCode, a wrongCode.
func (co *codes) secondFactor(ctx context.Context, tx pgx.Tx, user uuid.UUID, code string) error {
	t, err := authenticatorOf(ctx, tx, user)
	if errors.Is(err, db.ErrNotFound) || err == nil && !t.confirmed {
		return nil
	}
	if err != nil {
		return err
	}
	if code == "" {
		return errNoCode
	}
	digits, recovery, ok := parseCode(code)
	switch {
	case !ok:
		return errWrongCode
	case recovery != nil:
		return co.useRecoveryCode(ctx, tx, user, recovery)
	}
	return co.useStep(ctx, tx, user, t, digits, nil)
}

// useStep accepts the code of a step later than the last one accepted, once. The
// first one confirms the authenticator, and comes with recovery codes.
// A clock that went back makes every step an earlier one, so nothing is
// accepted until it is right again.
func (co *codes) useStep(ctx context.Context, tx pgx.Tx, user uuid.UUID, t authenticator, digits string, recovery [][]byte) error {
	secret, err := co.sealer.Open(t.sealed, user.String())
	if err != nil {
		return err
	}
	now := time.Now()
	if t.lastStep > stepOf(now)+1 {
		co.log.Error("a later code was used before: the clock went back, so no code is accepted until it is right", "now", now.UTC())
	}
	step := matchStep(secret, digits, now)
	if step == 0 {
		return errWrongCode
	}
	return db.Touch(ctx, tx, errUsedCode, `
-- name: auth.UseTOTPStep
UPDATE totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, now()), recovery = coalesce($3, recovery)
 WHERE user_id = $1 AND last_step < $2`, user, step, recovery)
}

// useRecoveryCode spends one of a user's recovery codes.
func (co *codes) useRecoveryCode(ctx context.Context, tx pgx.Tx, user uuid.UUID, hash []byte) error {
	left, err := db.One(ctx, tx, db.Value[int], `
-- name: auth.UseRecoveryCode
UPDATE totp SET recovery = array_remove(recovery, $2) WHERE user_id = $1 AND $2 = ANY(recovery)
RETURNING cardinality(recovery)`, user, hash)
	if err != nil {
		return NoRow(err, errWrongCode)
	}
	return co.audit.Record(ctx, tx, audit.Event{Action: audit.RecoveryCodeUsed, Target: user,
		Actor: audit.Actor{User: user}, Details: map[string]string{"left": strconv.Itoa(left)}})
}
