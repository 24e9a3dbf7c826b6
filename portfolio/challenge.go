package portfolio

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/http"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	challengePurpose = "contact"
	// challengeBits is the work a sender does: about 65,000 hashes, a second
	// for a phone's browser.
	challengeBits = 16
	challengeMin  = 3 * time.Second // nobody writes faster
	challengeMax  = 2 * time.Hour
)

var (
	errChallenge = httpx.NewProblem(http.StatusUnprocessableEntity, "challenge_invalid", "The form token or its proof of work is not valid").
			With("The token is wrong, too old or used already, or the nonce does not solve it. GET /api/v1/portfolio/contact/challenge gives a new one.")
	errTooEarly = httpx.NewProblem(http.StatusUnprocessableEntity, "challenge_too_early", "The form token is too young").
			With("Send the same request again min_age_seconds after the token was given.")
)

// Challenge is what a contact form asks for before it is sent. Find a nonce
// for which SHA-256(token + nonce) begins with Bits zero bits.
type Challenge struct {
	Token         string `json:"token"`
	Bits          int    `json:"bits"`
	MinAgeSeconds int    `json:"min_age_seconds"`
}

// getChallenge makes a token. Nothing is stored until it is used.
func (p *Portfolio) getChallenge(w http.ResponseWriter, _ *http.Request) error {
	return httpx.WriteJSON(w, http.StatusOK, Challenge{
		Token: p.sign(challengePurpose, time.Now(), uuid.Nil), Bits: challengeBits, MinAgeSeconds: int(challengeMin / time.Second)})
}

// solved checks token and nonce and says until when a token that was used has
// to be remembered. Nobody waits for a token from ahead, of a clock that was
// set back: a new one is good sooner.
func (p *Portfolio) solved(token, nonce string) (expires time.Time, err error) {
	issued, _, ok := p.signed(challengePurpose, token)
	sum := sha256.Sum256([]byte(token + nonce))
	switch age := time.Since(issued); {
	case !ok, age > challengeMax, age < -time.Minute, bits.LeadingZeros32(binary.BigEndian.Uint32(sum[:])) < challengeBits:
		return expires, errChallenge
	case age < challengeMin:
		return expires, errTooEarly.RetryAfter(challengeMin - age)
	}
	return issued.Add(challengeMax), nil
}
